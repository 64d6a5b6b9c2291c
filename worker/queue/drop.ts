import type { Sql } from '../database/database.ts'
import type { Step } from '../domain/step.ts'
import { claimSteps, touched } from './books.ts'
import { skusOf, stepColumns } from './skus.ts'

export interface Dropped {
  steps: Step[]
  /** Sets in which others wait. */
  setsWaiting: string[]
}

/**
 * Ends items whose product or set no longer exists: they go to the history in their present status, neither synced nor
 * failed.
 *
 * @param items with the tokens of their claims: items that others have taken meanwhile stay
 */
export async function drop(sql: Sql, items: readonly { id: string; token: number }[]): Promise<Dropped> {
  const ids = items.map(({ id }) => id)
  const rows = await sql<(Step & { waiting: boolean })[]>`
    with gone as (
      delete from shop_update.item i
      using unnest(${ids}::bigint[], ${items.map(({ token }) => token)}::int[]) x (id, token)
      where i.id = x.id and i.token = x.token
      returning i.*, i.status as was, i.status_at as since, shop_update.later(i.status_at) as done_at
    ),
    kept as (
      insert into shop_update.finished_item (
        id, seller_id, product_set_id, product_id, queued_at, finished_at, last_sent_at, request_id, sends, failures,
        coalesced, topic, status, flow, reason, message, trace_id)
      select id, seller_id, product_set_id, product_id, queued_at, done_at, last_sent_at, request_id, sends, failures,
        coalesced, topic, status, flow, 'product_deleted', message, trace_id
      from gone
    ),
    freed as (
      merge into shop_update.set_lane l using (
          select product_set_id, count(*) filter (where lane = 'behind') as behind, array_agg(id) as ids
          from gone group by product_set_id order by 1) g
        on l.product_set_id = g.product_set_id
      when matched and l.waiting - g.behind <= 0 and (l.item_id is null or l.item_id = any (g.ids)) then delete
      when matched then update set
        waiting = l.waiting - g.behind,
        next_id = case when l.item_id = any (g.ids) or l.next_id = any (g.ids) then 0 else l.next_id end,
        worker_id = case when l.item_id = any (g.ids) then null else l.worker_id end,
        item_id = case when l.item_id = any (g.ids) then null else l.item_id end
      returning merge_action() as action, l.product_set_id
    ),
    counted as (
      -- also removed from what was queued: it is in neither part of the share that is synced
      insert into shop_update.delta (kind, slot, topic, status, cause_id, n)
      select 'status', null::timestamptz, topic, status, cause_id, -count(*) from gone group by topic, status, cause_id
      union all
      select 'queued', date_trunc('hour', queued_at, 'UTC'), topic, null, null, -count(*) from gone group by 2, 3
    ),
    -- An empty set may get a product again, from another set or a new one; the catalogue has what its images were to
    -- become.
    owed as (
      insert into shop_update.owed_change (topic, product_set_id)
      select distinct g.topic, g.product_set_id
      from gone g
      join catalog.product_set s on s.id = g.product_set_id
      where g.topic = 'images'
    ),
    told as (${touched(sql, 'gone')}
    ),
    noted as (
      insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason)
      ${claimSteps(sql, 'gone')}
      union all
      select id, done_at, status, status, extract(epoch from done_at - status_at), 'product_deleted' from gone
    )
    select
      ${stepColumns(sql, 'g')},
      g.status as "from",
      g.status as "to",
      shop_update.micros(g.done_at) as at,
      date_part('epoch', g.done_at - g.status_at) as seconds,
      'product_deleted' as reason,
      null as actor,
      f.action = 'UPDATE' as waiting
    from gone g left join freed f on f.product_set_id = g.product_set_id ${skusOf(sql, 'g')}`
  return {
    steps: rows.map(({ waiting: _, ...step }) => step),
    setsWaiting: [...new Set(rows.filter(({ waiting }) => waiting).map(({ productSetId }) => productSetId))],
  }
}
