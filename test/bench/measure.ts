import type { SettingsInput } from '../../demo/shop/troubles.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { checkComplete } from './complete.ts'
import {
  beginStatements,
  fillCatalogue,
  printStatements,
  queueStock,
  type Rig,
  type ShopStats,
  setFlow,
  startRig,
  untilStatus,
} from './rig.ts'

interface Measure {
  items: number
  /** How many are in the queue at the start; at least `items`. */
  backlog?: number
  /** Finished items, with transitions and calls, that exist at the start. */
  history?: number
  /** The queue has drained before; the statistics are from after it was filled again, or from when it was empty. */
  drained?: 'new' | 'stale'
  /** Whether a transaction from before the first item holds its snapshot to the end, like a dump. */
  held?: boolean
  flow?: 'synchronous' | 'asynchronous'
  workers?: number
  /** Further environment for each worker. */
  env?: Record<string, string>
  /** Of the Shop. */
  settings?: SettingsInput
  /** Runs once the first items are through, while the rest are under way. */
  during?(): Promise<void>
  /** Runs when all are through, while the worker goes on. */
  beyond?(sql: Sql): Promise<void>
  /** Examines the result when the worker has stopped. */
  after?(sql: Sql, ownLines: number): Promise<void>
}

export interface Measured {
  /** From the first claim to the last Synced. */
  itemsPerSecond: number
  failedCalls: number
  shop: ShopStats
  /** Bytes an item. */
  written: Written
}

interface Written {
  /** The tables of the history, with their indexes: the item, its steps, and its calls with their bodies. */
  history: number
  /** From the first claim on, full pages after the checkpoint just before included. */
  wal: number
}

/**
 * Drains a backlog of stock changes through real worker processes.
 *
 * @throws if history, calls or products are incomplete afterwards
 */
export async function measureWorker({
  items,
  backlog = 0,
  history = 0,
  drained,
  held = false,
  flow = 'synchronous',
  workers = 1,
  env = {},
  settings = {},
  during,
  beyond,
  after,
}: Measure): Promise<Measured> {
  const rig = await startRig({ settings, flags: beyond ? ['track_commit_timestamp=on'] : [] }) // for pick-ups
  const { sql } = rig
  const holder = connect(rig.databaseUrl, { max: 1, name: 'dump' })
  try {
    if (held) await hold(holder)
    await setFlow(sql, flow)
    await fillCatalogue(sql, Math.max(items, backlog))
    await queueStock(sql)
    if (history > 0) await fillHistory(sql, history)
    await sql`vacuum analyze`
    if (drained) await drainOnce(sql, drained)
    await sql`checkpoint`
    await beginStatements(sql)
    const before = await readWritten(sql)
    await Promise.all(Array.from({ length: workers }, () => rig.startWorker(env)))
    if (during) {
      await untilStatus(rig, 'synced', Math.ceil(items / 50))
      await during()
    }
    await untilStatus(rig, 'synced', items)
    const itemsPerSecond = await readRate(rig, items)
    await beyond?.(sql)
    await Promise.all(rig.workers.map((worker) => worker.stop()))
    // its own lines, except the last, which it logs when nothing is sent any more
    await after?.(sql, rig.workers[0]!.log.length - 1)
    const now = await readWritten(sql)
    await printStatements(sql)
    const shop = await rig.stats()
    const { failedCalls, done } = await checkComplete(sql, items)
    const written = { history: (now.history - before.history) / done, wal: (now.wal - before.wal) / done }
    return { itemsPerSecond, failedCalls, shop, written }
  } finally {
    await holder.end()
    await rig.stop()
  }
}

async function readRate({ sql }: Rig, items: number): Promise<number> {
  const [seen] = await sql<{ n: number; seconds: number }[]>`
    select count(*)::int as n, extract(epoch from max(f.finished_at) - (
      select min(claimed_at) from shop_update.request where item_id > 0))::double precision as seconds
    from (
      select finished_at from shop_update.finished_item
      where status = 'synced' and id > 0 order by finished_at limit ${items}) f`
  return seen!.n / seen!.seconds
}

/** So far, in bytes. */
async function readWritten(sql: Sql): Promise<Written> {
  const [row] = await sql<Written[]>`
    select sum(pg_total_relation_size(c.oid))::float8 as history, (pg_current_wal_lsn() - '0/0')::float8 as wal
    from pg_inherits h join pg_class c on c.oid = h.inhrelid join pg_class p on p.oid = h.inhparent
    where p.relnamespace = 'shop_update'::regnamespace and p.relkind = 'p'`
  return row!
}

/** The queue has been drained, vacuumed, and filled again. */
async function drainOnce(sql: Sql, statistics: 'new' | 'stale'): Promise<void> {
  await sql`delete from shop_update.item`
  await sql`vacuum analyze shop_update.item`
  await sql`truncate shop_update.status_count, shop_update.delta`
  await queueStock(sql)
  if (statistics === 'new') await sql`analyze shop_update.item`
}

/** Begins a transaction that holds its snapshot until its connection ends. */
async function hold(holder: Sql): Promise<void> {
  await holder`set idle_in_transaction_session_timeout = 0`
  await holder`begin isolation level repeatable read`
  await holder`select from shop_update.item limit 1`
}

/** A history as the worker would have written it: finished items with a step and a request each. */
async function fillHistory(sql: Sql, rows: number): Promise<void> {
  await sql`set statement_timeout = 0`
  await sql`
    insert into shop_update.finished_item (id, seller_id, product_set_id,
      product_id, queued_at, finished_at, sends, failures, coalesced, topic, status)
    select -g, 1, g, g, now() - interval '30 minutes', now() - interval '20 minutes', 1, 0, 0, 'stock', 'synced'
    from generate_series(1, ${rows}::int) g`
  await sql`insert into shop_update.step (item_id, at, from_status, to_status, seconds)
    select -g, now() - interval '20 minutes', 'response_processing', 'synced', 0.01
    from generate_series(1, ${rows}::int) g`
  await sql`insert into shop_update.request (request_id, item_id, sent_at, flow, trace_id, body)
    select -g, -g, now() - interval '20 minutes', 'synchronous', '0af7651916cd43dd8448eb211c80319c', '{"api":1}'
    from generate_series(1, ${rows}::int) g`
}
