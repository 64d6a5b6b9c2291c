import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import type { Sql } from '../../worker/database/database.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene({ env: { RETRY_UNIT_SECONDS: '3600' }, prepare: nobodyLeads })
})
afterAll(() => scene.stop())
afterEach(() => scene.control('/troubles', { method: 'DELETE' }))

const troubles = (settings: SettingsInput) => scene.control('/troubles', { method: 'PUT', body: settings })
const makeDue = (itemId: string) =>
  scene.sql`update shop_update.item set run_at = now() where id = ${itemId}::bigint and lane = 'delayed'`

/** The leader releases, too, within seconds: only without one it is the create itself. */
const nobodyLeads = (sql: Sql) => sql`
  insert into shop_update.leader (worker_id, until) values (0, now() + interval '1 day')
  on conflict (one) do update set worker_id = excluded.worker_id, until = excluded.until`

const untilAll = (itemIds: string[], status: string, timing = { timeout: 20_000, interval: 20 }) =>
  vi.waitFor(async () => {
    const statuses = await Promise.all(itemIds.map(async (itemId) => (await scene.item(itemId)).status))
    expect(statuses).toEqual(itemIds.map(() => status))
  }, timing)

async function useFlow(flow: 'synchronous' | 'asynchronous') {
  await scene.api('/api/flow', { method: 'PUT', body: { flow } })
  await vi.waitFor(async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow }] }), {
    timeout: 30_000,
    interval: 20,
  })
}

const requestIds = async (itemIds: string[]) => {
  const rows = await scene.sql<{ requestId: string }[]>`
    select request_id::text as "requestId" from shop_update.request
    where item_id = any (${itemIds}::bigint[]) order by request_id`
  return rows.map(({ requestId }) => requestId)
}
const callOf = async (itemId: string) => {
  const { requestId } = await scene.item(itemId)
  const [call] = await scene.control<ReceivedCall[]>(`/requests?requestId=${requestId}`)
  return call!
}

