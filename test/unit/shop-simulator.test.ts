import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { Callback } from '../../demo/shop/callbacks.ts'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import type { Product } from '../../demo/shop/products.ts'
import { type RunningShop, type ShopOptions, startShop } from '../../demo/shop/shop.ts'
import { ANSWER_TROUBLES, CALLBACK_TROUBLES } from '../../demo/shop/troubles.ts'
import { TOPICS, type Topic } from '../../worker/domain/topics.ts'

type Flow = 'synchronous' | 'asynchronous'
type Json = Record<string, unknown>
// biome-ignore lint/suspicious/noExplicitAny: the shape of what comes over the wire is what is being tested
type Wire = any

const toStop: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of toStop.splice(0).reverse()) await stop()
})

async function start(options: ShopOptions = {}): Promise<RunningShop> {
  const shop = await startShop(options)
  toStop.push(shop.stop)
  return shop
}

let nextRequestId = 481516

/** Sends one call as the worker does; resolves with the answer, parsed if it is JSON. */
async function send(
  shop: RunningShop,
  topic: Topic,
  params: Json,
  {
    flow = 'synchronous',
    id = String(nextRequestId++),
    auth,
    signal,
  }: { flow?: Flow; id?: string; auth?: Json; signal?: AbortSignal } = {},
): Promise<{ id: string; status: number; body: Wire }> {
  const { event, method } = TOPICS[topic]
  const response = await fetch(`${shop.url}/`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-sc-flow': flow,
      'x-sc-topic': event,
      'x-sc-requeue-count': '2',
      'x-sc-enqueued-at': '1795504500123456789',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    },
    body: JSON.stringify([
      ...(auth ? [{ api: 1, method: 'auth', params: auth, id: 1 }] : []),
      { api: 1, method, params, id },
    ]),
    signal: signal ?? null,
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type') === 'application/json'
  return { id, status: response.status, body: isJson ? JSON.parse(text) : text }
}

const tee = (size: string, idCatalogProduct: number) => ({
  seller_sku: `TEE-${size}`,
  id_catalog_product: idCatalogProduct,
  price: '19.00',
})
const created = (...sizes: string[]) => ({ productsInfo: sizes.map((size, k) => tee(size, 41 + k)), config_id: null })
const stock = (...productIds: string[]) => ({
  productsInfo: productIds.map((id) => ({
    product_id: id,
    seller_sku: `TEE-${id}`,
    sku: `AC123APP-${id}`,
    quantity: '50',
    seller_id: '10',
  })),
})
const images = (...hashes: string[]) => ({
  productSetSrcId: 33295,
  images: hashes.map((hash) => ({ url: `https://img.test/${hash}.jpg`, hash })),
})

async function control(
  shop: RunningShop,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Wire }> {
  const response = await fetch(`${shop.url}/_shop/${path}`, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
  })
  return { status: response.status, body: await response.json() }
}
const read = async <Shape>(shop: RunningShop, path: string): Promise<Shape> => (await control(shop, 'GET', path)).body
const stats = (shop: RunningShop) =>
  read<{
    requests: number
    byTopic: Json
    byMethod: Json
    byTrouble: Json
    creates: number
    duplicateCreates: number
    callbacks: Json
  }>(shop, 'stats')
const troubled = async (trouble: Json, options: ShopOptions = {}) =>
  start({ ...options, settings: { ...options.settings, default: trouble } })

/**
 * A worker's callback endpoint: records what comes, answers as `answer` says, and wakes whoever waits for the nth body.
 */
