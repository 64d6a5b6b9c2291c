import type { Sql } from '../database/database.ts'
import { PRODUCTS_A_PREFIX } from '../domain/search.ts'

/** What the words of a search mean. */
export interface Scope {
  itemIds: string[]
  /** Sets that match as a whole. */
  setIds: string[]
  productIds: string[]
  /** The sets of `productIds`. */
  setsOfProducts: string[]
  /** The sellers of `setIds` and `setsOfProducts`: the history's index begins with the seller. */
  sellersOfSets: string[]
  /** Whether more products than those in `productIds` begin with the words. */
  truncated: boolean
  /** Sellers with so many sets that their items are scanned, not looked up. */
  sellerIds: string[]
  /** The seller with that name, if the words mean nothing else. */
  seller: SellerScope | null
}

export interface SellerScope {
  sellerIds: string[]
  /**
   * The product sets, by which an index finds the items. Null for a seller with very many sets, whose items are a large
   * part of the list.
   */
  productSetIds: string[] | null
}

/**
 * With this many sets and 50,000 items in them, looking them up takes 70 ms; scanning a million items takes 100 to 200.
 */
const SETS_LOOKED_UP = 20_000
/** A page out of this many items takes 25 ms, whatever its length. */
const ITEMS_LOOKED_UP = 50_000
/** If a search word is also a seller's name, up to this many of the seller's sets are examined one by one. */
const SETS_AMONG_OTHERS = 500

const isId = (text: string): boolean => /^[1-9]\d{0,17}$/.test(text)

/**
 * Looks up a search: an exact seller SKU or Shop SKU; the id of an item, a product, a product set or a request; the
 * name of a seller. A text with several meanings finds all of them; one without any is searched as the beginning of a
 * SKU.
 */
export async function findScope(sql: Sql, text: string): Promise<Scope> {
  const id = isId(text) ? text : null
  const [named] = await sql<Pick<Scope, 'itemIds' | 'setIds' | 'productIds' | 'setsOfProducts'>[]>`
    with product as (
      select p.id, p.product_set_id from catalog.product p where p.seller_sku = ${text}::text
      union select p.id, p.product_set_id from catalog.product p where p.shop_sku = ${text}::text
      union select p.id, p.product_set_id from catalog.product p where p.id = ${id}::bigint
    )
    select
      array(select i.id from shop_update.item i where i.id = ${id}::bigint
        union select f.id from shop_update.finished_item f where f.id = ${id}::bigint
        union select r.item_id from shop_update.request r where r.request_id = ${id}::bigint) as "itemIds",
      array(select s.id from catalog.product_set s where s.id = ${id}::bigint) as "setIds",
      array(select id from product) as "productIds",
      array(select distinct product_set_id from product) as "setsOfProducts"`
  const scope: Scope = { ...named!, sellerIds: [], sellersOfSets: [], truncated: false, seller: null }
  const isNamed = Object.values(named!).some((ids) => ids.length > 0)
  const seller = await findSeller(sql, text, null)
  if (!isNamed && seller.sellerIds.length > 0) return { ...scope, seller }
  if (seller.productSetIds && seller.productSetIds.length <= SETS_AMONG_OTHERS)
    scope.setIds.push(...seller.productSetIds)
  else scope.sellerIds.push(...seller.sellerIds)
  if (isNamed) return { ...scope, sellersOfSets: await sellersOf(sql, [...scope.setIds, ...scope.setsOfProducts]) }

  // These operators compare bytes under any collation; an index with text_pattern_ops serves them.
  const more = PRODUCTS_A_PREFIX + 1
  const begun = await sql<{ id: string; setId: string }[]>`
    select id, product_set_id as "setId" from (
      (select p.id, p.product_set_id, p.seller_sku as sku from catalog.product p
        where p.seller_sku ~>=~ ${text}::text and p.seller_sku ~<~ (${text}::text || chr(1114111))
        order by p.seller_sku using ~<~, p.id limit ${more}::int)
      union all
      (select p.id, p.product_set_id, p.shop_sku from catalog.product p
        where p.shop_sku ~>=~ ${text}::text and p.shop_sku ~<~ (${text}::text || chr(1114111))
        order by p.shop_sku using ~<~, p.id limit ${more}::int)
    ) begun group by 1, 2 order by min(sku) using ~<~, id limit ${more}::int`
  const meant = begun.slice(0, PRODUCTS_A_PREFIX)
  const setsOfProducts = [...new Set(meant.map(({ setId }) => setId))]
  return {
    ...scope,
    productIds: meant.map(({ id }) => id),
    setsOfProducts,
    sellersOfSets: await sellersOf(sql, setsOfProducts),
    truncated: begun.length > PRODUCTS_A_PREFIX,
  }
}

async function sellersOf(sql: Sql, setIds: readonly string[]): Promise<string[]> {
  const sellers = await sql<{ id: string }[]>`
    select distinct s.seller_id as id from catalog.product_set s where s.id = any (${setIds}::bigint[])`
  return sellers.map(({ id }) => id)
}

/** The items of sets: those at rest by the index, the one in flight by `set_lane`. */
export const itemsOfSets = (sql: Sql, productSetIds: readonly string[]) => sql`
  select s.id from shop_update.item s
  where s.product_set_id = any (${productSetIds}::bigint[]) and s.lane <> 'in_flight'
  union all
  select l.item_id from shop_update.set_lane l
  where l.product_set_id = any (${productSetIds}::bigint[]) and l.item_id is not null`

/**
 * Looks up a seller by id, else by name. An unknown id or name has no items.
 *
 * @param id null when only the name is meant
 */
export async function findSeller(
  sql: Sql,
  text: string,
  id: string | null = isId(text) ? text : null,
): Promise<SellerScope> {
  const [row] = await sql<{ sellerIds: string[]; productSetIds: string[] }[]>`
    with meant as materialized (
      select r.id from catalog.seller r where r.id = ${id}::bigint
      union all
      select r.id from catalog.seller r
      where lower(r.name) = lower(${text}::text)
        and not exists (select from catalog.seller n where n.id = ${id}::bigint)
    )
    select
      array(select id from meant) as "sellerIds",
      array(
        select s.id from catalog.product_set s
        where s.seller_id in (select id from meant) limit ${SETS_LOOKED_UP + 1}::int) as "productSetIds"`
  const { sellerIds, productSetIds } = row!
  const isLookedUp =
    productSetIds.length <= SETS_LOOKED_UP && !(await haveMoreItems(sql, productSetIds, ITEMS_LOOKED_UP))
  return { sellerIds, productSetIds: isLookedUp ? productSetIds : null }
}

async function haveMoreItems(sql: Sql, productSetIds: readonly string[], most: number): Promise<boolean> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n from (${itemsOfSets(sql, productSetIds)} limit ${most + 1}::int) counted`
  return row!.n > most
}
