import { startPostgres } from '../../demo/postgres.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { startWorkerProcess, VIEWER_API_KEY, workerEnv } from '../worker-process.ts'
import { BENCH_POSTGRES, median, percentile } from './setting.ts'

const SELLERS = 25
/** Its id, and its products' ids follow. */
const WIDE_SET = 1_000_000_000
const SETS_OF = 4
const REQUESTS = 200
/**
 * Of each kind of write, so many rows; rounds with the indexes and without, in turn. An even number: each comes first
 * as often as the other.
 */
const WRITTEN = 20_000
const ROUNDS = 10

export interface SearchOptions {
  products: number
}

/**
 * How long a search takes over HTTP from the real worker: fragments of 3 to 20 characters, present and absent, in the
 * order of chance, a first time and a second; and 500 SKUs at once. Then what the indexes for it cost: new products,
 * and the write-back after a sync, with them and without, in turn, in processor time where the system tells it.
 */
export async function search({ products }: SearchOptions, log: (line: string) => void) {
  const cluster = await startPostgres({ flags: BENCH_POSTGRES })
  const sql = connect(cluster.url('postgres'), { max: 1, name: 'bench', answerWithinMs: Number.POSITIVE_INFINITY })
  try {
    await migrate(sql)
    log(`Making ${products.toLocaleString('en')} products …`)
    await fill(sql, products)
    const queries = await queriesOf(sql, products)
    const skus = (await someProducts(sql, products, 500)).map(({ sku }) => sku.toLowerCase())
    const worker = await startWorkerProcess({
      ...workerEnv(cluster.url('postgres'), 'http://127.0.0.1:9'),
      LOG_ITEMS: 'false',
    })
    const ask = async (path: string, body?: unknown): Promise<number> => {
      const began = performance.now()
      const answer = await fetch(`${worker.internalUrl}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${VIEWER_API_KEY}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      const text = await answer.text()
      if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${text}`)
      return performance.now() - began
    }
    const figures: Record<string, number> = {}
    for (const heat of ['first', 'second'])
      for (const [kind, words] of Object.entries(queries)) {
        const took = []
        for (const q of words) took.push(await ask(`/api/search?q=${encodeURIComponent(q)}`))
        figures[`${kind} ${heat} p95Ms`] = Number(percentile(took, 0.95).toFixed(1))
        log(`${kind}, ${heat}: p50 ${median(took).toFixed(1)} ms, p95 ${percentile(took, 0.95).toFixed(1)} ms`)
      }
    const list = []
    for (let round = 0; round < 20; round++) list.push(await ask('/api/search', { skus }))
    log(`500 SKUs: p95 ${percentile(list, 0.95).toFixed(1)} ms`)
    const wide = []
    for (let round = 0; round < 20; round++) wide.push(await ask(`/api/products/${WIDE_SET}`))
    log(`a set of 250 variations with 50,000 finished items: p95 ${percentile(wide, 0.95).toFixed(1)} ms`)
    const story = []
    for (let round = 0; round < 20; round++) story.push(await ask(`/api/products/${WIDE_SET}/timeline`))
    log(`its timeline: p95 ${percentile(story, 0.95).toFixed(1)} ms`)
    const differs = []
    for (let round = 0; round < 20; round++)
      differs.push(await ask(`/api/products/${WIDE_SET}/differences?product=${WIDE_SET + 1}`))
    log(`what differs of a variation: p95 ${percentile(differs, 0.95).toFixed(1)} ms`)
    await worker.stop()
    const costs = await costsOf(sql, products, log)
    const p95 = (took: number[]) => Number(percentile(took, 0.95).toFixed(1))
    const whole = { wideSetP95Ms: p95(wide), timelineP95Ms: p95(story), differencesP95Ms: p95(differs) }
    return { name: 'search', products, ...figures, skus500P95Ms: p95(list), ...whole, ...costs }
  } finally {
    await sql.end()
    await cluster.stop()
  }
}

