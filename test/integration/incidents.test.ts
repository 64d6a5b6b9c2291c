import { afterEach, expect, test, vi } from 'vitest'
import type { Incidents } from '../../worker/api/internal/schemas.ts'
import { readSituation } from '../../worker/read/incidents.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
afterEach(() => scene.stop())

const incidents = async () => (await scene.api<Incidents>('/api/incidents')).body.incidents
const answerOf = async (itemId: string) =>
  (await scene.api<{ sellerAnswer: { text: string; whoActs: string } }>(`/api/items/${itemId}`)).body.sellerAnswer
/** A guard: a Shop that was away is probed every half minute. */
const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 20 })

test('the Shop goes away and comes back: pages, answers and the log say so while it lasts', async () => {
  scene = await startScene({ env: { LEASE_SECONDS: '5', RETRY_UNIT_SECONDS: '3600' } })
  expect(await incidents()).toEqual([])
  await scene.control('/troubles', { method: 'PUT', body: { default: { dropBefore: 100 } } })
  const { productIds } = await addSet(scene.sql, { products: 1 })
  const sets = await Promise.all(Array.from({ length: 60 }, () => addSet(scene.sql)))
  for (const set of sets) await scene.enqueue('price', { product: set.productIds[0]! })
  await until(async () => expect(await incidents()).toMatchObject([{ kind: 'shop_away' }]))
  const waits = await scene.enqueue('price', { product: productIds[0]! })
  await until(async () => expect((await incidents())[0]?.waiting).toBeGreaterThan(20))
  const [away] = await incidents()
  expect(away).toMatchObject({ title: 'The Shop cannot be reached', key: '', pause: null })
  expect(away!.meaning).toMatch(/^\d+ items wait\. Nothing is lost; but for the first few, no item/)
  expect(away!.error).toBeTruthy()
  expect(Date.parse(away!.nextAt!)).toBeGreaterThan(Date.parse(away!.since!))
  const told = await answerOf(waits)
  expect(told.text).toMatch(/^Since .* the Shop cannot be reached, so nothing is sent; nothing is lost\./)
  expect(told.text).toContain('It is sent by itself when the Shop can be reached again')
  expect(told.whoActs).toBe('sre')
  // it has been away since the same moment with every heartbeat
  await until(async () => {
    const [{ nextAt, since } = {}] = await incidents()
    expect(nextAt).not.toBe(away!.nextAt)
    expect(since).toBe(away!.since)
  })

  const lines = () =>
    scene.worker.log
      .filter((line) => line['event.name'] === 'shop_update.incident')
      .map(({ kind, state }) => `${kind} ${state}`)
  // the leader looks every two seconds
  await until(async () => expect(lines()).toEqual(['shop_away opened']))

  await scene.control('/troubles', { method: 'DELETE' })
  await until(async () => expect(await incidents()).toEqual([]))
  await scene.untilStatus(waits, 'synced')
  await until(async () => expect(lines()).toEqual(['shop_away opened', 'shop_away ended']))
  // five to open the circuit, the rest of those on their way, of which a worker begins with ten, and the probes
  const [row] = await scene.sql<{ failed: number; probes: number }[]>`
    select count(*) filter (where failures > 0)::int as failed from (
      select failures from shop_update.item union all select failures from shop_update.finished_item) i`
  expect(row!.failed).toBeLessThan(30)
})

test('no worker: since the last heartbeat', async () => {
  scene = await startScene({ env: { LEASE_SECONDS: '5' } })
  const { productIds } = await addSet(scene.sql)
  await scene.worker.kill()
  await scene.enqueue('price', { product: productIds[0]! })
  await scene.sql`update shop_update.worker set heartbeat_at = now() - interval '1 minute'`
  const [beat] = await scene.sql<{ at: Date }[]>`select max(heartbeat_at) as at from shop_update.worker`
  const { incidents: found } = await readSituation(scene.sql, scene.sql, 5)
  expect(found).toMatchObject([{ kind: 'no_worker', since: beat!.at, waiting: 1 }])
})

