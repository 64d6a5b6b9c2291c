import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene({ env: { CONCURRENCY: '20', RETRY_UNIT_SECONDS: '3600' } })
})
afterAll(() => scene.stop())
afterEach(() => scene.control('/troubles', { method: 'DELETE' }))

const troubles = (settings: SettingsInput) => scene.control('/troubles', { method: 'PUT', body: settings })
const makeDue = (itemId: string) =>
  scene.sql`update shop_update.item set run_at = now() where id = ${itemId}::bigint and lane = 'delayed'`

/**
 * Queues changes in one transaction, so that no worker sees the first before the last; resolves with their ids, in
 * order.
 */
const enqueueTogether = (changes: { topic: string; product?: string; set?: string }[]): Promise<string[]> =>
  scene.sql.begin(async (tx) => {
    const ids: string[] = []
    for (const { topic, product = null, set = null } of changes) {
      const [row] = await tx`select shop_update.enqueue(${topic}, ${product}::bigint, ${set}::bigint) as id`
      ids.push(row!.id)
    }
    return ids
  })

/** The requests for these items as the Shop received them, in order, each with its item. */
async function requestsOf(itemIds: string[]): Promise<(ReceivedCall & { itemId: string })[]> {
  const rows = await scene.sql<{ requestId: string; itemId: string }[]>`
    select request_id::text as "requestId", item_id as "itemId" from shop_update.request
    where item_id = any (${itemIds}::bigint[])`
  const itemOf = new Map(rows.map(({ requestId, itemId }) => [requestId, itemId]))
  const calls = await scene.control<ReceivedCall[]>('/requests?limit=100000')
  return calls.toReversed().flatMap((call) => {
    const itemId = itemOf.get(call.requestId)
    return itemId === undefined ? [] : [{ ...call, itemId }]
  })
}

const untilSynced = (itemIds: string[], timeout = 20_000) =>
  vi.waitFor(
    async () => {
      const [row] = await scene.sql<{ n: number }[]>`
        select count(*)::int as n from shop_update.finished_item
        where id = any (${itemIds}::bigint[]) and status = 'synced'`
      expect(row!.n).toBe(itemIds.length)
    },
    { timeout, interval: 50 },
  )

/** No request of a set arrives before the previous one has been answered. */
function expectOneAtATime(calls: ReceivedCall[]): void {
  const early = calls.slice(1).filter((call, k) => Date.parse(call.receivedAt) < Date.parse(calls[k]!.answeredAt!))
  expect(early).toEqual([])
}

const TOPICS = ['content', 'price', 'stock', 'status', 'consignment_stock', 'qc_status']

