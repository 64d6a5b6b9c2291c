import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import type { Flow, Status } from '../../worker/domain/statuses.ts'
import { forgottenSets } from '../../worker/queue/promote.ts'
import { createDatabase } from '../database.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.stop())
afterEach(async () => {
  await scene.control('/troubles', { method: 'DELETE' })
  await flowBecomes('synchronous')
})

/** Waits until the worker sends newly claimed items in this flow. */
async function flowBecomes(flow: Flow) {
  await scene.sql`update shop_update.setting set value = to_jsonb(${flow}::text) where key = 'shop_update/flow'`
  await vi.waitFor(async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow }] }), {
    timeout: 20_000,
  })
}

const untilCounted = (status: Status, wanted: number) =>
  vi.waitFor(
    async () => {
      const [row] = await scene.sql<{ n: number }[]>`
        select sum(n)::int as n from (select status, n from shop_update.status_count
          union all select status, n from shop_update.unfolded() where kind = 'status') c
        where status = ${status}::text::shop_update.status`
      expect(row!.n).toBe(wanted)
    },
    { timeout: 60_000, interval: 50 },
  )

/** Holds the statement's locks until the returned function is called. */
async function hold(statement: (tx: Sql) => Promise<unknown>): Promise<() => Promise<void>> {
  const held = Promise.withResolvers<void>()
  const end = Promise.withResolvers<void>()
  const transaction = scene.sql.begin(async (tx) => {
    await statement(tx as unknown as Sql)
    held.resolve()
    await end.promise
  })
  await Promise.race([held.promise, transaction])
  return async () => {
    end.resolve()
    await transaction
  }
}

test('a thousand callbacks whose products somebody holds keep no other waiting', async () => {
  await flowBecomes('asynchronous')
  await scene.control('/troubles', { method: 'PUT', body: { default: { noCallback: 100 } } })
  // Each in its own set, so that a thousand are at the Shop at once.
  const { sellerId, productIds: free } = await addSet(scene.sql)
  const [{ held } = { held: [] }] = await scene.sql<{ held: string[] }[]>`
    with own as (insert into catalog.product_set (seller_id, title, src_id)
      select ${sellerId}::bigint, 'Set ' || g, (700000 + g)::text from generate_series(1, 1100) g returning id),
    products as (insert into catalog.product (product_set_id, seller_sku, title, price, stock, active, src_id, shop_sku)
      select id, 'HELD-' || id, 'Shirt ' || id, 19.90, 50, true, (800000 + id)::text, 'HELD-SHOP-' || id
      from own returning id)
    select array_agg(id) as held from products`
  const productIds = [...held, ...free]
  const rows = await scene.sql<{ id: string }[]>`
    select shop_update.enqueue('price', product_id => id) as id from unnest(${productIds}::bigint[]) id order by id`
  const items = rows.map(({ id }) => id)
  await untilCounted('got_acknowledgment', items.length)

  const letGo = await hold((tx) => tx`select from catalog.product where id = any (${held}::bigint[]) for update`)
  try {
    const calls = await scene.control<ReceivedCall[]>('/requests?limit=100000')
    await scene.sql`
      insert into shop_update.callback (request_id, item_id, outcome, digest, body)
      select i.request_id::text, i.id, 'accepted', '\\x00', x.result
      from unnest(${calls.map(({ requestId }) => requestId)}::bigint[],
        ${calls.map(({ result }) => JSON.stringify(result))}::text[]) x (request_id, result)
      join shop_update.item i on i.request_id = x.request_id order by i.id`
    await scene.untilStatus(items.at(-1)!, 'synced')
    expect(await scene.item(items[0]!)).toMatchObject({ status: 'got_acknowledgment' })
  } finally {
    await letGo()
  }
  await untilCounted('synced', items.length)
})

test('a product set that somebody has locked keeps its own items waiting, and no others', async () => {
  const [held, other] = [await addSet(scene.sql), await addSet(scene.sql)]
  await scene.sql`insert into shop_update.set_lane (product_set_id) values (${held.setId}::bigint)`
  const letGo = await hold(
    (tx) => tx`select from shop_update.set_lane where product_set_id = ${held.setId}::bigint for update`,
  )
  const item = await scene.enqueue('price', { product: held.productIds[0]! })
  try {
    for (let k = 0; k < 3; k++)
      await scene.untilStatus(await scene.enqueue('price', { product: other.productIds[0]! }), 'synced')
    expect(await scene.item(item)).toMatchObject({ status: 'pending' })
  } finally {
    await letGo()
  }
  await scene.untilStatus(item, 'synced')
})

