import type { SettingsInput } from '../../demo/shop/troubles.ts'
import type { Sql } from '../../worker/database/database.ts'
import { checkComplete } from './complete.ts'
import { fillCatalogue, queueStock, startRig, untilStatus } from './rig.ts'

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

const words = ({ failedCalls, failures, busyCalls, circuits, connections }: Seen): string =>
  `${connections} connections, ${failedCalls} calls lost, ${busyCalls} told to wait, ${failures} failures counted, ` +
  `circuit opened ${circuits} times`

async function measureShop(of: {
  settings: SettingsInput
  workers: number
  items: number
  env?: Record<string, string>
}): Promise<Seen> {
  const rig = await startRig({ settings: of.settings })
  const { sql } = rig
  try {
    await fillCatalogue(sql, of.items)
    await queueStock(sql)
    await sql`vacuum analyze`
    await sql`checkpoint`
    await Promise.all(Array.from({ length: of.workers }, () => rig.startWorker(of.env)))
    await untilStatus(rig, 'synced', of.items)
    // the Shop may have no connection left for a question
    await Promise.all(rig.workers.map((worker) => worker.stop()))
    await checkComplete(sql, of.items)
    return {
      ...(await readSeen(sql)),
      connections: (await rig.stats()).limits.mostConnections,
      circuits: rig.workers.flatMap(({ log }) => log).filter(({ msg }) => String(msg).includes('cannot be reached'))
        .length,
    }
  } finally {
    await rig.stop()
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
