import { afterEach, expect, test, vi } from 'vitest'
import type { Charts } from '../../worker/api/internal/schemas.ts'
import { transaction } from '../../worker/database/database.ts'
import { WINDOW_NAMES, WINDOWS } from '../../worker/domain/windows.ts'
import { foldCounts } from '../../worker/queue/counts.ts'
import { forgetSnapshots, takeSnapshot } from '../../worker/queue/snapshots.ts'
import { createDatabase, type Database } from '../database.ts'
import { addSet, type Scene, startScene } from '../scene.ts'
import { type Listener, startListener } from './internal-listener.ts'

let database: Database | undefined
let scene: Scene | undefined
let listener: Listener | undefined
afterEach(async () => {
  await scene?.stop()
  await listener?.stop()
  await database?.drop()
  scene = listener = database = undefined
})

const snapshots = ({ sql }: Pick<Database, 'sql'>) =>
  sql<{ topic: string | null; status: string | null; n: number | null }[]>`
    select topic::text, status::text, n::int from shop_update.queue_snapshot
    left join shop_update.queue_snapshot_count using (slot) order by slot, topic, status`
const queueNow = ({ sql }: Pick<Database, 'sql'>) =>
  sql`select topic::text, status::text, count(*)::int as n from shop_update.item group by 1, 2 order by 1, 2`

test('a worker counts the queue by itself, whatever is folded, and only what has not been Synced', async () => {
  scene = await startScene({ workers: false })
  const set = await addSet(scene.sql, { inShop: false, products: 3 })
  for (const product of set.productIds) await scene.enqueue('price', { product })
  await foldCounts(scene.sql, 2)
  await scene.enqueue('content', { product: set.productIds[0]! })
  await scene.sql`insert into shop_update.delta (kind, topic, status, n) values ('status', 'stock', 'synced', 5)`
  await scene.startWorker()
  const counted = await vi.waitFor(
    async () => {
      const rows = await snapshots(scene!)
      if (rows.length === 0) throw new Error('not yet')
      return rows
    },
    { timeout: 30_000 },
  )
  // the worker moves them from Pending to Blocked meanwhile
  const byTopic = (topic: string) => counted.reduce((sum, row) => sum + (row.topic === topic ? row.n! : 0), 0)
  expect([byTopic('price'), byTopic('content'), byTopic('stock')]).toEqual([3, 1, 0])
})

test('of two leaders at the same moment one counts, and the snapshot is of one moment', async () => {
  database = await createDatabase()
  const { sql } = database
  const { productIds } = await addSet(sql, { products: 2 })
  const enqueue = (topic: string) => sql`select shop_update.enqueue(${topic}, ${productIds[0]!}::bigint)`
  await enqueue('price')
  const first = Promise.withResolvers<boolean>()
  const letGo = Promise.withResolvers<void>()
  const ended = transaction(sql, async (tx) => {
    first.resolve(await takeSnapshot(tx))
    await letGo.promise
  })
  expect(await first.promise).toBe(true)
  const before = await queueNow(database)
  await enqueue('content') // one that the second would add
  const second = takeSnapshot(sql)
  await expect
    .poll(() => sql`select from pg_locks where not granted and locktype = 'transactionid'`, { interval: 20 })
    .not.toHaveLength(0)
  letGo.resolve()
  await ended
  expect(await second).toBe(false)
  expect(await snapshots(database)).toEqual(before)
  expect(await takeSnapshot(sql)).toBe(false)
  expect(await snapshots(database)).toEqual(before)
})

test('an empty queue is counted, too; what is older than the history and the charts is dropped', async () => {
  database = await createDatabase()
  const { sql } = database
  expect(await takeSnapshot(sql)).toBe(true)
  expect(await snapshots(database)).toEqual([{ topic: null, status: null, n: null }])
  await sql`
    insert into shop_update.queue_snapshot
    select now() - day * interval '1 day' from unnest('{89, 92}'::int[]) day`
  await sql`
    insert into shop_update.queue_snapshot_count
    select now() - day * interval '1 day', 'price', 'pending', 1 from unnest('{89, 92}'::int[]) day`
  await forgetSnapshots(sql, 100)
  expect(await snapshots(database)).toHaveLength(3)
  await forgetSnapshots(sql, 30)
  expect(await snapshots(database)).toHaveLength(2)
  expect(await sql`select from shop_update.queue_snapshot_count`).toHaveLength(1)
})

/** An answer is kept for ten times as long as it took. */
const ONCE_FORGOTTEN = { timeout: 20_000 }