test('the leader looks for forgotten sets in one statement, which no worker standing still leaves open', async () => {
  const { setId, productIds } = await addSet(scene.sql)
  const database = await createDatabase()
  const { sql } = database
  try {
    await sql`
      insert into shop_update.item (seller_id, product_set_id, product_id,
        queued_at, entered_at, status_at, run_at, topic, status, lane)
      values (1, ${setId}::bigint, ${productIds[0]!}::bigint, now(), now(), now(), now(), 'price', 'pending', 'behind')`
    await sql`insert into shop_update.set_lane (product_set_id, next_id) values (${setId}::bigint, 0), (1000000, 0)`
    const autocommit = Object.assign(((...args: Parameters<Sql>) => sql(...args)) as Sql, { begin: undefined })
    expect(await forgottenSets(autocommit, '0')).toMatchObject({ sets: [setId], last: '0' })
    expect(await sql`select product_set_id as id, waiting from shop_update.set_lane`).toEqual([
      { id: setId, waiting: 1 },
    ])
  } finally {
    await database.drop()
  }
})

test('the leader passes over a set that somebody has locked', async () => {
  const database = await createDatabase()
  const { sql } = database
  const impatient = connect(database.url, { max: 1, name: 'leader', lockTimeoutMs: 100 })
  try {
    await sql`
      insert into shop_update.item (seller_id, product_set_id, product_id,
        queued_at, entered_at, status_at, run_at, topic, status, lane)
      select 1, g, g, now(), now(), now(), now(), 'price', 'pending', 'behind' from generate_series(1, 2) g`
    await sql`insert into shop_update.set_lane (product_set_id, next_id) values (1, 0), (2, 0)`
    await sql.begin(async (tx) => {
      await tx`select from shop_update.set_lane where product_set_id = 1 for update`
      expect(await forgottenSets(impatient, '0')).toMatchObject({ sets: ['2'] })
    })
    expect(await forgottenSets(impatient, '0')).toMatchObject({ sets: ['1', '2'] })
  } finally {
    await impatient.end()
    await database.drop()
  }
})

test('a worker that stands still in a transaction holds what it has locked for a part of its lease', async () => {
  const own = await startScene({ env: { LEASE_SECONDS: '3' } })
  try {
    const { sql, worker } = own
    await sql`update shop_update.setting set value = '"asynchronous"' where key = 'shop_update/flow'`
    const { productIds } = await addSet(sql)
    // A trigger of Seller Center, in the middle of the worker's handling of a callback.
    await sql.unsafe(`
      create function catalog.wait() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock(4711); return new; end $$;
      create trigger waits before update of src_updated_at on catalog.product
      for each row execute function catalog.wait()`)
    const session = async (condition: string) => {
      const rows = await sql.unsafe(`
        select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
          and application_name = 'shop-update background' and ${condition}`)
      return rows.length
    }
    const holder = await sql.reserve()
    await holder`select pg_advisory_lock(4711)`
    await vi.waitFor(async () =>
      expect((await own.api('/api/flow')).body).toMatchObject({ workers: [{ flow: 'asynchronous' }] }),
    )
    await own.enqueue('price', { product: productIds[0]! })
    await expect.poll(() => session(`wait_event = 'advisory'`), { interval: 5 }).toBe(1)
    process.kill(worker.child.pid!, 'SIGSTOP')
    await holder`select pg_advisory_unlock(4711)`
    holder.release()
    await expect.poll(() => session(`state = 'idle in transaction'`), { interval: 5 }).toBe(1)
    await sql.begin(async (tx) => {
      await tx`set local lock_timeout = '10s'` // far less than another pool allows
      await tx`update catalog.product set price = 20 where id = ${productIds[0]!}::bigint`
    })
  } finally {
    process.kill(own.worker.child.pid!, 'SIGCONT')
    await own.stop()
  }
})

test('two that leave their set together are both counted out of those that wait', async () => {
  await flowBecomes('asynchronous')
  await scene.control('/troubles', { method: 'PUT', body: { default: { noCallback: 100 } } })
  const { setId, productIds } = await addSet(scene.sql, { products: 3 })
  const items: string[] = []
  for (const product of productIds) items.push(await scene.enqueue('price', { product }))
  for (const id of items) await scene.untilStatus(id, 'got_acknowledgment')
  const calls = await scene.control<ReceivedCall[]>('/requests?limit=100000')
  await scene.sql.begin(async (tx) => {
    // They wait behind another item of their set again, as after a requeue, when the success of the earlier call comes
    // for two of them.
    await tx`update shop_update.item set status = 'pending', lane = 'behind' where id = any (${items}::bigint[])`
    await tx`
      insert into shop_update.set_lane (product_set_id, item_id, worker_id, waiting)
      values (${setId}::bigint, -1, null, 3)`
    await tx`
      insert into shop_update.callback (request_id, item_id, outcome, digest, body)
      select i.request_id::text, i.id, 'accepted', '\\x00', x.result
      from unnest(${calls.map(({ requestId }) => requestId)}::bigint[],
        ${calls.map(({ result }) => JSON.stringify(result))}::text[]) x (request_id, result)
      join shop_update.item i on i.request_id = x.request_id where i.id = any (${items.slice(0, 2)}::bigint[])`
  })
  for (const id of items.slice(0, 2)) await scene.untilStatus(id, 'synced')
  expect(await scene.sql`select waiting from shop_update.set_lane where product_set_id = ${setId}::bigint`).toEqual([
    { waiting: 1 },
  ])
})
