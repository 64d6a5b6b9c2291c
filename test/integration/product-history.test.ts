import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Differences, Timeline } from '../../worker/api/internal/schemas.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

/** What has become of a product set: what the Shop has of it, and what happened, with a real worker and Shop. */
let scene: Scene
beforeAll(async () => {
  scene = await startScene({
    env: { RETRY_UNIT_SECONDS: '0.001', FAILED_AFTER: '2', MAX_RETRIES: '4' },
  })
})
afterAll(() => scene.stop())
beforeEach(() => troubles({}))

const troubles = (settings: Record<string, number>) =>
  scene.control('/troubles', { method: 'PUT', body: { default: settings } })
const differences = async (setId: string, productId: string) => {
  const { status, body } = await scene.api<Differences>(`/api/products/${setId}/differences?product=${productId}`)
  expect(status).toBe(200)
  return body
}
const timeline = async (setId: string, query = '') => {
  const { status, body } = await scene.api<Timeline>(`/api/products/${setId}/timeline${query}`)
  expect({ status, body }).toMatchObject({ status: 200 })
  return body
}
async function useFlow(flow: 'synchronous' | 'asynchronous') {
  await scene.api('/api/flow', { method: 'PUT', body: { flow } })
  await vi.waitFor(async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow }] }), {
    timeout: 30_000,
  })
}
const setPrice = (productId: string, price: string) =>
  scene.sql`update catalog.product set price = ${price}::numeric where id = ${productId}::bigint`
/** So that nothing tries again by itself. */
const untilGivenUp = (itemId: string) =>
  vi.waitFor(async () => expect(await scene.item(itemId)).toMatchObject({ status: 'failed', failures: 5 }), {
    timeout: 20_000,
    interval: 20,
  })

async function created(products = 1) {
  const set = await addSet(scene.sql, { inShop: false, products })
  await scene.untilStatus(await scene.enqueue('new_product_set', { set: set.setId }), 'synced')
  return { ...set, productId: set.productIds[0]! }
}

describe('what differs', () => {
  test('nothing, of what has just been created; of what no call had nobody knows', async () => {
    const { setId, productIds } = await created(2)
    for (const productId of productIds)
      expect(await differences(setId, productId)).toEqual({
        inShop: true,
        differences: [],
        unknown: ['Consignment stock', 'Images'],
        known: true,
        impossible: null,
      })
  })

  test('a price that nobody has queued, that fails, and that comes', async () => {
    const { setId, productId } = await created()
    await setPrice(productId, '11.90')
    const price = { field: 'Price', there: '19.90', here: '11.90', since: expect.any(String) }
    expect((await differences(setId, productId)).differences).toEqual([{ ...price, itemId: null }])
    await troubles({ http500: 100 })
    const itemId = await scene.enqueue('price', { product: productId })
    await untilGivenUp(itemId)
    expect((await differences(setId, productId)).differences).toEqual([{ ...price, itemId }])
    await troubles({})
    await scene.api('/api/requeue', { method: 'POST', body: { itemIds: [itemId] } })
    await scene.untilStatus(itemId, 'synced')
    expect((await differences(setId, productId)).differences).toEqual([])
    await setPrice(productId, '12.50')
    expect((await differences(setId, productId)).differences).toMatchObject([{ there: '11.90', here: '12.50' }])
  })

  test('an item that stays for what it has absorbed: what its answered request had', async () => {
    const { setId, productId } = await created()
    await useFlow('asynchronous')
    await troubles({ noCallback: 100 })
    await setPrice(productId, '10.00')
    const itemId = await scene.enqueue('price', { product: productId })
    const first = await scene.untilStatus(itemId, 'got_acknowledgment')
    const callBack = (result?: unknown) =>
      scene.control('/callbacks', {
        method: 'POST',
        body: { requestId: first.requestId, ...(result !== undefined && { result }) },
      })
    await callBack(['garbage'])
    await scene.untilStatus(itemId, 'blocked')
    await setPrice(productId, '20.00')
    await scene.enqueue('price', { product: productId })
    await callBack()
    await scene.untilStatus(itemId, 'got_acknowledgment')
    expect((await differences(setId, productId)).differences).toMatchObject([
      { field: 'Price', there: '10.00', here: '20.00', itemId },
    ])
    await useFlow('synchronous')
  })

  test('what cannot be sent is told, and what is not in the Shop does not differ', async () => {
    const { setId, productId } = await created()
    await scene.sql`update catalog.product set attributes = '{"color": "blue"}' where id = ${productId}::bigint`
    await scene.untilStatus(await scene.enqueue('content', { product: productId }), 'synced')
    await setPrice(productId, '-1.00')
    const answer = await differences(setId, productId)
    expect(answer.impossible).toMatch(/below zero/)
    expect(answer.differences).toEqual([])
    const other = await addSet(scene.sql, { inShop: false })
    expect(await differences(other.setId, other.productIds[0]!)).toEqual({
      inShop: false,
      differences: [],
      unknown: [],
      known: false,
      impossible: null,
    })
  })

  test('a product of another set is none of this one', async () => {
    const [a, b] = [await created(), await created()]
    const { status, body } = await scene.api(`/api/products/${a.setId}/differences?product=${b.productId}`)
    expect([status, body.field]).toEqual([404, 'product'])
  })
})

