import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapSpaceStatistics } from 'node:v8'
import type { Meter } from '@opentelemetry/api'
import { INCIDENT_KINDS, type Incident } from '../domain/incident.ts'
import { type PauseScope, scopeOf } from '../domain/pause.ts'
import { STATUS_NAMES } from '../domain/statuses.ts'
import { TOPIC_NAMES } from '../domain/topics.ts'
import type { Blocked } from '../read/blocked.ts'
import type { NewCause } from '../read/causes.ts'
import type { DatabaseHealth } from '../read/database-health.ts'
import type { Kpi, Overdue } from '../read/kpis.ts'
import type { Statuses } from '../read/summary.ts'
import { createUtilization } from '../utilization.ts'

/** Enough to tell causes apart in an alert. */
const CAUSE_LENGTH = 120

export interface QueueReadings {
  statuses(): Promise<Statuses>
  kpis(): Promise<Kpi[]>
  /** Delayed and Failed items whose time has come. */
  overdue(): Promise<Overdue>
  blocked(): Promise<Blocked>
  /** What is wrong now with the whole. */
  incidents(): Promise<Incident[]>
  newCauses(): Promise<NewCause[]>
  openRuns(): Promise<{ runs: number; idleSeconds: number }>
  /** How long the oldest change that feedback does not tell of yet has waited. */
  feedbackBehind(): Promise<number>
}

/**
 * Values about the whole queue. Only the leading worker reads them, and it reports them without its own name, so that
 * the series continue when another worker leads. An empty status is reported as 0; otherwise its last number would
 * linger for minutes.
 */
