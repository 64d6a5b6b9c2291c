import { setTimeout } from 'node:timers/promises'
import type postgres from 'postgres'
import { isTransient, type Sql } from '../worker/database/database.ts'
import type { Topic } from '../worker/domain/topics.ts'
import { between, pick, type Random, weighted } from './chance.ts'
import { inventSet, skuOf } from './sets.ts'
import { CARE, COLOURS, DEPARTMENTS } from './words.ts'

type Tx = postgres.TransactionSql<Record<string, never>>

/**
 * One action of a seller or of quality control. Returns how many changes it queued; 0 if there was nothing to change.
 */
type Act = (tx: Tx, setId: string, random: Random) => Promise<number>

export const CHANGES_PER_SECOND = 5

/** How often each topic occurs, in percent. */
export const SHARES: readonly [topic: Topic, share: number][] = [
  ['stock', 34],
  ['price', 26],
  ['content', 12],
  ['images', 6],
  ['status', 6],
  ['consignment_stock', 5],
  ['qc_status', 4],
  ['new_product_set', 4],
  ['new_product', 3],
]

/** How long a view of the catalogue is used: the worker brings sets into the Shop, an import adds new ones. */
const GLANCE_MS = 10_000

/**
 * Changes the catalogue as sellers do, and queues each change in the transaction that makes it, until the signal comes.
 * Then it finishes the current transaction and stops. The biggest seller makes half of the changes. A database outage
 * is waited out.
 *
 * @param perSecond average changes queued per second; what the database cannot take is not made up for
 * @param random like `Math.random`; a seeded one repeats the same changes
 * @returns how many changes were queued
 */
export async function streamChanges(
  sql: Sql,
  { perSecond, signal, random = Math.random }: { perSecond: number; signal: AbortSignal; random?: Random },
): Promise<number> {
  let queued = 0
  let catalogue = await glance(sql)
  let glancedAt = performance.now()
  let due = glancedAt
  while (!signal.aborted) {
    try {
      const now = performance.now()
      if (now - glancedAt > GLANCE_MS) {
        catalogue = await glance(sql)
        glancedAt = now
      }
      const changes = await makeChange(sql, catalogue, random)
      queued += changes
      // A turn without anything to change counts as one change; otherwise an empty catalogue would keep the database
      // busy.
      due = Math.max(due, now - 1000) + (Math.max(1, changes) / perSecond) * 1000
      await pause(due - performance.now(), signal)
    } catch (error) {
      if (!isTransient(error)) throw error
      await pause(1000, signal)
    }
  }
  return queued
}

/** Resolves after `ms`, or at the signal, the only reason for the timeout to reject. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await setTimeout(ms, undefined, { signal }).catch(() => {})
}

interface SellerSets {
  sellerId: string
  inShop: string[]
  /** Neither in the Shop nor on the way there. */
  fresh: string[]
}

/** The sets of each seller, the largest seller first. */
const glance = (sql: Sql) => sql<SellerSets[]>`
  select s.seller_id as "sellerId",
    coalesce(array_agg(s.id::text order by s.id) filter (where s.src_id is not null), '{}') as "inShop",
    coalesce(array_agg(s.id::text order by s.id) filter (where s.src_id is null and i.id is null), '{}') as fresh
  from catalog.product_set s
  left join shop_update.item i on i.product_set_id = s.id and i.topic = 'new_product_set'
  group by s.seller_id
  order by count(*) desc, s.seller_id`

function makeChange(sql: Sql, sellers: readonly SellerSets[], random: Random): Promise<number> {
  const [biggest, ...others] = sellers
  if (!biggest) return Promise.resolve(0)
  const seller = others.length === 0 || random() < 0.5 ? biggest : pick(random, others)
  const [topic] = weighted(random, SHARES, ([, share]) => share)
  if (topic === 'new_product_set' || seller.inShop.length === 0) {
    const setId = seller.fresh.shift()
    return sql.begin(async (tx) => putUp(tx, setId ?? (await addSet(tx, seller.sellerId, random))))
  }
  // Now and then a seller changes something that is not in the Shop yet: such a change waits there, Blocked.
  const from = seller.fresh.length > 0 && random() < 0.01 ? seller.fresh : seller.inShop
  const setId = pick(random, from)
  return sql.begin((tx) => ACTS[topic](tx, setId, random))
}

