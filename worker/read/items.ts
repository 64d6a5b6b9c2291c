import type { Sql } from '../database/database.ts'
import type { Order } from '../domain/orders.ts'
import { AWAIT_CREATE, type NoCreate, type ReasonCode } from '../domain/reasons.ts'
import { TAB_COUNTED_UP_TO } from '../domain/search.ts'
import { type Flow, type Status, statusesOf, TABS, type Tab } from '../domain/statuses.ts'
import type { Topic } from '../domain/topics.ts'
import { skuColumns, skusOf } from '../queue/skus.ts'
import { createsAwaited, noCreate } from './blocked.ts'
import { holderOf, mayBeHeld, noHolder } from './holder.ts'
import { inHistory, inQueue, type Located, locate, moment, type Selection, sources } from './selection.ts'

/** An item as lists show it, from the queue or from the history. */
export interface ItemRow {
  id: string
  sellerId: string
  sellerName: string | null
  productSetId: string
  productId: string | null
  /** The product's; for a whole set those of its first variations. */
  sellerSku: string | null
  sku: string | null
  topic: Topic
  status: Status
  reason: ReasonCode | null
  message: string | null
  queuedAt: Date
  statusAt: Date
  lastSentAt: Date | null
  failedAt: Date | null
  /** Null: none is planned. */
  nextAttemptAt: Date | null
  failures: number
  sends: number
  coalesced: number
  flow: Flow | null
  requestId: string | null
  traceId: string | null
  /** Null: it has failed before causes were kept, or not at all. `cause`: its message without what varies. */
  causeId: string | null
  cause: string | null
  blockedBy: string | null
  blockedByTopic: Topic | null
  blockedByStatus: Status | null
  /** Why no create of its product is due, if none is in the queue. */
  noCreate: NoCreate | null
  /** The Delayed or Failed item of the same set and topic that goes first. */
  heldBy: string | null
  heldByStatus: Status | null
  /** Null for one about a whole set. */
  heldBySellerSku: string | null
  heldByNextAttemptAt: Date | null
  /** False once it has left the queue. */
  live: boolean
}

/** A row of the list itself; the rest is looked up for the rows of its page. */
type FoundRow = Omit<ItemRow, keyof Create>
type Create = Pick<ItemRow, 'blockedBy' | 'blockedByTopic' | 'blockedByStatus' | 'noCreate'>

export interface Sort {
  key: Order
  descending: boolean
}

/** Where a page ended: the value sorted by, to the microsecond, and the id. */
export interface Position {
  value: string | null
  id: string
}

/**
 * A page of a list, by keyset: earlier pages do not add to its cost, and items that come or go meanwhile shift nothing.
 * Ids are given in queueing order, so `queuedAt` and `id` are one order, which an index provides.
 *
 * @param after the position at which the previous page ended
 * @returns the rows, and the position for the next page (null: this is the last)
 */
export async function listItems(
  sql: Sql,
  selection: Located,
  sort: Sort,
  after: Position | null,
  limit: number,
): Promise<{ rows: ItemRow[]; next: Position | null }> {
  const from = sources(selection)
  const more = limit + 1
  const queued = sql`(
        select ${queueColumns(sql)} from shop_update.item i
        where ${inQueue(sql, selection)} ${page(sql, sort, after, more)})`
  const finished = sql`(
        select ${historyColumns(sql)} from shop_update.finished_item i
        where ${inHistory(sql, selection)} ${page(sql, sort, after, more)})`
  const found = await sql<(FoundRow & { sortedBy: string | null })[]>`
    with i as (
      ${from.includes('queue') ? queued : sql``}
      ${from.length > 1 ? sql`union all` : sql``}
      ${from.includes('finished') ? finished : sql``}
    )
    select ${shown(sql)}, ${SORTED_BY[sort.key](sql)} as "sortedBy"
    from i ${beside(sql, statusesOf(selection).some(mayBeHeld))}
    order by ${order(sql, sort)} limit ${more}::int`
  const rows = found.slice(0, limit)
  const last = rows.at(-1)
  return {
    rows: await complete(sql, rows),
    next: found.length > limit && last ? { value: last.sortedBy, id: last.id } : null,
  }
}

