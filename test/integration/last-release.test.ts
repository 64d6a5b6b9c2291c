import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { TOPICS } from '../../worker/domain/topics.ts'
import { migrate } from '../../worker/migrate.ts'
import { claim } from '../../worker/queue/claim.ts'
import { verifyCounts } from '../../worker/queue/counts.ts'
import { readTransitions } from '../../worker/read/item-history.ts'
import { type LastRelease, unpackLastRelease } from '../last-release.ts'
import { addSet, CALLBACK_API_KEY, type Scene, startScene } from '../scene.ts'
import type { WorkerProcess } from '../worker-process.ts'

let before: LastRelease
let scene: Scene
beforeAll(async () => {
  before = await unpackLastRelease()
  scene = await startScene({ workers: false })
})
afterAll(async () => {
  await scene?.stop()
  await before?.remove()
})

/** The database as that version left it. */
async function startAfresh() {
  await scene.sql`drop schema shop_update, catalog cascade`
  await before.migrate(scene.databaseUrl)
}

/** Its worker, beside its schema. */
async function startLastRelease(): Promise<WorkerProcess> {
  await startAfresh()
  return before.startWorker(scene.databaseUrl, scene.shop.url, {
    STOCK_WAIT_SECONDS: '0',
    FLOW_TTL_SECONDS: '0.2',
    CALLBACK_API_KEY,
    CALLBACK_ALLOWED_IPS: '127.0.0.1',
  })
}

/** Every topic, for products in the Shop and for products to be created: all become Synced. */
async function change(flow: 'synchronous' | 'asynchronous', worker: WorkerProcess) {
  const { sql } = scene
  await sql`update shop_update.setting set value = to_jsonb(${flow}::text) where key = 'shop_update/flow'`
  await vi.waitFor(
    async () => {
      const [{ using }] = await sql<
        [{ using: string[] }]
      >`select array_agg(distinct flow::text) as using from shop_update.worker`
      expect(using).toEqual([flow])
    },
    { timeout: 20_000, interval: 50 },
  )
  scene.shop.callbackTo({ url: `${worker.publicUrl}/shop-update/`, apiKey: CALLBACK_API_KEY })
  const known = await addSet(sql)
  const created = await addSet(sql, { inShop: false })
  await sql`
    insert into catalog.product_image (product_set_id, position, url, hash)
    values (${known.setId}::bigint, 1, 'http://127.0.0.1/1.jpg', md5('1'))`
  const items = [
    await scene.enqueue('new_product_set', { set: created.setId }),
    await scene.enqueue('images', { set: known.setId }),
  ]
  for (const topic of Object.keys(TOPICS)) {
    if (topic === 'new_product_set' || topic === 'new_product' || topic === 'images') continue
    items.push(await scene.enqueue(topic, { product: known.productIds[0]! }))
    items.push(await scene.enqueue(topic, { product: created.productIds[0]! }))
  }
  // the second one is absorbed by the first
  const { productIds } = await addSet(sql)
  const [twice] = await sql<{ id: string }[]>`
    select max(shop_update.enqueue('price', ${productIds[0]!}::bigint)) as id from generate_series(1, 2)`
  items.push(twice!.id)
  for (const item of items) expect(await scene.untilStatus(item, 'synced')).toMatchObject({ sends: 1, failures: 0 })
}

test("the last release's worker goes on beside the schema of this version, alone and with its workers", async () => {
  const { sql } = scene
  const worker = await startLastRelease()
  try {
    await change('synchronous', worker)
    expect(await migrate(sql)).toContain('functions and views')
    await change('synchronous', worker)
    await change('asynchronous', worker)
    await scene.startWorker()
    await change('synchronous', worker)
    await change('asynchronous', worker)
    expect(worker.log.filter(({ level }) => Number(level) >= 50)).toEqual([])
    expect(await worker.stop()).toBe(0)
    await change('synchronous', scene.worker)
  } finally {
    if (worker.child.exitCode === null) await worker.kill()
  }
  await vi.waitFor(async () => expect(await sql`select from shop_update.delta`).toHaveLength(0), { timeout: 20_000 })
  expect(await verifyCounts(sql)).toEqual([])
  expect(await scene.worker.stop()).toBe(0)
})

