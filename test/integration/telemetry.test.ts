import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { freePort } from '../../demo/postgres.ts'
import type { LogRecord, Span } from '../otlp/decode.ts'
import { type Receiver, startReceiver } from '../otlp/receiver.ts'
import { addSet, CALLBACK_API_KEY, type Scene, startScene } from '../scene.ts'
import { ADMIN_API_KEY, VIEWER_API_KEY } from '../worker-process.ts'

/** What a collector receives about items: the real worker process, and a receiver that speaks OTLP. */
const IN_TIME = { timeout: 30_000 }
const QUICK = { OTEL_METRIC_EXPORT_INTERVAL: '200', OTEL_BSP_SCHEDULE_DELAY: '20', OTEL_BLRP_SCHEDULE_DELAY: '20' }
let receiver: Receiver
let scene: Scene

beforeAll(async () => {
  receiver = await startReceiver()
  scene = await startScene({
    env: { ...QUICK, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, RETRY_UNIT_SECONDS: '0.05', FAILED_AFTER: '3' },
  })
})
afterAll(async () => {
  await scene.stop()
  await receiver.stop()
})
beforeEach(async () => {
  await scene.control('/reset', { method: 'POST' })
  await useFlow('synchronous')
})

async function useFlow(flow: 'synchronous' | 'asynchronous') {
  await scene.api('/api/flow', { method: 'PUT', body: { flow } })
  await vi.waitFor(
    async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow }] }),
    IN_TIME,
  )
}
const troubles = (body: object) => scene.control('/troubles', { method: 'PUT', body })

/**
 * The spans of a trace in order of their start, once the root and at least this many are there: batches may overtake
 * each other.
 */
const traceOf = (traceId: string, least: number): Promise<Span[]> =>
  vi.waitFor(() => {
    const spans = receiver.received.spans.filter((span) => span.traceId === traceId)
    expect(spans.some(({ parentSpanId }) => parentSpanId === null)).toBe(true)
    expect(spans.length).toBeGreaterThanOrEqual(least)
    return spans.sort((a, b) => Number(a.start - b.start) || Number(a.end - b.end))
  }, IN_TIME)
const statusesOf = (spans: Span[]) => spans.filter(({ kind }) => kind === 1).map(({ name }) => name)
const linesOf = (has: (line: LogRecord) => boolean, least: number): Promise<LogRecord[]> =>
  vi.waitFor(() => {
    const lines = receiver.received.logs.filter(has)
    expect(lines.length).toBeGreaterThanOrEqual(least)
    return lines
  }, IN_TIME)
const points = (name: string) => [...receiver.received.points.values()].filter((point) => point.name === name)
const counted = (name: string, attributes: object) =>
  points(name).find((point) => Object.entries(attributes).every(([key, value]) => point.attributes[key] === value))
    ?.value ?? 0

async function detail(itemId: string) {
  const { body } = await scene.api<{ calls: { traceId: string; requestId: string }[]; traceId: string }>(
    `/api/items/${itemId}`,
  )
  return body
}

