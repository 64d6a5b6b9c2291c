import type { Sql } from '../database/database.ts'
import { NO_ANSWER } from '../domain/cause.ts'
import type { ReasonCode } from '../domain/reasons.ts'
import type { Status } from '../domain/statuses.ts'
import { findSeller, itemsOfSets } from './scope.ts'

export interface SellerRow {
  id: string
  name: string
  active: boolean
  /** Counted up to a limit. */
  products: number
  notInShop: number
  byStatus: { status: Status; count: number; oldestAt: Date }[]
  /** Of what was Synced within the last day, counted up to a limit. */
  synced: { count: number; within10Minutes: number; within24Hours: number }
  /** Those with the most items. */
  causes: {
    id: string
    reason: ReasonCode
    method: string | null
    httpStatus: number | null
    pattern: string
    count: number
  }[]
}

export const COUNTED_UP_TO = 100_000
const CAUSES = 10

/** How it stands with a seller: from the sets of a small one, else by a look at the whole queue (a million: 0.2 s). */
export async function readSeller(sql: Sql, id: string): Promise<SellerRow | null> {
  const [seller] = await sql<Pick<SellerRow, 'id' | 'name' | 'active'>[]>`
    select id, name, active from catalog.seller where id = ${id}::bigint`
  if (!seller) return null
  const { productSetIds } = await findSeller(sql, id)
  const mine =
    productSetIds === null ? sql`i.seller_id = ${id}::bigint` : sql`i.id in (${itemsOfSets(sql, productSetIds)})`
  const [[products], byStatus, [synced], causes] = await Promise.all([
    sql<Pick<SellerRow, 'products' | 'notInShop'>[]>`
      select count(*)::int as products, count(*) filter (where src_id is null)::int as "notInShop" from (
        select p.src_id from catalog.product_set s join catalog.product p on p.product_set_id = s.id
        where s.seller_id = ${id}::bigint limit ${COUNTED_UP_TO}::int) p`,
    sql<SellerRow['byStatus'][number][]>`
      select i.status, count(*)::int as count, min(i.queued_at) as "oldestAt"
      from shop_update.item i where ${mine} group by i.status order by i.status`,
    sql<SellerRow['synced'][]>`
      select count(*)::int as count,
        count(*) filter (where took <= interval '10 minutes')::int as "within10Minutes",
        count(*) filter (where took <= interval '1 day')::int as "within24Hours"
      from (
        select f.finished_at - f.queued_at as took from shop_update.finished_item f
        where f.seller_id = ${id}::bigint and f.finished_at > now() - interval '1 day' and f.status = 'synced'
        limit ${COUNTED_UP_TO}::int) f`,
    sql<SellerRow['causes'][number][]>`
      select
        i.cause_id::text as id,
        max(i.reason) as reason,
        max(c.method) as method,
        nullif(max(c.http_status), ${NO_ANSWER}::int) as "httpStatus",
        coalesce(max(c.pattern), '') as pattern,
        count(*)::int as count
      from shop_update.item i left join shop_update.cause c on c.id = i.cause_id
      where ${mine} and i.cause_id is not null group by i.cause_id order by count(*) desc limit ${CAUSES}::int`,
  ])
  return { ...seller, ...products!, byStatus: [...byStatus], synced: synced!, causes: [...causes] }
}
