import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
afterEach(() => scene.stop())

/** This many changes in sets of their own, and a create for every tenth set. */
async function queue(items: number) {
  const sets = await Promise.all(Array.from({ length: items }, (_, k) => addSet(scene.sql, { inShop: k % 10 !== 0 })))
  await scene.sql`
    select case when p.src_id is null then shop_update.enqueue('new_product_set', product_set_id => p.product_set_id)
      else shop_update.enqueue('price', product_id => p.id) end
    from catalog.product p where p.product_set_id = any (${sets.map(({ setId }) => setId)}::bigint[])`
}

const untilSynced = (items: number) =>
  vi.waitFor(
    async () => {
      const [row] = await scene.sql<{ n: number }[]>`
        select count(*)::int as n from shop_update.finished_item where status = 'synced'`
      expect(row!.n).toBe(items)
    },
    { timeout: 100_000, interval: 50 },
  )

/** What became of all items, according to the history. */
async function seen() {
  const [row] = await scene.sql`
    select
      (select sum(failures)::int from shop_update.finished_item) as failures,
      (select count(*)::int from shop_update.transition where to_status in ('delayed', 'failed', 'blocked')) as held,
      (select count(*)::int from shop_update.answer where outcome not in ('success', 'busy')) as "failedCalls",
      (select count(*)::int from shop_update.answer where outcome = 'busy') as busy,
      (select count(*)::int from shop_update.transition
        where from_status = 'got_response' and to_status = 'pending' and reason = 'shop_busy') as "putBack"`
  const shop = await scene.control<{ creates: number; duplicateCreates: number; limits: Record<string, number> }>(
    '/stats',
  )
  return { ...(row as { failures: number; held: number; failedCalls: number; busy: number; putBack: number }), shop }
}

const SAYS: [string, SettingsInput['limits']][] = [
  ['429', { perSecond: 20 }],
  ['429 with Retry-After', { perSecond: 20, retryAfter: 1 }],
  ['503 with Retry-After', { perSecond: 20, busyStatus: 503, retryAfter: 1 }],
]

test.each(SAYS)(
  'a Shop that takes 20 a second and says %s: all is Synced, and nothing has failed',
  async (_says, limits) => {
    scene = await startScene({ settings: { limits } })
    await scene.startWorker()
    await queue(200)
    await untilSynced(200)
    const { shop, busy, putBack, ...bad } = await seen()
    expect(bad).toEqual({ failures: 0, held: 0, failedCalls: 0 })
    expect(shop).toMatchObject({ creates: 20, duplicateCreates: 0 })
    expect(shop.limits.busy).toBeGreaterThan(0)
    expect(busy).toBe(shop.limits.busy)
    expect(putBack).toBe(busy)
    const said = scene.worker.log.filter((line) => line['event.name'] === 'shop_busy')
    expect(said.length).toBeLessThanOrEqual(1)
  },
)

test('a worker that has found nothing to send leaves the call to what comes next', async () => {
  scene = await startScene({ workers: false })
  const { sql } = scene
  await sql`update shop_update.shop_pace set busy_since = now(), refused_at = now(), per_second = 0.0001`
  await scene.startWorker()
  // It has looked, and been granted a call: the next one is some hours away.
  await vi.waitFor(
    async () => expect(await sql`select from shop_update.shop_pace where spent_until > 'epoch'`).toHaveLength(1),
    { timeout: 20_000, interval: 20 },
  )
  const { productIds } = await addSet(sql)
  await scene.untilStatus(await scene.enqueue('price', { product: productIds[0]! }), 'synced')
})

test('a product that the Shop always tells to wait does not hold up the others of its seller', async () => {
  scene = await startScene({ workers: false })
  const sets = await Promise.all(Array.from({ length: 20 }, () => addSet(scene.sql)))
  const refused: string[] = []
  const shop = createServer(async (request, response) => {
    const text = (await request.toArray()).join('')
    const call = JSON.parse(text).at(-1)
    const [{ product_id: id, sku, seller_sku, config_id }] = call.params.productsInfo
    if (refused.length === 0 || refused[0] === id) {
      refused.push(id)
      response.writeHead(429).end('Too many changes of this product')
      return
    }
    const product = { id, sku, seller_sku, config_id, updated_at: '2026-01-01 00:00:00' }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify([{ id: call.id, result: [{ status: 'success', product }] }]))
  })
  shop.listen(0, '127.0.0.1')
  await once(shop, 'listening')
  try {
    await scene.startWorker({ SHOP_URL: `http://127.0.0.1:${(shop.address() as AddressInfo).port}/` })
    const first = await scene.enqueue('price', { product: sets[0]!.productIds[0]! })
    await vi.waitFor(() => expect(refused.length).toBeGreaterThan(0), { timeout: 20_000, interval: 20 })
    for (const { productIds } of sets.slice(1)) await scene.enqueue('price', { product: productIds[0]! })
    await untilSynced(19)
    expect(await scene.item(first)).toMatchObject({ status: 'pending', reason: 'shop_busy', failures: 0 })
  } finally {
    shop.closeAllConnections()
    shop.close()
  }
})
