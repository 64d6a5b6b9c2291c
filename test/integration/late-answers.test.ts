import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import type { Topic } from '../../worker/domain/topics.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

/**
 * Answers that come after things have changed: after a newer change, after ids have changed hands, after the item has
 * left.
 */
let scene: Scene
beforeAll(async () => {
  scene = await startScene({ env: { RETRY_UNIT_SECONDS: '3600', SHOP_TIMEOUT_MS: '5000' } })
  await useFlow('asynchronous')
})
afterAll(() => scene.stop())
beforeEach(() => troubles({ noCallback: 100 }))

const troubles = (settings: Record<string, number | string>) =>
  scene.control('/troubles', { method: 'PUT', body: { default: settings } })

async function useFlow(flow: 'synchronous' | 'asynchronous') {
  await scene.api('/api/flow', { method: 'PUT', body: { flow } })
  await vi.waitFor(async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow }] }), {
    timeout: 30_000,
  })
}

const callBack = (requestId: string, result?: unknown) =>
  scene.control('/callbacks', { method: 'POST', body: { requestId, ...(result !== undefined && { result }) } })
const makeDue = (itemId: string) =>
  scene.sql`update shop_update.item set run_at = now() where id = ${itemId}::bigint and lane = 'delayed'`
const sent = async (requestId: string) =>
  (await scene.control<ReceivedCall[]>(`/requests?requestId=${requestId}`))[0]!.call.params.productsInfo![0]! as Record<
    string,
    string
  >

/** Seller Center changes the price and queues it in one transaction. */
const setPrice = (productId: string, price: string) =>
  scene.sql.begin(async (tx) => {
    await tx`update catalog.product set price = ${price}::numeric where id = ${productId}::bigint`
    const [row] = await tx<
      { id: string }[]
    >`select shop_update.enqueue('price', product_id => ${productId}::bigint) as id`
    return row!.id
  })

/** Every callback that has come has been applied. */
const allApplied = () =>
  vi.waitFor(
    async () => expect(await scene.sql`select id from shop_update.callback where applied_at is null`).toEqual([]),
    {
      timeout: 20_000,
      interval: 20,
    },
  )
const stepsOf = async (itemId: string) => {
  const rows = await scene.sql<{ step: string }[]>`
    select to_status || coalesce(' ' || reason, '') as step from shop_update.transition
    where item_id = ${itemId}::bigint order by at, to_status`
  return rows.map(({ step }) => step)
}

async function acknowledgedPrice() {
  const { setId, productIds } = await addSet(scene.sql)
  const productId = productIds[0]!
  const itemId = await setPrice(productId, '10.00')
  const { requestId } = await scene.untilStatus(itemId, 'got_acknowledgment')
  return { setId, productId, itemId, requestId: requestId! }
}

