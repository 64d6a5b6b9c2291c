import type { Meter } from '@opentelemetry/api'
import { STATUS_NAMES } from '../domain/statuses.ts'
import { TOPIC_NAMES } from '../domain/topics.ts'
import type { Kpi } from '../queue/kpis.ts'
import type { Statuses } from '../queue/summary.ts'

export interface QueueReadings {
  statuses(): Promise<Statuses>
  kpis(): Promise<Kpi[]>
  /** Delayed and Failed items whose time has come. */
  overdue(): Promise<number>
}

/**
 * What is true of the whole queue. One worker reads it, the one that leads, and says it without its own name: when another one leads, the
 * series go on. Nothing in a status is said as 0, or the last number would stand for minutes after it was over.
 */
export function observeQueue(meter: Meter, leads: () => boolean, { statuses, kpis, overdue }: QueueReadings): void {
  const items = meter.createObservableGauge('shop_update.queue.items', { unit: '{item}', description: 'Items by status' })
  const oldestAge = meter.createObservableGauge('shop_update.queue.oldest_age', {
    unit: 's',
    description: 'How long the oldest item of a status has been in it',
  })
  const synced = meter.createObservableGauge('shop_update.kpi.synced', {
    unit: '1',
    description: 'Of the items queued in the window, the share that is Synced by now',
  })
  const late = meter.createObservableGauge('shop_update.overdue', {
    unit: 'items', // not {item}: Prometheus makes the name shop_update_overdue_items of it
    description: 'Delayed or Failed items past their time',
  })
  meter.addBatchObservableCallback(
    async (result) => {
      if (!leads()) return
      const [{ counts, oldest }, windows, overdueItems] = await Promise.all([statuses(), kpis(), overdue()])
      const count = new Map(counts.map(({ topic, status, n }) => [`${topic} ${status}`, n]))
      const age = new Map(oldest.map(({ topic, status, seconds }) => [`${topic} ${status}`, seconds]))
      for (const topic of TOPIC_NAMES) {
        for (const status of STATUS_NAMES) {
          const attributes = { topic, status }
          result.observe(items, count.get(`${topic} ${status}`) ?? 0, attributes)
          // An age is read of the first of each lane only: of a topic that is not among them nothing is said, rather than 0.
          const seconds = age.get(`${topic} ${status}`) ?? (count.get(`${topic} ${status}`) ? undefined : 0)
          if (status !== 'synced' && seconds !== undefined) result.observe(oldestAge, seconds, attributes)
        }
      }
      for (const { window, ratio } of windows) if (ratio !== null) result.observe(synced, ratio, { window })
      result.observe(late, overdueItems)
    },
    [items, oldestAge, synced, late],
  )
}

/** @param at Unix time in seconds of the last heartbeat that the database has taken */
export function observeHeartbeat(meter: Meter, at: () => number | null): void {
  meter
    .createObservableGauge('shop_update.worker.heartbeat', { unit: 's', description: 'Unix time of the last heartbeat of this worker' })
    .addCallback((result) => {
      const seconds = at()
      if (seconds !== null) result.observe(seconds)
    })
}
