import { afterEach, expect, test, vi } from 'vitest'
import type { Incidents, Pause, Pauses } from '../../worker/api/internal/schemas.ts'
import { readOverdue } from '../../worker/read/kpis.ts'
import { readStatuses } from '../../worker/read/summary.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

/**
 * A maintenance of the Shop from 12:00 to 12:30, walked through from its announcement at 11:30. Nobody waits for an
 * hour: the clock moves in that whatever is planned in the database comes nearer by as much. What is paged when is in
 * alerts-cases.ts.
 */
let scene: Scene
afterEach(() => scene.stop())

const MINUTE = 60_000

/** Lets so many minutes pass. */
async function pass(minutes: number): Promise<void> {
  await scene.sql`
    update shop_update.pause set from_at = from_at - ${minutes}::int * interval '1 minute',
      until_at = until_at - ${minutes}::int * interval '1 minute' where ended_at is null`
  await scene.sql`
    update shop_update.item set run_at = run_at - ${minutes}::int * interval '1 minute',
      status_at = status_at - ${minutes}::int * interval '1 minute' where lane in ('ready', 'delayed', 'paused')`
  await scene.sql`select pg_notify('shop_update_pause', '')`
}
const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 20 })
const pauseNow = async () => (await scene.api<Pauses>('/api/pauses')).body.pauses[0]!
const incidents = async () => (await scene.api<Incidents>('/api/incidents')).body.incidents
const answerOf = async (id: string) =>
  (await scene.api<{ sellerAnswer: { text: string; whoActs: string } }>(`/api/items/${id}`)).body.sellerAnswer
/** The log's lines about incidents. */
const told = () =>
  scene.worker.log
    .filter((line) => line['event.name'] === 'shop_update.incident')
    .map(({ kind, state }) => `${kind} ${state}`)
/** How long what waits could have moved on and has not, and what is past its time: the ages that alerts look at. */
const stuck = async () => ({
  overdue: (await readOverdue(scene.sql)).items,
  pending: (await readStatuses(scene.sql)).oldest.filter(({ status, held }) => status === 'pending' && !held).length,
})
/** As the answer for the seller writes it, in UTC. */
const clock = (at: string) => `${at.slice(11, 16)} UTC`

const announce = async (body: Record<string, unknown> = {}) => {
  const [from, to] = [30, 60].map((minutes) => new Date(Date.now() + minutes * MINUTE).toISOString())
  const answer = await scene.api<Pause>('/api/pauses', {
    method: 'POST',
    body: { from, until: to, reason: 'Maintenance', ...body },
  })
  expect(answer).toMatchObject({ status: 200, body: { state: 'planned' } })
}

test('from 12:00 to 12:30 nothing leaves and nothing fails; at 12:30 it goes on by itself', async () => {
  scene = await startScene({ env: { LEASE_SECONDS: '5' } })
  const { productIds } = await addSet(scene.sql, { products: 4 })
  const [asked, fails, waits] = productIds as [string, string, string]
  await announce()

  // 11:30: sent as always; the Shop acknowledges one and refuses another
  await scene.control('/troubles', {
    method: 'PUT',
    body: { topics: { price: { answersOtherFlow: 100, noCallback: 100 }, status: { http500: 100 } } },
  })
  const acknowledged = await scene.enqueue('price', { product: asked })
  const { requestId } = await scene.untilStatus(acknowledged, 'got_acknowledgment')
  const delayed = await scene.enqueue('status', { product: fails })
  await scene.untilStatus(delayed, 'delayed')
  expect(await incidents()).toEqual([])

  // 12:00: the Shop goes down
  await pass(30)
  await until(async () => expect(await incidents()).toMatchObject([{ kind: 'paused', title: 'Sending is paused' }]))
  await until(async () => expect(told()).toEqual(['paused opened']))
  await scene.control('/troubles', { method: 'PUT', body: { default: { dropBefore: 100 } } })
  const pending = await scene.enqueue('content', { product: waits })
  const [{ failures: before } = {}] = await scene.sql<{ failures: number }[]>`
    select sum(failures)::int as failures from shop_update.item`
  // its callbacks are taken
  await scene.control('/callbacks', { method: 'POST', body: { requestId } })
  await scene.untilStatus(acknowledged, 'synced')

  // 12:10: the retry is due, and waits like the rest
  await pass(10)
  const [{ lane } = {}] = await scene.sql`select lane from shop_update.item where id = ${pending}::bigint`
  expect(lane).toBe('ready')
  await until(async () => expect(await stuck()).toEqual({ overdue: 0, pending: 0 }))
  expect(await scene.item(pending)).toMatchObject({ status: 'pending', sends: 0, failures: 0 })
  expect(await scene.item(delayed)).toMatchObject({ status: 'delayed', sends: 1, failures: 1 })
  const { until: end } = await pauseNow()
  for (const item of [pending, delayed]) {
    // a worker keeps what is paused for a second
    await until(async () => {
      const { text, whoActs } = await answerOf(item)
      expect(text).toMatch(/^Since .* sending to the Shop is paused until .* \(in (19|20) minutes\); nothing is lost\./)
      expect(text).toContain(clock(end))
      expect(whoActs).toBe('nobody')
    })
  }

  // 12:29: the Shop is there again, and nothing of it is claimed yet
  await pass(19)
  await scene.control('/troubles', { method: 'DELETE' })
  await until(async () => expect(await incidents()).toMatchObject([{ kind: 'paused', waiting: 1 }]))
  const [{ requests, failures } = {}] = await scene.sql<{ requests: number; failures: number }[]>`
    select (select count(*)::int from shop_update.request where item_id = ${pending}::bigint) as requests,
      (select sum(failures)::int from shop_update.item) as failures`
  expect([requests, failures]).toEqual([0, before])

  // 12:30
  await pass(1)
  await scene.untilStatus(pending, 'synced')
  await scene.untilStatus(delayed, 'synced')
  await until(async () => expect(await incidents()).toEqual([]))
  expect(await pauseNow()).toMatchObject({ state: 'ended', endedBy: null })
  expect(await stuck()).toEqual({ overdue: 0, pending: 0 })
  await until(async () => expect(told()).toEqual(['paused opened', 'paused ended']))
})

test('one that a person has to end stays in force at 12:31, and says that it is late', async () => {
  scene = await startScene({ env: { LEASE_SECONDS: '5' } })
  const { productIds } = await addSet(scene.sql)
  await announce({ endsItself: false })
  await pass(30)
  await until(async () => expect(await incidents()).toMatchObject([{ kind: 'paused' }]))
  const item = await scene.enqueue('price', { product: productIds[0]! })
  await pass(31)
  await until(async () => {
    const { text, whoActs } = await answerOf(item)
    expect(text).toContain('for longer than planned')
    expect(whoActs).toBe('sre')
  })
  expect(await scene.item(item)).toMatchObject({ status: 'pending', sends: 0 })
  const { id, state } = await pauseNow()
  expect(state).toBe('in_force')
  await scene.api(`/api/pauses/${id}/end`, { method: 'POST' })
  await scene.untilStatus(item, 'synced')
})
