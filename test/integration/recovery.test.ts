import { afterEach, expect, test, vi } from 'vitest'
import { isAllowed } from '../../worker/domain/transitions.ts'
import { verifyCounts } from '../../worker/queue/counts.ts'
import { promote } from '../../worker/queue/promote.ts'
import { recover } from '../../worker/queue/recover.ts'
import { enterWorker, heartbeat } from '../../worker/queue/worker-row.ts'
import { addSet, CALLBACK_API_KEY, type Scene, startScene } from '../scene.ts'

let scene: Scene
const SOON_DEAD = { env: { LEASE_SECONDS: '4' } }
afterEach(() => scene.stop())

const hangs = (topic: string) =>
  scene.control('/troubles', { method: 'PUT', body: { topics: { [topic]: { hang: 100 } } } })
const heals = () => scene.control('/troubles', { method: 'DELETE' })
/** Until this many calls have reached the Shop: their items are in Made request. */
const untilCalled = (requests: number) =>
  vi.waitFor(async () => expect(await scene.control('/stats')).toMatchObject({ requests }), {
    timeout: 30_000,
    interval: 5,
  })
const restart = async () => {
  await scene.worker.kill()
  scene.worker = await scene.startWorker()
}
/** A foreign transaction, open until `commit`. */
async function begin() {
  const connection = await scene.sql.reserve()
  await connection`begin`
  await connection`set local idle_in_transaction_session_timeout = 0`
  return {
    sql: connection,
    async commit() {
      await connection`commit`
      connection.release()
    },
  }
}
const becomesAsynchronous = async () => {
  await scene.sql`update shop_update.setting set value = '"asynchronous"' where key = 'shop_update/flow'`
  await vi.waitFor(
    async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow: 'asynchronous' }] }),
    {
      timeout: 30_000,
    },
  )
}
const waitingCallbacks = () => scene.sql`select from shop_update.callback where applied_at is null`
const requestsOf = (itemId: string) => scene.sql<{ id: string }[]>`
  select request_id::text as id from shop_update.request where item_id = ${itemId}::bigint order by request_id`

test('Made request: anything but a create is sent again, with a new request id, and is no failure', async () => {
  scene = await startScene(SOON_DEAD)
  await hangs('price')
  const { productIds } = await addSet(scene.sql)
  const itemId = await scene.enqueue('price', { product: productIds[0]! })
  await untilCalled(1)
  await heals()
  await restart()
  expect(await scene.untilStatus(itemId, 'synced')).toMatchObject({ failures: 0, sends: 2 })
  expect(await requestsOf(itemId)).toHaveLength(2)
  expect(await scene.statuses(itemId)).toEqual([
    ...[
      'pending',
      'processing',
      'building_payload',
      'made_request',
      'pending',
      'processing',
      'building_payload',
      'made_request',
    ],
    ...['got_response', 'building_response_payload', 'response_processing', 'synced'],
  ])
})

test('Made request of a create: Blocked as unknown_outcome, not sent again; the old callback settles it', async () => {
  scene = await startScene(SOON_DEAD)
  await hangs('new_product_set')
  const { setId, productIds } = await addSet(scene.sql, { inShop: false })
  const itemId = await scene.enqueue('new_product_set', { set: setId })
  await untilCalled(1)
  const price = await scene.enqueue('price', { product: productIds[0]! })
  await heals()
  await restart()
  expect(await scene.untilStatus(itemId, 'blocked')).toMatchObject({ reason: 'unknown_outcome', sends: 1 })
  await scene.untilStatus(price, 'blocked')
  expect(await scene.control('/stats')).toMatchObject({ creates: 1 })

  const [{ id: requestId } = { id: '' }] = await requestsOf(itemId)
  const product = {
    seller_sku: `LINEN-${setId}-1`,
    sku: 'AC1APP-1',
    id: '424242',
    config_id: '4242',
    updated_at: '2026-11-24 08:00:00',
  }
  await scene.control('/callbacks', {
    method: 'POST',
    body: { requestId, result: [{ status: 'success', product }], apiKey: CALLBACK_API_KEY },
  })
  await scene.untilStatus(itemId, 'synced')
  await scene.untilStatus(price, 'synced')
  expect(await scene.sql`select src_id from catalog.product where id = ${productIds[0]!}::bigint`).toEqual([
    { src_id: '424242' },
  ])
})

