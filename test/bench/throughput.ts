import { startPostgres } from '../../demo/postgres.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { startShopProcess } from '../shop-process.ts'
import { startWorkerProcess, workerEnv } from '../worker-process.ts'
import { measureFloor } from './floor.ts'
import { BENCH_POSTGRES, median } from './setting.ts'

export interface ThroughputOptions {
  /** How many items are measured. */
  items: number
  /** How many are in the queue at the start; at least `items`. */
  backlog: number
  /** Finished items, with transitions and calls, that exist at the start. */
  history: number
  rounds: number
  /** Whether the queue has drained before, and PostgreSQL has recorded that it is empty. */
  drained: boolean
}

const SELLERS = 25

/**
 * Drains a backlog of stock changes of distinct sets through the real worker process against the simulated Shop in
 * synchronous flow, each with its call record and all statuses; in turn with the floor.
 */
export async function throughput(
  { items, backlog, history, rounds, drained }: ThroughputOptions,
  log: (line: string) => void,
) {
  const ours: number[] = []
  const floors: number[] = []
  for (let round = 1; round <= rounds; round++) {
    floors.push(await measureFloor(items))
    ours.push(await measureWorker({ items, backlog, history, drained }))
    log(`Round ${round}: floor ${Math.round(floors.at(-1)!)}, worker ${Math.round(ours.at(-1)!)} items a second`)
  }
  const itemsPerSecond = Math.round(median(ours))
  const floorItemsPerSecond = Math.round(median(floors))
  return {
    name: 'throughput',
    itemsPerSecond,
    floorItemsPerSecond,
    ratio: Number((itemsPerSecond / floorItemsPerSecond).toFixed(3)),
    items,
    backlog,
    history,
    drained,
  }
}

interface Measured {
  items: number
  backlog: number
  history: number
  drained?: boolean
  /** Whether a transaction from before the first item holds its snapshot to the end, like a dump. */
  held?: boolean
  /** Further environment for the worker. */
  env?: Record<string, string>
  /** Runs once the first items are through, while the rest are under way. */
  during?(): Promise<void>
  /** Runs when all are through, while the worker goes on. */
  beyond?(sql: Sql): Promise<void>
  /** Examines the result when the worker has stopped. */
  after?(sql: Sql, ownLines: number): Promise<void>
}

/** @returns items per second, from the first claim to the last Synced */
export async function measureWorker({
  items,
  backlog,
  history,
  drained = false,
  held = false,
  env = {},
  during,
  beyond,
  after,
}: Measured): Promise<number> {
  const cluster = await startPostgres({
    flags: [
      ...BENCH_POSTGRES,
      ...(beyond ? ['track_commit_timestamp=on'] : []), // for the pick-ups that are measured then
      ...(process.env.BENCH_STATEMENTS ? ['shared_preload_libraries=pg_stat_statements'] : []),
    ],
  })
  const sql = connect(cluster.url('postgres'), { max: 2, name: 'bench' })
  const holder = connect(cluster.url('postgres'), { max: 1, name: 'dump' })
  const shop = await startShopProcess({ SHOP_SETTINGS: JSON.stringify({ record: 'counts' }) })
  try {
    await migrate(sql)
    if (process.env.BENCH_STATEMENTS) await sql`create extension pg_stat_statements`
    await sql`select shop_update.partition_days(7, 93)`
    if (held) await hold(holder)
    await fill(sql, Math.max(items, backlog))
    if (history > 0) await fillHistory(sql, history)
    await sql`vacuum analyze`
    if (drained) {
      await sql`delete from shop_update.item`
      await sql`vacuum analyze shop_update.item`
      await sql`truncate shop_update.status_count, shop_update.delta`
      await queueAll(sql)
    }
    await sql`checkpoint`
    const worker = await startWorkerProcess({
      ...workerEnv(cluster.url('postgres'), shop.url),
      STOCK_WAIT_SECONDS: '0',
      LOG_ITEMS: 'false',
      ...env,
      ...benchEnv(),
    })
    if (during) {
      await untilSynced(sql, Math.ceil(items / 50))
      await during()
    }
    await untilSynced(sql, items)
    const [seen] = await sql<{ n: number; seconds: number }[]>`
      select count(*)::int as n, extract(epoch from max(f.finished_at) - (
        select min(at) from shop_update.transition
        where to_status = 'processing' and at > now() - interval '10 minutes'))::double precision as seconds
      from (
        select finished_at from shop_update.finished_item
        where finished_at > now() - interval '10 minutes' and status = 'synced' and id > 0
        order by finished_at limit ${items}) f`
    await beyond?.(sql)
    await worker.stop()
    // its own lines, except the last, which it logs when nothing is sent any more
    await after?.(sql, worker.log.length - 1)
    if (process.env.BENCH_STATEMENTS) await printStatements(sql)
    return seen!.n / seen!.seconds
  } finally {
    await holder.end()
    await sql.end()
    await shop.stop()
    await cluster.stop()
  }
}

