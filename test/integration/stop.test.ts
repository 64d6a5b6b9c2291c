import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { addSet, type Scene, startScene } from '../scene.ts'
import { workerEnv } from '../worker-process.ts'

let scene: Scene
afterEach(() => scene.stop())

const untilCalled = (times: number) =>
  vi.waitFor(
    async () => expect((await scene.control<{ requests: number }>('/stats')).requests).toBeGreaterThanOrEqual(times),
    {
      timeout: 30_000,
      interval: 5,
    },
  )

/** Until the worker is about to write into a locked table. */
const untilWaitingFor = (table: string) =>
  vi.waitFor(
    async () =>
      expect(
        await scene.sql`select from pg_locks where not granted and relation = ${table}::text::regclass`,
      ).toHaveLength(1),
    { timeout: 30_000, interval: 20 },
  )

test('SIGTERM: calls in flight are finished, what was not sent is handed back, the exit code is 0', async () => {
  scene = await startScene({ env: { CONCURRENCY: '5' }, settings: { default: { latencyMs: 2000 } } })
  const products = (await Promise.all(Array.from({ length: 20 }, () => addSet(scene.sql)))).flatMap(
    ({ productIds }) => productIds,
  )
  const items = await scene.sql<{ id: string }[]>`
    select shop_update.enqueue('price', product_id => id) as id from unnest(${products}::bigint[]) id`
  await untilCalled(5)
  expect(await scene.worker.stop()).toBe(0)

  const { requests } = await scene.control<{ requests: number }>('/stats')
  const [synced] = await scene.sql`select count(*)::int as n from shop_update.finished_item where status = 'synced'`
  expect(synced).toEqual({ n: requests })
  expect(requests).toBeLessThan(20)
  expect(await scene.sql`select distinct status, lane, sends from shop_update.item`).toEqual([
    { status: 'pending', lane: 'ready', sends: 0 },
  ])
  expect(await scene.sql`select from shop_update.set_lane`).toHaveLength(0)
  expect(await scene.sql`select from shop_update.worker`).toHaveLength(0)
  expect(scene.worker.log.at(-1)).toMatchObject({ msg: 'Stopped; nothing is in flight' })

  scene.worker = await scene.startWorker()
  for (const { id } of items) await scene.untilStatus(id, 'synced')
  expect(await scene.control('/stats')).toMatchObject({ requests: 20 })
})

test('SIGTERM: a request that was written but has not left is handed back, and does not count', async () => {
  scene = await startScene()
  const other = await scene.sql.reserve()
  await other`begin`
  await other`lock table shop_update.request in share mode` // no request can be written
  const { productIds } = await addSet(scene.sql)
  const item = await scene.enqueue('price', { product: productIds[0]! })
  await untilWaitingFor('shop_update.request')
  const stopped = scene.worker.stop()
  await vi.waitFor(() => expect(scene.worker.log.at(-1)).toMatchObject({ signal: 'SIGTERM' }), { timeout: 30_000 })
  await other`commit`
  other.release()
  expect(await stopped).toBe(0)
  expect(await scene.item(item)).toMatchObject({ status: 'pending', sends: 0, failures: 0 })
  const statuses = await scene.statuses(item)
  expect(statuses.slice(0, 5)).toEqual(['pending', 'processing', 'building_payload', 'made_request', 'pending'])
  // on a busy machine a heartbeat comes late: it is handed back for that, and claimed once or twice more
  expect(statuses.length).toBeLessThanOrEqual(9)
  expect(statuses.slice(5).filter((status) => status !== 'processing' && status !== 'pending')).toEqual([])
  expect(await scene.control('/stats')).toMatchObject({ requests: 0 })

  scene.worker = await scene.startWorker()
  expect(await scene.untilStatus(item, 'synced')).toMatchObject({ sends: 1 })
})

test('SIGINT stops it as well; what is queued while it is down is taken at the next start', async () => {
  scene = await startScene({ settings: { default: { latencyMs: 400 } } })
  const inFlight = await scene.enqueue('price', { product: (await addSet(scene.sql)).productIds[0]! })
  await untilCalled(1)
  const exited = once(scene.worker.child, 'exit')
  scene.worker.child.kill('SIGINT')
  expect(await exited).toEqual([0, null])
  expect(await scene.item(inFlight)).toMatchObject({ status: 'synced' })
  expect(await scene.sql`select from shop_update.worker`).toHaveLength(0)

  const item = await scene.enqueue('price', { product: (await addSet(scene.sql)).productIds[0]! })
  expect(await scene.item(item)).toMatchObject({ status: 'pending' })
  scene.worker = await scene.startWorker()
  await scene.untilStatus(item, 'synced')
})

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s while it is starting: it stops as soon as it can, with exit code 0',
  async (signal) => {
    scene = await startScene({ workers: false })
    const other = await scene.sql.reserve()
    await other`begin`
    await other`lock table shop_update.worker in exclusive mode` // it cannot register
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../worker/main.ts')], {
      env: { PATH: process.env.PATH, ...workerEnv(scene.databaseUrl, scene.shop.url) },
      stdio: 'ignore',
    })
    const exited = once(child, 'exit')
    await untilWaitingFor('shop_update.worker')
    child.kill(signal)
    await other`commit`
    other.release()
    expect(await exited).toEqual([0, null])
    expect(await scene.sql`select from shop_update.worker`).toHaveLength(0)
  },
)