describe('traces', () => {
  test('synchronous: one trace, a span a status, in order; the Shop got the traceparent of the call', async () => {
    const { productIds } = await addSet(scene.sql)
    const item = await scene.enqueue('price', { product: productIds[0]! })
    await scene.untilStatus(item, 'synced')
    const { calls } = await detail(item)
    const spans = await traceOf(calls[0]!.traceId, 10)
    expect(statusesOf(spans)).toEqual([
      'Pending',
      'Processing',
      'Building (Request) payload',
      'Made request',
      'Got response',
      'Building response payload',
      'Response processing',
      'Synced',
    ])
    const root = spans.find(({ parentSpanId }) => parentSpanId === null)!
    expect(root).toMatchObject({ name: 'process shop_update', kind: 5, failed: false })
    expect(root.attributes).toMatchObject({
      'messaging.message.id': item,
      'messaging.message.conversation_id': calls[0]!.requestId,
      'shop_update.status': 'synced',
    })
    const call = spans.find(({ kind }) => kind === 3)!
    expect(call).toMatchObject({ name: 'Product.updatePrices', parentSpanId: root.spanId })
    expect(call.attributes).toMatchObject({
      'rpc.system.name': 'jsonrpc',
      'rpc.method': 'Product.updatePrices',
      'jsonrpc.request.id': calls[0]!.requestId,
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
    })
    const seen = await scene.control(`/requests?requestId=${calls[0]!.requestId}`)
    expect(JSON.stringify(seen)).toContain(`00-${root.traceId}-${call.spanId}-01`)

    // times are those of the history, to the microsecond; each status ends where the next begins
    const history = await scene.sql<{ to: string; at: number }[]>`
      select to_status as "to", round(date_part('epoch', at) * 1000000) as at from shop_update.transition
      where item_id = ${item}::bigint order by at`
    const begins = new Map(
      spans
        .filter(({ kind }) => kind === 1)
        .map((span) => [span.attributes['shop_update.status'], Number(span.start / 1000n)]),
    )
    for (const { to, at } of history) expect(begins.get(to), to).toBe(at)
    // links to the statements that served it
    const linked = spans.flatMap(({ links }) => links.map(({ traceId }) => traceId))
    await vi.waitFor(() => {
      const statements = receiver.received.spans
        .filter(({ traceId }) => linked.includes(traceId))
        .map(({ name }) => name)
      expect(new Set(statements)).toEqual(
        new Set([
          'claim shop_update.item',
          'select catalog.product',
          'make_request shop_update.item',
          'finish shop_update.item',
        ]),
      )
    }, IN_TIME)
  })

  test('asynchronous: the callback is a trace of its own, linked to the attempt, never that of the Shop', async () => {
    await useFlow('asynchronous')
    const { productIds } = await addSet(scene.sql)
    const item = await scene.enqueue('price', { product: productIds[0]! })
    await scene.untilStatus(item, 'synced')
    const { calls } = await detail(item)
    const attempt = await traceOf(calls[0]!.traceId, 7)
    expect(statusesOf(attempt)).toEqual([
      'Pending',
      'Processing',
      'Building (Request) payload',
      'Made request',
      'Got acknowledgment',
    ])
    const process = await vi.waitFor(() => {
      const span = receiver.received.spans.find(
        ({ name, links }) =>
          name === 'process shop_update_callback' && links.some(({ traceId }) => traceId === calls[0]!.traceId),
      )
      expect(span).toBeDefined()
      return span!
    }, IN_TIME)
    const callback = await traceOf(process.traceId, 7)
    expect(process.traceId).not.toBe(calls[0]!.traceId)
    expect(callback.find(({ parentSpanId }) => parentSpanId === null)).toMatchObject({
      name: 'POST /shop-update/',
      kind: 2,
      links: [
        { traceId: calls[0]!.traceId, spanId: attempt.find(({ parentSpanId }) => parentSpanId === null)!.spanId },
      ],
    })
    expect(statusesOf(callback)).toEqual([
      'Got acknowledgment',
      'Got response',
      'Building response payload',
      'Response processing',
      'Synced',
    ])

    const theirs = '4bf92f3577b34da6a3ce929d0e0e4736'
    const response = await fetch(`${scene.worker.publicUrl}/shop-update/`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-api-key': CALLBACK_API_KEY,
        traceparent: `00-${theirs}-00f067aa0ba902b7-01`,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        method: 'Callback.process',
        params: { result: [{ status: 'success' }] },
        id: calls[0]!.requestId,
      }),
    })
    expect(response.status).toBe(200)
    const told = await linesOf(({ body }) => body.startsWith(`Callback.process ${calls[0]!.requestId}`), 2)
    const of = (outcome: string) => told.find(({ attributes }) => attributes.outcome === outcome)?.attributes
    const about = { item_id: item, topic: 'price', flow: 'asynchronous', product_id: productIds[0] }
    expect(of('accepted')).toMatchObject(about)
    expect(of('accepted')).not.toHaveProperty('seller_sku')
    expect(of('late')).toEqual({
      'event.name': 'shop_update.callback_received',
      request_id: calls[0]!.requestId,
      outcome: 'late',
      item_id: item,
    })
    expect(receiver.received.spans.some(({ traceId }) => traceId === theirs)).toBe(false)
  })

  test('a retry is a new trace linked to the attempt before; a failure sets the status and error.type', async () => {
    await troubles({ default: { http500: 100 } })
    const { productIds } = await addSet(scene.sql)
    const item = await scene.enqueue('price', { product: productIds[0]! })
    await scene.untilStatus(item, 'failed')
    const { calls, traceId } = await detail(item)
    expect(calls.length).toBeGreaterThanOrEqual(3)
    expect(new Set(calls.map((call) => call.traceId)).size).toBe(calls.length)
    expect(calls.map((call) => call.traceId)).toContain(traceId)
    const ids = calls.map((call) => call.traceId)
    const [first, second] = [await traceOf(ids[0]!, 8), await traceOf(ids[1]!, 8)]
    const isRoot = ({ parentSpanId }: Span) => parentSpanId === null
    expect(second.find(isRoot)!.links).toEqual([{ traceId: ids[0], spanId: first.find(isRoot)!.spanId }])
    expect(first.find(isRoot)).toMatchObject({
      failed: true,
      attributes: { 'error.type': '500', 'shop_update.status': 'delayed' },
    })
    expect(first.find(({ kind }) => kind === 3)).toMatchObject({
      failed: true,
      attributes: { 'error.type': '500', 'http.response.status_code': 500 },
    })
    expect(statusesOf(second)[0]).toBe('Delayed')
    const lines = await linesOf(({ attributes }) => attributes.item_id === item && attributes.status === 'failed', 1)
    expect(lines[0]).toMatchObject({ severity: 'ERROR', attributes: { reason: 'failure' } })
  })

  test('a step by hand is told with the person, in the trace of the attempt that it ends', async () => {
    await troubles({ topics: { price: { garbage: 100 } } })
    const { productIds } = await addSet(scene.sql)
    const item = await scene.enqueue('price', { product: productIds[0]! })
    await scene.untilStatus(item, 'blocked')
    const { traceId } = await detail(item)
    await scene.control('/troubles', { method: 'DELETE' })
    await scene.api(`/api/items/${item}/resolve`, { method: 'POST', body: { action: 'resend', reason: 'mended' } })
    await scene.untilStatus(item, 'synced')
    const [line] = await linesOf(({ attributes }) => attributes.item_id === item && attributes.actor !== undefined, 1)
    expect(line).toMatchObject({
      traceId,
      body: expect.stringMatching(/^Status blocked -> pending LINEN-/),
      attributes: { reason: 'requeued' },
    })
    expect(statusesOf(await traceOf(traceId, 9)).filter((name) => name === 'Blocked')).toHaveLength(2)
  })
})

