import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ReceivedCall } from '../../demo/shop/memory.ts'
import { median } from '../bench/setting.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

/**
 * The retry table (docs/requirements.md, "Retry table"): minutes before retry #1, #2, …; from #8 on it is eight hours.
 * Their sum is 07:05:04.
 */
const MINUTES = [1, 8, 27, 64, 125, 216, 343, ...Array.from({ length: 20 }, () => 480)]

let scene: Scene
afterAll(() => scene.stop())

const requestsFor = async (topic: string) =>
  (await scene.control<ReceivedCall[]>(`/requests?topic=${topic}&limit=1000`)).toReversed()
const oneProduct = async () => (await addSet(scene.sql)).productIds[0]!

describe('a Shop that always answers with HTTP 500', () => {
  let itemId: string
  let productId: string
  /** Every failure as written: the item's new status and the planned attempt. */
  let failures: { failures: number; status: string; wait: number | null; atMs: number }[]
  let requests: ReceivedCall[]

  beforeAll(async () => {
    // A "minute" of one millisecond: the week of the table passes in 10.4 seconds.
    scene = await startScene({
      env: { RETRY_UNIT_SECONDS: '0.001' },
      settings: { topics: { price: { http500: 100 } } },
    })
    await scene.sql`create table public.failure (failures int, status text, at timestamptz, run_at timestamptz)`
    await scene.sql`
      create function public.note_failure() returns trigger language plpgsql security definer as $$
      begin
        insert into public.failure values (new.failures, new.status, new.entered_at, new.run_at);
        return null;
      end $$`
    await scene.sql`
      create trigger note_failure after update on shop_update.item for each row
      when (new.topic = 'price' and new.failures > old.failures) execute function public.note_failure()`
    productId = await oneProduct()
    itemId = await scene.enqueue('price', { product: productId })
    await vi.waitFor(async () => expect((await scene.item(itemId)).failures).toBe(28), {
      timeout: 100_000,
      interval: 50,
    })
    failures = await scene.sql`
      select failures, status, case when run_at < 'infinity' then extract(epoch from run_at - at)::float8 end as wait,
        extract(epoch from at)::float8 * 1000 as "atMs" from public.failure order by at`
    requests = await requestsFor('price')
  })

  test('the table is that of the requirements: 27 retries in 7 days, 5 hours and 4 minutes', () => {
    expect(MINUTES).toHaveLength(27)
    expect(MINUTES.reduce((sum, minutes) => sum + minutes)).toBe((7 * 24 + 5) * 60 + 4)
  })

  test('it is sent 28 times, each time with the count of the sends before', () => {
    expect(requests.map(({ headers }) => headers.requeueCount)).toEqual(Array.from({ length: 28 }, (_, n) => String(n)))
    expect(new Set(requests.map(({ requestId }) => requestId)).size).toBe(28)
    const entered = requests.map(({ headers }) => BigInt(headers.enqueuedAt!))
    expect(entered).toEqual(entered.toSorted((a, b) => (a < b ? -1 : 1)))
    expect(new Set(entered).size).toBe(28)
  })

  test('each retry is planned by the table, counted from the failure', () => {
    expect(failures.map(({ wait }) => wait)).toEqual([
      ...MINUTES.map((minutes) => expect.closeTo(minutes / 1000, 5)),
      null,
    ])
  })

  test('no retry leaves before its time, nor long after it', () => {
    const late = requests.slice(1).map(({ receivedAt }, k) => Date.parse(receivedAt) - failures[k]!.atMs - MINUTES[k]!)
    // The Shop's clock is truncated to milliseconds.
    expect(Math.min(...late)).toBeGreaterThan(-1)
    // With only the one-second poll, those of the first waits would be late by about 0.9 s, and those of 480 ms by
    // about 0.5 s.
    expect(median(late.slice(0, 7)), JSON.stringify(late)).toBeLessThan(500)
    expect(median(late.slice(7)), JSON.stringify(late)).toBeLessThan(300)
  })

  test('Delayed until the 11th failure, Failed from the 12th', () => {
    expect(failures.map(({ failures, status }) => [failures, status])).toEqual(
      Array.from({ length: 28 }, (_, n) => [n + 1, n + 1 < 12 ? 'delayed' : 'failed']),
    )
  })

  test('after the 28th the retries are exhausted, and nothing more is sent', async () => {
    const [item] = await scene.sql`
      select status, reason, message, run_at = 'infinity' as never from shop_update.item where id = ${itemId}::bigint`
    expect(item).toEqual({
      status: 'failed',
      reason: 'failure',
      message: expect.stringContaining('HTTP status 500'),
      never: true,
    })
    const { body } = await scene.api(`/api/items/${itemId}`)
    expect(body).toMatchObject({
      status: 'failed',
      nextAttemptAt: null,
      retriesLeft: 0,
      failures: 28,
      requeuedCount: 27,
    })
    const { failedAt, lastRequeuedAt } = body as { failedAt: string; lastRequeuedAt: string }
    expect(failedAt).toBe(lastRequeuedAt)

    // Meanwhile, for other items, more time passes than any wait of the table.
    await scene.control('/troubles', { method: 'PUT', body: { topics: { content: { http500: 100 } } } })
    const other = await scene.enqueue('content', { product: productId })
    await vi.waitFor(async () => expect((await scene.item(other)).failures).toBeGreaterThanOrEqual(9), {
      timeout: 20_000,
      interval: 20,
    })
    expect(await requestsFor('price')).toHaveLength(28)
    expect(await scene.item(itemId)).toMatchObject({ status: 'failed', failures: 28, sends: 28 })
  })

  test('a requeue begins a fresh cycle: failures count from 1 again, along the same table', async () => {
    await scene.control('/troubles', { method: 'PUT', body: { topics: { price: { http500: 100 } } } })
    const { body } = await scene.api('/api/requeue', {
      method: 'POST',
      body: { itemIds: [itemId], reason: 'The Shop is back' },
    })
    expect(body).toMatchObject({ requeued: 1, productSets: 1, skipped: [] })
    await vi.waitFor(async () => expect((await scene.item(itemId)).sends).toBeGreaterThanOrEqual(33), {
      timeout: 20_000,
      interval: 20,
    })
    const again = await scene.sql<{ failures: number; status: string; wait: number }[]>`
      select failures, status, extract(epoch from run_at - at)::float8 as wait from (
        select f.* from public.failure f order by at offset 28 limit 4) f`
    expect(again.map(({ failures, status, wait }) => [failures, status, wait])).toEqual(
      [1, 2, 3, 4].map((n) => [n, 'delayed', expect.closeTo(MINUTES[n - 1]! / 1000, 5)]),
    )
    // The requeue count counts all sends, and the person is recorded.
    expect((await requestsFor('price'))[28]!.headers.requeueCount).toBe('28')
    const [by] = await scene.sql`
      select from_status as "from", actor is not null as named from shop_update.transition
      where item_id = ${itemId}::bigint and reason = 'requeued'`
    expect(by).toEqual({ from: 'failed', named: true })

    // A Shop that comes back ends it in the middle of the table.
    await scene.control('/troubles', { method: 'PUT', body: {} })
    const synced = await scene.untilStatus(itemId, 'synced')
    expect(synced.sends).toBe((await requestsFor('price')).length)
    expect(synced.failures).toBe(synced.sends - 29)
  })
})