describe('within a product set', () => {
  test('FIFO, one in flight at a time', async () => {
    await troubles({ default: { latencyMs: 5 } })
    const { setId, productIds } = await addSet(scene.sql, { products: 6 })
    const changes = productIds.flatMap((product, k) =>
      TOPICS.map((_, n) => ({ topic: TOPICS[(n + k) % TOPICS.length]!, product })),
    )
    const items = await enqueueTogether([
      ...changes.slice(0, 20),
      { topic: 'images', set: setId },
      ...changes.slice(20),
    ])
    await untilSynced(items)
    const calls = await requestsOf(items)
    expect(calls.map(({ itemId }) => itemId)).toEqual(items)
    expectOneAtATime(calls)
  })

  test('what comes while one is in flight goes behind it, in the order it came', async () => {
    await troubles({ default: { latencyMs: 30 } })
    const { productIds } = await addSet(scene.sql, { products: 10 })
    const items: string[] = []
    for (const product of productIds)
      items.push(await scene.enqueue('price', { product }), await scene.enqueue('content', { product }))
    await untilSynced(items)
    const calls = await requestsOf(items)
    expect(calls.map(({ itemId }) => itemId)).toEqual(items)
    expectOneAtATime(calls)
  })

  test('the item that creates comes first', async () => {
    const { setId, productIds } = await addSet(scene.sql, { inShop: false, products: 3 })
    const items = await enqueueTogether([
      ...productIds.map((product) => ({ topic: 'price', product })),
      { topic: 'images', set: setId },
      { topic: 'new_product_set', set: setId },
      ...productIds.map((product) => ({ topic: 'stock', product })),
    ])
    await untilSynced(items)
    const create = items[4]!
    const calls = await requestsOf(items)
    expect(calls.map(({ itemId }) => itemId)).toEqual([create, ...items.filter((itemId) => itemId !== create)])
    expectOneAtATime(calls)
    // They waited behind it and were never Blocked.
    expect(
      await scene.sql`
        select item_id from shop_update.transition where item_id = any (${items}::bigint[]) and to_status = 'blocked'`,
    ).toEqual([])
  })

  test('the create is preferred among those that wait behind one in flight', async () => {
    await troubles({ topics: { price: { latencyMs: 5000 } } })
    const { productIds } = await addSet(scene.sql, { products: 3 })
    const newOne = productIds[2]!
    const first = await scene.enqueue('price', { product: productIds[0]! })
    await scene.untilStatus(first, 'made_request')
    await scene.sql`update catalog.product set src_id = null, shop_sku = null where id = ${newOne}::bigint`
    const [stock, create] = await enqueueTogether([
      { topic: 'stock', product: productIds[1]! },
      { topic: 'new_product', product: newOne },
    ])
    await untilSynced([first, stock!, create!])
    expect((await requestsOf([first, stock!, create!])).map(({ itemId }) => itemId)).toEqual([first, create, stock])
  })

  test('an item that is absorbing a change of an open transaction does not hold up those behind it', async () => {
    await troubles({ topics: { content: { latencyMs: 5000 } } })
    const { productIds } = await addSet(scene.sql, { products: 3 })
    const first = await scene.enqueue('content', { product: productIds[0]! })
    await scene.untilStatus(first, 'made_request')
    const [locked, next] = await enqueueTogether(productIds.slice(1).map((product) => ({ topic: 'price', product })))
    await vi.waitFor(
      async () => {
        expect(
          await scene.sql`
            select id from shop_update.item where id in (${locked!}::bigint, ${next!}::bigint) and lane = 'behind'`,
        ).toHaveLength(2)
      },
      { timeout: 30_000, interval: 20 },
    )
    const held = Promise.withResolvers<void>()
    const letGo = Promise.withResolvers<void>()
    const transaction = scene.sql.begin(async (tx) => {
      await tx`select shop_update.enqueue('price', product_id => ${productIds[1]!}::bigint)`
      held.resolve()
      await letGo.promise
    })
    try {
      await held.promise
      await vi.waitFor(async () => expect((await scene.item(next!)).status).toBe('synced'), {
        timeout: 20_000,
        interval: 20,
      })
      expect(await scene.item(locked!)).toMatchObject({ status: 'pending', coalesced: 0 })
    } finally {
      letGo.resolve()
      await transaction
    }
    expect(await scene.untilStatus(locked!, 'synced')).toMatchObject({ coalesced: 1, sends: 1 })
  })

  test('a set of 2,000 items drains in order, and does not keep others waiting', async () => {
    const big = await addSet(scene.sql, { seller: 'A Thousand Variations', products: 2000 })
    const rows = await scene.sql<{ id: string }[]>`
      select shop_update.enqueue('price', product_id => p.id) as id
      from (select unnest(${big.productIds}::bigint[]) as id) p`
    const items = rows.map(({ id }) => id)
    const small = await addSet(scene.sql, { seller: 'A Thousand Variations' })
    await scene.untilStatus(await scene.enqueue('price', { product: small.productIds[0]! }), 'synced')
    expect(
      (await scene.sql`select 1 from shop_update.item where product_set_id = ${big.setId}::bigint limit 1`).length,
    ).toBe(1)
    await untilSynced(items, 200_000)
    const calls = await requestsOf(items)
    expect(calls.map(({ itemId }) => itemId)).toEqual(items)
    expectOneAtATime(calls)
    // Nothing is left in the books of the set.
    const books = () => scene.sql`select * from shop_update.set_lane where product_set_id = ${big.setId}::bigint`
    await vi.waitFor(async () => expect(await books()).toEqual([]), { timeout: 30_000, interval: 50 })
  }, 240_000)
})