/** Begins a transaction that holds its snapshot until its connection ends. */
async function hold(holder: Sql): Promise<void> {
  await holder`set idle_in_transaction_session_timeout = 0`
  await holder`begin isolation level repeatable read`
  await holder`select from shop_update.item limit 1`
}

/** Where PostgreSQL's time went, by statement; for `BENCH_STATEMENTS=1` (see CONTRIBUTING.md). */
async function printStatements(sql: Sql): Promise<void> {
  const rows = await sql<Record<string, unknown>[]>`
    select calls::int, total_exec_time::int as ms, round(mean_exec_time::numeric, 2)::float as mean,
      rows::int, (wal_bytes / 1000)::int as wal_kb,
      left(regexp_replace(query, '\\s+', ' ', 'g'), 90) as query
    from pg_stat_statements where query not like '%enqueue%' order by total_exec_time desc limit 16`
  process.stdout.write(`${rows.map((row) => Object.values(row).join('\t')).join('\n')}\n`)
}

/** For profiling: further environment for the worker, as JSON. */
const benchEnv = (): Record<string, string> => JSON.parse(process.env.BENCH_WORKER_ENV ?? '{}')

export async function fill(sql: Sql, items: number): Promise<void> {
  await sql`update shop_update.setting set value = '0' where key = 'shop_update/stock_wait_seconds'`
  await sql`insert into catalog.seller (id, name) select g, 'Seller ' || g from generate_series(1, ${SELLERS}::int) g`
  await sql`
    insert into catalog.product_set (id, seller_id, src_id, title)
    select g, 1 + g % ${SELLERS}::int, (7000000 + g)::text, 'Set ' || g from generate_series(1, ${items}::int) g`
  await sql`
    insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id, stock)
    select g, g, 'S' || g, 'K' || g, (9000000 + g)::text, 5 from generate_series(1, ${items}::int) g`
  await queueAll(sql)
}

async function queueAll(sql: Sql): Promise<void> {
  await sql`set statement_timeout = 0`
  await sql`select count(shop_update.enqueue('stock', product_id => id)) from catalog.product`
  await sql`with taken as (delete from shop_update.delta returning *)
    insert into shop_update.status_count select topic, status, sum(n) from taken where kind = 'status' group by 1, 2`
}

/** A history as the worker would have written it, of finished items with their eight transitions and their call. */
async function fillHistory(sql: Sql, rows: number): Promise<void> {
  await sql`set statement_timeout = 0`
  await sql`
    insert into shop_update.finished_item (id, seller_id, product_set_id,
      product_id, queued_at, finished_at, sends, failures, coalesced, topic, status)
    select -g, 1, g, g, now() - interval '30 minutes', now() - interval '20 minutes', 1, 0, 0, 'stock', 'synced'
    from generate_series(1, ${rows}::int) g`
  await sql`insert into shop_update.transition (item_id, at, from_status, to_status, seconds)
    select -g, now() - interval '20 minutes', 'response_processing', 'synced', 0.01
    from generate_series(1, ${rows}::int) g`
  await sql`insert into shop_update.request (request_id, item_id, sent_at, flow, trace_id, body)
    select -g, -g, now() - interval '20 minutes', 'synchronous', '0af7651916cd43dd8448eb211c80319c', '{"api":1}'
    from generate_series(1, ${rows}::int) g`
}

export function untilSynced(sql: Sql, items: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = async () => {
      const [row] = await sql<{ n: number }[]>`
        select coalesce(sum(n), 0)::int as n from (
          select n from shop_update.status_count where status = 'synced' union all
          select n from shop_update.unfolded() where kind = 'status' and status = 'synced') c`
      if (row!.n >= items) resolve()
      else setTimeout(() => look().catch(reject), 250)
    }
    look().catch(reject)
  })
}
