import { afterEach, expect, test, vi } from 'vitest'
import type { Incidents } from '../../worker/api/internal/schemas.ts'
import { readSituation } from '../../worker/read/incidents.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
afterEach(() => scene.stop())

const incidents = async () => (await scene.api<Incidents>('/api/incidents')).body.incidents
const answerOf = async (itemId: string) =>
  (await scene.api<{ sellerAnswer: { text: string; whoActs: string } }>(`/api/items/${itemId}`)).body.sellerAnswer
const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 20 })

test('the Shop goes away and comes back: pages, answers and the log say so while it lasts', async () => {
  scene = await startScene({ env: { LEASE_SECONDS: '5', RETRY_UNIT_SECONDS: '3600' } })
  expect(await incidents()).toEqual([])
  await scene.control('/troubles', { method: 'PUT', body: { default: { dropBefore: 100 } } })
  const { productIds } = await addSet(scene.sql, { products: 1 })
  const sets = await Promise.all(Array.from({ length: 30 }, () => addSet(scene.sql)))
  for (const set of sets) await scene.enqueue('price', { product: set.productIds[0]! })
  await until(async () => expect(await incidents()).toMatchObject([{ kind: 'shop_away' }]))
  const waits = await scene.enqueue('price', { product: productIds[0]! })
  await until(async () => expect((await incidents())[0]?.waiting).toBeGreaterThan(20))
  const [away] = await incidents()
  expect(away).toMatchObject({ title: 'The Shop cannot be reached', key: '', pause: null })
  expect(away!.meaning).toMatch(/^\d+ items wait\. Nothing is lost, and no item counts this as a failure\./)
  expect(away!.error).toBeTruthy()
  expect(Date.parse(away!.nextAt!)).toBeGreaterThan(Date.parse(away!.since!))
  const told = await answerOf(waits)
  expect(told.text).toMatch(/^Since .* the Shop cannot be reached, so nothing is sent; nothing is lost\./)
  expect(told.text).toContain('It is sent by itself when the Shop can be reached again')
  expect(told.whoActs).toBe('sre')
  // it has been away since the same moment with every heartbeat
  const again = await until(async () => {
    const [{ nextAt, since } = {}] = await incidents()
    expect(nextAt).not.toBe(away!.nextAt)
    expect(since).toBe(away!.since)
  })
  expect(again).toBeUndefined()

  await scene.control('/troubles', { method: 'DELETE' })
  await until(async () => expect(await incidents()).toEqual([]))
  await scene.untilStatus(waits, 'synced')
  const lines = () =>
    scene.worker.log
      .filter((line) => line['event.name'] === 'shop_update.incident')
      .map(({ kind, state }) => `${kind} ${state}`)
  await until(async () => expect(lines()).toEqual(['shop_away opened', 'shop_away ended']))
  // five to open the circuit, and its probes
  const [row] = await scene.sql<{ failed: number; probes: number }[]>`
    select count(*) filter (where failures > 0)::int as failed from (
      select failures from shop_update.item union all select failures from shop_update.finished_item) i`
  expect(row!.failed).toBeLessThan(15)
})

test('no worker: since the last heartbeat', async () => {
  scene = await startScene({ env: { LEASE_SECONDS: '5' } })
  const { productIds } = await addSet(scene.sql)
  await scene.worker.kill()
  await scene.enqueue('price', { product: productIds[0]! })
  await scene.sql`update shop_update.worker set heartbeat_at = now() - interval '1 minute'`
  const [beat] = await scene.sql<{ at: Date }[]>`select max(heartbeat_at) as at from shop_update.worker`
  const { incidents: found } = await readSituation(scene.sql, 5)
  expect(found).toMatchObject([{ kind: 'no_worker', since: beat!.at, waiting: 1 }])
})