describe('lines', () => {
  test('have the words that people search for, and the trace', async () => {
    const { setId } = await addSet(scene.sql, { inShop: false, products: 2 })
    const item = await scene.enqueue('new_product_set', { set: setId })
    await scene.untilStatus(item, 'synced')
    const { calls } = await detail(item)
    const { requestId, traceId } = calls[0]!
    const lines = await linesOf((line) => line.attributes.item_id === item, 10)
    const told = lines.map(({ body }) => body)
    expect(told.find((body) => body.startsWith('Product.createProducts '))).toMatch(
      new RegExp(`^Product.createProducts \\{.*"LINEN-${setId}-1".*\\} ${requestId}$`),
    )
    expect(told.find((body) => body.startsWith('RawResponse '))).toMatch(
      new RegExp(`^RawResponse ${requestId} 200 \\[\\{"api":1`),
    )
    expect(told).toContain(`Status made_request -> got_response LINEN-${setId}-1, LINEN-${setId}-2 ${requestId}`)
    expect(lines.filter((line) => line.traceId === traceId).length).toBe(9)
    for (const { attributes, resource } of lines) {
      expect(attributes).toMatchObject({
        topic: 'new_product_set',
        product_set_id: setId,
        method: 'Product.createProducts',
        attempt: 1,
      })
      expect(resource).toMatchObject({ 'service.name': 'shop-update', venture: 'zalora', source: 'eg/staging' })
    }
    // stdout has the same line
    const printed = await vi.waitFor(
      () => scene.worker.log.find(({ msg }) => String(msg).startsWith(`RawResponse ${requestId}`)) ?? Promise.reject(),
      IN_TIME,
    )
    expect(printed).toMatchObject({ trace_id: traceId, request_id: requestId, item_id: item, outcome: 'success' })
  })

  test.each([
    ['new_product_set', false],
    ['images', true],
  ] as const)(
    'of a whole set name its SKUs from the first status to the last, whoever tells it: %s',
    async (topic, inShop) => {
      await useFlow('asynchronous')
      const { setId, productIds } = await addSet(scene.sql, { inShop, products: 2 })
      const skus = await scene.sql<
        { sku: string }[]
      >`select seller_sku as sku from catalog.product where id = any (${productIds}::bigint[]) order by id`
      const item = await scene.enqueue(topic, { set: setId })
      await scene.untilStatus(item, 'synced')
      await useFlow('synchronous')
      const lines = await linesOf(
        ({ body, attributes }) => body.startsWith('Status ') && attributes.item_id === item,
        9,
      )
      for (const { body } of lines) expect(body).toContain(` ${skus.map(({ sku }) => sku).join(', ')} `)
    },
  )

  test('are one line each on stdout, whatever is in them', async () => {
    const { productIds } = await addSet(scene.sql)
    await scene.sql`
      update catalog.product set description = ${'one\u2028two\u2029three\nfour'} where id = ${productIds[0]!}::bigint`
    const { requestId } = await scene.untilStatus(await scene.enqueue('content', { product: productIds[0]! }), 'synced')
    const printed = await vi.waitFor(
      () => scene.worker.log.find(({ msg }) => String(msg).endsWith(`} ${requestId}`)) ?? Promise.reject(),
      IN_TIME,
    )
    expect(printed.msg).toContain('one\u2028two\u2029three')
  })

  test('keep bodies up to 64 KiB', async () => {
    const { productIds } = await addSet(scene.sql)
    await scene.sql`update catalog.product set description = repeat('x', 100000) where id = ${productIds[0]!}::bigint`
    const item = await scene.enqueue('content', { product: productIds[0]! })
    const { requestId } = await scene.untilStatus(item, 'synced')
    const [line] = await linesOf(
      ({ body }) => body.startsWith('Product.updateProducts') && body.endsWith(` ${requestId}`),
      1,
    )
    expect(line!.attributes.truncated).toBe(true)
    expect(line!.body.length).toBe('Product.updateProducts '.length + 64 * 1024 + ` ${requestId}`.length)
  })
})

