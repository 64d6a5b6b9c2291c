import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { putBack } from '../../worker/admin/put-back.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import type { ClaimedItem } from '../../worker/domain/item.ts'
import { followCatalogue } from '../../worker/queue/catalog-changes.ts'
import { finish } from '../../worker/queue/finish.ts'
import { releaseOwed } from '../../worker/queue/release.ts'
import { settle } from '../../worker/queue/settle.ts'
import { createDatabase, type Database } from '../database.ts'
import { withoutAutovacuum } from '../pages.ts'
import { addSet, startScene } from '../scene.ts'

/** Items that wait for creates that never come. Their sets have ids far from all others. */
const blockMany = (sql: Sql, n: number) =>
  sql.unsafe(`
  insert into catalog.seller (id, name) values (9000000, 'Many') on conflict do nothing;
  insert into catalog.product_set (id, seller_id)
  select 9000000 + g, 9000000 from generate_series(1, ${n}) g on conflict do nothing;
  insert into catalog.product (id, product_set_id, seller_sku)
  select 9000000 + g, 9000000 + g, 'M' || g from generate_series(1, ${n}) g on conflict do nothing;
  insert into shop_update.item (seller_id, product_set_id, product_id, topic,
    status, lane, reason, fresh, queued_at, entered_at, status_at, run_at)
  select 9000000, 9000000 + g, 9000000 + g, 'price', 'blocked', 'blocked',
    'not_in_shop', false, now(), now(), now(), now() from generate_series(1, ${n}) g;
  insert into shop_update.delta (kind, topic, status, n) values ('status', 'price', 'blocked', ${n});`)

