import { afterEach, expect, test, vi } from 'vitest'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import { type RunningShop, startShop } from '../../demo/shop/shop.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
let back: RunningShop | undefined
afterEach(async () => {
  await scene.stop()
  await back?.stop()
  back = undefined
})

/** This many changes, each in a product set of its own. */
async function queue(items: number) {
  const sets = await Promise.all(Array.from({ length: items }, () => addSet(scene.sql)))
  const products = sets.flatMap(({ productIds }) => productIds)
  await scene.sql`select shop_update.enqueue('price', product_id => id) from unnest(${products}::bigint[]) id`
}

const countOf = async (status: string) => {
  const [row] = await scene.sql<{ items: number }[]>`select (
    (select count(*) from shop_update.item where status = ${status}::text::shop_update.status)
    + (select count(*) from shop_update.finished_item
      where status = ${status}::text::shop_update.status))::int as items`
  return row!.items
}
/** Calls that ever failed. */
const failedCalls = async () => {
  const [row] = await scene.sql<
    { calls: number }[]
  >`select count(*)::int as calls from shop_update.answer where outcome <> 'success'`
  return row!.calls
}
const until = (condition: () => Promise<void>) => vi.waitFor(condition, { timeout: 40_000, interval: 20 })

test('the Shop is down: the circuit opens, only a handful of items burns a retry; later all is Synced', async () => {
  scene = await startScene({ env: { CONCURRENCY: '10', RETRY_UNIT_SECONDS: '0.1' } })
  await scene.shop.stop()
  await queue(200)
  // More than open the circuit: a probe has been refused as well.
  await until(async () => expect(await failedCalls()).toBeGreaterThan(5))
  expect(await failedCalls()).toBeLessThan(20)
  expect(await countOf('pending')).toBeGreaterThan(150)
  expect(scene.worker.child.exitCode).toBeNull()

  back = await startShop({
    port: scene.shop.port,
    credentials: { username: 'sc', password: 'canary-password-of-the-shop' },
  })
  await until(async () => expect(await countOf('synced')).toBe(200))
  expect(await failedCalls()).toBeLessThan(40)
  const [burnt] = await scene.sql`select sum(failures)::int as failures from shop_update.finished_item`
  expect(burnt!.failures).toBe(await failedCalls())
})

test('SHOP_RATE_PER_SECOND holds', async () => {
  scene = await startScene({ env: { SHOP_RATE_PER_SECOND: '20' } })
  const queued = Date.now()
  await queue(120)
  await until(async () => expect(await countOf('synced')).toBe(120))
  const calls = await scene.control<ReceivedCall[]>('/requests?limit=1000')
  expect(calls).toHaveLength(120)
  const times = calls.map(({ receivedAt }) => new Date(receivedAt).getTime())
  // The bucket is a tenth of a second: 118 of the 120 must wait for their token.
  expect(Math.max(...times) - queued).toBeGreaterThanOrEqual(5900)
  // No second has more than the rate plus the bucket, and a few that a busy machine delays into it.
  const sent = (await scene.sql<{ at: Date }[]>`select sent_at as at from shop_update.request`).map(({ at }) =>
    at.getTime(),
  )
  for (const from of sent) expect(sent.filter((at) => at >= from && at < from + 1000).length).toBeLessThan(20 + 2 + 8)
})

test('a Shop that answers HTTP 500 is there: the circuit stays closed, and every item is tried once', async () => {
  scene = await startScene({
    env: { CONCURRENCY: '10', RETRY_UNIT_SECONDS: '3600' },
    settings: { default: { http500: 100 } },
  })
  await queue(100)
  await until(async () => expect(await countOf('delayed')).toBe(100))
  expect(await scene.sql`select distinct sends, failures from shop_update.item`).toEqual([{ sends: 1, failures: 1 }])
  expect(await scene.control('/stats')).toMatchObject({ requests: 100 })
})