describe('metrics', () => {
  test('count each transition, call and callback; no attribute is a SKU, an id or a seller', async () => {
    await vi.waitFor(async () => {
      const [row] = await scene.sql<{ n: number }[]>`select count(*)::int as n from shop_update.transition`
      expect(points('shop_update.transitions').reduce((sum, { value }) => sum + value, 0)).toBe(row!.n)
    }, IN_TIME)
    const [calls] = await scene.sql<{ n: number }[]>`select count(*)::int as n from shop_update.answer`
    expect(points('shop_update.calls').reduce((sum, { value }) => sum + value, 0)).toBe(calls!.n)
    expect(counted('shop_update.callbacks', { outcome: 'accepted' })).toBeGreaterThan(0)
    for (const { name, attributes } of receiver.received.points.values()) {
      if (!name.startsWith('shop_update.')) continue
      const known = [
        'topic',
        'from',
        'to',
        'flow',
        'status',
        'method',
        'outcome',
        'result',
        'window',
        'kind',
        'scope',
        'cause_id',
        'cause',
        'reason',
        'state',
        'table',
        'hot',
      ]
      expect(known, name).toEqual(expect.arrayContaining(Object.keys(attributes)))
      expect(JSON.stringify(attributes)).not.toMatch(/LINEN|Nile|\d{5}/)
    }
  })

  test('the gauges of the queue are those of one worker, and go on when another one leads', async () => {
    await useFlow('asynchronous')
    await troubles({ default: { noCallback: 100 } })
    const { productIds } = await addSet(scene.sql)
    const item = await scene.enqueue('content', { product: productIds[0]! })
    await scene.untilStatus(item, 'got_acknowledgment')
    const gauge = () =>
      points('shop_update.queue.items').filter(
        ({ attributes }) => attributes.status === 'got_acknowledgment' && attributes.topic === 'content',
      )
    await vi.waitFor(() => expect(gauge()).toMatchObject([{ value: 1 }]), IN_TIME)
    expect(gauge()[0]!.resource).not.toHaveProperty('service.instance.id')

    const second = await scene.startWorker()
    await scene.worker.kill()
    scene.worker = second
    receiver.received.points.clear()
    await vi.waitFor(() => expect(gauge()).toMatchObject([{ value: 1 }]), { timeout: 20_000 })
    expect(counted('shop_update.queue.oldest_age', { topic: 'content', status: 'got_acknowledgment' })).toBeGreaterThan(
      0,
    )
    expect(points('shop_update.worker.heartbeat').at(-1)!.value).toBeGreaterThan(Date.now() / 1000 - 60)
  })
})

