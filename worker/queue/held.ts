import type { Sql } from '../database/database.ts'

/**
 * Whether a Delayed or Failed item of the same set and topic goes before an item (decision 7).
 *
 * @param item alias of the row that has `id`, `topic` and `product_set_id`
 */
export const isHeld = (sql: Sql, item: string) => sql`exists (
  select from shop_update.item d
  where d.product_set_id = ${sql(item)}.product_set_id
    and shop_update.goes_before(d.lane, d.run_at, d.topic, d.id, ${sql(item)}.topic, ${sql(item)}.id))`
