import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Sql } from '../database/database.ts'
import { INCIDENT_LABELS, type Incident } from '../domain/incident.ts'
import type { Adopted } from '../domain/item.ts'
import type { Step } from '../domain/step.ts'
import { every } from '../loop.ts'
import { followCatalogue } from '../queue/catalog-changes.ts'
import { FOLD_FULL, foldCounts, forgetCounts, verifyCauses, verifyCounts } from '../queue/counts.ts'
import { forgetIncidents, type NotedIncident, noteIncidents } from '../queue/incidents.ts'
import { mendStatistics } from '../queue/mend-statistics.ts'
import { queueOwed } from '../queue/owed.ts'
import { endPauses, RESUMED_FULL, resumePaused } from '../queue/pauses.ts'
import { forgottenSets, lostSets } from '../queue/promote.ts'
import { recover } from '../queue/recover.ts'
import { blockedSets, releaseOwed } from '../queue/release.ts'
import { forgetSnapshots, takeSnapshot } from '../queue/snapshots.ts'
import { measureAnswers } from '../queue/usual-answers.ts'
import { forgetWorkers, lead } from '../queue/worker-row.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { Follow } from './follow.ts'
import { createFullRounds, createRounds } from './rounds.ts'

/** How often each duty runs, in milliseconds. */
const DUTIES = {
  fold: 1000,
  statistics: 1000,
  recover: 1000,
  catalogue: 1000,
  owed: 1000,
  pauses: 1000,
  resume: 1000,
  release: 1000,
  incidents: 2000,
  forgottenSets: 2000,
  blocked: 10_000,
  snapshot: 10_000, // at most so much later than the five minutes begin
  partitions: 3_600_000,
  forget: 3_600_000,
  verify: 600_000,
  usualAnswers: 300_000,
} as const
type Duty = keyof typeof DUTIES

const TICK_MS = 1000
const LEASE_SECONDS = 5
/** How many days ahead partitions are created: Seller Center can go on queueing for that long without any worker. */
export const DAYS_AHEAD = 14

export interface LeaderOptions {
  sql: Sql
  workerId: string
  config: Config
  log: Logger
  telemetry: Telemetry
  /**
   * Whether its own heartbeats have come without a gap for a lease: after a database outage, the other workers need
   * that long to be heard again.
   */
  isSteady(): boolean
  follow: Follow
  /** What is wrong now with the whole. */
  incidents(): Promise<Incident[]>
  /** These items have become ready, and maybe others. */
  onReady(items: readonly string[]): void
  adopt(adopted: Adopted): void
}

/**
 * What must be done once, not by every worker: folding the counters, recovering what a dead worker left, finishing what
 * a crash between two statements left, partitions, and now and then checking the counters. Any worker may lead; the one
 * that holds the lease does.
 *
 * @returns whether this worker leads, and a function that stops it when the current duty is done
 */
