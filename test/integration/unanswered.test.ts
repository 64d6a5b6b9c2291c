import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { Unanswered } from '../../worker/api/internal.ts'
import type { Topic } from '../../worker/domain/topics.ts'
import { readSituation } from '../../worker/read/incidents.ts'
import { addSet, enqueue, type Listener, put, startListener } from './internal-listener.ts'

let api: Listener
beforeAll(async () => {
  api = await startListener()
})
afterAll(() => api.stop())
beforeEach(async () => {
  await api.sql`truncate shop_update.item, shop_update.kpi_hour, shop_update.call_hour, shop_update.delta,
    shop_update.status_count, shop_update.worker, shop_update.refused_callback`
  await api.sql`update shop_update.last_callback set at = null`
})

let sets = 0
async function acknowledged(topic: Topic, minutesAgo: number, seller = 'Nile Textiles'): Promise<string> {
  const { setId, productIds } = await addSet(api.sql, `UN${++sets}`, { seller })
  const ofSet = topic === 'images' || topic === 'new_product_set'
  const id = await enqueue(api.sql, topic, ofSet ? { set: setId } : { product: productIds[0]! })
  await put(api.sql, id, 'got_acknowledgment', { sends: 1, secondsAgo: minutesAgo * 60 })
  return id
}
/** So many changes were Synced within the last week, each in this time; so many of a hundred calls acknowledged. */
async function week(topic: Topic, { synced = 100, seconds = 240, acknowledged = 100 } = {}): Promise<void> {
  await api.sql`
    insert into shop_update.kpi_hour (hour, topic, bucket, n)
    values (date_trunc('hour', now()) - interval '1 day', ${topic}::text::shop_update.topic,
      shop_update.bucket(${seconds}::int), ${synced}::int)`
  await api.sql`
    insert into shop_update.call_hour (slot, topic, flow, outcome, bucket, n, milliseconds, slowest)
    select date_trunc('hour', now()) - interval '1 day', ${topic}::text::shop_update.topic, 'asynchronous', c.outcome,
      1, c.n, 1, 1
    from (values ('acknowledged', ${acknowledged}::int), ('success', 100 - ${acknowledged}::int)) c (outcome, n)`
}
const read = () => api.get<Unanswered>('/api/unanswered')

test('by topic: how many, of how many sellers, since when, what is usual, an example', async () => {
  await week('price', { seconds: 240 })
  const oldest = await acknowledged('price', 90)
  await acknowledged('price', 30, 'Delta Shoes')
  await acknowledged('price', 5)
  await acknowledged('images', 26 * 60)
  const { topics, truncated, lastCallbackAt } = await read()
  expect(topics.map(({ topic, method, items, sellers }) => [topic, method, items, sellers])).toEqual([
    ['price', 'Product.updatePrices', 2, 2],
    ['images', 'Product.updateImageCollection', 1, 1],
  ])
  expect(topics[0]).toMatchObject({ usualSeconds: 900, example: { itemId: oldest, sellerSku: `UN${sets - 3}-1` } })
  expect(Date.now() - Date.parse(topics[0]!.oldestAt)).toBeGreaterThan(89 * 60_000)
  expect(topics[1]).toMatchObject({ usualSeconds: 86_400 })
  expect([truncated, lastCallbackAt]).toEqual([false, null])
})

test.each([
  ['a Shop that takes hours is not late after one', { seconds: 3 * 3600 }, 60, 0],
  ['but after that', { seconds: 3 * 3600 }, 5 * 60, 1],
  ['what was Synced in few cases is not known to be usual: a day', { synced: 19 }, 60, 0],
  ['what was Synced without callbacks says nothing of them: a day', { acknowledged: 40 }, 60, 0],
  ['after a day it is late, whatever is known', { synced: 0, acknowledged: 0 }, 25 * 60, 1],
])('%s', async (_, known, minutesAgo, late) => {
  await week('price', known)
  await acknowledged('price', minutesAgo)
  // a reading is kept for ten times as long as it took
  await vi.waitFor(async () => expect((await read()).topics).toHaveLength(late), { timeout: 30_000 })
})

test('the callbacks have stopped once five that were acknowledged since the last one are late', async () => {
  await api.sql`insert into shop_update.worker (name, flow) values ('w', 'asynchronous')`
  await week('price')
  // lost long ago, while others were answered: no incident
  for (let n = 0; n < 6; n++) await acknowledged('price', 300)
  await api.sql`update shop_update.last_callback set at = now() - interval '2 hours'`
  const incidents = async () => (await readSituation(api.sql, api.sql, 15)).incidents
  expect(await incidents()).toEqual([])
  for (let n = 0; n < 4; n++) await acknowledged('price', 60)
  for (let n = 0; n < 4; n++) await acknowledged('price', 1)
  expect(await incidents()).toEqual([])
  await acknowledged('price', 60)
  const [last] = await api.sql<{ at: Date }[]>`select at from shop_update.last_callback`
  expect(await incidents()).toMatchObject([{ kind: 'callbacks_stopped', since: last!.at, waiting: 11 }])
  // that they are refused says it already
  await api.sql`insert into shop_update.refused_callback (remote, cause, n) values ('10.0.0.1', 'address', 3)`
  expect((await incidents()).map(({ kind }) => kind)).toEqual(['callbacks_refused'])
  await api.sql`truncate shop_update.refused_callback`
  await api.sql`update shop_update.last_callback set at = now()`
  expect(await incidents()).toEqual([])
})

test('no callback has ever come: since nobody knows when', async () => {
  await api.sql`insert into shop_update.worker (name, flow) values ('w', 'asynchronous')`
  for (let n = 0; n < 5; n++) await acknowledged('price', 26 * 60)
  const { incidents } = await readSituation(api.sql, api.sql, 15)
  expect(incidents).toMatchObject([{ kind: 'callbacks_stopped', since: null, waiting: 5 }])
})
