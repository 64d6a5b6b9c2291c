/** How fast calls may leave: a token bucket, asked before each claim. */
export interface RateLimit {
  /** Whole tokens available now; Infinity without a limit. */
  available(): number
  /** Spends `n` tokens. Spending more than available is a debt that later tokens pay, so the average rate holds. */
  take(n: number): void
  /** Milliseconds until the next token, rounded up; 0 when there is one. */
  msUntilNext(): number
}

export interface RateLimitOptions {
  /** Calls a second; null for no limit. */
  perSecond: number | null
  /** A monotonic clock in milliseconds, e.g. `performance.now`. */
  now: () => number
}

/**
 * The bucket starts full and holds a tenth of a second's worth, at least one token. That is enough to claim in batches
 * (100 at 1,000 a second), and too little for a Shop to notice that a worker was idle.
 *
 * @throws RangeError when `perSecond` is not above 0
 * @example
 * const rate = createRateLimit({ perSecond: 1000, now: () => performance.now() })
 * const items = await claim(Math.min(free, rate.available()))
 * rate.take(items.length)
 */
export function createRateLimit({ perSecond, now }: RateLimitOptions): RateLimit {
  if (perSecond === null) return { available: () => Number.POSITIVE_INFINITY, take() {}, msUntilNext: () => 0 }
  if (!(perSecond > 0)) throw new RangeError(`A rate must be above 0, not ${perSecond}`)

  // The bucket is stored as the time since which its tokens accumulate: reading changes nothing, so rounding errors do
  // not add up.
  const msPerToken = 1000 / perSecond
  const burst = Math.max(1, perSecond / 10)
  let emptyAt = now() - burst * msPerToken

  const tokens = () => Math.min(burst, (now() - emptyAt) / msPerToken)

  return {
    available: () => Math.max(0, Math.floor(tokens())),
    take(n) {
      emptyAt = now() - (tokens() - n) * msPerToken
    },
    // At least 1: a rounded 0 would make the caller spin.
    msUntilNext: () => (tokens() >= 1 ? 0 : Math.max(1, Math.ceil(emptyAt + msPerToken - now()))),
  }
}
