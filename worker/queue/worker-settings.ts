import type { Flow } from '../domain/statuses.ts'
import type { Sql } from './database.ts'

/** The flow that an admin wants, `shop_update/flow`. */
export async function readFlow(sql: Sql): Promise<Flow> {
  const [row] = await sql<{ flow: Flow }[]>`select value #>> '{}' as flow from shop_update.setting where key = 'shop_update/flow'`
  return row?.flow ?? 'synchronous'
}

/**
 * Tells the database how long a stock change waits (`enqueue` runs there, without our environment). Where the wait has changed, the items
 * that wait already keep the new one.
 */
export async function setStockWait(sql: Sql, seconds: number): Promise<void> {
  await sql`
    with changed as (
      update shop_update.setting set value = to_jsonb(${seconds}::double precision), updated_at = now()
      where key = 'shop_update/stock_wait_seconds' and value <> to_jsonb(${seconds}::double precision)
      returning 1
    )
    update shop_update.item set run_at = queued_at + ${seconds}::double precision * interval '1 second'
    where lane = 'delayed' and reason = 'stock_wait' and exists (select from changed)`
}
