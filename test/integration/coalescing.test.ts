import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { addSet, listen, type Scene, startScene } from '../scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene({ workers: false })
})
afterAll(() => scene.stop())
afterEach(() => scene.control('/troubles', { method: 'DELETE' }))

const troubles = (settings: SettingsInput) => scene.control('/troubles', { method: 'PUT', body: settings })
const itemsOf = (setId: string) => scene.sql<{ id: string; coalesced: number; status: string }[]>`
  select id, coalesced, status from shop_update.item where product_set_id = ${setId}::bigint order by id`
const callsOf = async (itemIds: string[]) => {
  const rows = await scene.sql<{ requestId: string }[]>`
    select request_id::text as "requestId" from shop_update.request where item_id = any (${itemIds}::bigint[])`
  const ids = new Set(rows.map(({ requestId }) => requestId))
  return (await scene.control<ReceivedCall[]>('/requests?limit=100000'))
    .toReversed()
    .filter(({ requestId }) => ids.has(requestId))
}

/** A transaction that stays open after the statement until it is told how to end. */
async function openTransaction(statement: (tx: Sql) => Promise<unknown>) {
  const done = Promise.withResolvers<void>()
  const end = Promise.withResolvers<'commit' | 'rollback'>()
  const transaction = scene.sql
    .begin(async (tx) => {
      await statement(tx as unknown as Sql)
      done.resolve()
      if ((await end.promise) === 'rollback') throw new Error('rolled back')
    })
    .catch((error: Error) => {
      done.reject(error)
      if (error.message !== 'rolled back') throw error
    })
  await done.promise
  return async (how: 'commit' | 'rollback') => {
    end.resolve(how)
    await transaction
  }
}

