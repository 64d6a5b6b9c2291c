import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Summary } from '../../worker/api/internal.ts'
import { connect } from '../../worker/database/database.ts'
import { REFUSAL_REASONS } from '../../worker/domain/refusals.ts'
import { readBlocked } from '../../worker/read/blocked.ts'
import { asWorker } from '../database.ts'
import { type Receiver, startReceiver } from '../otlp/receiver.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

/** What SREs see about the workers, about stuck items, and about PostgreSQL. */
const IN_TIME = { timeout: 20_000 }
let receiver: Receiver
let scene: Scene

beforeAll(async () => {
  receiver = await startReceiver()
  scene = await startScene({
    env: {
      OTEL_METRIC_EXPORT_INTERVAL: '200',
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      CONCURRENCY: '50',
      RETRY_UNIT_SECONDS: '3600',
      LEASE_SECONDS: '4',
    },
  })
})
afterAll(async () => {
  await scene.stop()
  await receiver.stop()
})

const troubles = (body: object) => scene.control('/troubles', { method: 'PUT', body })
/** Earlier readings, in microseconds, no longer count: an export may have been under way. */
let since = 0
const forget = () => {
  since = Date.now() * 1000
}
const series = (name: string) =>
  [...receiver.received.points.values()].filter((point) => point.name === name && point.at > since)
/** The values of a metric, by the value of its attribute. */
const values = (name: string, attribute: string) =>
  Object.fromEntries(series(name).map(({ attributes, value }) => [String(attributes[attribute]), value]))
const told = (name: string, attribute: string, expected: object) =>
  vi.waitFor(() => expect(values(name, attribute)).toMatchObject(expected), IN_TIME)
const value = (name: string, expected: number) =>
  vi.waitFor(() => expect(series(name).map((point) => point.value)).toEqual([expected]), IN_TIME)

/** Locks the waiting items of a set, so that the leader, which sometimes finds lost turns, does not give it one. */
async function withNoTurn(setId: string, look: () => Promise<void>) {
  const open = await scene.sql.reserve()
  try {
    await open`begin`
    await open`select from shop_update.item where product_set_id = ${setId}::bigint and lane = 'behind' for update`
    await look()
  } finally {
    await open`rollback`
    open.release()
  }
}

test('a worker: items in hand and the most of them, its circuit, its event loop and its memory', async () => {
  await value('shop_update.in_flight', 0)
  await value('shop_update.in_flight.limit', 50)
  await value('shop_update.circuit.open', 0)
  await value('shop_update.shop.busy', 0)
  await value('shop_update.shop.calls', 0)
  await value('shop_update.shop.calls.limit', 10)
  expect(series('shop_update.in_flight')[0]!.resource).toHaveProperty('service.instance.id')
  // the first export comes before the event loop has been sampled
  await vi.waitFor(() => expect(series('nodejs.eventloop.delay.max')[0]!.value).toBeGreaterThan(0), IN_TIME)
  const [utilization, delay, memory] = [
    series('nodejs.eventloop.utilization')[0]!,
    series('nodejs.eventloop.delay.max')[0]!,
    series('process.memory.usage')[0]!,
  ]
  expect(utilization.value).toBeGreaterThan(0)
  expect(utilization.value).toBeLessThanOrEqual(1)
  expect(delay.value).toBeLessThan(10) // seconds
  expect(memory.value).toBeGreaterThan(10e6)
  expect(memory.value).toBeGreaterThan(values('v8js.memory.heap.used', 'v8js.heap.space.name').old_space!)
})

test('Blocked: what an admin has to decide, by reason, and what waits for a create that will not come', async () => {
  await told('shop_update.queue.blocked', 'reason', {
    unprocessable_response: 0,
    src_id_conflict: 0,
    unknown_outcome: 0,
  })
  await value('shop_update.queue.stranded', 0)

  await troubles({ topics: { price: { garbage: 100 } } })
  const { productIds } = await addSet(scene.sql)
  await scene.untilStatus(await scene.enqueue('price', { product: productIds[0]! }), 'blocked')
  await told('shop_update.queue.blocked', 'reason', {
    unprocessable_response: 1,
    src_id_conflict: 0,
    unknown_outcome: 0,
  })

  await troubles({ topics: { new_product_set: { http500: 100 } } })
  const absent = await addSet(scene.sql, { inShop: false })
  await scene.untilStatus(await scene.enqueue('price', { product: absent.productIds[0]! }), 'blocked')
  await value('shop_update.queue.stranded', 1)

  // A Delayed create comes back by itself; a Failed one is not examined by anything else.
  const create = await scene.enqueue('new_product_set', { set: absent.setId })
  await scene.untilStatus(create, 'delayed')
  await value('shop_update.queue.stranded', 0)
  await scene.sql`update shop_update.item set status = 'failed' where id = ${create}::bigint`
  await value('shop_update.queue.stranded', 1)
  // reported by one worker for all, without its name
  expect(series('shop_update.queue.stranded')[0]!.resource).not.toHaveProperty('service.instance.id')
})