/** Words as of a catalogue: a brand, a kind, a colour, a size; SKUs made of their beginnings and a number. */
const WORDS = {
  brand: ['Nile', 'Lotus', 'Cedar', 'Atlas', 'Zahra', 'Kenzi', 'Marina', 'Orient', 'Sahara', 'Tiba'],
  kind: ['Linen Shirt', 'Cotton Trousers', 'Running Shoes', 'Leather Bag', 'Silk Scarf', 'Denim Jacket', 'Wool Coat'],
  colour: ['Black', 'White', 'Navy', 'Olive', 'Sand', 'Burgundy', 'Turquoise', 'Grey'],
}

async function fill(sql: Sql, products: number): Promise<void> {
  await sql`set statement_timeout = 0`
  await sql`insert into catalog.seller (id, name) select g, 'Seller ' || g from generate_series(1, ${SELLERS}::int) g`
  await sql`
    insert into catalog.product_set (id, seller_id, handle, src_id)
    select g, 1 + g % ${SELLERS}::int, 'set-' || g, 'S' || g
    from generate_series(1, ${Math.ceil((products + WRITTEN) / SETS_OF)}::int) g`
  await insertProducts(sql, 1, products)
  await sql`
    insert into catalog.product_set (id, seller_id, handle, src_id) values (${WIDE_SET}::bigint, 1, 'wide', 'wide')`
  await sql`
    insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id, title, stock)
    select ${WIDE_SET}::bigint + g, ${WIDE_SET}::bigint, 'WIDE-' || g, 'WIDE-S-' || g, 'WIDE-' || g, 'Wide ' || g, 5
    from generate_series(1, 250) g`
  await sql`
    insert into shop_update.finished_item (id, seller_id, product_set_id, product_id, queued_at, finished_at, sends,
      failures, coalesced, topic, status)
    select ${WIDE_SET}::bigint + g, 1, ${WIDE_SET}::bigint, ${WIDE_SET}::bigint + 1 + g % 250, now(), now(), 1, 0, 0,
      ('{price,stock,content,status,consignment_stock,qc_status,new_product}'::text[])[1 + g % 7]::shop_update.topic,
      'synced'
    from generate_series(1, 50000) g`
  await sql`
    select shop_update.enqueue(topic, product_id => id)
    from catalog.product, unnest('{price,stock,content,status}'::text[]) topic
    where product_set_id = ${WIDE_SET}::bigint order by id`
  await sql`vacuum (analyze) catalog.product`
  await sql`analyze catalog.product_set`
}

const insertProducts = (sql: Sql, from: number, n: number) => sql`
  insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id, title, stock)
  select g, 1 + (g - 1) / ${SETS_OF}::int,
    upper(left(brand, 3) || '-' || left(kind, 4) || '-' || left(colour, 3)) || '-' || md5(g::text)::char(6) || g,
    'AC' || g || 'APP-' || g, 'P' || g, brand || ' ' || kind || ' ' || colour || ' ' || g % 60, 5
  from (
    select g,
      (${WORDS.brand}::text[])[1 + g / 7 % ${WORDS.brand.length}::int] as brand,
      (${WORDS.kind}::text[])[1 + g / 3 % ${WORDS.kind.length}::int] as kind,
      (${WORDS.colour}::text[])[1 + g % ${WORDS.colour.length}::int] as colour
    from generate_series(${from}::int, ${from + n - 1}::int) g) named`

const someProducts = (sql: Sql, products: number, n: number) => sql<{ sku: string; title: string }[]>`
  select seller_sku as sku, title from catalog.product
  where id in (select 1 + floor(random() * ${products}::int)::int from generate_series(1, ${n * 2}::int))
  limit ${n}::int`

/**
 * Fragments from anywhere in a SKU or title, in lower case; such with a wrong last letter; such with a sign behind that
 * is nowhere, and for which the index has no letter; such with one that it has, there or not.
 */