export function observeQueue(
  meter: Meter,
  leads: () => boolean,
  { statuses, kpis, overdue, blocked, incidents, newCauses, openRuns, feedbackBehind }: QueueReadings,
): void {
  const items = meter.createObservableGauge('shop_update.queue.items', {
    unit: '{item}',
    description: 'Items by status',
  })
  const oldestAge = meter.createObservableGauge('shop_update.queue.oldest_age', {
    unit: 's',
    description: 'How long the oldest item of a status has been in it',
  })
  const synced = meter.createObservableGauge('shop_update.kpi.synced', {
    unit: '1',
    description: 'Of the items queued in the window, the share that is Synced by now',
  })
  const late = meter.createObservableGauge('shop_update.overdue', {
    unit: 'items', // not {item}: Prometheus would drop the unit from shop_update_overdue_items
    description: 'Delayed or Failed items past their time',
  })
  const lateBy = meter.createObservableGauge('shop_update.overdue.age', {
    unit: 's',
    description: 'How long the Delayed or Failed item that is longest past its time has been so',
  })
  const toResolve = meter.createObservableGauge('shop_update.queue.blocked', {
    unit: '{item}',
    description: 'Blocked items that an admin has to decide, by reason',
  })
  const stranded = meter.createObservableGauge('shop_update.queue.stranded', {
    unit: '{item}',
    description:
      'Of the 500 items that have waited for longest for a create that is due, those of which it is Failed or not ' +
      'there',
  })
  const incidentsNow = meter.createObservableGauge('shop_update.incidents', {
    unit: '{incident}',
    description: 'What is wrong now with the whole or much of it, by kind',
  })
  const pauses = meter.createObservableGauge('shop_update.pauses', {
    unit: '{pause}',
    description: 'Pauses in force, by what they are of: everything, a topic, a seller',
  })
  const ofNewCause = meter.createObservableGauge('shop_update.new_cause', {
    unit: '{item}',
    description: 'Items whose cause was first seen within the last two hours',
  })
  const pauseLate = meter.createObservableGauge('shop_update.pause.overdue', {
    unit: 's',
    description: 'How far the pause that is longest past its planned end is past it',
  })
  const underWay = meter.createObservableGauge('shop_update.runs', {
    unit: '{run}',
    description: 'Runs that people have begun and that have not ended',
  })
  const idle = meter.createObservableGauge('shop_update.run.idle', {
    unit: 's',
    description: 'How long the run that has not got on for longest has not',
  })
  const behind = meter.createObservableGauge('shop_update.feedback.behind', {
    unit: 's',
    description: 'How long the oldest change that feedback to Seller Center does not tell of yet has waited',
  })
  meter.addBatchObservableCallback(
    async (result) => {
      if (!leads()) return
      const [{ counts, oldest }, windows, overdueNow, stuck, wrong, causes, runs, behindBy] = await Promise.all([
        statuses(),
        kpis(),
        overdue(),
        blocked(),
        incidents(),
        newCauses(),
        openRuns(),
        feedbackBehind(),
      ])
      const count = new Map(counts.map(({ topic, status, n }) => [`${topic} ${status}`, n]))
      // An item held up by another item of its set is not stuck, that other item reports itself; a paused one neither.
      const age = new Map(
        oldest
          .filter(({ held }) => !held)
          .map(({ topic, status, stuckSeconds }) => [`${topic} ${status}`, stuckSeconds]),
      )
      for (const topic of TOPIC_NAMES) {
        for (const status of STATUS_NAMES) {
          const attributes = { topic, status }
          result.observe(items, count.get(`${topic} ${status}`) ?? 0, attributes)
          // An age is known only for the first items of each lane. A topic that is not among them reports no age,
          // rather than 0.
          const seconds = age.get(`${topic} ${status}`) ?? (count.get(`${topic} ${status}`) ? undefined : 0)
          if (status !== 'synced' && seconds !== undefined) result.observe(oldestAge, seconds, attributes)
        }
      }
      for (const { window, ratio } of windows) if (ratio !== null) result.observe(synced, ratio, { window })
      result.observe(late, overdueNow.items)
      result.observe(lateBy, overdueNow.seconds)
      for (const { reason, n } of stuck.toResolve) result.observe(toResolve, n, { reason })
      result.observe(stranded, stuck.stranded)
      for (const kind of INCIDENT_KINDS)
        result.observe(incidentsNow, wrong.filter((incident) => incident.kind === kind).length, { kind })
      for (const { id, pattern, reason, items: n } of causes)
        result.observe(ofNewCause, n, { cause_id: id, cause: pattern.slice(0, CAUSE_LENGTH), reason })
      const paused = wrong.filter(({ kind }) => kind === 'paused')
      const ofScope = (scope: PauseScope) => paused.filter(({ pause }) => pause && scopeOf(pause) === scope)
      for (const scope of ['everything', 'seller'] as const) result.observe(pauses, ofScope(scope).length, { scope })
      for (const topic of TOPIC_NAMES) {
        const those = ofScope('topic').filter(({ pause }) => pause?.topic === topic)
        result.observe(pauses, those.length, { scope: 'topic', topic })
      }
      result.observe(underWay, runs.runs)
      result.observe(idle, runs.idleSeconds)
      result.observe(behind, behindBy)
      result.observe(pauseLate, Math.max(0, ...paused.map(({ nextAt }) => (Date.now() - nextAt!.getTime()) / 1000)))
    },
    [
      items,
      oldestAge,
      synced,
      late,
      lateBy,
      toResolve,
      stranded,
      incidentsNow,
      pauses,
      pauseLate,
      ofNewCause,
      underWay,
      idle,
      behind,
    ],
  )
}

/** PostgreSQL by its own statistics, reported by the leading worker. */
export function observeDatabase(meter: Meter, leads: () => boolean, read: () => Promise<DatabaseHealth>): void {
  const connections = meter.createObservableGauge('shop_update.database.connections', {
    unit: '{connection}',
    description: 'Connections to the database, by state',
  })
  const oldestTransaction = meter.createObservableGauge('shop_update.database.oldest_transaction', {
    unit: 's',
    description: 'How long the oldest transaction of the workers has been open',
  })
  const deadRows = meter.createObservableGauge('shop_update.database.dead_rows', {
    unit: '{row}',
    description: 'Row versions that wait for vacuum, by table',
  })
  // Not a counter: only a gauge ends when its worker stops leading (pipelines.ts).
  const updates = meter.createObservableGauge('shop_update.database.updates', {
    unit: '{update}',
    description: 'Updates of items since the statistics of PostgreSQL began; a HOT one writes no index',
  })
  meter.addBatchObservableCallback(
    async (result) => {
      if (!leads()) return
      const health = await read()
      for (const { state, n } of health.connections) result.observe(connections, n, { state })
      result.observe(oldestTransaction, health.oldestTransaction)
      for (const { table, n } of health.deadRows) result.observe(deadRows, n, { table })
      result.observe(updates, health.updates.hot, { hot: true })
      result.observe(updates, health.updates.other, { hot: false })
    },
    [connections, oldestTransaction, deadRows, updates],
  )
}

