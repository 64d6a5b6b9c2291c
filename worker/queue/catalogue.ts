import type { Sql } from '../database/database.ts'
import type { CatalogueSet } from '../domain/catalogue.ts'
import type { ClaimedItem } from '../domain/item.ts'

/** Topics whose call needs a price, a stock or an id, but not the texts: their rows are read without texts. */
const LEAN = new Set(['price', 'stock', 'consignment_stock'])

/** What a call is about. */
export type Subject = Pick<ClaimedItem, 'id' | 'topic' | 'productSetId' | 'productId'>

/**
 * What the calls of these items are built from: the current catalogue. Items whose product or set is gone are missing
 * from the result. It is read after the claim has been committed: from then on a new change queues a new item, so
 * nothing is missed. A product that has moved meanwhile comes with its present set.
 *
 * @returns by item id
 */
export async function readCatalogue(sql: Sql, items: readonly Subject[]): Promise<Map<string, CatalogueSet>> {
  const lean: Subject[] = []
  const full: Subject[] = []
  for (const item of items) (LEAN.has(item.topic) ? lean : full).push(item)
  const [ofLean, ofFull] = await Promise.all([
    lean.length ? readLean(sql, lean) : [],
    full.length ? readFull(sql, full) : [],
  ])
  const sets = new Map<string, CatalogueSet>()
  for (const row of ofLean) {
    sets.set(row.itemId, {
      ...NO_TEXTS,
      id: row.setId,
      sellerId: row.sellerId,
      sellerName: row.sellerName,
      srcId: row.setSrcId,
      products: [row],
    })
  }
  for (const { itemId, ...set } of ofFull) sets.set(itemId, set)
  return sets
}

const NO_TEXTS = {
  title: '',
  brand: null,
  attributeSet: null,
  primaryCategory: null,
  categories: [],
  taxClass: null,
  shipmentType: null,
  images: [],
}

type LeanRow = CatalogueSet['products'][number] & {
  itemId: string
  setId: string
  sellerId: string
  sellerName: string
  setSrcId: string | null
}

const readLean = (sql: Sql, items: readonly Subject[]) => sql<LeanRow[]>`
  select
    x.item_id as "itemId",
    s.id as "setId",
    s.seller_id as "sellerId",
    r.name as "sellerName",
    s.src_id as "setSrcId",
    p.id,
    p.seller_sku as "sellerSku",
    p.shop_sku as "shopSku",
    p.src_id as "srcId",
    p.active,
    p.qc_status as "qcStatus",
    p.price::text,
    p.special_price::text as "specialPrice",
    to_json(p.special_from)#>>'{}' as "specialFrom",
    to_json(p.special_to)#>>'{}' as "specialTo",
    p.stock,
    p.consignment_stock as "consignmentStock"
  from unnest(
    ${items.map(({ id }) => id)}::bigint[],
    ${items.map(({ productId }) => productId)}::bigint[]
  ) x (item_id, product_id)
  join catalog.product p on p.id = x.product_id
  join catalog.product_set s on s.id = p.product_set_id
  join catalog.seller r on r.id = s.seller_id`

const readFull = (sql: Sql, items: readonly Subject[]) => sql<(CatalogueSet & { itemId: string })[]>`
  select
    x.item_id as "itemId",
    s.id,
    s.seller_id as "sellerId",
    r.name as "sellerName",
    s.src_id as "srcId",
    coalesce(s.title, '') as title,
    s.brand,
    s.attribute_set as "attributeSet",
    s.primary_category as "primaryCategory",
    s.categories,
    s.tax_class as "taxClass",
    s.shipment_type as "shipmentType",
    case when x.topic = 'images' then coalesce((
      select json_agg(
        json_build_object('id', p.id::text, 'sellerSku', p.seller_sku, 'shopSku', p.shop_sku) order by p.id)
      from (select * from catalog.product p where p.product_set_id = s.id order by p.id limit 4) p), '[]')
    else coalesce((
      select json_agg(json_build_object(
        'id', p.id::text,
        'sellerSku', p.seller_sku,
        'shopSku', p.shop_sku,
        'srcId', p.src_id,
        'active', p.active,
        'qcStatus', p.qc_status,
        'title', coalesce(p.title, s.title, ''),
        'description', p.description,
        'barcode', p.barcode,
        'price', p.price::text,
        'specialPrice', p.special_price::text,
        'specialFrom', p.special_from,
        'specialTo', p.special_to,
        'stock', p.stock,
        'consignmentStock', p.consignment_stock,
        'attributes', p.attributes) order by p.id)
      from catalog.product p
      where p.product_set_id = s.id and (x.topic = 'new_product_set' or p.id = x.product_id)), '[]')
    end as products,
    case when x.topic = 'images' then coalesce((
      select json_agg(json_build_object('url', m.url, 'hash', m.hash) order by m.position)
      from catalog.product_image m where m.product_set_id = s.id), '[]')
    else '[]' end as images
  from unnest(
    ${items.map(({ id }) => id)}::bigint[],
    ${items.map(({ productSetId }) => productSetId)}::bigint[],
    ${items.map(({ productId }) => productId)}::bigint[],
    ${items.map(({ topic }) => topic)}::text[]
  ) x (item_id, set_id, product_id, topic)
  left join catalog.product moved on moved.id = x.product_id
  join catalog.product_set s on s.id = coalesce(moved.product_set_id, x.set_id)
  join catalog.seller r on r.id = s.seller_id`
