import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Sql } from '../../worker/database/database.ts'
import { checkComplete } from './complete.ts'
import { fillCatalogue, queueStock, type Rig, startRig, untilStatus } from './rig.ts'

/** They change one after the other, in a cycle. */
const PRODUCTS = 200_000
const WARM_UP_ITEMS = 20_000
const TICK_MS = 100
const MINUTE_MS = 60_000

/** Readings at the end of a minute. */
interface Minute {
  minute: number
  itemsPerSecond: number
  /** From `enqueue()` to Synced. */
  p50Ms: number
  p99Ms: number
  queued: number
  deadRows: number
  tableMib: number
  indexMib: number
  historyMib: number
  workerMib: number
}

/**
 * Whether anything grows that should not: changes are queued evenly, at half of what the worker has drained a backlog
 * with, and each minute the latency, the dead rows and the sizes of the queue's tables, and the worker's memory are
 * read.
 */
export async function soak({ minutes }: { minutes: number }, log: (line: string) => void) {
  const rig = await startRig()
  const { sql } = rig
  try {
    await fillCatalogue(sql, PRODUCTS)
    await queueStock(sql, 1, WARM_UP_ITEMS)
    await sql`vacuum analyze`
    await sql`checkpoint`
    const worker = await rig.startWorker()
    await untilStatus(rig, 'synced', WARM_UP_ITEMS)
    const perSecond = Math.round((await readFullSpeed(sql)) / 2)
    log(`${perSecond} changes a second are queued for ${minutes} minutes`)
    const seen: Minute[] = []
    let queued = 0
    const began = performance.now()
    while (seen.length < minutes) {
      const elapsed = performance.now() - began
      const due = Math.floor((elapsed / 1000) * perSecond)
      if (due > queued) {
        await queueChanges(sql, queued, due)
        queued = due
      }
      if (elapsed >= (seen.length + 1) * MINUTE_MS) seen.push(await readMinute(rig, seen.length + 1))
      await delay(TICK_MS)
    }
    await untilEmpty(rig)
    await worker.stop()
    const [{ items, absorbed }] = await sql<[{ items: number; absorbed: number }]>`
      select count(*)::int as items, sum(coalesced)::int as absorbed from shop_update.finished_item`
    if (items + absorbed !== WARM_UP_ITEMS + queued)
      throw new Error(`${WARM_UP_ITEMS + queued} changes were queued, and ${items} finished with ${absorbed} absorbed.`)
    await checkComplete(sql, items)
    for (const line of table(seen)) log(line)
    const [first, last] = [seen[0]!, seen.at(-1)!]
    return {
      name: 'soak',
      perSecond,
      firstP99Ms: first.p99Ms,
      lastP99Ms: last.p99Ms,
      mostDeadRows: Math.max(...seen.map(({ deadRows }) => deadRows)),
      firstIndexMib: first.indexMib,
      lastIndexMib: last.indexMib,
      firstWorkerMib: first.workerMib,
      lastWorkerMib: last.workerMib,
      items,
      absorbed,
      minutes: seen,
    }
  } finally {
    await rig.stop()
  }
}

async function readFullSpeed(sql: Sql): Promise<number> {
  const [row] = await sql<{ rate: number }[]>`
    select (count(*) / extract(epoch from max(finished_at) - (select min(claimed_at) from shop_update.request)))::float8
      as rate from shop_update.finished_item`
  return row!.rate
}

/** Queues the changes with these numbers, each for the next product. */
const queueChanges = (sql: Sql, from: number, to: number) => sql`
  select count(shop_update.enqueue('stock', product_id => 1 + n % ${PRODUCTS}::bigint))
  from generate_series(${from}::bigint, ${to}::bigint - 1) n`

async function readMinute({ sql, workers }: Rig, minute: number): Promise<Minute> {
  const [row] = await sql<Omit<Minute, 'minute' | 'workerMib'>[]>`
    with recent as (
      select extract(epoch from finished_at - queued_at) * 1000 as ms from shop_update.finished_item
      where finished_at > now() - interval '1 minute'
    ),
    kept as (
      select
        sum(n_dead_tup) as dead,
        sum(pg_table_size(relid)) as size,
        sum(pg_indexes_size(relid)) as indexes
      from pg_stat_user_tables
      where schemaname = 'shop_update'
        and relname in ('item', 'set_lane', 'delta', 'status_count', 'worker', 'leader', 'owed_release')
    )
    select
      (select count(*) / 60.0 from recent)::float8 as "itemsPerSecond",
      (select percentile_disc(0.5) within group (order by ms) from recent)::float8 as "p50Ms",
      (select percentile_disc(0.99) within group (order by ms) from recent)::float8 as "p99Ms",
      (select count(*) from shop_update.item)::float8 as queued,
      dead::float8 as "deadRows",
      (size / 1048576)::float8 as "tableMib",
      (indexes / 1048576)::float8 as "indexMib",
      (select sum(pg_total_relation_size(c.oid)) / 1048576 from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'shop_update' and c.relkind = 'r' and c.relispartition)::float8 as "historyMib"
    from kept`
  return { minute, ...row!, workerMib: await readMemory(workers[0]!.child.pid!) }
}

/** Resident memory of a process, in MiB; NaN if the system does not report it. */
async function readMemory(pid: number): Promise<number> {
  if (process.platform !== 'linux') return Number.NaN
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024
}

async function untilEmpty(rig: Rig): Promise<void> {
  const [row] = await rig.sql<{ n: number }[]>`
    select (select count(*) from shop_update.item)::int + (select count(*) from shop_update.finished_item)::int as n`
  await untilStatus(rig, 'synced', row!.n)
}

function table(minutes: readonly Minute[]): string[] {
  const columns = Object.keys(minutes[0]!) as (keyof Minute)[]
  const width = (column: string) => Math.max(column.length, 8) + 2
  const line = (cells: (column: keyof Minute) => string) =>
    columns.map((column) => cells(column).padStart(width(column))).join('')
  return [
    line((column) => column),
    ...minutes.map((minute) => line((column) => minute[column].toFixed(column.endsWith('Ms') ? 1 : 0))),
  ]
}