test('Blocked: of a long lane the items of an admin are all counted, of those that wait the oldest', async () => {
  const { setId, productIds } = await addSet(scene.sql, { inShop: false })
  // the oldest belong to a deleted product, and stay
  await scene.sql`
    insert into shop_update.item (seller_id, product_set_id, product_id, queued_at,
      entered_at, status_at, run_at, topic, status, lane, fresh, reason)
    select 1, ${setId}::bigint, -1, now(), now(), now(), now(), 'price', 'blocked', 'blocked', false, 'not_in_shop'
    from generate_series(1, 600)`
  await scene.sql`
    insert into shop_update.item (seller_id, product_set_id, product_id, queued_at,
      entered_at, status_at, run_at, topic, status, lane, fresh, reason)
    select 1, ${setId}::bigint, ${productIds[0]!}::bigint, now(),
      now(), now(), now(), 'price', 'blocked', 'blocked', false,
      case when g <= 1000 then 'src_id_conflict' else 'not_in_shop' end from generate_series(1, 2000) g`
  const lane = await readBlocked(scene.sql)
  // what quality control has not approved yet will be created later
  await scene.sql`update catalog.product set qc_status = 'pending' where id = ${productIds[0]!}::bigint`
  const unapproved = await readBlocked(scene.sql)
  // and what has been deleted never will
  await scene.sql`delete from catalog.product where id = ${productIds[0]!}::bigint`
  const deleted = await readBlocked(scene.sql)
  await scene.sql`delete from shop_update.item where product_set_id = ${setId}::bigint`
  expect(lane.toResolve).toContainEqual({ reason: 'src_id_conflict', n: 1000 })
  // the oldest 500 of those that wait, however many older ones wait for an admin
  expect(lane.stranded).toBeGreaterThan(490)
  expect(lane.stranded).toBeLessThanOrEqual(500)
  expect(unapproved.stranded).toBeLessThan(10)
  expect(deleted.stranded).toBeLessThan(10)
})

test('Delayed and Failed past their time: how many, and by how long the one that is most', async () => {
  await value('shop_update.overdue', 0)
  await value('shop_update.overdue.age', 0)
  const { setId } = await addSet(scene.sql)
  // woken, and behind one that goes first before it can get its turn
  await scene.sql`
    insert into shop_update.item (seller_id, product_set_id, product_id, queued_at,
      entered_at, status_at, run_at, topic, status, lane, fresh, reason)
    select 1, ${setId}::bigint, x.product, now(), now(), now(), x.run_at,
      'price', 'delayed', x.lane::shop_update.lane, false, 'failure'
    from (values (-1, now() - interval '1 hour', 'behind'),
      (-2, now() + interval '8 hours', 'delayed')) x (product, run_at, lane)`
  await withNoTurn(setId, async () => {
    await scene.sql`delete from shop_update.item where product_set_id = ${setId}::bigint and product_id = -2`
    await value('shop_update.overdue', 1)
    await vi.waitFor(() => {
      const seconds = series('shop_update.overdue.age')[0]!.value
      expect(seconds).toBeGreaterThanOrEqual(3600)
      expect(seconds).toBeLessThan(3700)
    }, IN_TIME)
  })
  await scene.sql`delete from shop_update.item where product_set_id = ${setId}::bigint`
})

test('what another item of its set holds up is neither stuck nor past its time, but shows its age', async () => {
  const { setId } = await addSet(scene.sql)
  const old = '2 hours'
  await scene.sql`
    insert into shop_update.item (seller_id, product_set_id, product_id, queued_at,
      entered_at, status_at, run_at, topic, status, lane, fresh, reason)
    select 1, ${setId}::bigint, x.product, t.at, t.at, t.at, x.run_at, 'content',
      x.status::shop_update.status, x.lane::shop_update.lane, false, x.reason
    from (select now() - ${old}::text::interval as at) t, (values
      (-1, now() + interval '8 hours', 'failed', 'delayed', 'failure'),
      (-2, now() - interval '1 hour', 'pending', 'behind', null),
      (-3, now() - interval '1 hour', 'delayed', 'behind', 'failure')) x (product, run_at, status, lane, reason)`
  await scene.sql`
    insert into shop_update.delta (kind, topic, status, n)
    values ('status', 'content', 'failed', 1), ('status', 'content', 'pending', 1), ('status', 'content', 'delayed', 1)`
  forget()
  const age = (status: string) =>
    series('shop_update.queue.oldest_age').find(
      ({ attributes }) => attributes.topic === 'content' && attributes.status === status,
    )?.value
  await vi.waitFor(() => expect(age('failed')).toBeGreaterThanOrEqual(7200), IN_TIME)
  expect(age('pending')).toBeUndefined()
  await value('shop_update.overdue', 0)
  const { byStatus } = (await scene.api('/api/summary')).body as Summary
  expect(byStatus.find(({ status }) => status === 'pending')!.oldestSeconds).toBeGreaterThanOrEqual(7200)

  // once that is over, they are late
  await withNoTurn(setId, async () => {
    await scene.sql`delete from shop_update.item where product_set_id = ${setId}::bigint and product_id = -1`
    await vi.waitFor(() => expect(age('pending')).toBeGreaterThanOrEqual(7200), IN_TIME)
    await value('shop_update.overdue', 1)

    // or one in flight for longer than anything takes
    await scene.sql`
      with stuck as (
      insert into shop_update.item (seller_id, product_set_id, product_id,
        queued_at, entered_at, status_at, run_at, topic, status, lane, fresh)
      values (1, ${setId}::bigint, -4, now(), now(), now() - interval '1 hour',
        now(), 'images', 'response_processing', 'in_flight', false) returning id)
    insert into shop_update.set_lane (product_set_id, item_id, worker_id, waiting)
    select ${setId}::bigint, stuck.id, w.id, 2 from stuck, shop_update.worker w limit 1
    on conflict (product_set_id) do update set item_id = excluded.item_id, worker_id = excluded.worker_id`
    forget()
    await value('shop_update.overdue', 0)
    expect(age('pending')).toBeUndefined()
  })
  await scene.sql`delete from shop_update.set_lane where product_set_id = ${setId}::bigint`
  await scene.sql`delete from shop_update.item where product_set_id = ${setId}::bigint`
  await scene.sql`
    insert into shop_update.delta (kind, topic, status, n)
    values ('status', 'content', 'failed', -1),
      ('status', 'content', 'pending', -1), ('status', 'content', 'delayed', -1)`
})