async function receiver(answer: (calls: Wire[], nth: number) => { status?: number; body: unknown } = accept) {
  const bodies: Wire[][] = []
  const headers: IncomingHttpHeaders[] = []
  const waiting: { nth: number; resolve: (body: Wire[]) => void }[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      const body = JSON.parse(text)
      headers.push(request.headers)
      bodies.push(body)
      const { status = 200, body: answered } = answer(body, bodies.length)
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answered))
      for (const { nth, resolve } of waiting) if (nth === bodies.length) resolve(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  toStop.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/shop-update/`
  const body = (nth: number): Promise<Wire[]> => {
    const there = bodies[nth - 1]
    return there === undefined ? new Promise((resolve) => waiting.push({ nth, resolve })) : Promise.resolve(there)
  }
  return { callback: { url, apiKey: '12345' }, bodies, headers, body }
}
const accept = (calls: Wire[]) => ({
  body: calls
    .filter(({ id }) => id !== undefined)
    .map(({ id }) => ({ jsonrpc: '2.0', result: { status: 'success' }, id })),
})
const refuse = (calls: Wire[]) => ({
  body: calls
    .filter(({ id }) => id !== undefined)
    .map(({ id }) => ({ jsonrpc: '2.0', error: { code: -32001, message: 'no' }, id })),
})

const acknowledged = (id: string) => [{ api: 1, result: [{ status: 'success' }], id }]

describe('the synchronous flow', () => {
  test('a create gives ids in sequence, one new set, and rows in the order of the products', async () => {
    const shop = await start()
    const { id, status, body } = await send(shop, 'new_product_set', created('S', 'M'))
    expect(status).toBe(200)
    expect(body).toEqual([
      {
        api: 1,
        id,
        result: [
          {
            status: 'success',
            product: {
              seller_sku: 'TEE-S',
              sku: 'AC9001APP-9001',
              id: '9001',
              config_id: '701',
              updated_at: expect.any(String),
            },
          },
          {
            status: 'success',
            product: {
              seller_sku: 'TEE-M',
              sku: 'AC9002APP-9002',
              id: '9002',
              config_id: '701',
              updated_at: expect.any(String),
            },
          },
        ],
      },
    ])
    const updatedAt: string = body[0].result[0].product.updated_at
    expect(updatedAt).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
    expect(Math.abs(Date.parse(`${updatedAt.replace(' ', 'T')}Z`) - Date.now())).toBeLessThan(5000)
  })

  test('a new product joins the set that it names, a new set gets an id of its own', async () => {
    const shop = await start()
    await send(shop, 'new_product_set', created('S'))
    const joined = await send(shop, 'new_product', { productsInfo: [tee('M', 42)], config_id: '701' })
    expect(joined.body[0].result[0].product).toMatchObject({ id: '9002', config_id: '701' })
    const other = await send(shop, 'new_product_set', { productsInfo: [tee('L', 43)], config_id: null })
    expect(other.body[0].result[0].product).toMatchObject({ id: '9003', config_id: '702' })
  })

  test('a second create of the same product makes a duplicate, and is counted', async () => {
    const shop = await start()
    await send(shop, 'new_product_set', created('S', 'M'))
    const again = await send(shop, 'new_product_set', { productsInfo: [tee('S', 41)], config_id: null })
    expect(again.body[0].result[0].product.id).toBe('9003')
    const products = await read<(Product & { createdCount: number })[]>(shop, 'products')
    expect(products.map(({ id, idCatalogProduct, createdCount }) => [id, idCatalogProduct, createdCount])).toEqual([
      ['9001', '41', 2],
      ['9002', '42', 1],
      ['9003', '41', 2],
    ])
    expect(await stats(shop)).toMatchObject({ creates: 3, duplicateCreates: 1 })
    await send(shop, 'new_product_set', { productsInfo: [tee('S', 41)], config_id: null })
    expect(await stats(shop)).toMatchObject({ creates: 4, duplicateCreates: 1 })
  })

  test('updates answer for the product as the Shop has it, and change it', async () => {
    const shop = await start()
    await send(shop, 'new_product_set', created('S'))
    const { body } = await send(shop, 'stock', {
      productsInfo: [{ product_id: 9001, seller_sku: 'TEE-S', sku: 'wrong', quantity: '7' }],
    })
    expect(body[0].result[0].product).toMatchObject({ id: '9001', sku: 'AC9001APP-9001', config_id: '701' })
    const [product] = await read<Product[]>(shop, 'products')
    expect(product?.fields).toMatchObject({ quantity: '7', price: '19.00' })
  })

  test('an update of a product not created here is echoed, or fails where the Shop is not lenient', async () => {
    const lenient = await start()
    const echoed = await send(lenient, 'stock', stock('77'))
    expect(echoed.body[0].result[0]).toMatchObject({
      status: 'success',
      product: { id: '77', sku: 'AC123APP-77', seller_sku: 'TEE-77', config_id: null },
    })
    expect(await read(lenient, 'products')).toEqual([])

    const strict = await start({ settings: { lenient: false } })
    const refused = await send(strict, 'stock', stock('77'))
    expect(refused.body[0].result).toEqual([{ status: 'failure', error: { message: 'Product not found', code: 0 } }])
  })

  test('images answer in the object form; a picture keeps its id while it is in the collection', async () => {
    const shop = await start()
    const first = await send(shop, 'images', images('aa', 'bb'))
    expect(first.body).toEqual([
      {
        api: 1,
        id: first.id,
        result: {
          productSetSrcId: 33295,
          images: [
            { uri: '/p/1.jpg', hash: 'aa', srcId: 1 },
            { uri: '/p/2.jpg', hash: 'bb', srcId: 2 },
          ],
        },
      },
    ])
    const reordered = await send(shop, 'images', images('cc', 'bb'))
    expect(reordered.body[0].result.images.map(({ srcId }: { srcId: number }) => srcId)).toEqual([3, 2])
    const back = await send(shop, 'images', images('aa'))
    expect(back.body[0].result.images[0].srcId).toBe(4)
  })

  test('only a request with the right auth element is processed, and its password is kept nowhere', async () => {
    const shop = await start({ credentials: { username: 'sc', password: 's3cret' } })
    const wrong = await send(shop, 'new_product_set', created('S'), { auth: { username: 'sc', password: 'guess' } })
    const unauthorized = [{ api: 1, error: { message: 'Could not authorize request', code: -32001 }, id: wrong.id }]
    expect(wrong).toMatchObject({ status: 200, body: unauthorized })
    const none = await send(shop, 'new_product_set', created('S'))
    expect(none.body[0].error.code).toBe(-32001)
    expect((await stats(shop)).creates).toBe(0)
    const right = await send(shop, 'new_product_set', created('S'), { auth: { username: 'sc', password: 's3cret' } })
    expect(right.body).toHaveLength(1)
    expect(right.body[0]).toMatchObject({ id: right.id, result: [{ status: 'success' }] })

    const received = await read<ReceivedCall[]>(shop, 'requests')
    expect(received.map(({ auth }) => auth)).toEqual([true, false, true])
    expect(JSON.stringify(received)).not.toMatch(/s3cret|guess/)
  })

  test('what is no array of calls, no known method or without its params is refused', async () => {
    const shop = await start()
    for (const body of ['{', '{}', '[1]', '[{"api":1,"id":"1"}]']) {
      expect((await fetch(`${shop.url}/`, { method: 'POST', body })).status).toBe(400)
    }
    const call = { api: 1, method: 'Product.eat', params: {}, id: '7' }
    const unknown = await fetch(`${shop.url}/`, { method: 'POST', body: JSON.stringify([call]) })
    expect(await unknown.json()).toEqual([{ api: 1, error: { message: 'Method not found', code: -32601 }, id: '7' }])
    expect((await send(shop, 'stock', {})).body[0].error.code).toBe(-32602)
    expect((await send(shop, 'images', {})).body[0].error.code).toBe(-32602)
  })
})

describe('the asynchronous flow', () => {
  test('the acknowledgment is the documented one, and the callback carries the rows', async () => {
    const worker = await receiver()
    const shop = await start({ callback: worker.callback })
    const { id, body } = await send(shop, 'new_product_set', created('S'), { flow: 'asynchronous' })
    expect(JSON.stringify(body)).toBe(`[{"api":1,"result":[{"status":"success"}],"id":"${id}"}]`)
    expect(await worker.body(1)).toEqual([
      { jsonrpc: '2.0', method: 'auth', params: { apiKey: '12345' } },
      {
        jsonrpc: '2.0',
        method: 'Callback.process',
        params: { result: [{ status: 'success', product: expect.objectContaining({ id: '9001' }) }] },
        id,
      },
    ])
    expect(worker.headers[0]?.['content-type']).toBe('application/json')
    await shop.callbacksSettled()
    expect((await stats(shop)).callbacks).toEqual({ sent: 1, accepted: 1, refused: 0, pending: 0, abandoned: 0 })
    const [callback] = await read<Callback[]>(shop, 'callbacks')
    expect(callback).toMatchObject({
      requestId: id,
      state: 'accepted',
      sendings: [{ httpStatus: 200, answer: { result: { status: 'success' } } }],
    })
  })

  test('images are called back in the object form', async () => {
    const worker = await receiver()
    const shop = await start({ callback: worker.callback })
    await send(shop, 'images', images('aa'), { flow: 'asynchronous' })
    const [, call] = await worker.body(1)
    expect(call.params.result).toEqual({ productSetSrcId: 33295, images: [{ uri: '/p/1.jpg', hash: 'aa', srcId: 1 }] })
  })

  test('a call that is refused as a whole is not acknowledged and has no callback', async () => {
    const shop = await start()
    expect((await send(shop, 'stock', {}, { flow: 'asynchronous' })).body[0].error.code).toBe(-32602)
    expect((await stats(shop)).callbacks).toMatchObject({ pending: 0 })
  })

  test.each([
    ['an error element', refuse],
    [
      'a single error object',
      () => ({ body: { jsonrpc: '2.0', error: { code: 502, message: 'Invalid Json RPC format' }, id: null } }),
    ],
    ['HTTP 503', (calls: Wire[]) => ({ ...accept(calls), status: 503 })],
    ['an answer to somebody else', () => ({ body: [{ jsonrpc: '2.0', result: { status: 'success' }, id: 'other' }] })],
  ])('a callback that is answered with %s is sent again', async (_, bad) => {
    const worker = await receiver((calls, nth) => (nth === 1 ? bad(calls) : accept(calls)))
    const shop = await start({ callback: worker.callback })
    await send(shop, 'stock', stock('77'), { flow: 'asynchronous' })
    await shop.callbacksSettled()
    expect(worker.bodies).toHaveLength(2)
    expect(worker.bodies[1]).toEqual(worker.bodies[0])
    expect((await stats(shop)).callbacks).toEqual({ sent: 2, accepted: 1, refused: 1, pending: 0, abandoned: 0 })
  })

  test('a single object is taken as the answer, too', async () => {
    const worker = await receiver((calls) => ({ body: accept(calls).body[0] }))
    const shop = await start({ callback: worker.callback })
    await send(shop, 'stock', stock('77'), { flow: 'asynchronous' })
    await shop.callbacksSettled()
    expect((await stats(shop)).callbacks).toMatchObject({ sent: 1, accepted: 1 })
  })

  test('a callback is given up after as many tries as are set', async () => {
    const worker = await receiver(refuse)
    const shop = await start({ callback: worker.callback, settings: { callbackTries: 3 } })
    await send(shop, 'stock', stock('77'), { flow: 'asynchronous' })
    await shop.callbacksSettled()
    expect(worker.bodies).toHaveLength(3)
    expect((await stats(shop)).callbacks).toEqual({ sent: 3, accepted: 0, refused: 3, pending: 0, abandoned: 1 })
  })

  test('a callback that reaches nobody goes where the target is set to later', async () => {
    const worker = await receiver()
    const shop = await start()
    await send(shop, 'stock', stock('77'), { flow: 'asynchronous' })
    const put = await control(shop, 'PUT', 'callback-target', worker.callback)
    expect(put).toEqual({ status: 200, body: { url: worker.callback.url } })
    await shop.callbacksSettled()
    expect(worker.bodies).toHaveLength(1)
    expect((await control(shop, 'PUT', 'callback-target', { url: 'nowhere', apiKey: '1' })).body.error).toMatch(
      /^url: /,
    )
  })
})

describe('trouble with the answer', () => {
  test.each([
    ['http500', 500],
    ['http404', 404],
  ])('%s: that status, and nothing was processed', async (name, status) => {
    const shop = await troubled({ [name]: 100 })
    for (const flow of ['synchronous', 'asynchronous'] as const) {
      const answer = await send(shop, 'new_product_set', created('S'), { flow })
      expect(answer.status).toBe(status)
    }
    expect(await stats(shop)).toMatchObject({
      requests: 2,
      creates: 0,
      byTrouble: { [name]: 2 },
      callbacks: { pending: 0 },
    })
  })

  test.each([
    ['drop', 1],
    ['dropBefore', 0],
  ])('%s: the socket is destroyed, products created: %i', async (name, creates) => {
    const shop = await troubled({ [name]: 100 })
    await expect(send(shop, 'new_product_set', created('S'))).rejects.toThrow('fetch failed')
    expect(await stats(shop)).toMatchObject({ requests: 1, creates })
    const [received] = await read<ReceivedCall[]>(shop, 'requests')
    expect(received).toMatchObject({ trouble: name, answeredAt: null, httpStatus: null, answer: null })
  })

  test('http504: that status, though it was processed; in the asynchronous flow its callback comes', async () => {
    const worker = await receiver()
    const shop = await troubled({ http504: 100 }, { callback: worker.callback })
    const { status } = await send(shop, 'new_product_set', created('S'))
    expect({ status, ...(await stats(shop)) }).toMatchObject({ status: 504, creates: 1 })
    await send(shop, 'stock', stock('77'), { flow: 'asynchronous', id: 'gateway' })
    expect((await worker.body(1))[1].id).toBe('gateway')
  })

  test('a request given up before its time is processed or let go; a late answer is to a processed one', async () => {
    const worker = await receiver()
    for (const dropsAbandoned of [false, true]) {
      const shop = await troubled({ latencyMs: 250 }, { callback: worker.callback, settings: { dropsAbandoned } })
      const giveUp = new AbortController()
      const waiting = send(shop, 'new_product_set', created('S'), { signal: giveUp.signal })
      await arrival(shop)
      giveUp.abort()
      await expect(waiting).rejects.toThrow('aborted')
      // the later one is processed later
      await send(shop, 'stock', stock('77'))
      expect(await stats(shop)).toMatchObject({ creates: dropsAbandoned ? 0 : 1 })
    }
    const shop = await troubled({ answerDelayMs: 60_000 })
    const giveUp = new AbortController()
    const waiting = send(shop, 'new_product_set', created('S'), { signal: giveUp.signal })
    await arrival(shop)
    expect(await stats(shop)).toMatchObject({ creates: 1 })
    giveUp.abort()
    await expect(waiting).rejects.toThrow('aborted')
    const ended = async () => (await read<ReceivedCall[]>(shop, 'requests'))[0]?.endedAt
    await expect.poll(ended, { interval: 10 }).toEqual(expect.any(String))
  })

  test('drop: the callback of a processed request comes all the same', async () => {
    const worker = await receiver()
    const shop = await troubled({ drop: 100 }, { callback: worker.callback })
    await expect(send(shop, 'stock', stock('77'), { flow: 'asynchronous', id: 'dropped' })).rejects.toThrow(
      'fetch failed',
    )
    expect((await worker.body(1))[1].id).toBe('dropped')
  })

  test.each([
    ['hang', 1],
    ['hangBefore', 0],
  ])('%s: never answered, products created: %i', async (name, creates) => {
    const shop = await troubled({ [name]: 100 })
    const giveUp = new AbortController()
    const hanging = send(shop, 'new_product_set', created('S'), { signal: giveUp.signal })
    const state = await Promise.race([hanging.then(() => 'answered'), arrival(shop)])
    expect(state).toBe('arrived')
    expect(await stats(shop)).toMatchObject({ creates })
    giveUp.abort()
    await expect(hanging).rejects.toThrow('aborted')
  })

  /** Resolves once the Shop has taken a request. An answer written at once would arrive before the second look. */
  async function arrival(shop: RunningShop): Promise<'arrived'> {
    for (let looks = 0; looks < 2; ) if ((await stats(shop)).requests === 1) looks += 1
    return 'arrived'
  }

  test('nack: an error element, neither acknowledgment nor final answer, and nothing was processed', async () => {
    const shop = await troubled({ nack: 100 })
    const { id, status, body } = await send(shop, 'new_product_set', created('S'), { flow: 'asynchronous' })
    expect({ status, body }).toEqual({
      status: 200,
      body: [{ api: 1, error: { message: 'Request could not be queued', code: -32000 }, id }],
    })
    expect(await stats(shop)).toMatchObject({ creates: 0, callbacks: { pending: 0 } })
  })

  test.each([
    ['synchronous', 1],
    ['asynchronous', 0],
  ] as const)('garbage, %s: HTTP 200 without JSON, products created: %i', async (flow, creates) => {
    const shop = await troubled({ garbage: 100 })
    const { status, body } = await send(shop, 'new_product_set', created('S'), { flow })
    expect(status).toBe(200)
    expect(() => JSON.parse(body)).toThrow()
    expect(await stats(shop)).toMatchObject({ creates, callbacks: { pending: 0 } })
  })

  test.each([
    ['synchronous', 1],
    ['asynchronous', 0],
  ] as const)('wrongId, %s: answers another request, products created: %i', async (flow, creates) => {
    const shop = await troubled({ wrongId: 100 })
    const { id, body } = await send(shop, 'new_product_set', created('S'), { flow })
    expect(body[0].id).toBe(`not-${id}`)
    expect(body[0].result[0].status).toBe('success')
    expect(await stats(shop)).toMatchObject({ creates, callbacks: { pending: 0 } })
  })

  test('answersOtherFlow: an acknowledgment with a callback, or a final answer with none', async () => {
    const worker = await receiver()
    const shop = await troubled({ answersOtherFlow: 100 }, { callback: worker.callback })
    const final = await send(shop, 'stock', stock('77'), { flow: 'asynchronous' })
    expect(final.body[0].result[0].product.id).toBe('77')
    expect((await stats(shop)).callbacks).toMatchObject({ pending: 0, sent: 0 })
    const acknowledgment = await send(shop, 'stock', stock('78'))
    expect(acknowledgment.body).toEqual(acknowledged(acknowledgment.id))
    expect((await worker.body(1))[1]).toMatchObject({
      id: acknowledgment.id,
      params: { result: [{ product: { id: '78' } }] },
    })
  })

  test('failureRows: every row fails and nothing is done', async () => {
    const shop = await troubled({ failureRows: 100 })
    const { body } = await send(shop, 'new_product_set', created('S', 'M'))
    const failure = { status: 'failure', error: { message: 'Product failed to be created', code: 0 } }
    expect(body[0].result).toEqual([failure, failure])
    expect((await send(shop, 'stock', stock('77'))).body[0].result[0].error.message).toBe('Stock failed to update')
    expect((await send(shop, 'images', images('aa'))).body[0].result[0].status).toBe('failure')
    expect((await stats(shop)).creates).toBe(0)
  })

  test('partial: every second row fails, of one row that one; the others are done', async () => {
    const shop = await troubled({ partial: 100 })
    const { body } = await send(shop, 'new_product_set', created('S', 'M', 'L'))
    expect(body[0].result.map(({ status }: Json) => status)).toEqual(['success', 'failure', 'success'])
    expect((await read<Product[]>(shop, 'products')).map(({ sellerSku, configId }) => [sellerSku, configId])).toEqual([
      ['TEE-S', '701'],
      ['TEE-L', '701'],
    ])
    expect((await send(shop, 'stock', stock('77'))).body[0].result[0].status).toBe('failure')
  })

  test('wrongRowCount: one row, one picture too many', async () => {
    const shop = await troubled({ wrongRowCount: 100 })
    expect((await send(shop, 'stock', stock('77', '78'))).body[0].result).toHaveLength(3)
    expect((await send(shop, 'images', images('aa'))).body[0].result.images).toHaveLength(2)
    expect((await send(shop, 'images', images())).body[0].result.images).toHaveLength(1)
  })

  test('wrongProduct: a success row that names another product', async () => {
    const shop = await troubled({ wrongProduct: 100 })
    const { body } = await send(shop, 'stock', stock('77', '78'))
    expect(body[0].result[0]).toMatchObject({
      status: 'success',
      product: { id: '77000', seller_sku: 'OTHER-TEE-77', sku: 'OTHER-AC123APP-77' },
    })
    expect(body[0].result[1].product.id).toBe('78')
    expect((await send(shop, 'images', images('aa'))).body[0].result.productSetSrcId).not.toBe(33295)
  })

  test('srcIdTaken: a create answers with the given src ids, once in a call', async () => {
    const shop = await troubled({ srcIdTaken: 100, takenSrcId: '5', takenConfigId: '6' })
    const { body } = await send(shop, 'new_product_set', created('S', 'M'))
    expect(body[0].result.map(({ product }: Wire) => [product.id, product.config_id])).toEqual([
      ['5', '6'],
      ['9002', '701'],
    ])
    expect((await send(shop, 'stock', stock('77'))).body[0].result[0].product.id).toBe('77')
  })

  test('missingProduct: success without what it must carry, but no acknowledgment', async () => {
    const shop = await troubled({ missingProduct: 100 })
    expect((await send(shop, 'stock', stock('77'))).body[0].result).toEqual([{ status: 'success', product: {} }])
    expect((await send(shop, 'images', images('aa'))).body[0].result).toEqual({ productSetSrcId: 33295 })
  })

  test('what spoils the result spoils the callback in the asynchronous flow, not the acknowledgment', async () => {
    const worker = await receiver()
    const shop = await troubled({ wrongRowCount: 100 }, { callback: worker.callback })
    const { id, body } = await send(shop, 'stock', stock('77'), { flow: 'asynchronous' })
    expect(body).toEqual(acknowledged(id))
    expect((await worker.body(1))[1].params.result).toHaveLength(2)
  })

  test('latencyMs: the answer takes at least that long', async () => {
    const shop = await troubled({ latencyMs: { min: 60, max: 80 } })
    const from = performance.now()
    await send(shop, 'stock', stock('77'))
    expect(performance.now() - from).toBeGreaterThanOrEqual(59)
  })
})

describe('trouble with the callback', () => {
  test('noCallback: acknowledged, and none is owed', async () => {
    const worker = await receiver()
    const shop = await troubled({ noCallback: 100 }, { callback: worker.callback })
    const { id, body } = await send(shop, 'new_product_set', created('S'), { flow: 'asynchronous' })
    expect(body).toEqual(acknowledged(id))
    expect(await stats(shop)).toMatchObject({
      creates: 1,
      byTrouble: { noCallback: 1 },
      callbacks: { pending: 0, sent: 0 },
    })
  })

  test('callbackBeforeAck: the callback has been accepted before the acknowledgment comes', async () => {
    const worker = await receiver()
    const shop = await troubled({ callbackBeforeAck: 100 }, { callback: worker.callback })
    let acknowledgedYet = false
    const sent = send(shop, 'stock', stock('77'), { flow: 'asynchronous' }).then((answer) => {
      acknowledgedYet = true
      return answer
    })
    await worker.body(1)
    expect(acknowledgedYet).toBe(false)
    const { id, body } = await sent
    expect(body).toEqual(acknowledged(id))
    const [received] = await read<ReceivedCall[]>(shop, 'requests')
    const [callback] = await read<Callback[]>(shop, 'callbacks')
    expect(callback?.state).toBe('accepted')
    expect(received!.answeredAt! >= callback!.sendings[0]!.sentAt).toBe(true)
    expect((await stats(shop)).callbacks).toMatchObject({ sent: 1, accepted: 1 })
  })

  test('callbackTwice: the same callback two times', async () => {
    const worker = await receiver()
    const shop = await troubled({ callbackTwice: 100 }, { callback: worker.callback })
    const { id } = await send(shop, 'stock', stock('77'), { flow: 'asynchronous' })
    await shop.callbacksSettled()
    expect(worker.bodies.map(([, call]) => call.id)).toEqual([id, id])
    expect(worker.bodies[1]).toEqual(worker.bodies[0])
  })

  test('callbackShuffle: a full batch goes out as one, reordered; what was refused is sent again alone', async () => {
    const worker = await receiver((calls, nth) => {
      const { body } = accept(calls)
      return { body: nth > 1 ? body : [...refuse(calls).body.slice(0, 1), ...body.slice(1)] }
    })
    const trouble = { callbackShuffle: 100, callbackBatch: 3, callbackHoldMs: 60_000, callbackDelayMs: 0 }
    const shop = await troubled(trouble, { callback: worker.callback })
    const ids: string[] = []
    for (const product of ['77', '78', '79'])
      ids.push((await send(shop, 'stock', stock(product), { flow: 'asynchronous' })).id)
    const [auth, ...calls] = await worker.body(1)
    expect(auth.method).toBe('auth')
    const sentIds = calls.map(({ id }) => id)
    expect([...sentIds].sort()).toEqual([...ids].sort())
    expect(sentIds).not.toEqual(ids)
    expect((await worker.body(2)).slice(1)).toEqual(calls.slice(0, 1))
    await shop.callbacksSettled()
    expect((await stats(shop)).callbacks).toEqual({ sent: 4, accepted: 3, refused: 1, pending: 0, abandoned: 0 })
  })

  test('callbackShuffle: a batch that never fills goes out when it was held long enough', async () => {
    const worker = await receiver()
    const shop = await troubled({ callbackShuffle: 100, callbackHoldMs: 30 }, { callback: worker.callback })
    const { id } = await send(shop, 'stock', stock('77'), { flow: 'asynchronous' })
    expect((await worker.body(1))[1].id).toBe(id)
  })

  test('callbackFailure: acknowledged, then the rows fail and nothing is done', async () => {
    const worker = await receiver()
    const shop = await troubled({ callbackFailure: 100 }, { callback: worker.callback })
    const { id, body } = await send(shop, 'new_product_set', created('S'), { flow: 'asynchronous' })
    expect(body).toEqual(acknowledged(id))
    expect((await worker.body(1))[1].params.result).toEqual([
      { status: 'failure', error: { message: 'Product failed to be created', code: 0 } },
    ])
    expect((await stats(shop)).creates).toBe(0)
    // It is trouble with the callback: the synchronous flow has none, and so no trouble.
    expect((await send(shop, 'new_product_set', created('S'))).body[0].result[0].status).toBe('success')
  })

  test('callbackDelayMs: the callback is at least that late', async () => {
    const worker = await receiver()
    const waiting = await troubled({ callbackDelayMs: 60_000 }, { callback: worker.callback })
    await send(waiting, 'stock', stock('77'), { flow: 'asynchronous' })
    expect((await stats(waiting)).callbacks).toMatchObject({ pending: 1, sent: 0 })
    const shop = await troubled({ callbackDelayMs: 100 }, { callback: worker.callback })
    const from = performance.now()
    await send(shop, 'stock', stock('77'), { flow: 'asynchronous' })
    await worker.body(1)
    expect(performance.now() - from).toBeGreaterThanOrEqual(99)
  })
})

describe('the settings', () => {
  test('PUT replaces the troubles, GET reads them, DELETE takes those of the start again', async () => {
    const shop = await start({ settings: { lenient: false } })
    await control(shop, 'PUT', 'troubles', { default: { http500: 100 } })
    expect((await send(shop, 'stock', stock('77'))).status).toBe(500)
    await control(shop, 'PUT', 'troubles', { topics: { price: { http404: 100 } } })
    expect((await send(shop, 'price', stock('77'))).status).toBe(404)
    const unknown = await send(shop, 'stock', stock('77'))
    expect(unknown.body[0].result[0].error.message).toBe('Product not found')
    expect(await read(shop, 'troubles')).toMatchObject({
      lenient: false,
      default: { http500: 0 },
      topics: { price: { http404: 100 } },
    })
    await control(shop, 'DELETE', 'troubles')
    expect((await send(shop, 'price', stock('77'))).status).toBe(200)
  })

  test('a topic that is named has its own trouble instead of the default', async () => {
    const shop = await start({ settings: { default: { http500: 100 }, topics: { price: {} } } })
    expect((await send(shop, 'price', stock('77'))).status).toBe(200)
    expect((await send(shop, 'stock', stock('77'))).status).toBe(500)
  })

  test.each([
    [{ default: { http500: 101 } }, /^default\.http500: /],
    [{ default: { http500: 60, nack: 50 } }, /^default\.nack: .*110/],
    [{ default: { noCallback: 60, callbackTwice: 50 } }, /^default\.callbackTwice: /],
    [{ topics: { stock: { latencyMs: -1 } } }, /^topics\.stock\.latencyMs: /],
    [{ default: { latencyMs: 'long' } }, /^default\.latencyMs: expected milliseconds/],
    [{ default: { callbackDelayMs: { min: 5, max: 4 } } }, /^default\.callbackDelayMs: min is greater than max/],
    [{ default: { http418: 1 } }, /^default: .*http418/],
    [{ topics: { tea: {} } }, /^topics.*tea/],
    [{ default: { srcIdTaken: 1 } }, /^default\.takenSrcId: /],
    [{ record: 'some' }, /^record: /],
    [[], /^settings: /],
    [undefined, /^settings: /],
  ])('a wrong value is refused by its name: %j', async (settings, error) => {
    const shop = await start()
    const before = await read(shop, 'troubles')
    const answer = await control(shop, 'PUT', 'troubles', settings)
    expect(answer.status).toBe(400)
    expect(answer.body.error).toMatch(error)
    expect(await read(shop, 'troubles')).toEqual(before)
  })

  test('escapesJson: answers and callbacks say the same in ASCII', async () => {
    const worker = await receiver()
    const shop = await start({ settings: { escapesJson: true }, callback: worker.callback })
    const answer = await fetch(`${shop.url}/`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-sc-flow': 'synchronous',
        'x-sc-topic': TOPICS.new_product_set.event,
      },
      body: JSON.stringify([{ api: 1, method: TOPICS.new_product_set.method, params: created('é 3/4'), id: '7' }]),
    })
    const text = await answer.text()
    expect(text).toContain(String.raw`TEE-\u00e9 3\/4`)
    expect(JSON.parse(text)[0].result[0].product.seller_sku).toBe('TEE-é 3/4')
    await send(shop, 'new_product_set', created('é'), { flow: 'asynchronous' })
    expect(await worker.body(1)).toMatchObject([{}, { params: { result: [{ product: { seller_sku: 'TEE-é' } }] } }])
  })

  test('wrong settings at the start are refused by name', async () => {
    await expect(startShop({ settings: { default: { http500: 101 } } })).rejects.toThrow(/^default\.http500: /)
  })

  test('percents are kept to, the two draws do not disturb each other', async () => {
    const shop = await troubled(
      { http500: 20, http404: 30, callbackDelayMs: 60_000, noCallback: 50 },
      { settings: { seed: 7 } },
    )
    for (let k = 0; k < 400; k += 1) await send(shop, 'stock', stock('77'), { flow: 'asynchronous' })
    const { byTrouble } = (await stats(shop)) as { byTrouble: Record<string, number> }
    expect(byTrouble.http500).toBeGreaterThan(50)
    expect(byTrouble.http500).toBeLessThan(110)
    expect(byTrouble.http404).toBeGreaterThan(90)
    expect(byTrouble.http404).toBeLessThan(150)
    expect(byTrouble.noCallback).toBeGreaterThan(160)
    expect(byTrouble.noCallback).toBeLessThan(240)
  })

  test('the same seed draws the same troubles, another seed others', async () => {
    const drawn = async (seed: number) => {
      const shop = await troubled({ http500: 50 }, { settings: { seed } })
      const statuses: number[] = []
      for (let k = 0; k < 40; k += 1) statuses.push((await send(shop, 'stock', stock('77'))).status)
      return statuses.join()
    }
    expect(await drawn(7)).toBe(await drawn(7))
    expect(await drawn(7)).not.toBe(await drawn(8))
  })

  test('every trouble has a test here', async () => {
    const { readFile } = await import('node:fs/promises')
    const source = await readFile(import.meta.filename, 'utf8')
    for (const name of [...ANSWER_TROUBLES, ...CALLBACK_TROUBLES])
      expect(source).toMatch(new RegExp(`\\b${name}: 100|\\['${name}', \\d+\\]`))
  })
})

describe('what the Shop tells', () => {
  test('a request with its headers, its call and its answer', async () => {
    const shop = await start()
    const { id, body } = await send(shop, 'stock', stock('77'))
    expect(await read(shop, `requests?requestId=${id}`)).toEqual([
      {
        requestId: id,
        path: '/',
        topic: 'stock',
        headers: {
          flow: 'synchronous',
          topic: 'product/stockchange',
          requeueCount: '2',
          enqueuedAt: '1795504500123456789',
          traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        },
        auth: false,
        call: { api: 1, method: 'Product.updateStock', params: stock('77'), id },
        trouble: null,
        callbackTrouble: null,
        receivedAt: expect.any(String),
        processedAt: expect.any(String),
        done: body[0].result,
        order: 0,
        answeredAt: expect.any(String),
        endedAt: expect.any(String),
        httpStatus: 200,
        answer: body,
        result: body[0].result,
      },
    ])
  })

  test('requests by topic, by product and the latest few', async () => {
    const shop = await start()
    const create = await send(shop, 'new_product_set', created('S'))
    const stockChange = await send(shop, 'stock', stock('9001'))
    const price = await send(shop, 'price', stock('77'))
    const ids = async (query: string) =>
      (await read<ReceivedCall[]>(shop, `requests?${query}`)).map(({ requestId }) => requestId)
    expect(await ids('')).toEqual([price.id, stockChange.id, create.id])
    expect(await ids('topic=stock')).toEqual([stockChange.id])
    expect(await ids('productId=9001')).toEqual([stockChange.id])
    expect(await ids('productId=41')).toEqual([stockChange.id, create.id])
    expect(await ids('limit=1')).toEqual([price.id])
    expect((await control(shop, 'GET', 'requests?topic=tea')).body.error).toMatch(/^topic: /)
  })

  test('counts by topic and method', async () => {
    const shop = await start()
    await send(shop, 'new_product_set', created('S'))
    await send(shop, 'stock', stock('77'))
    await send(shop, 'consignment_stock', stock('77'))
    expect(await stats(shop)).toMatchObject({
      requests: 3,
      byTopic: { new_product_set: 1, stock: 1, consignment_stock: 1 },
      byMethod: { 'Product.createProducts': 1, 'Product.updateStock': 2 },
    })
  })

  test('with record "counts" only numbers are kept, with a limit only the latest', async () => {
    const worker = await receiver()
    const counting = await start({ settings: { record: 'counts' }, callback: worker.callback })
    await send(counting, 'new_product_set', created('S'), { flow: 'asynchronous' })
    await counting.callbacksSettled()
    expect(await read(counting, 'requests')).toEqual([])
    expect(await read(counting, 'callbacks')).toEqual([])
    expect(await read(counting, 'products')).toMatchObject([{ id: '9001', createdCount: 1, fields: null }])
    expect(await stats(counting)).toMatchObject({ requests: 1, creates: 1, callbacks: { accepted: 1 } })

    const limited = await start({ settings: { recordLimit: 2 } })
    const ids: string[] = []
    for (let k = 0; k < 5; k += 1) ids.unshift((await send(limited, 'stock', stock('77'))).id)
    expect((await read<ReceivedCall[]>(limited, 'requests')).map(({ requestId }) => requestId)).toEqual(ids.slice(0, 2))
  })

  test('an odd callback is sent at once, as often and with the key that was asked for, and never again', async () => {
    const worker = await receiver(refuse)
    const shop = await start({ callback: worker.callback })
    const { id, body } = await send(shop, 'stock', stock('77'))
    const sent = await control(shop, 'POST', 'callbacks', { requestId: id, times: 2, apiKey: 'wrong' })
    expect(sent.body).toMatchObject([
      { state: 'abandoned', sendings: [{ httpStatus: 200, answer: { error: { code: -32001 } } }] },
      { state: 'abandoned' },
    ])
    expect(worker.bodies).toHaveLength(2)
    expect(worker.bodies[0]).toEqual([
      { jsonrpc: '2.0', method: 'auth', params: { apiKey: 'wrong' } },
      { jsonrpc: '2.0', method: 'Callback.process', params: { result: body[0].result }, id },
    ])
    await control(shop, 'POST', 'callbacks', { requestId: 'unknown', result: 'odd', apiKey: null })
    expect(worker.bodies[2]).toEqual([
      { jsonrpc: '2.0', method: 'Callback.process', params: { result: 'odd' }, id: 'unknown' },
    ])
    expect((await stats(shop)).callbacks).toEqual({ sent: 3, accepted: 0, refused: 3, pending: 0, abandoned: 3 })
    expect((await control(shop, 'POST', 'callbacks', { requestId: 'unknown' })).body.error).toMatch(/^result: /)
    expect((await control(shop, 'POST', 'callbacks', {})).body.error).toMatch(/^requestId: /)
  })

  test('a reset forgets everything but the ids that were given', async () => {
    const shop = await start()
    await control(shop, 'PUT', 'troubles', { default: { callbackDelayMs: 60_000 }, topics: { price: { nack: 100 } } })
    await send(shop, 'new_product_set', created('S'), { flow: 'asynchronous' })
    expect((await stats(shop)).callbacks).toMatchObject({ pending: 1 })
    expect((await control(shop, 'POST', 'reset')).status).toBe(200)
    expect(await stats(shop)).toMatchObject({
      requests: 0,
      byTopic: {},
      byMethod: {},
      byTrouble: {},
      creates: 0,
      duplicateCreates: 0,
      callbacks: { sent: 0, accepted: 0, refused: 0, pending: 0, abandoned: 0 },
    })
    expect(await read(shop, 'requests')).toEqual([])
    expect(await read(shop, 'troubles')).toHaveProperty('topics', {})
    expect((await send(shop, 'new_product_set', created('S'))).body[0].result[0].product).toMatchObject({
      id: '9002',
      config_id: '702',
    })
    expect(await stats(shop)).toMatchObject({ creates: 1, duplicateCreates: 0 })
  })
})

describe('the program', () => {
  const run = (env: Record<string, string>) =>
    spawn(process.execPath, ['demo/shop/main.ts'], {
      cwd: `${import.meta.dirname}/../..`,
      env: { ...process.env, ...env },
      stdio: 'pipe',
    })

  test.concurrent.each(['SIGTERM', 'SIGINT'] as const)(
    'says where it listens, takes its settings from the environment and ends on %s',
    async (signal) => {
      const program = run({ SHOP_PORT: '0', SHOP_SETTINGS: '{"lenient": false}', SHOP_FIRST_PRODUCT_ID: '12000' })
      const [line] = await once(program.stdout, 'data')
      const { listening } = JSON.parse(String(line)) as { listening: string }
      expect(listening).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
      const shop = { url: listening } as RunningShop
      expect(await read(shop, 'troubles')).toMatchObject({ lenient: false })
      expect((await send(shop, 'new_product_set', created('S'))).body[0].result[0].product).toMatchObject({
        id: '12000',
        config_id: '701',
      })
      program.kill(signal)
      expect(await once(program, 'exit')).toEqual([0, null])
    },
  )

  test.concurrent.each([
    [{ SHOP_PORT: 'many', SHOP_SETTINGS: '{' }, /^SHOP_PORT: .*; SHOP_SETTINGS: expected JSON$/m],
    [{ SHOP_SETTINGS: '{"default": {"http500": 101}}' }, /default\.http500: /],
  ])('does not start with %j and says why', async (env, sentence) => {
    const program = run({ SHOP_PORT: '0', ...env })
    const [said] = await once(program.stderr, 'data')
    expect(String(said)).toMatch(sentence)
    expect(await once(program, 'exit')).toEqual([1, null])
  })
})