async function queriesOf(sql: Sql, products: number): Promise<Record<string, string[]>> {
  const some = await someProducts(sql, products, REQUESTS)
  const present = some.map(({ sku, title }, place) => {
    const text = place % 2 === 0 ? sku : title
    const length = Math.min(text.length, 3 + (place % 18))
    const from = Math.floor((((place * 7919) % 1000) / 1000) * (text.length - length + 1))
    return text.slice(from, from + length).toLowerCase()
  })
  const fragments = present.filter((q) => q.trim().length >= 3)
  return {
    present: fragments,
    absent: fragments.map((q) => `${q.slice(0, -1)}q`),
    absentSign: fragments.map((q) => `${q}§`),
    dash: fragments.map((q) => `${q}-`),
    short: some.map(({ sku }) => sku.slice(0, 2)),
  }
}

const INDEXES = ['product_fragments', 'product_set_fragments']

async function costsOf(sql: Sql, products: number, log: (line: string) => void): Promise<Record<string, number>> {
  const took: Record<'with' | 'without', { made: number[]; written: number[] }> = {
    with: { made: [], written: [] },
    without: { made: [], written: [] },
  }
  const [row] = await sql<
    { next: number }[]
  >`select max(id)::int + 1 as next from catalog.product where id < ${WIDE_SET}::bigint`
  // Without them in transactions that are rolled back, so that they need not be built anew.
  const undone = (act: (tx: Sql) => Promise<unknown>) =>
    sql
      .begin(async (tx) => {
        await act(tx as unknown as Sql)
        throw new RollBack()
      })
      .catch((error) => {
        if (!(error instanceof RollBack)) throw error
      })
  for (let round = 0; round < ROUNDS; round++) {
    // The first write to a page after a checkpoint puts a copy of it into the WAL: a fifth more than the next one.
    await undone((tx) => writeBack(tx, products, round))
    for (const how of round % 2 === 0 ? (['with', 'without'] as const) : (['without', 'with'] as const))
      await undone(async (tx) => {
        if (how === 'without') for (const index of INDEXES) await tx`drop index ${tx(`catalog.${index}`)}`
        took[how].written.push(await timed(tx, () => writeBack(tx, products, round)))
        took[how].made.push(await timed(tx, () => insertProducts(tx, row!.next, WRITTEN)))
      })
  }
  const share = (of: 'made' | 'written') => Number((median(took.with[of]) / median(took.without[of])).toFixed(2))
  const micros = (of: 'made' | 'written', how: 'with' | 'without') =>
    ((median(took[how][of]) * 1000) / WRITTEN).toFixed(1)
  log(`a new product: ${micros('made', 'with')} us with the indexes, ${micros('made', 'without')} without`)
  log(`a write-back: ${micros('written', 'with')} us with them, ${micros('written', 'without')} without`)
  return { newProduct: share('made'), writeBack: share('written') }
}

class RollBack extends Error {}

/**
 * As `finish` does it, to products all over the catalogue: of neighbours, all in one transaction, some find no room
 * left in their page, and an update is then a new entry in every index.
 */
const writeBack = (sql: Sql, products: number, round: number) => sql`
  update catalog.product set src_updated_at = now()
  where id in (
    select 1 + (g * ${SPREAD}::bigint + ${round}::int) % ${products}::int from generate_series(1, ${WRITTEN}::int) g)`

/** A prime. */
const SPREAD = 7919

/** In milliseconds: the session's time on a processor, which others on the machine hardly change; else by the clock. */
async function timed(sql: Sql, act: () => PromiseLike<unknown>): Promise<number> {
  const [cpu, clock] = [await onProcessor(sql), performance.now()]
  await act()
  const passed = performance.now() - clock
  return cpu === null ? passed : (await onProcessor(sql))! - cpu
}

/** Null where the system does not tell: only Linux has it. */
async function onProcessor(sql: Sql): Promise<number | null> {
  const [row] = await sql<{ stat: string | null }[]>`select pg_read_file('/proc/self/schedstat', true) as stat`
  return row!.stat === null ? null : Number(row!.stat.split(' ')[0]) / 1e6
}
