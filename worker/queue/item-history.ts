import type { Flow, Status } from '../domain/statuses.ts'
import type { Sql } from './database.ts'

export interface TransitionRow {
  from: Status | null
  to: Status
  at: Date
  /** Spent in `from`. */
  seconds: number | null
  reason: string | null
  /** The person, where it was one, and why, in his words. */
  actor: string | null
  note: string | null
}

export interface CallRow {
  requestId: string
  flow: Flow
  sentAt: Date
  answeredAt: Date | null
  milliseconds: number | null
  httpStatus: number | null
  outcome: string | null
  request: string
  response: string | null
  callbackAt: Date | null
  callback: string | null
  traceId: string | null
}

/** Every step that an item has taken, in order; steps of one moment in the order in which an item passes the statuses. */
export const readTransitions = (sql: Sql, itemId: string, queuedAt: Date): Promise<TransitionRow[]> => sql<TransitionRow[]>`
  select t.from_status as "from", t.to_status as "to", t.at, t.seconds, t.reason, t.actor, t.note from shop_update.transition t
  where t.item_id = ${itemId}::bigint and t.at >= ${dayBefore(queuedAt)}::text::timestamptz order by t.at, t.to_status`

/** Every request of an item with the answer on its own exchange and the callback that came for it, if any. */
export const readCalls = (sql: Sql, itemId: string, queuedAt: Date): Promise<CallRow[]> => sql<CallRow[]>`
  select r.request_id as "requestId", r.flow, r.sent_at as "sentAt", a.answered_at as "answeredAt", a.milliseconds, a.http_status as "httpStatus",
    a.outcome, r.body as request, a.body as response, c.received_at as "callbackAt", c.body as callback, r.trace_id as "traceId"
  from shop_update.request r
  left join lateral (
    select * from shop_update.answer a
    where a.item_id = r.item_id and a.request_id = r.request_id and a.answered_at >= ${dayBefore(queuedAt)}::text::timestamptz
    order by a.answered_at desc limit 1
  ) a on true
  left join lateral (
    select c.received_at, c.body from shop_update.callback c
    where c.request_id = r.request_id::text and c.outcome in ('accepted', 'late') and c.received_at >= ${dayBefore(queuedAt)}::text::timestamptz
    order by c.received_at desc limit 1
  ) c on true
  where r.item_id = ${itemId}::bigint and r.sent_at >= ${dayBefore(queuedAt)}::text::timestamptz
  order by r.sent_at, r.request_id`

/**
 * What an answer for the seller needs beside the item itself: while it waits for its turn, the place in the order of the set (1 is next), and the
 * Delayed or Failed item of its set and topic that goes first (as in `claim`).
 */
export interface Surroundings {
  /** Of the product. */
  title: string | null
  positionInSet: number | null
  heldBy: { itemId: string; status: Status; nextAttemptAt: Date } | null
}

export async function readSurroundings(sql: Sql, itemId: string, productSetId: string, productId: string | null): Promise<Surroundings> {
  const [row] = await sql<(Omit<Surroundings, 'heldBy'> & { holder: string | null; holderStatus: Status | null; holderAt: Date | null })[]>`
    select coalesce(p.title, s.title) as title, d.id as holder, d.status as "holderStatus", d.run_at as "holderAt", (
      select 1 + count(b.id) + (select count(*) from shop_update.set_lane l where l.product_set_id = i.product_set_id and l.item_id is not null)
      from shop_update.item i left join shop_update.item b
        on b.product_set_id = i.product_set_id and b.lane in ('ready', 'behind')
        and (b.topic not in ('new_product_set', 'new_product'), b.id) < (i.topic not in ('new_product_set', 'new_product'), i.id)
      where i.id = ${itemId}::bigint and i.lane in ('ready', 'behind') group by i.product_set_id
    )::int as "positionInSet"
    from catalog.product_set s left join catalog.product p on p.id = ${productId}::bigint
    left join lateral (
      select d.id, d.status, d.run_at from shop_update.item i join shop_update.item d
        on d.lane = 'delayed' and d.product_set_id = i.product_set_id and d.topic = i.topic and d.id < i.id and d.run_at < 'infinity'
      where i.id = ${itemId}::bigint and i.lane in ('ready', 'behind') order by d.id limit 1
    ) d on true
    where s.id = ${productSetId}::bigint`
  if (!row) return { title: null, positionInSet: null, heldBy: null }
  const { title, positionInSet, holder, holderStatus, holderAt } = row
  const heldBy = holder && holderStatus && holderAt && { itemId: holder, status: holderStatus, nextAttemptAt: holderAt }
  return { title, positionInSet, heldBy: heldBy || null }
}

/** Nothing of an item is older than the item: days before it need not be looked at. A day is left for clocks that differ. */
const dayBefore = (at: Date): string => new Date(at.getTime() - 86_400_000).toISOString()