export function startLeader({
  sql,
  workerId,
  config,
  log,
  telemetry,
  isSteady,
  follow,
  incidents,
  onReady,
  adopt,
}: LeaderOptions): {
  leads(): boolean
  stop(): Promise<void>
} {
  /** When each was begun last. A new leader does not count everything again. */
  const begun = new Map<Duty, number>([['verify', performance.now()]])
  let leadsUntil = 0
  let blockedUpTo = '0'
  const releaseNext = createRounds((after, since) => releaseOwed(sql, after, since))
  const forgottenNext = createRounds((after, since) => forgottenSets(sql, after, since))
  const lostNext = createFullRounds((after) => lostSets(sql, after))

  /** A duty of each second is due each second, although one tick comes a little earlier than another. */
  const isDue = (duty: Duty, now: number): boolean => {
    if (now - (begun.get(duty) ?? -Infinity) < DUTIES[duty] - TICK_MS / 2) return false
    begun.set(duty, now)
    return true
  }

  /** It leads, for a whole lease from now. */
  async function leadsOn(): Promise<boolean> {
    const asked = performance.now()
    if (!(await lead(sql, workerId, LEASE_SECONDS))) return false
    leadsUntil = asked + LEASE_SECONDS * 1000
    return true
  }

  /** In the order in which those that are due follow each other. */
  const duties: Record<Duty, () => Promise<unknown>> = {
    statistics: () => mendStatistics(sql),
    async recover() {
      if (!isSteady()) return
      const { recovered, steps, setsWaiting, adopted } = await recover(sql, workerId, config.LEASE_SECONDS, null)
      telemetry.rescued({ steps, adopted })
      if (recovered > 0) {
        log.warn({ recovered, adopted: adopted.length }, 'Took over the items of a worker that is gone')
        onReady(idsOf(steps))
      }
      await follow.now({ sets: setsWaiting, created: [] })
      adopted.forEach(adopt)
    },
    async catalogue() {
      const { steps, sets } = await followCatalogue(sql)
      telemetry.steps(steps)
      await follow.now({ sets, created: sets })
      if (sets.length > 0) onReady([])
    },
    owed: () => queueOwed(sql),
    pauses: () => endPauses(sql),
    async resume() {
      for (;;) {
        const ready = await resumePaused(sql)
        if (ready.length > 0) onReady(ready)
        if (ready.length < RESUMED_FULL || performance.now() > leadsUntil) break
      }
    },
    async release() {
      const { steps } = await releaseNext()
      telemetry.steps(steps)
      if (steps.length > 0) onReady(idsOf(steps))
    },
    async incidents() {
      for (const noted of await noteIncidents(sql, await incidents())) tellIncident(noted)
    },
    async forgottenSets() {
      const follows = (sets: readonly string[]) => follow.now({ sets: [...new Set(sets)], created: [] })
      await follows((await forgottenNext()).sets)
      await follows((await lostNext())?.sets ?? [])
    },
    async blocked() {
      const { sets, last } = await blockedSets(sql, blockedUpTo)
      blockedUpTo = last
      await follow.now({ sets: [], created: sets })
    },
    snapshot: () => takeSnapshot(sql),
    partitions: () => sql`select shop_update.partition_days(${DAYS_AHEAD}::int, ${config.HISTORY_DAYS}::int)`,
    async forget() {
      await forgetWorkers(sql)
      await forgetCounts(sql, config.HISTORY_DAYS)
      await forgetSnapshots(sql, config.HISTORY_DAYS)
      await forgetIncidents(sql, config.HISTORY_DAYS)
    },
    async verify() {
      for (const verifyNext of [verifyCounts, verifyCauses])
        for (const drift of await verifyNext(sql))
          log.error(drift, 'A counter did not match the queue and was corrected; pages showed the wrong number')
    },
    // Only while it leads: two workers that fold at once wait for each other.
    async fold() {
      while ((await foldCounts(sql)) === FOLD_FULL && performance.now() < leadsUntil);
    },
    // Last: where it takes too long and is broken off, everything else has been done.
    async usualAnswers() {
      if (await leadsOn()) await measureAnswers(sql)
    },
  }

  const names = Object.keys(duties) as Duty[]
  /** The duty with which the next round begins: another than the first where the lead was lost in the middle of one. */
  let first = 0
  let stopping = false

  /**
   * What fails fails alone: the duties after it are done all the same. One that takes so long to fail that the lead is
   * lost (a lock, for ten seconds) comes last the next time, or it would keep the others waiting wherever it leads.
   */
  async function tick(): Promise<void> {
    if (!(await leadsOn())) return
    const now = performance.now()
    const round = [...names.slice(first), ...names.slice(0, first)]
    for (const duty of round) {
      first = names.indexOf(duty)
      if (stopping || (performance.now() > leadsUntil && !(await leadsOn()))) return
      if (!isDue(duty, now)) continue
      try {
        await duties[duty]()
      } catch (error) {
        log.warn({ err: error, duty }, 'A duty of the leader failed; it is done again when it is due next')
        first++
        if (!(await leadsOn())) return
      }
    }
    first = 0
  }

  /** The dashboards draw these lines as annotations. */
  function tellIncident({ kind, key, since, endedAt }: NotedIncident): void {
    const fields = { 'event.name': 'shop_update.incident', kind, key, since }
    if (endedAt !== null) log.info({ ...fields, state: 'ended' }, `An incident is over: ${INCIDENT_LABELS[kind]}`)
    else log.warn({ ...fields, state: 'opened' }, `An incident has begun: ${INCIDENT_LABELS[kind]}`)
  }

  const ticks = every(TICK_MS, () =>
    tick().catch((error) => {
      log.warn({ err: error }, 'Whether this worker leads could not be asked; it is asked again in a second')
    }),
  )

  return {
    leads: () => performance.now() < leadsUntil,
    stop() {
      stopping = true
      return ticks.stop()
    },
  }
}

const idsOf = (steps: readonly Step[]): string[] => steps.map(({ itemId }) => itemId)