describe('between product sets', () => {
  test('sets do not wait for each other', async () => {
    await troubles({ topics: { price: { latencyMs: 5000 } } })
    const [slow, quick] = [await addSet(scene.sql), await addSet(scene.sql)]
    const held = await scene.enqueue('price', { product: slow.productIds[0]! })
    await scene.untilStatus(held, 'made_request')
    const behind = await scene.enqueue('stock', { product: slow.productIds[0]! })
    await scene.untilStatus(await scene.enqueue('stock', { product: quick.productIds[0]! }), 'synced')
    expect((await scene.item(held)).status).toBe('made_request')
    expect(await scene.item(behind)).toMatchObject({ status: 'pending', sends: 0 })
    await untilSynced([held, behind])
  })

  test('sellers are served in turn: one with 2,000 items does not starve ten with five each', async () => {
    await troubles({ default: { latencyMs: 5 } })
    const add = async (seller: string, sets: number) => {
      const { sellerId } = await addSet(scene.sql, { seller })
      const rows = await scene.sql<{ productId: string }[]>`
        with s as (
          insert into catalog.product_set (seller_id, title, src_id)
          select ${sellerId}::bigint, 'Scarf', 'S-' || ${sellerId}::text || '-' || g
          from generate_series(1, ${sets}::int) g returning id
        )
        insert into catalog.product (product_set_id, seller_sku, title, price, src_id, shop_sku)
        select id, 'SCARF-' || id, 'Scarf', 9.90, 'P-' || id, 'AC' || id from s returning id as "productId"`
      return rows.map(({ productId }) => productId)
    }
    // Its ids are the lowest: it would come first in any order without turns.
    const large = await add('Ninety Percent', 2000)
    const small = (await Promise.all(Array.from({ length: 10 }, (_, k) => add(`Small ${k}`, 5)))).flat()
    const [ofLarge, ofSmall] = await scene.sql.begin(async (tx) => {
      const queue = async (productIds: string[]) => {
        const rows = await tx<{ id: string }[]>`
          select shop_update.enqueue('price', product_id => p.id) as id
          from (select unnest(${productIds}::bigint[]) as id) p`
        return rows.map(({ id }) => id)
      }
      return [await queue(large), await queue(small)] as const
    })
    await untilSynced([...ofLarge, ...ofSmall], 100_000)
    const calls = await requestsOf([...ofLarge, ...ofSmall])
    const isSmall = new Set(ofSmall)
    const last = calls.findLastIndex(({ itemId }) => isSmall.has(itemId))
    // 50 items of ten sellers, with eleven sellers taking turns: some 55 requests; what is in flight or claimed in
    // batches may come between.
    expect(last).toBeLessThan(200)
  })
})

