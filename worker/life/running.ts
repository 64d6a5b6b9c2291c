import type { Logger } from 'pino'
import { forgetRuns, noteOutcomes } from '../admin/record.ts'
import { carryOn, openRuns } from '../admin/runs.ts'
import type { Sql } from '../database/database.ts'
import { type Every, every } from '../loop.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { createFullRounds } from './rounds.ts'

export interface RunningOptions {
  /** Plans each statement anew: what a run is about may be any selection. */
  sql: Sql
  /** One worker carries runs on: the leader. */
  leads(): boolean
  historyDays: number
  log: Logger
  telemetry: Telemetry
  onReady(items: readonly string[]): void
}

const EVERY_MS = 1000
/** How long a round lasts at most, but for the last part of a run: the machine has other things to do. */
const ROUND_MS = 700
/** Whoever holds an item for longer keeps its run waiting, but not the others. */
const LOCK_TIMEOUT_MS = 1000
const FORGET_EVERY_MS = 10_000

/**
 * Carries on the runs that people have begun (decision 27), and notes what came of them. A loop of its own: the duties
 * of the leader are more urgent, and a run may wait for a locked row.
 */
export function startRunning({ sql, leads, historyDays, log, telemetry, onReady }: RunningOptions): Every {
  const outcomesNext = createFullRounds((after) => noteOutcomes(sql, after))
  let forgotten = performance.now()

  /** One part of each run in turn, so that a long one does not keep a short one waiting. */
  async function carryOnRuns(until: number): Promise<void> {
    const stuck = new Set<string>()
    for (;;) {
      const open = (await openRuns(sql)).filter((run) => !stuck.has(run))
      if (open.length === 0) return
      for (const run of open) {
        if (!leads() || performance.now() > until) return
        try {
          const part = await carryOn(sql, run, LOCK_TIMEOUT_MS)
          if (!part) stuck.add(run)
          else {
            telemetry.steps(part.steps)
            telemetry.requeued(part.byTopic)
            onReady(part.steps.filter(({ reason }) => reason !== 'discarded').map(({ itemId }) => itemId))
            if (part.ended) log.info({ 'event.name': 'shop_update.run', run, state: 'done' }, 'A run is done')
          }
        } catch (error) {
          stuck.add(run)
          log.warn({ err: error, run }, 'A part of a run could not be done; the next round tries again')
        }
      }
    }
  }

  return every(EVERY_MS, async () => {
    if (!leads()) return
    try {
      const until = performance.now() + ROUND_MS
      await carryOnRuns(until)
      for (let looked = await outcomesNext(); looked && looked.last !== '0' && performance.now() < until; )
        looked = await outcomesNext()
      if (performance.now() - forgotten < FORGET_EVERY_MS) return
      forgotten = performance.now()
      await forgetRuns(sql, historyDays)
    } catch (error) {
      log.warn({ err: error }, 'What became of runs could not be noted; the next round tries again')
    }
  })
}