export interface WorkerReadings {
  /** Unix time in seconds of the last heartbeat that the database has stored. */
  heartbeatAt(): number
  inFlight(): number
  /** Its highest value: CONCURRENCY. */
  limit: number
  isCircuitOpen(): boolean
  /** Whether the Shop says "wait". */
  isShopBusy(): boolean
  /** Calls under way, and their limit. */
  calls(): { inFlight: number; limit: number }
}

/** Whether a worker is alive, how many items it has in hand, and whether it sends. */
export function observeWorker(
  meter: Meter,
  { heartbeatAt, inFlight, limit, isCircuitOpen, isShopBusy, calls }: WorkerReadings,
): void {
  const gauge = (name: string, description: string, read: () => number, unit?: string) =>
    meter
      .createObservableGauge(name, { description, ...(unit && { unit }) })
      .addCallback((result) => result.observe(read()))
  gauge('shop_update.worker.heartbeat', 'Unix time of the last heartbeat of this worker', heartbeatAt, 's')
  gauge('shop_update.in_flight', 'Items in the hands of this worker', inFlight, '{item}')
  gauge('shop_update.in_flight.limit', 'Items that this worker takes at most', () => limit, '{item}')
  // no unit: Prometheus would turn "1" into a ratio
  gauge('shop_update.circuit.open', '1 while this worker takes the Shop for away, else 0', () =>
    Number(isCircuitOpen()),
  )
  gauge('shop_update.shop.busy', '1 while the Shop says "wait", and for a minute after, else 0', () =>
    Number(isShopBusy()),
  )
  gauge('shop_update.shop.calls', 'Calls of this worker on their way to the Shop', () => calls().inFlight, '{call}')
  gauge(
    'shop_update.shop.calls.limit',
    'Calls of this worker that may be on their way: as many as the Shop takes',
    () => calls().limit,
    '{call}',
  )
}

/** Node measures the time between two samples, including the interval itself. */
const SAMPLED_EVERY_MS = 10

/** The process, named by OpenTelemetry's semantic conventions for Node.js, V8 and processes. */
export function observeProcess(meter: Meter): void {
  const delay = monitorEventLoopDelay({ resolution: SAMPLED_EVERY_MS })
  delay.enable()
  const utilized = createUtilization()
  const utilization = meter.createObservableGauge('nodejs.eventloop.utilization', {
    unit: '1',
    description: 'Share of the time in which the event loop was busy',
  })
  const delays = (['p50', 'p99', 'max'] as const).map((of) => ({
    of,
    gauge: meter.createObservableGauge(`nodejs.eventloop.delay.${of}`, {
      unit: 's',
      description: `Delay of the event loop, ${of}`,
    }),
  }))
  const heap = meter.createObservableUpDownCounter('v8js.memory.heap.used', {
    unit: 'By',
    description: 'Heap in use, by space',
  })
  const resident = meter.createObservableUpDownCounter('process.memory.usage', {
    unit: 'By',
    description: 'Physical memory in use',
  })
  meter.addBatchObservableCallback(
    (result) => {
      result.observe(utilization, utilized())
      const nanoseconds = { p50: delay.percentile(50), p99: delay.percentile(99), max: delay.max }
      for (const { of, gauge } of delays)
        result.observe(gauge, Math.max(0, nanoseconds[of] / 1e6 - SAMPLED_EVERY_MS) / 1000)
      delay.reset()
      for (const space of getHeapSpaceStatistics())
        result.observe(heap, space.space_used_size, { 'v8js.heap.space.name': space.space_name })
      result.observe(resident, process.memoryUsage.rss())
    },
    [utilization, ...delays.map(({ gauge }) => gauge), heap, resident],
  )
}
