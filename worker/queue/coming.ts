import type { Sql } from './database.ts'

/**
 * Whether a create in the queue may still bring something: a product of it has no id of the Shop's. One whose products have theirs, or have been
 * deleted, keeps nobody waiting; it may be there only to tell of a second id.
 *
 * @param create alias of the row that has `product_id` and `product_set_id`
 */
export const isComing = (sql: Sql, create: string) => sql`case when ${sql(create)}.product_id is null
  then exists (select from catalog.product n where n.product_set_id = ${sql(create)}.product_set_id and n.src_id is null)
  else exists (select from catalog.product n where n.id = ${sql(create)}.product_id and n.src_id is null) end`