test('Made request of a create whose callback has been recorded already: it settles it by itself', async () => {
  scene = await startScene(SOON_DEAD)
  await hangs('new_product_set')
  const { setId } = await addSet(scene.sql, { inShop: false })
  const itemId = await scene.enqueue('new_product_set', { set: setId })
  await untilCalled(1)
  const [{ id: requestId } = { id: '' }] = await requestsOf(itemId)
  expect(await scene.control('/callbacks', { method: 'POST', body: { requestId } })).toMatchObject([
    { state: 'accepted' },
  ])
  expect(await waitingCallbacks()).toHaveLength(1) // its item is in flight
  await heals()
  await restart()
  expect(await scene.untilStatus(itemId, 'synced')).toMatchObject({ sends: 1 })
  expect((await scene.statuses(itemId)).slice(3)).toEqual([
    ...['made_request', 'blocked', 'got_response', 'building_response_payload', 'response_processing', 'synced'],
  ])
  expect(await scene.control('/stats')).toMatchObject({ requests: 1, duplicateCreates: 0 })
})

test('an item that somebody has locked does not hold up the others that the worker left', async () => {
  scene = await startScene(SOON_DEAD)
  await hangs('price')
  const items: string[] = []
  for (let k = 0; k < 3; k++)
    items.push(await scene.enqueue('price', { product: (await addSet(scene.sql)).productIds[0]! }))
  await untilCalled(3)
  await heals()
  await scene.worker.kill()
  const other = await begin()
  await other.sql`select from shop_update.item where id = ${items[0]!}::bigint for update`
  scene.worker = await scene.startWorker()
  await scene.untilStatus(items[1]!, 'synced')
  await scene.untilStatus(items[2]!, 'synced')
  expect(await scene.item(items[0]!)).toMatchObject({ status: 'made_request' })
  await other.commit()
  await scene.untilStatus(items[0]!, 'synced')
})

test('Processing: an item that was claimed and never sent goes back, and nothing of it is counted', async () => {
  scene = await startScene(SOON_DEAD)
  const { productIds } = await addSet(scene.sql)
  const other = await begin()
  await other.sql`lock table shop_update.request in share mode` // no request can be written: it stays in Processing
  const itemId = await scene.enqueue('price', { product: productIds[0]! })
  await scene.untilStatus(itemId, 'processing')
  await scene.worker.kill()
  // Its last statement may still be waiting for the table.
  await vi.waitFor(
    async () =>
      expect(
        await scene.sql`
          select from pg_stat_activity where datname = current_database() and application_name = 'shop-update queue'`,
      ).toHaveLength(0),
    { timeout: 30_000, interval: 20 },
  )
  await other.commit()
  scene.worker = await scene.startWorker()
  expect(await scene.untilStatus(itemId, 'synced')).toMatchObject({ failures: 0, sends: 1 })
  expect(await scene.statuses(itemId)).toEqual([
    ...['pending', 'processing', 'pending', 'processing', 'building_payload', 'made_request'],
    ...['got_response', 'building_response_payload', 'response_processing', 'synced'],
  ])
  expect(await scene.control('/stats')).toMatchObject({ requests: 1 })
})

test('Got acknowledgment: holds nothing; the callback comes to the next worker, nothing is sent again', async () => {
  scene = await startScene(SOON_DEAD)
  await becomesAsynchronous()
  await scene.control('/troubles', { method: 'PUT', body: { default: { callbackDelayMs: 5000 } } })
  const changed = await addSet(scene.sql)
  const created = await addSet(scene.sql, { inShop: false })
  const items = [
    await scene.enqueue('price', { product: changed.productIds[0]! }),
    await scene.enqueue('new_product_set', { set: created.setId }),
  ]
  for (const item of items) await scene.untilStatus(item, 'got_acknowledgment')
  await restart()
  for (const item of items) {
    expect(await scene.untilStatus(item, 'synced')).toMatchObject({ sends: 1, failures: 0 })
    expect((await scene.statuses(item)).slice(3, 6)).toEqual(['made_request', 'got_acknowledgment', 'got_response'])
  }
  expect(await scene.control('/stats')).toMatchObject({ requests: 2, creates: 1 })
})

