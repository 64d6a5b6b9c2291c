import type { Sql } from '../database/database.ts'
import type { Item, Story } from '../domain/item.ts'
import type { Status } from '../domain/statuses.ts'
import type { Micros } from '../domain/step.ts'
import { leftBehind, statusCounts } from './books.ts'
import type { Finish } from './finish.ts'
import { skuColumns, skusOf } from './skus.ts'

/** A recorded callback with the item and the request that it answers. */
export type Waiting = Item & {
  callbackId: string
  receivedAt: string
  result: string
  request: string
  /** When the answered request left, as text. */
  sentAt: string
  current: boolean
  /**
   * Whether the item has absorbed a change since then; `carried`: whether the request that it waits for contains it.
   */
  newer: boolean
  carried: boolean
  status: Status
  since: Micros
  reason: string | null
} & Omit<Story, 'item' | 'receivedAt' | 'steps'> & { received: Micros }

/**
 * Locks the items that are at rest, for this transaction; one that is locked already is left for the next run. Only
 * then are they read: another worker that has applied a callback meanwhile held the lock until its commit.
 *
 * @returns their ids
 */
export async function hold(tx: Sql, itemIds: readonly string[]): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    select id from shop_update.item where id = any (${itemIds}::bigint[]) and lane <> 'in_flight'
    order by id for update skip locked`
  return rows.map(({ id }) => id)
}

/** @param itemIds of items that this transaction holds */
export const readWaiting = (tx: Sql, itemIds: readonly string[]) => tx<Waiting[]>`
  with c as materialized (
    select distinct on (c.item_id) c.* from shop_update.callback c
    where c.applied_at is null and c.item_id = any (${itemIds}::bigint[]) order by c.item_id, c.id
  )
  select c.id as "callbackId", c.received_at::text as "receivedAt", c.body as result, r.body as request,
    r.sent_at::text as "sentAt",
    i.request_id = r.request_id as current, coalesce(i.absorbed_at > r.sent_at, false) as newer,
    i.lane = 'awaiting' and coalesce(i.absorbed_at < i.last_sent_at, false) as carried,
    i.status, i.reason, i.id, i.token, i.topic, i.seller_id as "sellerId", i.product_set_id as "productSetId",
    i.product_id as "productId", i.sends, i.failures,
    r.request_id::text as "requestId", i.trace_id as "previousTraceId",
    shop_update.micros(i.queued_at) as "queuedAt",
    shop_update.micros(i.status_at) as since,
    shop_update.micros(c.received_at) as received, coalesce(c.trace_id, r.trace_id) as "traceId",
    r.trace_id as answers, r.flow,
    ${skuColumns(tx)}
  from c
  join shop_update.item i on i.id = c.item_id
  -- the newest day first: all of them would be looked through
  join lateral (
    select * from shop_update.request r
    where r.request_id = c.request_id::bigint and r.item_id = i.id and r.sent_at < now() + interval '1 day'
    order by r.sent_at desc limit 1) r on true
  ${skusOf(tx, 'i')}
  order by i.id`

/**
 * Takes the items from wherever they rest, with a new token: Got response. Their product set is not taken; an item that
 * was behind in its set, or whose turn it was, leaves that place. (What a callback finishes leaves the queue from its
 * rest, see `finish`.)
 *
 * @param rows of items that this transaction holds
 */
export const take = (tx: Sql, rows: readonly Waiting[]) => tx<{ id: string; token: number }[]>`
  with x as (
    select * from unnest(${rows.map(({ id }) => id)}::bigint[], ${rows.map(({ token }) => token)}::int[],
      ${rows.map(({ receivedAt }) => receivedAt)}::text[]::timestamptz[]) x (id, token, received_at)
  ),
  moved as (
    update shop_update.item i set status = 'got_response', lane = 'in_flight', token = i.token + 1,
      status_at = shop_update.later(i.status_at, x.received_at),
      fresh = false, reason = null, message = null, cause_id = null
    from x where i.id = x.id and i.token = x.token and i.lane <> 'in_flight'
    returning i.id, i.token, i.topic, i.product_set_id, old.status as was, old.lane as lane, old.cause_id as was_cause
  ),
  ${leftBehind(tx, 'moved')},
  counted as (${statusCounts(tx, 'moved', tx`was`, tx`'got_response'::shop_update.status`, { from: tx`was_cause` })})
  select id, token from moved`

/**
 * Marks callbacks as applied that have finished nothing (see `finish`); each stores the steps that its item took for
 * it. By item, time and id: so one index of one day finds it.
 *
 * @param stories of the callbacks that changed something, by their ids
 */
export async function mark(
  tx: Sql,
  applied: readonly Waiting[],
  stories: ReadonlyMap<string, Pick<Story, 'steps'>>,
): Promise<void> {
  if (applied.length === 0) return
  const rows = applied.map((row) => {
    const steps = stories.get(row.callbackId)?.steps
    return { ...row, taken: steps?.[0], done: steps?.at(-1) }
  })
  await tx`
    update shop_update.callback c
    set
      applied_at = now(),
      taken_from = x.taken_from::shop_update.status,
      taken_seconds = x.taken_seconds,
      taken_at = timestamptz 'epoch' + x.taken * interval '1 microsecond',
      done_at = timestamptz 'epoch' + x.done * interval '1 microsecond',
      done_to = x.done_to::shop_update.status,
      done_reason = x.done_reason
    from unnest(
      ${rows.map(({ callbackId }) => callbackId)}::bigint[],
      ${rows.map(({ id }) => id)}::bigint[],
      ${rows.map(({ receivedAt }) => receivedAt)}::text[]::timestamptz[],
      ${rows.map(({ taken }) => taken?.from ?? null)}::text[],
      ${rows.map(({ taken }) => (taken ? Math.max(taken.at - taken.since, 0) / 1e6 : null))}::real[],
      ${rows.map(({ taken }) => taken?.at ?? null)}::double precision[],
      ${rows.map(({ done }) => done?.at ?? null)}::double precision[],
      ${rows.map(({ done }) => done?.to ?? null)}::text[],
      ${rows.map(({ done }) => done?.reason ?? null)}::text[]
    ) x (id, item_id, received_at, taken_from, taken_seconds, taken, done, done_to, done_reason)
    where c.item_id = x.item_id and c.received_at = x.received_at and c.id = x.id and c.applied_at is null`
}

/** How many of these items are in flight. */
export async function countInFlight(tx: Sql, itemIds: readonly string[]): Promise<number> {
  if (itemIds.length === 0) return 0
  const [row] = await tx<[{ n: number }]>`
    select count(*)::int as n from shop_update.item where id = any (${itemIds}::bigint[]) and lane = 'in_flight'`
  return row.n
}

/**
 * What a create absorbed after its request had left is missing in the Shop until its products are reported again: a
 * create is sent only once. A variation that was added meanwhile was not in it and is created; one that moved to
 * another set was in it and is reported.
 */
export async function oweContent(tx: Sql, creations: readonly Finish[]): Promise<void> {
  if (creations.length === 0) return
  const setIds = creations.map(({ item }) => item.productSetId)
  const answered = creations.flatMap(({ products }) => products.map(({ productId }) => productId))
  await tx`
    insert into shop_update.owed_change (topic, product_id, product_set_id)
    select case when p.src_id is null then 'new_product' else 'content' end::shop_update.topic, p.id, null::bigint
    from unnest(${setIds}::bigint[], ${creations.map(({ item }) => item.productId)}::bigint[]) x (set_id, product_id)
    join catalog.product p on p.product_set_id = x.set_id and p.id = coalesce(x.product_id, p.id)
    union
    select 'content', p.id, null from catalog.product p where p.id = any (${answered}::bigint[])
    union all
    select 'images', null, s.id from catalog.product_set s
    where s.id = any (${setIds}::bigint[]) and exists (
      select from catalog.product_image m where m.product_set_id = s.id)
    order by 1, 2, 3`
}