describe('the product is not in the Shop yet', () => {
  /** Changes of a new set, queued and Blocked before the item that creates it. */
  async function tooEarly() {
    const set = await addSet(scene.sql, { inShop: false, products: 2 })
    const [first, second] = set.productIds as [string, string]
    const items = [
      await scene.enqueue('price', { product: first }),
      await scene.enqueue('stock', { product: second }),
      await scene.enqueue('images', { set: set.setId }),
      await scene.enqueue('status', { product: first }),
    ]
    for (const itemId of items)
      expect(await scene.untilStatus(itemId, 'blocked')).toMatchObject({ reason: 'not_in_shop', sends: 0, failures: 0 })
    return { ...set, items }
  }

  test.each(['synchronous', 'asynchronous'] as const)(
    '%s: Blocked as not_in_shop, released by the create at once, all Synced',
    async (flow) => {
      await useFlow(flow)
      const { setId, productIds, items } = await tooEarly()
      expect((await scene.statuses(items[0]!)).slice(0, 4)).toEqual(['pending', 'processing', 'blocked'])
      const create = await scene.enqueue('new_product_set', { set: setId })
      await scene.untilStatus(create, 'synced')
      await untilAll(items, 'synced')
      for (const itemId of items)
        expect(await scene.item(itemId)).toMatchObject({ sends: 1, failures: 0, reason: null })
      const released = await scene.sql`
      select item_id as id from shop_update.transition
      where item_id = any (${items}::bigint[]) and from_status = 'blocked'
        and to_status = 'pending' and reason = 'released' order by item_id`
      expect(released.map(({ id }) => id)).toEqual(items)
      // In their old place: after the create, in the order in which they were queued.
      const ids = await requestIds([create, ...items])
      const sent = await Promise.all([create, ...items].map(async (itemId) => (await scene.item(itemId)).requestId))
      expect(sent).toEqual(ids)
      // With the ids from the create.
      const [row] = await scene.sql`
      select p.src_id as "srcId", p.shop_sku as "shopSku", s.src_id as "setSrcId"
      from catalog.product p join catalog.product_set s on s.id = p.product_set_id
      where p.id = ${productIds[0]!}::bigint`
      expect((await callOf(items[0]!)).call.params.productsInfo).toMatchObject([
        { product_id: row!.srcId, sku: row!.shopSku, config_id: row!.setSrcId },
      ])
      expect((await callOf(items[2]!)).call.params.productSetSrcId).toBe(Number(row!.setSrcId))
      await useFlow('synchronous')
    },
  )

  test('a Blocked item says what it waits for', async () => {
    await troubles({ topics: { new_product_set: { http500: 100 } } })
    const { setId, items } = await tooEarly()
    expect((await scene.api(`/api/items/${items[0]}`)).body).toMatchObject({
      status: 'blocked',
      reason: { code: 'not_in_shop' },
      blockedBy: null,
    })
    const create = await scene.enqueue('new_product_set', { set: setId })
    await scene.untilStatus(create, 'delayed')
    for (const itemId of items) {
      const { body } = await scene.api(`/api/items/${itemId}`)
      expect(body).toMatchObject({ status: 'blocked', reason: { code: 'not_in_shop', message: expect.any(String) } })
      expect(JSON.stringify(body.blockedBy)).toContain(create)
    }
  })

  test('a create that fails keeps them Blocked; its retry releases them', async () => {
    await troubles({ topics: { new_product_set: { http500: 100 } } })
    const { setId, items } = await tooEarly()
    const create = await scene.enqueue('new_product_set', { set: setId })
    await scene.untilStatus(create, 'delayed')
    await untilAll(items, 'blocked')
    // A new change of the set ends the same way, and a Blocked one absorbs another of its kind.
    expect(await scene.enqueue('images', { set: setId })).toBe(items[2])
    await troubles({})
    expect(await requestIds(items)).toEqual([])
    await makeDue(create)
    await scene.untilStatus(create, 'synced')
    await untilAll(items, 'synced')
    expect(await scene.item(items[2]!)).toMatchObject({ coalesced: 1, sends: 1 })
  })

  test('a create that succeeds for some products releases nobody before it has them all', async () => {
    await troubles({ topics: { new_product_set: { partial: 100 } } })
    const { setId, items } = await tooEarly()
    const create = await scene.enqueue('new_product_set', { set: setId })
    await scene.untilStatus(create, 'delayed')
    await troubles({})
    // The first product is in the Shop by now: what is queued for it waits as new_variation.
    const [first] = await scene.sql<
      { id: string }[]
    >`select id from catalog.product where product_set_id = ${setId}::bigint and src_id is not null`
    const content = await scene.enqueue('content', { product: first!.id })
    expect(await scene.untilStatus(content, 'blocked')).toMatchObject({ reason: 'new_variation' })
    await untilAll(items, 'blocked')
    await makeDue(create)
    await scene.untilStatus(create, 'synced')
    await untilAll([...items, content], 'synced')
  })

  test('a product without a set in the Shop: New Product waits for New Product (Set)', async () => {
    const { setId, productIds } = await addSet(scene.sql, { inShop: false, products: 2 })
    const item = await scene.enqueue('new_product', { product: productIds[1]! })
    expect(await scene.untilStatus(item, 'blocked')).toMatchObject({ reason: 'not_in_shop' })
    const create = await scene.enqueue('new_product_set', { set: setId })
    await untilAll([create], 'synced')
    // The create of the set has already created it.
    await untilAll([item], 'synced')
    expect(await scene.item(item)).toMatchObject({ sends: 0, reason: 'nothing_to_send' })
    const { duplicateCreates } = await scene.control<{ duplicateCreates: number }>('/stats')
    expect(duplicateCreates).toBe(0)
  })

  test('the create ends just as another item is being Blocked for want of it: that one is released too', async () => {
    await useFlow('asynchronous')
    await troubles({ topics: { new_product_set: { noCallback: 100 } } })
    // Blocking takes time: the callback comes between the read of the catalogue and the commit.
    await scene.sql`create table public.gate ()`
    await scene.sql`insert into public.gate default values`
    await scene.sql`
      create function public.wait_at_gate() returns trigger language plpgsql security definer as $$
      begin
        while exists (select from public.gate) loop perform pg_sleep(0.01); end loop;
        return new;
      end $$`
    await scene.sql`
      create trigger wait_at_gate before update on shop_update.item for each row
      when (new.status = 'blocked' and new.topic = 'price') execute function public.wait_at_gate()`
    try {
      const { setId, productIds } = await addSet(scene.sql, { inShop: false })
      const create = await scene.enqueue('new_product_set', { set: setId })
      const { requestId } = await scene.untilStatus(create, 'got_acknowledgment')
      const item = await scene.enqueue('price', { product: productIds[0]! })
      await scene.untilStatus(item, 'processing')
      await scene.control('/callbacks', { method: 'POST', body: { requestId } })
      await scene.untilStatus(create, 'synced')
      expect((await scene.item(item)).status).toBe('processing')
      await scene.sql`delete from public.gate`
      await untilAll([item], 'synced')
      expect(await scene.statuses(item)).toContain('blocked')
    } finally {
      await scene.sql`delete from public.gate`
      await scene.sql`drop function public.wait_at_gate cascade`
      await scene.sql`drop table public.gate`
      await useFlow('synchronous')
    }
  })

  test('hundreds of sets in the wrong order, creates called back at any moment: nobody is forgotten', async () => {
    await scene.sql`delete from shop_update.leader` // what was locked when it was to be released is left to the leader
    await useFlow('asynchronous')
    await troubles({ default: { callbackDelayMs: { min: 0, max: 40 }, latencyMs: { min: 0, max: 20 } } })
    const sets = await Promise.all(Array.from({ length: 200 }, () => addSet(scene.sql, { inShop: false, products: 2 })))
    const items = (
      await Promise.all(
        sets.map(async ({ setId, productIds }) => [
          await scene.enqueue('price', { product: productIds[0]! }),
          await scene.enqueue('new_product_set', { set: setId }),
          await scene.enqueue('stock', { product: productIds[1]! }),
          await scene.enqueue('images', { set: setId }),
        ]),
      )
    ).flat()
    const left = (which: string[]) => scene.sql`select status from shop_update.item where id = any (${which}::bigint[])`
    const untilGone = (which: string[]) =>
      vi.waitFor(async () => expect(await left(which)).toEqual([]), { timeout: 100_000, interval: 20 })
    await untilGone(items.filter((_, k) => k % 4 === 1))
    // Released, and sent when their turn comes.
    await vi.waitFor(async () => expect((await left(items)).filter(({ status }) => status === 'blocked')).toEqual([]), {
      timeout: 20_000,
      interval: 20,
    })
    await untilGone(items)
    await nobodyLeads(scene.sql)
    await useFlow('synchronous')
  })
})

