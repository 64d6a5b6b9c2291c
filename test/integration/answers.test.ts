import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Callback } from '../../demo/shop/callbacks.ts'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import type { Topic } from '../../worker/domain/topics.ts'
import { addSet, CALLBACK_API_KEY, type Scene, startScene } from '../scene.ts'

let scene: Scene
beforeAll(async () => {
  // A "minute" that never passes here: what is Delayed stays so until the test makes it due.
  scene = await startScene({ env: { SHOP_TIMEOUT_MS: '5000', RETRY_UNIT_SECONDS: '3600', FAILED_AFTER: '2' } })
})
afterAll(() => scene.stop())
afterEach(() => scene.control('/troubles', { method: 'DELETE' }))

type Trouble = NonNullable<SettingsInput['default']>
const trouble = (setting: Trouble) => scene.control('/troubles', { method: 'PUT', body: { default: setting } })
const received = async (requestId: string | null) => {
  const [call] = await scene.control<ReceivedCall[]>(`/requests?requestId=${requestId}`)
  return call!
}
const makeDue = (itemId: string) =>
  scene.sql`update shop_update.item set run_at = now() where id = ${itemId}::bigint and lane = 'delayed'`

interface StoredAnswer {
  httpStatus: number | null
  outcome: string
  body: string | null
}
const answersOf = (itemId: string) => scene.sql<StoredAnswer[]>`
  select http_status as "httpStatus", outcome, body from shop_update.answer
  where item_id = ${itemId}::bigint order by answered_at`
/**
 * Without those of calls that the Shop turned away: the first one on a connection that breaks while others are open is
 * sent once more before it counts (decision 21).
 */
const countedAnswers = (itemId: string) => scene.sql<StoredAnswer[]>`
  select http_status as "httpStatus", outcome, body from shop_update.answer
  where item_id = ${itemId}::bigint and done_to is distinct from 'pending' order by answered_at`
const callbacksOf = (itemId: string) => scene.sql<{ outcome: string; body: string; applied: boolean }[]>`
  select outcome, body, applied_at is not null as applied from shop_update.callback
  where item_id = ${itemId}::bigint order by id`

/** What the catalogue has from the Shop about the products of a set. */
const idsOf = async (setId: string) => {
  const rows = await scene.sql<
    { setSrcId: string | null; srcId: string | null; shopSku: string | null; updated: boolean }[]
  >`
    select s.src_id as "setSrcId", p.src_id as "srcId", p.shop_sku as "shopSku", p.src_updated_at is not null as updated
    from catalog.product p join catalog.product_set s on s.id = p.product_set_id
    where s.id = ${setId}::bigint order by p.id`
  return [...rows]
}
const NOTHING = { setSrcId: null, srcId: null, shopSku: null, updated: false }

/** A product whose change is sent, or a new set with this many products to be created. */
async function queue(topic: Topic, { products = 1 } = {}) {
  const set = await addSet(scene.sql, { inShop: topic !== 'new_product_set', products })
  const ofSet = topic === 'new_product_set' || topic === 'images'
  return { ...set, itemId: await scene.enqueue(topic, ofSet ? { set: set.setId } : { product: set.productIds[0]! }) }
}

async function useFlow(flow: 'synchronous' | 'asynchronous') {
  await scene.api('/api/flow', { method: 'PUT', body: { flow } })
  await vi.waitFor(async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow }] }), {
    timeout: 30_000,
    interval: 20,
  })
}

const expectDelayed = async (itemId: string, message: RegExp) => {
  expect(await scene.untilStatus(itemId, 'delayed')).toMatchObject({
    reason: 'failure',
    message: expect.stringMatching(message),
    failures: 1,
  })
  const [item] = await scene.sql`
    select extract(epoch from run_at - entered_at)::float8 as wait, sends, (
      select count(*)::int from shop_update.answer where item_id = ${itemId}::bigint) as answers
    from shop_update.item where id = ${itemId}::bigint`
  expect(item).toEqual({ wait: 3600, sends: item!.answers, answers: item!.answers })
}

