import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import { TOPIC_NAMES, type Topic } from '../../worker/domain/topics.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

const AUTH = { api: 1, method: 'auth', params: { username: 'sc', password: 'canary-password-of-the-shop' }, id: 1 }
const CALLED = ['pending', 'processing', 'building_payload', 'made_request']
const ANSWERED = ['got_response', 'building_response_payload', 'response_processing', 'synced']

interface OnTheWire {
  headers: Record<string, string | string[] | undefined>
  elements: { api: number; method: string; params: unknown; id: unknown }[]
}

let scene: Scene
/** What left the worker, byte for byte: the simulated Shop drops the auth element and most headers. */
let wire: Awaited<ReturnType<typeof listenIn>>

beforeAll(async () => {
  scene = await startScene({ workers: false })
  wire = await listenIn(scene.shop.url)
  await startWorker()
})
afterAll(async () => {
  await scene.stop()
  await wire.stop()
})
afterEach(() => scene.control('/troubles', { method: 'DELETE' }))

const startWorker = (env = {}) => scene.startWorker({ SHOP_URL: wire.url, VENTURE_TIMEZONE: 'Africa/Cairo', ...env })

/** Forwards every request to the Shop and keeps it. */
async function listenIn(shopUrl: string) {
  const seen = new Map<string, OnTheWire>()
  let forwarding: Promise<void> = Promise.resolve()
  const server = createServer({ keepAliveTimeout: 120_000 }, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const elements = JSON.parse(body) as OnTheWire['elements']
    seen.set(String(elements.at(-1)!.id), { headers: request.headers, elements })
    const headers = Object.entries(request.headers).filter(
      ([name]) => name.startsWith('x-sc-') || name === 'traceparent' || name === 'content-type',
    )
    await forwarding
    const answer = await fetch(`${shopUrl}${request.url}`, {
      method: request.method!,
      headers: headers as [string, string][],
      body,
    })
    response
      .writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
      .end(await answer.text())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    seen,
    /** What comes from now on waits until it is let go. @returns how to let it go */
    hold(): () => void {
      const letGo = Promise.withResolvers<void>()
      forwarding = letGo.promise
      return letGo.resolve
    },
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A set with everything that a call can contain; its second product may be new. */
async function fullSet({ inShop = true, secondIsNew = false } = {}) {
  const added = await addSet(scene.sql, { inShop, products: 2 })
  const { setId, productIds } = added
  await scene.sql`
    update catalog.product_set set tax_class = 'standard', shipment_type = 'dropshipping' where id = ${setId}::bigint`
  await scene.sql`
    update catalog.product
    set description = 'Light & "airy"', barcode = '400638133393' || id % 10, price = 1019.9, special_price = 899,
      special_from = '2026-11-24 00:00+02', special_to = '2026-11-30 21:59:59.5+00',
      consignment_stock = 7, qc_status = 'rejected', active = id % 2 = 0,
      attributes = '{"12": "Linen", "31": "كتان"}'
    where product_set_id = ${setId}::bigint`
  await scene.sql`
    insert into catalog.product_image (product_set_id, position, url, hash) values
      (${setId}::bigint, 2, 'https://images.example/2.jpg', ${'b'.repeat(32)}),
      (${setId}::bigint, 1, 'https://images.example/1.jpg', ${'a'.repeat(32)})`
  if (secondIsNew)
    await scene.sql`update catalog.product set src_id = null, shop_sku = null where id = ${productIds[1]!}::bigint`
  return {
    ...added,
    first: productIds[0]!,
    second: productIds[1]!,
    setSrcId: inShop ? String(500000 + Number(setId)) : null,
  }
}
type FullSet = Awaited<ReturnType<typeof fullSet>>

const SPECIAL = { special_from_date: '2026-11-23T22:00:00+00:00', special_to_date: '2026-11-30T21:59:59.5+00:00' }
const srcId = (productId: string) => String(600000 + Number(productId))
const shopSku = (productId: string) => `AC${productId}APP-${productId}`
const sellerSku = (set: FullSet, productId: string) => `LINEN-${set.setId}-${set.productIds.indexOf(productId) + 1}`

const created = (set: FullSet, productId: string) => ({
  approval_status: 2,
  attribute_set: 'apparel',
  attributes: { 12: 'Linen', 31: 'كتان' },
  brand: 'Nile',
  primary_category: 'Shirts',
  categories: ['Shirts', 'Summer'],
  config_id: set.setSrcId,
  description: 'Light & "airy"',
  platform_identifier: 'SellerCenter',
  price: '1019.90',
  product_identifier: `400638133393${Number(productId) % 10}`,
  product_set: set.setId,
  seller: 'Nile Textiles',
  seller_sku: sellerSku(set, productId),
  shipment_type: 'dropshipping',
  special_price: '899.00',
  ...SPECIAL,
  status: Number(productId) % 2 === 0 ? 'active' : 'inactive',
  stock: 50,
  tax_class: 'standard',
  title: `Linen Shirt ${set.productIds.indexOf(productId) + 1}`,
  id_catalog_product: productId,
  shipment_matrix_template: [],
  rsin: null,
})
const updated = (set: FullSet, productId: string) => ({
  ...created(set, productId),
  product_id: srcId(productId),
  sku: shopSku(productId),
})
const stock = (set: FullSet, productId: string, quantity: string) => ({
  product_id: srcId(productId),
  seller_sku: sellerSku(set, productId),
  sku: shopSku(productId),
  quantity,
  seller_id: set.sellerId,
})

/** The time of each step, the time it reports for the previous one, and the total are consistent. */
async function expectWholeTimes(itemId: string): Promise<void> {
  const steps = await scene.sql<{ from: string | null; to: string; seconds: number | null; between: number | null }[]>`
    select from_status as "from", to_status as "to", seconds,
      extract(epoch from at - lag(at) over (order by at, to_status))::float8 as between
    from shop_update.transition where item_id = ${itemId}::bigint order by at, to_status`
  expect(steps.map(({ from }) => from)).toEqual([null, ...steps.slice(0, -1).map(({ to }) => to)])
  for (const { seconds, between } of steps.slice(1)) expect(seconds).toBeCloseTo(between!, 3)
  const [finished] = await scene.sql<{ seconds: number }[]>`
    select extract(epoch from finished_at - queued_at)::float8 as seconds from shop_update.finished_item
    where id = ${itemId}::bigint`
  expect(finished!.seconds).toBeCloseTo(
    steps.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0),
    3,
  )
}

/** Both tables of section 1: event name, method and params of every topic. */
const TABLE: {
  topic: Topic
  event: string
  method: string
  subject?: 'set' | 'second'
  set?: Parameters<typeof fullSet>[0]
  params(set: FullSet): unknown
}[] = [
  {
    topic: 'new_product_set',
    event: 'productset/new',
    method: 'Product.createProducts',
    subject: 'set',
    set: { inShop: false },
    params: (set) => ({ productsInfo: set.productIds.map((id) => created(set, id)), config_id: null }),
  },
  {
    topic: 'new_product',
    event: 'product/new',
    method: 'Product.createProducts',
    subject: 'second',
    set: { secondIsNew: true },
    params: (set) => ({ productsInfo: [created(set, set.second)], config_id: set.setSrcId }),
  },
  {
    topic: 'content',
    event: 'product/contentchange',
    method: 'Product.updateProducts',
    params: (set) => ({ productsInfo: [updated(set, set.first)] }),
  },
  {
    topic: 'status',
    event: 'product/statuschange',
    method: 'Product.updateProducts',
    params: (set) => ({ productsInfo: [updated(set, set.first)] }),
  },
  {
    topic: 'qc_status',
    event: 'product/qcstatuschange',
    method: 'Product.updateProducts',
    params: (set) => ({ productsInfo: [updated(set, set.first)] }),
  },
  {
    topic: 'price',
    event: 'product/pricechange',
    method: 'Product.updatePrices',
    params: (set) => ({
      productsInfo: [
        {
          product_id: srcId(set.first),
          config_id: set.setSrcId,
          seller_sku: sellerSku(set, set.first),
          sku: shopSku(set.first),
          price: '1019.90',
          price_special: '899.00',
          ...SPECIAL,
        },
      ],
    }),
  },
  {
    topic: 'stock',
    event: 'product/stockchange',
    method: 'Product.updateStock',
    params: (set) => ({ productsInfo: [stock(set, set.first, '50')] }),
  },
  {
    topic: 'consignment_stock',
    event: 'product/consignmentstockchange',
    method: 'Product.updateStock',
    params: (set) => ({ productsInfo: [stock(set, set.first, '7')] }),
  },
  {
    topic: 'images',
    event: 'productset/imageschange',
    method: 'Product.updateImageCollection',
    subject: 'set',
    params: (set) => ({
      productSetSrcId: Number(set.setSrcId),
      images: [
        { url: 'https://images.example/1.jpg', hash: 'a'.repeat(32) },
        { url: 'https://images.example/2.jpg', hash: 'b'.repeat(32) },
      ],
    }),
  },
]

const enqueueFor = (topic: Topic, subject: 'set' | 'second' | undefined, set: FullSet) =>
  scene.enqueue(topic, subject === 'set' ? { set: set.setId } : { product: set[subject ?? 'first'] })

interface Row {
  status: string
  flow: string
  traceId: string
  enqueuedAtNs: string
  sentTraceId: string
  sentFlow: string
  body: string
  httpStatus: number
  outcome: string
  answer: string
}

/** What is stored about a finished item, its last request and the answer; its trace as it is told. */
async function storedOf(itemId: string): Promise<Row> {
  const { body } = await scene.api<{ traceId: string }>(`/api/items/${itemId}`)
  const [row] = await scene.sql<Row[]>`
    select f.status, f.flow, ${body.traceId}::text as "traceId",
      ((extract(epoch from f.queued_at) * 1000000)::bigint)::text || '000' as "enqueuedAtNs",
      r.trace_id as "sentTraceId", r.flow as "sentFlow", r.body,
      a.http_status as "httpStatus", a.outcome, a.body as answer
    from shop_update.finished_item f join shop_update.request r on r.request_id = f.request_id and r.item_id = f.id
    join shop_update.answer a on a.request_id = f.request_id and a.item_id = f.id
    where f.id = ${itemId}::bigint`
  return row!
}

const received = async (requestId: string | null) => {
  const [call] = await scene.control<ReceivedCall[]>(`/requests?requestId=${requestId}`)
  return call!
}

async function useFlow(flow: 'synchronous' | 'asynchronous') {
  expect((await scene.api('/api/flow', { method: 'PUT', body: { flow } })).status).toBe(200)
  await vi.waitFor(
    async () => {
      const { body } = await scene.api<{ wanted: string; workers: { flow: string }[] }>('/api/flow')
      expect(body).toMatchObject({ wanted: flow, workers: [{ flow }] })
    },
    { timeout: 30_000, interval: 20 },
  )
}

test('the table has every topic', () =>
  expect(TABLE.map(({ topic }) => topic).toSorted()).toEqual(TOPIC_NAMES.toSorted()))

describe('synchronous flow', () => {
  test.each(TABLE)('$topic: $event, $method', async ({ topic, event, method, subject, set: options, params }) => {
    const set = await fullSet(options)
    const itemId = await enqueueFor(topic, subject, set)
    const { requestId } = await scene.untilStatus(itemId, 'synced')
    const stored = await storedOf(itemId)
    const sent = wire.seen.get(requestId!)!

    expect(sent.elements).toStrictEqual([AUTH, { api: 1, method, params: params(set), id: requestId }])
    expect(sent.headers).toMatchObject({
      'content-type': 'application/json',
      'x-sc-flow': 'synchronous',
      'x-sc-topic': event,
      'x-sc-requeue-count': '0',
      'x-sc-enqueued-at': stored.enqueuedAtNs,
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    })
    expect(stored.enqueuedAtNs).toMatch(/^1\d{18}$/)
    expect(String(sent.headers.traceparent).split('-')[1]).toBe(stored.traceId)

    // What is kept: the call without the auth element, and the answer as received.
    const call = await received(requestId)
    expect(stored).toMatchObject({
      flow: 'synchronous',
      sentFlow: 'synchronous',
      sentTraceId: stored.traceId,
      body: JSON.stringify({ api: 1, method, params: params(set), id: requestId }),
      httpStatus: 200,
      outcome: 'success',
      answer: JSON.stringify(call.answer),
    })
    expect(await scene.statuses(itemId)).toEqual([...CALLED, ...ANSWERED])
    expect(await scene.item(itemId)).toMatchObject({ failures: 0, sends: 1, coalesced: 0, reason: null })
  })

  test('each status keeps its time and how long the one before lasted', async () => {
    const set = await fullSet()
    const itemId = await scene.enqueue('price', { product: set.first })
    await scene.untilStatus(itemId, 'synced')
    await expectWholeTimes(itemId)
  })

  test('the ids of a create are written back, and updated_at is read in the zone of the venture', async () => {
    const set = await fullSet({ inShop: false })
    const { requestId } = await scene.untilStatus(await scene.enqueue('new_product_set', { set: set.setId }), 'synced')
    const rows = (await received(requestId)).result as {
      product: { id: string; sku: string; config_id: string; updated_at: string }
    }[]
    const expected = await Promise.all(
      rows.map(async ({ product }) => {
        const [zoned] = await scene.sql<
          { at: Date }[]
        >`select ${product.updated_at}::text::timestamp at time zone 'Africa/Cairo' as at`
        return { srcId: product.id, shopSku: product.sku, setSrcId: product.config_id, updatedAt: zoned!.at }
      }),
    )
    expect(
      await scene.sql`
        select p.src_id as "srcId", p.shop_sku as "shopSku", s.src_id as "setSrcId", p.src_updated_at as "updatedAt"
        from catalog.product p join catalog.product_set s on s.id = p.product_set_id
        where s.id = ${set.setId}::bigint order by p.id`,
    ).toEqual(expected)
    // Cairo is ahead of UTC: the Shop's clock, read in its zone, is hours in our past.
    const hoursAgo = (Date.now() - expected[0]!.updatedAt.getTime()) / 3_600_000
    expect(hoursAgo).toBeGreaterThan(1.9)
    expect(hoursAgo).toBeLessThan(3.1)

    // A later update changes only src_updated_at of its product, and keeps the ids.
    const [before] = await scene.sql`
      update catalog.product set src_updated_at = '2020-01-01'
      where product_set_id = ${set.setId}::bigint returning id`
    expect(before).toBeDefined()
    await scene.untilStatus(await scene.enqueue('price', { product: set.first }), 'synced')
    const after = await scene.sql<{ srcId: string; old: boolean }[]>`
      select src_id as "srcId", src_updated_at = '2020-01-01' as old from catalog.product
      where product_set_id = ${set.setId}::bigint order by id`
    expect(after).toEqual([
      { srcId: expected[0]!.srcId, old: false },
      { srcId: expected[1]!.srcId, old: true },
    ])
  })

  test('a retry carries a new request id, a new trace, the requeue count and when it was queued again', async () => {
    const set = await fullSet()
    await scene.control('/troubles', { method: 'PUT', body: { topics: { price: { http500: 100 } } } })
    const itemId = await scene.enqueue('price', { product: set.first })
    const { requestId: first } = await scene.untilStatus(itemId, 'delayed')
    await scene.control('/troubles', { method: 'DELETE' })
    await scene.sql`update shop_update.item set run_at = now() where id = ${itemId}::bigint`
    const { requestId: second } = await scene.untilStatus(itemId, 'synced')
    const [before, after] = [wire.seen.get(first!)!.headers, wire.seen.get(second!)!.headers]
    expect(second).not.toBe(first)
    expect(after['x-sc-requeue-count']).toBe('1')
    expect(BigInt(String(after['x-sc-enqueued-at']))).toBeGreaterThan(BigInt(String(before['x-sc-enqueued-at'])))
    expect(String(after.traceparent).split('-')[1]).not.toBe(String(before.traceparent).split('-')[1])
    const { traceId } = await storedOf(itemId)
    expect(String(after.traceparent).split('-')[1]).toBe(traceId)
    const list = await scene.api<{ items: { id: string; traceId: string }[] }>('/api/items?tab=synced')
    expect(list.body.items.find(({ id }) => id === itemId)).toMatchObject({ traceId })
  })
})

describe('asynchronous flow', () => {
  beforeAll(() => useFlow('asynchronous'))
  afterAll(() => useFlow('synchronous'))

  test.each(TABLE)(
    '$topic: acknowledgment, callback, Synced',
    async ({ topic, event, method, subject, set: options, params }) => {
      // The test triggers the callback, to examine what lies between it and the acknowledgment.
      await scene.control('/troubles', { method: 'PUT', body: { default: { noCallback: 100 } } })
      const set = await fullSet(options)
      const itemId = await enqueueFor(topic, subject, set)
      const { requestId } = await scene.untilStatus(itemId, 'got_acknowledgment')
      const sent = wire.seen.get(requestId!)!
      expect(sent.headers).toMatchObject({ 'x-sc-flow': 'asynchronous', 'x-sc-topic': event })
      expect(sent.elements).toStrictEqual([AUTH, { api: 1, method, params: params(set), id: requestId }])
      expect(await scene.statuses(itemId)).toEqual([...CALLED, 'got_acknowledgment'])
      const [answer] = await scene.sql`select outcome, body from shop_update.answer where item_id = ${itemId}::bigint`
      expect(answer).toEqual({
        outcome: 'acknowledged',
        body: JSON.stringify([{ api: 1, result: [{ status: 'success' }], id: requestId }]),
      })
      const [catalogue] =
        await scene.sql`select src_updated_at as at from catalog.product where id = ${set.first}::bigint`
      expect(catalogue).toEqual({ at: null })

      await scene.control('/callbacks', { method: 'POST', body: { requestId } })
      await scene.untilStatus(itemId, 'synced')
      expect(await scene.statuses(itemId)).toEqual([...CALLED, 'got_acknowledgment', ...ANSWERED])
      await expectWholeTimes(itemId)
      expect(await storedOf(itemId)).toMatchObject({ flow: 'asynchronous', sentFlow: 'asynchronous', status: 'synced' })
      const call = await received(requestId)
      const [callback] = await scene.sql<{ outcome: string; body: string; applied: boolean }[]>`
      select outcome, body, applied_at is not null as applied from shop_update.callback where request_id = ${requestId}`
      expect(callback).toMatchObject({ outcome: 'accepted', applied: true })
      expect(JSON.parse(callback!.body)).toEqual(call.result)
      const rows = topic === 'images' ? [] : (call.result as { product: { id: string; sku: string } }[])
      for (const { product } of rows) {
        const [written] = await scene.sql`
        select shop_sku as sku, src_updated_at is not null as updated from catalog.product where src_id = ${product.id}`
        expect(written).toEqual({ sku: product.sku, updated: true })
      }
    },
  )
})

describe('both answer shapes in both flows', () => {
  beforeEach(() =>
    scene.control('/troubles', { method: 'PUT', body: { default: { answersOtherFlow: 100, callbackDelayMs: 30 } } }),
  )

  test('synchronous request, acknowledgment: waits for the callback', async () => {
    const [{ first }, fresh] = [await fullSet(), await fullSet({ inShop: false })]
    for (const itemId of [
      await scene.enqueue('stock', { product: first }),
      await scene.enqueue('new_product_set', { set: fresh.setId }),
    ]) {
      await scene.untilStatus(itemId, 'synced')
      expect(await scene.statuses(itemId)).toEqual([...CALLED, 'got_acknowledgment', ...ANSWERED])
      expect(await storedOf(itemId)).toMatchObject({ flow: 'synchronous' })
    }
  })

  test('asynchronous request, final answer: done', async () => {
    await useFlow('asynchronous')
    const [{ first, setId }, fresh] = [await fullSet(), await fullSet({ inShop: false })]
    const items = [
      await scene.enqueue('stock', { product: first }),
      await scene.enqueue('images', { set: setId }),
      await scene.enqueue('new_product_set', { set: fresh.setId }),
    ]
    for (const itemId of items) {
      await scene.untilStatus(itemId, 'synced')
      expect(await scene.statuses(itemId)).toEqual([...CALLED, ...ANSWERED])
      expect(await storedOf(itemId)).toMatchObject({ flow: 'asynchronous' })
    }
    await useFlow('synchronous')
  })
})

test('the flow is switched while items are in flight: all end, each remembers the flow it was sent with', async () => {
  // All are to be on their way at once: a worker begins with ten calls, and after lost ones it may be down to one. It
  // waits for the answers for as long as the test does.
  const log = scene.worker.log
  await scene.worker.stop()
  scene.worker = await startWorker({ SHOP_TIMEOUT_MS: '120000' })
  scene.worker.log.unshift(...log)
  const AT_ONCE = 4
  const enqueueSome = async () => {
    const products = await Promise.all(Array.from({ length: AT_ONCE }, () => addSet(scene.sql)))
    return Promise.all(products.map(({ productIds }) => scene.enqueue('price', { product: productIds[0]! })))
  }
  const inFlight = (itemIds: string[], flow: string) =>
    vi.waitFor(
      async () => {
        const rows = await scene.sql`
          select id from shop_update.item where id = any (${itemIds}::bigint[])
            and status = 'made_request' and flow::text = ${flow}::text`
        expect(rows).toHaveLength(AT_ONCE)
      },
      { timeout: 30_000, interval: 10 },
    )
  const letGo = wire.hold()
  const first = await enqueueSome()
  await inFlight(first, 'synchronous')
  await useFlow('asynchronous')
  const second = await enqueueSome()
  await inFlight(second, 'asynchronous')
  await useFlow('synchronous')
  letGo()
  const third = await enqueueSome()
  for (const [items, flow] of [
    [first, 'synchronous'],
    [second, 'asynchronous'],
    [third, 'synchronous'],
  ] as const) {
    for (const itemId of items) {
      const { requestId } = await scene.untilStatus(itemId, 'synced')
      expect(await storedOf(itemId)).toMatchObject({ flow })
      expect((await received(requestId)).headers.flow).toBe(flow)
    }
  }
})

// The last one: it examines everything that the earlier tests have left.
test('request ids are unique, and the auth element is in no table and no log line', async () => {
  const { requests } = await scene.control<{ requests: number }>('/stats')
  expect(wire.seen.size).toBe(requests)
  const [stored] = await scene.sql<{ n: number; ids: number }[]>`
    select count(*)::int as n, count(distinct request_id)::int as ids from shop_update.request`
  expect(stored).toEqual({ n: requests, ids: requests })

  const tables = await scene.sql<{ name: string }[]>`
    select format('%I.%I', table_schema, table_name) as name from information_schema.tables
    where table_schema in ('shop_update', 'catalog') and table_type = 'BASE TABLE'`
  expect(tables.length).toBeGreaterThan(15)
  for (const { name } of tables) {
    const [found] = await scene.sql.unsafe(`
      select count(*)::int as n from ${name} t
      where t::text like '%canary-password%' or t::text ~ '"method": ?"auth"'`)
    expect({ name, ...found }).toEqual({ name, n: 0 })
  }
  expect(scene.worker.log.length).toBeGreaterThan(0)
  expect(JSON.stringify(scene.worker.log)).not.toMatch(/canary-password|"auth/)
})
