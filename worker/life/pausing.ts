import type { Logger } from 'pino'
import type { Sql } from '../database/database.ts'
import { every } from '../loop.ts'
import { type Paused, readPaused } from '../queue/pauses.ts'

/** What this worker knows of the pauses that people have set (decision 26): as old as its last look. */
export interface Pausing {
  readonly now: Paused
  stop(): Promise<void>
}

/** A pause begins, and ends, within this time although its notification was lost, or none was due. */
const LOOK_MS = 1000

/** @param onChange something is paused, or no longer */
export async function startPausing(sql: Sql, log: Logger, onChange: () => void): Promise<Pausing> {
  let now = await readPaused(sql)

  async function look(): Promise<void> {
    try {
      const paused = await readPaused(sql)
      if (JSON.stringify(paused) === JSON.stringify(now)) return
      now = paused
      const { everything, topics, sellerIds } = now
      log.info({ everything, topics, sellers: sellerIds.length }, 'What is paused has changed')
      onChange()
    } catch (error) {
      log.warn({ err: error }, 'The pauses could not be read; the last ones stay in force')
    }
  }

  const onNotice = () => void look()
  await sql.listen('shop_update_pause', onNotice)
  const looks = every(LOOK_MS, look)
  return {
    get now() {
      return now
    },
    stop: looks.stop,
  }
}
