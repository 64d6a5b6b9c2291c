import type { Sql } from '../database/database.ts'
import { BLOCKS, type ReasonCode } from '../domain/reasons.ts'
import { readStatusFilter, type Status, statusesOf, type Tab } from '../domain/statuses.ts'
import type { Topic } from '../domain/topics.ts'
import { findScope, findSeller, itemsOfSets, type Scope, type SellerScope } from './scope.ts'

/** What a list, a download or a requeue is about. Without a tab or status: the whole queue. */
export interface Selection {
  tab?: Tab | undefined
  topic?: Topic | undefined
  /** Some, or all but some: `readStatusFilter`. */
  status?: string | undefined
  /** Why it is Delayed, Failed or Blocked. */
  reason?: ReasonCode | undefined
  /** Id of a cause. */
  cause?: string | undefined
  /** Id or name of a seller. */
  seller?: string | undefined
  /** Id of a product set. */
  set?: string | undefined
  /** Seller SKU, Shop SKU, product, set, item or request id, or the name of a seller. */
  q?: string | undefined
  /** Queued at or after, ISO 8601. */
  from?: string | undefined
  /** Queued before, ISO 8601. */
  to?: string | undefined
}

/** A selection whose words have been looked up; null when there is nothing to look up. */
export interface Located extends Selection {
  scope: Scope | null
  /** All of them apply at once. */
  sellers: SellerScope[]
  /** The range of ids, in the queue and in the history, that was queued from `from` to `to`. */
  queueWindow: Window
  historyWindow: Window
  /** Whether the queue has so few items of the topic that they are looked up. */
  rareTopic: boolean
}

/** Null: no bound. */
interface Window {
  first: string | null
  end: string | null
}

/**
 * Looks up what `q` and `seller` mean, so that ids and indexes find the list itself.
 *
 * @param from where it will be read from, for one that is read by several tabs
 */
export async function locate(sql: Sql, selection: Selection, from = sources(selection)): Promise<Located> {
  const [scope, seller, queueWindow, historyWindow, rareTopic] = await Promise.all([
    selection.q === undefined ? null : findScope(sql, selection.q),
    selection.seller === undefined ? null : findSeller(sql, selection.seller),
    from.includes('queue') ? findWindow(sql, 'item', selection) : EVERYTHING,
    from.includes('finished') ? findWindow(sql, 'finished_item', selection) : EVERYTHING,
    selection.topic !== undefined && from.includes('queue') && isRare(sql, selection.topic),
  ])
  return {
    ...selection,
    scope: scope?.seller ? null : scope,
    sellers: [seller, scope?.seller].filter((each) => each != null),
    queueWindow,
    historyWindow,
    rareTopic,
  }
}

const EVERYTHING: Window = { first: null, end: null }

/**
 * No index has `queued_at` (it would cost every enqueue and claim). But ids are given nearly in its order, so a window
 * of time is a window of ids, found by some thirty probes of the primary key. Nearly: `enqueue` takes the time first
 * and the id only after it has waited for a lock on the item that might absorb the change, and a clock may be adjusted.
 * One hour is far longer than that wait takes and any adjustment should be; the times themselves are still compared.
 */
async function findWindow(sql: Sql, table: 'item' | 'finished_item', { from, to }: Selection): Promise<Window> {
  if (from === undefined && to === undefined) return EVERYTHING
  const boundary = (at: string | undefined, slack: string) =>
    at === undefined
      ? sql`null`
      : sql`(
        with recursive search (low, high) as (
          select min(id), max(id) + 1 from ${sql(`shop_update.${table}`)}
          union all
          select
            case when i.is_before then i.id + 1 else s.low end,
            case when i.is_before then s.high else s.low + (s.high - s.low) / 2 end
          from search s left join lateral (
            select n.id, n.queued_at < ${at}::text::timestamptz + ${slack}::text::interval as is_before
            from ${sql(`shop_update.${table}`)} n
            where n.id >= s.low + (s.high - s.low) / 2 and n.id < s.high order by n.id limit 1
          ) i on true
          where s.low < s.high
        ) select max(low) from search)`
  const [row] = await sql<{ first: string | null; end: string | null; beyond: string | null }[]>`
    select
      ${boundary(from, '-1 hour')} as first,
      ${boundary(to, '1 hour')} as "end",
      (select max(id) + 1 from ${sql(`shop_update.${table}`)}) as beyond`
  const { first, end, beyond } = row!
  // if nothing later exists yet, items queued from now on may belong to it
  return { first, end: end === beyond ? null : end }
}

/**
 * Up to this many items of a topic are found through an index with the topic in second place: 28 ms with a million
 * items, instead of 250.
 */
const RARE = 20_000

async function isRare(sql: Sql, topic: Topic): Promise<boolean> {
  const [row] = await sql<{ rare: boolean }[]>`
    select coalesce(sum(n), 0) <= ${RARE}::int as rare from (
      select n from shop_update.status_count
      where topic = ${topic}::shop_update.topic and status <> 'synced'
      union all
      select n from shop_update.unfolded()
      where kind = 'status' and topic = ${topic}::shop_update.topic and status <> 'synced') c`
  return row!.rare
}

