import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { findConflict } from '../../worker/queue/conflict.ts'
import { addSet, CALLBACK_API_KEY, type Scene, startScene } from '../scene.ts'

/** What must never happen: a product created twice, a change that is never sent. */
let scene: Scene
beforeAll(async () => {
  scene = await startScene({ env: { RETRY_UNIT_SECONDS: '3600', LEASE_SECONDS: '4' } })
})
afterAll(() => scene.stop())
beforeEach(async () => {
  await scene.control('/reset', { method: 'POST' })
  await useFlow('synchronous')
})

const troubles = (body: object) => scene.control('/troubles', { method: 'PUT', body })
const creates = async () => (await scene.control<{ creates: number; duplicateCreates: number }>('/stats')).creates

async function useFlow(flow: 'synchronous' | 'asynchronous') {
  await scene.api('/api/flow', { method: 'PUT', body: { flow } })
  await vi.waitFor(async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow }] }), {
    timeout: 30_000,
  })
}

async function requestOf(itemId: string): Promise<string> {
  const [row] = await scene.sql<
    { id: string }[]
  >`select request_id::text as id from shop_update.item where id = ${itemId}::bigint`
  return row!.id
}
const callBack = (requestId: string, result: unknown[]) =>
  scene.control('/callbacks', { method: 'POST', body: { requestId, result, apiKey: CALLBACK_API_KEY } })
const made = (setId: string, k = 1) => ({
  status: 'success',
  product: {
    seller_sku: `LINEN-${setId}-${k}`,
    sku: `AC${setId}${k}`,
    id: `77${setId}${k}`,
    config_id: `88${setId}`,
    updated_at: '2026-11-24 08:00:00',
  },
})

describe('a second create of a product that is with the Shop', () => {
  test.each(['new_product_set', 'new_product'])(
    'is Blocked, %s, and has nothing to send once the first is done',
    async (topic) => {
      await useFlow('asynchronous')
      await troubles({ default: { noCallback: 100 } })
      const { setId, productIds } = await addSet(scene.sql, { inShop: topic === 'new_product' })
      if (topic === 'new_product') {
        await scene.sql`update catalog.product set src_id = null, shop_sku = null where id = ${productIds[0]!}::bigint`
      }
      const subject = topic === 'new_product' ? { product: productIds[0]! } : { set: setId }
      const first = await scene.enqueue(topic, subject)
      await scene.untilStatus(first, 'got_acknowledgment')
      const second = await scene.enqueue(topic, subject)
      expect(second).not.toBe(first)
      const blocked = await scene.untilStatus(second, 'blocked')
      expect(blocked).toMatchObject({
        reason: 'new_variation',
        message: 'The same product is still being created in the Shop.',
        sends: 0,
      })
      expect((await scene.api(`/api/items/${second}`)).body).toMatchObject({ blockedBy: first })

      const { product } = made(setId)
      const [set] = await scene.sql<
        { srcId: string | null }[]
      >`select src_id as "srcId" from catalog.product_set where id = ${setId}::bigint`
      await callBack(await requestOf(first), [
        { status: 'success', product: { ...product, config_id: set!.srcId ?? product.config_id } },
      ])
      await scene.untilStatus(first, 'synced')
      expect(await scene.untilStatus(second, 'synced')).toMatchObject({ reason: 'nothing_to_send', sends: 0 })
    },
  )

  test('waits behind the first when that one has failed: it holds back the later ones of its topic', async () => {
    await useFlow('asynchronous')
    await troubles({ default: { noCallback: 100 } })
    const { setId } = await addSet(scene.sql, { inShop: false })
    const first = await scene.enqueue('new_product_set', { set: setId })
    await scene.untilStatus(first, 'got_acknowledgment')
    const second = await scene.enqueue('new_product_set', { set: setId })
    await scene.untilStatus(second, 'blocked')
    await callBack(await requestOf(first), [{ status: 'failure', error: { message: 'no such brand' } }])
    await scene.untilStatus(first, 'delayed')
    expect(await scene.untilStatus(second, 'pending')).toMatchObject({ sends: 0 })
  })
})

test('a failure callback settles an unknown outcome: Delayed, and tried again', async () => {
  await troubles({ topics: { new_product_set: { hangBefore: 100 } } })
  const { setId } = await addSet(scene.sql, { inShop: false })
  const item = await scene.enqueue('new_product_set', { set: setId })
  await scene.untilStatus(item, 'made_request')
  await scene.worker.kill()
  scene.worker = await scene.startWorker()
  expect(await scene.untilStatus(item, 'blocked')).toMatchObject({ reason: 'unknown_outcome' })
  await callBack(await requestOf(item), [{ status: 'failure', error: { message: 'no such brand' } }])
  expect(await scene.untilStatus(item, 'delayed')).toMatchObject({
    reason: 'failure',
    message: 'no such brand',
    failures: 1,
  })
})