test('the charts by window: averages of snapshots, what was queued, what of it is Synced, calls', async () => {
  listener = await startListener()
  const { sql } = listener
  const charts = (window: string) => listener!.get<Charts>(`/api/charts?window=${window}`)
  const empty = await charts('24h')
  expect(empty.window).toBe('24h')
  expect(new Set(empty.queue.byStatus.flatMap(({ counts }) => counts))).toEqual(new Set([null]))
  expect(new Set(empty.shares['90d'])).toEqual(new Set([null]))
  expect(empty.calls.failed).toEqual(Array(24).fill(0))

  // an hour that ends while this goes on would move everything by a place
  await expect
    .poll(
      async () => {
        const [row] = await sql`
          select extract(epoch from date_trunc('hour', now()) + interval '1 hour' - now())::float8 as left`
        return row!.left
      },
      { timeout: 60_000, interval: 1000 },
    )
    .toBeGreaterThan(40)
  // two hours ago: 10 and 20 Delayed, then nothing; 10 queued, of which 7 are Synced
  await sql`
    with slot as (select date_trunc('hour', now() - interval '2 hours', 'UTC') as at),
    snapshots as (
      insert into shop_update.queue_snapshot
      select at + minutes * interval '1 minute' from slot, unnest('{0, 5, 10}'::int[]) minutes
    )
    insert into shop_update.queue_snapshot_count
    select at, topic::shop_update.topic, 'delayed'::shop_update.status, 5
    from slot, unnest('{price, stock}'::text[]) topic
    union all select at + interval '5 minutes', 'price', 'delayed', 20 from slot`
  await sql`
    insert into shop_update.kpi_hour (hour, topic, bucket, n)
    select date_trunc('hour', now() - interval '2 hours', 'UTC'), topic::shop_update.topic, bucket, n
    from (values ('price', -1, 6), ('stock', -1, 4), ('price', 3, 6), ('stock', 9, 1)) x (topic, bucket, n)
    union all select date_trunc('hour', now() - interval '80 days', 'UTC'), 'price', -1, 100`
  await sql`
    insert into shop_update.delta (kind, slot, topic, n)
    values ('queued', date_trunc('hour', now(), 'UTC'), 'price', 3)`
  await sql`
    insert into shop_update.call_hour (slot, topic, flow, outcome, bucket, n, milliseconds, slowest)
    select date_trunc('hour', now() - interval '2 hours', 'UTC'), 'price', 'synchronous', x.outcome, 10, x.n, 1, 1
    from (values ('success', 3), ('acknowledged', 4), ('failure', 1), ('unreachable', 1)) x (outcome, n)`
  await vi.waitFor(async () => expect((await charts('24h')).synced.queued[23]).toBe(3), ONCE_FORGOTTEN)

  const day = await charts('24h')
  const at = Math.floor((Date.now() - 2 * 3_600_000) / 3_600_000) * 3_600_000
  const place = day.queue.times.indexOf(new Date(at).toISOString())
  const delayed = day.queue.byStatus.find(({ status }) => status === 'delayed')!
  expect(delayed.label).toBe('Delayed')
  expect(delayed.counts.slice(place - 1, place + 3)).toEqual([null, 15, 0, null])
  expect(day.queue.byStatus.map(({ status }) => status)).not.toContain('synced')
  expect(day.synced.times[21]).toBe(new Date(at).toISOString())
  expect([day.synced.queued[21], day.synced.synced[21]]).toEqual([10, 7])
  expect(day.synced.queued[23]).toBe(3)
  expect([day.calls.successful[21], day.calls.failed[21]]).toEqual([7, 2])
  expect(day.shares['24h'].slice(20)).toEqual([null, 0.7, null, 0])
  expect(day.shares['7d'].at(-1)).toBe(7 / 13)
  expect(day.shares['90d'].filter((share) => share !== null)).toEqual([0, 7 / 13])

  for (const window of WINDOW_NAMES) {
    const { queue, synced, calls, shares } = await charts(window)
    expect(queue.times.length).toBeLessThanOrEqual(180)
    expect(queue.byStatus).toHaveLength(11)
    expect(queue.byStatus.every(({ counts }) => counts.length === queue.times.length)).toBe(true)
    const most = queue.byStatus.find(({ status }) => status === 'delayed')!.counts.map(Number)
    expect(Math.max(...most)).toBe(window === '24h' ? 15 : 10)
    const { hours, partHours } = WINDOWS[window]
    expect([synced, calls].map(({ times }) => times.length)).toEqual([hours / partHours, hours / partHours])
    expect(synced.queued.reduce((sum, n) => sum + n)).toBe(window === '90d' ? 113 : 13)
    expect(shares[window]).toHaveLength(hours / partHours)
  }
  // beyond a day the first snapshot of each hour stands for it
  const week = await charts('7d')
  expect(week.queue.byStatus.find(({ status }) => status === 'delayed')!.counts.filter((n) => n !== null)).toEqual([10])
})

test('a window that there is not is named', async () => {
  listener = await startListener()
  const { status, body } = await listener.call('GET', '/api/charts?window=1y')
  expect(status).toBe(400)
  expect(body.errors[0].field).toBe('window')
})
