import type postgres from 'postgres'
import { between, pick, type Random, weighted } from '../../demo/chance.ts'
import type { Sql } from '../../worker/database/database.ts'
import type { Topic } from '../../worker/domain/topics.ts'

type Tx = postgres.TransactionSql<Record<string, never>>

/** A change that has been queued. */
export interface Change {
  itemId: string
  topic: Topic
  setId: string
  /** Null for topics about a whole set. */
  productId: string | null
}

interface Known {
  id: string
  setId: string
  sellerId: string
  srcId: string | null
  setSrcId: string | null
}

/** The present products in id order. A transaction takes several in that order; otherwise two would deadlock. */
export const readProducts = (sql: Sql) => sql<Known[]>`
  select p.id, p.product_set_id as "setId", s.seller_id as "sellerId", p.src_id as "srcId", s.src_id as "setSrcId"
  from catalog.product p join catalog.product_set s on s.id = p.product_set_id order by p.id`

const PRODUCT_TOPICS = [
  ['price', 30],
  ['stock', 25],
  ['content', 15],
  ['status', 8],
  ['qc_status', 6],
  ['consignment_stock', 8],
  ['images', 8],
] as const
export type ChangedTopic = (typeof PRODUCT_TOPICS)[number][0]

const enqueue = async (tx: Tx, topic: Topic, { id, setId }: Pick<Known, 'id' | 'setId'>): Promise<Change> => {
  const ofSet = topic === 'images' || topic === 'new_product_set'
  const [row] = await tx<{ id: string }[]>`
    select shop_update.enqueue(${topic}::text, ${ofSet ? null : id}::bigint, ${ofSet ? setId : null}::bigint) as id`
  return { itemId: row!.id, topic, setId, productId: ofSet ? null : id }
}

const money = (random: Random) => (between(random, 100, 99_999) / 100).toFixed(2)
const word = (random: Random) => Math.floor(random() * 2 ** 40).toString(36)

async function change(tx: Tx, product: Known, random: Random): Promise<Change[]> {
  const [topic] = weighted(random, PRODUCT_TOPICS, ([, weight]) => weight)
  return changeTopic(tx, product, topic, random)
}

/** Changes a product in the catalogue and queues the change; does nothing if it has been deleted meanwhile. */
export async function changeTopic(tx: Tx, product: Known, topic: ChangedTopic, random: Random): Promise<Change[]> {
  const { id, setId } = product
  const write = {
    price: () => tx`update catalog.product set price = ${money(random)}::numeric,
      special_price = ${random() < 0.3 ? money(random) : null}::numeric where id = ${id}::bigint returning id`,
    stock: () =>
      tx`update catalog.product set stock = ${between(random, 0, 9999)}::int where id = ${id}::bigint returning id`,
    content: () =>
      tx`
        update catalog.product set description = ${`About ${word(random)}`}::text
        where id = ${id}::bigint returning id`,
    status: () =>
      tx`
        update catalog.product set active = ${String(random() < 0.7)}::text::boolean
        where id = ${id}::bigint returning id`,
    qc_status: () => tx`
      update catalog.product set qc_status = ${pick(random, ['approved', 'approved', 'pending', 'rejected'])}::text
      where id = ${id}::bigint returning id`,
    consignment_stock: () =>
      tx`
        update catalog.product set consignment_stock = ${between(random, 1, 9999)}::int
        where id = ${id}::bigint returning id`,
    images: async () => {
      const [set] = await tx`select id from catalog.product_set where id = ${setId}::bigint for no key update`
      if (!set) return []
      await tx`delete from catalog.product_image where product_set_id = ${setId}::bigint`
      return addImages(tx, setId, random)
    },
  }[topic]
  return (await write()).length > 0 ? [await enqueue(tx, topic, product)] : []
}

const addImages = (tx: Tx, setId: string, random: Random) => tx`
  insert into catalog.product_image (product_set_id, position, url, hash)
  select ${setId}::bigint, n, format('https://images.example/%s/%s.jpg', ${word(random)}::text, n),
    md5(${word(random)}::text || n)
  from generate_series(1, ${between(random, 1, 4)}::int) n returning position`

/** One or several, each of a different product. */
export async function changeSome(tx: Tx, products: readonly Known[], many: number, random: Random): Promise<Change[]> {
  const chosen = new Set(Array.from({ length: Math.min(many, products.length) }, () => pick(random, products)))
  const changes: Change[] = []
  for (const product of products) if (chosen.has(product)) changes.push(...(await change(tx, product, random)))
  return changes
}

const addProduct = (tx: Tx, setId: string, random: Random) => tx<{ id: string; setId: string }[]>`
  insert into catalog.product (product_set_id, seller_sku, title, description, price, stock, attributes)
  select id, ${`SKU-${word(random)}`}::text, 'Shirt', 'New',
    ${money(random)}::numeric, ${between(random, 0, 999)}::int, '{"color": "Sand"}'
  from catalog.product_set where id = ${setId}::bigint returning id, product_set_id as "setId"`

export async function addVariation(tx: Tx, setId: string, random: Random): Promise<Change[]> {
  const [product] = await addProduct(tx, setId, random)
  return product ? [await enqueue(tx, 'new_product', product)] : []
}

export async function addSet(tx: Tx, random: Random): Promise<Change[]> {
  const [set] = await tx<{ id: string }[]>`
    with seller as (
      insert into catalog.seller (name) values (${`Seller ${between(random, 1, 4)}`}::text)
      on conflict (name) do update set name = excluded.name returning id
    )
    insert into catalog.product_set (seller_id, title, brand, attribute_set, primary_category, categories)
    select id, 'Shirt', 'Nile', 'apparel', 'Shirts', '{Shirts}' from seller returning id`
  const setId = set!.id
  for (let left = between(random, 1, 5); left > 0; left--) await addProduct(tx, setId, random)
  await addImages(tx, setId, random)
  return [await enqueue(tx, 'new_product_set', { id: '', setId }), await enqueue(tx, 'images', { id: '', setId })]
}

/** Reports anew everything that the Shop knows about a product by its id. */
export async function tellAll(tx: Tx, product: Pick<Known, 'id' | 'setId'>): Promise<Change[]> {
  const changes: Change[] = []
  for (const topic of ['price', 'stock', 'content', 'consignment_stock'] as const)
    changes.push(await enqueue(tx, topic, product))
  return changes
}

export type { Known, Tx }
export { enqueue }
