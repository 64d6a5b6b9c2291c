import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, test, vi } from 'vitest'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import type { Sql } from '../../worker/database/database.ts'
import { claim } from '../../worker/queue/claim.ts'
import { forgottenSets } from '../../worker/queue/promote.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
afterEach(() => scene.stop())

const untilEmpty = () =>
  vi.waitFor(async () => expect(await scene.sql`select count(*)::int as n from shop_update.item`).toEqual([{ n: 0 }]), {
    timeout: 30_000,
    interval: 50,
  })

test('several workers share the queue: each item is sent once, of a set one at a time and in its order', async () => {
  scene = await startScene({ env: { CONCURRENCY: '20' }, settings: { default: { latencyMs: { min: 1, max: 8 } } } })
  await Promise.all([scene.startWorker(), scene.startWorker()])
  const sets = []
  for (let k = 0; k < 12; k++) sets.push(await addSet(scene.sql, { seller: `Seller ${k % 4}`, products: 10 }))
  for (const topic of ['price', 'stock', 'content', 'status', 'qc_status']) {
    for (const { productIds } of sets) {
      await scene.sql`select shop_update.enqueue(${topic}, product_id => id) from unnest(${productIds}::bigint[]) id`
    }
  }
  await untilEmpty()

  const [sent] =
    await scene.sql`select count(*)::int as items, count(distinct item_id)::int as "different" from shop_update.request`
  expect(sent).toEqual({ items: 600, different: 600 })
  const rows = await scene.sql<{ requestId: string; setId: string; itemId: number }[]>`
    select r.request_id::text as "requestId", f.product_set_id as "setId", f.id::int as "itemId"
    from shop_update.request r join shop_update.finished_item f on f.id = r.item_id`
  const of = new Map(rows.map((row) => [row.requestId, row]))
  const calls = (await scene.control<ReceivedCall[]>('/requests?limit=10000')).toReversed()
  for (const { setId } of sets) {
    const ofSet = calls.filter(({ requestId }) => of.get(requestId)!.setId === setId)
    const items = ofSet.map(({ requestId }) => of.get(requestId)!.itemId)
    expect(items).toEqual(items.toSorted((a, b) => a - b))
    expect(ofSet.slice(1).filter((call, k) => Date.parse(call.receivedAt) < Date.parse(ofSet[k]!.answeredAt!))).toEqual(
      [],
    )
  }
  expect(calls).toHaveLength(600)
  // An obsolete row of a set may outlive its last item until the leader comes by.
  await vi.waitFor(async () => expect(await scene.sql`select * from shop_update.set_lane`).toEqual([]), {
    timeout: 30_000,
    interval: 50,
  })
})

test('four migrations and then four workers at the same moment on an empty database', async () => {
  scene = await startScene({ workers: false })
  await scene.sql`drop schema shop_update, catalog cascade`
  const migrate = () =>
    promisify(execFile)(process.execPath, [join(import.meta.dirname, '../../worker/migrate.ts')], {
      env: { PATH: process.env.PATH, DATABASE_URL: scene.databaseUrl },
    })
  await Promise.all([migrate(), migrate(), migrate(), migrate()])
  const workers = await Promise.all(Array.from({ length: 4 }, () => scene.startWorker()))
  expect(await scene.sql`select from shop_update.worker`).toHaveLength(4)
  const items: string[] = []
  for (let k = 0; k < 20; k++)
    items.push(await scene.enqueue('price', { product: (await addSet(scene.sql)).productIds[0]! }))
  await untilEmpty()
  expect(await scene.sql`select id from shop_update.finished_item where status = 'synced'`).toHaveLength(items.length)
  expect(await scene.control('/stats')).toMatchObject({ requests: 20 })
  // A worker that waits more than a second for another worker's partitions says so, and leaves them to it.
  const complaints = workers.flatMap(({ log }) =>
    log.filter(({ level, msg }) => Number(level) > 30 && !/^Partitions could not/.test(String(msg))),
  )
  expect(complaints).toEqual([])
})

test('the lead passes on when the worker that has it is killed', async () => {
  scene = await startScene()
  const second = await scene.startWorker()
  const leader = () =>
    scene.sql<{ workerId: string }[]>`select worker_id as "workerId" from shop_update.leader where until > now()`
  const { workerId } = await vi.waitFor(
    async () => {
      const [row] = await leader()
      expect(row).toBeDefined()
      return row!
    },
    { timeout: 30_000, interval: 50 },
  )
  const first = scene.worker.log.some((line) => line.worker_id === workerId) ? scene.worker : second
  scene.worker = first === second ? scene.worker : second
  await first.kill()
  await vi.waitFor(
    async () => {
      const [row] = await leader()
      expect(row).toBeDefined()
      expect(row!.workerId).not.toBe(workerId)
    },
    { timeout: 30_000, interval: 50 },
  )
  const { productIds } = await addSet(scene.sql)
  await scene.untilStatus(await scene.enqueue('price', { product: productIds[0]! }), 'synced')
  await vi.waitFor(async () => expect(await scene.sql`select from shop_update.delta`).toHaveLength(0), {
    timeout: 30_000,
    interval: 50,
  })
})

