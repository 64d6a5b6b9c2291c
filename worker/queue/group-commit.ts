import { isTransient } from '../database/database.ts'

const MOST_CHARACTERS = 8 * 1024 * 1024

/**
 * Group commit: whoever calls while a statement runs is gathered, and all that has gathered goes into the next
 * statement. There is no timer and no batch size to tune: on a quiet queue an item is written at once, under load
 * hundreds share a statement (one statement per status and item reached 900 items a second on two cores, set-based
 * statements 13,000).
 *
 * A statement that fails for a passing cause is sent again: every statement of the queue is guarded by token and
 * status, so that a repetition of one that had been committed changes nothing. Any other failure is looked for by
 * halves, so that one bad row fails alone.
 *
 * @param write writes a batch and says of each entry what became of it, in the order given
 * @param most entries a statement (500 was the knee: 200 gave 25k, 1,000 gave 32k items a second but twice the latency)
 * @param sizeOf what the bodies of an entry have in characters: a statement ends before they are more than
 *   `MOST_CHARACTERS`, for it is in memory several times while it is sent
 */
export function groupCommit<Entry, Result>(
  write: (entries: Entry[]) => Promise<Result[]>,
  { most = 500, retryMs = 200, sizeOf }: { most?: number; retryMs?: number; sizeOf?: (entry: Entry) => number } = {},
): (entry: Entry) => Promise<Result> {
  interface Waiting {
    entry: Entry
    resolve: (result: Result) => void
    reject: (error: unknown) => void
  }
  const waiting: Waiting[] = []
  let writing = false

  async function writeBatch(batch: Waiting[]): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        const results = await write(batch.map(({ entry }) => entry))
        batch.forEach(({ resolve }, place) => {
          resolve(results[place] as Result)
        })
        return
      } catch (error) {
        if (isTransient(error) && tries < 300) {
          await new Promise((resolve) => setTimeout(resolve, Math.min(retryMs * (tries + 1), 2_000)))
        } else if (batch.length > 1) {
          const half = batch.length >> 1
          await writeBatch(batch.slice(0, half))
          await writeBatch(batch.slice(half))
          return
        } else {
          batch[0]?.reject(error)
          return
        }
      }
    }
  }

  /** At least one, however large. */
  function howMany(of: (entry: Entry) => number): number {
    let characters = 0
    let n = 0
    for (; n < waiting.length && n < most; n++) {
      characters += of(waiting[n]!.entry)
      if (n > 0 && characters > MOST_CHARACTERS) break
    }
    return n
  }

  async function run(): Promise<void> {
    writing = true
    await null // let everything of this turn of the event loop gather
    while (waiting.length > 0) await writeBatch(waiting.splice(0, sizeOf ? howMany(sizeOf) : most))
    writing = false
  }

  return (entry) =>
    new Promise((resolve, reject) => {
      waiting.push({ entry, resolve, reject })
      if (!writing) void run()
    })
}
