import type { Sql } from '../database/database.ts'
import type { Flow, Status } from '../domain/statuses.ts'
import type { Topic } from '../domain/topics.ts'

export interface TransitionRow {
  from: Status | null
  to: Status
  at: Date
  /** The time spent in `from`. */
  seconds: number | null
  reason: string | null
  /** The person, if it was one, and their reason in their own words. */
  actor: string | null
  note: string | null
}

/** How many characters of each body come with the list of calls. */
export const BODY_SHOWN = 4096

export interface CallRow {
  requestId: string
  flow: Flow
  sentAt: Date
  answeredAt: Date | null
  milliseconds: number | null
  httpStatus: number | null
  outcome: string | null
  /** The first `BODY_SHOWN` characters of each body, and its size in bytes: 28 calls may have 8 MiB each. */
  request: string
  requestBytes: number
  response: string | null
  responseBytes: number | null
  callbackAt: Date | null
  callback: string | null
  callbackBytes: number | null
  /** Of the attempt. */
  traceId: string | null
  /** Of the callback, which begins its own trace. */
  callbackTraceId: string | null
}

/** Every step of an item, in order. Steps of the same moment are in the order of the statuses. */
export const readTransitions = (sql: Sql, itemId: string, queuedAt: Date): Promise<TransitionRow[]> => sql<
  TransitionRow[]
>`
  select t.from_status as "from", t.to_status as "to", t.at, t.seconds, t.reason, t.actor, t.note
  from shop_update.transition t
  where t.item_id = ${itemId}::bigint
    and t.stored_at >= ${dayBefore(queuedAt)}::timestamptz
    and t.requested_at >= ${dayBefore(queuedAt)}::timestamptz
  order by t.at, t.to_status`

/** Every request of an item, with the answer on its own exchange and its callback, if any. */
export const readCalls = (sql: Sql, itemId: string, queuedAt: Date): Promise<CallRow[]> => sql<CallRow[]>`
  select
    r.request_id as "requestId",
    r.flow,
    r.sent_at as "sentAt",
    a.answered_at as "answeredAt",
    a.milliseconds,
    a.http_status as "httpStatus",
    a.outcome,
    left(r.body, ${BODY_SHOWN}::int) as request,
    octet_length(r.body) as "requestBytes",
    left(a.body, ${BODY_SHOWN}::int) as response,
    octet_length(a.body) as "responseBytes",
    c.received_at as "callbackAt",
    left(c.body, ${BODY_SHOWN}::int) as callback,
    octet_length(c.body) as "callbackBytes",
    r.trace_id as "traceId",
    c.trace_id as "callbackTraceId"
  from shop_update.request r
  left join lateral (
    select * from shop_update.answer a
    where a.item_id = r.item_id and a.request_id = r.request_id
      and a.answered_at >= ${dayBefore(queuedAt)}::timestamptz
    order by a.answered_at desc limit 1
  ) a on true
  left join lateral (
    select c.received_at, c.body, c.trace_id from shop_update.callback c
    where c.request_id = r.request_id::text and c.outcome in ('accepted', 'late')
      and c.received_at >= ${dayBefore(queuedAt)}::timestamptz
    order by c.outcome = 'accepted' desc, c.received_at desc limit 1
  ) c on true
  where r.item_id = ${itemId}::bigint and r.sent_at >= ${dayBefore(queuedAt)}::timestamptz
  order by r.sent_at, r.request_id`

export const BODY_PARTS = ['request', 'response', 'callback'] as const
export type BodyPart = (typeof BODY_PARTS)[number]

/** How many characters of a body are read at a time. */
const SLICE = 1024 * 1024

/** A whole body in pieces; yields nothing if there is none. */
export async function* readBody(
  sql: Sql,
  { itemId, queuedAt, requestId, part }: { itemId: string; queuedAt: Date; requestId: string; part: BodyPart },
): AsyncGenerator<string> {
  const since = dayBefore(queuedAt)
  const body = {
    request: sql`
      select r.body from shop_update.request r
      where r.item_id = ${itemId}::bigint and r.request_id = ${requestId}::bigint
        and r.sent_at >= ${since}::timestamptz`,
    response: sql`
      select a.body from shop_update.answer a
      where a.item_id = ${itemId}::bigint and a.request_id = ${requestId}::bigint
        and a.answered_at >= ${since}::timestamptz
      order by a.answered_at desc`,
    callback: sql`
      select c.body from shop_update.callback c
      where c.item_id = ${itemId}::bigint and c.request_id = ${requestId}::text and c.outcome in ('accepted', 'late')
        and c.received_at >= ${since}::timestamptz
      order by c.outcome = 'accepted' desc, c.received_at desc`,
  }[part]
  for (let from = 1; ; from += SLICE) {
    const [row] = await sql<{ slice: string | null }[]>`
      select substr(b.body, ${from}::int, ${SLICE}::int) as slice from (${body} limit 1) b`
    if (!row?.slice) return
    yield row.slice
  }
}

