import { setTimeout as delay } from 'node:timers/promises'
import { migrate } from '../../worker/migrate.ts'
import { connect } from '../../worker/queue/database.ts'
import { startPostgres } from '../postgres.ts'
import { startShopProcess } from '../shop-process.ts'
import { startWorkerProcess, workerEnv } from '../worker-process.ts'
import { BENCH_POSTGRES, median, startStolen } from './setting.ts'

const SESSIONS = 16
const TOPICS = ['price', 'stock', 'content', 'status', 'qc_status']
/** More than any machine commits: each change is of another product or topic, for what is absorbed wakes nobody. */
const MOST_PER_SECOND = 10_000
/** Busy, and of little weight on the machine that it shares: as a rule it has no room. */
const SLOW = { CONCURRENCY: '20', STOCK_WAIT_SECONDS: '0' }

/** The body of `shop_update.wake_workers`, one in place of the other. */
const ALWAYS = "begin perform pg_notify('shop_update', ''); end"
const NEVER = 'begin end'

/**
 * What Seller Center can commit, one change a transaction, with fsync, while a worker has more to do than it can: when each commit wakes it, as
 * it is, and when none ever does.
 */
export async function notify({ seconds, rounds }: { seconds: number; rounds: number }, print: (line: string) => void) {
  const cluster = await startPostgres({ flags: [...BENCH_POSTGRES, 'fsync=on'] })
  const sql = connect(cluster.url('postgres'), { max: 1, name: 'bench' })
  const sellerCenter = connect(cluster.url('postgres'), { max: SESSIONS, name: 'bench' })
  const shop = await startShopProcess({ SHOP_SETTINGS: JSON.stringify({ record: 'counts', default: { latencyMs: 200 } }) })
  try {
    await migrate(sql)
    const products = Math.ceil(((rounds * 3 + 1) * seconds * MOST_PER_SECOND) / TOPICS.length)
    await sql`insert into catalog.seller (id, name) select g, 'Seller ' || g from generate_series(1, 25) g`
    await sql`insert into catalog.product_set (id, seller_id, src_id) select g, 1 + g % 25, (7000000 + g)::text from generate_series(1, ${products}::int) g`
    await sql`insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id)
      select g, g, 'S' || g, 'K' || g, (9000000 + g)::text from generate_series(1, ${products}::int) g`
    await sql`vacuum analyze`
    const [{ body }] = await sql<[{ body: string }]>`select prosrc as body from pg_proc where oid = 'shop_update.wake_workers'::regproc`
    const use = (source: string) =>
      sql.unsafe(`create or replace function shop_update.wake_workers(at timestamptz) returns void language plpgsql as $$ ${source} $$`)
    const worker = await startWorkerProcess({ ...workerEnv(cluster.url('postgres'), shop.url), ...SLOW })
    let changes = 0

    /** @returns commits a second */
    async function commit(): Promise<number> {
      const [before, started] = [changes, performance.now()]
      await Promise.all(
        Array.from({ length: SESSIONS }, async () => {
          while (performance.now() - started < seconds * 1000) {
            const n = changes++
            const product = 1 + (n % products)
            await sellerCenter`select shop_update.enqueue(${TOPICS[Math.floor(n / products)]!}, product_id => ${product}::bigint)`
          }
        }),
      )
      return ((changes - before) * 1000) / (performance.now() - started)
    }

    await commit() // which warms up, and makes the backlog
    const variants = { always: ALWAYS, asItIs: body, never: NEVER }
    const seen = { always: [] as number[], asItIs: [] as number[], never: [] as number[] }
    const stolen = startStolen()
    for (let round = 0; round < rounds; round++) {
      for (const name of ['always', 'asItIs', 'never'] as const) {
        await use(variants[name])
        while (!(await sql<{ awake: boolean }[]>`select awake from shop_update.worker`)[0]!.awake) await delay(10)
        await sql`checkpoint`
        seen[name].push(await commit())
      }
      print(
        `round ${round + 1}: ${Object.entries(seen)
          .map(([name, rates]) => `${name} ${rates.at(-1)!.toFixed(0)}`)
          .join(', ')} commits a second`,
      )
    }
    const stolenPercent = stolen()
    await worker.stop()
    const [always, asItIs, never] = [median(seen.always), median(seen.asItIs), median(seen.never)].map(Math.round) as [
      number,
      number,
      number,
    ]
    return {
      name: 'notify',
      alwaysPerSecond: always,
      asItIsPerSecond: asItIs,
      neverPerSecond: never,
      ofNever: Number((asItIs / never).toFixed(2)),
      sessions: SESSIONS,
      seconds,
      rounds,
      stolenPercent,
    }
  } finally {
    await sellerCenter.end()
    await sql.end()
    await shop.stop()
    await cluster.stop()
  }
}