describe('a new variation of a set that is in the Shop', () => {
  async function withNewVariation() {
    const set = await addSet(scene.sql, { products: 3 })
    const [, old, fresh] = set.productIds as [string, string, string]
    await scene.sql`update catalog.product set src_id = null, shop_sku = null where id = ${fresh}::bigint`
    return { ...set, old, fresh }
  }

  test('the synced products are Blocked as new_variation until it is created', async () => {
    await troubles({ topics: { new_product: { http500: 100 } } })
    const { setId, old, fresh } = await withNewVariation()
    const create = await scene.enqueue('new_product', { product: fresh })
    await scene.untilStatus(create, 'delayed')
    const items = [
      await scene.enqueue('price', { product: old }),
      await scene.enqueue('images', { set: setId }),
      await scene.enqueue('stock', { product: old }),
    ]
    const ofFresh = await scene.enqueue('price', { product: fresh })
    await untilAll([...items, ofFresh], 'blocked')
    for (const itemId of items) expect(await scene.item(itemId)).toMatchObject({ reason: 'new_variation', sends: 0 })
    expect(await scene.item(ofFresh)).toMatchObject({ reason: 'not_in_shop', sends: 0 })
    expect(JSON.stringify((await scene.api(`/api/items/${items[0]}`)).body.blockedBy)).toContain(create)
    await troubles({})
    await makeDue(create)
    await scene.untilStatus(create, 'synced')
    await untilAll([...items, ofFresh], 'synced')
  })

  test('in the asynchronous flow they wait for the callback of the create, not for its acknowledgment', async () => {
    await useFlow('asynchronous')
    await troubles({ topics: { new_product: { noCallback: 100 } } })
    const { old, fresh } = await withNewVariation()
    const create = await scene.enqueue('new_product', { product: fresh })
    const { requestId } = await scene.untilStatus(create, 'got_acknowledgment')
    const item = await scene.enqueue('price', { product: old })
    expect(await scene.untilStatus(item, 'blocked')).toMatchObject({ reason: 'new_variation' })
    await scene.control('/callbacks', { method: 'POST', body: { requestId } })
    await scene.untilStatus(create, 'synced')
    await untilAll([item], 'synced')
    await useFlow('synchronous')
  })

  test('two new variations do not block each other, but the rest until both are there', async () => {
    await troubles({ topics: { new_product: { http500: 100 } } })
    const { productIds } = await addSet(scene.sql, { products: 3 })
    const [one, two, old] = productIds as [string, string, string]
    await scene.sql`
      update catalog.product set src_id = null, shop_sku = null where id in (${one}::bigint, ${two}::bigint)`
    const first = await scene.enqueue('new_product', { product: one })
    await scene.untilStatus(first, 'delayed')
    const item = await scene.enqueue('price', { product: old })
    await scene.untilStatus(item, 'blocked')
    // Held behind the first of its topic, like any item.
    const second = await scene.enqueue('new_product', { product: two })
    await troubles({ topics: { new_product: { latencyMs: 5000 } } })
    await makeDue(first)
    await scene.untilStatus(first, 'synced')
    expect(await scene.item(item)).toMatchObject({ status: 'blocked', reason: 'new_variation' })
    await scene.untilStatus(second, 'synced')
    await untilAll([item], 'synced')
  })
})