test('the Shop calls back from an address that is not on the white list: who, why, and it is let in', async () => {
  scene = await startScene({ env: { LEASE_SECONDS: '5', CALLBACK_ALLOWED_IPS: '10.0.0.1' } })
  await scene.control('/troubles', { method: 'PUT', body: { default: { answersOtherFlow: 100, noCallback: 100 } } })
  const { productIds } = await addSet(scene.sql)
  const item = await scene.enqueue('price', { product: productIds[0]! })
  const { requestId } = await scene.untilStatus(item, 'got_acknowledgment')
  const callBack = (apiKey?: string) =>
    scene.control('/callbacks', { method: 'POST', body: { requestId, ...(apiKey && { apiKey }) } })
  for (let calls = 0; calls < 3; calls++) await callBack()
  await until(async () =>
    expect(await incidents()).toMatchObject([
      {
        kind: 'callbacks_refused',
        waiting: 1,
        meaning: expect.stringMatching(
          /^1 acknowledged item has had no callback\. Calls from 127\.0\.0\.1 were refused \d+ times: the key was ri/,
        ),
        refused: [{ remote: '127.0.0.1', cause: 'address' }],
      },
    ]),
  )
  expect((await answerOf(item)).text).toContain('calls of the Shop have been turned away on our side')
  await scene.api('/api/credentials/bob_callback_server', { method: 'PUT', body: { allowedIps: ['127.0.0.1'] } })
  await until(async () => {
    await callBack()
    expect(await scene.item(item)).toMatchObject({ status: 'synced' })
  })
  // nothing waits for a callback any more
  await until(async () => expect(await incidents()).toEqual([]))
})

test('the Shop acknowledges and calls back no more: pages, answers and the log say so, until it does', async () => {
  scene = await startScene({ env: { LEASE_SECONDS: '5' } })
  await scene.control('/troubles', { method: 'PUT', body: { default: { answersOtherFlow: 100, noCallback: 100 } } })
  // as a week in which 95 % were answered within four minutes
  await scene.sql`
    insert into shop_update.kpi_hour (hour, topic, bucket, n)
    values (date_trunc('hour', now()) - interval '1 day', 'price', shop_update.bucket(240), 100)`
  const items: string[] = []
  for (let n = 0; n < 6; n++) {
    const { productIds } = await addSet(scene.sql)
    items.push(await scene.enqueue('price', { product: productIds[0]! }))
  }
  for (const item of items) await scene.untilStatus(item, 'got_acknowledgment')
  expect(await incidents()).toEqual([])
  await scene.sql`update shop_update.item set status_at = now() - interval '40 minutes' where lane = 'awaiting'`
  await scene.sql`update shop_update.last_callback set at = now() - interval '1 hour'`
  await until(async () =>
    expect(await incidents()).toMatchObject([
      {
        kind: 'callbacks_stopped',
        title: 'The Shop has stopped calling back',
        waiting: 6,
        meaning: expect.stringMatching(/^6 acknowledged items have waited .* longer than is usual, and no callback/),
      },
    ]),
  )
  const { text, whoActs } = await answerOf(items[0]!)
  expect(text).toMatch(/Since .* \(1 hour ago\) no answer of the Shop reaches us, to any change/)
  expect(whoActs).toBe('sre')
  const lines = () =>
    scene.worker.log
      .filter((line) => line['event.name'] === 'shop_update.incident')
      .map(({ kind, state }) => `${kind} ${state}`)
  await until(async () => expect(lines()).toEqual(['callbacks_stopped opened']))

  const { requestId } = await scene.item(items[0]!)
  await scene.control('/callbacks', { method: 'POST', body: { requestId } })
  await scene.untilStatus(items[0]!, 'synced')
  await until(async () => expect(await incidents()).toEqual([]))
  await until(async () => expect(lines()).toEqual(['callbacks_stopped opened', 'callbacks_stopped ended']))
  const [last] = await scene.sql`select at > now() - interval '1 minute' as noted from shop_update.last_callback`
  expect(last).toEqual({ noted: true })
})

test('a wrong key from an allowed address, and a stranger: told apart, a flood bounded', async () => {
  scene = await startScene({ env: { LEASE_SECONDS: '5', TRUSTED_PROXIES: '127.0.0.1' } })
  const call = (remote: string, key: string) =>
    fetch(`${scene.worker.publicUrl}/shop-update/`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'x-forwarded-for': remote },
      body: JSON.stringify({ jsonrpc: '2.0', method: 'Callback.process', params: { result: [] }, id: '1' }),
    })
  await scene.api('/api/credentials/bob_callback_server', { method: 'PUT', body: { allowedIps: ['10.0.0.1'] } })
  const rows = () =>
    scene.sql`select remote, cause, n::int from shop_update.refused_callback where remote in ('10.0.0.1', '10.0.0.2')
      order by remote`
  await until(async () => {
    await call('10.0.0.1', 'wrong')
    expect(await rows()).toMatchObject([{ remote: '10.0.0.1', cause: 'key' }])
  })
  for (let calls = 0; calls < 15; calls++) await call('10.0.0.2', 'wrong')
  // those that were slowed down unread count, too
  await until(async () => expect((await rows())[1]).toEqual({ remote: '10.0.0.2', cause: 'both', n: 15 }))
  for (let stranger = 0; stranger < 250; stranger++) await call(`10.1.0.${stranger}`, 'wrong')
  await until(async () => {
    const [row] = await scene.sql`
      select count(*)::int as n, bool_or(remote = '10.1.0.249') as last from shop_update.refused_callback`
    expect(row).toEqual({ n: 200, last: true })
  })
})
