import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ItemDetail } from '../../worker/api/internal.ts'
import type { Sql } from '../../worker/database/database.ts'
import { enterWorker } from '../../worker/queue/worker-row.ts'
import { readBlocked } from '../../worker/read/blocked.ts'
import { readBody } from '../../worker/read/item-history.ts'
import { readItem } from '../../worker/read/items.ts'
import { ADMIN, addSet, enqueue, finish, type Listener, put, startListener } from './internal-listener.ts'

let api: Listener
beforeAll(async () => {
  api = await startListener()
  await enterWorker(api.sql, 'alive', 'synchronous') // without one, that is what each answer says first
  await api.sql`update shop_update.worker set heartbeat_at = now() + interval '1 hour'` // however long this takes
})
afterAll(() => api.stop())

const detail = (id: string) => api.get<ItemDetail>(`/api/items/${id}`)

describe('one item', () => {
  it('has its timeline: every step with what it took, every call with its answer and its callback', async () => {
    const { sql } = api
    const { productIds } = await addSet(sql, 'LINE')
    const id = await enqueue(sql, 'price', { product: productIds[0]! })
    await sql`
      insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason)
      select ${id}::bigint, now() + x.s * interval '1 second', x.f::shop_update.status, x.t::shop_update.status,
        x.seconds, x.reason
      from (values
        (4, 'response_processing', 'synced', 0.25, null),
        (4, 'building_response_payload', 'response_processing', 0, null),
        (4, 'got_response', 'building_response_payload', 0, null),
        (1, 'pending', 'processing', 1, null),
        (3, 'got_acknowledgment', 'got_response', 2, null)) x (s, f, t, seconds, reason)`
    await sql`
      insert into shop_update.request (request_id, item_id, sent_at, flow, trace_id, body) values
        (501, ${id}::bigint, now(), 'asynchronous', 'trace-1', '{"id":"501"}'),
        (502, ${id}::bigint, now() + interval '1 minute', 'synchronous', 'trace-2', '{"id":"502"}')`
    await sql`
      insert into shop_update.answer (request_id, item_id, answered_at, milliseconds, http_status, outcome, body)
      values (501, ${id}::bigint, now(), 12.5, 200, 'acknowledged', '[ack]')`
    await sql`
      insert into shop_update.callback (request_id, item_id, outcome, digest, body, received_at, trace_id) values
        ('501', ${id}::bigint, 'accepted', 'a', '[rows]', now() + interval '2 hours', 'trace-3'),
        ('501', ${id}::bigint, 'duplicate', 'a', '[rows]', now() + interval '3 hours', 'trace-4')`
    const item = await detail(id)
    expect(item.transitions.map(({ from, to }) => [from, to])).toEqual([
      [null, 'pending'],
      ['pending', 'processing'],
      ['got_acknowledgment', 'got_response'],
      ['got_response', 'building_response_payload'],
      ['building_response_payload', 'response_processing'],
      ['response_processing', 'synced'],
    ])
    expect(item.transitions[5]).toEqual({
      from: 'response_processing',
      to: 'synced',
      at: expect.stringMatching(/Z$/),
      seconds: 0.25,
      reason: null,
      actor: null,
      note: null,
    })
    expect(item.calls).toEqual([
      {
        requestId: '501',
        method: 'Product.updatePrices',
        flow: 'asynchronous',
        sentAt: expect.stringMatching(/Z$/),
        answeredAt: expect.stringMatching(/Z$/),
        milliseconds: 12.5,
        httpStatus: 200,
        outcome: 'acknowledged',
        request: '{"id":"501"}',
        requestBytes: 12,
        response: '[ack]',
        responseBytes: 5,
        callbackAt: expect.stringMatching(/Z$/),
        callback: '[rows]',
        callbackBytes: 6,
        traceId: 'trace-1',
        callbackTraceId: 'trace-3',
      },
      expect.objectContaining({
        requestId: '502',
        answeredAt: null,
        httpStatus: null,
        outcome: null,
        response: null,
        responseBytes: null,
        callbackAt: null,
        callback: null,
        callbackBytes: null,
        traceId: 'trace-2',
        callbackTraceId: null,
      }),
    ])
  })

  it('has the beginning of bodies of any length, and each as a whole by itself', async () => {
    const { sql } = api
    const { productIds } = await addSet(sql, 'LARGE')
    const id = await enqueue(sql, 'price', { product: productIds[0]! })
    // 8 MiB of control characters are 48 MiB as JSON; for 28 calls that is more than a string can hold.
    const body = `${'\u0001'.repeat(8 * 1024 * 1024 - 8)}é€😀 end`
    const other = await enqueue(sql, 'content', { product: productIds[0]! })
    await sql`
      insert into shop_update.request (request_id, item_id, sent_at, flow, trace_id, body)
      select 600 + n, ${id}::bigint, now() + n * interval '1 second', 'synchronous', 't', '{}'
      from generate_series(0, 27) n`
    await sql`
      insert into shop_update.answer (request_id, item_id, answered_at, milliseconds, http_status, outcome, body)
      select 600 + n, ${id}::bigint, now() + n * interval '1 second', 1, 200, 'unprocessable', ${body}
      from generate_series(0, 27) n`
    await sql`
      insert into shop_update.callback (request_id, item_id, outcome, digest, body, received_at)
      values ('600', ${id}::bigint, 'late', 'l', '[late]', now())`
    await sql`update shop_update.request set body = repeat('r', 5000) where request_id = 605`
    await sql`
      insert into shop_update.callback (request_id, item_id, outcome, digest, body, received_at)
      values ('605', ${id}::bigint, 'accepted', 'l', repeat('c', 5000), now())`
    const { calls } = await detail(id)
    expect(calls).toHaveLength(28)
    expect(calls[5]).toMatchObject({ request: 'r'.repeat(4096), requestBytes: 5000 })
    expect(calls[5]).toMatchObject({ callback: 'c'.repeat(4096), callbackBytes: 5000 })
    for (const { response, responseBytes } of calls) {
      expect(response).toBe('\u0001'.repeat(4096))
      expect(responseBytes).toBe(Buffer.byteLength(body))
    }
    const part = (path: string, item = id) => api.call('GET', `/api/items/${item}/calls/${path}`)
    const whole = await part('627/response')
    expect(whole.text === body).toBe(true)
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': 'attachment; filename="response-627.txt"',
      'x-content-type-options': 'nosniff',
    })
    // one piece at a time, so that eight such pages take no more memory than one
    const [item] = await sql<[{ queuedAt: Date }]>`
      select queued_at as "queuedAt" from shop_update.item where id = ${id}::bigint`
    for await (const piece of readBody(sql, { ...item, itemId: id, requestId: '627', part: 'response' }))
      expect(piece.length).toBeLessThanOrEqual(1024 * 1024 + 1) // one of its characters is two to JavaScript
    expect((await part('600/request')).text).toBe('{}')
    expect((await part('600/callback')).text).toBe('[late]')
    expect((await part('601/callback')).body.detail).toBe(`Item ${id} has no callback with the request ID 601.`)
    expect((await part('627/response', other)).status).toBe(404)
    expect((await part('627/response', '999999999')).status).toBe(404)
    expect((await part('627/password')).body.field).toBe('part')
  })

  it('answers the seller', async () => {
    const { productIds } = await addSet(api.sql, 'ANSWER', { products: 2 })
    const first = await enqueue(api.sql, 'price', { product: productIds[0]! })
    const second = await enqueue(api.sql, 'price', { product: productIds[1]! })
    expect(await detail(first)).toMatchObject({
      title: 'Linen Shirt 1',
      positionInSet: 1,
      sellerAnswer: { whoActs: 'nobody', text: expect.stringContaining('“Linen Shirt 1” (seller SKU ANSWER-1)') },
    })
    expect(await detail(second)).toMatchObject({
      positionInSet: 2,
      sellerAnswer: { text: expect.stringContaining('One other change of the same product set is sent before it.') },
    })
  })

  it('puts what creates first in the order of a set, and what is in flight before all', async () => {
    const { productIds, setId } = await addSet(api.sql, 'ORDER', { products: 2, inShop: false })
    const price = await enqueue(api.sql, 'price', { product: productIds[0]! })
    const create = await enqueue(api.sql, 'new_product_set', { set: setId })
    expect([(await detail(price)).positionInSet, (await detail(create)).positionInSet]).toEqual([2, 1])
    const content = await enqueue(api.sql, 'content', { product: productIds[0]! })
    await put(api.sql, content, 'made_request', { sends: 1 })
    expect([
      (await detail(price)).positionInSet,
      (await detail(create)).positionInSet,
      (await detail(content)).positionInSet,
    ]).toEqual([3, 2, null])
  })

  it('names the create that it waits for: of the product, then of the set, of a variation if in its way', async () => {
    const { productIds, setId } = await addSet(api.sql, 'WAIT', { products: 2, inShop: false })
    const price = await enqueue(api.sql, 'price', { product: productIds[0]! })
    await put(api.sql, price, 'blocked', { reason: 'not_in_shop' })
    expect(await detail(price)).toMatchObject({
      blockedBy: null,
      blockedByItem: null,
      sellerAnswer: { whoActs: 'admin' },
    })
    const other = await enqueue(api.sql, 'new_product', { product: productIds[1]! })
    expect((await detail(price)).blockedBy).toBeNull()
    // what has come into the Shop meanwhile is released when nothing of its set is being created
    const inShop = (is: boolean) => api.sql`
      with set as (update catalog.product_set set src_id = case when ${String(is)} = 'true' then 'S-WAIT' end
        where id = ${setId}::bigint)
      update catalog.product set src_id = case when ${String(is)} = 'true' then 'WAIT/1' end,
        shop_sku = case when ${String(is)} = 'true' then 'SHOP-WAIT-1' end where id = ${productIds[0]!}::bigint`
    await inShop(true)
    expect((await detail(price)).blockedBy).toBe(other)
    await inShop(false)
    await put(api.sql, price, 'blocked', { reason: 'new_variation' })
    expect((await detail(price)).blockedBy).toBe(other)
    await put(api.sql, price, 'blocked', { reason: 'not_in_shop' })
    const ofSet = await enqueue(api.sql, 'new_product_set', { set: setId })
    await put(api.sql, ofSet, 'made_request', { sends: 1 })
    expect((await detail(price)).blockedBy).toBe(ofSet)
    const own = await enqueue(api.sql, 'new_product', { product: productIds[0]! })
    expect(await detail(price)).toMatchObject({
      blockedBy: own,
      blockedByItem: { id: own, topic: 'new_product', status: 'pending' },
      sellerAnswer: { text: expect.stringContaining(`It waits for item ${own}`) },
    })
  })

  it('waits for the quality control if that has not approved it; who has to act depends on what it says', async () => {
    const { productIds, setId } = await addSet(api.sql, 'UNAPPROVED', { inShop: false })
    const [price, images] = [
      await enqueue(api.sql, 'price', { product: productIds[0]! }),
      await enqueue(api.sql, 'images', { set: setId }),
    ]
    for (const item of [price, images]) await put(api.sql, item, 'blocked', { reason: 'not_in_shop' })
    await api.sql`update catalog.product set qc_status = 'pending' where id = ${productIds[0]!}::bigint`
    for (const item of [price, images]) {
      expect(await detail(item)).toMatchObject({
        blockedBy: null,
        noCreate: 'qc_pending',
        sellerAnswer: { whoActs: 'nobody', text: expect.stringContaining('once it is approved in quality control') },
      })
    }
    await api.sql`update catalog.product set qc_status = 'rejected' where id = ${productIds[0]!}::bigint`
    for (const item of [price, images]) {
      expect(await detail(item)).toMatchObject({
        noCreate: 'qc_rejected',
        sellerAnswer: { whoActs: 'seller', text: expect.stringContaining('has been rejected in quality control') },
      })
    }
    const { text } = await api.call('GET', '/api/items.csv?tab=blocked&q=UNAPPROVED-1')
    expect(text).toContain('a correction by the seller: rejected in quality control')
    await api.sql`update catalog.product set qc_status = 'approved' where id = ${productIds[0]!}::bigint`
    for (const item of [price, images])
      expect(await detail(item)).toMatchObject({ noCreate: null, sellerAnswer: { whoActs: 'admin' } })
    await api.sql`update catalog.product set qc_status = 'pending' where id = ${productIds[0]!}::bigint`
    const create = await enqueue(api.sql, 'new_product', { product: productIds[0]! })
    expect(await detail(price)).toMatchObject({ blockedBy: create, noCreate: null })
    await put(api.sql, create, 'blocked', { reason: 'not_in_shop' })
    expect(await detail(create)).toMatchObject({ noCreate: null, sellerAnswer: { whoActs: 'admin' } })
    await api.sql`delete from catalog.product where id = ${productIds[0]!}::bigint`
    const late = await enqueue(api.sql, 'new_product_set', { set: setId })
    await put(api.sql, late, 'failed')
    // not even the item that creates the others
    expect(await detail(price)).toMatchObject({ blockedBy: null, noCreate: 'product_deleted' })
    // the set has no product left to create
    expect(await detail(images)).toMatchObject({ blockedBy: null, noCreate: 'product_deleted' })
    await finish(api.sql, late)
    await put(api.sql, price, 'blocked', { reason: 'new_variation' })
    for (const item of [price, images, create]) {
      expect(await detail(item)).toMatchObject({
        noCreate: 'product_deleted',
        sellerAnswer: {
          whoActs: 'nobody',
          text: expect.stringContaining(item === images ? 'has no product in Seller Center' : 'has been deleted'),
        },
      })
    }
  })

  it('that has its own time waits for one of its set and topic that is tried after it: the last of them', async () => {
    const { productIds } = await addSet(api.sql, 'LATER', { products: 3 })
    const [first, second, stock] = [
      await enqueue(api.sql, 'stock', { product: productIds[0]! }),
      await enqueue(api.sql, 'stock', { product: productIds[1]! }),
      await enqueue(api.sql, 'stock', { product: productIds[2]! }),
    ]
    const dueIn = (item: string, minutes: number) =>
      api.sql`
        update shop_update.item set run_at = now() + ${minutes}::int * interval '1 minute' where id = ${item}::bigint`
    await put(api.sql, first, 'delayed', { reason: 'failure', failures: 1 })
    await put(api.sql, second, 'delayed', { reason: 'failure', failures: 1 })
    await put(api.sql, stock, 'delayed', { reason: 'stock_wait' })
    await dueIn(first, 1)
    await dueIn(second, 2)
    await dueIn(stock, 10)
    expect((await detail(stock)).sellerAnswer.text).toContain('waits on purpose')
    await dueIn(first, 480)
    await dueIn(second, 60)
    const goesBefore = (nth: 1 | 2, item: string, status: string) =>
      `after an earlier change of another variation (seller SKU LATER-${nth}), item ${item} (Stock, status ` +
      `${status})`
    expect((await detail(stock)).sellerAnswer.text).toContain(goesBefore(1, first, 'Delayed'))
    // one in trouble is named before any other
    await put(api.sql, second, 'failed')
    await dueIn(second, 60)
    expect((await detail(stock)).sellerAnswer).toMatchObject({
      whoActs: 'sre',
      text: expect.stringContaining(goesBefore(2, second, 'Failed')),
    })
  })

  it('that is a create waits for no other but one that may have made the same product', async () => {
    const { productIds, setId } = await addSet(api.sql, 'CREATES', { products: 2, inShop: false })
    const beside = await enqueue(api.sql, 'new_product', { product: productIds[0]! })
    const made = await enqueue(api.sql, 'new_product', { product: productIds[1]! })
    await put(api.sql, made, 'got_acknowledgment', { sends: 1 })
    const ofSet = await enqueue(api.sql, 'new_product_set', { set: setId })
    await put(api.sql, ofSet, 'blocked', { reason: 'new_variation' })
    await put(api.sql, beside, 'blocked', { reason: 'new_variation' })
    expect((await detail(ofSet)).blockedBy).toBe(made)
    expect((await detail(beside)).blockedBy).toBeNull()
  })

  it('that is released while it is read is told as it is then', async () => {
    const { productIds } = await addSet(api.sql, 'RACE', { inShop: false })
    const item = await enqueue(api.sql, 'price', { product: productIds[0]! })
    await put(api.sql, item, 'blocked', { reason: 'not_in_shop' })
    expect(await readItem(api.sql, item)).toMatchObject({ status: 'blocked' })
    let released = false
    const between = (strings: TemplateStringsArray, ...values: never[]) => {
      if (released || !strings.raw?.join('').includes('as "blockedBy"')) return api.sql(strings, ...values)
      released = true
      return put(api.sql, item, 'pending').then(() => api.sql(strings, ...values))
    }
    expect(await readItem(Object.assign(between, api.sql) as unknown as Sql, item)).toMatchObject({
      status: 'pending',
    })
    expect(released).toBe(true)
  })

  it('is sent next once what it waited for is in the Shop', async () => {
    const { productIds, setId } = await addSet(api.sql, 'CREATED', { inShop: false })
    const later = await addSet(api.sql, 'VARIES', { inShop: false })
    const item = await enqueue(api.sql, 'price', { product: productIds[0]! })
    const variation = await enqueue(api.sql, 'new_product', { product: later.productIds[0]! })
    for (const each of [item, variation]) {
      await put(api.sql, each, 'blocked', { reason: 'not_in_shop' })
      expect(await detail(each)).toMatchObject({ noCreate: null, sellerAnswer: { whoActs: 'admin' } })
    }
    await api.sql`
      update catalog.product_set set src_id = 'SET-' || id where id = any (${[setId, later.setId]}::bigint[])`
    await api.sql`
      update catalog.product set src_id = 'CREATED-1', shop_sku = 'SHOP-1' where id = ${productIds[0]!}::bigint`
    for (const each of [item, variation])
      expect(await detail(each)).toMatchObject({
        noCreate: 'sent_next',
        sellerAnswer: { whoActs: 'nobody', text: expect.stringContaining(', and it is sent in its turn.') },
      })
  })

  it('stands still where the create that keeps it has Failed, although the Shop has its product', async () => {
    const { stranded } = await readBlocked(api.sql)
    const { productIds } = await addSet(api.sql, 'KEPT', { products: 2 })
    await api.sql`update catalog.product set src_id = null, shop_sku = null where id = ${productIds[1]!}::bigint`
    const item = await enqueue(api.sql, 'price', { product: productIds[0]! })
    const create = await enqueue(api.sql, 'new_product', { product: productIds[1]! })
    await put(api.sql, item, 'blocked', { reason: 'new_variation' })
    await put(api.sql, create, 'delayed')
    expect(await readBlocked(api.sql)).toMatchObject({ stranded })
    await put(api.sql, create, 'failed')
    expect(await readBlocked(api.sql)).toMatchObject({ stranded: stranded + 1 })
    expect(await detail(item)).toMatchObject({ blockedBy: create, noCreate: null, sellerAnswer: { whoActs: 'admin' } })
  })

  it('waits behind a Delayed or Failed one of its set and topic, which is said', async () => {
    const { productIds } = await addSet(api.sql, 'HELD', { products: 2 })
    const holder = await enqueue(api.sql, 'price', { product: productIds[0]! })
    const held = await enqueue(api.sql, 'price', { product: productIds[1]! })
    const other = await enqueue(api.sql, 'content', { product: productIds[1]! })
    const after = `after an earlier change of another variation (seller SKU HELD-1), item ${holder} (Price, status `
    await put(api.sql, holder, 'delayed')
    expect((await detail(held)).sellerAnswer).toMatchObject({
      whoActs: 'nobody',
      text: expect.stringContaining(`${after}Delayed)`),
    })
    await put(api.sql, holder, 'failed')
    expect((await detail(held)).sellerAnswer).toMatchObject({
      whoActs: 'sre',
      text: expect.stringContaining(`${after}Failed)`),
    })
    expect((await detail(other)).sellerAnswer.text).not.toContain(after)
    // its own time has come, but not its turn
    for (const reason of ['failure', 'stock_wait']) {
      await put(api.sql, held, 'delayed', { reason })
      await api.sql`
        update shop_update.item set lane = 'behind', run_at = now() - interval '1 hour' where id = ${held}::bigint`
      expect((await detail(held)).sellerAnswer).toMatchObject({
        whoActs: 'sre',
        text: expect.stringContaining(`${after}Failed)`),
      })
    }
    // exhausted: no item waits for it any more
    await api.sql`update shop_update.item set run_at = 'infinity' where id = ${holder}::bigint`
    expect((await detail(held)).sellerAnswer.text).not.toContain(after)
  })

  it('is found after it has been synced', async () => {
    const { productIds } = await addSet(api.sql, 'GONE')
    const id = await enqueue(api.sql, 'price', { product: productIds[0]! })
    await finish(api.sql, id)
    expect(await detail(id)).toMatchObject({
      id,
      status: 'synced',
      retriesLeft: null,
      sku: 'SHOP-GONE-1',
      sellerAnswer: { text: expect.stringContaining('SHOP-GONE-1') },
    })
  })

  it.each(['999999999', '1000000000000000'])('404 for %s', async (id) => {
    expect(await api.call('GET', `/api/items/${id}`)).toMatchObject({
      status: 404,
      body: { status: 404, title: 'Not Found' },
    })
  })

  it.each(['x', '0', '-1', '1e3', '9999999999999999999'])('400 for %s', async (id) => {
    expect(await api.call('GET', `/api/items/${id}`)).toMatchObject({ status: 400, body: { field: 'id' } })
  })
})

