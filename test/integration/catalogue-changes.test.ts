import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

/** Products that are deleted, or moved to another set, while changes of them are in the queue. */
let scene: Scene
beforeAll(async () => {
  scene = await startScene({ env: { RETRY_UNIT_SECONDS: '3600', SHOP_TIMEOUT_MS: '20000' } })
})
afterAll(() => scene.stop())
beforeEach(() => troubles({}))

const troubles = (body: object) => scene.control('/troubles', { method: 'PUT', body })
/** Waits until the worker sends newly claimed items in this flow. */
async function useFlow(flow: 'synchronous' | 'asynchronous') {
  await scene.api('/api/flow', { method: 'PUT', body: { flow } })
  await vi.waitFor(async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow }] }), {
    timeout: 20_000,
  })
}
const TOPICS = ['content', 'price', 'stock', 'status', 'qc_status'] as const

interface Left {
  status: string
  reason: string | null
}
const left = async (itemId: string): Promise<Left | undefined> => {
  const [row] = await scene.sql<
    Left[]
  >`select status, reason from shop_update.finished_item where id = ${itemId}::bigint`
  return row
}
const untilLeft = (itemId: string) =>
  vi.waitFor(
    async () => {
      const item = await left(itemId)
      if (!item) throw new Error(`Item ${itemId} is still in the queue: ${JSON.stringify(await scene.item(itemId))}`)
      return item
    },
    { timeout: 20_000, interval: 20 },
  )
/** The queue according to the counters, and the real one. */
const counted = async () => {
  const rows = await scene.sql`
    select c.topic, c.status, sum(c.n)::int - (
        select count(*)::int from shop_update.item i
        where i.topic = c.topic and i.status = c.status) as off
    from (select topic, status, n from shop_update.status_count
      union all select topic, status, n from shop_update.unfolded() where kind = 'status') c
    where c.status <> 'synced' group by 1, 2`
  return rows.filter(({ off }) => off !== 0)
}
const callsOf = (productId: string) =>
  scene.control<ReceivedCall[]>(`/requests?productId=${600000 + Number(productId)}`)

