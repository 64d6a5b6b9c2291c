import { ConfigError } from '../config.ts'
import type { Sql } from '../database/database.ts'
import type { Flow } from '../domain/statuses.ts'
import { touched } from '../queue/books.ts'

/**
 * JavaScript and PostgreSQL have different lists of time zones; PostgreSQL's reads the Shop's times.
 *
 * @throws ConfigError if PostgreSQL does not know the zone
 */
export async function checkTimeZone(sql: Sql, zone: string): Promise<void> {
  const [known] = await sql`select from pg_timezone_names where lower(name) = lower(${zone}::text)`
  if (!known) throw new ConfigError('VENTURE_TIMEZONE is wrong: PostgreSQL does not know this time zone.')
}

/** The flow that an admin wants, `shop_update/flow`. */
export async function readFlow(sql: Sql): Promise<Flow> {
  const [row] = await sql<
    { flow: Flow }[]
  >`select value #>> '{}' as flow from shop_update.setting where key = 'shop_update/flow'`
  return row?.flow ?? 'synchronous'
}

/**
 * Tells the database how long a stock change waits (`enqueue` runs there, without our environment). If the wait has
 * changed, items that are already waiting get the new one.
 */
export async function setStockWait(sql: Sql, seconds: number): Promise<void> {
  await sql`
    update shop_update.setting set value = to_jsonb(${seconds}::double precision), updated_at = now()
    where key = 'shop_update/stock_wait_seconds' and value <> to_jsonb(${seconds}::double precision)`
  // In pages, skipping locked rows: a start does not wait for Seller Center.
  for (;;) {
    const moved = await sql`
      with moved as (
        update shop_update.item set run_at = queued_at + ${seconds}::double precision * interval '1 second'
        where id = any (array(
          select id from shop_update.item
          where lane = 'delayed' and reason = 'stock_wait'
            and run_at <> queued_at + ${seconds}::double precision * interval '1 second'
          limit 5000 for update skip locked))
        returning product_id, product_set_id
      ),
      told as (${touched(sql, 'moved')})
      select from moved`
    if (moved.length < 5000) return
  }
}