describe('queueing by hand', () => {
  const post = (body: unknown) => api.call('POST', '/api/items', { key: ADMIN, body })

  it('queues a change, and lets the next one be absorbed', async () => {
    const { productIds, setId } = await addSet(api.sql, 'HAND')
    const before = api.queued()
    const first = await post({ topic: 'price', productId: productIds[0] })
    expect(first).toMatchObject({ status: 201, body: { itemId: expect.stringMatching(/^\d+$/), coalesced: false } })
    expect(await post({ topic: 'price', productId: Number(productIds[0]) })).toMatchObject({
      status: 201,
      body: { itemId: first.body.itemId, coalesced: true },
    })
    expect(await post({ topic: 'images', productSetId: setId })).toMatchObject({
      status: 201,
      body: { coalesced: false },
    })
    expect(api.queued()).toBe(before + 3)
    expect(await detail(first.body.itemId)).toMatchObject({ coalesced: 1, status: 'pending' })
    expect(
      await api.sql`select actor, detail from shop_update.audit where action = 'enqueue' order by id limit 1`,
    ).toMatchObject([
      { actor: 'admin (key)', detail: { topic: 'price', productId: productIds[0], itemId: first.body.itemId } },
    ])
  })

  it.each([
    [{ topic: 'price', productId: '999999999' }, 422, 'productId'],
    [{ topic: 'images', productSetId: '999999999' }, 422, 'productSetId'],
    [{ topic: 'price' }, 400, 'productId'],
    [{ topic: 'images', productId: '1' }, 400, 'productSetId'],
    [{ topic: 'price', productId: '1', productSetId: '1' }, 400, 'productSetId'],
    [{ topic: 'prices', productId: '1' }, 400, 'topic'],
    [{ productId: '1' }, 400, 'topic'],
    [{ topic: 'price', productId: '1.5' }, 400, 'productId'],
    [{ topic: 'price', productId: null }, 400, 'productId'],
    [{ topic: 'price', productId: '1', status: 'synced' }, 400, 'status'],
  ])('%j names what is wrong', async (body, status, field) => {
    expect(await post(body)).toMatchObject({ status, body: { status, field } })
  })

  it('leaves nothing behind where it is refused', async () => {
    const before = await api.sql`select count(*) from shop_update.audit`
    await post({ topic: 'price', productId: '999999999' })
    expect(await api.sql`select count(*) from shop_update.audit`).toEqual(before)
  })
})