test('no secret is in anything that is sent, printed, stored or shown', async () => {
  const secrets = ['canary-password-of-the-shop', CALLBACK_API_KEY, VIEWER_API_KEY, ADMIN_API_KEY]
  await scene.api('/api/items', { key: VIEWER_API_KEY })
  await fetch(`${scene.worker.publicUrl}/shop-update/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${ADMIN_API_KEY}` },
    body: JSON.stringify([
      { jsonrpc: '2.0', method: 'auth', params: { apiKey: VIEWER_API_KEY } },
      { jsonrpc: '2.0', method: 'Callback.process', params: { result: [] }, id: '1' },
    ]),
  })
  await linesOf(({ body }) => body.startsWith('Could not authorize'), 1)
  const stored = await scene.sql`
    select body from shop_update.request
    union all select body from shop_update.answer union all select body from shop_update.callback`
  const items = await scene.sql<{ id: string }[]>`select item_id::text as id from shop_update.request`
  const shown = await Promise.all(
    items.map(async ({ id }) => JSON.stringify((await scene.api(`/api/items/${id}`)).body)),
  )
  const csv = await fetch(`${scene.worker.internalUrl}/api/items.csv?tab=synced`, {
    headers: { authorization: `Bearer ${VIEWER_API_KEY}` },
  })
  const everything = [
    Buffer.concat(receiver.raw).toString('latin1'),
    JSON.stringify(scene.worker.log),
    JSON.stringify(stored),
    ...shown,
    await csv.text(),
  ]
  expect(everything[0]!.length).toBeGreaterThan(10_000)
  for (const secret of secrets) for (const text of everything) expect(text).not.toContain(secret)
})

test('a collector away costs no item; what finds no room is counted and said, the rest comes afterwards', async () => {
  const port = await freePort()
  const env = {
    ...QUICK,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_BSP_MAX_QUEUE_SIZE: '30',
    OTEL_BLRP_MAX_QUEUE_SIZE: '30',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
  }
  const alone = await startScene({ env })
  try {
    for (let k = 0; k < 10; k++) {
      const { productIds } = await addSet(alone.sql)
      await alone.untilStatus(await alone.enqueue('price', { product: productIds[0]! }), 'synced')
    }
    const complaints = alone.worker.log.filter(({ msg }) => String(msg).includes('were lost'))
    const why = 'were lost: the telemetry receiver is down or too slow, and the buffer is full; items are not affected'
    expect(complaints.map(({ msg }) => msg).sort()).toEqual([`Log records ${why}`, `Spans ${why}`])

    const back = await startReceiver({ port })
    const processed = (what: string, error?: string) =>
      [...back.received.points.values()].find(
        ({ name, attributes }) => name === `otel.sdk.processor.${what}.processed` && attributes['error.type'] === error,
      )?.value
    await vi.waitFor(() => expect(processed('span')).toBe(30), { timeout: 20_000 })
    expect(back.received.spans).toHaveLength(30)
    expect(await alone.worker.stop()).toBe(0)
    const made = back.received.spans.length + (processed('span', 'queue_full') ?? 0)
    // ten spans per attempt, and the statements
    expect(made).toBeGreaterThanOrEqual(100)
    expect(back.received.counts.spans).toBe(processed('span'))
    expect(back.received.counts.logs).toBe(processed('log'))
    await back.stop()
  } finally {
    await alone.stop()
  }
})