describe('whatever lets a Blocked item go has noted it in the same transaction', () => {
  let database: Database
  let sql: Sql
  let worker: Sql
  beforeAll(async () => {
    database = await createDatabase()
    ;({ sql } = database)
    // Like a worker's connection, with its rights; only one, so that everything counted belongs to the statements in
    // question.
    worker = connect(database.workerUrl, { max: 1, name: 'leader', lockTimeoutMs: 10_000, byIndex: true })
    await withoutAutovacuum(sql)
  })
  afterAll(async () => {
    await worker.end({ timeout: 5 })
    await database.drop()
  })
  beforeEach(() => sql`truncate shop_update.item, shop_update.set_lane, shop_update.owed_release`)

  interface Place {
    product?: string
    set: string
    /** As `status`; in flight it holds its set. */
    lane: 'in_flight' | 'awaiting' | 'delayed' | 'blocked'
    reason?: string
  }
  async function put(topic: string, { product, set, lane, reason }: Place): Promise<ClaimedItem> {
    const status = lane === 'in_flight' ? 'processing' : lane === 'awaiting' ? 'got_acknowledgment' : lane
    const [item] = await sql<ClaimedItem[]>`
      insert into shop_update.item as i
        (seller_id, product_set_id, product_id, topic, status, lane,
          reason, fresh, sends, queued_at, entered_at, status_at, run_at)
      values (1, ${set}::bigint, ${product ?? null}::bigint,
        ${topic}::text::shop_update.topic, ${status}::text::shop_update.status,
        ${lane}::text::shop_update.lane, ${reason ?? null}::text,
        false, 1, now(), now(), now(), now() + interval '1 hour')
      returning id, token, topic, product_set_id as "productSetId", product_id as "productId"`
    if (lane === 'in_flight')
      await sql`
        insert into shop_update.set_lane (product_set_id, item_id, worker_id)
        values (${set}::bigint, ${item!.id}::bigint, 1)`
    return item!
  }
  const ids = { srcId: (id: string) => `p${id}`, setSrcId: (id: string) => `s${id}` }
  const inShop = (product: string) =>
    sql`update catalog.product set src_id = ${ids.srcId(product)}, shop_sku = 'K' where id = ${product}::bigint`
  const setInShop = (set: string) =>
    sql`update catalog.product_set set src_id = ${ids.setSrcId(set)} where id = ${set}::bigint`
  /** One look of the leader. */
  const look = async () => (await releaseOwed(worker, '0')).steps.map(({ itemId }) => itemId)

  /** Two variations, the first of which is in the Shop, and a change of it that waits for the second. */
  async function withNewVariation() {
    const { setId: set, productIds } = await addSet(sql, { products: 2 })
    const [old, fresh] = productIds as [string, string]
    await sql`update catalog.product set src_id = null, shop_sku = null where id = ${fresh}::bigint`
    const waits = await put('price', { set, product: old, lane: 'blocked', reason: 'new_variation' })
    await sql`truncate shop_update.owed_release` // of this set: nothing yet
    return { set, old, fresh, waits }
  }

  test('the ids, one by one, by whoever keeps the catalogue', async () => {
    const { setId: set, productIds } = await addSet(sql, { inShop: false })
    const [product] = productIds as [string]
    const price = await put('price', { set, product, lane: 'blocked', reason: 'not_in_shop' })
    const images = await put('images', { set, lane: 'blocked', reason: 'not_in_shop' })
    await sql`update catalog.product set price = 5, stock = 3 where id = ${product}::bigint`
    await sql`update catalog.product_set set title = 'x' where id = ${set}::bigint`
    expect(await sql`select from shop_update.owed_release`).toEqual([])
    await sql`update catalog.product set src_id = 'p1' where id = ${product}::bigint`
    expect(await look()).toEqual([])
    await sql`update catalog.product_set set src_id = 's1' where id = ${set}::bigint`
    expect(await look()).toEqual([images.id])
    await sql`update catalog.product set shop_sku = 'K' where id = ${product}::bigint`
    expect(await look()).toEqual([price.id])
    expect(await sql`select from shop_update.owed_release`).toEqual([])
  })

  test('a create that is taken out of the queue by hand', async () => {
    const { set, fresh, waits } = await withNewVariation()
    const create = await put('new_product', { set, product: fresh, lane: 'delayed', reason: 'failure' })
    await sql`delete from shop_update.item where id = ${create.id}::bigint`
    expect(await look()).toEqual([waits.id])
  })

  test('the end of a create whose worker died before it had released anything', async () => {
    const { setId: set, productIds } = await addSet(sql, { inShop: false })
    const [product] = productIds as [string]
    const waits = await put('price', { set, product, lane: 'blocked', reason: 'not_in_shop' })
    const item = await put('new_product_set', { set, lane: 'in_flight' })
    const products = [{ productId: product, srcId: ids.srcId(product), shopSku: 'K', updatedAt: null }]
    await finish(worker, 'UTC', [{ item, exchange: null, at: null, products, setSrcId: ids.setSrcId(set) }], false)
    expect(await look()).toEqual([waits.id])
  })

  test('the end of a create that had nothing to send, whose worker died then', async () => {
    const { set, fresh, waits } = await withNewVariation()
    const item = await put('new_product', { set, product: fresh, lane: 'in_flight' })
    await inShop(fresh)
    expect(await look()).toEqual([])
    await finish(worker, 'UTC', [{ item, exchange: null, at: null, products: [], setSrcId: null }], false)
    expect(await look()).toEqual([waits.id])
  })

  test('an item that is Blocked for want of what has come meanwhile, whose worker died then', async () => {
    const { setId: set, productIds } = await addSet(sql, { inShop: false })
    const [product] = productIds as [string]
    const item = await put('price', { set, product, lane: 'in_flight' })
    await setInShop(set)
    await inShop(product)
    expect(await look()).toEqual([])
    const at = { message: null, exchange: null, answeredAt: null, retryInSeconds: null }
    await settle(worker, [{ item, to: 'blocked', reason: 'not_in_shop', ...at }])
    expect(await look()).toEqual([item.id])
  })

  test('a create whose callback nobody waits for any more: another one of the same product', async () => {
    const { set, fresh } = await withNewVariation()
    const create = await put('new_product_set', { set, lane: 'awaiting' })
    const other = await put('new_product', { set, product: fresh, lane: 'blocked', reason: 'new_variation' })
    await putBack(worker, [create.id], 'somebody', null)
    expect(await look()).toEqual([other.id])
  })

  test.each([
    ['deleted', (fresh: string) => sql`delete from catalog.product where id = ${fresh}::bigint`],
    [
      'moved away',
      async (fresh: string) => {
        const { setId } = await addSet(sql)
        await sql`update catalog.product set product_set_id = ${setId}::bigint where id = ${fresh}::bigint`
      },
    ],
  ])('the last product that a create was for is %s, and the leader died then', async (_, change) => {
    const { set, fresh, waits } = await withNewVariation()
    await put('new_product_set', { set, lane: 'delayed', reason: 'failure' })
    await change(fresh)
    await followCatalogue(worker)
    expect(await look()).toEqual([waits.id])
  })

  test('one that somebody has locked stays noted and keeps no other waiting', async () => {
    const [held, other] = [await withNewVariation(), await withNewVariation()]
    const locked = Promise.withResolvers<void>()
    const letGo = Promise.withResolvers<void>()
    const holding = sql.begin(async (tx) => {
      await tx`select from shop_update.item where id = ${held.waits.id}::bigint for update`
      locked.resolve()
      await letGo.promise
    })
    await locked.promise
    try {
      for (const { fresh } of [held, other]) await inShop(fresh)
      expect(await look()).toEqual([other.waits.id])
      expect(await sql`select product_set_id as id from shop_update.owed_release`).toEqual([{ id: held.set }])
    } finally {
      letGo.resolve()
      await holding
    }
    expect(await look()).toEqual([held.waits.id])
    expect(await sql`select from shop_update.owed_release`).toEqual([])
  })

  test('more than are released together', async () => {
    const { setId: set, productIds } = await addSet(sql, { products: 6000 })
    await sql`
      insert into shop_update.item (seller_id, product_set_id, product_id, topic,
        status, lane, reason, fresh, queued_at, entered_at, status_at, run_at)
      select 1, ${set}::bigint, id, 'price', 'blocked', 'blocked', 'new_variation', false, now(), now(), now(), now()
      from unnest(${productIds}::bigint[]) id`
    await sql`insert into shop_update.owed_release (product_set_id) values (${set}::bigint)`
    let released = 0
    for (let looks = 0; looks < 5; looks++) released += (await look()).length
    expect(released).toBe(6000)
    expect(await sql`select from shop_update.owed_release`).toEqual([])
  })

  test('a look reads what is noted, whether 100 are Blocked or 20,000', async () => {
    const read = async () => {
      await worker`select pg_stat_force_next_flush()`
      const [row] = await worker<{ rows: number; pages: number }[]>`
        select pg_stat_get_tuples_fetched('shop_update.item'::regclass)::int
            + pg_stat_get_tuples_returned('shop_update.item'::regclass)::int as rows,
          (select sum(pg_stat_get_blocks_fetched(oid))::int from pg_class
            where relnamespace in ('shop_update'::regnamespace, 'catalog'::regnamespace)
              and relkind in ('r', 'i')) as pages`
      return row!
    }
    for (const many of [100, 20_000]) {
      await sql`truncate shop_update.item, shop_update.owed_release`
      await blockMany(sql, many)
      const { fresh, waits } = await withNewVariation()
      await inShop(fresh)
      const before = await read()
      expect(await look()).toEqual([waits.id])
      const between = await read()
      expect(await look()).toEqual([])
      const after = await read()
      expect(between.rows - before.rows).toBeLessThan(5)
      expect(after.rows - between.rows).toBe(0)
      // Indexes that grow with the queue may have one level more.
      expect(between.pages - before.pages).toBeLessThan(150)
      expect(after.pages - between.pages).toBeLessThan(20)
    }
  })
})

test('50,000 Blocked in the queue: one whose ids an admin writes is sent at once, though it is the last', async () => {
  const scene = await startScene({ workers: false })
  try {
    const { sql } = scene
    await blockMany(sql, 50_000)
    const { setId, productIds } = await addSet(sql, { inShop: false })
    const item = await scene.enqueue('price', { product: productIds[0]! })
    // No worker looks at it while it is being Blocked.
    await sql`
      update shop_update.item set status = 'blocked', lane = 'blocked', reason = 'not_in_shop', fresh = false
      where id = ${item}::bigint`
    await sql`update shop_update.delta set status = 'blocked' where kind = 'status' and status = 'pending'`
    await sql`truncate shop_update.owed_release`
    await scene.startWorker()
    await sql`update catalog.product_set set src_id = '77001' where id = ${setId}::bigint`
    await sql`update catalog.product set src_id = '77002', shop_sku = 'AC77002' where id = ${productIds[0]!}::bigint`
    await scene.untilStatus(item, 'synced')
    expect(await sql`select from shop_update.item where status <> 'blocked'`).toEqual([])
  } finally {
    await scene.stop()
  }
})
