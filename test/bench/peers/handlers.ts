import { randomBytes } from 'node:crypto'
import { connect, type Sql } from '../../../worker/database/database.ts'
import type { CatalogueProduct, CatalogueSet } from '../../../worker/domain/catalogue.ts'
import { TOPICS } from '../../../worker/domain/topics.ts'
import { groupCommit } from '../../../worker/queue/group-commit.ts'
import { askedOf, readAnswer, type SyncedRow } from '../../../worker/shop/answer.ts'
import { buildCall, type Call, isCall } from '../../../worker/shop/call.ts'
import { createShopClient, type ShopClient, shopHeaders } from '../../../worker/shop/client.ts'
import { createLimiter } from '../../../worker/shop/limiter.ts'

/** The default of `CONCURRENCY`. */
export const IN_FLIGHT = 2000

interface Row {
  id: string
  productId: string
  setId: string
  setSrcId: string
  sellerId: string
  sellerName: string
  sends: number
  enteredAtNs: string
  sellerSku: string
  shopSku: string
  srcId: string
  price: string
  stock: number
  requestId: string
}

interface Built {
  row: Row
  call: Call
  traceId: string
  builtAt: number
}

interface Answered extends Built {
  httpStatus: number
  body: string
  milliseconds: number
  answeredAt: number
  readAt: number
  product: SyncedRow
}

/** The work of stock changes on top of a job queue. */
export interface Handlers {
  /** Handles one change; changes that are handled at the same time share statements. */
  one(id: string): Promise<void>
  /** Handles a batch that the queue hands over as a whole: it ends with its slowest call. */
  batch(ids: readonly string[]): Promise<void>
  close(): Promise<void>
}

/**
 * Each change needs three set-based statements: read, request, finish. The worker's own code builds and sends the call
 * and reads its answer, so that HTTP costs the same.
 */
export function createHandlers(databaseUrl: string, shopUrl: string): Handlers {
  const sql = connect(databaseUrl, { max: 10, name: 'handlers', byIndex: true })
  const shop = createShopClient({
    url: shopUrl,
    username: 'sc',
    password: 'canary-password-of-the-shop',
    timeoutMs: 30_000,
    limiter: createLimiter({ most: IN_FLIGHT, now: () => performance.now() }),
  })
  const read = groupCommit(async (ids: string[]) => {
    const rows = new Map((await readRows(sql, ids)).map((row) => [row.id, row]))
    return ids.map((id) => rows.get(id))
  })
  const request = groupCommit((all: Built[]) => writeRequests(sql, all))
  const finish = groupCommit((all: Answered[]) => writeAnswers(sql, all))
  return {
    async one(id) {
      const row = await read(id)
      if (!row) throw new Error(`It is not the turn of change ${id}.`)
      const built = build(row)
      await request(built)
      await finish(await send(shop, built))
    },
    async batch(ids) {
      const rows = await readRows(sql, ids)
      if (rows.length !== ids.length) throw new Error('It is not the turn of all changes of a batch.')
      const built = rows.map(build)
      await writeRequests(sql, built)
      await writeAnswers(sql, await Promise.all(built.map((each) => send(shop, each))))
    },
    async close() {
      await shop.close()
      await sql.end()
    },
  }
}

/** Reads the changes that have no older open change in their set. */
const readRows = (sql: Sql, ids: readonly string[]) => sql<Row[]>`
  select
    c.id,
    c.product_id as "productId",
    s.id as "setId",
    s.src_id as "setSrcId",
    s.seller_id as "sellerId",
    r.name as "sellerName",
    c.sends,
    ((extract(epoch from c.queued_at) * 1000000)::bigint)::text || '000' as "enteredAtNs",
    p.seller_sku as "sellerSku",
    p.shop_sku as "shopSku",
    p.src_id as "srcId",
    p.price::text,
    p.stock,
    nextval('app.request_id')::text as "requestId"
  from app.change c
  join catalog.product p on p.id = c.product_id
  join catalog.product_set s on s.id = p.product_set_id
  join catalog.seller r on r.id = s.seller_id
  where c.id = any (${ids}::bigint[]) and c.status <> 'synced' and not exists (
    select from app.change o
    where o.product_set_id = c.product_set_id and o.id < c.id and o.status <> 'synced')`

function build(row: Row): Built {
  const product: CatalogueProduct = {
    id: row.productId,
    sellerSku: row.sellerSku,
    shopSku: row.shopSku,
    srcId: row.srcId,
    active: true,
    qcStatus: 'approved',
    title: '',
    description: null,
    barcode: null,
    price: row.price,
    specialPrice: null,
    specialFrom: null,
    specialTo: null,
    stock: row.stock,
    consignmentStock: 0,
    attributes: {},
  }
  const set: CatalogueSet = {
    id: row.setId,
    sellerId: row.sellerId,
    sellerName: row.sellerName,
    srcId: row.setSrcId,
    title: '',
    brand: null,
    attributeSet: null,
    primaryCategory: null,
    categories: [],
    taxClass: null,
    shipmentType: null,
    products: [product],
    images: [],
  }
  const call = buildCall('stock', set, product, row.requestId)
  if (!isCall(call)) throw new Error(`Change ${row.id} cannot be sent.`)
  return { row, call, traceId: randomBytes(16).toString('hex'), builtAt: performance.now() }
}

