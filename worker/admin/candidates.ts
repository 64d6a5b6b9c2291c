import type { Sql } from '../database/database.ts'
import type { Refusal } from '../domain/reasons.ts'
import { type Beyond, type RequeueCandidate, type RequeueInclude, refusal, requeueIncludes } from '../domain/requeue.ts'
import type { Topic } from '../domain/topics.ts'
import { isInPlace } from '../queue/catalog-changes.ts'
import { productsOf } from '../read/blocked.ts'
import { inQueue, locate, type Selection, sources } from '../read/selection.ts'

/** Items, or of `send` products. */
export type Target =
  | { itemIds: readonly string[] }
  | { productSetIds: readonly string[] }
  | { filter: Selection }
  | { productIds: readonly string[] }

/** What a run is about. */
export interface Asked extends Beyond {
  target: Target
  /** Of a requeue. */
  include: readonly RequeueInclude[]
  /** Of `send`. */
  topics: readonly Topic[]
}

export type Candidate = Omit<RequeueCandidate, 'inQueue'> & {
  id: string
  productSetId: string
  /** The Shop does not have its product or set yet: sent again, it is Blocked again. */
  awaitsCreate: boolean
  /** Something in the queue creates it. */
  createComing: boolean
}

/** Some product sets of a target, and the items among the named ones that belong to them. */
export interface Page {
  productSetIds: string[]
  named: string[]
  /** Where the next page begins; null: this is the last one. */
  next: string | null
}

/** A part reads its page anew: with 500, a requeue of sets with a hundred items each read every item fifty times. */
const SETS_A_PAGE = 100
/** Behind the last product set of named items: those that were in none of them. */
const REST = 'rest'

/** The page that begins at a position. The first position is '0'. */
export async function readPage(sql: Sql, { target, include }: Asked, position: string): Promise<Page> {
  if ('itemIds' in target) return pageOfItems(sql, target.itemIds, position)
  if ('productSetIds' in target) {
    const ids = [...new Set(target.productSetIds)]
    const end = Number(position) + SETS_A_PAGE
    return {
      productSetIds: ids.slice(Number(position), end),
      named: [],
      next: end < ids.length ? String(end) : null,
    }
  }
  if ('filter' in target) return pageOfFilter(sql, target.filter, include, position)
  throw new TypeError('products are sent, not requeued')
}

/** By product set, so that each set is handled once. */
async function pageOfItems(sql: Sql, itemIds: readonly string[], position: string): Promise<Page> {
  if (position === REST) return { productSetIds: [], named: [...new Set(itemIds)], next: null }
  const rows = await sql<{ productSetId: string; named: string[] }[]>`
    select i.product_set_id as "productSetId", array_agg(i.id order by i.id)::text[] as named
    from shop_update.item i
    where i.id = any (${[...itemIds]}::bigint[]) and i.product_set_id > ${position}::bigint
    group by i.product_set_id order by i.product_set_id limit ${SETS_A_PAGE}::int`
  return {
    productSetIds: rows.map(({ productSetId }) => productSetId),
    named: rows.flatMap(({ named }) => named),
    next: rows.length < SETS_A_PAGE ? REST : rows.at(-1)!.productSetId,
  }
}

async function pageOfFilter(
  sql: Sql,
  filter: Selection,
  include: readonly RequeueInclude[],
  position: string,
): Promise<Page> {
  const located = await locate(sql, filter)
  if (!sources(located).includes('queue')) return { productSetIds: [], named: [], next: null }
  const rows = await sql<{ id: string; productSetId: string }[]>`
    select i.id, i.product_set_id as "productSetId" from shop_update.item i
    where ${inQueue(sql, located)}
      and i.status = any (${[...include]}::text[]::shop_update.status[])
      and (i.lane = 'blocked' or i.reason = 'failure')
      and i.id > ${position}::bigint
    order by i.id limit ${SETS_A_PAGE}::int`
  return {
    productSetIds: [...new Set(rows.map(({ productSetId }) => productSetId))],
    named: [],
    next: rows.length < SETS_A_PAGE ? null : rows.at(-1)!.id,
  }
}

/** Of a page, the items in question by product set; then the named ones that are not in the queue any more. */
export async function readCandidates(
  sql: Sql,
  { productSetIds, named }: Page,
  include: readonly RequeueInclude[],
): Promise<{ candidates: Candidate[]; gone: string[] }> {
  const rows = await sql<Candidate[]>`
    select
      i.id,
      i.product_set_id as "productSetId",
      i.topic,
      i.status,
      i.reason,
      coalesce(r.active, false) as "sellerActive",
      -- what its product has left is not created for it: it goes along within seconds
      ${isInPlace(sql)} and not shop_update.creates(i.topic) and (
        not exists (select from catalog.product_set s where s.id = i.product_set_id and s.src_id is not null)
        or i.product_id is not null and not exists (
          select from catalog.product p
          where p.id = i.product_id and p.src_id is not null and p.shop_sku is not null)) as "awaitsCreate",
      ${createComing(sql, sql`i.product_set_id`, sql`i.product_id`)} as "createComing",
      coalesce((
        select json_agg(distinct jsonb_build_object('active', p.active, 'qcStatus', p.qc_status))
        from ${productsOf(sql)} p), '[]') as products
    from shop_update.item i left join catalog.seller r on r.id = i.seller_id
    where i.id in (
      select s.id from shop_update.item s
      where s.product_set_id = any (${productSetIds}::bigint[])
        and s.lane <> 'in_flight'
        and s.status = any (${[...include]}::text[]::shop_update.status[])
      union select unnest(${named}::bigint[]))
    order by i.product_set_id, i.id`
  const found = new Set(rows.map(({ id }) => id))
  const isNamed = new Set(named)
  return {
    candidates: rows.filter(({ id, status }) => isNamed.has(id) || requeueIncludes(status, include)),
    gone: named.filter((id) => !found.has(id)),
  }
}

/** Whether something in the queue creates this product, or one of this set where it is null. */
export const createComing = (sql: Sql, productSetId: ReturnType<Sql>, productId: ReturnType<Sql>) => sql`exists (
        select from shop_update.item c
        where c.product_set_id = ${productSetId} and c.lane <> 'in_flight' and shop_update.creates(c.topic)
          and (c.product_id is null or ${productId} is null or c.product_id = ${productId})
        union all
        select from shop_update.set_lane l join shop_update.item c on c.id = l.item_id
        where l.product_set_id = ${productSetId} and shop_update.creates(c.topic))`

/**
 * Why a requeue skips a candidate; null if it takes it; 'silent' if it has nothing to do with it.
 *
 * @param isNamed this very item was named, not only its product set or a filter that matches it
 */
export function judge(candidate: Candidate, isNamed: boolean, beyond: Beyond): Refusal | 'silent' | null {
  // A stock change that waits on purpose is on its way: there is nothing to requeue, and nothing to report unless this
  // very item was named.
  if (candidate.reason === 'stock_wait') return isNamed ? 'in_flight' : 'silent'
  return refusal({ ...candidate, inQueue: true }, beyond)
}
