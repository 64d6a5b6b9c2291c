import { setTimeout as delay } from 'node:timers/promises'
import { startPostgres } from '../../demo/postgres.ts'
import { connect } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { startShopProcess } from '../shop-process.ts'
import { startWorkerProcess, workerEnv } from '../worker-process.ts'
import { BENCH_POSTGRES, median, startStolen } from './setting.ts'

const SESSIONS = 16
const TOPICS = ['price', 'stock', 'content', 'status', 'qc_status']
/** More than any machine commits: each change is of another product or topic, because absorbed changes wake nothing. */
const MOST_PER_SECOND = 10_000
/** Busy, and light on the machine that it shares: it usually has no room. */
const SLOW = { CONCURRENCY: '20', STOCK_WAIT_SECONDS: '0' }

/** How `shop_update.enqueue_item` wakes workers, and everything that this costs. */
const WAKE = /if at < now\(\) [^;]*;\s*end if;\s*perform pg_notify\([^;]*;/
const NAMES = ['always', 'asItIs', 'never'] as const
/** So short that other load on the machine affects all of them alike. */
const SLICE_MS = 250
/** Each comes equally often after each of the others, first, and last: what has been queued slows down the next. */
const ORDERS = [
  [0, 1, 2],
  [2, 1, 0],
  [1, 2, 0],
  [0, 2, 1],
  [2, 0, 1],
  [1, 0, 2],
] as const

/**
 * What Seller Center can commit, one change per transaction, with fsync, while a worker has more to do than it can:
 * when each commit wakes it, as it is, and when none does.
 */
export async function notify({ seconds, rounds }: { seconds: number; rounds: number }, print: (line: string) => void) {
  const cluster = await startPostgres({ flags: [...BENCH_POSTGRES, 'fsync=on'] })
  const sql = connect(cluster.url('postgres'), { max: 1, name: 'bench' })
  const sellerCenter = connect(cluster.url('postgres'), { max: SESSIONS, name: 'bench' })
  const shop = await startShopProcess({
    SHOP_SETTINGS: JSON.stringify({ record: 'counts', default: { latencyMs: 200 } }),
  })
  try {
    await migrate(sql)
    const products = Math.ceil(((rounds + 1) * 3 * seconds * MOST_PER_SECOND) / TOPICS.length)
    await sql`insert into catalog.seller (id, name) select g, 'Seller ' || g from generate_series(1, 25) g`
    await sql`
      insert into catalog.product_set (id, seller_id, src_id)
      select g, 1 + g % 25, (7000000 + g)::text from generate_series(1, ${products}::int) g`
    await sql`insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id)
      select g, g, 'S' || g, 'K' || g, (9000000 + g)::text from generate_series(1, ${products}::int) g`
    await sql`vacuum analyze`
    const [{ text }] = await sql<
      [{ text: string }]
    >`select pg_get_functiondef('shop_update.enqueue_item'::regproc) as text`
    if (!WAKE.test(text)) throw new Error('What enqueue_item does about waking is not where it was')
    const bodies = {
      always: text.replace(WAKE, "perform pg_notify('shop_update', '');"),
      asItIs: text,
      never: text.replace(WAKE, ''),
    }
    // side by side: no session plans anew when the next variant's turn comes
    for (const name of NAMES) await sql.unsafe(bodies[name].replaceAll('enqueue_item', `bench_${name.toLowerCase()}`))
    const worker = await startWorkerProcess({ ...workerEnv(cluster.url('postgres'), shop.url), ...SLOW })
    let changes = 0

    /** @returns commits per second */
    async function commit(name: (typeof NAMES)[number], ms: number): Promise<number> {
      while (!(await sql<{ awake: boolean }[]>`select awake from shop_update.worker`)[0]?.awake && changes > 0)
        await delay(10)
      const [before, started] = [changes, performance.now()]
      await Promise.all(
        Array.from({ length: SESSIONS }, async () => {
          while (performance.now() - started < ms) {
            const n = changes++
            const product = 1 + (n % products)
            const topic = TOPICS[Math.floor(n / products)]!
            await sellerCenter`
              select shop_update.${sellerCenter(`bench_${name.toLowerCase()}`)}(${topic}, ${product}::bigint, null)`
          }
        }),
      )
      return ((changes - before) * 1000) / (performance.now() - started)
    }

    for (const name of NAMES) await commit(name, seconds * 1000) // to warm up, and to make the backlog
    const seen = { always: [] as number[], asItIs: [] as number[], never: [] as number[] }
    const stolen = startStolen()
    for (let round = 0; round < rounds; round++) {
      await sql`checkpoint`
      const slices = { always: [] as number[], asItIs: [] as number[], never: [] as number[] }
      for (let slice = 0; slice < (seconds * 1000) / SLICE_MS; slice++)
        for (const place of ORDERS[slice % ORDERS.length]!)
          slices[NAMES[place]].push(await commit(NAMES[place], SLICE_MS))
      for (const name of NAMES) seen[name].push(slices[name].reduce((sum, rate) => sum + rate) / slices[name].length)
      const rates = NAMES.map((name) => `${name} ${seen[name].at(-1)!.toFixed(0)}`)
      print(`round ${round + 1}: ${rates.join(', ')} commits a second`)
    }
    const stolenPercent = stolen()
    await worker.stop()
    // measured while the machine was equally busy
    const ofNever = median(seen.asItIs.map((rate, round) => rate / seen.never[round]!))
    return {
      name: 'notify',
      alwaysPerSecond: Math.round(median(seen.always)),
      asItIsPerSecond: Math.round(median(seen.asItIs)),
      neverPerSecond: Math.round(median(seen.never)),
      ofNever: Number(ofNever.toFixed(2)),
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