test('Response processing: another worker reads the answer of a held product; no create is repeated', async () => {
  scene = await startScene(SOON_DEAD)
  const { setId, productIds } = await addSet(scene.sql, { inShop: false })
  const sellerCenter = await begin()
  await sellerCenter.sql`update catalog.product set price = 29.90 where id = ${productIds[0]!}::bigint`
  const itemId = await scene.enqueue('new_product_set', { set: setId })
  await scene.untilStatus(itemId, 'response_processing')
  await restart()
  await vi.waitFor(
    async () => {
      const [lane] =
        await scene.sql`select worker_id::int as "workerId" from shop_update.set_lane where item_id = ${itemId}::bigint`
      const [row] = await scene.sql`select max(id)::int as "workerId" from shop_update.worker`
      expect(lane).toEqual(row)
    },
    { timeout: 30_000, interval: 50 },
  )
  await sellerCenter.commit()
  await scene.untilStatus(itemId, 'synced')
  expect(await scene.control('/stats')).toMatchObject({ creates: 1, duplicateCreates: 0 })
  expect(
    await scene.sql`
      select price::text, src_id is not null as "inShop" from catalog.product where id = ${productIds[0]!}::bigint`,
  ).toEqual([{ price: '29.90', inShop: true }])
})

test('a callback that was recorded and not applied is applied by the next worker', async () => {
  scene = await startScene(SOON_DEAD)
  await becomesAsynchronous()
  const { productIds } = await addSet(scene.sql)
  const sellerCenter = await begin()
  await sellerCenter.sql`update catalog.product set price = 29.90 where id = ${productIds[0]!}::bigint`
  const itemId = await scene.enqueue('content', { product: productIds[0]! })
  await vi.waitFor(async () => expect(await waitingCallbacks()).toHaveLength(1), { timeout: 30_000, interval: 20 })
  await scene.worker.kill()
  await sellerCenter.commit()
  expect(await scene.item(itemId)).toMatchObject({ status: 'got_acknowledgment' })
  scene.worker = await scene.startWorker()
  expect(await scene.untilStatus(itemId, 'synced')).toMatchObject({ sends: 1 })
  expect(await waitingCallbacks()).toHaveLength(0)
})

test('a worker frozen for longer than its lease: its answers are told like callbacks and count once', async () => {
  scene = await startScene(SOON_DEAD)
  const slow = { latencyMs: 4000 }
  await scene.control('/troubles', {
    method: 'PUT',
    body: { default: slow, topics: { new_product: { ...slow, failureRows: 100 } } },
  })
  const changed = await addSet(scene.sql)
  const created = await addSet(scene.sql, { inShop: false, products: 2 })
  const refused = await addSet(scene.sql, { products: 2 })
  await scene.sql`
    update catalog.product set src_id = null, shop_sku = null where id = ${refused.productIds[1]!}::bigint`
  const price = await scene.enqueue('price', { product: changed.productIds[0]! })
  const create = await scene.enqueue('new_product_set', { set: created.setId })
  const failing = await scene.enqueue('new_product', { product: refused.productIds[1]! })
  await untilCalled(3)
  const frozen = scene.worker
  process.kill(frozen.child.pid!, 'SIGSTOP')
  await heals()
  scene.worker = await scene.startWorker()
  expect(await scene.untilStatus(price, 'synced')).toMatchObject({ sends: 2 })
  for (const item of [create, failing])
    expect(await scene.untilStatus(item, 'blocked')).toMatchObject({ reason: 'unknown_outcome' })
  process.kill(frozen.child.pid!, 'SIGCONT')
  expect(await frozen.stop()).toBe(0) // it has read the Shop's answers by then
  expect(await scene.untilStatus(create, 'synced')).toMatchObject({ sends: 1, failures: 0 })
  expect(await scene.untilStatus(failing, 'delayed')).toMatchObject({ sends: 1, failures: 1, reason: 'failure' })
  expect(
    await scene.sql`select from catalog.product where product_set_id = ${created.setId}::bigint and src_id is not null`,
  ).toHaveLength(2)
  expect((await scene.statuses(price)).filter((status) => status === 'synced')).toHaveLength(1)
  expect(await scene.sql`select outcome from shop_update.answer`).toEqual([{ outcome: 'success' }])
  const told = await scene.sql<{ outcome: string }[]>`select outcome from shop_update.callback order by outcome`
  expect(told.map(({ outcome }) => outcome)).toEqual(['accepted', 'accepted', 'late'])
  expect(await scene.control('/stats')).toMatchObject({ requests: 4, duplicateCreates: 0 })
  expect(await verifyCounts(scene.sql)).toEqual([])
})