test('a claim says whether it has seen all there is: no seller had his whole share taken', async () => {
  scene = await startScene({ workers: false })
  const { sql } = scene
  for (const [sellerId, sets] of [
    ['11', 2],
    ['12', 1],
  ] as const) {
    for (let set = 0; set < sets; set++) {
      const { setId, productIds } = await addSet(sql)
      await sql`
        insert into catalog.seller (id, name)
        values (${sellerId}::bigint, 'Seller ' || ${sellerId}::text) on conflict do nothing`
      await scene.enqueue('price', { product: productIds[0]! })
      await sql`update shop_update.item set seller_id = ${sellerId}::bigint where product_set_id = ${setId}::bigint`
    }
  }
  // four sellers have a share of two each: the first may have more
  expect(await claim(sql, '1', 4, '0')).toMatchObject({ candidates: 3, all: false })
  const putBack = async () => {
    await sql`update shop_update.item set lane = 'ready'`
    await sql`truncate shop_update.set_lane`
  }
  await putBack()
  // one that took all it may goes on after the seller it has come to, and after the last one with the first
  expect(await claim(sql, '1', 1, '0')).toMatchObject({ candidates: 1, last: '11' })
  await putBack()
  expect(await claim(sql, '1', 2, '0')).toMatchObject({ candidates: 2, last: '0' })
  await putBack()
  expect(await claim(sql, '1', 8, '0')).toMatchObject({ candidates: 3, all: true })
  expect(await claim(sql, '1', 8, '0')).toMatchObject({ candidates: 0, all: true })
})

test('more sellers than a claim visits, nearly all that they have locked: the next one is served in turn', async () => {
  scene = await startScene({ workers: false })
  const { sql } = scene
  const locked = await addSet(sql)
  await sql`insert into catalog.seller (id, name) values (100000, 'The next one')`
  await sql`
    insert into shop_update.item (seller_id, product_set_id, product_id,
      queued_at, entered_at, status_at, run_at, topic, status, lane, fresh)
    select 1000 + g, ${locked.setId}::bigint, ${locked.productIds[0]!}::bigint,
      now(), now(), now(), now(), 'price', 'pending', 'ready', false
    from generate_series(1, 250) g`
  // except for one, which has more than its share
  const many: string[] = []
  for (let k = 0; k < 20; k++) many.push(await scene.enqueue('price', { product: (await addSet(sql)).productIds[0]! }))
  await sql`update shop_update.item set seller_id = 1000 where id = any (${many}::bigint[])`
  const last = await scene.enqueue('price', { product: (await addSet(sql)).productIds[0]! })
  await sql`update shop_update.item set seller_id = 100000 where id = ${last}::bigint`
  const open = await sql.reserve()
  await open`begin`
  await open`select from shop_update.item where seller_id between 1001 and 1250 for update`
  try {
    scene.worker = await scene.startWorker()
    for (const item of [...many, last]) await scene.untilStatus(item, 'synced')
    const [{ before }] = await sql<[{ before: number }]>`
      select count(distinct item_id)::int as before from shop_update.transition
      where item_id = any (${many}::bigint[]) and to_status = 'processing'
        and at < (select min(at) from shop_update.transition
          where item_id = ${last}::bigint and to_status = 'processing')`
    expect(before).toBeLessThan(20)
    expect(
      await sql`select from shop_update.item where seller_id between 1001 and 1250 and status = 'pending'`,
    ).toHaveLength(250)
  } finally {
    await open`rollback`
    open.release()
  }
})

test('a claim puts an item behind while the leader seeks forgotten sets: it is counted, not forgotten', async () => {
  scene = await startScene({ workers: false })
  const { sql } = scene
  const { setId, productIds } = await addSet(sql, { products: 2 })
  // Its last item has just ended, and no item has got its turn yet.
  const first = await scene.enqueue('price', { product: productIds[0]! })
  await sql`update shop_update.item set lane = 'behind' where id = ${first}::bigint`
  await sql`insert into shop_update.set_lane (product_set_id, next_id, waiting) values (${setId}::bigint, 0, 1)`
  const second = await scene.enqueue('price', { product: productIds[1]! })

  const connection = await sql.reserve()
  await connection`begin`
  expect(await claim(connection as unknown as Sql, '1', 10, '0')).toMatchObject({ items: [], candidates: 1 })
  let seen = false
  const looking = forgottenSets(sql, '0').finally(() => {
    seen = true
  })
  // It skips the set, or waits for the claim.
  await vi.waitFor(
    async () =>
      expect(
        seen || (await sql`select from pg_locks where not granted and locktype = 'transactionid'`).length > 0,
      ).toBe(true),
    { timeout: 30_000, interval: 10 },
  )
  await connection`commit`
  connection.release()
  await looking
  expect(await sql`select waiting from shop_update.set_lane`).toEqual([{ waiting: 2 }])

  scene.worker = await scene.startWorker()
  await scene.untilStatus(first, 'synced')
  await scene.untilStatus(second, 'synced')
})