test('a requeue is refused of what is not sent: inactive seller, inactive or unapproved product, images', async () => {
  await scene.control('/troubles', { method: 'PUT', body: { default: { http500: 100 } } })
  const seller = async (name: string) => {
    const set = await addSet(scene.sql, { seller: name })
    return { ...set, product: set.productIds[0]! }
  }
  const [idle, off, unapproved, pictures, fine] = [
    await seller('Asleep'),
    await seller('Product off'),
    await seller('In quality control'),
    await seller('Pictures'),
    await seller('Fine'),
  ]
  const items = {
    seller_inactive: await scene.enqueue('price', { product: idle.product }),
    product_inactive: await scene.enqueue('price', { product: off.product }),
    not_qc_approved: await scene.enqueue('price', { product: unapproved.product }),
    images_not_requeueable: await scene.enqueue('images', { set: pictures.setId }),
  }
  const willing = await scene.enqueue('price', { product: fine.product })
  const ids = [...Object.values(items), willing]
  for (const id of ids)
    await vi.waitFor(async () => expect((await scene.item(id)).failures).toBeGreaterThanOrEqual(1), { timeout: 30_000 })
  // From here on they rest where they are.
  await vi.waitFor(
    async () => {
      await scene.sql`
        update shop_update.item set run_at = 'infinity' where id = any (${ids}::bigint[]) and lane = 'delayed'`
      expect(
        await scene.sql`
          select id from shop_update.item
          where id = any (${ids}::bigint[]) and lane = 'delayed' and run_at = 'infinity'`,
      ).toHaveLength(5)
    },
    { timeout: 30_000, interval: 20 },
  )
  await scene.sql`update catalog.seller set active = false where id = ${idle.sellerId}::bigint`
  await scene.sql`update catalog.product set active = false where id = ${off.product}::bigint`
  await scene.sql`update catalog.product set qc_status = 'pending' where id = ${unapproved.product}::bigint`
  await scene.control('/troubles', { method: 'PUT', body: {} })
  const { body } = await scene.api<{ requeued: number; skipped: object[] }>('/api/requeue', {
    method: 'POST',
    body: { itemIds: ids },
  })
  expect(body.requeued).toBe(1)
  expect(body.skipped).toHaveLength(4)
  expect(body.skipped).toEqual(
    expect.arrayContaining(Object.entries(items).map(([reason, itemId]) => ({ itemId, reason }))),
  )
  await scene.untilStatus(willing, 'synced')
  for (const id of Object.values(items)) expect(await scene.item(id)).toMatchObject({ reason: 'failure' })
})

