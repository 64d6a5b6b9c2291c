import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadDemoCatalogue } from '../../demo/catalogue.ts'
import { MADE_UP, makeUpHistory } from '../../demo/history.ts'
import { WINDOW_NAMES } from '../../worker/domain/windows.ts'
import { verifyCounts } from '../../worker/queue/counts.ts'
import { readCharts } from '../../worker/read/charts.ts'
import { readKpis } from '../../worker/read/kpis.ts'
import { readMadeUpUntil } from '../../worker/read/made-up.ts'
import { readSummary } from '../../worker/read/summary.ts'
import { createDatabase, type Database } from '../database.ts'

let database: Database
let until: Date
beforeAll(async () => {
  database = await createDatabase()
  await loadDemoCatalogue(database.sql)
  until = (await makeUpHistory(database.sql))!
})
afterAll(() => database?.drop())

it('is made up once, and says so in the database and in each of its items', async () => {
  const { sql } = database
  expect(await readMadeUpUntil(sql)).toEqual(until)
  expect(await makeUpHistory(sql)).toBeNull()
  const [row] = await sql`
    select count(*)::int as items, count(distinct finished_at::date)::int as days, count(distinct flow)::int as flows,
      bool_and(message = ${MADE_UP}::text) as marked, max(finished_at) <= ${until.toISOString()}::timestamptz as past,
      max(id) < nextval('shop_update.item_id_seq') as before
    from shop_update.finished_item`
  expect(row).toMatchObject({ items: 1800, flows: 2, marked: true, past: true, before: true })
  expect(row!.days).toBeGreaterThanOrEqual(90)
})

it.each(['worker', 'item', 'kpi_hour'])('is not made up where there is something in %s', async (table) => {
  const real = await createDatabase()
  try {
    const rows: Record<string, string> = {
      worker: "insert into shop_update.worker (name, flow) values ('w', 'synchronous')",
      item: `insert into shop_update.item (seller_id, product_set_id, queued_at, entered_at, status_at, run_at, topic,
        status, lane) values (1, 1, now(), now(), now(), now(), 'price', 'pending', 'ready')`,
      kpi_hour: "insert into shop_update.kpi_hour values (now(), 'price', -1, 1)",
    }
    await real.sql.unsafe(rows[table]!)
    expect(await makeUpHistory(real.sql)).toBeNull()
    expect(await readMadeUpUntil(real.sql)).toBeNull()
    expect(await real.sql`select from shop_update.call_hour`).toHaveLength(0)
  } finally {
    await real.drop()
  }
})

it('its windows differ, its charts have no gap, and the counters hold', async () => {
  const { sql } = database
  const kpis = await readKpis(sql)
  expect(new Set(kpis.map(({ ratio }) => ratio?.toFixed(3))).size).toBeGreaterThan(3)
  expect(kpis.map(({ queued }) => queued)).toEqual(kpis.map(({ queued }) => queued).toSorted((a, b) => a - b))
  for (const window of WINDOW_NAMES) {
    const { queue, synced, calls } = await readCharts(sql, window)
    const known = queue.byStatus.find(({ status }) => status === 'blocked')!.counts
    // but for the present moment, of which nobody has counted yet
    expect(known.slice(0, -1)).not.toContain(null)
    // the last part is of the hour under way, which may have just begun
    expect(synced.queued.slice(0, -1).every((n, place) => n > 0 && synced.synced[place]! < n)).toBe(true)
    expect(calls.successful.slice(0, -1).every((n) => n > 0)).toBe(true)
  }
  // the five-minute calls of the end are those of its hours
  const [differing] = await sql`
    with slots as (select date_trunc('hour', slot, 'UTC') as hour, sum(n) as n from shop_update.call_slot group by 1)
    select count(*)::int as n from slots
    where n <> (select sum(n) from shop_update.call_hour where slot = slots.hour)`
  expect(differing!.n).toBe(0)
  expect(await verifyCounts(sql)).toEqual([])
  const { byStatus } = await readSummary(sql)
  expect(byStatus.filter(({ count }) => count > 0)).toMatchObject([{ status: 'synced', count: 1800 }])
})

it('its days are dropped like those of a real history', async () => {
  const { sql } = database
  const days = async () => {
    const [row] = await sql<{ n: number }[]>`
      select count(*)::int as n from pg_inherits where inhparent = 'shop_update.finished_item'::regclass`
    return row!.n
  }
  const before = await days()
  await sql`select shop_update.partition_days(14, 30)`
  expect(await days()).toBe(before - 60)
  const [row] = await sql`select count(*)::int as n from shop_update.finished_item`
  const { byStatus } = await readSummary(sql)
  expect(byStatus.find(({ status }) => status === 'synced')!.count).toBe(row!.n)
})