test('an item lost by a frozen worker and claimed again, its first call out: both count, none is endless', async () => {
  scene = await startScene({ env: { ...SOON_DEAD.env, SHOP_TIMEOUT_MS: '8000', RETRY_UNIT_SECONDS: '0.1' } })
  await hangs('price')
  const { productIds } = await addSet(scene.sql)
  const itemId = await scene.enqueue('price', { product: productIds[0]! })
  await untilCalled(1)
  process.kill(scene.worker.child.pid!, 'SIGSTOP')
  // Another worker, which takes the item over without claiming it.
  const other = await enterWorker(scene.sql, 'other', 'synchronous')
  await vi.waitFor(
    async () => {
      await heartbeat(scene.sql, other, 'other', 'synchronous', 'running', {
        inFlight: 0,
        limit: 1,
        perSecond: 0,
        away: null,
      })
      const { recovered, setsWaiting } = await recover(scene.sql, other, 4, null)
      expect(recovered).toBe(1)
      await promote(scene.sql, setsWaiting)
    },
    { timeout: 30_000, interval: 100 },
  )
  process.kill(scene.worker.child.pid!, 'SIGCONT')
  await untilCalled(2)
  // The first call times out: it belongs to another claim. The second also times out: that is a failure, and only then
  // is the item sent again.
  const calls = () => scene.sql<{ sentAt: Date; failedAt: Date | null }[]>`
    select r.sent_at as "sentAt", a.answered_at as "failedAt" from shop_update.request r
    left join shop_update.answer a using (request_id) order by r.sent_at`
  await vi.waitFor(async () => expect((await scene.item(itemId)).failures).toBeGreaterThan(0), {
    timeout: 30_000,
    interval: 5,
  })
  await heals()
  expect(await scene.untilStatus(itemId, 'synced')).toMatchObject({ failures: 1, sends: 3 })
  const [first, second, third] = await calls()
  expect(first).toMatchObject({ failedAt: null })
  expect(third!.sentAt.getTime()).toBeGreaterThan(second!.failedAt!.getTime())
})

const ready = (status: number) =>
  vi.waitFor(async () => expect((await fetch(`${scene.worker.publicUrl}/readyz`)).status).toBe(status), {
    timeout: 30_000,
    interval: 20,
  })

test('a worker whose claims fail is not ready, though its heart beats, until it can claim', async () => {
  scene = await startScene(SOON_DEAD)
  await ready(200)
  const sets = await begin()
  await sets.sql`lock table shop_update.set_lane in share mode`
  await ready(503)
  expect(await (await fetch(`${scene.worker.publicUrl}/healthz`)).json()).toEqual({ status: 'ok' })
  await sets.commit()
  await ready(200)
})

test('a worker whose heartbeat cannot be written claims nothing, sends nothing it has, until it can', async () => {
  scene = await startScene(SOON_DEAD)
  const items: string[] = []
  const change = async () =>
    items.push(await scene.enqueue('price', { product: (await addSet(scene.sql)).productIds[0]! }))
  const requests = await begin()
  await requests.sql`lock table shop_update.request in share mode` // no request can be written
  await change()
  await scene.untilStatus(items[0]!, 'processing')
  const heartbeats = await begin()
  await heartbeats.sql`lock table shop_update.worker in share mode`
  await ready(503)
  await requests.commit()
  expect(await scene.untilStatus(items[0]!, 'pending')).toMatchObject({ sends: 0, reason: 'worker_stopped' })
  await change()
  const until = async () =>
    (await scene.sql<{ until: Date }[]>`select until from shop_update.leader`)[0]!.until.getTime()
  const before = await until()
  // Its leader has worked again, and its pump has polled meanwhile. (The first time, the leader may wait 10 s for the
  // lock.)
  await vi.waitFor(async () => expect(await until()).toBeGreaterThan(before + 2000), { timeout: 30_000, interval: 20 })
  for (const item of items) expect(await scene.item(item)).toMatchObject({ status: 'pending' })
  expect(await scene.control('/stats')).toMatchObject({ requests: 0 })
  await heartbeats.commit()
  for (const item of items) await scene.untilStatus(item, 'synced')
  expect(await scene.control('/stats')).toMatchObject({ requests: 2 })
})

