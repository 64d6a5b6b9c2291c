import { type Cluster, freePort, startPostgres } from '../../demo/postgres.ts'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { type ShopProcess, startShopProcess } from '../shop-process.ts'
import { startWorkerProcess, type WorkerProcess, workerEnv } from '../worker-process.ts'
import { BENCH_POSTGRES } from './setting.ts'

export const CALLBACK_API_KEY = 'canary-key-of-the-benchmarks'
const SELLERS = 25

/** The simulated Shop's numbers: `GET /_shop/stats`. */
export interface ShopStats {
  requests: number
  callbacks: { sent: number; accepted: number; refused: number; pending: number; abandoned: number }
  limits: { mostConnections: number }
}

export interface Rig {
  sql: Sql
  databaseUrl: string
  shop: ShopProcess
  /** Where the Shop sends callbacks: the first worker's listener. */
  callbackUrl: string
  workers: readonly WorkerProcess[]
  startWorker(env?: Record<string, string>): Promise<WorkerProcess>
  stats(): Promise<ShopStats>
  stop(): Promise<void>
}

/** A PostgreSQL with an empty queue, and the simulated Shop as a process of its own, which keeps only numbers. */
export async function startRig({
  flags = [],
  settings = {},
  statements = STATEMENTS,
}: {
  /** Further settings of PostgreSQL. */
  flags?: string[]
  settings?: SettingsInput
  /** Whether PostgreSQL counts statements, in `pg_stat_statements`. */
  statements?: boolean
} = {}): Promise<Rig> {
  const cluster = await startPostgres({
    flags: [...BENCH_POSTGRES, ...flags, ...(statements ? ['shared_preload_libraries=pg_stat_statements'] : [])],
  })
  try {
    return await onCluster(cluster, settings, statements)
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

async function onCluster(cluster: Cluster, settings: SettingsInput, statements: boolean): Promise<Rig> {
  const databaseUrl = cluster.url('postgres')
  const sql = connect(databaseUrl, { max: 2, name: 'bench' })
  await migrate(sql)
  if (statements) await sql`create extension pg_stat_statements`
  await sql`select shop_update.partition_days(7, 93)`
  const publicPort = String(await freePort())
  const callbackUrl = `http://127.0.0.1:${publicPort}/shop-update/`
  const shop = await startShopProcess({
    SHOP_SETTINGS: JSON.stringify({ record: 'counts', ...settings } satisfies SettingsInput),
    CALLBACK_URL: callbackUrl,
    CALLBACK_API_KEY,
  })
  const workers: WorkerProcess[] = []
  let first = true
  return {
    sql,
    databaseUrl,
    shop,
    callbackUrl,
    workers,
    async startWorker(env = {}) {
      const isCalledBack = first
      first = false
      const worker = await startWorkerProcess({
        ...workerEnv(databaseUrl, shop.url),
        STOCK_WAIT_SECONDS: '0',
        LOG_ITEMS: 'false',
        CALLBACK_API_KEY,
        CALLBACK_ALLOWED_IPS: '127.0.0.1',
        ...(isCalledBack && { PUBLIC_PORT: publicPort }),
        ...env,
        ...benchEnv(),
      })
      workers.push(worker)
      return worker
    },
    async stats() {
      const response = await fetch(`${shop.url}/_shop/stats`)
      return (await response.json()) as ShopStats
    },
    async stop() {
      await Promise.all(workers.map((worker) => isRunning(worker) && worker.kill()))
      await sql.end()
      await shop.stop()
      await cluster.stop()
    },
  }
}

const isRunning = ({ child }: WorkerProcess) => child.exitCode === null && child.signalCode === null

/** For profiling: further environment for the worker, as JSON. */
const benchEnv = (): Record<string, string> => JSON.parse(process.env.BENCH_WORKER_ENV ?? '{}')

/**
 * Products that are in the Shop, each in a set of its own, of 25 sellers.
 *
 * @param ofOne the first of them are of one seller more, who has the id 1
 */
export async function fillCatalogue(sql: Sql, products: number, ofOne = 0): Promise<void> {
  await sql`update shop_update.setting set value = '0' where key = 'shop_update/stock_wait_seconds'`
  await sql`
    insert into catalog.seller (id, name) select g, 'Seller ' || g from generate_series(1, 1 + ${SELLERS}::int) g`
  await sql`
    insert into catalog.product_set (id, seller_id, src_id, title)
    select g, case when g <= ${ofOne}::int then 1 else 2 + g % ${SELLERS}::int end, (7000000 + g)::text, 'Set ' || g
    from generate_series(1, ${products}::int) g`
  await sql`
    insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id, stock)
    select g, g, 'S' || g, 'K' || g, (9000000 + g)::text, 5 from generate_series(1, ${products}::int) g`
}

/** Queues a stock change for each of these products. */
export async function queueStock(sql: Sql, from = 1, to = Number.MAX_SAFE_INTEGER): Promise<void> {
  await sql`set statement_timeout = 0`
  await sql`
    select count(shop_update.enqueue('stock', product_id => id)) from catalog.product
    where id between ${from}::bigint and ${to}::bigint`
  await sql`with taken as (delete from shop_update.delta returning *)
    insert into shop_update.status_count as c (topic, status, n)
    select topic, status, sum(n) from taken where kind = 'status' group by 1, 2
    on conflict (topic, status) do update set n = c.n + excluded.n`
}

export const setFlow = (sql: Sql, flow: 'synchronous' | 'asynchronous') =>
  sql`update shop_update.setting set value = to_jsonb(${flow}::text) where key = 'shop_update/flow'`

/** Longer than a lease, a recovery and the first retry together. */
const STANDSTILL_MS = 180_000

/**
 * Resolves once this many items have the status.
 *
 * @throws if a worker has ended, or their number has not grown for three minutes
 */
export async function untilStatus(rig: Rig, status: string, items: number): Promise<void> {
  let [most, since] = [-1, performance.now()]
  for (;;) {
    const [row] = await rig.sql<{ n: number }[]>`
      select coalesce(sum(n), 0)::int as n from (
        select n from shop_update.status_count where status = ${status}::shop_update.status union all
        select n from shop_update.unfolded()
        where kind = 'status' and status = ${status}::shop_update.status) c`
    const { n } = row!
    if (n >= items) return
    if (n > most) [most, since] = [n, performance.now()]
    if (performance.now() - since > STANDSTILL_MS)
      throw new Error(`${n} of ${items} items are ${status}, and nothing has moved for ${STANDSTILL_MS / 1000} s.`)
    const ended = rig.workers.find((worker) => !isRunning(worker))
    if (ended) throw new Error(`A worker has ended:\n${ended.printed.slice(-5).join('\n')}`)
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

/** Whether to print the time of PostgreSQL by statement (see CONTRIBUTING.md). */
const STATEMENTS = process.env.BENCH_STATEMENTS !== undefined

/** Forgets the statements that filled the queue. */
export async function beginStatements(sql: Sql): Promise<void> {
  if (STATEMENTS) await sql`select pg_stat_statements_reset()`
}

export async function printStatements(sql: Sql): Promise<void> {
  if (!STATEMENTS) return
  const rows = await sql<Record<string, unknown>[]>`
    select calls::int, total_exec_time::int as ms, round(mean_exec_time::numeric, 2)::float as mean,
      rows::int, (wal_bytes / 1000)::int as wal_kb,
      left(regexp_replace(query, '\\s+', ' ', 'g'), 90) as query
    from pg_stat_statements order by total_exec_time desc limit 16`
  process.stdout.write(`${rows.map((row) => Object.values(row).join('\t')).join('\n')}\n`)
}
