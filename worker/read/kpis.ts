import type { Sql } from '../database/database.ts'
import { isHeldUp, pausedUntil, recentPauses } from './summary.ts'

export interface Kpi {
  window: '24h' | '7d' | '14d' | '30d' | '90d'
  queued: number
  synced: number
  /** Null when nothing was queued. */
  ratio: number | null
  /** Sent to the Shop and answered, or given up, within the window. */
  requests: number
  p50Seconds: number | null
  p95Seconds: number | null
}

/**
 * The Sync KPI (decision 15): the share of the items queued within each window that is Synced by now. See
 * sql/views/kpi.sql.
 */
export const readKpis = (sql: Sql): Promise<Kpi[]> => sql<Kpi[]>`
  select
    "window",
    queued::float8,
    synced::float8,
    ratio,
    requests::float8,
    p50_seconds as "p50Seconds",
    p95_seconds as "p95Seconds"
  from shop_update.kpi`

const OVERDUE_COUNTED = 100_000

export interface Overdue {
  items: number
  /** By how much the longest overdue item is past its time; 0 if there is none. */
  seconds: number
}

/**
 * Delayed and Failed items past their time, whether woken or not, except those held up by another item of their set and
 * paused ones. Counts up to a hundred thousand in each lane.
 */
export async function readOverdue(sql: Sql): Promise<Overdue> {
  const [row] = await sql<Overdue[]>`
    with pauses as materialized (${recentPauses(sql)})
    select
      count(*)::int as items,
      coalesce(extract(epoch from now() - min(greatest(run_at, until))), 0)::float8 as seconds
    from (
      (select seller_id, topic, run_at from shop_update.item
        where lane = 'delayed' and run_at <= now() order by run_at limit ${OVERDUE_COUNTED}::int)
      union all
      (select seller_id, topic, run_at from shop_update.item
        where reason in ('failure', 'stock_wait') and lane = 'ready' limit ${OVERDUE_COUNTED}::int)
      union all
      (select seller_id, topic, run_at from shop_update.item b
        where b.reason in ('failure', 'stock_wait') and b.lane = 'behind' and not ${isHeldUp(sql)}
        limit ${OVERDUE_COUNTED}::int)
      union all
      select i.seller_id, i.topic, i.run_at
      from unnest(enum_range(null::shop_update.topic)) t (topic) cross join lateral (
        select * from shop_update.item
        where lane = 'paused' and topic = t.topic and reason in ('failure', 'stock_wait') order by id limit 100) i
    ) late
    cross join lateral (select ${pausedUntil(sql, 'late')} as until) paused
    where until is distinct from 'infinity'`
  return row ?? { items: 0, seconds: 0 }
}
