/** What a look may take that finds nothing; each row that it works on adds to that. */
const SLOW_MS = 10
const ROW_MS = 0.1
/** A quick look that takes so much of the time of a full one is of no use: the machine is slow, not the way. */
const USEFUL = 1 / 3
/** One slow look is chance, or somebody else's load. */
const SLOW_LOOKS = 5
/** Full looks take one part in so many of the time. */
const SHARE = 20
/** What a quick look does not see waits no longer. */
const MOST_PAUSE_MS = 5000

/**
 * Whether to look at everything, or only where something new is to be expected.
 *
 * An index keeps what has left it until vacuum comes by, and a look from its beginning walks over all of that. While a
 * transaction keeps its snapshot, a dump or a report, vacuum may clear away nothing: 100,000 items later a claim takes
 * 78 ms and not 2. As long as full looks are fast there are no others. When five on end were slow, and quick ones are
 * faster by far, everything is looked at a twentieth of the time, and every five seconds.
 */
export function createFullLooks(now: () => number = () => performance.now()) {
  let pauseUntil = Number.NEGATIVE_INFINITY
  let slow = 0
  let full = 0
  return {
    isDue: (): boolean => now() >= pauseUntil,
    /** Whether a quick look may come after the next full one. */
    isNearPause: (): boolean => slow >= SLOW_LOOKS - 1,
    /** @param rows that it worked on */
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
