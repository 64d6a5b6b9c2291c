import type { Sql } from '../database/database.ts'
import { BLOCKS, type ReasonCode } from '../domain/reasons.ts'
import type { Status, Tab } from '../domain/statuses.ts'
import type { Topic } from '../domain/topics.ts'
import { findScope, findSeller, itemsOfSets, type Scope, type SellerScope } from './scope.ts'

/** What a list, a download or a requeue is about. Without a tab and a status: all of the queue. */
export interface Selection {
  tab?: Tab | undefined
  topic?: Topic | undefined
  status?: Status | undefined
  /** Why it is Delayed, Failed or Blocked. */
  reason?: ReasonCode | undefined
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

/** A selection whose words have been looked up; null where there is nothing to look for. */
export interface Located extends Selection {
  scope: Scope | null
  /** All of them are meant at once. */
  sellers: SellerScope[]
  /** Between which ids of the queue, and of the history, lies what was queued from `from` to `to`. */
  queueWindow: Window
  historyWindow: Window
  /** Whether the queue has so few of the topic that they are looked up. */
  rareTopic: boolean
}

/** Null: no bound. */
interface Window {
  first: string | null
  end: string | null
}

/** Looks up what `q` and `seller` mean, so that the list itself is found by ids and indexes. */
export async function locate(sql: Sql, selection: Selection): Promise<Located> {
  const from = sources(selection)
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
 * No index knows `queued_at` (it would cost every enqueue and claim), but ids are given nearly in its order, so a
 * window of time is one of ids, found by some thirty looks at the primary key. Not strictly: `enqueue` takes the time,
 * and the id only after it has waited for whoever holds the item that might absorb the change, and a clock may be set.
 * An hour is far longer than the one takes and the other should; the times themselves are still compared.
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
  // where nothing is later yet, what is queued from now on may belong to it
  return { first, end: end === beyond ? null : end }
}

/**
 * Up to so many items of a topic are found by going through an index that has it in second place: 28 ms with a million
 * items, against 250.
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
 * Where a selection is read from. A search, or a set, without a tab goes over everything, the queue and what is
 * finished; what an admin discarded is found only so.
 */
export function sources({ tab, status, set, q }: Selection): ('queue' | 'finished')[] {
  if ((tab ?? status) === 'synced') return ['finished']
  return tab === undefined && status === undefined && (set ?? q) !== undefined ? ['queue', 'finished'] : ['queue']
}

/**
 * Times go as text: the client would read `::timestamptz` as a Date, which has no microseconds and no infinity. In a
 * query of its own, or the text would be read anew for every row: 200 ms with a million of them.
 */
export const moment = (sql: Sql, at: string | null) => sql`(select ${at}::text::timestamptz)`

/**
 * Which rows of `shop_update.item i` are selected.
 *
 * No index knows the status (see the migration), so each status is narrowed by what an index does know: the lane, the
 * reason, or `set_lane`. Pending needs nothing of the kind: what is not Pending, Delayed or Failed is seldom more than
 * a few.
 */
export const inQueue = (
  sql: Sql,
  { tab, topic, status, reason, set, scope, sellers, from, to, queueWindow, rareTopic }: Located,
) => sql`
  ${tab === undefined ? sql`true` : ofTab(sql, tab)}
  ${status === undefined ? sql`` : sql`and i.status = ${status}::shop_update.status and ${ofStatus(sql, status)}`}
  ${
    // no index knows each reason, but one knows the lane of what is Blocked
    reason === undefined
      ? sql``
      : sql`and i.reason = ${reason}::text ${BLOCKS.includes(reason) ? sql`and i.lane = 'blocked'` : sql``}`
  }
  ${topic === undefined ? sql`` : sql`and i.topic = ${topic}::shop_update.topic`}
  ${from === undefined ? sql`` : sql`and i.queued_at >= ${moment(sql, from)}`}
  ${to === undefined ? sql`` : sql`and i.queued_at < ${moment(sql, to)}`}
  ${within(sql, queueWindow)}
  ${set === undefined ? sql`` : sql`and i.id = any (array(${itemsOfSets(sql, [set])}))`}
  ${rareTopic && !isFew(status) ? sql`and i.id = any (array(${itemsOfTopic(sql, topic!)}))` : sql``}
  ${all(sql, sellers, ({ sellerIds }) => sql`and i.seller_id = any (${sellerIds}::bigint[])`)}
  ${all(sql, sellers, ({ productSetIds }) =>
    productSetIds && productSetIds.length <= setsLookedUp(status ?? tab)
      ? sql`and i.id = any (array(${itemsOfSets(sql, productSetIds)}))`
      : sql``,
  )}
  ${scope === null ? sql`` : sql`and (${scoped(sql, scope)})`}
  ${
    // a seller has no index of its own here: where one is meant, its items are looked through
    scope === null || scope.sellerIds.length > 0
      ? sql``
      : sql`and i.id = any (array(
    select unnest(${scope.itemIds}::bigint[])
    union all
    ${itemsOfSets(sql, [...scope.setIds, ...scope.setsOfProducts])}))`
  }`

/**
 * Which rows of `shop_update.finished_item i` are selected. An item is finished after it was queued: that leaves whole
 * days out.
 */
export const inHistory = (
  sql: Sql,
  { tab, topic, status, reason, set, scope, sellers, from, to, historyWindow }: Located,
) => sql`
  ${(tab ?? status) === undefined ? sql`true` : sql`i.status = 'synced'`}
  ${tab === undefined || status === undefined || tab === status ? sql`` : sql`and false`}
  ${reason === undefined ? sql`` : BLOCKS.includes(reason) ? sql`and false` : sql`and i.reason = ${reason}::text`}
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

/** Each of the conditions; of an empty list `postgres` would make a parameter. */
const all = (
  sql: Sql,
  sellers: readonly SellerScope[],
  condition: (seller: SellerScope) => ReturnType<typeof within>,
) => [sql``, ...sellers.map(condition)]

const ofTab = (sql: Sql, tab: Tab) =>
  tab === 'pending'
    ? sql`i.status not in ('delayed', 'failed')`
    : sql`i.status = ${tab}::shop_update.status and ${ofStatus(sql, tab)}`

function ofStatus(sql: Sql, status: Status) {
  switch (status) {
    case 'pending':
      return sql`true`
    case 'got_acknowledgment':
      return sql`i.lane = 'awaiting'`
    case 'blocked':
      return sql`i.lane = 'blocked'`
    case 'delayed':
    case 'failed':
      return sql`i.reason in ('failure', 'stock_wait')`
    default:
      return sql`i.lane = 'in_flight'
    and i.id = any (array(select l.item_id from shop_update.set_lane l where l.item_id is not null))`
  }
}

/**
 * In flight is at most what the workers hold (CONCURRENCY of each), and `set_lane` has it: nothing else has to be
 * looked up.
 */
const isFew = (status: Status | undefined): boolean =>
  status !== undefined && !['pending', 'got_acknowledgment', 'blocked', 'delayed', 'failed'].includes(status)

/**
 * Where an index has the status, going through that is quicker than looking up a seller of many sets: 40 ms against
 * 150.
 */
const setsLookedUp = (status: Status | undefined): number =>
  status === undefined || status === 'pending' ? Number.POSITIVE_INFINITY : isFew(status) ? 0 : 2000

const within = (sql: Sql, { first, end }: Window) => sql`
  ${first === null ? sql`` : sql`and i.id >= ${first}::bigint`}
  ${end === null ? sql`` : sql`and i.id < ${end}::bigint`}`

/** The items of a topic, and whatever is in flight. */
const itemsOfTopic = (sql: Sql, topic: Topic) => sql`
  select s.id from shop_update.item s
  where s.topic = ${topic}::shop_update.topic and s.lane <> 'in_flight'
  union all
  select l.item_id from shop_update.set_lane l where l.item_id is not null`

/**
 * An item of a whole set is about each of its products: who looks for a SKU that is not in the Shop yet must find the
 * item that creates it. What the words do not mean is left out: of an `or` with an empty array the planner makes a walk
 * through the whole history (195 ms against 12).
 *
 * @param ofSellers what an index wants to know before the set
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
