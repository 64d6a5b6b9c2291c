import type { Status, Tab } from '../domain/statuses.ts'
import type { Topic } from '../domain/topics.ts'
import type { Sql } from './database.ts'
import { findScope, findSeller, type Scope, type SellerScope } from './scope.ts'

/** What a list, a download or a requeue is about. Without a tab and a status: all of the queue. */
export interface Selection {
  tab?: Tab | undefined
  topic?: Topic | undefined
  status?: Status | undefined
  /** Id or name of a seller. */
  seller?: string | undefined
  /** Seller SKU, Shop SKU, product, set, item or request id, or the name of a seller. */
  q?: string | undefined
  /** Queued at or after, ISO 8601. */
  from?: string | undefined
  /** Queued before, ISO 8601. */
  to?: string | undefined
}

/** A selection whose words have been looked up; null where there is nothing to look for. */
export interface Resolved extends Selection {
  scope: Scope | null
  ofSeller: SellerScope | null
}

/** Looks up what `q` and `seller` mean, so that the list itself is found by ids and indexes. */
export async function resolve(sql: Sql, selection: Selection): Promise<Resolved> {
  const [scope, ofSeller] = await Promise.all([
    selection.q === undefined ? null : findScope(sql, selection.q),
    selection.seller === undefined ? null : findSeller(sql, selection.seller),
  ])
  return { ...selection, scope, ofSeller }
}

/**
 * Where a selection is read from. A search without a tab goes over everything, the queue and what is finished; what an admin discarded is found
 * only so.
 */
export function sources({ tab, status, q }: Selection): ('queue' | 'finished')[] {
  if ((tab ?? status) === 'synced') return ['finished']
  return tab === undefined && status === undefined && q !== undefined ? ['queue', 'finished'] : ['queue']
}

/**
 * Which rows of `shop_update.item i` are selected.
 *
 * No index knows the status (see the migration), so each status is narrowed by what an index does know: the lane, the reason, or `set_lane`.
 * Pending needs nothing of the kind: what is not Pending, Delayed or Failed is seldom more than a few.
 */
export const inQueue = (sql: Sql, { tab, topic, status, scope, ofSeller, from, to }: Resolved) => sql`
  ${tab === undefined ? sql`true` : ofTab(sql, tab)}
  ${status === undefined ? sql`` : sql`and i.status = ${status}::shop_update.status and ${ofStatus(sql, status)}`}
  ${topic === undefined ? sql`` : sql`and i.topic = ${topic}::shop_update.topic`}
  ${from === undefined ? sql`` : sql`and i.queued_at >= ${from}::text::timestamptz`}
  ${to === undefined ? sql`` : sql`and i.queued_at < ${to}::text::timestamptz`}
  ${ofSeller === null ? sql`` : sql`and i.seller_id = any (${ofSeller.sellerIds}::bigint[])`}
  ${ofSeller?.productSetIds ? sql`and i.id in (${itemsOfSets(sql, ofSeller.productSetIds)})` : sql``}
  ${scope === null ? sql`` : sql`and (${scoped(sql, scope)})`}
  ${
    // a seller has no index of its own here: where one is meant, its items are looked through
    scope === null || scope.sellerIds.length > 0
      ? sql``
      : sql`and i.id in (select unnest(${scope.itemIds}::bigint[]) union all ${itemsOfSets(sql, [...scope.setIds, ...scope.setsOfProducts])})`
  }`

/** Which rows of `shop_update.finished_item i` are selected. An item is finished after it was queued: that leaves whole days out. */
export const inHistory = (sql: Sql, { tab, topic, status, scope, ofSeller, from, to }: Resolved) => sql`
  ${(tab ?? status) === undefined ? sql`true` : sql`i.status = 'synced'`}
  ${tab === undefined || status === undefined || tab === status ? sql`` : sql`and false`}
  ${topic === undefined ? sql`` : sql`and i.topic = ${topic}::shop_update.topic`}
  ${from === undefined ? sql`` : sql`and i.queued_at >= ${from}::text::timestamptz and i.finished_at >= ${from}::text::timestamptz`}
  ${to === undefined ? sql`` : sql`and i.queued_at < ${to}::text::timestamptz`}
  ${ofSeller === null ? sql`` : sql`and i.seller_id = any (${ofSeller.sellerIds}::bigint[])`}
  ${ofSeller?.productSetIds ? sql`and i.product_set_id = any (${ofSeller.productSetIds}::bigint[])` : sql``}
  ${scope === null ? sql`` : sql`and (${scoped(sql, scope)})`}`

const ofTab = (sql: Sql, tab: Tab) =>
  tab === 'pending' ? sql`i.status not in ('delayed', 'failed')` : sql`i.status = ${tab}::shop_update.status and ${ofStatus(sql, tab)}`

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
      return sql`i.lane = 'in_flight' and i.id in (select l.item_id from shop_update.set_lane l where l.item_id is not null)`
  }
}

/** The items of sets: those at rest by the index, the one in flight by `set_lane`. */
const itemsOfSets = (sql: Sql, productSetIds: readonly string[]) => sql`
  select s.id from shop_update.item s where s.product_set_id = any (${productSetIds}::bigint[]) and s.lane <> 'in_flight'
  union all select l.item_id from shop_update.set_lane l where l.product_set_id = any (${productSetIds}::bigint[]) and l.item_id is not null`

/** An item of a whole set is about each of its products: who looks for a SKU that is not in the Shop yet must find the item that creates it. */
const scoped = (sql: Sql, { itemIds, setIds, setsOfProducts, productIds, sellerIds }: Scope) => sql`
  i.id = any (${itemIds}::bigint[]) or i.product_set_id = any (${setIds}::bigint[])
  or (i.product_set_id = any (${setsOfProducts}::bigint[]) and (i.product_id is null or i.product_id = any (${productIds}::bigint[])))
  ${sellerIds.length === 0 ? sql`` : sql`or i.seller_id = any (${sellerIds}::bigint[])`}`