describe('a success settles only what was queued before its request was sent', () => {
  /** The item is at the Shop again, with the newest price, after the answer to its first request. */
  async function expectSentAgain(itemId: string, first: string) {
    const again = await scene.untilStatus(itemId, 'got_acknowledgment')
    expect(again).toMatchObject({ failures: 0, finished: false })
    expect(again.requestId).not.toBe(first)
    expect(await sent(again.requestId!)).toMatchObject({ price: '20.00' })
    await callBack(again.requestId!)
    await scene.untilStatus(itemId, 'synced')
  }

  test('Blocked by an unusable callback, changed, then answered rightly', async () => {
    const { itemId, productId, requestId } = await acknowledgedPrice()
    await callBack(requestId, ['garbage'])
    await scene.untilStatus(itemId, 'blocked')
    expect(await setPrice(productId, '20.00')).toBe(itemId)
    await callBack(requestId)
    await expectSentAgain(itemId, requestId)
    expect(await stepsOf(itemId)).toContain('pending newer_change')
    const [product] =
      await scene.sql`select src_updated_at is not null as updated from catalog.product where id = ${productId}::bigint`
    expect(product).toEqual({ updated: true })
  })

  test('failed, changed, and the first request succeeds while the item waits behind another of its set', async () => {
    const { itemId, productId, requestId } = await acknowledgedPrice()
    await callBack(requestId, [{ status: 'failure', error: { message: 'Busy' } }])
    await scene.untilStatus(itemId, 'delayed')
    await troubles({ hangBefore: 100 })
    const other = await scene.enqueue('content', { product: productId })
    await scene.untilStatus(other, 'made_request')
    expect(await setPrice(productId, '20.00')).toBe(itemId)
    await callBack(requestId)
    await allApplied()
    expect(await scene.item(itemId)).toMatchObject({ status: 'pending', reason: 'newer_change', failures: 0 })
    expect(
      (await scene.api<{ sellerAnswer: { text: string } }>(`/api/items/${itemId}`)).body.sellerAnswer.text,
    ).not.toMatch(/was synced/)
    await troubles({ noCallback: 100 })
    await expectSentAgain(itemId, requestId)
  })

  test('the second request, with the newer change, failed: the success of the first does not settle that', async () => {
    const { itemId, productId, requestId } = await acknowledgedPrice()
    await callBack(requestId, [{ status: 'failure', error: { message: 'Busy' } }])
    await scene.untilStatus(itemId, 'delayed')
    await troubles({ http500: 100 })
    expect(await setPrice(productId, '20.00')).toBe(itemId)
    await scene.untilStatus(itemId, 'delayed')
    await troubles({ noCallback: 100 })
    await callBack(requestId)
    await expectSentAgain(itemId, requestId)
  })

  test('the second request, with the newer change, is with the Shop: the item still waits for its answer', async () => {
    const { itemId, productId, requestId } = await acknowledgedPrice()
    await callBack(requestId, [{ status: 'failure', error: { message: 'Busy' } }])
    await scene.untilStatus(itemId, 'delayed')
    expect(await setPrice(productId, '20.00')).toBe(itemId)
    const { requestId: second } = await scene.untilStatus(itemId, 'got_acknowledgment')
    await callBack(requestId)
    await allApplied()
    expect(await scene.item(itemId)).toMatchObject({ status: 'got_acknowledgment', requestId: second, sends: 2 })
    await callBack(second!)
    await scene.untilStatus(itemId, 'synced')
  })

  test('sent again by an admin, changed, and the success of the first request comes', async () => {
    const { itemId, productId, requestId } = await acknowledgedPrice()
    await callBack(requestId, ['garbage'])
    await scene.untilStatus(itemId, 'blocked')
    await troubles({ http500: 100 })
    expect(
      (
        await scene.api(`/api/items/${itemId}/resolve`, {
          method: 'POST',
          body: { action: 'resend', reason: 'the Shop has been mended' },
        })
      ).status,
    ).toBe(200)
    await scene.untilStatus(itemId, 'delayed')
    expect(await setPrice(productId, '20.00')).toBe(itemId)
    await scene.untilStatus(itemId, 'delayed')
    await troubles({ noCallback: 100 })
    await callBack(requestId)
    await expectSentAgain(itemId, requestId)
  })

  test('a create is never sent twice: it is Synced, what it had absorbed is queued as content and images', async () => {
    const { setId, productIds } = await addSet(scene.sql, { inShop: false, products: 2 })
    await scene.sql`
      insert into catalog.product_image (product_set_id, position, url, hash)
      values (${setId}::bigint, 1, 'https://i.example/1.jpg', 'a')`
    const itemId = await scene.enqueue('new_product_set', { set: setId })
    const { requestId } = await scene.untilStatus(itemId, 'got_acknowledgment')
    await callBack(requestId!, ['garbage'])
    await scene.untilStatus(itemId, 'blocked')
    await scene.sql`update catalog.product set title = 'Renamed' where product_set_id = ${setId}::bigint`
    // A third variation arrives: it was in no request.
    const [third] = await scene.sql<{ id: string }[]>`
      insert into catalog.product (product_set_id, seller_sku, title)
      values (${setId}::bigint, 'THIRD', 'Third') returning id`
    expect(await scene.enqueue('new_product_set', { set: setId })).toBe(itemId)
    await callBack(requestId!)
    await scene.untilStatus(itemId, 'synced')
    await vi.waitFor(
      async () =>
        expect(
          await scene.sql`
            select topic, product_id as "productId" from shop_update.item
            where product_set_id = ${setId}::bigint order by topic, product_id`,
        ).toEqual([
          { topic: 'content', productId: productIds[0] },
          { topic: 'content', productId: productIds[1] },
          { topic: 'images', productId: null },
          { topic: 'new_product', productId: third!.id },
        ]),
      { timeout: 20_000, interval: 20 },
    )
    const { sellerAnswer } = (await scene.api<{ sellerAnswer: { text: string } }>(`/api/items/${itemId}`)).body
    expect(sellerAnswer.text).toContain('is not in the Shop yet')
    expect(
      (await scene.control<ReceivedCall[]>(`/requests?topic=new_product_set&productId=${productIds[0]}`)).length,
    ).toBe(1)
  })
})

