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

/**
 * The creates of its set, in the queue and not in flight, that keep an item waiting, as it is claimed and as it is
 * released.
 *
 * @param item alias of the row that has `id`, `topic`, `product_set_id` and `product_id`
 */
export const createsInTheWay = (sql: Sql, item: string) => sql`
  select from shop_update.item v
  where v.product_set_id = ${sql(item)}.product_set_id
    and shop_update.creates(v.topic)
    and v.lane <> 'in_flight'
    and v.id <> ${sql(item)}.id
    and ${isComing(sql, 'v')}
    and shop_update.keeps_waiting(v.lane, v.reason, v.product_id, ${sql(item)}.topic, ${sql(item)}.product_id)`
