import type { Sql } from '../database/database.ts'
import { unmetForSending } from '../domain/requeue.ts'
import { creates, TOPICS, type Topic } from '../domain/topics.ts'
import { type Asked, createComing } from './candidates.ts'
import type { Action, Counted, Done, Part, Skipped } from './part.ts'

/** A topic of a product; of one that is about the whole set, of that set. */
interface Change extends Counted {
  productId: string
  ofSet: boolean
}

const PRODUCTS_A_PART = 100

/** Sends topics of products, changed or not; under the conditions of a single one (decision 25). */
export const sending: Action<Change> = {
  async read(sql, asked, position): Promise<Part<Change>> {
    const ids = productsOf(asked)
    const begin = Number(position)
    const end = begin + PRODUCTS_A_PART
    const topics = [...new Set(asked.topics)]
    const products = await readProducts(sql, ids.slice(begin, end))
    const found = new Map(products.map((product) => [product.id, product]))
    const done = new Set(topics.some(isOfSet) ? await setsOf(sql, ids.slice(0, begin)) : [])
    const part: Part<Change> = { take: [], skip: [], next: end < ids.length ? String(end) : null }
    for (const productId of ids.slice(begin, end)) {
      const product = found.get(productId)
      for (const topic of topics) {
        const ofSet = isOfSet(topic)
        // what is about the whole set is sent once
        if (product && ofSet && done.has(product.productSetId)) continue
        const skip = (why: Skipped['why']) => part.skip.push({ id: null, productId, topic, why })
        if (!product) {
          skip('product_deleted')
          continue
        }
        const { productSetId, sellerActive, own, ofAll, setInShop, inShop, createComing } = product
        const why = asked.force ? null : unmetForSending(topic, { sellerActive, products: ofSet ? ofAll : own })
        const awaitsCreate = !creates(topic) && !(setInShop && (ofSet || inShop))
        if (why === null) part.take.push({ topic, productId, productSetId, ofSet, awaitsCreate, createComing })
        else skip(why)
      }
      if (product) done.add(product.productSetId)
    }
    return part
  },
  async act(sql, _run, { take, skip }, handled): Promise<Done> {
    if (take.length === 0) return { take: [], skip, steps: [] }
    const rows = await sql<{ id: string; place: number }[]>`
      select e.item_id as id, c.place::int
      from (
        select c.* from unnest(
          ${take.map(({ topic }) => topic)}::text[],
          ${take.map(({ productId, ofSet }) => (ofSet ? null : productId))}::bigint[],
          ${take.map(({ productSetId, ofSet }) => (ofSet ? productSetId : null))}::bigint[],
          ${take.map(({ productId }) => productId)}::bigint[]
        ) with ordinality c (topic, product_id, product_set_id, of_product, place)
        -- in the order of the products, as whoever queues several changes must
        order by c.of_product, c.topic) c
      cross join lateral shop_update.enqueue_item(c.topic, c.product_id, c.product_set_id) e`
    const carriers = rows.map(({ id, place }) => ({ ...take[place - 1]!, id }))
    // one that carried another change of this run already: its product has moved to another set meanwhile
    const before = await handled(carriers.map(({ id }) => id))
    return { take: carriers.filter(({ id }) => !before.has(id)), skip, steps: [] }
  },
}

const isOfSet = (topic: Topic): boolean => TOPICS[topic].subject === 'product_set'

function productsOf({ target }: Asked): string[] {
  if (!('productIds' in target)) throw new TypeError('only products are sent')
  return [...new Set(target.productIds)]
}

const setsOf = async (sql: Sql, productIds: readonly string[]): Promise<string[]> =>
  (
    await sql<{ id: string }[]>`
      select distinct product_set_id as id from catalog.product where id = any (${[...productIds]}::bigint[])`
  ).map(({ id }) => id)

interface Product {
  id: string
  productSetId: string
  sellerActive: boolean
  own: { active: boolean; qcStatus: 'pending' | 'approved' | 'rejected' }[]
  /** Of its whole set. */
  ofAll: Product['own']
  inShop: boolean
  setInShop: boolean
  createComing: boolean
}

const readProducts = (sql: Sql, ids: readonly string[]) => sql<Product[]>`
  select
    p.id,
    p.product_set_id as "productSetId",
    r.active as "sellerActive",
    json_build_array(json_build_object('active', p.active, 'qcStatus', p.qc_status)) as own,
    (
      select json_agg(distinct jsonb_build_object('active', v.active, 'qcStatus', v.qc_status))
      from catalog.product v where v.product_set_id = p.product_set_id) as "ofAll",
    p.src_id is not null and p.shop_sku is not null as "inShop",
    s.src_id is not null as "setInShop",
    ${createComing(sql, sql`p.product_set_id`, sql`p.id`)} as "createComing"
  from catalog.product p
    join catalog.product_set s on s.id = p.product_set_id
    join catalog.seller r on r.id = s.seller_id
  where p.id = any (${[...ids]}::bigint[])`