describe('what the catalogue does not take', () => {
  test('an id that another product has got meanwhile: its item is Blocked, the callbacks of others go on', async () => {
    const one = await acknowledgedPrice()
    const [two, three] = [await acknowledgedPrice(), await acknowledgedPrice()]
    const other = await addSet(scene.sql, { inShop: false })
    const srcId = `${600000 + Number(one.productId)}`
    await scene.sql`update catalog.product set src_id = null where id = ${one.productId}::bigint`
    await scene.sql`
      update catalog.product set src_id = ${srcId}, shop_sku = 'TAKEN' where id = ${other.productIds[0]!}::bigint`
    await Promise.all([two, one, three].map(({ requestId }) => callBack(requestId)))
    for (const { itemId } of [two, three]) await scene.untilStatus(itemId, 'synced')
    expect(await scene.untilStatus(one.itemId, 'blocked')).toMatchObject({
      reason: 'src_id_conflict',
      message: expect.stringContaining(`already belongs to product ${other.productIds[0]}`),
    })
    await allApplied()
  })

  const FROZEN = "The catalogue did not take the Shop's answer: It is frozen."
  /** A trigger of Seller Center refuses all writes to these products while `act` runs. */
  async function frozen(productIds: readonly string[], act: () => Promise<void>) {
    await scene.sql.unsafe(`
      create or replace function catalog.keep_frozen() returns trigger
        language plpgsql as $$ begin raise exception 'It is frozen'; end $$;
      create trigger keep_frozen before update of src_updated_at on catalog.product for each row
        when (old.id in (${productIds.join()})) execute function catalog.keep_frozen()`)
    try {
      await act()
    } finally {
      await scene.sql`drop trigger keep_frozen on catalog.product`
    }
  }

  test('refused of an older attempt, of a partial success and of a late create: nobody else waits for it', async () => {
    // older: the second request, with the newer change, is at the Shop when the success of the first comes
    const older = await acknowledgedPrice()
    await callBack(older.requestId, [{ status: 'failure', error: { message: 'Busy' } }])
    await scene.untilStatus(older.itemId, 'delayed')
    await setPrice(older.productId, '20.00')
    const { requestId: second } = await scene.untilStatus(older.itemId, 'got_acknowledgment')
    // late: given up by an admin, then answered
    const given = await addSet(scene.sql, { inShop: false })
    const create = await scene.enqueue('new_product_set', { set: given.setId })
    const { requestId: created } = await scene.untilStatus(create, 'got_acknowledgment')
    await callBack(created!, ['garbage'])
    await scene.untilStatus(create, 'blocked')
    await scene.api(`/api/items/${create}/resolve`, { method: 'POST', body: { action: 'discard', reason: 'given up' } })
    const other = await acknowledgedPrice()
    const partial = await addSet(scene.sql, { inShop: false, products: 2 })
    await frozen([older.productId, ...given.productIds, ...partial.productIds], async () => {
      await callBack(older.requestId)
      await callBack(created!)
      await callBack(other.requestId)
      await scene.untilStatus(other.itemId, 'synced')
      await allApplied()
      expect(await scene.item(older.itemId)).toMatchObject({ status: 'got_acknowledgment', requestId: second })
      const incidents = await scene.sql`
        select reason, message from shop_update.item
        where product_set_id = ${given.setId}::bigint and status = 'blocked'`
      expect(incidents).toMatchObject([{ reason: 'unprocessable_response', message: expect.stringContaining(FROZEN) }])

      await useFlow('synchronous')
      await troubles({ partial: 100 })
      const half = await scene.enqueue('new_product_set', { set: partial.setId })
      expect(await scene.untilStatus(half, 'blocked')).toMatchObject({
        reason: 'unprocessable_response',
        message: FROZEN,
      })
      const [answer] = await scene.sql`
        select outcome, body is not null as kept from shop_update.answer where item_id = ${half}::bigint`
      expect(answer).toEqual({ outcome: 'unprocessable', kept: true })
    })
    await useFlow('asynchronous')
  })

  test('refused once Seller Center lets go of the product: the answer is kept once, every step is legal', async () => {
    await useFlow('synchronous')
    await troubles({})
    const { productIds } = await addSet(scene.sql)
    const held = Promise.withResolvers<void>()
    const letGo = Promise.withResolvers<void>()
    const transaction = scene.sql.begin(async (tx) => {
      await tx`update catalog.product set stock = 1 where id = ${productIds[0]!}::bigint`
      held.resolve()
      await letGo.promise
    })
    await held.promise
    const itemId = await scene.enqueue('price', { product: productIds[0]! })
    await scene.untilStatus(itemId, 'response_processing')
    const refusing = Promise.withResolvers<void>()
    // The trigger needs a lock on a table that the open transaction has locked: it is in place when that has ended,
    // before the next try.
    const freeze = frozen(productIds, async () => {
      refusing.resolve()
      await scene.untilStatus(itemId, 'blocked', 'synced')
    })
    letGo.resolve()
    await Promise.all([transaction, refusing.promise])
    await freeze
    const { status } = await scene.item(itemId)
    if (status === 'blocked') {
      const steps = await scene.statuses(itemId)
      expect(steps.slice(-3)).toEqual(['building_response_payload', 'response_processing', 'blocked'])
    }
    expect(await scene.sql`select outcome from shop_update.answer where item_id = ${itemId}::bigint`).toHaveLength(1)
    await useFlow('asynchronous')
  })

  test.each(['asynchronous', 'synchronous'] as const)(
    'a trigger of Seller Center refuses, %s: its item alone is Blocked, with the message',
    async (flow) => {
      await useFlow(flow)
      const [one, two] = [await addSet(scene.sql), await addSet(scene.sql)]
      await scene.sql.unsafe(`
      create or replace function catalog.refuse() returns trigger
        language plpgsql as $$ begin raise exception 'Product % is frozen', old.id; end $$;
      create trigger refuse before update of src_updated_at on catalog.product for each row
        when (old.id = ${one.productIds[0]!}) execute function catalog.refuse()`)
      try {
        if (flow === 'asynchronous') await troubles({ callbackShuffle: 100, callbackBatch: 2 })
        else await troubles({})
        const [refused, taken] = [
          await scene.enqueue('price', { product: one.productIds[0]! }),
          await scene.enqueue('price', { product: two.productIds[0]! }),
        ]
        await scene.untilStatus(taken, 'synced')
        expect(await scene.untilStatus(refused, 'blocked')).toMatchObject({
          reason: 'unprocessable_response',
          message: `The catalogue did not take the Shop's answer: Product ${one.productIds[0]} is frozen.`,
          sends: 1,
        })
        await allApplied()
      } finally {
        await scene.sql`drop trigger refuse on catalog.product`
        await useFlow('asynchronous')
      }
    },
  )

  test('an admin gives the product another id, its price being out: it stays, the price goes to it too', async () => {
    const { itemId, productId, requestId } = await acknowledgedPrice()
    await scene.sql`update catalog.product set src_id = '990001', shop_sku = 'REPAIRED' where id = ${productId}::bigint`
    await callBack(requestId)
    await scene.untilStatus(itemId, 'synced')
    const [product] = await scene.sql`
      select src_id as "srcId", shop_sku as "shopSku" from catalog.product where id = ${productId}::bigint`
    expect(product).toEqual({ srcId: '990001', shopSku: 'REPAIRED' })
    const again = await vi.waitFor(
      async () => {
        const [item] = await scene.sql<{ id: string }[]>`
          select id from shop_update.item where product_id = ${productId}::bigint and topic = 'price'`
        return item ?? Promise.reject(new Error('The price is not queued anew'))
      },
      { timeout: 20_000, interval: 20 },
    )
    const { sellerAnswer } = (await scene.api<{ sellerAnswer: { text: string } }>(`/api/items/${itemId}`)).body
    expect(sellerAnswer.text).toContain(`The newer change, item ${again.id}, is not in the Shop yet`)
    expect(sellerAnswer.text).not.toContain('synced')
    const { requestId: second } = await scene.untilStatus(again.id, 'got_acknowledgment')
    expect(await sent(second!)).toMatchObject({ product_id: '990001', price: '10.00' })
  })
})