test('feedback: how long the oldest change has waited that could not be published', async () => {
  const { productIds } = await addSet(scene.sql)
  const behind = () => series('shop_update.feedback.behind').map((point) => point.value)
  const open = await scene.sql.reserve()
  try {
    // only the leader publishes, one at a time
    await open`begin`
    await open`select from shop_update.feedback_head for update`
    await scene.sql`
      insert into shop_update.touched (product_id, at)
      values (${productIds[0]!}::bigint, now() - interval '20 minutes')`
    await vi.waitFor(() => expect(behind()[0]).toBeGreaterThanOrEqual(1200), IN_TIME)
  } finally {
    await open`rollback`
    open.release()
  }
  await vi.waitFor(() => expect(behind()[0]).toBeLessThan(1200), IN_TIME)
})

test('PostgreSQL: connections, dead rows, the oldest transaction, and how many updates were HOT', async () => {
  const theirs = connect(asWorker(scene.databaseUrl), { max: 1, name: 'test' }) // it sees less of other logins
  const open = await theirs.reserve()
  await open`begin`
  await open`select pg_current_xact_id()`
  await vi.waitFor(() => {
    expect(values('shop_update.database.connections', 'state')['idle in transaction']).toBe(1)
    expect(series('shop_update.database.oldest_transaction')[0]!.value).toBeGreaterThan(0.5)
  }, IN_TIME)
  await open`rollback`
  open.release()
  await theirs.end()
  expect(values('shop_update.database.connections', 'state').idle).toBeGreaterThan(1)
  await vi.waitFor(async () => {
    const [row] = await scene.sql<{ hot: number; all: number; dead: number }[]>`
      select n_tup_hot_upd::int as hot, n_tup_upd::int as all, n_dead_tup::int as dead from pg_stat_user_tables
      where relid = 'shop_update.item'::regclass`
    expect(row!.hot).toBeGreaterThan(0)
    expect(values('shop_update.database.updates', 'hot')).toEqual({ true: row!.hot, false: row!.all - row!.hot })
    expect(values('shop_update.database.dead_rows', 'table').item).toBe(row!.dead)
  }, IN_TIME)
})

test('refusals of the internal API: each reason is told before the first, and each refusal', async () => {
  await told(
    'shop_update.internal.refusals',
    'reason',
    Object.fromEntries(REFUSAL_REASONS.map((reason) => [reason, 0])),
  )
  expect(await scene.api('/api/flow', { key: 'wrong' })).toMatchObject({ status: 401 })
  await told('shop_update.internal.refusals', 'reason', { wrong_key: 1 })
})

test('a worker that dies: the items that others take up, by the status in which it left them', async () => {
  await told('shop_update.leases.rescued', 'status', { processing: 0, made_request: 0, response_processing: 0 })
  await troubles({ topics: { stock: { hang: 100 } } })
  const { productIds } = await addSet(scene.sql)
  const item = await scene.enqueue('stock', { product: productIds[0]! })
  await scene.untilStatus(item, 'made_request')
  await value('shop_update.in_flight', 1)
  await troubles({})
  const second = await scene.startWorker()
  await scene.worker.kill()
  scene.worker = second
  await scene.untilStatus(item, 'synced')
  await vi.waitFor(() => {
    const rescued = series('shop_update.leases.rescued').filter(
      ({ attributes, value: n }) => attributes.status === 'made_request' && n > 0,
    )
    expect(rescued).toMatchObject([{ value: 1 }])
  }, IN_TIME)
})

test('the Shop is away: the circuit of the worker is open', async () => {
  await scene.shop.stop()
  forget()
  for (let k = 0; k < 6; k++) {
    const { productIds } = await addSet(scene.sql)
    await scene.enqueue('price', { product: productIds[0]! })
  }
  await value('shop_update.circuit.open', 1)
})
