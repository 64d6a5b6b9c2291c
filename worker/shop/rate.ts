/** How fast calls may leave: a token bucket that is asked before each claim. */
export interface RateLimit {
  /** Whole tokens there are now; Infinity without a limit. */
  available(): number
  /** Spends `n` tokens. More than available is a debt that later tokens pay, so the rate holds on average. */
  take(n: number): void
  /** Milliseconds, rounded up, until there is a token; 0 when there is one. */
  msUntilNext(): number
}

export interface RateLimitOptions {
  /** Calls a second; null for no limit. */
  perSecond: number | null
  /** A monotonic clock in milliseconds, e.g. `performance.now`. */
  now: () => number
}

/**
 * The bucket starts full and holds a tenth of a second's worth, at least one: enough to claim in batches (100 at 1,000 a second), and too
 * little for a Shop to notice that a worker had been idle.
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

  const burst = Math.max(1, perSecond / 10)
  let tokens = burst
  let filledAt = now()

  const fill = (): number => {
    const at = now()
    tokens = Math.min(burst, tokens + ((at - filledAt) / 1000) * perSecond)
    filledAt = at
    return tokens
  }

  return {
    available: () => Math.max(0, Math.floor(fill())),
    take(n) {
      fill()
      tokens -= n
    },
    msUntilNext: () => Math.max(0, Math.ceil(((1 - fill()) / perSecond) * 1000)),
  }
}