describe('deleted', () => {
  const remove = (productId: string) => scene.sql`delete from catalog.product where id = ${productId}::bigint`

  test('its items end at once, wherever they are, neither synced nor failed; the rest of the set goes on', async () => {
    const { setId, productIds } = await addSet(scene.sql, { products: 3 })
    const [kept, gone, fresh] = productIds as [string, string, string]
    await scene.sql`update catalog.product set src_id = null, shop_sku = null where id = ${fresh}::bigint`
    await troubles({ topics: { qc_status: { http500: 100 }, status: { http500: 100 } } })
    const delayed = await scene.enqueue('qc_status', { product: gone })
    await scene.untilStatus(delayed, 'delayed')
    const failed = await scene.enqueue('status', { product: gone })
    await scene.untilStatus(failed, 'delayed')
    await scene.sql`update shop_update.item set status = 'failed' where id = ${failed}::bigint`
    await scene.sql`
      insert into shop_update.delta (kind, topic, status, n)
      values ('status', 'status', 'delayed', -1), ('status', 'status', 'failed', 1)`
    await useFlow('asynchronous')
    await troubles({ default: { noCallback: 100 } })
    const awaiting = await scene.enqueue('price', { product: gone })
    await scene.untilStatus(awaiting, 'got_acknowledgment')
    await useFlow('synchronous')
    const blocked = await scene.enqueue('price', { product: fresh })
    await scene.untilStatus(blocked, 'blocked')
    // One is out, others wait behind it.
    await troubles({ topics: { content: { latencyMs: 3000 } } })
    const out = await scene.enqueue('content', { product: kept })
    await scene.untilStatus(out, 'made_request')
    const behind = [
      await scene.enqueue('stock', { product: gone }),
      await scene.enqueue('new_product', { product: gone }),
    ]
    const next = await scene.enqueue('stock', { product: kept })

    await remove(gone)
    await remove(fresh)
    for (const itemId of [delayed, failed, awaiting, blocked, ...behind]) {
      const { status } = await scene.item(itemId)
      expect(await untilLeft(itemId)).toEqual({ status, reason: 'product_deleted' })
      const { body } = await scene.api<{ sellerAnswer: object; transitions: { to: string; reason: string }[] }>(
        `/api/items/${itemId}`,
      )
      expect(body.sellerAnswer).toMatchObject({
        whoActs: 'nobody',
        text: expect.stringContaining('its product has been deleted in Seller Center'),
      })
      expect(body.transitions.at(-1)).toMatchObject({ to: status, reason: 'product_deleted' })
    }
    await scene.untilStatus(out, 'synced')
    await scene.untilStatus(next, 'synced')
    expect(await scene.sql`select id from shop_update.item where product_set_id = ${setId}::bigint`).toEqual([])
    expect(await counted()).toEqual([])
    expect(scene.worker.log.filter(({ level }) => Number(level) >= 50)).toEqual([])
  })

  test('a set with no product left: its create has made nothing, and what is about the set ends too', async () => {
    const { sellerId, setId, productIds } = await addSet(scene.sql, { inShop: false })
    await scene.sql`update catalog.seller set active = true where id = ${sellerId}::bigint`
    const images = await scene.enqueue('images', { set: setId })
    await scene.untilStatus(images, 'blocked')
    // Deleted before the create is queued in the same transaction: the worker finds the set empty.
    const create = await scene.sql.begin(async (tx) => {
      const [row] = await tx<
        { id: string }[]
      >`select shop_update.enqueue('new_product_set', product_set_id => ${setId}::bigint) as id`
      await tx`delete from catalog.product where id = ${productIds[0]!}::bigint`
      return row!.id
    })
    expect(await untilLeft(create)).toMatchObject({ reason: 'product_deleted' })
    expect(await untilLeft(images)).toMatchObject({ reason: 'product_deleted' })
    const { body } = await scene.api<{ status: string; sellerAnswer: { text: string } }>(`/api/items/${create}`)
    expect(body.status).not.toBe('synced')
    expect(body.sellerAnswer.text).not.toMatch(/synced|already had everything/)
    const [synced] = await scene.sql`
      select count(*)::int as n from shop_update.delta where kind = 'synced' and topic = 'new_product_set'`
    expect(synced).toEqual({ n: 0 })
  })

  test('a set gets a product again after its images had ended with the last one: they are queued anew', async () => {
    const { setId, productIds } = await addSet(scene.sql)
    const { productIds: others } = await addSet(scene.sql, { products: 2 })
    await troubles({ topics: { images: { http500: 100 } } })
    const images = await scene.enqueue('images', { set: setId })
    await scene.untilStatus(images, 'delayed')
    await remove(productIds[0]!)
    expect(await untilLeft(images)).toEqual({ status: 'delayed', reason: 'product_deleted' })
    await troubles({})
    await scene.sql`update catalog.product set product_set_id = ${setId}::bigint where id = ${others[0]!}::bigint`
    await vi.waitFor(
      async () =>
        expect(
          await scene.sql`
            select status from shop_update.finished_item
            where product_set_id = ${setId}::bigint and topic = 'images' and status = 'synced'`,
        ).toHaveLength(1),
      { timeout: 20_000, interval: 20 },
    )
    expect(await scene.sql`select from shop_update.owed_change where product_set_id = ${setId}::bigint`).toEqual([])
  })

  test('while its call is out: the answer ends it, and nothing of it is left behind', async () => {
    const { setId, productIds } = await addSet(scene.sql, { products: 2 })
    await troubles({ topics: { price: { latencyMs: 1500, http500: 100 } } })
    const out = await scene.enqueue('price', { product: productIds[0]! })
    await scene.untilStatus(out, 'made_request')
    await remove(productIds[0]!)
    expect(await untilLeft(out)).toMatchObject({ status: 'delayed', reason: 'product_deleted' })
    await scene.sql`delete from catalog.product where product_set_id = ${setId}::bigint`
    await scene.sql`delete from catalog.product_set where id = ${setId}::bigint`
    await vi.waitFor(async () => expect(await scene.sql`select id from shop_update.catalog_change`).toEqual([]), {
      timeout: 20_000,
      interval: 20,
    })
    expect(await counted()).toEqual([])
  })
})

