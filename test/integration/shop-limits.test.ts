import { afterEach, expect, test, vi } from 'vitest'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
afterEach(() => scene.stop())

const ITEMS = 300

/** Changes, and this many creates. */
async function queue(creates: number) {
  const sets = await Promise.all(Array.from({ length: ITEMS }, (_, k) => addSet(scene.sql, { inShop: k >= creates })))
  await scene.sql`
    select case when p.src_id is null then shop_update.enqueue('new_product_set', product_set_id => p.product_set_id)
      else shop_update.enqueue('price', product_id => p.id) end
    from catalog.product p where p.product_set_id = any (${sets.map(({ setId }) => setId)}::bigint[])`
}

/** One change goes through, and the Shop closes the connection that it came on. */
async function untilIdleClosed() {
  const { productIds } = await addSet(scene.sql)
  await scene.untilStatus(await scene.enqueue('price', { product: productIds[0]! }), 'synced')
  const closed = async () => (await scene.control<{ limits: { idleClosed: number } }>('/stats')).limits.idleClosed
  await expect.poll(closed, { timeout: 30_000 }).toBeGreaterThan(0)
}

/** How many creates there are. A call that is turned away at the door is no failure, except for a create. */
const SHOPS: [string, number, SettingsInput][] = [
  ['closes connections beyond ten', 0, { default: { latencyMs: 20 }, limits: { connections: 10 } }],
  ['becomes slower with what is in flight', 30, { default: { latencyMs: 20 }, limits: { parallel: 5 } }],
  ['closes idle connections', 30, { default: { latencyMs: 5 }, limits: { idleMs: 1500 } }],
]

test.each(SHOPS)(
  'three workers on a Shop that %s: each item is sent once, and none fails',
  async (_what, creates, settings) => {
    scene = await startScene({ settings })
    await scene.startWorker()
    await scene.startWorker()
    const closesIdle = settings.limits?.idleMs !== undefined
    if (closesIdle) await untilIdleClosed()
    const all = closesIdle ? ITEMS + 1 : ITEMS
    await queue(creates)
    await vi.waitFor(
      async () => {
        // what is left says why when time is up
        const left = await scene.sql`select status, lane, failures, message from shop_update.item limit 5`
        expect([...left]).toEqual([])
        const [row] = await scene.sql<{ n: number }[]>`
        select count(*)::int as n from shop_update.finished_item where status = 'synced'`
        expect(row!.n).toBe(all)
      },
      { timeout: 60_000, interval: 50 },
    )
    const [seen] = await scene.sql`
    select
      (select sum(failures)::int from shop_update.finished_item) as failures,
      (select count(*)::int from shop_update.transition where to_status in ('delayed', 'failed', 'blocked')) as held`
    expect(seen).toEqual({ failures: 0, held: 0 })
    const processed = scene.shop.calls().filter(({ processedAt }) => processedAt !== null)
    expect(processed).toHaveLength(all)
    const created = processed.filter(({ call }) => call.method === 'Product.createProducts')
    expect(new Set(created.map(({ call }) => JSON.stringify(call.params))).size).toBe(creates)
  },
)
