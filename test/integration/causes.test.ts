import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import type { Causes, Items, Requeued } from '../../worker/api/internal/schemas.ts'
import { foldCounts, verifyCauses, verifyCounts } from '../../worker/queue/counts.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene({ env: { FAILED_AFTER: '1', RETRY_UNIT_SECONDS: '3600', LEASE_SECONDS: '4' } })
})
afterAll(() => scene.stop())
afterEach(async () => {
  await scene.control('/troubles', { method: 'DELETE' })
  expect(await verifyCauses(scene.sql)).toEqual([])
  expect(await verifyCounts(scene.sql)).toEqual([])
})

const troubles = (settings: SettingsInput) => scene.control('/troubles', { method: 'PUT', body: settings })
const causes = async (query = '') => (await scene.api<Causes>(`/api/causes${query}`)).body.causes
const itemsOf = async (cause: string, tab: string) =>
  (await scene.api<Items>(`/api/items?tab=${tab}&cause=${cause}`)).body.items.map(({ id }) => id)

/** So many changes of a topic, each of a seller of its own; resolves when all have failed. */
async function fail(topic: string, trouble: SettingsInput['default'], items: number): Promise<string[]> {
  await troubles({ topics: { [topic]: trouble } })
  const ids: string[] = []
  for (let seller = 0; seller < items; seller++) {
    const { productIds } = await addSet(scene.sql, { seller: `${topic} ${seller}` })
    ids.push(await scene.enqueue(topic, { product: productIds[0]! }))
  }
  for (const id of ids) await scene.untilStatus(id, 'failed', 'blocked')
  return ids
}

test('each cause once, with its items and sellers; one is requeued, the others stay as they are', async () => {
  const prices = await fail('price', { http500: 100 }, 3)
  const stocks = await fail('consignment_stock', { failureRows: 100 }, 2)
  const statuses = await fail('status', { wrongId: 100 }, 1)
  const failed = await causes('?tab=failed')
  expect(failed).toMatchObject([
    { reason: 'failure', method: 'Product.updatePrices', httpStatus: 500, items: 3, sellers: 3, whoActs: 'shop' },
    { reason: 'failure', method: 'Product.updateStock', httpStatus: 200, items: 2, sellers: 2 },
  ])
  expect(failed[0]!.trend).toHaveLength(24)
  const [price, stock] = failed
  expect(await itemsOf(price!.id, 'failed')).toEqual(prices.toReversed())
  expect(await itemsOf(stock!.id, 'failed')).toEqual(stocks.toReversed())
  const [blocked, ...noMore] = await causes('?tab=blocked')
  expect(noMore).toEqual([])
  expect(blocked).toMatchObject({ reason: 'unprocessable_response', items: 1, whoActs: 'admin' })
  expect(await itemsOf(blocked!.id, 'blocked')).toEqual(statuses)
  const { body: item } = await scene.api<{ cause: { id: string; pattern: string } }>(`/api/items/${prices[0]}`)
  expect(item.cause).toEqual({ id: price!.id, pattern: price!.pattern })

  await troubles({})
  const requeue = (dryRun: boolean) =>
    scene.api<Requeued>('/api/requeue', {
      method: 'POST',
      body: { filter: { tab: 'failed', cause: price!.id }, dryRun },
    })
  expect((await requeue(true)).body).toMatchObject({ requeued: 3, productSets: 3 })
  expect((await requeue(false)).body).toMatchObject({ requeued: 3, productSets: 3 })
  for (const id of prices) await scene.untilStatus(id, 'synced')
  expect(await causes('?tab=failed')).toMatchObject([{ id: stock!.id, items: 2 }])
  // the past can be searched
  await foldCounts(scene.sql)
  expect(await causes('?q=updateprices')).toMatchObject([{ id: price!.id, items: 0, sellers: 0 }])
  expect((await causes()).map(({ id }) => id)).toEqual(expect.arrayContaining([price!.id, stock!.id, blocked!.id]))
})

