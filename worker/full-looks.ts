/** The time that a look may take if it finds nothing; each processed row adds to it. */
const SLOW_MS = 10
const ROW_MS = 0.1
/** A quick look that takes this share of a full one is useless: the machine is slow, not the index. */
const USEFUL = 1 / 3
/** One slow look is chance, or somebody else's load. */
const SLOW_LOOKS = 5
/** Full looks take at most one part in this many of the time. */
const SHARE = 20
/** The longest wait of what a quick look misses. */
const MOST_PAUSE_MS = 5000

/**
 * Whether to look at everything, or only where something new is expected.
 *
 * An index keeps dead entries until vacuum removes them, and a look from its beginning walks over all of them. While a
 * transaction (a dump, a report) holds a snapshot, vacuum may remove nothing: after 100,000 items a claim takes 78 ms
 * instead of 2. While full looks are fast, there are no others. After five slow ones in a row, if quick looks are much
 * faster, full looks take only a twentieth of the time, and come at least every five seconds.
 */
export function createFullLooks(now: () => number = () => performance.now()) {
  let pauseUntil = Number.NEGATIVE_INFINITY
  let slow = 0
  let full = 0
  return {
    isDue: (): boolean => now() >= pauseUntil,
    /** Whether a quick look may come after the next full one. */
    isNearPause: (): boolean => slow >= SLOW_LOOKS - 1,
    /** @param rows how many it processed */
    took(milliseconds: number, rows: number, wasFull: boolean): void {
      const walk = milliseconds - rows * ROW_MS
      if (wasFull) {
        full = walk
        slow = walk > SLOW_MS ? slow + 1 : 0
        if (slow >= SLOW_LOOKS) pauseUntil = now() + Math.min(milliseconds * (SHARE - 1), MOST_PAUSE_MS)
      } else if (walk > full * USEFUL) {
        slow = 0
        pauseUntil = Number.NEGATIVE_INFINITY
      }
    },
  }
}
