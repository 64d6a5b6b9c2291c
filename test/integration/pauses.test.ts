import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Incidents, Pause, Pauses } from '../../worker/api/internal/schemas.ts'
import { verifyCounts } from '../../worker/queue/counts.ts'
import { readOverdue } from '../../worker/read/kpis.ts'
import { readStatuses } from '../../worker/read/summary.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene({ env: { LEASE_SECONDS: '5' } })
})
afterAll(() => scene.stop())
afterEach(async () => {
  const { body } = await scene.api<Pauses>('/api/pauses')
  for (const { id, state } of body.pauses) if (state !== 'ended') await end(id)
})

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString()

/** Resolves when the worker knows of it. */
async function pause(body: Record<string, unknown>): Promise<Pause> {
  const answer = await scene.api<Pause>('/api/pauses', {
    method: 'POST',
    body: { until: inAnHour(), reason: 'The Shop moves house', ...body },
  })
  expect(answer).toMatchObject({ status: 200 })
  await untilTold()
  return answer.body
}
async function end(id: string): Promise<void> {
  expect(await scene.api(`/api/pauses/${id}/end`, { method: 'POST' })).toMatchObject({ status: 200 })
  await untilTold()
}

/** How often the worker has said that it knows of another state. */
let told = 0
const untilTold = () =>
  vi.waitFor(
    () => {
      const lines = scene.worker.log.filter(({ msg }) => msg === 'What is paused has changed').length
      expect(lines).toBeGreaterThan(told)
      told = lines
    },
    { timeout: 30_000, interval: 10 },
  )

const lanes = async (ids: string[]) =>
  (
    await scene.sql<{ lane: string }[]>`
      select lane from shop_update.item where id = any (${ids}::bigint[]) order by id`
  ).map(({ lane }) => lane)

/** The worker reads them at most a tenth of the time. */
const untilIncidents = (expected: unknown[]) =>
  vi.waitFor(
    async () => expect((await scene.api<Incidents>('/api/incidents')).body.incidents).toMatchObject(expected),
    { timeout: 30_000, interval: 20 },
  )

test('everything: nothing leaves, callbacks are taken, and all goes on when it ends', async () => {
  await scene.api('/api/flow', { method: 'PUT', body: { flow: 'asynchronous' } })
  await scene.control('/troubles', { method: 'PUT', body: { default: { noCallback: 100 } } })
  const { productIds } = await addSet(scene.sql, { products: 2 })
  await vi.waitFor(async () => {
    const [worker] = await scene.sql`select flow from shop_update.worker`
    expect(worker).toEqual({ flow: 'asynchronous' })
  }, 20_000)
  const acknowledged = await scene.enqueue('price', { product: productIds[0]! })
  await scene.untilStatus(acknowledged, 'got_acknowledgment')

  const { id } = await pause({})
  const waits = await scene.enqueue('price', { product: productIds[1]! })
  const { requestId } = await scene.item(acknowledged)
  await scene.control('/callbacks', { method: 'POST', body: { requestId } })
  await scene.untilStatus(acknowledged, 'synced')
  expect(await scene.item(waits)).toMatchObject({ status: 'pending', sends: 0, failures: 0 })
  await untilIncidents([
    {
      kind: 'paused',
      key: id,
      title: 'Sending is paused',
      meaning:
        '1 item waits. Callbacks of the Shop are taken, and nothing counts as a failure. The pause ends by itself at ' +
        'the planned end. Reason: The Shop moves house',
      waiting: 1,
    },
  ])
  const { body } = await scene.api<{ sellerAnswer: { text: string; whoActs: string } }>(`/api/items/${waits}`)
  const { text, whoActs } = body.sellerAnswer
  expect(text).toMatch(/^Since .* sending to the Shop is paused until .* \(in 1 hour\); nothing is lost\./)
  expect(text).toMatch(/It is sent by itself afterwards; there is nothing you need to do\.$/)
  expect(whoActs).toBe('nobody')
  const { oldest } = await readStatuses(scene.sql)
  expect(oldest.filter(({ status }) => status === 'pending')).toMatchObject([{ held: true }])

  await end(id)
  await scene.untilStatus(waits, 'got_acknowledgment')
  await scene.api('/api/flow', { method: 'PUT', body: { flow: 'synchronous' } })
  await scene.control('/troubles', { method: 'DELETE' })
  await vi.waitFor(async () => {
    const [worker] = await scene.sql`select flow from shop_update.worker`
    expect(worker).toEqual({ flow: 'synchronous' })
  }, 20_000)
})

