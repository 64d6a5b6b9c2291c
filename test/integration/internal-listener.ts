import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import type { Logger } from 'pino'
import { createInternalApi, type InternalApiOptions } from '../../worker/api/internal.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import type { Status } from '../../worker/domain/statuses.ts'
import { readBlocked } from '../../worker/read/blocked.ts'
import { readSituation } from '../../worker/read/incidents.ts'
import { createDatabase } from '../database.ts'
import { answersOf } from '../openapi.ts'

export const VIEWER = 'key-of-the-viewer'
export const ADMIN = 'key-of-the-admin'

export interface Answer<Body> {
  status: number
  headers: Headers
  body: Body
  text: string
}

export interface Listener {
  sql: Sql
  url: string
  /** Everything logged, as one text. */
  logged(): string
  /** How often the worker was told that items are ready. */
  queued(): number
  /** A call with the viewer's key, or another, or none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever comes back
  call<Body = any>(
    method: string,
    path: string,
    options?: { key?: string | null; body?: unknown; headers?: Record<string, string> },
  ): Promise<Answer<Body>>
  // biome-ignore lint/suspicious/noExplicitAny: as above
  get<Body = any>(path: string): Promise<Body>
  stop(): Promise<void>
}

/** The internal API on a real listener with its own database. Every answer is checked against its OpenAPI document. */
export async function startListener(
  options: Partial<Omit<InternalApiOptions, 'config'>> & { config?: Partial<InternalApiOptions['config']> } = {},
): Promise<Listener> {
  const database = await createDatabase()
  // as main.ts does: a plan for any values took ten times as long for a page of a requeue
  const sql = connect(database.workerUrl, { max: 4, name: 'test', byValues: true })
  const lines: unknown[] = []
  let queued = 0
  const line = (...entry: unknown[]) => void lines.push(entry)
  const app = createInternalApi({
    sql,
    readSql: sql,
    blocked: () => readBlocked(sql),
    situation: () => readSituation(sql, sql, 15),
    log: { info: line, warn: line, error: line, debug: line } as unknown as Logger,
    onQueued: () => queued++,
    ...options,
    config: {
      VIEWER_API_KEY: VIEWER,
      ADMIN_API_KEY: ADMIN,
      MAX_RETRIES: 27,
      FAILED_AFTER: 12,
      RETRY_UNIT_SECONDS: 60,
      LEASE_SECONDS: 15,
      VENTURE_TIMEZONE: 'UTC',
      ...options.config,
    },
  })
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const answers = answersOf(
    app.getOpenAPI31Document({ openapi: '3.1.0', info: { title: 'Shop Update', version: 'test' } }),
  )
  const call: Listener['call'] = async (method, path, { key = VIEWER, body, headers = {} } = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.status === 500) throw new Error(`${method} ${path} failed: ${JSON.stringify(lines.at(-1))}`)
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    const json = isJson && text !== '' ? JSON.parse(text) : undefined
    answers.check(method, path, response.status, json)
    return { status: response.status, headers: response.headers, text, body: json }
  }
  return {
    sql: database.sql,
    url,
    logged: () => JSON.stringify(lines),
    queued: () => queued,
    call,
    async get(path) {
      const { status, body, text } = await call('GET', path)
      if (status !== 200) throw new Error(`GET ${path} answered ${status}: ${text}`)
      return body
    },
    async stop() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      })
      await sql.end({ timeout: 5 })
      await database.drop()
    },
  }
}

export interface CatalogueSet {
  sellerId: string
  setId: string
  productIds: string[]
}

/**
 * A seller (by name) with a product set of this many products, which the Shop knows by default. SKUs are `<handle>-1`,
 * `SHOP-<handle>-1`.
 */
