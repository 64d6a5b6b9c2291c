import { isComing } from './coming.ts'
import type { Sql } from './database.ts'
import { skuColumns, skusOf } from './skus.ts'
import type { Step } from './step.ts'

/**
 * Items that wait for a create are released as soon as it is done: back to Pending, in their old place. `not_in_shop` needs the ids of the
 * product and its set, `new_variation` that nothing of the set is still being created. A create that waits for another of the same product is
 * released when that one's fate is known.
 *
 * @returns the steps of those that were released
 */
export async function release(sql: Sql, productSetIds: readonly string[]): Promise<Step[]> {
  // Whatever the statistics say: the sets one by one, and each look at something else by its key (`offset 0` keeps the planner from making joins
  // of them, which walked through all that is Blocked for each).
  return sql<Step[]>`
    with chosen as materialized (
      select b.id from unnest(${productSetIds}::bigint[]) x (id)
      cross join lateral (select * from shop_update.item i where i.product_set_id = x.id and i.lane <> 'in_flight' offset 0) b
      left join lateral (select s.src_id from catalog.product_set s where s.id = b.product_set_id offset 0) s on true
      left join lateral (select p.id, p.src_id, p.shop_sku from catalog.product p where p.id = b.product_id offset 0) p on true
      where b.lane = 'blocked' and b.reason in ('not_in_shop', 'new_variation')
        and (b.product_id is null or p.id is not null)
        and (b.topic in ('new_product_set', 'new_product')
          or s.src_id is not null and (b.product_id is null or (p.src_id is not null and p.shop_sku is not null)))
        and (b.topic <> 'new_product' or b.reason <> 'not_in_shop' or s.src_id is not null)
        and not exists (
          select from shop_update.item v
          where v.product_set_id = b.product_set_id and v.topic in ('new_product_set', 'new_product') and v.lane <> 'in_flight' and v.id <> b.id
            and ${isComing(sql, 'v')}
            and (b.topic not in ('new_product_set', 'new_product') or (
              (v.lane = 'awaiting' or (v.lane = 'blocked' and v.reason in ('unprocessable_response', 'src_id_conflict', 'unknown_outcome')))
              and (v.product_id is null or b.product_id is null or v.product_id = b.product_id)))
          offset 0)
        and (b.topic in ('new_product_set', 'new_product') or not exists (
          select from shop_update.set_lane l join shop_update.item v on v.id = l.item_id
          where l.product_set_id = b.product_set_id and v.topic in ('new_product_set', 'new_product') offset 0))
      limit 5000
    ),
    free as materialized (
      -- one that is absorbing a change of a transaction still open must not hold up the others
      select id from shop_update.item where id = any (array(select id from chosen)) order by id for no key update skip locked
    ),
    freed as (
      update shop_update.item i set status = 'pending', lane = 'ready', status_at = greatest(now(), i.status_at + interval '1 microsecond'), reason = null, message = null
      where i.id = any (array(select id from free)) and i.status = 'blocked'
      returning i.*, old.status_at as since
    ),
    counted as (
      insert into shop_update.delta (kind, topic, status, n)
      select 'status', topic, status::shop_update.status, sum(n) from (select topic, count(*) as many from freed group by topic) f
        cross join lateral (values ('blocked', -f.many), ('pending', f.many)) c (status, n) group by topic, status
    ),
    noted as (
      insert into shop_update.transition (item_id, at, from_status, to_status, seconds, reason)
      select id, status_at, 'blocked', 'pending', extract(epoch from status_at - since), 'released' from freed
    )
    select f.id as "itemId", f.seller_id as "sellerId", f.product_set_id as "productSetId", f.product_id as "productId", ${skuColumns(sql)}, f.topic, 'blocked' as "from", f.status as "to", round(date_part('epoch', f.status_at) * 1000000) as at,
      date_part('epoch', f.status_at - f.since) as seconds, 'released' as reason, null as actor, f.flow, f.request_id::text as "requestId",
      f.trace_id as "traceId", f.sends
    from freed f ${skusOf(sql, 'f')}`
}

/** How many Blocked items one look of the leader takes. */
const BLOCKED_A_LOOK = 1000

/**
 * The product sets of the next Blocked items, from the one after `after`: what a crash between a create and its release left is among them. A look
 * costs the same however many are Blocked (a million at once took longer than the leader's lease).
 *
 * @returns the sets to release in, and after which item to go on
 */
export async function blockedSets(sql: Sql, after: string): Promise<{ sets: string[]; last: string }> {
  const rows = await sql<{ id: string; productSetId: string }[]>`
    select id, product_set_id as "productSetId" from shop_update.item where lane = 'blocked' and id > ${after}::bigint
    order by id limit ${BLOCKED_A_LOOK}::int`
  return {
    sets: [...new Set(rows.map(({ productSetId }) => productSetId))],
    last: rows.length < BLOCKED_A_LOOK ? '0' : rows.at(-1)!.id,
  }
}
