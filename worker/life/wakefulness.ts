/**
 * The result of a look for items: some, none, or none taken because there was no room, or the Shop's rate or circuit
 * allowed none.
 */
export type Look = 'found' | 'nothing' | 'no room'

/** It is busy after this many consecutive looks that it would have made without being woken. */
const BUSY_LOOKS = 20
/** It falls asleep when nothing has come for this long; until then it looks again after each pause. */
const IDLE_MS = 20
const PAUSE_MS = 3
/**
 * When to look again after falling asleep, besides the look at once: for transactions that saw it awake and had yet to
 * commit.
 */
const ASLEEP_LOOKS_MS = [10, 50, 250]

/**
 * Whether Seller Center must wake this worker: when each change commits, that costs as much as the rest of it (see
 * `enqueue_item`). While asleep, the worker is woken by each change. After it has been busy for a while it is awake: it
 * looks again on its own as soon as it has room. When nothing is left it stores that it sleeps, and looks again only
 * after that has committed. So a change that did not notify it had either committed before, or has read that it sleeps.
 *
 * One case remains: a change that was queued while it was awake and commits after the last of these looks. The poll
 * finds it.
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
    await store(to) // if it fails, the state stays, and the next look tries again
    awake = to
    busyLooks = 0
    if (awake) foundAt = now()
    else asleepAt = now()
  }

  return {
    /**
     * @param wokenMeanwhile whether it was called since the look began
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