describe('synchronous flow', () => {
  describe('a failure: Delayed, with the words of the Shop', () => {
    test.each<{ name: keyof Trouble; topic?: Topic; message: RegExp; answer: object }>([
      {
        name: 'http500',
        message: /^The Shop answered with HTTP status 500.*Internal Server Error/,
        answer: { httpStatus: 500, outcome: 'failure' },
      },
      {
        name: 'hang',
        message: /^The Shop did not answer within 5 s\.$/,
        answer: { httpStatus: null, outcome: 'unreachable', body: null },
      },
      {
        name: 'http404',
        message: /^The Shop answered with HTTP status 404.*Not Found/,
        answer: { httpStatus: 404, outcome: 'failure' },
      },
      {
        name: 'hangBefore',
        message: /did not answer within 5 s/,
        answer: { httpStatus: null, outcome: 'unreachable', body: null },
      },
      { name: 'nack', message: /^Request could not be queued$/, answer: { httpStatus: 200, outcome: 'failure' } },
      {
        name: 'drop',
        message: /broke off the connection/,
        answer: { httpStatus: null, outcome: 'unreachable', body: null },
      },
      { name: 'failureRows', message: /^Price failed to update$/, answer: { httpStatus: 200, outcome: 'failure' } },
      {
        name: 'dropBefore',
        message: /broke off the connection/,
        answer: { httpStatus: null, outcome: 'unreachable', body: null },
      },
      {
        name: 'failureRows',
        topic: 'images',
        message: /^Images failed to update$/,
        answer: { httpStatus: 200, outcome: 'failure' },
      },
      {
        name: 'failureRows',
        topic: 'new_product_set',
        message: /Product failed to be created/,
        answer: { httpStatus: 200, outcome: 'failure' },
      },
    ])('$name', async ({ name, topic = 'price', message, answer }) => {
      await trouble({ [name]: 100 })
      const { itemId, setId } = await queue(topic, { products: 2 })
      await expectDelayed(itemId, message)
      const { requestId } = await scene.item(itemId)
      const call = await received(requestId)
      expect(await countedAnswers(itemId)).toMatchObject([
        call.answer === null || name === 'drop' || name === 'hang'
          ? answer
          : { ...answer, body: typeof call.answer === 'string' ? call.answer : JSON.stringify(call.answer) },
      ])
      const passes = 'body' in answer ? [] : ['got_response']
      const statuses = await scene.statuses(itemId)
      expect(statuses.slice(statuses.lastIndexOf('made_request'))).toEqual(['made_request', ...passes, 'delayed'])
      expect((await idsOf(setId)).map(({ updated }) => updated)).toEqual([false, false])
    })

    test('a refused connection', async () => {
      // A separate worker whose Shop does not exist; the other worker must not get the item.
      const alone = await startScene({ env: { SHOP_URL: 'http://127.0.0.1:9', RETRY_UNIT_SECONDS: '3600' } })
      const { productIds } = await addSet(alone.sql)
      const itemId = await alone.enqueue('price', { product: productIds[0]! })
      expect(await alone.untilStatus(itemId, 'delayed')).toMatchObject({
        reason: 'failure',
        message: expect.stringContaining('127.0.0.1:9'),
        failures: 1,
      })
      await alone.stop()
    })

    test('its retry is sent with a new request id and Synced, however it was lost', async () => {
      await trouble({ drop: 100 })
      const { itemId } = await queue('price')
      const { requestId } = await scene.untilStatus(itemId, 'delayed')
      await trouble({})
      await makeDue(itemId)
      const synced = await scene.untilStatus(itemId, 'synced')
      expect(synced).toMatchObject({ failures: 1, reason: null, message: null })
      expect(synced.requestId).not.toBe(requestId)
      expect(await countedAnswers(itemId)).toMatchObject([{ outcome: 'unreachable' }, { outcome: 'success' }])
    })
  })

  describe('an unusable answer: Blocked, with the raw answer kept', () => {
    test.each<{ name: keyof Trouble; topic: Topic; message: RegExp }>([
      { name: 'garbage', topic: 'price', message: /not JSON/ },
      { name: 'garbage', topic: 'new_product_set', message: /not JSON/ },
      { name: 'wrongId', topic: 'stock', message: /does not contain request/ },
      { name: 'wrongRowCount', topic: 'content', message: /answered 2 rows for 1 product/ },
      { name: 'wrongRowCount', topic: 'new_product_set', message: /answered 3 rows for 2 products/ },
      { name: 'missingProduct', topic: 'status', message: /without a usable product ID/ },
      { name: 'missingProduct', topic: 'new_product_set', message: /without a usable product ID/ },
      { name: 'missingProduct', topic: 'images', message: /without its images/ },
      { name: 'wrongProduct', topic: 'price', message: /another product than/ },
      { name: 'wrongProduct', topic: 'new_product_set', message: /another product than/ },
      { name: 'wrongProduct', topic: 'images', message: /images of product set \d+; asked was \d+/ },
    ])('$name, $topic', async ({ name, topic, message }) => {
      await trouble({ [name]: 100 })
      const { itemId, setId } = await queue(topic, { products: 2 })
      const before = await idsOf(setId)
      const blocked = await scene.untilStatus(itemId, 'blocked')
      expect(blocked).toMatchObject({
        reason: 'unprocessable_response',
        message: expect.stringMatching(message),
        failures: 0,
        sends: 1,
      })
      const { answer } = await received(blocked.requestId)
      const raw = typeof answer === 'string' ? answer : JSON.stringify(answer)
      expect(await answersOf(itemId)).toEqual([{ httpStatus: 200, outcome: 'unprocessable', body: raw }])
      expect((await scene.statuses(itemId)).slice(3)).toEqual(['made_request', 'got_response', 'blocked'])
      expect(await idsOf(setId)).toEqual(before)
      expect((await scene.api<{ reason: object; calls: object[] }>(`/api/items/${itemId}`)).body).toMatchObject({
        reason: { code: 'unprocessable_response' },
        calls: [{ outcome: 'unprocessable', response: raw }],
      })
    })
  })

  describe("the Shop's id belongs to another: Blocked, nothing is overwritten", () => {
    test('id of another product', async () => {
      const other = await addSet(scene.sql)
      await trouble({ srcIdTaken: 100, takenSrcId: String(600000 + Number(other.productIds[0])) })
      const { itemId, setId } = await queue('new_product_set', { products: 2 })
      const blocked = await scene.untilStatus(itemId, 'blocked')
      expect(blocked).toMatchObject({ reason: 'src_id_conflict', failures: 0 })
      expect(blocked.message).toContain(`product ${other.productIds[0]} (seller SKU LINEN-${other.setId}-1)`)
      expect(await idsOf(setId)).toEqual([NOTHING, NOTHING])
      expect(await idsOf(other.setId)).toMatchObject([
        { srcId: String(600000 + Number(other.productIds[0])), updated: false },
      ])
      expect((await answersOf(itemId))[0]!.body).toBe(JSON.stringify((await received(blocked.requestId)).answer))
    })

    test('id of another product, of New Product', async () => {
      const other = await addSet(scene.sql)
      const set = await addSet(scene.sql, { products: 2 })
      await scene.sql`
        update catalog.product set src_id = null, shop_sku = null where id = ${set.productIds[1]!}::bigint`
      await trouble({ srcIdTaken: 100, takenSrcId: String(600000 + Number(other.productIds[0])) })
      const itemId = await scene.enqueue('new_product', { product: set.productIds[1]! })
      expect(await scene.untilStatus(itemId, 'blocked')).toMatchObject({
        reason: 'src_id_conflict',
        message: expect.stringContaining(`product ${other.productIds[0]} `),
      })
      expect((await idsOf(set.setId))[1]).toMatchObject({ srcId: null, shopSku: null })
    })

    test('id of another set', async () => {
      const other = await addSet(scene.sql)
      await trouble({ srcIdTaken: 100, takenConfigId: String(500000 + Number(other.setId)) })
      const { itemId, setId } = await queue('new_product_set')
      expect(await scene.untilStatus(itemId, 'blocked')).toMatchObject({
        reason: 'src_id_conflict',
        message: expect.stringContaining(`product set ${other.setId}.`),
      })
      expect(await idsOf(setId)).toEqual([NOTHING])
      expect(await idsOf(other.setId)).toMatchObject([{ setSrcId: String(500000 + Number(other.setId)) }])
    })

    test('two creates that are given the same id at the same moment: one gets it, the other names it', async () => {
      await trouble({ srcIdTaken: 100, takenSrcId: '777001', latencyMs: 50 })
      const [one, two] = await Promise.all([queue('new_product_set'), queue('new_product_set')])
      const ended = await Promise.all([one, two].map(({ itemId }) => scene.untilStatus(itemId, 'synced', 'blocked')))
      expect(ended.map(({ status }) => status).toSorted()).toEqual(['blocked', 'synced'])
      const winner = ended[0]!.status === 'synced' ? one : two
      expect(ended.find(({ status }) => status === 'blocked')).toMatchObject({
        reason: 'src_id_conflict',
        message: expect.stringContaining(`product ${winner.productIds[0]} `),
      })
    })
  })

  test('some rows succeed: they are written, the item is Delayed, and the retry creates only the rest', async () => {
    const before = await scene.control<{ creates: number; duplicateCreates: number }>('/stats')
    await trouble({ partial: 100 })
    const { itemId, setId, productIds } = await queue('new_product_set', { products: 5 })
    await expectDelayed(itemId, /refused 2 of 5 products: Product failed to be created/)
    const half = await idsOf(setId)
    expect(half.map(({ srcId, shopSku, updated }) => [srcId !== null, shopSku !== null, updated])).toEqual(
      [true, false, true, false, true].map((done) => [done, done, done]),
    )
    const { setSrcId } = half[0]!
    expect(setSrcId).not.toBeNull()

    await trouble({})
    await makeDue(itemId)
    const { requestId } = await scene.untilStatus(itemId, 'synced')
    const { call, headers } = await received(requestId)
    expect(headers.requeueCount).toBe('1')
    expect(call.params).toMatchObject({
      config_id: setSrcId,
      productsInfo: [
        { id_catalog_product: productIds[1], config_id: setSrcId },
        { id_catalog_product: productIds[3], config_id: setSrcId },
      ],
    })
    const all = await idsOf(setId)
    expect(all.filter((_, k) => k % 2 === 0)).toEqual(half.filter((_, k) => k % 2 === 0))
    expect(new Set(all.map(({ srcId }) => srcId)).size).toBe(5)
    const after = await scene.control<{ creates: number; duplicateCreates: number }>('/stats')
    expect(after.creates - before.creates).toBe(5)
    expect(after.duplicateCreates).toBe(before.duplicateCreates)
    const inShop = await scene.control<{ id: string; configId: string }[]>('/products')
    expect(inShop.filter(({ configId }) => configId === setSrcId)).toHaveLength(5)
  })

  test('some rows succeed with an id that another product has: Blocked, and no row is written', async () => {
    const other = await addSet(scene.sql)
    await trouble({ partial: 100 })
    // The first of the two rows succeeds; its id is given away while the Shop answers.
    const { itemId, setId } = await queue('new_product_set', { products: 2 })
    await scene.untilStatus(itemId, 'delayed')
    const { srcId } = (await idsOf(setId))[0]!
    await scene.sql`update catalog.product set src_id = null, shop_sku = null where product_set_id = ${setId}::bigint`
    await scene.sql`
      update catalog.product set src_id = (${srcId}::bigint + 1)::text where id = ${other.productIds[0]!}::bigint`
    await makeDue(itemId)
    expect(await scene.untilStatus(itemId, 'blocked')).toMatchObject({ reason: 'src_id_conflict' })
    expect((await idsOf(setId)).map((row) => row.srcId)).toEqual([null, null])
  })

  test('Seller Center holds the product in a transaction: the answer is stored, written when it lets go', async () => {
    const { setId, productIds } = await addSet(scene.sql)
    const elsewhere = await addSet(scene.sql)
    const held = Promise.withResolvers<void>()
    const letGo = Promise.withResolvers<void>()
    const transaction = scene.sql.begin(async (tx) => {
      await tx`update catalog.product set stock = 49 where id = ${productIds[0]!}::bigint`
      held.resolve()
      await letGo.promise
    })
    await held.promise
    const itemId = await scene.enqueue('price', { product: productIds[0]! })
    await scene.untilStatus(itemId, 'response_processing')
    expect(await answersOf(itemId)).toMatchObject([{ outcome: 'success', httpStatus: 200 }])
    await scene.untilStatus(await scene.enqueue('price', { product: elsewhere.productIds[0]! }), 'synced')
    expect((await scene.item(itemId)).status).toBe('response_processing')
    letGo.resolve()
    await transaction
    await scene.untilStatus(itemId, 'synced')
    expect(await scene.item(itemId)).toMatchObject({ sends: 1, failures: 0 })
    expect(await idsOf(setId)).toMatchObject([{ updated: true }])
    expect((await scene.statuses(itemId)).slice(4)).toEqual([
      'got_response',
      'building_response_payload',
      'response_processing',
      'synced',
    ])
  })

  test('Seller Center holds the set in a transaction: the new ids are stored, written when it lets go', async () => {
    await trouble({ latencyMs: 4000 })
    const { itemId, setId } = await queue('new_product_set', { products: 2 })
    await scene.untilStatus(itemId, 'made_request')
    const held = Promise.withResolvers<void>()
    const letGo = Promise.withResolvers<void>()
    const transaction = scene.sql.begin(async (tx) => {
      await tx`update catalog.product_set set title = 'Linen Shirt, slim' where id = ${setId}::bigint`
      held.resolve()
      await letGo.promise
    })
    await held.promise
    await scene.untilStatus(itemId, 'response_processing')
    letGo.resolve()
    await transaction
    await scene.untilStatus(itemId, 'synced')
    expect((await idsOf(setId)).map(({ setSrcId, srcId }) => [setSrcId !== null, srcId !== null])).toEqual([
      [true, true],
      [true, true],
    ])
    expect(await scene.item(itemId)).toMatchObject({ sends: 1, failures: 0 })
  })
})