// Before any worker runs: what Seller Center sees.
describe('enqueue', () => {
  test('an item in the queue absorbs the same change, and only the same', async () => {
    const { setId, productIds } = await addSet(scene.sql, { products: 2 })
    const other = await addSet(scene.sql)
    const [first, second] = productIds as [string, string]
    const item = await scene.enqueue('price', { product: first })
    expect(await scene.sql`select * from shop_update.enqueue_item('price', ${first}::bigint, null)`).toEqual([
      { item_id: item, coalesced: true },
    ])
    expect(await scene.enqueue('price', { product: first })).toBe(item)
    expect(await scene.item(item)).toMatchObject({ coalesced: 2, status: 'pending', failures: 0 })
    const others = [
      await scene.enqueue('price', { product: second }),
      await scene.enqueue('content', { product: first }),
      await scene.enqueue('images', { set: setId }),
      await scene.enqueue('new_product_set', { set: setId }),
      await scene.enqueue('images', { set: other.setId }),
    ]
    expect(new Set([item, ...others]).size).toBe(6)
    expect(await scene.enqueue('images', { set: setId })).toBe(others[2])
    expect(await scene.enqueue('new_product_set', { set: setId })).toBe(others[3])
    // An absorbed change is neither a step nor a new entry in the queue.
    expect(await scene.statuses(item)).toEqual(['pending'])
    const [queued] = await scene.sql`select sum(n)::int as n from shop_update.delta where kind = 'queued'`
    expect(queued).toEqual({ n: 6 })
  })

  test('it is called with names, inside a transaction, and twice in one', async () => {
    const { setId, productIds } = await addSet(scene.sql)
    const ids = await scene.sql.begin(async (tx) => {
      const [price] = await tx`select shop_update.enqueue('price', product_id => ${productIds[0]!}::bigint) as id`
      const [again] = await tx`select shop_update.enqueue('price', product_id => ${productIds[0]!}::bigint) as id`
      const [images] = await tx`select shop_update.enqueue('images', product_set_id => ${setId}::bigint) as id`
      return [price!.id, again!.id, images!.id]
    })
    expect(ids[1]).toBe(ids[0])
    expect(await itemsOf(setId)).toEqual([
      { id: ids[0], coalesced: 1, status: 'pending' },
      { id: ids[2], coalesced: 0, status: 'pending' },
    ])
  })

  test.each(['commit', 'rollback'] as const)(
    '20 connections queue the same change at once (the first one: %s): one item',
    async (end) => {
      const { setId, productIds } = await addSet(scene.sql)
      const pool = connect(scene.databaseUrl, { max: 19, name: 'crowd' })
      try {
        await Promise.all(Array.from({ length: 19 }, () => pool`select pg_sleep(0.01)`)) // every connection is open
        const finishFirst = await openTransaction(
          (tx) => tx`select shop_update.enqueue('price', product_id => ${productIds[0]!}::bigint)`,
        )
        const crowd = Array.from({ length: 19 }, () =>
          pool.begin(
            async (tx) =>
              (await tx`select shop_update.enqueue('price', product_id => ${productIds[0]!}::bigint) as id`)[0]!
                .id as string,
          ),
        )
        await vi.waitFor(
          async () => {
            const [row] = await scene.sql`
            select count(*)::int as n from pg_stat_activity
            where datname = current_database() and application_name = 'shop-update crowd' and wait_event_type = 'Lock'`
            expect(row!.n).toBe(19)
          },
          { timeout: 10_000, interval: 10 },
        )
        await finishFirst(end)
        const ids = new Set(await Promise.all(crowd))
        expect(ids.size).toBe(1)
        expect(await itemsOf(setId)).toEqual([
          { id: [...ids][0], coalesced: end === 'commit' ? 19 : 18, status: 'pending' },
        ])
      } finally {
        await pool.end()
      }
    },
  )

  test.each<{ call: string; message: string | RegExp }>([
    { call: `enqueue('prices', product_id => 1)`, message: 'unknown topic "prices"' },
    { call: `enqueue(null, product_id => 1)`, message: /unknown topic/ },
    { call: `enqueue('price', product_id => 999999999)`, message: 'product 999999999 does not exist' },
    { call: `enqueue('images', product_set_id => 999999999)`, message: 'product set 999999999 does not exist' },
    {
      call: `enqueue('price', product_set_id => 1)`,
      message: 'topic "price" takes a product_id and no product_set_id',
    },
    {
      call: `enqueue('price', product_id => 1, product_set_id => 1)`,
      message: 'topic "price" takes a product_id and no product_set_id',
    },
    { call: `enqueue('stock')`, message: 'topic "stock" takes a product_id and no product_set_id' },
    { call: `enqueue('images', product_id => 1)`, message: 'topic "images" takes a product_set_id and no product_id' },
    { call: `enqueue('new_product_set')`, message: 'topic "new_product_set" takes a product_set_id and no product_id' },
    {
      call: `enqueue('new_product', product_set_id => 1)`,
      message: 'topic "new_product" takes a product_id and no product_set_id',
    },
  ])('$call is an error: $message', async ({ call, message }) => {
    await expect(scene.sql.unsafe(`select shop_update.${call}`)).rejects.toThrow(message)
  })

  test('a rollback leaves nothing: no item, no history, no number, no notification', async () => {
    const { setId, productIds } = await addSet(scene.sql)
    const count = async () => {
      const [row] = await scene.sql`
        select (select count(*)::int from shop_update.transition) as transitions,
          (select count(*)::int from shop_update.delta) as numbers`
      return row
    }
    const before = await count()
    const heard = await listen(scene.sql)
    const end = await openTransaction(
      (tx) => tx`select shop_update.enqueue('price', product_id => ${productIds[0]!}::bigint)`,
    )
    await end('rollback')
    expect(await heard()).toBe(0)
    expect(await itemsOf(setId)).toEqual([])
    expect(await count()).toEqual(before)
    // Nor a place that the next one would take for its own.
    await scene.enqueue('price', { product: productIds[0]! })
    expect(await itemsOf(setId)).toMatchObject([{ coalesced: 0 }])
  })

  test('one notification per transaction, none for what is absorbed', async () => {
    const { productIds } = await addSet(scene.sql, { products: 50 })
    const heard = await listen(scene.sql)
    await scene.sql`
      select shop_update.enqueue('price', product_id => id) from unnest(${productIds}::bigint[]) as t (id)`
    await scene.sql`
      select shop_update.enqueue('price', product_id => id) from unnest(${productIds}::bigint[]) as t (id)`
    expect(await heard()).toBe(1)
  })
})