describe('nothing to send', () => {
  test('a create whose products are in the Shop already is Synced without a call', async () => {
    const { setId, productIds } = await addSet(scene.sql, { products: 2 })
    const items = [
      await scene.enqueue('new_product_set', { set: setId }),
      await scene.enqueue('new_product', { product: productIds[0]! }),
    ]
    await untilAll(items, 'synced')
    expect(await requestIds(items)).toEqual([])
    for (const itemId of items) {
      expect(await scene.item(itemId)).toMatchObject({ reason: 'nothing_to_send', sends: 0, requestId: null })
      expect(await scene.statuses(itemId)).toEqual(['pending', 'processing', 'synced'])
    }
    // What waited behind it goes on.
    await scene.untilStatus(await scene.enqueue('price', { product: productIds[0]! }), 'synced')
  })
})

describe('Seller Center holds a Blocked item by a change that it absorbs, in a long transaction', () => {
  test('the others of the set are released at once, that one after the commit', async () => {
    const { setId, productIds } = await addSet(scene.sql, { inShop: false, products: 2 })
    const items = await Promise.all(productIds.map((product) => scene.enqueue('price', { product })))
    await untilAll(items, 'blocked')
    const held = Promise.withResolvers<void>()
    const letGo = Promise.withResolvers<void>()
    const transaction = scene.sql.begin(async (tx) => {
      await tx`select shop_update.enqueue('price', product_id => ${productIds[0]!}::bigint)`
      held.resolve()
      await letGo.promise
    })
    try {
      await held.promise
      await scene.untilStatus(await scene.enqueue('new_product_set', { set: setId }), 'synced')
      await untilAll([items[1]!], 'synced')
      expect((await scene.item(items[0]!)).status).toBe('blocked')
    } finally {
      letGo.resolve()
      await transaction
    }
    // The next release in this set finds it: by the leader, or, as here, by a create that has nothing to do any more.
    await scene.untilStatus(await scene.enqueue('new_product_set', { set: setId }), 'synced')
    await untilAll([items[0]!], 'synced')
    expect(await scene.item(items[0]!)).toMatchObject({ coalesced: 1, sends: 1 })
  })
})