/**
 * Where a selection is read from. A search, or a set, without a tab covers both the queue and the history; this is the
 * only way to find what an admin discarded.
 */
export function sources(selection: Selection): ('queue' | 'finished')[] {
  const { set, q } = selection
  const statuses = statusesOf(selection)
  const finished = isOpen(selection) ? (set ?? q) !== undefined : statuses.includes('synced')
  if (!finished) return ['queue']
  return statuses.some((status) => status !== 'synced') ? ['queue', 'finished'] : ['finished']
}

/** Whether it has whatever it does not leave out. */
const isOpen = ({ tab, status }: Selection): boolean =>
  tab === undefined && (status === undefined || leftOut(status) !== null)

/** The statuses that a filter leaves out; null if it names those that it has. */
function leftOut(text: string): Status[] | null {
  const filter = readStatusFilter(text)
  return typeof filter !== 'string' && filter.allBut ? filter.names : null
}

/**
 * Times are passed as text: the client would turn `::timestamptz` into a Date, which has neither microseconds nor
 * infinity. The cast is in a subquery; otherwise the text would be parsed for every row: 200 ms for a million of them.
 */
export const moment = (sql: Sql, at: string | null) => sql`(select ${at}::text::timestamptz)`

/**
 * Which rows of `shop_update.item i` are selected.
 *
 * No index has the status (see the migration), so statuses are narrowed by what an index has: the lane, the reason, or
 * `set_lane`. Pending needs none of this: few items are neither Pending, Delayed nor Failed.
 */
export function inQueue(sql: Sql, located: Located) {
  const { tab, topic, status, reason, cause, set, scope, sellers, from, to, queueWindow, rareTopic } = located
  const statuses = statusesOf(located).filter((name) => name !== 'synced')
  return sql`
  ${status !== undefined ? ofStatuses(sql, statuses) : ofTab(sql, tab)}
  ${
    // no index has each reason, but one has the lane of Blocked items
    reason === undefined
      ? sql``
      : sql`and i.reason = ${reason}::text ${BLOCKS.includes(reason) ? sql`and i.lane = 'blocked'` : sql``}`
  }
  ${cause === undefined ? sql`` : sql`and i.cause_id = ${cause}::bigint`}
  ${topic === undefined ? sql`` : sql`and i.topic = ${topic}::shop_update.topic`}
  ${from === undefined ? sql`` : sql`and i.queued_at >= ${moment(sql, from)}`}
  ${to === undefined ? sql`` : sql`and i.queued_at < ${moment(sql, to)}`}
  ${within(sql, queueWindow)}
  ${set === undefined ? sql`` : sql`and i.id = any (array(${itemsOfSets(sql, [set])}))`}
  ${rareTopic && !areFew(statuses) ? sql`and i.id = any (array(${itemsOfTopic(sql, topic!)}))` : sql``}
  ${all(sql, sellers, ({ sellerIds }) => sql`and i.seller_id = any (${sellerIds}::bigint[])`)}
  ${all(sql, sellers, ({ productSetIds }) =>
    productSetIds && productSetIds.length <= setsLookedUp(statuses)
      ? sql`and i.id = any (array(${itemsOfSets(sql, productSetIds)}))`
      : sql``,
  )}
  ${scope === null ? sql`` : sql`and (${scoped(sql, scope)})`}
  ${
    // there is no index by seller here, so a seller's items are scanned
    scope === null || scope.sellerIds.length > 0
      ? sql``
      : sql`and i.id = any (array(
    select unnest(${scope.itemIds}::bigint[])
    union all
    ${itemsOfSets(sql, [...scope.setIds, ...scope.setsOfProducts])}))`
  }`
}

/**
 * Which rows of `shop_update.finished_item i` are selected. An item finishes after it was queued, which excludes whole
 * days.
 */
export function inHistory(sql: Sql, located: Located) {
  const { topic, status, reason, cause, set, scope, sellers, from, to, historyWindow } = located
  return sql`
  ${
    !isOpen(located)
      ? sql`i.status = 'synced'`
      : status === undefined
        ? sql`true`
        : sql`i.status <> all (${leftOut(status)!}::text[]::shop_update.status[])`
  }
  ${reason === undefined ? sql`` : BLOCKS.includes(reason) ? sql`and false` : sql`and i.reason = ${reason}::text`}
  ${cause === undefined ? sql`` : sql`and false`}
  ${topic === undefined ? sql`` : sql`and i.topic = ${topic}::shop_update.topic`}
  ${from === undefined ? sql`` : sql`and i.queued_at >= ${moment(sql, from)} and i.finished_at >= ${moment(sql, from)}`}
  ${to === undefined ? sql`` : sql`and i.queued_at < ${moment(sql, to)}`}
  ${within(sql, historyWindow)}
  ${
    set === undefined
      ? sql``
      : sql`and i.seller_id = (select s.seller_id from catalog.product_set s where s.id = ${set}::bigint)
    and i.product_set_id = ${set}::bigint`
  }
  ${all(sql, sellers, ({ sellerIds }) => sql`and i.seller_id = any (${sellerIds}::bigint[])`)}
  ${
    scope === null
      ? sql``
      : sql`and (${scoped(sql, scope, sql`i.seller_id = any (${scope.sellersOfSets}::bigint[]) and`)})`
  }`
}