export interface Surroundings {
  /** Of the product. */
  title: string | null
  /** While it waits for its turn: its place in the order of the set; 1 is next. */
  positionInSet: number | null
  /** A later item in the queue with the same topic and the same product or set. */
  newer: { itemId: string; status: Status } | null
  /** What the catalogue says of the product, of a whole set of its best variation; null if it is deleted. */
  product: {
    sellerActive: boolean
    active: boolean
    qcStatus: 'pending' | 'approved' | 'rejected'
    inStock: boolean
  } | null
  /** Within so many seconds of its acknowledgment the Shop answers 95 % of the topic; null: not known. */
  usualSeconds: number | null
}

/** What was usual for an answer is told for so long after it has last been measured (decision 30). */
const USUAL_FOR = '1 hour'

/**
 * What answers for the seller need besides the items, by the items' ids.
 *
 * @param amongOthers whether to look through the other items of the set, for `positionInSet` and `newer`: for many
 *   items of one set that takes the square of it, and neither decides who acts on what is in the queue
 */
export async function readSurroundings(
  sql: Sql,
  items: readonly { id: string; topic: Topic; productSetId: string; productId: string | null }[],
  amongOthers = true,
): Promise<Map<string, Surroundings>> {
  const rows = await sql<(Surroundings & { id: string })[]>`
    select x.id, coalesce(p.title, s.title) as title, (
      select 1 + count(b.id) + (
        select count(*) from shop_update.set_lane l where l.product_set_id = i.product_set_id and l.item_id is not null)
      from shop_update.item i left join shop_update.item b
        on b.product_set_id = i.product_set_id and b.lane in ('ready', 'behind')
        and (not shop_update.creates(b.topic), b.id)
          < (not shop_update.creates(i.topic), i.id)
      where ${amongOthers}::boolean and i.id = x.id and i.lane in ('ready', 'behind') group by i.product_set_id
    )::int as "positionInSet", (
      select json_build_object('itemId', n.id::text, 'status', n.status) from (
        select w.* from shop_update.item w where w.product_set_id = s.id and w.lane <> 'in_flight'
        union all
        select w.* from shop_update.set_lane l join shop_update.item w on w.id = l.item_id
        where l.product_set_id = s.id) n
      where ${amongOthers}::boolean and n.id > x.id and (
        n.topic = x.topic::shop_update.topic and n.product_id is not distinct from x.product_id
        -- what a create absorbed after its request left goes on as content
        or shop_update.creates(x.topic::shop_update.topic) and n.topic = 'content'
          and n.product_id = coalesce(x.product_id, n.product_id))
      order by n.id desc limit 1
    ) as newer, (
      select json_build_object(
        'sellerActive', r.active, 'active', q.active, 'qcStatus', q.qc_status,
        'inStock', q.stock > 0 or q.consignment_stock > 0)
      from catalog.product q join catalog.seller r on r.id = s.seller_id
      where q.product_set_id = s.id and (x.product_id is null or q.id = x.product_id)
      order by q.active desc, q.qc_status = 'approved' desc, q.qc_status = 'pending' desc,
        q.stock > 0 or q.consignment_stock > 0 desc, q.id
      limit 1
    ) as product, (
      select u.seconds::float8 from shop_update.usual_answer u
      where u.topic = x.topic::shop_update.topic and u.measured_at > now() - ${USUAL_FOR}::interval
    ) as "usualSeconds"
    from unnest(
      ${items.map(({ id }) => id)}::bigint[],
      ${items.map(({ topic }) => topic)}::text[],
      ${items.map(({ productSetId }) => productSetId)}::bigint[],
      ${items.map(({ productId }) => productId)}::bigint[]
    ) x (id, topic, product_set_id, product_id)
    join catalog.product_set s on s.id = x.product_set_id
    left join catalog.product p on p.id = x.product_id`
  return new Map(rows.map(({ id, ...surroundings }) => [id, surroundings]))
}

/** Of an item whose set no longer exists. */
export const NO_SURROUNDINGS: Surroundings = {
  title: null,
  positionInSet: null,
  newer: null,
  product: null,
  usualSeconds: null,
}

/**
 * Nothing about an item is older than the item, so earlier days need not be searched. One day is added because clocks
 * differ. To be sent as a `timestamptz`: with a conversion in the statement, PostgreSQL would plan for every day first.
 */
const dayBefore = (at: Date): string => new Date(at.getTime() - 86_400_000).toISOString()