test('a topic: others of the same set pass, and it keeps its order', async () => {
  const { setId, productIds } = await addSet(scene.sql, { products: 3 })
  const { id } = await pause({ topic: 'price' })
  const prices: string[] = []
  for (const product of productIds) prices.push(await scene.enqueue('price', { product }))
  const content = await scene.enqueue('content', { product: productIds[0]! })
  await scene.untilStatus(content, 'synced')
  await vi.waitFor(async () => expect(await lanes(prices)).toEqual(['paused', 'paused', 'paused']), 10_000)
  const [set] = await scene.sql`
    select count(*)::int as n from shop_update.set_lane where product_set_id = ${setId}::bigint and item_id is not null`
  expect(set).toEqual({ n: 0 })
  // a newer change of one of them is absorbed where it waits
  expect(await scene.enqueue('price', { product: productIds[1]! })).toBe(prices[1])
  await untilIncidents([{ title: 'Sending is paused for Price', waiting: 3 }])
  await end(id)
  for (const price of prices) await scene.untilStatus(price, 'synced')
  const sent = await scene.sql<{ id: string }[]>`
    select item_id as id from shop_update.request where item_id = any (${prices}::bigint[]) order by sent_at`
  expect(sent.map((row) => row.id)).toEqual(prices)
  expect(await verifyCounts(scene.sql)).toEqual([])
})

test('a topic: an item that has failed stays what it is, and is not overdue', async () => {
  await scene.control('/troubles', { method: 'PUT', body: { topics: { status: { http500: 100 } } } })
  const { productIds } = await addSet(scene.sql)
  const item = await scene.enqueue('status', { product: productIds[0]! })
  await scene.untilStatus(item, 'delayed')
  const { id } = await pause({ topic: 'status' })
  await scene.control('/troubles', { method: 'DELETE' })
  await scene.sql`update shop_update.item set run_at = now() - interval '1 hour' where id = ${item}::bigint`
  await vi.waitFor(async () => expect(await lanes([item])).toEqual(['paused']), 10_000)
  expect(await scene.item(item)).toMatchObject({ status: 'delayed', reason: 'failure', failures: 1 })
  expect(await readOverdue(scene.sql)).toEqual({ items: 0, seconds: 0 })
  await end(id)
  await scene.untilStatus(item, 'synced')
})

test('a seller: the others are served, also when his changes are the oldest', async () => {
  const his = await addSet(scene.sql, { seller: 'On holiday', products: 3 })
  const other = await addSet(scene.sql, { seller: 'At work' })
  const { id } = await pause({ seller: 'on holiday' })
  const waits: string[] = []
  for (const product of his.productIds) waits.push(await scene.enqueue('price', { product }))
  await scene.untilStatus(await scene.enqueue('price', { product: other.productIds[0]! }), 'synced')
  expect(await lanes(waits)).toEqual(['ready', 'ready', 'ready'])
  await untilIncidents([{ title: 'Sending is paused for On holiday', waiting: 3 }])
  await end(id)
  for (const item of waits) await scene.untilStatus(item, 'synced')
})