/** The whole set goes to the Shop for the first time. */
async function putUp(tx: Tx, setId: string): Promise<number> {
  await tx`select shop_update.enqueue('new_product_set', product_set_id => ${setId}::bigint)`
  await tx`select shop_update.enqueue('images', product_set_id => ${setId}::bigint)`
  return 2
}

async function addSet(tx: Tx, sellerId: string, random: Random): Promise<string> {
  const { handle, title, description, department, products, imageUrls } = inventSet(
    random,
    Math.floor(random() * 2 ** 32).toString(36),
  )
  const [set] = await tx<{ id: string }[]>`
    insert into catalog.product_set (seller_id, handle, title, brand,
      attribute_set, primary_category, categories, tax_class, shipment_type)
    select id, ${handle}::text, ${title}::text, name,
      ${department.attributeSet}::text, ${department.categories[0]!}::text,
      ${department.categories}::text[], 'standard', 'own_warehouse'
    from catalog.seller where id = ${sellerId}::bigint
    returning id`
  await tx`
    insert into catalog.product (product_set_id, seller_sku,
      title, description, price, special_price, stock, attributes)
    select ${set!.id}::bigint, x.seller_sku, ${title}::text, ${description}::text,
      x.price, x.special_price, x.stock, x.attributes::jsonb
    from unnest(${products.map(({ sellerSku }) => sellerSku)}::text[], ${products.map(({ price }) => price)}::numeric[],
      ${products.map(({ specialPrice }) => specialPrice)}::numeric[], ${products.map(({ stock }) => stock)}::int[],
      ${products.map(({ attributes }) => JSON.stringify(attributes))}::text[])
      x (seller_sku, price, special_price, stock, attributes)`
  await tx`
    insert into catalog.product_image (product_set_id, position, url, hash)
    select ${set!.id}::bigint, x.position, x.url, md5(x.url)
    from unnest(${imageUrls}::text[]) with ordinality x (url, position)`
  return set!.id
}

async function enqueueProducts(tx: Tx, topic: Topic, changed: readonly { id: string }[]): Promise<number> {
  for (const { id } of changed) await tx`select shop_update.enqueue(${topic}::text, product_id => ${id}::bigint)`
  return changed.length
}

