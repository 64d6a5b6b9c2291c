import type { Sql } from '../database/database.ts'

/**
 * Whether a create in the queue may still bring something: a product of it has no id of the Shop's. One whose products
 * have theirs, or have been deleted, keeps nobody waiting, nor does one that was never to be sent: it is there to tell
 * of a second id (life/late-callbacks.ts).
 *
 * @param create alias of the row that has `product_id`, `product_set_id`, `sends` and `reason`
 */
export const isComing = (sql: Sql, create: string) => sql`case when ${sql(create)}.product_id is null
  then exists (
    select from catalog.product n where n.product_set_id = ${sql(create)}.product_set_id and n.src_id is null)
  else exists (select from catalog.product n where n.id = ${sql(create)}.product_id and n.src_id is null) end
  and not (${sql(create)}.sends = 0
    and coalesce(${sql(create)}.reason, '') in ('src_id_conflict', 'unprocessable_response'))`