async function send(shop: ShopClient, built: Built): Promise<Answered> {
  const { row, call, traceId } = built
  const headers = shopHeaders({
    flow: 'synchronous',
    event: TOPICS.stock.event,
    requeueCount: row.sends,
    enqueuedAtNs: row.enteredAtNs,
    traceparent: `00-${traceId}-${traceId.slice(0, 16)}-01`,
  })
  const { httpStatus, body, leftAt, release } = await shop.send(call, headers)
  const answeredAt = performance.now()
  const answer = readAnswer(httpStatus, body, askedOf('stock', call, row.productId))
  release()
  if (answer.kind !== 'success') throw new Error(`The Shop answered ${answer.kind} to change ${row.id}.`)
  return {
    ...built,
    httpStatus,
    body,
    milliseconds: answeredAt - leftAt,
    answeredAt,
    readAt: performance.now(),
    product: answer.rows[0]!,
  }
}

async function writeRequests(sql: Sql, all: readonly Built[]): Promise<true[]> {
  const now = performance.now()
  const [row] = await sql<{ n: number }[]>`
    with x as (
      select * from unnest(
        ${all.map(({ row }) => row.id)}::bigint[],
        ${all.map(({ row }) => row.requestId)}::bigint[],
        ${all.map(({ traceId }) => traceId)}::text[],
        ${all.map(({ call }) => call.json)}::text[],
        ${all.map(({ builtAt }) => (now - builtAt) / 1000)}::real[]
      ) x (id, request_id, trace_id, body, ago)
    ),
    u as (
      update app.change c
      set status = 'made_request', status_at = now(), request_id = x.request_id, sends = c.sends + 1,
        trace_id = x.trace_id
      from x where c.id = x.id and c.status = 'pending'
      returning c.id, c.status_at, old.status_at as since, x.request_id, x.trace_id, x.body,
        greatest(old.status_at, now() - x.ago * interval '1 second') as built_at
    ),
    r as (
      insert into app.request (request_id, item_id, sent_at, trace_id, body)
      select request_id, id, status_at, trace_id, body from u
    ),
    n as (
      insert into app.transition (item_id, at, from_status, to_status, seconds)
      select u.id, t.at, t.from_status, t.to_status, t.seconds
      from u cross join lateral (values
        (u.built_at, 'pending'::app.status, 'processing'::app.status, extract(epoch from u.built_at - u.since)),
        (u.built_at, 'processing', 'building_payload', 0),
        (u.status_at, 'building_payload', 'made_request', extract(epoch from u.status_at - u.built_at))
      ) t (at, from_status, to_status, seconds)
    )
    select count(*)::int as n from u`
  if (row!.n !== all.length) throw new Error(`Of ${all.length} changes ${row!.n} could be requested.`)
  return all.map(() => true)
}

async function writeAnswers(sql: Sql, all: readonly Answered[]): Promise<true[]> {
  const now = performance.now()
  const [row] = await sql<{ n: number }[]>`
    with x as (
      select * from unnest(
        ${all.map(({ row }) => row.id)}::bigint[],
        ${all.map(({ httpStatus }) => httpStatus)}::smallint[],
        ${all.map(({ milliseconds }) => milliseconds)}::real[],
        ${all.map(({ body }) => body)}::text[],
        ${all.map(({ answeredAt }) => (now - answeredAt) / 1000)}::real[],
        ${all.map(({ readAt }) => (now - readAt) / 1000)}::real[],
        ${all.map(({ row }) => row.productId)}::bigint[],
        ${all.map(({ product }) => product.srcId)}::text[],
        ${all.map(({ product }) => product.shopSku)}::text[],
        ${all.map(({ product }) => product.updatedAt)}::text[]
      ) x (id, http_status, ms, body, answered, read, product_id, src_id, shop_sku, updated_at)
    ),
    u as (
      update app.change c set status = 'synced', status_at = now()
      from x where c.id = x.id and c.status = 'made_request'
      returning c.id, c.request_id, c.status_at, old.status_at as since, x.http_status, x.ms, x.body,
        greatest(old.status_at, now() - x.answered * interval '1 second') as answered_at,
        greatest(old.status_at, now() - x.read * interval '1 second') as read_at
    ),
    a as (
      insert into app.answer (request_id, item_id, answered_at, milliseconds, http_status, body)
      select request_id, id, answered_at, ms, http_status, body from u
    ),
    w as (
      update catalog.product p
      set src_id = coalesce(x.src_id, p.src_id), shop_sku = coalesce(x.shop_sku, p.shop_sku),
        src_updated_at = coalesce(x.updated_at::timestamp at time zone 'UTC', now())
      from x where p.id = x.product_id and x.id in (select id from u)
    ),
    n as (
      insert into app.transition (item_id, at, from_status, to_status, seconds)
      select u.id, t.at, t.from_status, t.to_status, t.seconds
      from u cross join lateral (values
        (u.answered_at, 'made_request'::app.status, 'got_response'::app.status,
          extract(epoch from u.answered_at - u.since)),
        (u.answered_at, 'got_response', 'building_response_payload', 0),
        (u.read_at, 'building_response_payload', 'response_processing',
          extract(epoch from u.read_at - u.answered_at)),
        (u.status_at, 'response_processing', 'synced', extract(epoch from u.status_at - u.read_at))
      ) t (at, from_status, to_status, seconds)
    )
    select count(*)::int as n from u`
  if (row!.n !== all.length) throw new Error(`Of ${all.length} changes ${row!.n} could be finished.`)
  return all.map(() => true)
}