test('an echo of the Shop’s password in a callback is kept nowhere', async () => {
  const { itemId, requestId } = await acknowledgedPrice()
  const password = 'canary-password-of-the-shop'
  await callBack(requestId, [
    { status: 'failure', error: { message: `No user sc / ${password} (${Buffer.from(password).toString('base64')})` } },
  ])
  expect(await scene.untilStatus(itemId, 'delayed')).toMatchObject({ message: 'No user sc / null (null)' })
  const kept = await scene.sql<
    { body: string }[]
  >`select body from shop_update.callback where item_id = ${itemId}::bigint`
  expect(kept[0]!.body).not.toContain('canary-password')
})

describe('the Shop has made a product twice', () => {
  const product = (setId: string, id: string) => ({
    status: 'success',
    product: {
      seller_sku: `LINEN-${setId}-1`,
      sku: `SHOP-${id}`,
      id,
      config_id: `88${setId}`,
      updated_at: '2026-11-24 08:00:00',
    },
  })

  test.each<Topic>(['new_product_set', 'new_product'])(
    '%s: the second id comes when the item has left, and an item is Blocked that names both',
    async (topic) => {
      const { setId, productIds } = await addSet(scene.sql, { inShop: false })
      const productId = productIds[0]!
      if (topic === 'new_product')
        await scene.sql`update catalog.product_set set src_id = ${`88${setId}`} where id = ${setId}::bigint`
      await troubles({ http500: 100 })
      const itemId = await scene.enqueue(topic, topic === 'new_product' ? { product: productId } : { set: setId })
      const { requestId: first } = await scene.untilStatus(itemId, 'delayed')
      await troubles({ noCallback: 100 })
      await makeDue(itemId)
      const { requestId: second } = await scene.untilStatus(itemId, 'got_acknowledgment')
      await callBack(second!, [product(setId, `72${setId}`)])
      await scene.untilStatus(itemId, 'synced')

      await callBack(first!, [product(setId, `71${setId}`)])
      await allApplied()
      const incidents = await scene.sql<{ id: string }[]>`
      select id, status, reason, message, topic from shop_update.item where product_set_id = ${setId}::bigint`
      expect(incidents).toMatchObject([{ status: 'blocked', reason: 'src_id_conflict', topic }])
      const { message } = incidents[0] as unknown as { message: string }
      expect(message).toContain(`already has the Shop's id 72${setId}; the answer brings 71${setId}`)
      expect(message).toContain(`request ${first} of item ${itemId}`)
      expect(await stepsOf(incidents[0]!.id)).toEqual(['pending', 'blocked src_id_conflict'])
      // Nothing in the set waits for it: the product is in the Shop, and a variation that arrives later is created.
      const price = await scene.enqueue('price', { product: productId })
      await scene.untilStatus(price, 'got_acknowledgment')
      const [fresh] = await scene.sql<{ id: string }[]>`
        insert into catalog.product (product_set_id, seller_sku, title)
        values (${setId}::bigint, 'FRESH', 'Fresh') returning id`
      await scene.untilStatus(await scene.enqueue('new_product', { product: fresh!.id }), 'got_acknowledgment')

      // The same news again is not a second incident.
      await callBack(first!, [{ ...product(setId, `71${setId}`), note: 'again' }])
      await allApplied()
      expect(
        await scene.sql`
          select id from shop_update.item where product_set_id = ${setId}::bigint and reason = 'src_id_conflict'`,
      ).toHaveLength(1)
    },
  )

  test('an admin had given the create up: its late success brings the ids, and what waited is sent', async () => {
    const { setId, productIds } = await addSet(scene.sql, { inShop: false })
    const itemId = await scene.enqueue('new_product_set', { set: setId })
    const { requestId } = await scene.untilStatus(itemId, 'got_acknowledgment')
    const price = await scene.enqueue('price', { product: productIds[0]! })
    await scene.untilStatus(price, 'blocked')
    await callBack(requestId!, ['garbage'])
    await scene.untilStatus(itemId, 'blocked')
    await scene.api(`/api/items/${itemId}/resolve`, { method: 'POST', body: { action: 'discard', reason: 'given up' } })
    await callBack(requestId!)
    await scene.untilStatus(price, 'got_acknowledgment')
    const [row] =
      await scene.sql`select src_id is not null as there from catalog.product where id = ${productIds[0]!}::bigint`
    expect(row).toEqual({ there: true })
  })
})
