import { setTimeout as delay } from 'node:timers/promises'
import { startPostgres } from '../../demo/postgres.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { startShopProcess } from '../shop-process.ts'
import { startWorkerProcess, workerEnv } from '../worker-process.ts'
import { BENCH_POSTGRES, percentile, startStolen } from './setting.ts'

export const PER_SECOND = 200
const WARM_UP_SECONDS = 5

/** Queues a price change for each of the first `products` after the one with the id `after`, 200 a second. */
export async function queueEvenly(sql: Sql, products: number, after = 0): Promise<void> {
  const enqueued: Promise<unknown>[] = []
  const started = performance.now()
  for (let product = 1; product <= products; product++) {
    const early = started + (product * 1000) / PER_SECOND - performance.now()
    if (early > 0) await delay(early)
    enqueued.push(sql`select shop_update.enqueue('price', product_id => ${after + product}::bigint)`.execute())
  }
  await Promise.all(enqueued)
}

/**
 * From here on the commit of each claim is recorded in a row that its transaction writes (10 us of the claim), because
 * the item itself has been rewritten by the time it can be read.
 */
export async function keepClaims(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema bench;
    create table bench.claim (item_id bigint);
    create function bench.keep_claim() returns trigger language plpgsql security definer as
      $$ begin insert into bench.claim values (new.id); return null; end $$;
    create trigger keep_claim after update on shop_update.item for each row
      when (new.status = 'processing' and old.status <> 'processing') execute function bench.keep_claim();`)
}

/**
 * @returns for each item after `afterId`, the milliseconds from `enqueue()` to the commit of Processing; the cluster
 *   must keep commit times, and the claims: see `keepClaims`
 */
export async function pickUps(sql: Sql, afterId: number): Promise<number[]> {
  const rows = await sql<{ ms: number }[]>`
    select extract(epoch from pg_xact_commit_timestamp(c.xmin) - f.queued_at)::double precision * 1000 as ms
    from bench.claim c join shop_update.finished_item f on f.id = c.item_id
    where c.item_id > ${afterId}::bigint`
  return rows.map(({ ms }) => ms)
}

/**
 * How long a change waits to be picked up: from `enqueue()` to the commit of Processing, at 200 items a second, one
 * transaction each. The times are PostgreSQL's own (`track_commit_timestamp`), so the measuring client adds nothing.
 */
export async function latency(seconds: number) {
  const cluster = await startPostgres({ flags: [...BENCH_POSTGRES, 'track_commit_timestamp=on'] })
  const sql = connect(cluster.url('postgres'), { max: 8, name: 'bench' })
  const shop = await startShopProcess({ SHOP_SETTINGS: JSON.stringify({ record: 'counts' }) })
  try {
    await migrate(sql)
    const items = (seconds + WARM_UP_SECONDS) * PER_SECOND
    await sql`insert into catalog.seller (id, name) select g, 'Seller ' || g from generate_series(1, 25) g`
    await sql`
      insert into catalog.product_set (id, seller_id, src_id)
      select g, 1 + g % 25, (7000000 + g)::text from generate_series(1, ${items}::int) g`
    await sql`insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id)
      select g, g, 'S' || g, 'K' || g, (9000000 + g)::text from generate_series(1, ${items}::int) g`
    await sql`vacuum analyze`
    await keepClaims(sql)
    const worker = await startWorkerProcess({
      ...workerEnv(cluster.url('postgres'), shop.url),
      STOCK_WAIT_SECONDS: '0',
    })
    const stolen = startStolen()
    await queueEvenly(sql, items)
    const stolenPercent = stolen()
    await worker.stop()
    const milliseconds = await pickUps(sql, WARM_UP_SECONDS * PER_SECOND)
    const at = (share: number) => Number(percentile(milliseconds, share).toFixed(2))
    return {
      name: 'latency',
      p50Ms: at(0.5),
      p95Ms: at(0.95),
      p99Ms: at(0.99),
      items: milliseconds.length,
      perSecond: PER_SECOND,
      stolenPercent,
    }
  } finally {
    await sql.end()
    await shop.stop()
    await cluster.stop()
  }
}