describe('with a worker', () => {
  beforeAll(async () => {
    await scene.sql`delete from shop_update.item`
    await scene.startWorker({ RETRY_UNIT_SECONDS: '3600' })
  })

  /** One item of the set, in flight at the Shop for `latencyMs`; and its product, whose price is not in flight. */
  async function busySet({ latencyMs = 5000, products = 1 } = {}) {
    await troubles({ topics: { content: { latencyMs } } })
    const set = await addSet(scene.sql, { products })
    const holding = await scene.enqueue('content', { product: set.productIds[0]! })
    await scene.untilStatus(holding, 'made_request')
    return { ...set, product: set.productIds[0]!, holding }
  }

  test('the payload is built from the newest catalogue: two changes while it waits, one call', async () => {
    const { product } = await busySet()
    const item = await scene.enqueue('price', { product })
    await scene.sql`update catalog.product set price = 21.50 where id = ${product}::bigint`
    expect(await scene.enqueue('price', { product })).toBe(item)
    await scene.sql`update catalog.product set price = 22, special_price = 20 where id = ${product}::bigint`
    expect(await scene.enqueue('price', { product })).toBe(item)
    expect(await scene.untilStatus(item, 'synced')).toMatchObject({ coalesced: 2, sends: 1 })
    const calls = await callsOf([item])
    expect(calls).toHaveLength(1)
    expect(calls[0]!.call.params.productsInfo).toMatchObject([{ price: '22.00', price_special: '20.00' }])
  })

  test('behind one in flight a second item is queued, and that one absorbs the third change', async () => {
    const { product, holding } = await busySet()
    const second = await scene.enqueue('content', { product })
    expect(second).not.toBe(holding)
    expect(await scene.enqueue('content', { product })).toBe(second)
    await scene.sql`update catalog.product set title = 'Linen Shirt, slim' where id = ${product}::bigint`
    expect(await scene.untilStatus(holding, 'synced')).toMatchObject({ coalesced: 0, sends: 1 })
    expect(await scene.untilStatus(second, 'synced')).toMatchObject({ coalesced: 1, sends: 1 })
    const calls = await callsOf([holding, second])
    expect(calls.map(({ call }) => call.params.productsInfo![0]!.title)).toEqual(['Linen Shirt 1', 'Linen Shirt, slim'])
  })

  test('a change every few milliseconds while items come and go: the Shop has the last one', async () => {
    const sets = await Promise.all(Array.from({ length: 10 }, () => addSet(scene.sql)))
    const items = new Set<string>()
    await Promise.all(
      sets.map(async ({ productIds }) => {
        for (let quantity = 1; quantity <= 60; quantity++) {
          await scene.sql.begin(async (tx) => {
            await tx`update catalog.product set stock = ${quantity}::int where id = ${productIds[0]!}::bigint`
            const [row] = await tx`select shop_update.enqueue('stock', product_id => ${productIds[0]!}::bigint) as id`
            items.add(row!.id)
          })
        }
      }),
    )
    for (const item of items) await scene.untilStatus(item, 'synced')
    const calls = await callsOf([...items])
    for (const { productIds } of sets) {
      const quantities = calls.flatMap(({ call }) =>
        call.params
          .productsInfo!.filter(({ product_id }) => product_id === String(600000 + Number(productIds[0])))
          .map(({ quantity }) => Number(quantity)),
      )
      expect(quantities.at(-1)).toBe(60)
      expect(quantities).toEqual(quantities.toSorted((a, b) => a - b))
    }
    const [sum] = await scene.sql`
      select (count(*) + sum(coalesced))::int as changes from shop_update.finished_item
      where id = any (${[...items]}::bigint[])`
    expect(sum).toEqual({ changes: 600 })
  })

  test('while the first is acknowledged a second item is queued', async () => {
    await scene.api('/api/flow', { method: 'PUT', body: { flow: 'asynchronous' } })
    await vi.waitFor(
      async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow: 'asynchronous' }] }),
      {
        timeout: 10_000,
        interval: 20,
      },
    )
    await troubles({ topics: { price: { noCallback: 100 } } })
    const { productIds } = await addSet(scene.sql)
    const first = await scene.enqueue('price', { product: productIds[0]! })
    await scene.untilStatus(first, 'got_acknowledgment')
    await troubles({})
    const second = await scene.enqueue('price', { product: productIds[0]! })
    expect(second).not.toBe(first)
    await scene.untilStatus(second, 'synced')
    expect(await scene.item(first)).toMatchObject({ status: 'got_acknowledgment', coalesced: 0 })
    await scene.api('/api/flow', { method: 'PUT', body: { flow: 'synchronous' } })
    await vi.waitFor(
      async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow: 'synchronous' }] }),
      {
        timeout: 10_000,
        interval: 20,
      },
    )
  })

  test.each(['delayed', 'failed'] as const)(
    'a change that is absorbed by a %s item gives it a fresh retry cycle at once',
    async (status) => {
      await troubles({ topics: { price: { http500: 100 } } })
      const { productIds } = await addSet(scene.sql)
      const item = await scene.enqueue('price', { product: productIds[0]! })
      await scene.untilStatus(item, 'delayed')
      if (status === 'failed') {
        await scene.sql`update shop_update.item set failures = 27, run_at = now() where id = ${item}::bigint`
        expect(await scene.untilStatus(item, 'failed')).toMatchObject({ failures: 28 })
      }
      const { sends } = await scene.item(item)
      const end = await openTransaction(
        (tx) => tx`select shop_update.enqueue('price', product_id => ${productIds[0]!}::bigint)`,
      )
      await end('commit')
      await vi.waitFor(
        async () =>
          expect(await scene.item(item)).toMatchObject({
            sends: sends + 1,
            status: 'delayed',
            failures: 1,
            coalesced: 1,
          }),
        { timeout: 10_000, interval: 20 },
      )
      const [step] = await scene.sql`
      select from_status as "from", to_status as "to" from shop_update.transition
      where item_id = ${item}::bigint and reason = 'coalesced'`
      expect(step).toEqual({ from: status, to: 'pending' })
      await troubles({})
      expect(await scene.enqueue('price', { product: productIds[0]! })).toBe(item)
      expect(await scene.untilStatus(item, 'synced')).toMatchObject({
        coalesced: 2,
        failures: 0,
        reason: null,
        message: null,
      })
      // X-SC-Enqueued-At: it re-entered the queue with the change.
      const entered = (await callsOf([item])).map(({ headers }) => BigInt(headers.enqueuedAt!))
      expect(entered).toEqual(entered.toSorted((a, b) => (a < b ? -1 : 1)))
      expect(new Set(entered).size).toBe(entered.length)
    },
  )

  test('a Blocked item absorbs the change and stays Blocked', async () => {
    const { productIds } = await addSet(scene.sql, { inShop: false })
    const item = await scene.enqueue('price', { product: productIds[0]! })
    await scene.untilStatus(item, 'blocked')
    expect(await scene.enqueue('price', { product: productIds[0]! })).toBe(item)
    expect(await scene.item(item)).toMatchObject({ status: 'blocked', reason: 'not_in_shop', coalesced: 1 })
  })

  test('an enqueue in a transaction that stays open blocks nobody, and is sent after the commit', async () => {
    const { setId, productIds } = await addSet(scene.sql, { products: 2 })
    const [first, second] = productIds as [string, string]
    const end = await openTransaction(async (tx) => {
      await tx`select shop_update.enqueue('price', product_id => ${first}::bigint)`
      await tx`select shop_update.enqueue('images', product_set_id => ${setId}::bigint)`
    })
    try {
      for (const [topic, product] of [
        ['content', first],
        ['price', second],
        ['stock', first],
        ['stock', second],
      ] as const) {
        await scene.untilStatus(await scene.enqueue(topic, { product }), 'synced')
      }
      const elsewhere = await addSet(scene.sql)
      await scene.untilStatus(await scene.enqueue('price', { product: elsewhere.productIds[0]! }), 'synced')
      expect(await itemsOf(setId)).toEqual([])
    } finally {
      await end('commit')
    }
    const rows = await vi.waitFor(
      async () => {
        const found = await scene.sql<{ topic: string }[]>`
        select topic from shop_update.finished_item where product_set_id = ${setId}::bigint order by id`
        expect(found).toHaveLength(6)
        return found
      },
      { timeout: 10_000, interval: 20 },
    )
    expect(rows.slice(0, 2).map(({ topic }) => topic)).toEqual(['price', 'images'])
  })

  test('an enqueue that meets an item being claimed queues a second; only that set waits for its commit', async () => {
    // The claim of this item takes time, so that the enqueue waits for it.
    await scene.sql`
      create function public.take_time() returns trigger language plpgsql as $$
      begin
        perform pg_sleep(0.15);
        return new;
      end $$`
    const { productIds } = await addSet(scene.sql)
    await scene.sql.unsafe(`
      create trigger take_time before update on shop_update.item for each row
      when (new.status = 'processing' and old.status = 'pending'
        and new.product_id = ${productIds[0]}) execute function public.take_time()`)
    const first = await scene.enqueue('price', { product: productIds[0]! })
    await vi.waitFor(
      async () => {
        const [row] = await scene.sql`select 1 from shop_update.item where id = ${first}::bigint for update skip locked`
        expect(row).toBeUndefined()
      },
      { timeout: 5000, interval: 1 },
    )
    let second = ''
    const end = await openTransaction(async (tx) => {
      const [row] = await tx`select shop_update.enqueue('price', product_id => ${productIds[0]!}::bigint) as id`
      second = row!.id
    })
    try {
      expect(second).not.toBe(first)
      const others = await Promise.all(Array.from({ length: 20 }, () => addSet(scene.sql)))
      for (const set of others)
        await scene.untilStatus(await scene.enqueue('price', { product: set.productIds[0]! }), 'synced')
    } finally {
      await end('commit')
    }
    for (const item of [first, second])
      expect(await scene.untilStatus(item, 'synced')).toMatchObject({ failures: 0, sends: 1 })
    await scene.sql`drop function public.take_time cascade`
    expect(await scene.statuses(first)).toEqual([
      'pending',
      'processing',
      'building_payload',
      'made_request',
      'got_response',
      'building_response_payload',
      'response_processing',
      'synced',
    ])
  })
})
