import type { Sql } from '../database/database.ts'

/**
 * Whether a create in the queue may still bring something: one of its products has no Shop id yet. A create keeps
 * nobody waiting if its products have ids or have been deleted, or if it was never to be sent and only reports a second
 * id (life/late-callbacks.ts).
 *
 * @param create alias of the row that has `product_id`, `product_set_id`, `sends` and `reason`
 */
export const isComing = (sql: Sql, create: string) => sql`case when ${sql(create)}.product_id is null
  then exists (
    select from catalog.product n where n.product_set_id = ${sql(create)}.product_set_id and n.src_id is null)
  else exists (select from catalog.product n where n.id = ${sql(create)}.product_id and n.src_id is null) end
  and not (${sql(create)}.sends = 0
    and coalesce(${sql(create)}.reason, '') in ('src_id_conflict', 'unprocessable_response'))`
