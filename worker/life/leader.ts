import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Sql } from '../database/database.ts'
import type { Adopted } from '../domain/item.ts'
import type { Step } from '../domain/step.ts'
import { every } from '../loop.ts'
import { followCatalogue } from '../queue/catalog-changes.ts'
import { FOLD_FULL, foldCounts, forgetCounts, verifyCounts } from '../queue/counts.ts'
import { mendStatistics } from '../queue/mend-statistics.ts'
import { queueOwed } from '../queue/owed.ts'
import { forgottenSets, lostSets } from '../queue/promote.ts'
import { recover } from '../queue/recover.ts'
import { blockedSets, releaseOwed } from '../queue/release.ts'
import { forgetWorkers, lead } from '../queue/worker-row.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { Follow } from './follow.ts'
import { createRounds } from './rounds.ts'

/** How often each duty is done, in milliseconds. */
const DUTIES = {
  fold: 1000,
  statistics: 1000,
  recover: 1000,
  catalogue: 1000,
  owed: 1000,
  release: 1000,
  forgottenSets: 2000,
  blocked: 10_000,
  partitions: 3_600_000,
  verify: 600_000,
} as const

const LEASE_SECONDS = 5
/** Partitions are made so many days ahead: Seller Center can go on queueing for so long without any worker. */
export const DAYS_AHEAD = 14

export interface LeaderOptions {
  sql: Sql
  workerId: string
  config: Config
  log: Logger
  telemetry: Telemetry
  /**
   * Whether its heartbeats have come without a gap for a lease: when the database has been away, those of the others
   * must get as far first.
   */
  isSteady(): boolean
  follow: Follow
  /** Items have become ready: these, and maybe others. */
  onReady(items: readonly string[]): void
  adopt(adopted: Adopted): void
}

/**
 * What has to be done once and not by every worker: folding the counters, taking up what a dead worker left, what a
 * crash between two statements left, partitions, and now and then the proof that the counters are right. Any worker may
 * lead; it is one that holds the lease.
 *
 * @returns whether this worker leads, and a function that ends it when the duty in hand is done
 */
export function startLeader({
  sql,
  workerId,
  config,
  log,
  telemetry,
  isSteady,
  follow,
  onReady,
  adopt,
}: LeaderOptions): {
  leads(): boolean
  stop(): Promise<void>
} {
  const last: Record<keyof typeof DUTIES, number> = {
    fold: 0,
    statistics: 0,
    recover: 0,
    catalogue: 0,
    owed: 0,
    release: 0,
    forgottenSets: 0,
    blocked: 0,
    partitions: 0,
    verify: performance.now(),
  }
  let leadsUntil = 0
  let [lostUpTo, blockedUpTo] = ['0', '0']
  const releaseNext = createRounds((after, since) => releaseOwed(sql, after, since))
  const forgottenNext = createRounds((after, since) => forgottenSets(sql, after, since))

  const isDue = (duty: keyof typeof DUTIES): boolean => {
    const now = performance.now()
    if (last[duty] !== 0 && now - last[duty] < DUTIES[duty]) return false
    last[duty] = now
    return true
  }

  async function tick(): Promise<void> {
    const asked = performance.now()
    if (!(await lead(sql, workerId, LEASE_SECONDS))) return
    leadsUntil = asked + LEASE_SECONDS * 1000
    if (isDue('statistics')) await mendStatistics(sql)
    if (isSteady() && isDue('recover')) {
      const { recovered, steps, setsWaiting, adopted } = await recover(sql, workerId, config.LEASE_SECONDS, null)
      telemetry.rescued({ steps, adopted })
      if (recovered > 0) {
        log.warn({ recovered, adopted: adopted.length }, 'Took over the items of a worker that is gone')
        onReady(idsOf(steps))
      }
      await follow.now({ sets: setsWaiting, created: [] })
      adopted.forEach(adopt)
    }
    if (isDue('catalogue')) {
      const { steps, sets } = await followCatalogue(sql)
      telemetry.steps(steps)
      await follow.now({ sets, created: sets })
      if (sets.length > 0) onReady([])
    }
    if (isDue('owed')) await queueOwed(sql)
    if (isDue('release')) {
      const { steps } = await releaseNext()
      telemetry.steps(steps)
      if (steps.length > 0) onReady(idsOf(steps))
    }
    if (isDue('forgottenSets')) {
      const forgotten = await forgottenNext()
      const lost = await lostSets(sql, lostUpTo)
      lostUpTo = lost.last
      await follow.now({ sets: [...new Set([...forgotten.sets, ...lost.sets])], created: [] })
    }
    if (isDue('blocked')) {
      const { sets, last } = await blockedSets(sql, blockedUpTo)
      blockedUpTo = last
      await follow.now({ sets: [], created: sets })
    }
    if (isDue('partitions')) {
      await sql`select shop_update.partition_days(${DAYS_AHEAD}::int, ${config.HISTORY_DAYS}::int)`
      await forgetWorkers(sql)
      await forgetCounts(sql, config.HISTORY_DAYS)
    }
    if (isDue('verify')) {
      for (const drift of await verifyCounts(sql))
        log.error(drift, 'A counter did not match the queue and was corrected; pages showed the wrong number')
    }
    // While it leads: two that fold at once wait for each other.
    if (isDue('fold')) while ((await foldCounts(sql)) === FOLD_FULL && performance.now() < leadsUntil);
  }

  const ticks = every(1000, () =>
    tick().catch((error) => {
      log.warn({ err: error }, 'A duty of the leader failed; the next round tries again')
    }),
  )

  return { leads: () => performance.now() < leadsUntil, stop: ticks.stop }
}

const idsOf = (steps: readonly Step[]): string[] => steps.map(({ itemId }) => itemId)
