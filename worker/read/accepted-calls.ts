import type { Sql } from '../database/database.ts'
import type { Members, Told } from '../domain/differences.ts'
import type { Topic } from '../domain/topics.ts'

/**
 * What the Shop was told last about a product, by topic, and took: of changes that were Synced their last request, of a
 * change that waits again for what it has absorbed (decision 22) the request that was answered. Of a call about many
 * variations only the one. What was sent before the days that the history keeps is missing.
 */
export async function readAcceptedCalls(
  sql: Sql,
  { id, productSetId, sellerId }: { id: string; productSetId: string; sellerId: string },
): Promise<Told[]> {
  const rows = await sql<{ topic: Topic; at: Date; sentAt: Date; members: Members | null }[]>`
    with synced as materialized (
      select distinct on (f.topic) f.topic, f.id, f.queued_at, f.finished_at as at
      from shop_update.finished_item f
      where f.seller_id = ${sellerId}::bigint and f.product_set_id = ${productSetId}::bigint
        and (f.product_id is null or f.product_id = ${id}::bigint) and f.status = 'synced' and f.sends > 0
      order by f.topic, f.finished_at desc
    ),
    taken as (
      select s.topic, s.at, r.sent_at, r.body from synced s cross join lateral (
        select r.sent_at, r.body from shop_update.request r
        where r.item_id = s.id and r.sent_at >= s.queued_at - interval '1 day' and r.sent_at <= s.at
        order by r.sent_at desc limit 1) r
      union all
      select i.topic, c.done_at, r.sent_at, r.body from shop_update.item i
        join shop_update.request r on r.item_id = i.id and r.sent_at >= i.queued_at - interval '1 day'
        -- no equality: see sql/views/transition.sql
        join shop_update.callback c on c.request_id = any (array[r.request_id::text]) and c.item_id = i.id
      where i.product_set_id = ${productSetId}::bigint and (i.product_id is null or i.product_id = ${id}::bigint)
        and i.lane <> 'in_flight' and c.received_at >= i.queued_at - interval '1 day' and c.done_reason = 'newer_change'
    )
    select t.topic, t.at, t.sent_at as "sentAt", case
      when t.topic = 'images' then json_build_object('images', t.body::json -> 'params' -> 'images')
      else (
        select e from json_array_elements(t.body::json -> 'params' -> 'productsInfo') e
        -- a call about stock or price has no id of ours, and one product
        where coalesce(e ->> 'id_catalog_product', ${id}::text) = ${id}::text
        limit 1)
      end as members
    from taken t
    where t.body is not null`
  return rows.flatMap(({ members, ...row }) => (members === null ? [] : { ...row, members }))
}