test('whatever ends it takes the item from its cause', async () => {
  // a newer change that it absorbs
  const [absorbs] = await fail('price', { http500: 100 }, 1)
  const [row] = await scene.sql<{ productId: string }[]>`
    select product_id as "productId" from shop_update.item where id = ${absorbs!}::bigint`
  await troubles({})
  expect(await scene.enqueue('price', { product: row!.productId })).toBe(absorbs)
  await scene.untilStatus(absorbs!, 'synced')
  // a retry, and a deleted product
  const [retried, deleted] = await fail('price', { http500: 100 }, 2)
  await troubles({})
  await scene.sql`update shop_update.item set run_at = now() where id = ${retried!}::bigint`
  await scene.untilStatus(retried!, 'synced')
  await scene.sql`
    delete from catalog.product p using shop_update.item i where i.id = ${deleted!}::bigint and p.id = i.product_id`
  await vi.waitFor(async () => expect((await scene.item(deleted!)).finished).toBe(true), 10_000)
  // an admin, and a callback
  const [discarded, resent, answered] = await fail('status', { wrongId: 100 }, 3)
  await troubles({})
  for (const [id, action] of [
    [discarded, 'discard'],
    [resent, 'resend'],
  ])
    await scene.api(`/api/items/${id}/resolve`, { method: 'POST', body: { action, reason: 'tried' } })
  await scene.untilStatus(resent!, 'synced')
  const { requestId } = await scene.item(answered!)
  await scene.control('/callbacks', { method: 'POST', body: { requestId } })
  await scene.untilStatus(answered!, 'synced')
  await vi.waitFor(async () => {
    const left = await causes('?tab=failed')
    expect(left.map(({ method }) => method)).not.toContain('Product.updatePrices')
  }, 10_000)
})

test('a create whose worker died, and what waits for it', async () => {
  await troubles({ topics: { new_product_set: { hang: 100 } } })
  const { setId, productIds } = await addSet(scene.sql, { seller: 'Creates', inShop: false })
  const create = await scene.enqueue('new_product_set', { set: setId })
  const price = await scene.enqueue('price', { product: productIds[0]! })
  await scene.untilStatus(create, 'made_request')
  await scene.worker.kill()
  await troubles({})
  scene.worker = await scene.startWorker()
  await scene.untilStatus(create, 'blocked')
  await scene.untilStatus(price, 'blocked')
  expect(await causes('?tab=blocked')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ reason: 'unknown_outcome', method: 'Product.createProducts', items: 1 }),
      expect.objectContaining({ reason: 'not_in_shop', items: 1, whoActs: 'nobody' }),
    ]),
  )
  await scene.api(`/api/items/${create}/resolve`, {
    method: 'POST',
    body: { action: 'resend', reason: 'tried', mayCreateTwice: true },
  })
  await scene.untilStatus(price, 'synced')
})

test('what a requeue would only block again is told, and the missing creations are queued instead', async () => {
  await troubles({})
  const sets = await Promise.all(
    Array.from({ length: 23 }, (_, set) =>
      addSet(scene.sql, { seller: 'Not there yet', inShop: false, products: set < 13 ? 2 : 1 }),
    ),
  )
  const there = await fail('price', { http500: 100 }, 1)
  await troubles({})
  const items: string[] = []
  for (const { productIds } of sets)
    for (const product of productIds) items.push(await scene.enqueue('price', { product }))
  for (const id of items) await scene.untilStatus(id, 'blocked')
  const body = { itemIds: [...items, ...there], include: ['blocked', 'failed'] }
  const preview = await scene.api<Requeued>('/api/requeue', { method: 'POST', body: { ...body, dryRun: true } })
  expect(preview.body).toMatchObject({ requeued: 37, productSets: 24, blockedAgain: 36, uncreatedSets: 23 })
  expect(await scene.api('/api/creations', { method: 'POST', body })).toMatchObject({
    status: 200,
    body: { queued: 23, items: 36 },
  })
  for (const id of items) await scene.untilStatus(id, 'synced')
  expect(await scene.api('/api/creations', { method: 'POST', body })).toMatchObject({
    status: 200,
    body: { queued: 0, items: 0 },
  })
  const [row] =
    await scene.sql`select action, detail ->> 'reason' as reason from shop_update.audit order by id desc limit 1`
  expect(row).toEqual({ action: 'creations', reason: null })
})