test('a worker that was forgotten while it was frozen enters again, and is at work', async () => {
  scene = await startScene(SOON_DEAD)
  const frozen = scene.worker
  const [{ id } = { id: '' }] = await scene.sql<{ id: string }[]>`select id from shop_update.worker`
  process.kill(frozen.child.pid!, 'SIGSTOP')
  scene.worker = await scene.startWorker()
  await scene.sql`delete from shop_update.worker where id = ${id}::bigint` // as the leader does after a day
  process.kill(frozen.child.pid!, 'SIGCONT')
  await vi.waitFor(
    async () => expect(await scene.sql`select from shop_update.worker where id = ${id}::bigint`).toHaveLength(1),
    {
      timeout: 30_000,
      interval: 20,
    },
  )
  await scene.worker.stop()
  const { productIds } = await addSet(scene.sql)
  expect(await scene.untilStatus(await scene.enqueue('price', { product: productIds[0]! }), 'synced')).toMatchObject({
    sends: 1,
  })
})

test('a storm: all topics, both flows, three workers killed in it; all ends, nothing is created twice', async () => {
  scene = await startScene({
    env: { ...SOON_DEAD.env, RETRY_UNIT_SECONDS: '0.05' },
    settings: {
      default: { latencyMs: { min: 1, max: 60 }, callbackDelayMs: { min: 1, max: 300 }, http500: 3, callbackTwice: 5 },
    },
  })
  const { sql } = scene
  const queued = new Set<string>()
  for (let k = 0; k < 40; k++) {
    const { setId, productIds } = await addSet(sql, { seller: `Seller ${k % 5}`, inShop: k % 2 === 0, products: 3 })
    for (const product of productIds) {
      for (const topic of ['price', 'stock', 'content', 'status', 'consignment_stock', 'qc_status']) {
        queued.add(await scene.enqueue(topic, { product }))
      }
    }
    queued.add(await scene.enqueue('images', { set: setId }))
    if (k % 2 === 1) queued.add(await scene.enqueue('new_product_set', { set: setId }))
    if (k % 6 === 0) queued.add(await scene.enqueue('new_product', { product: productIds[2]! }))
    if (k === 20) await sql`update shop_update.setting set value = '"asynchronous"' where key = 'shop_update/flow'`
    if (k % 12 === 10) {
      await vi.waitFor(
        async () =>
          expect((await sql`select from shop_update.item where status = 'made_request'`).length).toBeGreaterThan(2),
        { timeout: 30_000, interval: 2 },
      )
      await restart()
    }
  }
  // By decision, what waits for a create of unknown outcome waits for an admin; everything else must finish.
  await vi.waitFor(
    async () =>
      expect(
        await sql`
          select status, reason from shop_update.item i
          where reason is distinct from 'unknown_outcome' and not (status = 'blocked'
            and exists (select from shop_update.item c
              where c.product_set_id = i.product_set_id and c.reason = 'unknown_outcome'))`,
      ).toEqual([]),
    { timeout: 60_000, interval: 100 },
  )
  expect(await scene.control('/stats')).toMatchObject({ duplicateCreates: 0 })
  const kept = await sql<
    { id: string }[]
  >`select id from shop_update.item union all select id from shop_update.finished_item`
  expect(kept.map(({ id }) => id).sort()).toEqual([...queued].sort())
  const [lost] = await sql`
    select count(*)::int as steps from shop_update.transition where reason in ('worker_lost', 'unknown_outcome')`
  expect(lost!.steps).toBeGreaterThan(2)
  // Obsolete rows disappear with the leader's next look.
  await vi.waitFor(async () => expect([...(await sql`select * from shop_update.set_lane`)]).toEqual([]), {
    timeout: 30_000,
    interval: 50,
  })
  expect(await verifyCounts(sql)).toEqual([])
  const steps = await sql<{ itemId: string; from: null; to: 'pending' }[]>`
    select item_id as "itemId", from_status as "from", to_status as "to"
    from shop_update.transition order by item_id, at, to_status`
  const odd = steps.filter(
    ({ itemId, from, to }, k) => !isAllowed(from, to) || (steps[k - 1]?.itemId === itemId && steps[k - 1]!.to !== from),
  )
  expect(odd).toEqual([])
})
