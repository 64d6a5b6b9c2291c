import type { Logger } from 'pino'
import type { Sql } from '../database/database.ts'
import { promote } from '../queue/promote.ts'
import { release } from '../queue/release.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'

/** What a commit has left to do. */
export interface Left {
  /** Sets that are free, and in which others wait. */
  sets: readonly string[]
  /** Sets in which the fate of a create is known now: what waits for it is looked at again. */
  created: readonly string[]
}

export interface FollowOptions {
  sql: Sql
  telemetry: Telemetry
  log: Logger
  /** These have become ready, and maybe others. */
  onReady(items: readonly string[]): void
}

/**
 * What follows a commit, in statements of their own: what waited for a create is released, and told; turns are given;
 * the pump is poked. What a crash in between leaves, the leader finds.
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
    /** Beside whatever comes next. */
    soon(left: Left): void {
      const work = now(left).catch((error) => {
        log.warn({ err: error }, 'Items that a commit made ready could not be moved on; the leader does it in seconds')
      })
      following.add(work)
      void work.finally(() => following.delete(work))
    },
    /** Resolves when all that was to be done soon has been done. */
    async idle(): Promise<void> {
      await Promise.all(following)
    },
  }
}

export type Follow = ReturnType<typeof createFollow>