/** Joins the conditions; `postgres` would turn an empty list into a parameter. */
const all = (
  sql: Sql,
  sellers: readonly SellerScope[],
  condition: (seller: SellerScope) => ReturnType<typeof within>,
) => [sql``, ...sellers.map(condition)]

/** With the names in the statement, plans know how many items the largest lists leave out. */
const ofTab = (sql: Sql, tab: Tab | undefined) =>
  tab === undefined
    ? sql`true`
    : tab === 'pending'
      ? sql`i.status not in ('delayed', 'failed')`
      : ofStatuses(sql, statusesOf({ tab }))

function ofStatuses(sql: Sql, statuses: readonly Status[]) {
  if (statuses.length === 0) return sql`false`
  const places = [...new Set(statuses.map(placeOf))]
  return sql`
  ${
    statuses.length === 1
      ? sql`i.status = ${statuses[0]!}::shop_update.status`
      : sql`i.status = any (${[...statuses]}::text[]::shop_update.status[])`
  }
  ${
    places.includes('anywhere')
      ? sql``
      : sql`and (${places.map((place, n) => (n === 0 ? PLACES[place](sql) : sql`or ${PLACES[place](sql)}`))})`
  }`
}

/** Where an index has the items of statuses. */
const PLACES = {
  anywhere: (sql: Sql) => sql`true`,
  awaiting: (sql: Sql) => sql`i.lane = 'awaiting'`,
  blocked: (sql: Sql) => sql`i.lane = 'blocked'`,
  retried: (sql: Sql) => sql`i.reason in ('failure', 'stock_wait')`,
  /** At most the items that workers hold (CONCURRENCY each), and `set_lane` has them: no other lookup is needed. */
  inFlight: (sql: Sql) => sql`i.lane = 'in_flight'
    and i.id = any (array(select l.item_id from shop_update.set_lane l where l.item_id is not null))`,
} as const

function placeOf(status: Status): keyof typeof PLACES {
  switch (status) {
    case 'pending':
      return 'anywhere'
    case 'got_acknowledgment':
      return 'awaiting'
    case 'blocked':
      return 'blocked'
    case 'delayed':
    case 'failed':
      return 'retried'
    default:
      return 'inFlight'
  }
}

const areFew = (statuses: readonly Status[]): boolean => statuses.every((status) => placeOf(status) === 'inFlight')

/** If an index has the statuses, scanning it beats looking up a seller with many sets: 40 ms instead of 150. */
const setsLookedUp = (statuses: readonly Status[]): number =>
  statuses.includes('pending') ? Number.POSITIVE_INFINITY : areFew(statuses) ? 0 : 2000

const within = (sql: Sql, { first, end }: Window) => sql`
  ${first === null ? sql`` : sql`and i.id >= ${first}::bigint`}
  ${end === null ? sql`` : sql`and i.id < ${end}::bigint`}`

/** The items of a topic, plus everything in flight. */
const itemsOfTopic = (sql: Sql, topic: Topic) => sql`
  select s.id from shop_update.item s
  where s.topic = ${topic}::shop_update.topic and s.lane <> 'in_flight'
  union all
  select l.item_id from shop_update.set_lane l where l.item_id is not null`

/**
 * An item about a whole set is about each of its products: a search for a SKU that is not in the Shop yet must find the
 * item that creates it. Meanings without a match are left out: the planner turns an `or` with an empty array into a
 * scan of the whole history (195 ms instead of 12).
 *
 * @param ofSellers what an index needs before the set
 */
function scoped(sql: Sql, { itemIds, setIds, setsOfProducts, productIds, sellerIds }: Scope, ofSellers = sql``) {
  const ofSets = sql`${ofSellers} i.product_set_id`
  const meant = [
    itemIds.length > 0 ? sql`or i.id = any (${itemIds}::bigint[])` : sql``,
    setIds.length > 0 ? sql`or (${ofSets} = any (${setIds}::bigint[]))` : sql``,
    setsOfProducts.length > 0
      ? sql`or (${ofSets} = any (${setsOfProducts}::bigint[])
    and (i.product_id is null or i.product_id = any (${productIds}::bigint[])))`
      : sql``,
    sellerIds.length > 0 ? sql`or i.seller_id = any (${sellerIds}::bigint[])` : sql``,
  ]
  return sql`false ${meant}`
}
