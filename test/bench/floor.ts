import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import postgres from 'postgres'
import { Pool } from 'undici'
import { freePort, startPostgres } from '../../demo/postgres.ts'
import { BENCH_POSTGRES } from './setting.ts'

/**
 * The yardstick: the least code that takes an item through eight persisted statuses with one HTTP call each. No product
 * sets, call records, order or safety. It is measured in turn with the worker, on the same machine and the same
 * PostgreSQL settings.
 *
 * @param items how many to move; at most `limit` are in flight
 * @returns items per second
 */
export async function measureFloor(items: number, limit = 2000): Promise<number> {
  const cluster = await startPostgres({ flags: BENCH_POSTGRES })
  const shopPort = await freePort()
  const shop = fork(import.meta.filename, { env: { ...process.env, FLOOR_SHOP_PORT: String(shopPort) } })
  const sql = postgres(cluster.url('postgres'), { max: 10, onnotice: () => {} })
  const pool = new Pool(`http://127.0.0.1:${shopPort}`, { connections: 64 })
  try {
    await once(shop, 'message')
    await sql.unsafe(`
      create table item (id bigint generated always as identity primary key, product_id bigint, topic smallint,
        status smallint not null default 0, lane smallint not null default 0,
        status_at timestamptz not null default now(), run_at timestamptz not null default now(),
        attempts int not null default 0, payload jsonb) with (fillfactor = 50);
      create index item_run on item (run_at, id) where lane = 0;
      create table transition (item_id bigint, from_s smallint, to_s smallint, at timestamptz, ms real);
      create index on transition using brin (at);
      create index on transition (item_id);`)
    await sql`insert into item (product_id, topic) select g, 1 from generate_series(1, ${items}) g`
    const started = performance.now()
    await drain(sql, pool, items, limit)
    return items / ((performance.now() - started) / 1000)
  } finally {
    shop.kill()
    await pool.close()
    await sql.end()
    await cluster.stop()
  }
}

async function drain(sql: postgres.Sql, pool: Pool, items: number, limit: number): Promise<void> {
  interface Waiting {
    id: string
    payload: string | undefined
    resolve: () => void
    reject: (error: unknown) => void
  }
  const stages = new Map<number, { waiting: Waiting[]; busy: boolean }>()

  function advance(id: string, to: number, payload?: string): Promise<void> {
    const stage = stages.get(to) ?? { waiting: [], busy: false }
    stages.set(to, stage)
    return new Promise((resolve, reject) => {
      stage.waiting.push({ id, payload, resolve, reject })
      if (!stage.busy) void flush(to, stage)
    })
  }

  async function flush(to: number, stage: { waiting: Waiting[]; busy: boolean }): Promise<void> {
    stage.busy = true
    await null
    while (stage.waiting.length > 0) {
      const batch = stage.waiting.splice(0, 500)
      const ids = batch.map(({ id }) => id)
      try {
        if (to === 8) {
          await sql`
            with d as (delete from item where id = any(${ids}::bigint[]) returning id)
            insert into transition select id, 7, 8, now(), 0 from d`
        } else if (to === 2) {
          await sql`with u as (update item i set status = 2, status_at = now(), payload = x.p::jsonb
              from (select unnest(${ids}::bigint[]) id,
                unnest(${batch.map(({ payload }) => payload ?? null)}::text[]) p) x
              where i.id = x.id returning i.id, old.status f, old.status_at sa)
            insert into transition select id, f, 2, now(), extract(epoch from now() - sa) * 1000 from u`
        } else {
          await sql`
            with u as (update item i set status = ${to}, status_at = now() from (select unnest(${ids}::bigint[]) id) x
              where i.id = x.id returning i.id, old.status f, old.status_at sa)
            insert into transition select id, f, ${to}, now(), extract(epoch from now() - sa) * 1000 from u`
        }
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    stage.busy = false
  }

  let requestId = 1
  async function live(id: string): Promise<void> {
    const product = { product_id: id, seller_sku: `S${id}`, sku: `K${id}`, quantity: '50', seller_id: '10' }
    const body = JSON.stringify([
      { api: 1, method: 'auth', params: { username: 'u', password: 'p' }, id: 1 },
      { api: 1, method: 'Product.updateStock', params: { productsInfo: [product] }, id: String(requestId++) },
    ])
    await advance(id, 2, body)
    await advance(id, 3)
    const response = await pool.request({
      path: '/',
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    })
    const [answer] = (await response.body.json()) as [{ result: { status: string }[] }]
    await advance(id, 5)
    await advance(id, 6)
    if (answer.result[0]?.status !== 'success') throw new Error('The Shop did not say success')
    await advance(id, 7)
    await advance(id, 8)
  }

  await new Promise<void>((resolve, reject) => {
    let inFlight = 0
    let done = 0
    let claiming = false
    let empty = false
    async function pump(): Promise<void> {
      if (claiming || empty) return
      claiming = true
      while (inFlight < limit * 0.75) {
        const rows = await sql<{ id: string }[]>`
          with c as (select id from item
            where lane = 0 and run_at <= now() order by run_at, id limit ${limit - inFlight} for update skip locked),
            u as (update item i set status = 1, lane = 1, status_at = now(), attempts = attempts + 1 from c
              where i.id = c.id returning i.id),
            t as (insert into transition select id, 0, 1, now(), 0 from u)
          select id from u`
        if (rows.length === 0) {
          empty = true
          break
        }
        inFlight += rows.length
        for (const { id } of rows) {
          live(id).then(() => {
            inFlight--
            if (++done === items) resolve()
            pump().catch(reject)
          }, reject)
        }
      }
      claiming = false
    }
    pump().catch(reject)
  })
}

function serveFloorShop(port: number): void {
  createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const call = JSON.parse(body).at(-1)
      const result = call.params.productsInfo.map((product: Record<string, string>) => ({
        status: 'success',
        product: {
          seller_sku: product.seller_sku,
          sku: product.sku,
          id: product.product_id,
          config_id: '1',
          updated_at: '2026-11-24 00:00:00',
        },
      }))
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify([{ api: 1, result, id: call.id }]))
    })
  }).listen(port, '127.0.0.1', () => process.send?.('listening'))
}

if (process.env.FLOOR_SHOP_PORT) serveFloorShop(Number(process.env.FLOOR_SHOP_PORT))