describe('moved to another set', () => {
  async function twoSets() {
    const from = await addSet(scene.sql, { products: 2 })
    const to = await addSet(scene.sql, { products: 1 })
    return {
      from: from.setId,
      to: to.setId,
      product: from.productIds[0]!,
      sibling: from.productIds[1]!,
      other: to.productIds[0]!,
    }
  }
  const move = (product: string, to: string) =>
    scene.sql`update catalog.product set product_set_id = ${to}::bigint where id = ${product}::bigint`

  test('what waits goes along: all five topics are Synced, in the new set', async () => {
    const { from, to, product, sibling, other } = await twoSets()
    await troubles({ topics: { consignment_stock: { latencyMs: 2000 } } })
    const holding = [
      await scene.enqueue('consignment_stock', { product: sibling }),
      await scene.enqueue('consignment_stock', { product: other }),
    ]
    for (const itemId of holding) await scene.untilStatus(itemId, 'made_request')
    const items: string[] = []
    for (const topic of TOPICS) items.push(await scene.enqueue(topic, { product }))
    await move(product, to)
    for (const itemId of items) {
      expect(await scene.untilStatus(itemId, 'synced')).toMatchObject({ failures: 0, sends: 1 })
    }
    const sets = await scene.sql`
      select distinct product_set_id as id from shop_update.finished_item where id = any (${items}::bigint[])`
    expect(sets).toEqual([{ id: to }])
    expect(
      await scene.sql`
        select product_set_id from shop_update.set_lane
        where product_set_id in (${from}::bigint, ${to}::bigint) and waiting <> 0`,
    ).toEqual([])
  })

  test('while its price is out: what is changed in the new set waits for that, and the last value wins', async () => {
    const { to, product } = await twoSets()
    await scene.sql`update catalog.product set price = 10.00 where id = ${product}::bigint`
    await troubles({ topics: { price: { latencyMs: 2000 } } })
    const first = await scene.enqueue('price', { product })
    await scene.untilStatus(first, 'made_request')
    await move(product, to)
    await scene.sql`update catalog.product set price = 20.00 where id = ${product}::bigint`
    const second = await scene.enqueue('price', { product })
    const stock = await scene.enqueue('stock', { product })
    expect((await scene.item(first)).status).toBe('made_request')
    for (const itemId of [first, second, stock]) await scene.untilStatus(itemId, 'synced')
    const calls = (await callsOf(product)).toSorted((one, two) => Number(one.requestId) - Number(two.requestId))
    expect(
      calls
        .filter(({ topic }) => topic === 'price')
        .map(({ call }) => (call.params.productsInfo![0] as { price: string }).price),
    ).toEqual(['10.00', '20.00'])
    const [overlap] = await scene.sql`
      select count(*)::int as n from shop_update.request one join shop_update.answer a on a.request_id = one.request_id
      join shop_update.request two on two.request_id > one.request_id and two.sent_at < a.answered_at
      where one.item_id = ${first}::bigint and two.item_id in (${second}::bigint, ${stock}::bigint)`
    expect(overlap).toEqual({ n: 0 })
  })

  test('moved while its change was being queued: the worker that meets it sends nothing in the old set', async () => {
    const { from, to, product } = await twoSets()
    const queued = Promise.withResolvers<void>()
    const moved = Promise.withResolvers<void>()
    let itemId = ''
    const queueing = scene.sql.begin(async (tx) => {
      const [row] = await tx<
        { id: string }[]
      >`select shop_update.enqueue('content', product_id => ${product}::bigint) as id`
      itemId = row!.id
      queued.resolve()
      await moved.promise
    })
    await queued.promise
    await move(product, to)
    await vi.waitFor(async () => expect(await scene.sql`select id from shop_update.catalog_change`).toEqual([]), {
      timeout: 20_000,
      interval: 20,
    })
    moved.resolve()
    await queueing
    await scene.untilStatus(itemId, 'synced')
    const [item] =
      await scene.sql`select product_set_id as set from shop_update.finished_item where id = ${itemId}::bigint`
    expect(item).toEqual({ set: to })
    expect(await scene.statuses(itemId)).toContain('pending')
    const [request] = await scene.sql<
      { body: string }[]
    >`select body from shop_update.request where item_id = ${itemId}::bigint`
    expect(JSON.parse(request!.body).params.productsInfo[0].product_set).toBe(to)
    expect(from).not.toBe(to)
  })

  test('the old set is merged into the new one and deleted, a call being out: what is changed follows it', async () => {
    const { from, to, product, sibling } = await twoSets()
    await troubles({ topics: { price: { latencyMs: 1500 } } })
    const first = await scene.enqueue('price', { product })
    await scene.untilStatus(first, 'made_request')
    const waiting = await scene.enqueue('content', { product: sibling })
    await scene.sql.begin(async (tx) => {
      await tx`update catalog.product set product_set_id = ${to}::bigint where product_set_id = ${from}::bigint`
      await tx`delete from catalog.product_set where id = ${from}::bigint`
      await tx`select shop_update.enqueue('stock', product_id => ${product}::bigint)`
    })
    const stock = await scene.enqueue('stock', { product })
    for (const itemId of [first, waiting, stock])
      expect(await scene.untilStatus(itemId, 'synced')).toMatchObject({ sends: 1, failures: 0 })
    await vi.waitFor(async () => expect(await scene.sql`select id from shop_update.catalog_change`).toEqual([]), {
      timeout: 20_000,
      interval: 20,
    })
    expect(await counted()).toEqual([])
  })

  test('Blocked and Delayed: they go along and wait there for what they wait for', async () => {
    const { to, product } = await twoSets()
    await troubles({ topics: { price: { http500: 100 } } })
    const delayed = await scene.enqueue('price', { product })
    await scene.untilStatus(delayed, 'delayed')
    await move(product, to)
    await vi.waitFor(
      async () =>
        expect(
          (await scene.sql`select product_set_id as set from shop_update.item where id = ${delayed}::bigint`)[0],
        ).toEqual({ set: to }),
      { timeout: 20_000, interval: 20 },
    )
    await troubles({})
    expect(await scene.enqueue('price', { product })).toBe(delayed)
    await scene.untilStatus(delayed, 'synced')
  })
})