const ACTS: Record<Exclude<Topic, 'new_product_set'>, Act> = {
  /** A sale or a delivery. */
  async stock(tx, setId, random) {
    const by = random() < 0.8 ? -between(random, 1, 3) : between(random, 20, 120)
    const changed = await tx<{ id: string }[]>`
      update catalog.product set stock = greatest(0, stock + ${by}::int)
      where id = ${await oneOf(tx, setId, random)}::bigint returning id`
    return enqueueProducts(tx, 'stock', changed)
  },

  /** A new price for all variations, or the beginning or end of a sale. */
  async price(tx, setId, random) {
    const sale = random() < 0.4
    const factor = (0.9 + random() * 0.21).toFixed(3)
    const changed = sale
      ? await tx<{ id: string }[]>`
          update catalog.product set
            special_price = case when special_price is null then greatest(0.99, floor(price * 0.8) - 0.01) end,
            special_from = case when special_price is null then current_date end,
            special_to = case when special_price is null then current_date + 14 end
          where product_set_id = ${setId}::bigint returning id`
      : await tx<{ id: string }[]>`
          update catalog.product
          set price = least(2999.99, greatest(1.99, round(price * ${factor}::numeric) - 0.01)), special_price = null,
            special_from = null, special_to = null
          where product_set_id = ${setId}::bigint returning id`
    return enqueueProducts(tx, 'price', changed)
  },

  /** A better description. */
  async content(tx, setId, random) {
    const sentences = `${pick(random, CARE)} ${pick(random, CARE)}`
    const changed = await tx<{ id: string }[]>`
      update catalog.product set description = format('<p>%s. %s</p>', title, ${sentences}::text)
      where id = ${await oneOf(tx, setId, random)}::bigint returning id`
    return enqueueProducts(tx, 'content', changed)
  },

  /** The last picture is replaced, or one is added. */
  async images(tx, setId, random) {
    const version = between(random, 2, 99_999)
    const changed =
      random() < 0.7
        ? await tx`
            update catalog.product_image m set url = x.url, hash = md5(x.url)
            from (select position, regexp_replace(url, '(\\?v=\\d+)?$', ${`?v=${version}`}::text) as url
              from catalog.product_image
              where product_set_id = ${setId}::bigint order by position desc limit 1) x
            where m.product_set_id = ${setId}::bigint and m.position = x.position returning m.position`
        : await tx`
            insert into catalog.product_image (product_set_id, position, url, hash)
            select s.id, m.position + 1, x.url, md5(x.url)
            from catalog.product_set s
            cross join lateral (select coalesce(max(position), 0) as position from catalog.product_image
              where product_set_id = s.id) m
            cross join lateral (select format('https://images.example/%s/%s.jpg?v=%s',
              s.handle, m.position + 1, ${version}::int) as url) x
            where s.id = ${setId}::bigint and m.position < 8 returning position`
    if (changed.length === 0) return 0
    await tx`select shop_update.enqueue('images', product_set_id => ${setId}::bigint)`
    return 1
  },

  /** A product is switched off or, more often, on again. */
  async status(tx, setId, random) {
    const to = random() < 0.7 ? 'true' : 'false'
    const changed = await tx<{ id: string }[]>`
      update catalog.product set active = ${to}::text::boolean
      where id = (select id from catalog.product
        where product_set_id = ${setId}::bigint and active <> ${to}::text::boolean order by id limit 1)
      returning id`
    return enqueueProducts(tx, 'status', changed)
  },

  /** The Shop's own warehouse returns goods or takes more. */
  async consignment_stock(tx, setId, random) {
    const by = random() < 0.6 ? -between(random, 1, 5) : between(random, 10, 60)
    const changed = await tx<{ id: string }[]>`
      update catalog.product set consignment_stock = greatest(0, consignment_stock + ${by}::int)
      where id = ${await oneOf(tx, setId, random)}::bigint returning id`
    return enqueueProducts(tx, 'consignment_stock', changed)
  },

  /** Quality control approves, mostly. */
  async qc_status(tx, setId, random) {
    const drawn = random()
    const to = drawn < 0.75 ? 'approved' : drawn < 0.92 ? 'pending' : 'rejected'
    const changed = await tx<{ id: string }[]>`
      update catalog.product set qc_status = ${to}::text
      where id = (select id from catalog.product
        where product_set_id = ${setId}::bigint and qc_status <> ${to}::text order by id limit 1)
      returning id`
    return enqueueProducts(tx, 'qc_status', changed)
  },

  /** One more variation of a set in the Shop. It copies everything but colour and size from the first one. */
  async new_product(tx, setId, random) {
    const colour = pick(random, COLOURS)
    const [set] = await tx<{ handle: string; attributeSet: string | null }[]>`
      select coalesce(handle, 'set-' || id) as handle, attribute_set as "attributeSet" from catalog.product_set
      where id = ${setId}::bigint`
    const { sizes } = DEPARTMENTS.find(({ attributeSet }) => attributeSet === set!.attributeSet) ?? DEPARTMENTS[0]!
    const size = pick(random, sizes)
    const changed = await tx<{ id: string }[]>`
      insert into catalog.product (product_set_id, seller_sku, title, description, price, stock, attributes)
      select product_set_id, ${skuOf(set!.handle, colour, size)}::text,
        title, description, price, ${between(random, 5, 80)}::int,
        attributes || jsonb_build_object('color', ${colour}::text, 'size', ${size}::text)
      from catalog.product where product_set_id = ${setId}::bigint order by id limit 1
      on conflict (product_set_id, seller_sku) do nothing
      returning id`
    return enqueueProducts(tx, 'new_product', changed)
  },
}

/** Any product of the set; null if it has none. */
async function oneOf(tx: Tx, setId: string, random: Random): Promise<string | null> {
  const [product] = await tx<{ id: string | null }[]>`
    select ids[1 + floor(${random()}::float8 * cardinality(ids))::int] as id
    from (select array_agg(id order by id) as ids from catalog.product where product_set_id = ${setId}::bigint) x`
  return product?.id ?? null
}
