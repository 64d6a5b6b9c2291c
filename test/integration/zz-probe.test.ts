import { afterEach, expect, test, vi } from 'vitest'
import type { Sql } from '../../worker/queue/database.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
const releases: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(releases.splice(0).map((r) => r()))
  await scene.stop()
})
async function hold(lock: (tx: Sql) => PromiseLike<unknown>) {
  const held = Promise.withResolvers<void>()
  const locked = Promise.withResolvers<void>()
  const transaction = scene.sql.begin(async (tx) => {
    await lock(tx as unknown as Sql)
    locked.resolve()
    await held.promise
  })
  await Promise.race([locked.promise, transaction])
  const letGo = async () => {
    held.resolve()
    await transaction
  }
  releases.push(letGo)
  return letGo
}
const restart = async () => {
  await scene.worker.kill()
  scene.worker = await scene.startWorker()
}

test('B locked item does not hold up recovery', async () => {
  scene = await startScene()
  await scene.control('/troubles', { method: 'PUT', body: { default: { hang: 100 } } })
  const items: string[] = []
  for (let k = 0; k < 3; k++) {
    const { productIds } = await addSet(scene.sql)
    items.push(await scene.enqueue('price', { product: productIds[0]! }))
  }
  for (const id of items) await scene.untilStatus(id, 'made_request')
  await scene.control('/troubles', { method: 'DELETE' })
  await scene.worker.kill()
  const letGo = await hold((tx) => tx`select from shop_update.item where id = ${items[0]!}::bigint for update`)
  scene.worker = await scene.startWorker()
  await scene.untilStatus(items[1]!, 'synced')
  await scene.untilStatus(items[2]!, 'synced')
  await letGo()
  await scene.untilStatus(items[0]!, 'synced')
}, 60_000)

test('C calls that wait for a connection do not leave after a freeze', async () => {
  scene = await startScene({ env: { SHOP_CONNECTIONS: '1' }, settings: { default: { latencyMs: 400 } } })
  const items: string[] = []
  for (let k = 0; k < 5; k++) {
    const { productIds } = await addSet(scene.sql)
    items.push(await scene.enqueue('price', { product: productIds[0]! }))
  }
  await vi.waitFor(async () => expect(await scene.sql`select from shop_update.item where status = 'made_request'`).toHaveLength(5), { interval: 5 })
  const frozen = scene.worker
  process.kill(frozen.child.pid!, 'SIGSTOP')
  scene.worker = await scene.startWorker({ SHOP_CONNECTIONS: '10' })
  for (const id of items) await scene.untilStatus(id, 'synced')
  const before = await scene.control<{ requests: number }>('/stats')
  process.kill(frozen.child.pid!, 'SIGCONT')
  await vi.waitFor(async () => expect(await scene.sql`select from shop_update.worker where heartbeat_at > now() - interval '1 second'`).toHaveLength(2), { timeout: 15_000 })
  await frozen.stop()
  expect(await scene.control('/stats')).toMatchObject({ requests: before.requests })
}, 60_000)

test('D fence of write back', async () => {
  scene = await startScene()
  await scene.control('/troubles', { method: 'PUT', body: { default: { latencyMs: 500, partial: 100 } } })
  const { setId } = await addSet(scene.sql, { inShop: false, products: 2 })
  const create = await scene.enqueue('new_product_set', { set: setId })
  await scene.untilStatus(create, 'made_request')
  await vi.waitFor(async () => expect(await scene.control('/stats')).toMatchObject({ requests: 1 }))
  const frozen = scene.worker
  process.kill(frozen.child.pid!, 'SIGSTOP')
  scene.worker = await scene.startWorker()
  await scene.untilStatus(create, 'blocked')
  process.kill(frozen.child.pid!, 'SIGCONT')
  await frozen.stop()
  expect([...await scene.sql`select src_id from catalog.product order by id`]).toEqual([{ src_id: null }, { src_id: null }])
}, 60_000)

test('E forgotten worker', async () => {
  scene = await startScene()
  const second = await scene.startWorker()
  await scene.sql`delete from shop_update.worker`
  await vi.waitFor(async () => expect(await scene.sql`select from shop_update.worker`).toHaveLength(2), { timeout: 5000 })
  void second
}, 60_000)
