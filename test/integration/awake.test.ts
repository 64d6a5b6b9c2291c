import { afterEach, expect, test, vi } from 'vitest'
import type { Sql } from '../../worker/database/database.ts'
import { addSet, listen, type Scene, startScene } from '../scene.ts'

let scene: Scene
afterEach(() => scene.stop())

/** A change that no item absorbs. */
const change = async (sql: Sql = scene.sql) => {
  const { productIds } = await addSet(scene.sql)
  const [row] = await sql<
    { id: string }[]
  >`select shop_update.enqueue('price', product_id => ${productIds[0]!}::bigint) as id`
  return row!.id
}
const isAwake = async () => (await scene.sql<{ awake: boolean }[]>`select awake from shop_update.worker`)[0]!.awake
const isAsleep = () => vi.waitFor(async () => expect(await isAwake()).toBe(false), { timeout: 30_000, interval: 20 })

/** Notifications while `act` runs. */
async function heardOf(act: () => Promise<unknown>): Promise<number> {
  const heard = await listen(scene.sql)
  await act()
  return heard()
}

/** A worker that has more to do than room for it, and knows it: four calls of six seconds, and ten changes behind. */
async function busyWorker() {
  scene = await startScene({ env: { CONCURRENCY: '4' }, settings: { default: { latencyMs: 6000 } } })
  expect(await heardOf(async () => scene.untilStatus(await change(), 'made_request'))).toBe(1)
  await vi.waitFor(
    async () => {
      await change()
      expect(await isAwake()).toBe(true)
    },
    { timeout: 30_000, interval: 0 },
  )
  for (let k = 0; k < 10; k++) await change()
}
const untilDrained = async () => {
  await scene.control('/troubles', { method: 'PUT', body: { default: { latencyMs: 0 } } })
  await vi.waitFor(async () => expect(await scene.sql`select from shop_update.item`).toHaveLength(0), {
    timeout: 60_000,
    interval: 20,
  })
}

test('no change wakes a busy worker; each wakes it on a quiet queue, before it was busy and afterwards', async () => {
  await busyWorker()
  expect(
    await heardOf(async () => {
      for (let k = 0; k < 5; k++) await change()
    }),
  ).toBe(0)
  expect(await isAwake()).toBe(true)

  await untilDrained()
  await isAsleep()
  expect(await heardOf(async () => scene.untilStatus(await change(), 'synced'))).toBe(1)
})

test('a change queued while the worker was awake and committed when it sleeps is found all the same', async () => {
  await busyWorker()
  const item = await scene.sql.begin(async (tx) => {
    const id = await change(tx as unknown as Sql)
    await untilDrained()
    await isAsleep()
    return id
  })
  await scene.untilStatus(item, 'synced')
})

test('each worker that is alive and not awake is reason enough to wake all', async () => {
  scene = await startScene({ workers: false })
  const worker = (awake: boolean, heartbeat = 'now') =>
    scene.sql`
      insert into shop_update.worker (name, flow, awake, heartbeat_at)
      values ('one', 'synchronous', ${awake}, ${heartbeat}::text::timestamptz)`
  expect(await heardOf(() => change())).toBe(1)
  await worker(true)
  await worker(true)
  expect(await heardOf(() => change())).toBe(0)
  await worker(false, 'yesterday')
  expect(await heardOf(() => change())).toBe(0)
  // registers as a worker of the previous version does
  await scene.sql`insert into shop_update.worker (name, flow) values ('old', 'synchronous')`
  expect(await heardOf(() => change())).toBe(1)
  await scene.sql`delete from shop_update.worker where not awake`
  expect(await heardOf(() => change())).toBe(0)
  // killed while it was awake
  await scene.sql`update shop_update.worker set heartbeat_at = now() - interval '2 minutes'`
  expect(await heardOf(() => change())).toBe(1)
})

test('a transaction open for a while wakes even those that are awake: they may sleep when it commits', async () => {
  scene = await startScene({ workers: false })
  await scene.sql`insert into shop_update.worker (name, flow, awake) values ('one', 'synchronous', true)`
  const transaction = () =>
    scene.sql.begin(async (tx) => {
      await tx`select pg_sleep(0.25)`
      await change(tx as unknown as Sql)
    })
  expect(await heardOf(transaction)).toBe(1)
})
