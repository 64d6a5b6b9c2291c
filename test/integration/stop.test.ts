import { afterEach, expect, test, vi } from 'vitest'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
afterEach(() => scene.stop())

test('SIGTERM: calls in flight are finished, what was not sent is handed back, the worker leaves with exit code 0', async () => {
  scene = await startScene({ env: { CONCURRENCY: '5' }, settings: { default: { latencyMs: 400 } } })
  const items: string[] = []
  for (let k = 0; k < 20; k++) {
    const { productIds } = await addSet(scene.sql)
    items.push(await scene.enqueue('price', { product: productIds[0]! }))
  }
  await vi.waitFor(async () => expect(await scene.control('/stats')).toMatchObject({ requests: 5 }))
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
  for (const item of items) await scene.untilStatus(item, 'synced')
  expect(await scene.control('/stats')).toMatchObject({ requests: 20 })
})

test('SIGINT stops it as well; what is queued while it is down is taken at the next start', async () => {
  scene = await startScene()
  scene.worker.child.kill('SIGINT')
  expect(await scene.worker.stop()).toBe(0)
  const { productIds } = await addSet(scene.sql)
  const item = await scene.enqueue('price', { product: productIds[0]! })
  expect(await scene.item(item)).toMatchObject({ status: 'pending' })
  scene.worker = await scene.startWorker()
  await scene.untilStatus(item, 'synced')
})
