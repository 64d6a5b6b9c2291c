import type { Sql } from '../database/database.ts'

/**
 * The items `d` that go before an item though they are Delayed or Failed: those of its product set and topic that were
 * queued before it and are tried again (decision 7).
 *
 * @param item alias of the row that has `id`, `product_set_id` and `topic`
 */
export const holdersOf = (sql: Sql, item: string) => sql`shop_update.item d
  where d.lane = 'delayed' and d.product_set_id = ${sql(item)}.product_set_id
    and d.topic = ${sql(item)}.topic and d.id < ${sql(item)}.id
    and d.run_at < 'infinity'`
