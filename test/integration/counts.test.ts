import { afterEach, expect, test, vi } from 'vitest'
import type { Sql } from '../../worker/database/database.ts'
import { foldCounts, verifyCounts } from '../../worker/queue/counts.ts'
import { createDatabase, type Database } from '../database.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene | undefined
let database: Database | undefined
afterEach(async () => {
  await scene?.stop()
  await database?.drop()
  scene = database = undefined
})

interface Count {
  topic: string
  status: string
  n: number
}
const counters = (sql: Sql) => sql<Count[]>`
  select topic, status, n::int as n from shop_update.status_count where n <> 0 order by topic, status`
const recount = (sql: Sql) => sql<Count[]>`
  select topic, status, count(*)::int as n from (
    select topic, status from shop_update.item union all select topic, status from shop_update.finished_item) i
  group by topic, status order by topic, status`
const unfolded = (sql: Sql) => sql`select from shop_update.delta`
const enqueueAll = (sql: Sql, topic: string, products: string[]) =>
  sql`select shop_update.enqueue(${topic}, product_id => id) from unnest(${products}::bigint[]) id`

test('a duty of the leader that always fails is named, and the others are done', async () => {
  scene = await startScene()
  const { sql, worker } = scene
  await sql.unsafe(`
    create function cannot_be_followed() returns trigger language plpgsql as $$ begin raise exception 'Kept'; end $$;
    create trigger keep before delete on shop_update.catalog_change
      for each row execute function cannot_be_followed()`)
  const { productIds } = await addSet(sql)
  await sql`delete from catalog.product where id = any (${productIds}::bigint[])`
  const failed = () => worker.log.filter(({ msg }) => String(msg).startsWith('A duty of the leader failed'))
  await vi.waitFor(() => expect(failed()).not.toEqual([]), { timeout: 30_000 })
  const { productIds: others } = await addSet(sql)
  await enqueueAll(sql, 'price', others)
  await vi.waitFor(async () => expect(await unfolded(sql)).toHaveLength(0), { timeout: 30_000 })
  expect(failed()[0]).toMatchObject({ level: 40, duty: 'catalogue' })
})

test('the counters equal a recount at every moment of a storm, and the roll-ups after it', async () => {
  scene = await startScene({
    env: { RETRY_UNIT_SECONDS: '0.05', MAX_RETRIES: '2', FAILED_AFTER: '2', LEASE_SECONDS: '4' },
    settings: {
      default: {
        latencyMs: { min: 1, max: 40 },
        callbackDelayMs: { min: 1, max: 200 },
        http500: 10,
        garbage: 5,
        callbackTwice: 10,
      },
      topics: { content: { http500: 100 } },
    },
  })
  const { sql } = scene
  for (let k = 0; k < 30; k++) {
    const { setId, productIds } = await addSet(sql, { inShop: k % 3 !== 0, products: 4 })
    for (const topic of ['price', 'stock', 'content', 'status', 'price']) await enqueueAll(sql, topic, productIds)
    await scene.enqueue('images', { set: setId })
    // the others stay Blocked: nothing creates their products
    if (k % 6 === 0) await scene.enqueue('new_product_set', { set: setId })
    if (k === 15) {
      await sql`update shop_update.setting set value = '"asynchronous"' where key = 'shop_update/flow'`
      await scene.worker.kill()
      scene.worker = await scene.startWorker()
    }
    expect(await verifyCounts(sql)).toEqual([])
  }
  await vi.waitFor(
    async () => {
      expect(await verifyCounts(sql)).toEqual([])
      const moving =
        await sql`select id, status, reason from shop_update.item where lane <> 'blocked' and run_at < 'infinity'`
      expect([...moving]).toEqual([])
      expect(await unfolded(sql)).toHaveLength(0) // the leader has folded everything
    },
    { timeout: 30_000, interval: 20 },
  )
  const now = await counters(sql)
  expect(now).toEqual(await recount(sql))
  expect(new Set(now.map(({ status }) => status))).toEqual(new Set(['synced', 'blocked', 'failed']))

  const kpis = await sql`
    select topic, sum(n) filter (where bucket < 0)::int as queued,
      coalesce(sum(n) filter (where bucket >= 0), 0)::int as synced
    from shop_update.kpi_hour group by topic order by topic`
  expect(kpis).toEqual(
    await sql`select topic, count(*)::int as queued, count(*) filter (where status = 'synced')::int as synced from (
      select topic, status from shop_update.item union all select topic, status from shop_update.finished_item) i
    group by topic order by topic`,
  )
  const calls = await sql`select outcome, count(*)::int as n from shop_update.answer group by outcome order by outcome`
  expect(
    await sql`select outcome, sum(n)::int as n from shop_update.call_slot group by outcome order by outcome`,
  ).toEqual(calls)
  expect(
    await sql`select outcome, sum(n)::int as n from shop_update.call_hour group by outcome order by outcome`,
  ).toEqual(calls)
  // for any query: folding does not change what the dashboards see, nor does the grain
  expect(
    await sql`
      select grain, sum(calls)::int as n, min(slot) = date_trunc('hour', min(slot)) as "wholeHours"
      from shop_update.call_durations group by grain order by grain`,
  ).toMatchObject([
    { grain: '1h', wholeHours: true, n: calls.reduce((sum, { n }) => sum + n, 0) },
    { grain: '5m', n: calls.reduce((sum, { n }) => sum + n, 0) },
  ])
})

