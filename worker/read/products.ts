import type { Sql } from '../database/database.ts'
import { ID } from '../domain/ids.ts'
import type { OpenItem, ProductFacts } from '../domain/product-verdict.ts'
import { isFragment, PRODUCTS_A_FRAGMENT } from '../domain/search.ts'
import type { Topic } from '../domain/topics.ts'
import { holderOf } from './holder.ts'
import { itemsOfSets } from './scope.ts'

/** A product of the catalogue, and how it stands with it. */
export interface ProductRow extends ProductFacts {
  id: string
  productSetId: string
  sellerId: string
  sellerName: string
  sellerSku: string
  /** The Shop's. */
  sku: string | null
  srcId: string | null
  setSrcId: string | null
  title: string | null
  price: string
  stock: number
}

/**
 * Products by their own ids, in this order. An item about a whole set belongs to each of its products; one about
 * another product of the set does not.
 */
export async function readProducts(sql: Sql, ids: readonly string[]): Promise<ProductRow[]> {
  if (ids.length === 0) return []
  const rows = await sql<(Omit<ProductRow, 'items'> & { items: OpenItem<string>[] })[]>`
    with asked as materialized (
      select id, place from unnest(${[...ids]}::bigint[]) with ordinality asked (id, place)
    ),
    open as materialized (
      select i.id, i.product_set_id, i.product_id, json_build_object(
        'id', i.id::text,
        'topic', i.topic,
        'status', i.status,
        'reason', i.reason,
        'message', left(i.message, 500),
        'failures', i.failures,
        'statusAt', i.status_at,
        'nextAttemptAt',
          case when i.status in ('delayed', 'failed') and i.run_at < 'infinity' then i.run_at end,
        'heldBy', case when h.id is not null then json_build_object(
          'id', h.id::text,
          'topic', i.topic,
          'status', h.status,
          'sellerSku', (select p.seller_sku from catalog.product p where p.id = h.product_id),
          'nextAttemptAt', h.run_at) end) as item
      from shop_update.item i ${holderOf(sql)}
      where i.id in (${itemsOfSets(sql, await setsOf(sql, ids))})
    )
    select
      p.id,
      p.product_set_id as "productSetId",
      s.seller_id as "sellerId",
      r.name as "sellerName",
      p.seller_sku as "sellerSku",
      p.shop_sku as sku,
      p.src_id as "srcId",
      s.src_id as "setSrcId",
      coalesce(p.title, s.title) as title,
      p.price::text as price,
      p.stock,
      r.active as "sellerActive",
      p.active,
      p.qc_status as "qcStatus",
      p.src_id is not null and p.shop_sku is not null and s.src_id is not null as "inShop",
      p.src_updated_at as "syncedAt",
      coalesce((
        select json_agg(o.item order by o.id) from open o
        where o.product_set_id = p.product_set_id and (o.product_id is null or o.product_id = p.id)), '[]') as items
    from asked a
      join catalog.product p on p.id = a.id
      join catalog.product_set s on s.id = p.product_set_id
      join catalog.seller r on r.id = s.seller_id
    order by a.place`
  return rows.map(({ items, ...row }) => ({
    ...row,
    items: items.map(({ statusAt, nextAttemptAt, heldBy, ...item }) => ({
      ...item,
      statusAt: new Date(statusAt),
      nextAttemptAt: dateOf(nextAttemptAt),
      heldBy: heldBy && { ...heldBy, nextAttemptAt: new Date(heldBy.nextAttemptAt) },
    })),
  }))
}

const dateOf = (text: string | null): Date | null => (text === null ? null : new Date(text))

async function setsOf(sql: Sql, productIds: readonly string[]): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select distinct p.product_set_id as id from catalog.product p where p.id = any (${[...productIds]}::bigint[])`
  return rows.map(({ id }) => id)
}

/** The products of a set, the oldest first. */
export async function productsOfSet(sql: Sql, productSetId: string): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select p.id from catalog.product p where p.product_set_id = ${productSetId}::bigint order by p.id`
  return rows.map(({ id }) => id)
}

export interface Found {
  productIds: string[]
  /** More products match than were looked at. */
  truncated: boolean
  sellers: { id: string; name: string; active: boolean }[]
  /** An item, or the request of one, has this id. */
  itemIds: string[]
}

/** In the pattern of `like` these have a meaning. */
const literal = (text: string): string => text.replace(/[\\%_]/g, '\\$&')

/**
 * Whether a text contains a fragment, by its index (migration 81), in which signs are letters: two signs are told apart
 * there, and `black§` is found to be nowhere without a look at each product that is black (170 ms at p95 among a
 * million). Who does sell in that script is told apart by the second condition. It is a `case`, which PostgreSQL takes
 * for true of every other row; of two patterns it would multiply the shares, and make a bitmap of what is common (80 ms
 * instead of 2).
 */
const contains = (sql: Sql, text: ReturnType<Sql>, fragment: string) => sql`
  ${signsAsLetters(sql, sql`${text} || E'\n'`)} like ${signsAsLetters(sql, sql`${fragment}::text`)}
  and case when lower(${text}) like lower(${fragment}::text) then true end`

