import { startPostgres } from '../../demo/postgres.ts'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { startShopProcess } from '../shop-process.ts'
import { startWorkerProcess, type WorkerProcess, workerEnv } from '../worker-process.ts'
import { BENCH_POSTGRES } from './setting.ts'
import { fill, untilSynced } from './throughput.ts'

/** Each is a Shop that limits the calls per second in its own way. */
export const SHOPS: Record<string, { settings: SettingsInput; takes: number; env?: Record<string, string> }> = {
  'closes connections beyond 50': {
    settings: { default: { latencyMs: 100 }, limits: { connections: 50 } },
    takes: 500,
  },
  'becomes slower with what is in flight': {
    settings: { default: { latencyMs: 50 }, limits: { parallel: 20 } },
    takes: 400,
  },
  'says 429': { settings: { limits: { perSecond: 200 } }, takes: 200 },
  'says 429 with Retry-After': { settings: { limits: { perSecond: 200, retryAfter: 1 } }, takes: 200 },
  'closes idle connections': {
    settings: { limits: { idleMs: 300 } },
    takes: 100,
    env: { SHOP_RATE_PER_SECOND: '100' },
  },
}

/** The gentle start is over, and the Shop's limit has been found. */
const START_SECONDS = 2

interface Seen {
  itemsPerSecond: number
  failedCalls: number
  failures: number
  busyCalls: number
  circuits: number
  connections: number
}

/** What a limited Shop takes from this many workers: throughput, and failures. */
export async function gentle({ workers, seconds }: { workers: number; seconds: number }, log: (line: string) => void) {
  let least = Number.POSITIVE_INFINITY
  let failed = 0
  for (const [what, { settings, takes, env }] of Object.entries(SHOPS)) {
    const rate = env ? { SHOP_RATE_PER_SECOND: String(takes / workers) } : {}
    const seen = await measureShop({ settings, workers, items: takes * (seconds + START_SECONDS), env: rate })
    const ratio = seen.itemsPerSecond / takes
    least = Math.min(least, ratio)
    failed += seen.failures
    log(`${what}: ${Math.round(seen.itemsPerSecond)} of ${takes} items a second (${ratio.toFixed(2)}); ${words(seen)}`)
  }
  return { name: 'gentle', leastRatio: Number(least.toFixed(3)), failures: failed, workers, seconds }
}

/** One worker, and several, on a Shop that answers at once. */
export async function workers({ items, rounds }: { items: number; rounds: number }, log: (line: string) => void) {
  const best: Record<string, number> = {}
  let failures = 0
  for (let round = 0; round < rounds; round++) {
    for (const many of [1, 2, 4, 8]) {
      const seen = await measureShop({ settings: {}, workers: many, items })
      best[many] = Math.max(best[many] ?? 0, Math.round(seen.itemsPerSecond))
      failures += seen.failedCalls
      log(`${many} workers: ${Math.round(seen.itemsPerSecond)} items a second; ${words(seen)}`)
    }
  }
  return { name: 'workers', itemsPerSecond: best, failedCalls: failures, items }
}

const words = ({ failedCalls, failures, busyCalls, circuits, connections }: Seen): string =>
  `${connections} connections, ${failedCalls} calls lost, ${busyCalls} told to wait, ${failures} failures counted, ` +
  `circuit opened ${circuits} times`

export async function measureShop(of: {
  settings: SettingsInput
  workers: number
  items: number
  env?: Record<string, string>
}): Promise<Seen> {
  const cluster = await startPostgres({ flags: BENCH_POSTGRES })
  const sql = connect(cluster.url('postgres'), { max: 2, name: 'bench' })
  const shop = await startShopProcess({ SHOP_SETTINGS: JSON.stringify({ record: 'counts', ...of.settings }) })
  const running: WorkerProcess[] = []
  try {
    await migrate(sql)
    await sql`select shop_update.partition_days(7, 93)`
    await fill(sql, of.items)
    await sql`vacuum analyze`
    await sql`checkpoint`
    const start = () =>
      startWorkerProcess({
        ...workerEnv(cluster.url('postgres'), shop.url),
        STOCK_WAIT_SECONDS: '0',
        LOG_ITEMS: 'false',
        ...of.env,
      })
    running.push(...(await Promise.all(Array.from({ length: of.workers }, start))))
    await untilSynced(sql, of.items)
    // the Shop may have no connection left for a question
    await Promise.all(running.map((worker) => worker.stop()))
    const { limits } = (await (await fetch(`${shop.url}/_shop/stats`)).json()) as {
      limits: { mostConnections: number }
    }
    return {
      ...(await readSeen(sql)),
      connections: limits.mostConnections,
      circuits: running.flatMap(({ log }) => log).filter(({ msg }) => String(msg).includes('cannot be reached')).length,
    }
  } finally {
    for (const { child } of running) child.kill('SIGKILL')
    await sql.end()
    await shop.stop()
    await cluster.stop()
  }
}

async function readSeen(sql: Sql): Promise<Omit<Seen, 'circuits' | 'connections'>> {
  const [row] = await sql<Omit<Seen, 'circuits' | 'connections'>[]>`
    with steady as (
      select finished_at from shop_update.finished_item where finished_at >= (
        select min(sent_at) + ${START_SECONDS}::int * interval '1 second' from shop_update.request)
    )
    select
      (select count(*) / extract(epoch from max(finished_at) - min(finished_at)) from steady)::float8
        as "itemsPerSecond",
      (select count(*)::int from shop_update.answer where outcome not in ('success', 'busy')) as "failedCalls",
      (select count(*)::int from shop_update.answer where outcome = 'busy') as "busyCalls",
      (select coalesce(sum(failures), 0)::int from shop_update.finished_item) as failures`
  return row!
}