test('several folds at once, while changes are queued, lose nothing and count nothing twice', async () => {
  database = await createDatabase()
  const { sql } = database
  const { productIds } = await addSet(sql, { products: 300 })
  let queueing = true
  const fold = async () => {
    while (queueing) await foldCounts(sql)
  }
  const folds = [fold(), fold(), fold()]
  for (let from = 0; from < 300; from += 10) await enqueueAll(sql, 'price', productIds.slice(from, from + 10))
  queueing = false
  await Promise.all(folds)
  await foldCounts(sql)
  expect(await unfolded(sql)).toHaveLength(0)
  expect(await counters(sql)).toEqual([{ topic: 'price', status: 'pending', n: 300 }])
  expect(await sql`select sum(n)::int as queued from shop_update.kpi_hour`).toEqual([{ queued: 300 }])
})

test('a drift made by hand is reported, each counter by name, and mended', async () => {
  database = await createDatabase()
  const { sql } = database
  const { productIds } = await addSet(sql, { products: 5 })
  for (const topic of ['price', 'status', 'content']) await enqueueAll(sql, topic, productIds)
  await foldCounts(sql)
  expect(await verifyCounts(sql)).toEqual([])

  await sql`update shop_update.status_count set n = n + 3 where topic = 'price'`
  await sql`delete from shop_update.status_count where topic = 'status'`
  await sql`insert into shop_update.delta (kind, topic, status, n) values ('status', 'images', 'delayed', 2)`
  const drifts = await verifyCounts(sql)
  expect(drifts.toSorted((a, b) => a.topic.localeCompare(b.topic))).toEqual([
    { topic: 'images', status: 'delayed', counted: 2, actual: 0 },
    { topic: 'price', status: 'pending', counted: 8, actual: 5 },
    { topic: 'status', status: 'pending', counted: 0, actual: 5 },
  ])
  expect(await verifyCounts(sql)).toEqual([])
  await foldCounts(sql)
  expect(await counters(sql)).toEqual(await recount(sql))
})

test('a day that is dropped from the history leaves the counter of Synced with it', async () => {
  database = await createDatabase()
  const { sql } = database
  await sql`
    do $$ declare day date := (now() at time zone 'UTC')::date - 100; begin
      execute format('create table shop_update.%I partition of shop_update.finished_item for values from (%L) to (%L)',
        'finished_item_' || to_char(day, 'YYYYMMDD'), day, day + 1);
    end $$`
  await sql`
    insert into shop_update.finished_item (id, seller_id, product_set_id,
      queued_at, finished_at, sends, failures, coalesced, topic, status)
    select g, 1, 1, now(), now() - least(g - 1, 1) * interval '100 days', 1, 0, 0,
      'price', case when g = 4 then 'blocked' else 'synced' end::shop_update.status
    from generate_series(1, 4) g`
  await sql`insert into shop_update.delta (kind, topic, status, n) values ('status', 'price', 'synced', 3)`
  expect(await sql`select shop_update.partition_days(1, 93) as dropped`).toEqual([{ dropped: 1 }])
  await foldCounts(sql)
  expect(await counters(sql)).toEqual([{ topic: 'price', status: 'synced', n: 1 }])
  expect(await counters(sql)).toEqual(await recount(sql))
})

test('where the numbers of transactions begin anew, as after a dump was restored: all is folded', async () => {
  database = await createDatabase()
  const { sql } = database
  await sql`update shop_update.folded set up_to = '9000000000', server_started_at = '2020-01-01'`
  const { productIds } = await addSet(sql)
  await enqueueAll(sql, 'price', productIds)
  expect(await verifyCounts(sql)).toEqual([])
  while ((await foldCounts(sql)) > 0);
  expect(await unfolded(sql)).toHaveLength(0)
  expect(await counters(sql)).toEqual(await recount(sql))
})

test('two leaders that fold at the same moment: what the one has taken is not all there is for the other', async () => {
  database = await createDatabase()
  const { sql } = database
  await sql`
    insert into shop_update.delta (kind, topic, status, n)
    select 'status', 'price', 'synced', 1 from generate_series(1, 30)`
  const other = await sql.reserve()
  try {
    await other`begin`
    expect(await foldCounts(other as unknown as Sql, 20)).toBe(20)
    const waiting = foldCounts(sql, 20)
    await vi.waitFor(async () => expect(await sql`select from pg_locks where not granted`).not.toHaveLength(0), {
      interval: 10,
    })
    await other`commit`
    expect(await waiting).toBe(20)
  } finally {
    other.release()
  }
  while ((await foldCounts(sql, 20)) > 0);
  expect(await unfolded(sql)).toHaveLength(0)
  expect(await counters(sql)).toEqual([{ topic: 'price', status: 'synced', n: 30 }])
})
