import { existsSync, readFileSync } from 'node:fs'

/** The same PostgreSQL for everything that is compared. */
export const BENCH_POSTGRES = ['shared_buffers=1GB', 'max_wal_size=8GB']

export const median = (values: readonly number[]): number => percentile(values, 0.5)

/** Nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

/**
 * How undisturbed the machine is: the share of processor time from here on that the host of a virtual machine gave to
 * others (`steal` in /proc/stat, proc(5)).
 *
 * @returns a function that reads it, in percent; null if the system does not report it
 */
export function startStolen(): () => number | null {
  if (!existsSync('/proc/stat')) return () => null // only Linux has it
  // of all processors: user nice system idle iowait irq softirq steal
  const read = () => readFileSync('/proc/stat', 'utf8').match(/\d+/g)!.slice(0, 8).map(Number)
  const before = read()
  return () => {
    const after = read()
    const ticks = after.map((value, k) => value - before[k]!)
    return Number(((100 * ticks[7]!) / ticks.reduce((sum, value) => sum + value)).toFixed(1))
  }
}
