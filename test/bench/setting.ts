/** The same PostgreSQL for everything that is compared. */
export const BENCH_POSTGRES = ['shared_buffers=1GB', 'max_wal_size=8GB']

export const median = (values: readonly number[]): number => percentile(values, 0.5)

/** Nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}
