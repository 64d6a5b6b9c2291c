/**
 * What came of a look for items: some, none, or none was taken for there was no room, or the Shop's rate or circuit let
 * none through.
 */
export type Look = 'found' | 'nothing' | 'no room'

/** So many looks in a row that it would have made without being woken: it is busy. */
const BUSY_LOOKS = 20
/** It falls asleep when nothing has come for so long; until then it looks again after each pause. */
const IDLE_MS = 20
const PAUSE_MS = 3
/**
 * When to look again after it has fallen asleep, beside the look at once: for transactions that took it for awake, and
 * had yet to commit.
 */
const ASLEEP_LOOKS_MS = [10, 50, 250]

/**
 * Whether Seller Center has to wake this worker: at the commit of each change that costs as much as all the rest of it
 * (see `enqueue_item`). Asleep, it is woken by each change. After a while in which it was busy all the time it is
 * awake: it looks again by itself, as soon as it has room. When there is nothing any more it says that it sleeps, and
 * looks again only when that is committed: a change of which it was not told has either been committed before, or has
 * read that it sleeps.
 *
 * Between the two is a change that was queued while it was awake and is committed after the last of these looks: the
 * poll finds that one.
 *
 * @param store stores whether it is awake
 */
export function createWakefulness(
  store: (awake: boolean) => Promise<void>,
  now: () => number = () => performance.now(),
) {
  let awake = false
  let busyLooks = 0
  let foundAt = 0
  let asleepAt = Number.NEGATIVE_INFINITY

  async function turn(to: boolean): Promise<void> {
    await store(to) // where it fails, it is what it was, and tries again after the next look
    awake = to
    busyLooks = 0
    if (awake) foundAt = now()
    else asleepAt = now()
  }

  return {
    /**
     * @param wokenMeanwhile somebody has called since the look began
     * @returns in how many milliseconds to look again; null: when called, or when there is room
     */
    async after(look: Look, wokenMeanwhile: boolean): Promise<number | null> {
      if (awake) {
        if (look === 'no room') return null
        if (look === 'found') {
          foundAt = now()
          return 0
        }
        if (now() - foundAt < IDLE_MS) return PAUSE_MS
        await turn(false)
        return 0
      }
      busyLooks = look === 'no room' || (look === 'found' && wokenMeanwhile) ? busyLooks + 1 : 0
      if (busyLooks >= BUSY_LOOKS) {
        await turn(true)
        return look === 'no room' ? null : 0
      }
      const next = ASLEEP_LOOKS_MS.map((ms) => asleepAt + ms - now()).find((ms) => ms > 0)
      return next ?? null
    },
  }
}