describe('asynchronous flow', () => {
  beforeAll(() => useFlow('asynchronous'))
  afterAll(() => useFlow('synchronous'))

  describe('anything but the acknowledgment is a NACK: Delayed', () => {
    test.each<{ name: keyof Trouble; topic: Topic; message: RegExp }>([
      { name: 'http500', topic: 'price', message: /HTTP status 500/ },
      { name: 'dropBefore', topic: 'price', message: /broke off/ },
      { name: 'http404', topic: 'price', message: /HTTP status 404/ },
      { name: 'hangBefore', topic: 'price', message: /did not answer within/ },
      { name: 'nack', topic: 'new_product_set', message: /Request could not be queued/ },
      { name: 'garbage', topic: 'price', message: /not JSON/ },
      { name: 'garbage', topic: 'new_product_set', message: /not JSON/ },
      { name: 'wrongId', topic: 'price', message: /does not contain request/ },
    ])('$name, $topic', async ({ name, topic, message }) => {
      await trouble({ [name]: 100 })
      const { itemId } = await queue(topic)
      await expectDelayed(itemId, message)
      const { answer } = await received((await scene.item(itemId)).requestId)
      const raw = answer === null || typeof answer === 'string' ? answer : JSON.stringify(answer)
      expect(await countedAnswers(itemId)).toMatchObject([{ body: raw }])
    })
  })

  /** Acknowledged, with no callback yet. */
  async function acknowledged(topic: Topic = 'price', options?: { products?: number }) {
    await trouble({ noCallback: 100 })
    const queued = await queue(topic, options)
    const { requestId } = await scene.untilStatus(queued.itemId, 'got_acknowledgment')
    return { ...queued, requestId: requestId! }
  }
  /** Sends a callback now; without a result, the one that the Shop owes. */
  const callBack = (requestId: string, result?: unknown, times = 1) =>
    scene.control<Callback[]>('/callbacks', {
      method: 'POST',
      body: { requestId, ...(result !== undefined && { result }), times },
    })
  const FAILURE = [{ status: 'failure', error: { message: 'Price is locked by a campaign', code: 17 } }]

  test('the callback comes before the acknowledgment: Synced', async () => {
    await trouble({ callbackBeforeAck: 100, latencyMs: 30 })
    const items = await Promise.all([queue('price'), queue('images'), queue('new_product_set', { products: 3 })])
    for (const { itemId } of items) {
      await scene.untilStatus(itemId, 'synced')
      expect((await scene.statuses(itemId)).slice(3)).toEqual([
        'made_request',
        'got_acknowledgment',
        'got_response',
        'building_response_payload',
        'response_processing',
        'synced',
      ])
      expect(await callbacksOf(itemId)).toMatchObject([{ outcome: 'accepted', applied: true }])
    }
  })

  test('the callback comes twice at once: accepted both times, done once', async () => {
    await trouble({ callbackTwice: 100 })
    const { itemId, setId } = await queue('new_product_set')
    await scene.untilStatus(itemId, 'synced')
    await scene.shop.callbacksSettled()
    expect((await callbacksOf(itemId)).map(({ outcome }) => outcome)).toEqual(['accepted', 'duplicate'])
    expect(await scene.sql`select id from shop_update.finished_item where id = ${itemId}::bigint`).toHaveLength(1)
    expect((await scene.statuses(itemId)).filter((status) => status === 'synced')).toHaveLength(1)
    expect(await idsOf(setId)).toMatchObject([{ updated: true }])
  })

  test('callbacks come shuffled, in batches: each finds its item', async () => {
    await trouble({ callbackShuffle: 100, callbackBatch: 10 })
    const items = await Promise.all(
      Array.from({ length: 40 }, (_, k) => queue(k % 4 === 0 ? 'new_product_set' : 'stock')),
    )
    for (const { itemId } of items) await scene.untilStatus(itemId, 'synced')
    const srcIds = (await Promise.all(items.map(({ setId }) => idsOf(setId)))).flat().map(({ srcId }) => srcId)
    expect(new Set(srcIds).size).toBe(40)
    const inShop = await scene.control<{ id: string; sellerSku: string }[]>('/products')
    for (const [k, { setId }] of items.entries()) {
      if (k % 4 === 0) expect(inShop.find(({ id }) => id === srcIds[k])?.sellerSku).toBe(`LINEN-${setId}-1`)
    }
  })

  test('the callback brings failures: Delayed, with the words of the Shop; then Synced by the retry', async () => {
    await trouble({ callbackFailure: 100 })
    const { itemId, setId } = await queue('price')
    await expectDelayed(itemId, /^Price failed to update$/)
    const [times] = await scene.sql`
      select failed_at = last_sent_at as "of the attempt", failed_at < entered_at as "before it was known"
      from shop_update.item where id = ${itemId}::bigint`
    expect(times).toEqual({ 'of the attempt': true, 'before it was known': true })
    expect((await scene.statuses(itemId)).slice(3)).toEqual([
      'made_request',
      'got_acknowledgment',
      'got_response',
      'delayed',
    ])
    expect(await idsOf(setId)).toMatchObject([{ updated: false }])
    await trouble({})
    await makeDue(itemId)
    expect(await scene.untilStatus(itemId, 'synced')).toMatchObject({ sends: 2, failures: 1 })
  })

  test('the callback succeeds for some rows: they are written, the retry creates only the rest', async () => {
    await trouble({ partial: 100 })
    const { itemId, setId, productIds } = await queue('new_product_set', { products: 3 })
    await expectDelayed(itemId, /refused 1 of 3 products/)
    const half = await idsOf(setId)
    expect(half.map(({ srcId }) => srcId !== null)).toEqual([true, false, true])
    await trouble({})
    await makeDue(itemId)
    const { requestId } = await scene.untilStatus(itemId, 'synced')
    expect((await received(requestId)).call.params).toMatchObject({
      config_id: half[0]!.setSrcId,
      productsInfo: [{ id_catalog_product: productIds[1] }],
    })
    expect((await idsOf(setId)).map(({ setSrcId, srcId }) => [setSrcId, srcId !== null])).toEqual(
      half.map(() => [half[0]!.setSrcId, true]),
    )
  })

  test('the callback gives a taken id: Blocked, nothing is overwritten', async () => {
    const other = await addSet(scene.sql)
    await trouble({ srcIdTaken: 100, takenSrcId: String(600000 + Number(other.productIds[0])) })
    const { itemId, setId } = await queue('new_product_set')
    expect(await scene.untilStatus(itemId, 'blocked')).toMatchObject({
      reason: 'src_id_conflict',
      message: expect.stringContaining(`product ${other.productIds[0]} (seller SKU LINEN-${other.setId}-1)`),
    })
    expect(await idsOf(setId)).toEqual([NOTHING])
  })

  test('two callbacks give the same id at once: one item gets it, the other names it, none is stuck', async () => {
    await trouble({ srcIdTaken: 100, takenSrcId: '777002', callbackShuffle: 100, callbackBatch: 2 })
    const [one, two] = await Promise.all([queue('new_product_set'), queue('new_product_set')])
    const ended = await Promise.all([one, two].map(({ itemId }) => scene.untilStatus(itemId, 'synced', 'blocked')))
    expect(ended.map(({ status }) => status).toSorted()).toEqual(['blocked', 'synced'])
    const winner = ended[0]!.status === 'synced' ? one : two
    expect(ended.find(({ status }) => status === 'blocked')).toMatchObject({
      reason: 'src_id_conflict',
      message: expect.stringContaining(`product ${winner.productIds[0]} `),
    })
  })

  test.each<{ name: string; topic: Topic; result: unknown }>([
    { name: 'a row that is none', topic: 'price', result: ['garbage'] },
    { name: 'no rows', topic: 'price', result: [] },
    { name: 'no product', topic: 'price', result: [{ status: 'success' }] },
    {
      name: 'another product',
      topic: 'price',
      result: [{ status: 'success', product: { seller_sku: 'OTHER', sku: 'OTHER', id: '1', config_id: null } }],
    },
    { name: 'a row too many', topic: 'new_product_set', result: [{ status: 'success' }, { status: 'success' }] },
    { name: 'no images', topic: 'images', result: { productSetSrcId: 1 } },
  ])('a callback with garbage ($name): Blocked, the raw result kept', async ({ topic, result }) => {
    const { itemId, setId, requestId } = await acknowledged(topic)
    const before = await idsOf(setId)
    const [sent] = await callBack(requestId, result)
    expect(sent).toMatchObject({ state: 'accepted' })
    expect(await scene.untilStatus(itemId, 'blocked')).toMatchObject({
      reason: 'unprocessable_response',
      failures: 0,
      message: expect.any(String),
    })
    const [kept] = await callbacksOf(itemId)
    expect(kept).toMatchObject({ outcome: 'accepted', applied: true })
    expect(JSON.parse(kept!.body)).toEqual(result)
    expect(await idsOf(setId)).toEqual(before)
  })

  test('no callback ever: stays in Got acknowledgment, and nothing is resent', async () => {
    const { itemId, setId, productIds, requestId } = await acknowledged()
    // Meanwhile other items, of its set and of others, come and go.
    await trouble({})
    await scene.untilStatus(await scene.enqueue('stock', { product: productIds[0]! }), 'synced')
    await scene.untilStatus((await queue('price')).itemId, 'synced')
    expect(await scene.item(itemId)).toMatchObject({ status: 'got_acknowledgment', sends: 1, requestId, failures: 0 })
    expect(
      (await scene.control<ReceivedCall[]>(`/requests?productId=${600000 + Number(productIds[0])}&topic=price`)).length,
    ).toBe(1)
    const asked = async () => {
      const answer = await fetch(`${scene.worker.publicUrl}/shop-update/${requestId}`, {
        headers: { 'x-api-key': CALLBACK_API_KEY },
      })
      return answer.json()
    }
    expect(await asked()).toEqual({ requestId, received: false, status: 'got_acknowledgment' })
    await callBack(requestId)
    await scene.untilStatus(itemId, 'synced')
    expect(await asked()).toEqual({ requestId, received: true, status: 'synced' })
    expect(await idsOf(setId)).toMatchObject([{ updated: true }])
  })

  test('an admin requeues what got no callback; the callback of the first attempt makes it Synced', async () => {
    const { itemId, requestId: first } = await acknowledged()
    expect((await scene.api('/api/requeue', { method: 'POST', body: { itemIds: [itemId] } })).body).toMatchObject({
      requeued: 1,
      skipped: [],
    })
    const second = await vi.waitFor(
      async () => {
        const item = await scene.item(itemId)
        expect(item).toMatchObject({ status: 'got_acknowledgment', sends: 2 })
        return item.requestId!
      },
      { timeout: 30_000, interval: 20 },
    )
    expect(second).not.toBe(first)
    // The failure of an older attempt is no news; only its success is.
    await callBack(first, FAILURE)
    await vi.waitFor(
      async () => expect(await callbacksOf(itemId)).toMatchObject([{ outcome: 'accepted', applied: true }]),
      {
        timeout: 30_000,
        interval: 20,
      },
    )
    expect(await scene.item(itemId)).toMatchObject({ status: 'got_acknowledgment', failures: 0 })
    await callBack(first)
    await scene.untilStatus(itemId, 'synced')
    // The callback of the second attempt comes too late to change anything.
    const [late] = await callBack(second)
    expect(late).toMatchObject({ state: 'accepted' })
    expect((await callbacksOf(itemId)).map(({ outcome }) => outcome)).toEqual(['accepted', 'accepted', 'late'])
    expect(await scene.item(itemId)).toMatchObject({ status: 'synced', finished: true })
  })

  test('a callback for a Delayed item, then a Failed one: a success syncs it, a failure changes nothing', async () => {
    for (const status of ['delayed', 'failed'] as const) {
      const { itemId, setId, requestId } = await acknowledged('new_product_set')
      const owed = (await received(requestId)).result
      await callBack(requestId, FAILURE)
      await scene.untilStatus(itemId, 'delayed')
      if (status === 'failed') {
        await trouble({ http500: 100 })
        await makeDue(itemId)
        await scene.untilStatus(itemId, 'failed')
      }
      await callBack(requestId, [{ status: 'failure', error: { message: 'Again', code: 18 } }])
      await vi.waitFor(async () => expect((await callbacksOf(itemId)).every(({ applied }) => applied)).toBe(true), {
        timeout: 30_000,
        interval: 20,
      })
      expect(await scene.item(itemId)).toMatchObject({ status, failures: status === 'failed' ? 2 : 1 })
      await callBack(requestId, owed)
      await scene.untilStatus(itemId, 'synced')
      expect((await scene.statuses(itemId)).slice(-5)).toEqual([
        status,
        'got_response',
        'building_response_payload',
        'response_processing',
        'synced',
      ])
      expect(await idsOf(setId)).toMatchObject([
        { updated: true, srcId: (owed as { product: { id: string } }[])[0]!.product.id },
      ])
    }
  })

  test('the callback spells the SKU otherwise: the ids decide, Synced, and the history has the spelling', async () => {
    const { productIds } = await addSet(scene.sql)
    await trouble({ noCallback: 100 })
    const item = await scene.enqueue('price', { product: productIds[0]! })
    const { requestId } = await scene.untilStatus(item, 'got_acknowledgment')
    const [product] = await scene.sql<{ id: string; sellerSku: string; sku: string; configId: string }[]>`
      select p.src_id as id, p.seller_sku as "sellerSku", p.shop_sku as sku, s.src_id as "configId"
      from catalog.product p join catalog.product_set s on s.id = p.product_set_id
      where p.id = ${productIds[0]!}::bigint`
    const spelled = ` ${product!.sellerSku.toLowerCase()} `
    const row = {
      id: product!.id,
      config_id: product!.configId,
      sku: product!.sku,
      seller_sku: spelled,
      updated_at: '2026-11-24 07:15:00',
    }
    const result = [{ status: 'success', product: row }]
    await fetch(`${scene.worker.publicUrl}/shop-update/`, {
      method: 'POST',
      headers: { 'x-api-key': CALLBACK_API_KEY, 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', method: 'Callback.process', params: { result }, id: requestId }),
    })
    await scene.untilStatus(item, 'synced')
    const notes = await scene.sql<{ to: string; note: string }[]>`
      select to_status as to, note from shop_update.transition where item_id = ${item}::bigint and note is not null`
    expect(notes).toEqual([
      { to: 'synced', note: `The Shop gives seller SKU ${product!.sellerSku} as ${JSON.stringify(spelled)}.` },
    ])
  })

  test('after it is Synced: the same callback is a duplicate, another is late, neither changes anything', async () => {
    const { itemId, setId, requestId } = await acknowledged()
    await callBack(requestId)
    await scene.untilStatus(itemId, 'synced')
    const before = await idsOf(setId)
    const [repeated] = await callBack(requestId)
    const [other] = await callBack(requestId, FAILURE)
    expect([repeated!.state, other!.state]).toEqual(['accepted', 'accepted'])
    expect((await callbacksOf(itemId)).map(({ outcome, applied }) => [outcome, applied])).toEqual([
      ['accepted', true],
      ['duplicate', true],
      ['late', true],
    ])
    expect(await scene.item(itemId)).toMatchObject({ status: 'synced', failures: 0 })
    expect(await idsOf(setId)).toEqual(before)
  })

  describe('Seller Center holds rows in a long transaction', () => {
    let letGo: () => void
    let transaction: Promise<unknown>
    async function hold(statement: (tx: Scene['sql']) => Promise<unknown>) {
      const held = Promise.withResolvers<void>()
      const free = Promise.withResolvers<void>()
      letGo = free.resolve
      transaction = scene.sql.begin(async (tx) => {
        await statement(tx as unknown as Scene['sql'])
        held.resolve()
        await free.promise
      })
      await held.promise
    }
    beforeEach(() => {
      letGo = () => {}
      transaction = Promise.resolve()
    })
    afterEach(async () => {
      letGo()
      await transaction
    })

    test('the product of one callback is locked: the callbacks of others are not held up', async () => {
      const one = await acknowledged()
      const two = await acknowledged()
      await hold((tx) => tx`update catalog.product set stock = 1 where id = ${one.productIds[0]!}::bigint`)
      await callBack(one.requestId)
      await callBack(two.requestId)
      await vi.waitFor(async () => expect((await scene.item(two.itemId)).status).toBe('synced'), {
        timeout: 20_000, // the lock is held for longer
        interval: 20,
      })
      expect((await scene.item(one.itemId)).status).not.toBe('synced')
      letGo()
      await scene.untilStatus(one.itemId, 'synced')
    })

    test('the item of one callback is locked by a change that it absorbs: others are not held up', async () => {
      const one = await acknowledged()
      await callBack(one.requestId, FAILURE)
      await scene.untilStatus(one.itemId, 'delayed')
      const two = await acknowledged()
      await hold((tx) => tx`select shop_update.enqueue('price', product_id => ${one.productIds[0]!}::bigint)`)
      await callBack(one.requestId)
      await callBack(two.requestId)
      await vi.waitFor(async () => expect((await scene.item(two.itemId)).status).toBe('synced'), {
        timeout: 20_000, // the lock is held for longer
        interval: 20,
      })
      letGo()
      // The answer is to a request that was sent before the change: the change is sent as well.
      expect(await scene.untilStatus(one.itemId, 'got_acknowledgment')).toMatchObject({ sends: 2, failures: 0 })
    })
  })
})