test('the timelines of what it has written are the same afterwards, to the byte', async () => {
  const { sql } = scene
  const worker = await startLastRelease()
  try {
    await change('synchronous', worker)
    await change('asynchronous', worker)
    const { productIds } = await addSet(sql)
    await scene.control('/troubles', { method: 'PUT', body: { topics: { price: { http500: 100 } } } })
    await scene.untilStatus(await scene.enqueue('price', { product: productIds[0]! }), 'delayed')
    const { productIds: more } = await addSet(sql, { inShop: false })
    await scene.untilStatus(await scene.enqueue('price', { product: more[0]! }), 'blocked')
  } finally {
    await scene.control('/troubles', { method: 'PUT', body: {} })
    await worker.stop()
  }
  const timelines = async (read: typeof readTransitions) => {
    const items = await sql<{ id: string; queuedAt: Date }[]>`
      select id, queued_at as "queuedAt" from shop_update.item
      union all select id, queued_at from shop_update.finished_item order by id`
    return Promise.all(items.map(async ({ id, queuedAt }) => JSON.stringify(await read(sql, id, queuedAt))))
  }
  const written = await timelines(
    (sql, itemId) => sql`
      select from_status as "from", to_status as "to", at, seconds, reason, actor, note
      from shop_update.transition where item_id = ${itemId}::bigint order by at, to_status`,
  )
  expect(written.length).toBeGreaterThan(29)
  await migrate(sql)
  expect(await timelines(readTransitions)).toEqual(written)
})

test('a claim of this version that the last one takes up leaves no gap in the history', async () => {
  const { sql } = scene
  const worker = await startLastRelease()
  await migrate(sql)
  worker.child.kill('SIGSTOP')
  const { productIds } = await addSet(sql)
  const itemId = await scene.enqueue('price', { product: productIds[0]! })
  try {
    const [dead] = await sql<[{ id: string }]>`
      insert into shop_update.worker (name, flow, heartbeat_at)
      values ('dead', 'synchronous', now() - interval '1 hour') returning id`
    expect((await claim(sql, dead.id, 100, '0')).items.map(({ id }) => id)).toEqual([itemId])
    worker.child.kill('SIGCONT')
    await scene.untilStatus(itemId, 'synced')
    expect(await worker.stop()).toBe(0)
  } finally {
    if (worker.child.exitCode === null) await worker.kill()
  }
  const steps = await sql<{ from: string | null; to: string; reason: string | null }[]>`
    select from_status as "from", to_status as "to", reason from shop_update.transition
    where item_id = ${itemId}::bigint order by at, to_status`
  expect(steps.slice(0, 4)).toEqual([
    { from: null, to: 'pending', reason: null },
    { from: 'pending', to: 'processing', reason: null },
    { from: 'processing', to: 'pending', reason: 'worker_lost' },
    { from: 'pending', to: 'processing', reason: null },
  ])
  expect(steps.slice(1).map(({ from }) => from)).toEqual(steps.slice(0, -1).map(({ to }) => to))
})

test('a login with grants of its own queues during the upgrade and after it; a reader still cannot', async () => {
  const { sql } = scene
  await startAfresh()
  const [seller, reader] = ['seller', 'reader'].map((name) => `${name}_${randomUUID().replaceAll('-', '')}`) as [
    string,
    string,
  ]
  await sql.unsafe(`
    create role ${seller};
    create role ${reader} in role shop_update_read;
    grant usage on schema shop_update, catalog to ${seller};
    grant select on catalog.product, catalog.product_set, shop_update.setting to ${seller};
    grant select, insert, update on shop_update.item to ${seller};
    grant insert on shop_update.transition, shop_update.delta to ${seller};`)
  try {
    const { setId, productIds } = await addSet(sql)
    const queue = (login: string) =>
      sql.begin(async (tx) => {
        await tx`select set_config('role', ${login}, true)`
        const rows = await tx<{ coalesced: boolean }[]>`
          select (shop_update.enqueue_item(topic, ${productIds[0]!}, null)).coalesced
          from unnest(array['price', 'stock']) topic
          union all select (shop_update.enqueue_item('images', null, ${setId})).coalesced`
        await tx`select shop_update.enqueue('price', ${productIds[0]!}::bigint)`
        return rows.map(({ coalesced }) => coalesced)
      })
    expect(await queue(seller)).toEqual([false, false, false])
    await expect(queue(reader)).rejects.toMatchObject({ code: '42501' })
    let upgrading = true
    const upgrade = migrate(sql).finally(() => {
      upgrading = false
    })
    while (upgrading) expect(await queue(seller)).toEqual([true, true, true])
    expect(await upgrade).toContain('functions and views')
    // A call that began before the function was replaced, in the middle of it.
    await sql`alter function shop_update.enqueue_item security invoker`
    expect(await queue(seller)).toEqual([true, true, true])
    await sql`alter function shop_update.enqueue_item security definer`
    await sql`update shop_update.item set lane = 'delayed', status = 'delayed', reason = 'failure'`
    expect(await queue(seller)).toEqual([true, true, true])
    await sql`delete from shop_update.item`
    expect(await queue(seller)).toEqual([false, false, false])
    await expect(queue(reader)).rejects.toMatchObject({ code: '42501' })
  } finally {
    for (const login of [seller, reader]) await sql.unsafe(`drop owned by ${login}; drop role ${login}`)
  }
})
