/**
 * Reads at most a tenth of the time: whoever asks meanwhile gets the answer that is being read, or the last one for ten
 * times as long as reading it took. A quick reading is practically never old, a slow one (the KPIs of a quarter take a
 * second) cannot be repeated by every open page. A failure is not kept.
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