describe('a planned one', () => {
  test('begins and ends by itself', async () => {
    const { productIds } = await addSet(scene.sql)
    const [from, until] = [1, 2].map((hours) => new Date(Date.now() + hours * 3_600_000).toISOString())
    const answer = await scene.api<Pause>('/api/pauses', { method: 'POST', body: { from, until, reason: 'Planned' } })
    expect(answer.body).toMatchObject({ state: 'planned', endsItself: true })
    // without a notification: the worker looks each second, which may be too late for what lasts a few seconds
    await scene.sql`
      update shop_update.pause set from_at = now() + interval '1 second' where id = ${answer.body.id}::bigint`
    await untilTold()
    const item = await scene.enqueue('price', { product: productIds[0]! })
    await scene.sql`
      update shop_update.pause set until_at = now() + interval '1 second' where id = ${answer.body.id}::bigint`
    await scene.untilStatus(item, 'synced')
    await untilTold()
    // what is over by its time goes on at once; the leader writes it down with its next duties
    await vi.waitFor(async () => {
      const [row] = await scene.sql`
        select
          r.claimed_at >= p.until_at as after,
          p.ended_at = p.until_at as "endedThen",
          p.ended_by as by
        from shop_update.request r, shop_update.pause p
        where r.item_id = ${item}::bigint and p.id = ${answer.body.id}::bigint`
      expect(row).toEqual({ after: true, endedThen: true, by: null })
    }, 10_000)
  })

  test('that is to be ended by a person stays in force, and says that it is late', async () => {
    const { productIds } = await addSet(scene.sql)
    const { id } = await pause({ endsItself: false })
    await scene.sql`
      update shop_update.pause set until_at = from_at + interval '1 millisecond' where id = ${id}::bigint`
    const item = await scene.enqueue('price', { product: productIds[0]! })
    await vi.waitFor(async () => {
      const { body } = await scene.api<{ sellerAnswer: { text: string; whoActs: string } }>(`/api/items/${item}`)
      expect(body.sellerAnswer.text).toContain('for longer than planned')
      expect(body.sellerAnswer.whoActs).toBe('sre')
    }, 10_000)
    expect(await scene.item(item)).toMatchObject({ status: 'pending', sends: 0 })
    await end(id)
    await scene.untilStatus(item, 'synced')
  })
})

test('what has waited through a pause is not stuck when that ends', async () => {
  const { sellerId, productIds } = await addSet(scene.sql, { seller: 'Long paused' })
  const everything = await pause({})
  const item = await scene.enqueue('price', { product: productIds[0]! })
  await scene.sql`
    update shop_update.item set status_at = now() - interval '3 hours', queued_at = now() - interval '3 hours'
    where id = ${item}::bigint`
  await scene.sql`
    insert into shop_update.pause (seller_id, from_at, until_at, ends_itself, reason, created_by, ended_at)
    values (
      ${sellerId}::bigint, now() - interval '4 hours', now(), true, 'Before', 'test', now() - interval '5 seconds')`
  await scene.sql`update shop_update.pause set seller_id = 0 where id = ${everything.id}::bigint`
  const { oldest } = await readStatuses(scene.sql)
  const [pending] = oldest.filter(({ status }) => status === 'pending')
  expect(pending).toMatchObject({ held: false })
  expect(pending!.seconds).toBeGreaterThan(10_000)
  expect(pending!.stuckSeconds).toBeLessThan(60)
  await end(everything.id)
  await scene.untilStatus(item, 'synced')
})

test('of each that begins and ends the log has a line, once', async () => {
  const { id } = await pause({})
  const lines = (state: string) =>
    scene.worker.log.filter(
      (line) => line['event.name'] === 'shop_update.incident' && line.key === id && line.state === state,
    )
  await vi.waitFor(() => expect(lines('opened')).toHaveLength(1), 10_000)
  await end(id)
  await vi.waitFor(() => expect(lines('ended')).toHaveLength(1), 10_000)
  expect(lines('opened')).toHaveLength(1)
  const audited = await scene.sql`select action from shop_update.audit order by id desc limit 2`
  expect(audited).toEqual([{ action: 'pause_ended' }, { action: 'pause' }])
})

describe('what cannot be', () => {
  test.each([
    [{ reason: 'x' }, 400, 'until'],
    [{ until: '2020-01-01T00:00:00Z', reason: 'x' }, 422, 'until'],
    [{ until: '2999-01-01T00:00:00Z', reason: 'x' }, 422, 'until'],
    [{ until: inAnHour() }, 400, 'reason'],
    [{ until: inAnHour(), reason: 'x', topic: 'prices' }, 400, 'topic'],
    [{ until: inAnHour(), reason: 'x', topic: 'price', seller: '1' }, 400, 'seller'],
    [{ until: inAnHour(), reason: 'x', seller: '999999' }, 422, 'seller'],
  ])('%j: %i, and names %s', async (body, status, field) => {
    expect(await scene.api('/api/pauses', { method: 'POST', body })).toMatchObject({ status, body: { field } })
  })
  test('one that has ended does not end again; a viewer ends none', async () => {
    const { id } = await pause({ topic: 'images' })
    expect(await scene.api(`/api/pauses/${id}/end`, { method: 'POST', key: 'viewer' })).toMatchObject({ status: 401 })
    await end(id)
    expect(await scene.api(`/api/pauses/${id}/end`, { method: 'POST' })).toMatchObject({ status: 409 })
  })
})
