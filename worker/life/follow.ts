import type { Logger } from 'pino'
import type { Sql } from '../database/database.ts'
import { promote } from '../queue/promote.ts'
import { release } from '../queue/release.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'

/** What remains to be done after a commit. */
export interface Left {
  /** Free sets in which others wait. */
  sets: readonly string[]
  /** Sets in which the outcome of a create is known now: what waits for it is examined again. */
  created: readonly string[]
}

export interface FollowOptions {
  sql: Sql
  telemetry: Telemetry
  log: Logger
  /** These items have become ready, and maybe others. */
  onReady(items: readonly string[]): void
}

/**
 * The follow-ups of a commit, in separate statements: what waited for a create is released and reported, sets get their
 * next item, the pump is poked. After a crash in between, the leader does the rest.
 */
export function createFollow({ sql, telemetry, log, onReady }: FollowOptions) {
  const following = new Set<Promise<void>>()

  async function now({ sets, created }: Left): Promise<void> {
    if (sets.length === 0 && created.length === 0) return
    const released = created.length > 0 ? await release(sql, created) : []
    telemetry.steps(released)
    const promoted = sets.length > 0 ? await promote(sql, sets) : []
    const ready = [...released.map(({ itemId }) => itemId), ...promoted]
    if (ready.length > 0) onReady(ready)
  }

  return {
    now,
    /** In parallel with whatever comes next. */
    soon(left: Left): void {
      const work = now(left).catch((error) => {
        log.warn({ err: error }, 'Items that a commit made ready could not be moved on; the leader does it in seconds')
      })
      following.add(work)
      void work.finally(() => following.delete(work))
    },
    /** Resolves when all follow-ups so far are done. */
    async idle(): Promise<void> {
      await Promise.all(following)
    },
  }
}

export type Follow = ReturnType<typeof createFollow>