describe('the timeline of a set', () => {
  test('each change with its story: five failures are one line, with each of their times', async () => {
    const { setId, productId } = await created()
    await troubles({ http500: 100 })
    const failing = await scene.enqueue('price', { product: productId })
    await untilGivenUp(failing)
    await troubles({})
    const {
      changes: [price, creation],
      nextCursor,
    } = await timeline(setId)
    expect(nextCursor).toBeNull()
    expect(price).toMatchObject({
      itemId: failing,
      topic: 'price',
      productId,
      sellerSku: `LINEN-${setId}-1`,
      status: 'failed',
      reason: { code: 'failure' },
      endedAt: null,
      steps: [
        { to: 'pending', times: 1 },
        { to: 'failed', reason: 'failure', times: 5 },
      ],
    })
    const { at, firstAt, lastAt } = price!.steps[1]!
    expect(at).toHaveLength(5)
    expect([at[0], at.at(-1)]).toEqual([firstAt, lastAt])
    expect(at).toEqual(at.toSorted())
    expect(creation).toMatchObject({
      topic: 'new_product_set',
      productId: null,
      sellerSku: null,
      status: 'synced',
      endedAt: expect.any(String),
      steps: [{ to: 'pending' }, { to: 'synced', times: 1 }],
    })
    await scene.api('/api/requeue', { method: 'POST', body: { itemIds: [failing], reason: 'The Shop is back' } })
    await scene.untilStatus(failing, 'synced')
    const [again] = (await timeline(setId)).changes
    expect(again!.steps.map(({ to, times, note }) => [to, times, note])).toEqual([
      ['pending', 1, null],
      ['failed', 5, null],
      ['pending', 1, 'The Shop is back'],
      ['synced', 1, null],
    ])
  })

  test('page after page, each change once: what is in the queue first, then the newest', async () => {
    const { setId, productIds } = await created(3)
    const synced: string[] = []
    for (const product of productIds) {
      const itemId = await scene.enqueue('content', { product })
      await scene.untilStatus(itemId, 'synced')
      synced.unshift(itemId)
    }
    await troubles({ http500: 100 })
    const open = await scene.enqueue('price', { product: productIds[0]! })
    await untilGivenUp(open)
    const whole = (await timeline(setId)).changes.map(({ itemId }) => itemId)
    expect(whole.slice(0, 4)).toEqual([open, ...synced])
    expect(whole).toHaveLength(5)
    const paged: string[] = []
    let cursor: string | null = null
    do {
      const page: Timeline = await timeline(setId, `?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`)
      paged.push(...page.changes.map(({ itemId }) => itemId))
      cursor = page.nextCursor
    } while (cursor !== null)
    expect(paged).toEqual(whole)
  })

  test.each([
    ['?cursor=nonsense', 400, 'cursor'],
    [`?cursor=${Buffer.from('{"ended":"2026-02-30 00:00:00+00","id":"1"}').toString('base64url')}`, 400, 'cursor'],
    ['?limit=101', 400, 'limit'],
    ['?limit=0', 400, 'limit'],
  ])('%s is refused', async (query, status, field) => {
    const { setId } = await addSet(scene.sql)
    const answer = await scene.api(`/api/products/${setId}/timeline${query}`)
    expect([answer.status, answer.body.field]).toEqual([status, field])
  })

  test('a set that does not exist', async () => {
    expect((await scene.api('/api/products/999999999/timeline')).status).toBe(404)
  })
})
