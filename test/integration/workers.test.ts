import { afterEach, expect, test, vi } from 'vitest'
import { addSet, type Scene, startScene } from '../scene.ts'
import type { ReceivedCall } from '../shop/memory.ts'

let scene: Scene
afterEach(() => scene.stop())

const untilEmpty = () =>
  vi.waitFor(async () => expect(await scene.sql`select count(*)::int as n from shop_update.item`).toEqual([{ n: 0 }]), {
    timeout: 30_000,
    interval: 50,
  })

test('several workers share the queue: each item is sent once, of a product set one at a time and in its order', async () => {
  scene = await startScene({ env: { CONCURRENCY: '20' }, settings: { default: { latencyMs: { min: 1, max: 8 } } } })
  await Promise.all([scene.startWorker(), scene.startWorker()])
  const sets = []
  for (let k = 0; k < 12; k++) sets.push(await addSet(scene.sql, { seller: `Seller ${k % 4}`, products: 5 }))
  for (let round = 0; round < 4; round++) {
    for (const { productIds } of sets) {
      for (const product of productIds) await scene.enqueue(['price', 'stock', 'content', 'status'][round]!, { product })
    }
  }
  await untilEmpty()

  const [sent] = await scene.sql`select count(*)::int as items, count(distinct item_id)::int as "different" from shop_update.request`
  expect(sent).toEqual({ items: 240, different: 240 })
  const rows = await scene.sql<{ requestId: string; setId: string; itemId: number }[]>`
    select r.request_id::text as "requestId", f.product_set_id as "setId", f.id::int as "itemId"
    from shop_update.request r join shop_update.finished_item f on f.id = r.item_id`
  const of = new Map(rows.map((row) => [row.requestId, row]))
  const calls = (await scene.control<ReceivedCall[]>('/requests?limit=10000')).toReversed()
  for (const { setId } of sets) {
    const ofSet = calls.filter(({ requestId }) => of.get(requestId)!.setId === setId)
    const items = ofSet.map(({ requestId }) => of.get(requestId)!.itemId)
    expect(items).toEqual(items.toSorted((a, b) => a - b))
    expect(ofSet.slice(1).filter((call, k) => Date.parse(call.receivedAt) < Date.parse(ofSet[k]!.answeredAt!))).toEqual([])
  }
  const held = await scene.sql`select count(*)::int as n from shop_update.set_lane`
  expect(held).toEqual([{ n: 0 }])
})

test('the lead passes on when the worker that has it is killed', async () => {
  scene = await startScene()
  const second = await scene.startWorker()
  const leader = () => scene.sql<{ workerId: string }[]>`select worker_id as "workerId" from shop_update.leader where until > now()`
  const { workerId } = await vi.waitFor(
    async () => {
      const [row] = await leader()
      expect(row).toBeDefined()
      return row!
    },
    { timeout: 10_000, interval: 50 },
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
    { timeout: 15_000, interval: 50 },
  )
  const { productIds } = await addSet(scene.sql)
  await scene.untilStatus(await scene.enqueue('price', { product: productIds[0]! }), 'synced')
  await vi.waitFor(async () => expect(await scene.sql`select from shop_update.delta`).toHaveLength(0), { timeout: 10_000, interval: 50 })
})
