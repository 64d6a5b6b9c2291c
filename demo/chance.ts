/** Numbers from 0 (inclusive) to 1 (exclusive), like `Math.random`. */
export type Random = () => number

/** The same numbers for the same seed (a 64-bit linear congruential generator, of which the upper half is used). */
export function seeded(seed: number): Random {
  let state = BigInt(seed)
  return () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n)
    return Number(state >> 32n) / 2 ** 32
  }
}

export const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!

/** An integer from `low` to `high`, inclusive. */
export const between = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1))

/** One element of `from`, with a probability by weight. */
export function weighted<T>(random: Random, from: readonly T[], weight: (one: T) => number): T {
  let left = random() * from.reduce((sum, one) => sum + weight(one), 0)
  for (const one of from) {
    left -= weight(one)
    if (left < 0) return one
  }
  return from.at(-1)!
}