/** How far a list is counted when no counter knows its size. */
export const COUNTED_UP_TO = 10_000

/**
 * How many items a selection has. By tab, status and topic the counters know it for any size of the queue. Anything
 * else is counted up to a limit; beyond that the number only means "many".
 */
export async function countItems(
  sql: Sql,
  selection: Located,
  upTo = COUNTED_UP_TO,
): Promise<{ count: number; exact: boolean }> {
  if (isCounted(selection)) {
    const { topic } = selection
    const [row] = await sql<{ count: number }[]>`
      select coalesce(sum(c.n), 0)::float8 as count from (
        select topic, status, n from shop_update.status_count
        union all select topic, status, n from shop_update.unfolded() where kind = 'status'
      ) c
      where c.status = any (${statusesOf(selection)}::text[]::shop_update.status[])
        ${topic === undefined ? sql`` : sql`and c.topic = ${topic}::shop_update.topic`}`
    return { count: row?.count ?? 0, exact: true }
  }
  const from = sources(selection)
  const enough = upTo + 1
  const queued = sql`(
        select from shop_update.item i where ${inQueue(sql, selection)} limit ${enough}::int)`
  const finished = sql`(
        select from shop_update.finished_item i where ${inHistory(sql, selection)} limit ${enough}::int)`
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from (
      ${from.includes('queue') ? queued : sql``}
      ${from.length > 1 ? sql`union all` : sql``}
      ${from.includes('finished') ? finished : sql``}
    ) counted`
  const count = row?.count ?? 0
  return count > upTo ? { count: upTo, exact: false } : { count, exact: !selection.scope?.truncated }
}

/** How many items of a selection each tab has. */
export async function countTabs(
  sql: Sql,
  selection: Omit<Selection, 'tab'>,
): Promise<Record<Tab, { count: number; exact: boolean }>> {
  const located = await locate(sql, selection, ['queue', 'finished'])
  const counts = await Promise.all(
    TABS.map(async (tab) => [tab, await countItems(sql, { ...located, tab }, TAB_COUNTED_UP_TO)] as const),
  )
  return Object.fromEntries(counts) as Record<Tab, { count: number; exact: boolean }>
}

/** Whether the counters know how many items a selection has. */
export const isCounted = ({ reason, cause, seller, set, q, from, to }: Selection): boolean =>
  [reason, cause, seller, set, q, from, to].every((filter) => filter === undefined)

/** One item, wherever it is; null if there is none. */
export async function readItem(sql: Sql, id: string): Promise<ItemRow | null> {
  return (await complete(sql, await readRows(sql, [id])))[0] ?? null
}

/** Items of the queue by their ids, without traces; one that has left it meanwhile may be there as it is now. */
export async function readQueued(sql: Sql, ids: readonly string[]): Promise<ItemRow[]> {
  const rows = await sql<FoundRow[]>`
    with i as (select ${queueColumns(sql)} from shop_update.item i where i.id = any (${[...ids]}::bigint[]))
    select ${shown(sql)} from i ${beside(sql)}`
  return complete(sql, rows, { traces: false })
}

/**
 * Adds what few items have, looked up for these alone. One that was Blocked until something is created, and is not any
 * more, is read again: what it waited for is in the Shop now, and it would seem that nothing creates it.
 */
async function complete(sql: Sql, rows: readonly FoundRow[], { traces = true } = {}): Promise<ItemRow[]> {
  const [traceOf, createOf] = await Promise.all([traces ? readTraces(sql, rows) : NOTHING, readCreates(sql, rows)])
  const moved = rows.filter((row) => awaitsCreate(row) && !createOf.has(row.id)).map(({ id }) => id)
  const again = moved.length > 0 ? await complete(sql, await readRows(sql, moved), { traces }) : []
  const movedTo = new Map(again.map((row) => [row.id, row]))
  return rows.flatMap((row) => {
    if (moved.includes(row.id)) return movedTo.get(row.id) ?? []
    return {
      ...row,
      ...(createOf.get(row.id) ?? NO_CREATE),
      traceId: row.traceId ?? traceOf.get(row.requestId ?? '') ?? null,
    }
  })
}

const awaitsCreate = ({ live, status, reason }: FoundRow): boolean =>
  live && status === 'blocked' && AWAIT_CREATE.some((each) => each === reason)

/** Items wherever they are, each once. */
const readRows = (sql: Sql, ids: readonly string[]): Promise<FoundRow[]> => sql<FoundRow[]>`
  with i as (
    (select ${queueColumns(sql)} from shop_update.item i where i.id = any (${[...ids]}::bigint[]))
    union all
    (select ${historyColumns(sql)} from shop_update.finished_item i
    where i.id = any (${[...ids]}::bigint[])
      and not exists (select from shop_update.item o where o.id = i.id))
  )
  select ${shown(sql)} from i ${beside(sql)}`

const NOTHING = new Map<string, never>()
const NO_CREATE: Create = { blockedBy: null, blockedByTopic: null, blockedByStatus: null, noCreate: null }

/**
 * A finished item has the trace only of an attempt without a request. A statement of its own, of the days in question
 * alone (0.4 ms for a page of the newest, 6 for one that spans 90 days; joined with the list, always 30).
 *
 * @returns by the id of the request
 */
async function readTraces(sql: Sql, rows: readonly FoundRow[]): Promise<ReadonlyMap<string, string | null>> {
  const asked = rows.flatMap(({ traceId, requestId, lastSentAt }) =>
    traceId === null && requestId !== null && lastSentAt !== null ? { requestId, at: lastSentAt.getTime() } : [],
  )
  if (asked.length === 0) return NOTHING
  const times = asked.map(({ at }) => at)
  // a Date has milliseconds; to be sent as a `timestamptz`, or PostgreSQL would plan for every day
  const [first, last] = [Math.min(...times), Math.max(...times) + 1].map((at) => new Date(at).toISOString())
  const found = await sql<{ requestId: string; traceId: string | null }[]>`
    select r.request_id as "requestId", r.trace_id as "traceId"
    from shop_update.request r
    where r.request_id = any (${asked.map(({ requestId }) => requestId)}::bigint[])
      and r.sent_at between ${first!}::timestamptz and ${last!}::timestamptz`
  return new Map(found.map(({ requestId, traceId }) => [requestId, traceId]))
}

/**
 * Of items that are Blocked until something has been created, the item that creates it: that of the product itself,
 * else that of the set, else that of another variation that is in the way. A statement of its own, of these items
 * alone: it takes longer to plan than the list with all else (1.1 ms and 1), and most pages have no such item.
 */
async function readCreates(sql: Sql, rows: readonly FoundRow[]): Promise<ReadonlyMap<string, Create>> {
  const asked = rows.filter(awaitsCreate)
  if (asked.length === 0) return NOTHING
  const found = await sql<(Create & { id: string })[]>`
    select
      i.id,
      b.id as "blockedBy",
      b.topic as "blockedByTopic",
      b.status as "blockedByStatus",
      case when b.id is null then ${noCreate(sql)} end as "noCreate"
    from shop_update.item i
    left join lateral (
      select c.id, c.topic, c.status from ${createsAwaited(sql)}
      order by (c.topic = 'new_product' and c.product_id = i.product_id) desc nulls last,
        c.topic = 'new_product_set' desc,
        c.id
      limit 1
    ) b on true
    where i.id = any (${asked.map(({ id }) => id)}::bigint[])
      and i.status = 'blocked' and i.reason = any (${[...AWAIT_CREATE]}::text[])`
  return new Map(found.map(({ id, ...create }) => [id, create]))
}

export { type Located, locate, type Selection }

const queueColumns = (
  sql: Sql,
) => sql`i.id, i.seller_id, i.product_set_id, i.product_id, i.topic, i.status, i.reason, i.message, i.queued_at,
  i.status_at, i.last_sent_at, i.failed_at, i.run_at, i.failures, i.sends, i.coalesced, i.flow, i.request_id,
  i.trace_id, i.cause_id, i.lane, true as live`

const historyColumns = (
  sql: Sql,
) => sql`i.id, i.seller_id, i.product_set_id, i.product_id, i.topic, i.status, i.reason, i.message, i.queued_at,
  i.finished_at as status_at, i.last_sent_at, null::timestamptz as failed_at, 'infinity'::timestamptz as run_at,
  i.failures, i.sends, i.coalesced, i.flow, i.request_id, i.trace_id, null::bigint as cause_id,
  null::shop_update.lane as lane, false as live`

const shown = (sql: Sql) => sql`
  i.id,
  i.seller_id as "sellerId",
  r.name as "sellerName",
  i.product_set_id as "productSetId",
  i.product_id as "productId",
  ${skuColumns(sql)},
  i.topic,
  i.status,
  i.reason,
  i.message,
  i.queued_at as "queuedAt",
  i.status_at as "statusAt",
  i.last_sent_at as "lastSentAt",
  i.failed_at as "failedAt",
  case when i.status in ('delayed', 'failed') and i.run_at < 'infinity' then i.run_at end as "nextAttemptAt",
  i.failures,
  i.sends,
  i.coalesced,
  i.flow,
  i.request_id as "requestId",
  i.trace_id as "traceId",
  i.cause_id::text as "causeId",
  u.pattern as cause,
  h.id as "heldBy",
  h.status as "heldByStatus",
  (select g.seller_sku from catalog.product g where g.id = h.product_id) as "heldBySellerSku",
  h.run_at as "heldByNextAttemptAt",
  i.live`

/**
 * What is shown beside an item: its seller, its product or the first three variations of its set, its cause, and the
 * item that goes before it.
 *
 * @param heldBy false: none of them can have such an item
 */
const beside = (sql: Sql, heldBy = true) => sql`
  left join catalog.seller r on r.id = i.seller_id
  left join shop_update.cause u on u.id = i.cause_id
  ${skusOf(sql, 'i')}
  ${heldBy ? holderOf(sql) : noHolder(sql)}`

const order = (sql: Sql, { key, descending }: Sort) => {
  switch (key) {
    case 'statusAt':
      return descending ? sql`i.status_at desc, i.id desc` : sql`i.status_at, i.id`
    case 'nextAttemptAt':
      return descending ? sql`i.run_at desc, i.id desc` : sql`i.run_at, i.id`
    default:
      return descending ? sql`i.id desc` : sql`i.id`
  }
}

const SORTED_BY = {
  id: (sql: Sql) => sql`null`,
  queuedAt: (sql: Sql) => sql`null`,
  statusAt: (sql: Sql) => sql`i.status_at::text`,
  nextAttemptAt: (sql: Sql) => sql`i.run_at::text`,
}

const page = (sql: Sql, sort: Sort, after: Position | null, limit: number) => sql`
  ${after === null ? sql`` : beyond(sql, sort, after)} order by ${order(sql, sort)} limit ${limit}::int`

function beyond(sql: Sql, { key, descending }: Sort, { value, id }: Position) {
  switch (key) {
    case 'statusAt':
      return descending
        ? sql`and (i.status_at, i.id) < (${moment(sql, value)}, ${id}::bigint)`
        : sql`and (i.status_at, i.id) > (${moment(sql, value)}, ${id}::bigint)`
    case 'nextAttemptAt':
      return descending
        ? sql`and (i.run_at, i.id) < (${moment(sql, value)}, ${id}::bigint)`
        : sql`and (i.run_at, i.id) > (${moment(sql, value)}, ${id}::bigint)`
    default:
      return descending ? sql`and i.id < ${id}::bigint` : sql`and i.id > ${id}::bigint`
  }
}
