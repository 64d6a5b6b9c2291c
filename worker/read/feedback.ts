import type { Sql } from '../database/database.ts'
import type { ProductState } from '../domain/product-verdict.ts'
import type { WhoActs } from '../domain/who-acts.ts'

/** What has been published of a product (`publishTouched`). */
export interface FeedbackRow {
  productId: string
  position: string
  state: ProductState
  whoActs: WhoActs
  since: Date | null
  /** Still to come. */
  expectedAt: Date | null
  publishedAt: Date
  deleted: boolean
  /** Whether it is still so. If not, something else is published within seconds, in a peak later. */
  isSo: boolean
  /** Null: the product no longer exists. */
  productSetId: string | null
  sellerId: string | null
  sellerSku: string | null
  /** The Shop's. */
  sku: string | null
  title: string | null
}

export interface FeedbackHead {
  /** Of which database the positions are; empty: nothing has been published yet. */
  epoch: string
  /** The last position that was given. */
  position: string
}

export async function readFeedbackHead(sql: Sql): Promise<FeedbackHead> {
  const [head] = await sql<FeedbackHead[]>`select epoch, position from shop_update.feedback_head`
  return head!
}

/** For how many seconds the oldest change that is to be published has waited; 0 if none is. It reads all of them. */
export async function readFeedbackBehind(sql: Sql): Promise<number> {
  const [row] = await sql<[{ seconds: number }]>`
    select coalesce(extract(epoch from now() - min(at)), 0)::float8 as seconds from shop_update.touched`
  return row.seconds
}

/** What has been published after a position, in order. */
export const readFeedback = (sql: Sql, position: string, limit: number): Promise<FeedbackRow[]> => sql<FeedbackRow[]>`
  with page as materialized (
    select * from shop_update.feedback f
    where f.position > ${position}::bigint order by f.position limit ${limit}::int
  )
  select
    f.product_id as "productId",
    f.position,
    f.state,
    f.who_acts as "whoActs",
    f.since,
    x.expected_at as "expectedAt",
    f.published_at as "publishedAt",
    f.deleted,
    not f.deleted and (f.state, f.who_acts, f.since, x.expected_at)
      is not distinct from (s.state, s.who_acts, s.since, s.expected_at) as "isSo",
    s.product_set_id as "productSetId",
    s.seller_id as "sellerId",
    p.seller_sku as "sellerSku",
    p.shop_sku as sku,
    coalesce(p.title, c.title) as title
  from page f
    cross join lateral (select case when f.expected_at > now() then f.expected_at end as expected_at) x
    left join shop_update.product_state s on s.product_id = f.product_id
    left join catalog.product p on p.id = f.product_id
    left join catalog.product_set c on c.id = p.product_set_id
  order by f.position`