describe('items that wait hold nobody but their own topic', () => {
  test('an acknowledged item does not hold its set', async () => {
    await scene.api('/api/flow', { method: 'PUT', body: { flow: 'asynchronous' } })
    await vi.waitFor(
      async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow: 'asynchronous' }] }),
      {
        timeout: 30_000,
        interval: 20,
      },
    )
    await troubles({ topics: { price: { noCallback: 100 } } })
    const { productIds } = await addSet(scene.sql, { products: 2 })
    const items = await enqueueTogether([
      { topic: 'price', product: productIds[0]! },
      { topic: 'stock', product: productIds[0]! },
      { topic: 'price', product: productIds[1]! },
      { topic: 'content', product: productIds[1]! },
    ])
    await untilSynced([items[1]!, items[3]!])
    await scene.untilStatus(items[2]!, 'got_acknowledgment')
    expect(await scene.item(items[0]!)).toMatchObject({ status: 'got_acknowledgment', sends: 1 })
    expect((await requestsOf(items)).map(({ itemId }) => itemId)).toEqual(items)
    await scene.api('/api/flow', { method: 'PUT', body: { flow: 'synchronous' } })
    await vi.waitFor(
      async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow: 'synchronous' }] }),
      {
        timeout: 30_000,
        interval: 20,
      },
    )
  })

  test.each(['delayed', 'failed'])(
    'a %s item lets later items of other topics pass, not of its own; they follow it in order',
    async (status) => {
      await troubles({ topics: { price: { http500: 100 } } })
      const { productIds } = await addSet(scene.sql, { products: 3 })
      const first = await scene.enqueue('price', { product: productIds[0]! })
      await scene.untilStatus(first, 'delayed')
      if (status === 'failed') {
        await scene.sql`update shop_update.item set failures = 11, run_at = now() where id = ${first}::bigint`
        await scene.untilStatus(first, 'failed')
      }
      const later = await enqueueTogether([
        { topic: 'price', product: productIds[1]! },
        { topic: 'stock', product: productIds[0]! },
        { topic: 'content', product: productIds[1]! },
        { topic: 'price', product: productIds[2]! },
        { topic: 'stock', product: productIds[2]! },
      ])
      const [price1, , , price2] = later as [string, string, string, string]
      await troubles({})
      await untilSynced(later.filter((itemId) => itemId !== price1 && itemId !== price2))
      // One was queued before everything that passed: it is held back, not just late.
      for (const itemId of [price1, price2])
        expect(await scene.item(itemId)).toMatchObject({ status: 'pending', sends: 0 })
      expect((await scene.item(first)).status).toBe(status)
      await makeDue(first)
      await untilSynced([first, ...later])
      const calls = await requestsOf([first, ...later])
      expect(calls.slice(-3).map(({ itemId }) => itemId)).toEqual([first, price1, price2])
      expectOneAtATime(calls)
    },
  )

  test('the same change of another product is held only by an earlier one: a later one lets it pass', async () => {
    const { productIds } = await addSet(scene.sql, { products: 2 })
    await troubles({ topics: { price: { http500: 100 } } })
    const [early, late] = await enqueueTogether(productIds.map((product) => ({ topic: 'price', product })))
    await scene.untilStatus(early!, 'delayed')
    expect(await scene.item(late!)).toMatchObject({ status: 'pending', sends: 0 })
    await makeDue(early!)
    await vi.waitFor(async () => expect((await scene.item(early!)).failures).toBe(2), { timeout: 30_000 })
    expect(await scene.item(late!)).toMatchObject({ sends: 0 })
    // The first is given up: its retries are exhausted.
    await scene.sql`update shop_update.item set failures = 27, run_at = now() where id = ${early!}::bigint`
    await vi.waitFor(async () => expect(await scene.item(early!)).toMatchObject({ status: 'failed', failures: 28 }), {
      timeout: 30_000,
    })
    await scene.untilStatus(late!, 'delayed')
    // An exhausted item holds up nothing, neither waiting nor later items.
    await troubles({})
    await makeDue(late!)
    const third = await addAnother(late!)
    await untilSynced([late!, third])
    expect(await scene.item(early!)).toMatchObject({ status: 'failed', failures: 28, sends: 3 })
  })

  /** A change of one more product of the item's set. */
  async function addAnother(itemId: string): Promise<string> {
    const [row] = await scene.sql<{ id: string }[]>`
      insert into catalog.product (product_set_id, seller_sku, title, price, src_id, shop_sku)
      select product_set_id, 'ANOTHER', 'Another', 5, '900000' || product_set_id, 'AC-ANOTHER-' || product_set_id
      from shop_update.item where id = ${itemId}::bigint returning id`
    return scene.enqueue('price', { product: row!.id })
  }
})