export async function addSet(
  sql: Sql,
  handle: string,
  {
    seller = 'Nile Textiles',
    products = 1,
    inShop = true,
  }: { seller?: string; products?: number; inShop?: boolean } = {},
): Promise<CatalogueSet> {
  const [row] = await sql<CatalogueSet[]>`
    with seller as (
      insert into catalog.seller (name)
      values (${seller}) on conflict (name) do update set name = excluded.name returning id
    ),
    product_set as (
      insert into catalog.product_set (seller_id, handle, title, src_id)
      select id, ${handle}, 'Linen Shirt', case when ${String(inShop)} = 'true' then ${`S-${handle}`} end
      from seller returning id
    ),
    product as (
      insert into catalog.product (product_set_id, seller_sku, title, shop_sku, src_id)
      select id, ${handle} || '-' || g, 'Linen Shirt ' || g,
        case when ${String(inShop)} = 'true' then 'SHOP-' || ${handle} || '-' || g end,
        case when ${String(inShop)} = 'true' then ${handle} || '/' || g end
      from product_set, generate_series(1, ${products}::int) g returning id
    )
    select (select id from seller) as "sellerId", (select id from product_set) as "setId",
      (select array_agg(id order by id) from product) as "productIds"`
  return row!
}

export async function enqueue(sql: Sql, topic: string, subject: { product?: string; set?: string }): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    select shop_update.enqueue(${topic}::text,
      ${subject.product ?? null}::bigint, ${subject.set ?? null}::bigint) as id`
  return row!.id
}

const LANES: Partial<Record<Status, string>> = {
  pending: 'ready',
  got_acknowledgment: 'awaiting',
  delayed: 'delayed',
  failed: 'delayed',
  blocked: 'blocked',
}

/** Puts an item where the worker would have put it: row, lane, counters and history. */
export async function put(
  sql: Sql,
  itemId: string,
  status: Status,
  {
    reason = status === 'delayed' || status === 'failed' ? 'failure' : null,
    message = null,
    failures = status === 'failed' ? 12 : status === 'delayed' ? 1 : 0,
    sends = failures,
    secondsAgo = 0,
  }: { reason?: string | null; message?: string | null; failures?: number; sends?: number; secondsAgo?: number } = {},
): Promise<void> {
  const lane = LANES[status] ?? 'in_flight'
  await sql`
    with moved as (
      update shop_update.item set status = ${status}::shop_update.status,
        lane = ${lane}::shop_update.lane, reason = ${reason}::text, message = ${message}::text,
        failures = ${failures}::int, sends = ${sends}::int, fresh = false,
        status_at = now() - ${secondsAgo}::float8 * interval '1 second',
        last_sent_at = case when ${sends}::int > 0 then now() end,
        failed_at = case when ${failures}::int > 0 then now() end,
        run_at = case when ${lane}::text = 'delayed' then now() + interval '8 hours' else run_at end
      where id = ${itemId}::bigint returning id, topic, product_set_id, old.status as was, old.status_at as since
    ),
    counted as (
      insert into shop_update.delta (kind, topic, status, n)
      select 'status', topic, was, -1 from moved
      union all select 'status', topic, ${status}::shop_update.status, 1 from moved
    ),
    held as (
      insert into shop_update.set_lane (product_set_id, item_id) select product_set_id, id from moved
      where ${lane}::text = 'in_flight'
    )
    insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason)
    select id, now(), was, ${status}::shop_update.status, extract(epoch from now() - since), ${reason}::text from moved`
}

/** Finishes an item as Synced. */
export async function finish(sql: Sql, itemId: string): Promise<void> {
  await sql`
    with gone as (delete from shop_update.item where id = ${itemId}::bigint returning *),
    kept as (
      insert into shop_update.finished_item (id, seller_id, product_set_id,
        product_id, queued_at, finished_at, sends, failures, coalesced, topic, status)
      select id, seller_id, product_set_id, product_id, queued_at, now(), 1, 0, coalesced, topic, 'synced' from gone
    )
    insert into shop_update.delta (kind, slot, topic, status, bucket, n)
    select 'status', null::timestamptz, topic, status, null::smallint, -1 from gone
    union all select 'status', null, topic, 'synced', null, 1 from gone
    union all select 'synced', date_trunc('hour', queued_at, 'UTC'), topic, null, shop_update.bucket(4), 1 from gone`
}
