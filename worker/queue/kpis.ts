import type { Sql } from './database.ts'

export interface Kpi {
  window: '24h' | '7d' | '14d' | '30d' | '90d'
  queued: number
  synced: number
  /** Null where nothing was queued. */
  ratio: number | null
  /** Sent to the Shop and answered, or given up, within the window. */
  requests: number
  p50Seconds: number | null
  p95Seconds: number | null
}

/** The Sync KPI (product decision 15): of the items queued within each window, the share that is Synced by now. What it means is in sql/views/kpi.sql. */
export const readKpis = (sql: Sql): Promise<Kpi[]> => sql<Kpi[]>`
  select "window", queued::float8, synced::float8, ratio, requests::float8, p50_seconds as "p50Seconds", p95_seconds as "p95Seconds"
  from shop_update.kpi`

const OVERDUE_COUNTED = 100_000

/** How many Delayed and Failed items are past their time, whether they have been woken or not; counted up to a hundred thousand. */
export async function readOverdue(sql: Sql): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n from (
      (select from shop_update.item where lane = 'delayed' and run_at <= now() limit ${OVERDUE_COUNTED}::int)
      union all
      (select from shop_update.item where reason in ('failure', 'stock_wait') and lane in ('ready', 'behind') limit ${OVERDUE_COUNTED}::int)
    ) late`
  return row?.n ?? 0
}
