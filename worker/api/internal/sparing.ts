/**
 * Reads at most a tenth of the time. Callers get the reading that is under way, or the last one for ten times as long
 * as it took. A fast reading is practically never old; a slow one (the KPIs of a quarter take a second) is not repeated
 * by every open page. Failures are not kept.
 */
export function sparing<T>(read: () => Promise<T>, now: () => number = () => performance.now()): () => Promise<T> {
  let last: Promise<T> | undefined
  let goodUntil = Number.POSITIVE_INFINITY
  return () => {
    if (last !== undefined && now() < goodUntil) return last
    const began = now()
    goodUntil = Number.POSITIVE_INFINITY
    const mine = read()
    last = mine
    mine.then(
      () => {
        goodUntil = now() + 10 * (now() - began)
      },
      () => {
        last = undefined
      },
    )
    return mine
  }
}