const productText = (sql: Sql): ReturnType<Sql> =>
  sql`p.seller_sku || E'\n' || coalesce(p.shop_sku, '') || E'\n' || coalesce(p.title, '')`
const setText = (sql: Sql): ReturnType<Sql> => sql`coalesce(s.handle, '') || E'\n' || coalesce(s.title, '')`

/** Six calls: one `translate` takes five times as long, for every new product. */
const signsAsLetters = (sql: Sql, text: ReturnType<Sql>) => sql`
  replace(replace(replace(replace(replace(replace(lower(${text}),
    E'\n', 'ꀀ'), ' ', 'ꀁ'), '-', 'ꀂ'), '_', 'ꀃ'), '.', 'ꀄ'), '/', 'ꀅ')`

const SELLERS_FOUND = 5

/**
 * Searches the catalogue: what is exactly that first (a SKU, an id), then what contains it, in any case: SKUs, titles,
 * names of sellers. What is no fragment is only looked up as a whole.
 */
export async function search(sql: Sql, words: string): Promise<Found> {
  const id = ID.test(words) ? words : null
  const fragment = isFragment(words) ? `%${literal(words)}%` : null
  const more = PRODUCTS_A_FRAGMENT + 1
  const [exact, byFragment, sellers, items] = await Promise.all([
    sql<{ id: string }[]>`
      select p.id from catalog.product p
      where lower(p.seller_sku) = lower(${words}::text)
      union select p.id from catalog.product p
      where lower(p.shop_sku) = lower(${words}::text)
      union select p.id from catalog.product p where p.id = ${id}::bigint
      union select p.id from catalog.product p where p.src_id = ${words}::text
      union select p.id from catalog.product p where p.product_set_id = ${id}::bigint
      union select p.id from catalog.product p join catalog.product_set s on s.id = p.product_set_id
      where s.src_id = ${words}::text
      order by id limit ${more}::int`,
    fragment === null
      ? []
      : sql<{ id: string }[]>`
      (select p.id from catalog.product p
      where ${contains(sql, productText(sql), fragment)}
      limit ${more}::int)
      union
      (select p.id from catalog.product_set s join catalog.product p on p.product_set_id = s.id
      where ${contains(sql, setText(sql), fragment)}
      limit ${more}::int)
      limit ${more}::int`,
    sql<Found['sellers']>`
      select r.id, r.name, r.active from catalog.seller r
      where r.id = ${id}::bigint or lower(r.name) = lower(${words}::text)
        or lower(r.name) like lower(${fragment}::text)
      order by lower(r.name) = lower(${words}::text) desc, r.name limit ${SELLERS_FOUND}::int`,
    id === null
      ? []
      : sql<{ id: string }[]>`
      select i.id from shop_update.item i where i.id = ${id}::bigint
      union select f.id from shop_update.finished_item f where f.id = ${id}::bigint
      union select q.item_id from shop_update.request q where q.request_id = ${id}::bigint`,
  ])
  const productIds = [...new Set([...exact, ...byFragment].map((row) => row.id))]
  return {
    productIds: productIds.slice(0, PRODUCTS_A_FRAGMENT),
    truncated: productIds.length > PRODUCTS_A_FRAGMENT,
    sellers: [...sellers],
    itemIds: items.map((row) => row.id),
  }
}

/** Of one SKU, the products of so many sellers. */
const PRODUCTS_A_SKU = 20

/** Products by SKU, the seller's or the Shop's, in any case. A SKU may belong to several sellers. */
export async function findSkus(sql: Sql, skus: readonly string[]): Promise<{ sku: string; productIds: string[] }[]> {
  const rows = await sql<{ sku: string; id: string }[]>`
    select a.sku, p.id
    from (select sku from unnest(${[...skus]}::text[]) asked (sku)) a cross join lateral (
      select p.id from catalog.product p where lower(p.seller_sku) = lower(a.sku)
      union select p.id from catalog.product p where lower(p.shop_sku) = lower(a.sku)
      order by id limit ${PRODUCTS_A_SKU}::int) p
    order by p.id`
  const found = Map.groupBy(rows, ({ sku }) => sku)
  return skus.map((sku) => ({ sku, productIds: (found.get(sku) ?? []).map(({ id }) => id) }))
}

export interface SyncedTopic {
  topic: Topic
  at: Date
  itemId: string
}

/** By product of a set, which topics have been Synced, within the history that is kept. Null: of the whole set. */
export async function readSyncedTopics(sql: Sql, productSetId: string): Promise<Map<string | null, SyncedTopic[]>> {
  const rows = await sql<(SyncedTopic & { productId: string | null })[]>`
    select distinct on (f.product_id, f.topic)
      f.product_id as "productId", f.topic, f.finished_at as at, f.id as "itemId"
    from shop_update.finished_item f
    where f.seller_id = (select s.seller_id from catalog.product_set s where s.id = ${productSetId}::bigint)
      and f.product_set_id = ${productSetId}::bigint and f.status = 'synced'
    order by f.product_id, f.topic, f.finished_at desc`
  return Map.groupBy(rows, ({ productId }) => productId)
}