test('a second id for a product, or for a set, is a conflict that names both, and nothing is overwritten', async () => {
  const { setId, productIds } = await addSet(scene.sql)
  const product = { productId: productIds[0]!, srcId: '1234' }
  expect(await findConflict(scene.sql, { productSetId: setId, setSrcId: null, products: [product] })).toBe(
    `Product ${productIds[0]} (seller SKU LINEN-${setId}-1) ` +
      `already has the Shop's id ${600000 + Number(productIds[0])}; the answer brings 1234.`,
  )
  expect(await findConflict(scene.sql, { productSetId: setId, setSrcId: '99', products: [] })).toBe(
    `Product set ${setId} already has the Shop's id ${500000 + Number(setId)}; the answer brings 99.`,
  )
  const same = { productId: productIds[0]!, srcId: String(600000 + Number(productIds[0])) }
  expect(
    await findConflict(scene.sql, { productSetId: setId, setSrcId: String(500000 + Number(setId)), products: [same] }),
  ).toBeNull()
})

test('a change that a Blocked item absorbed is queued anew when that one is discarded', async () => {
  await troubles({ topics: { price: { garbage: 100 } } })
  const { productIds } = await addSet(scene.sql)
  const broken = await scene.enqueue('price', { product: productIds[0]! })
  await scene.untilStatus(broken, 'blocked')
  expect(await scene.enqueue('price', { product: productIds[0]! })).toBe(broken)
  await scene.control('/troubles', { method: 'DELETE' })
  expect(
    (
      await scene.api(`/api/items/${broken}/resolve`, {
        method: 'POST',
        body: { action: 'discard', reason: 'old answer' },
      })
    ).status,
  ).toBe(200)
  const [next] = await vi.waitFor(
    async () => {
      const rows = await scene.sql<{ id: string }[]>`
        select id from shop_update.finished_item where product_id = ${productIds[0]!}::bigint and status = 'synced'`
      expect(rows).toHaveLength(1)
      return rows
    },
    { timeout: 20_000 },
  )
  expect(next!.id).not.toBe(broken)

  // and if it absorbed nothing, nothing is queued
  await troubles({ topics: { price: { garbage: 100 } } })
  const other = await scene.enqueue('price', { product: productIds[0]! })
  await scene.untilStatus(other, 'blocked')
  await scene.api(`/api/items/${other}/resolve`, { method: 'POST', body: { action: 'discard', reason: 'old answer' } })
  expect(await scene.sql`select from shop_update.item where product_id = ${productIds[0]!}::bigint`).toHaveLength(0)
})

test('a requeue by filter leaves creates of unknown fate alone; they go where that is confirmed', async () => {
  await troubles({ topics: { new_product_set: { garbage: 100 } } })
  const { setId } = await addSet(scene.sql, { inShop: false })
  const item = await scene.enqueue('new_product_set', { set: setId })
  await scene.untilStatus(item, 'blocked')
  const before = await creates()
  const swept = await scene.api('/api/requeue', { method: 'POST', body: { filter: { tab: 'blocked' } } })
  expect(swept.body).toMatchObject({ skippedByReason: { may_create_twice: expect.any(Number) } })
  expect(JSON.stringify(swept.body.skipped)).toContain(`"${item}"`)
  expect(await creates()).toBe(before)
  const body = { itemIds: [item], mayCreateTwice: true }
  expect((await scene.api('/api/requeue', { method: 'POST', body })).body).toMatchObject({ requeued: 1 })
})

test('the Shop has it already: its ids are entered by hand, and what waits is sent', async () => {
  await troubles({ topics: { new_product_set: { garbage: 100 } } })
  const { setId, productIds } = await addSet(scene.sql, { inShop: false, products: 2 })
  const [first, second] = productIds as [string, string]
  const create = await scene.enqueue('new_product_set', { set: setId })
  await scene.untilStatus(create, 'blocked')
  const price = await scene.enqueue('price', { product: first })
  await scene.untilStatus(price, 'blocked')
  await troubles({})
  const before = await creates()
  const taken = await addSet(scene.sql)
  const adopt = (body: Record<string, unknown>) =>
    scene.api(`/api/items/${create}/resolve`, {
      method: 'POST',
      body: { action: 'adopt', reason: 'the Shop looked it up', shopSku: 'BY-HAND', ...body },
    })
  expect(await adopt({ srcId: '880001' })).toMatchObject({ status: 422, body: { field: 'productId' } })
  expect(await adopt({ srcId: '880001', productId: taken.productIds[0] })).toMatchObject({ status: 422 })
  expect(await adopt({ srcId: '880001', productId: first })).toMatchObject({ status: 422, body: { field: 'setSrcId' } })
  const other = (600000 + Number(taken.productIds[0])).toString()
  expect(await adopt({ srcId: other, productId: first, setSrcId: '880000' })).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining(`already belongs to product ${taken.productIds[0]}`) },
  })
  expect(await scene.sql`select src_id from catalog.product where id = ${first}::bigint`).toEqual([{ src_id: null }])
  const [{ sku }] = (await scene.sql`select seller_sku as sku from catalog.product where id = ${second}::bigint`) as [
    { sku: string },
  ]
  expect(await adopt({ srcId: '880001', productId: first, setSrcId: '880000' })).toMatchObject({
    status: 200,
    body: { status: 'blocked', missing: [sku] },
  })
  expect(await adopt({ srcId: '880002' })).toMatchObject({ status: 200, body: { status: 'pending', missing: [] } })
  await scene.untilStatus(create, 'synced')
  await scene.untilStatus(price, 'synced')
  expect(await creates()).toBe(before)
  expect(await scene.sql`select src_id from catalog.product_set where id = ${setId}::bigint`).toEqual([
    { src_id: '880000' },
  ])
  expect(await adopt({ srcId: '880003', productId: first })).toMatchObject({ status: 409 })
})