describe('the stock wait', () => {
  let first: Scene
  beforeAll(async () => {
    first = scene
    scene = await startScene({ env: { STOCK_WAIT_SECONDS: '8' } })
  })
  afterAll(() => first.stop())

  test('a Stock item is Delayed with reason stock_wait and sent when it is time: no failure, no requeue', async () => {
    const productId = await oneProduct()
    const itemId = await scene.enqueue('stock', { product: productId })
    expect(await scene.item(itemId)).toMatchObject({ status: 'delayed', reason: 'stock_wait', failures: 0, sends: 0 })
    expect((await scene.api(`/api/items/${itemId}`)).body).toMatchObject({
      reason: { code: 'stock_wait' },
      requeuedCount: 0,
      failedAt: null,
    })
    await scene.untilStatus(itemId, 'synced')
    expect(await scene.item(itemId)).toMatchObject({ failures: 0, sends: 1, reason: null })
    expect((await scene.statuses(itemId)).slice(0, 5)).toEqual([
      'pending',
      'delayed',
      'processing',
      'building_payload',
      'made_request',
    ])
    const [waited] = await scene.sql<{ seconds: number }[]>`
      select extract(epoch from last_sent_at - queued_at)::float8 as seconds from shop_update.finished_item
      where id = ${itemId}::bigint`
    expect(waited!.seconds).toBeGreaterThanOrEqual(8)
    const [call] = await requestsFor('stock')
    expect(call!.headers.requeueCount).toBe('0')
    expect((await scene.api(`/api/items/${itemId}`)).body).toMatchObject({ requeuedCount: 0, lastRequeuedAt: null })
  })

  test('other topics do not wait, and a change during the wait is absorbed without prolonging it', async () => {
    const productId = await oneProduct()
    const itemId = await scene.enqueue('stock', { product: productId })
    const [planned] = await scene.sql`select run_at from shop_update.item where id = ${itemId}::bigint`
    await scene.untilStatus(await scene.enqueue('consignment_stock', { product: productId }), 'synced')
    await scene.untilStatus(await scene.enqueue('price', { product: productId }), 'synced')
    expect((await scene.item(itemId)).status).toBe('delayed')
    await scene.sql`update catalog.product set stock = 3 where id = ${productId}::bigint`
    expect(await scene.enqueue('stock', { product: productId })).toBe(itemId)
    expect(await scene.sql`select run_at from shop_update.item where id = ${itemId}::bigint`).toEqual([planned])
    const { requestId, coalesced } = await scene.untilStatus(itemId, 'synced')
    expect(coalesced).toBe(1)
    const calls = await requestsFor('stock')
    expect(calls.find((call) => call.requestId === requestId)?.call.params.productsInfo).toMatchObject([
      { quantity: '3' },
    ])
  })
})
