import { setTimeout as delay } from 'node:timers/promises'
import { createPastDays } from '../../demo/past-days.ts'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import type { Sql } from '../../worker/database/database.ts'
import { TOPICS } from '../../worker/domain/topics.ts'
import type { LastRelease } from '../last-release.ts'
import { ADMIN_API_KEY, type WorkerProcess } from '../worker-process.ts'
import { CALLBACK_API_KEY, type ShopStats, setFlow } from './rig.ts'

/** For each flow so many sets that the Shop knows, with two of their three products, and as many that it does not. */
const SETS = 12
const FLOWS = ['synchronous', 'asynchronous'] as const
/** For the items that are queued while the schema changes: products in the Shop, each in a set of its own. */
export const SPARE_FROM = 1000
/** The history goes back so far; `HISTORY_DAYS` are 93. */
const DAYS = 89
const REST_MS = 300_000

/** Everything that can happen to an item, in a minute instead of a week. */
const ENV = {
  STOCK_WAIT_SECONDS: '0.3',
  FLOW_TTL_SECONDS: '0.2',
  RETRY_UNIT_SECONDS: '0.02',
  MAX_RETRIES: '6',
  FAILED_AFTER: '3',
  SHOP_TIMEOUT_MS: '400',
  LEASE_SECONDS: '2',
  CALLBACK_API_KEY,
  CALLBACK_ALLOWED_IPS: '127.0.0.1',
}

const TROUBLES: SettingsInput = {
  seed: 17,
  default: {
    ...{ http500: 6, http404: 2, http504: 4, hang: 2, drop: 2, dropBefore: 2, nack: 2, garbage: 3, wrongId: 2 },
    ...{ answersOtherFlow: 2, failureRows: 4, partial: 4, wrongRowCount: 2, wrongProduct: 1, missingProduct: 2 },
    ...{ noCallback: 3, callbackBeforeAck: 10, callbackTwice: 10, callbackShuffle: 20, callbackFailure: 10 },
    latencyMs: { min: 0, max: 40 },
    callbackHoldMs: 200,
  },
  topics: { status: { http500: 100 } },
}

/** What must be in the history of finished items: reasons of steps, outcomes of answers and of callbacks. */
const REASONS = [
  'failure',
  'stock_wait',
  'not_in_shop',
  'released',
  'requeued',
  'coalesced',
  'worker_lost',
  'discarded',
]
const ANSWERS = ['success', 'acknowledged', 'failure', 'unprocessable', 'unreachable']
const CALLBACKS = ['accepted', 'duplicate', 'late']

/**
 * A database as the last release leaves it. Its worker has made some hundreds of items, in both flows, with a Shop that
 * makes every trouble, with admins, and once killed; the finished ones are then multiplied over the last 89 days, with
 * ids of their own. Some stay in the queue: Blocked, Failed for good, acknowledged and never called back.
 *
 * @returns how many the worker made, and how many have finished in the end
 */
export async function fillFormer(
  sql: Sql,
  { databaseUrl, shopUrl, before, items }: { databaseUrl: string; shopUrl: string; before: LastRelease; items: number },
): Promise<{ made: number; finished: number }> {
  // Copies are older, so they have smaller ids.
  await sql.unsafe(`
    alter table shop_update.item alter column id restart with ${10 * items};
    alter sequence shop_update.request_id restart with ${100 * items};`)
  await fillSets(sql)
  const shop = (path: string, body: unknown) => ask(`${shopUrl}/_shop${path}`, 'PUT', body)
  let worker: WorkerProcess | null = null
  const restart = async () => {
    worker = await before.startWorker(databaseUrl, shopUrl, ENV)
    await shop('/callback-target', { url: `${worker.publicUrl}/shop-update/`, apiKey: CALLBACK_API_KEY })
    return worker
  }
  try {
    worker = await restart()
    for (const [place, flow] of FLOWS.entries()) {
      await setFlow(sql, flow)
      await until(async () => {
        const others = await sql`
          select from shop_update.worker
          where flow::text <> ${flow} and heartbeat_at > now() - ${ENV.LEASE_SECONDS}::float8 * interval '1 second'`
        return others.length > 0 && 'a worker has the other flow'
      })
      await shop('/troubles', TROUBLES)
      await queueAll(sql, place)
      await untilThere(sql, sql`status = 'made_request'`)
      await worker.kill()
      worker = await restart()
      await untilThere(sql, sql`reason = 'failure' and status = 'failed'`)
      await queueAll(sql, place)
      await untilRest(sql, shopUrl)
      await shop('/troubles', { topics: { qc_status: TROUBLES.default, price: { http404: 100 } } })
      await decide(sql, worker)
      await untilRest(sql, shopUrl)
      await shop('/troubles', {})
    }
    await worker.stop()
    await setFlow(sql, 'synchronous')
  } finally {
    if (worker && worker.child.exitCode === null && worker.child.signalCode === null) await worker.kill()
  }
  return multiply(sql, items)
}

/** Sets of each flow, the known ones before the unknown ones. */
async function fillSets(sql: Sql): Promise<void> {
  await sql`insert into catalog.seller (id, name) select g, 'Seller ' || g from generate_series(1, 25) g`
  await sql`
    insert into catalog.product_set (id, seller_id, title, brand, attribute_set, primary_category, categories, src_id)
    select g, 1 + g % 25, 'Linen Shirt ' || g, 'Nile', 'apparel', 'Shirts', '{Shirts,Summer}',
      case when g % ${2 * SETS}::int < ${SETS}::int then (7000000 + g)::text end
    from generate_series(0, ${FLOWS.length * 2 * SETS - 1}::int) g`
  await sql`
    insert into catalog.product (id, product_set_id, seller_sku, title, price, stock, src_id, shop_sku)
    select 3 * s.id + k, s.id, format('LINEN-%s-%s', s.id, k), format('Linen Shirt %s, %s', s.id, k), 19.90, 50,
      case when known then (9000000 + 3 * s.id + k)::text end, case when known then format('AC%s-%s', s.id, k) end
    from catalog.product_set s
    cross join generate_series(0, 2) k
    cross join lateral (select s.src_id is not null and k < 2 as known) n`
  await sql`
    insert into catalog.product_image (product_set_id, position, url, hash)
    select id, 1, 'http://127.0.0.1/1.jpg', md5(id::text) from catalog.product_set`
  await sql`
    insert into catalog.product_set (id, seller_id, src_id, title)
    select g, 1 + g % 25, (7000000 + g)::text, 'Set ' || g
    from generate_series(${SPARE_FROM}::int, 2 * ${SPARE_FROM}::int - 1) g`
  await sql`
    insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id, stock)
    select g, g, 'S' || g, 'K' || g, (9000000 + g)::text, 5
    from generate_series(${SPARE_FROM}::int, 2 * ${SPARE_FROM}::int - 1) g`
}

/** Every topic for every product and set of a flow, the creates where there is something to create. */
async function queueAll(sql: Sql, place: number): Promise<void> {
  const topics = Object.entries(TOPICS).map(([topic, { subject }]) => ({ topic, subject }))
  const of = (subject: string) =>
    topics.filter((each) => each.subject === subject && !each.topic.startsWith('new_')).map(({ topic }) => topic)
  const from = place * 2 * SETS
  const sets = sql`s.id between ${from}::bigint and ${from + 2 * SETS - 1}::bigint`
  await sql`
    select shop_update.enqueue(topic, product_id => p.id)
    from catalog.product p join catalog.product_set s on s.id = p.product_set_id
    cross join unnest(${of('product')}::text[]) topic
    where ${sets} order by p.id`
  await sql`
    select shop_update.enqueue('new_product', product_id => p.id)
    from catalog.product p join catalog.product_set s on s.id = p.product_set_id
    where ${sets} and p.src_id is null and s.src_id is not null order by p.id`
  await sql`
    select shop_update.enqueue(topic, product_set_id => s.id)
    from catalog.product_set s cross join unnest(${[...of('set'), 'new_product_set']}::text[]) topic
    where ${sets} and (s.src_id is null or topic <> 'new_product_set') order by s.id`
}

/** Half of what has failed for good is requeued; half of what is for an admin to decide is sent again or discarded. */
async function decide(sql: Sql, worker: WorkerProcess): Promise<void> {
  const items = await sql<{ id: string; status: string }[]>`
    select id, status from shop_update.item
    where id % 2 = 0 and (status = 'failed'
      or status = 'blocked' and reason in ('unprocessable_response', 'src_id_conflict', 'unknown_outcome'))
    order by id`
  const failed = items.filter(({ status }) => status === 'failed').map(({ id }) => id)
  if (failed.length > 0)
    await ask(`${worker.internalUrl}/api/requeue`, 'POST', { itemIds: failed, reason: 'The Shop has mended it' })
  for (const [place, { id }] of items.filter(({ status }) => status === 'blocked').entries())
    await ask(`${worker.internalUrl}/api/items/${id}/resolve`, 'POST', {
      action: place % 2 === 0 ? 'resend' : 'discard',
      reason: 'Looked at in the Shop',
    })
}

async function ask(url: string, method: string, body: unknown): Promise<void> {
  const answer = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${ADMIN_API_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`${method} ${url} answered ${answer.status}: ${await answer.text()}`)
}

/** Until nothing moves by itself any more. */
export const untilRest = (sql: Sql, shopUrl: string) =>
  until(async () => {
    const { callbacks } = (await (await fetch(`${shopUrl}/_shop/stats`)).json()) as ShopStats
    if (callbacks.pending > 0) return `${callbacks.pending} callbacks have not been sent`
    const items = await sql`
      select id, topic, lane, status, reason, run_at from shop_update.item
      where lane in ('ready', 'behind', 'in_flight') or lane = 'delayed' and run_at < 'infinity' limit 3`
    if (items.length > 0) return `items go on: ${JSON.stringify(items)}`
    const owed = await sql`
      select id, item_id, request_id from shop_update.callback
      where applied_at is null and item_id is not null limit 3`
    return owed.length > 0 && `callbacks are to be applied: ${JSON.stringify(owed)}`
  })

const untilThere = (sql: Sql, condition: ReturnType<Sql>) =>
  until(async () => {
    const found = await sql`select from shop_update.item where ${condition} limit 1`
    return found.length === 0 && 'no such item is there'
  })

/** @param whatIsMissing says it in words; false: nothing */
async function until(whatIsMissing: () => Promise<string | false>): Promise<void> {
  const deadline = performance.now() + REST_MS
  for (let missing = await whatIsMissing(); missing; missing = await whatIsMissing()) {
    if (performance.now() > deadline) throw new Error(`Waited for five minutes, and still ${missing}.`)
    await delay(50)
  }
}

/** Copies the finished items with all that is written of them, each copy somewhat older than the last. */
async function multiply(sql: Sql, items: number): Promise<{ made: number; finished: number }> {
  await sql`set statement_timeout = 0`
  const finished = sql`where item_id in (select id from shop_update.finished_item)`
  const [{ missing }] = await sql<[{ missing: string[] }]>`
    select array(
      (select unnest(${REASONS}::text[]) except select reason from shop_update.transition ${finished})
      union all (select unnest(${ANSWERS}::text[]) except select outcome from shop_update.answer ${finished})
      union all (select unnest(${CALLBACKS}::text[]) except select outcome from shop_update.callback ${finished})
    ) as missing`
  if (missing.length > 0) throw new Error(`The history to multiply has no ${missing.join(', ')}.`)
  await createPastDays(sql, ['finished_item', 'request', 'transition', 'answer', 'callback'], DAYS + 2)
  await sql`
    create temp table made as
    select *, 1 + max(id) over () - min(id) over () as ids,
      (select 1 + max(request_id) - min(request_id) from shop_update.request) as requests
    from shop_update.finished_item`
  const [{ made }] = await sql<[{ made: number }]>`select count(*)::int as made from made`
  const copies = Math.ceil(items / made) - 1
  await sql`
    create temp table copy as
    select k, k * interval '1 day' * ${DAYS}::float8 / ${copies}::int as ago
    from generate_series(${copies}::int, 1, -1) k`
  await sql`
    insert into shop_update.finished_item (id, seller_id, product_set_id, product_id, queued_at, finished_at,
      last_sent_at, request_id, sends, failures, coalesced, topic, status, flow, reason, message, trace_id)
    select m.id - k * m.ids, m.seller_id, m.product_set_id, m.product_id, m.queued_at - ago, m.finished_at - ago,
      m.last_sent_at - ago, m.request_id - k * m.requests, m.sends, m.failures, m.coalesced, m.topic, m.status, m.flow,
      m.reason, m.message, m.trace_id
    from copy cross join made m`
  await sql`
    insert into shop_update.transition (item_id, at, from_status, to_status, seconds, reason, actor, note)
    select m.id - k * m.ids, t.at - ago, t.from_status, t.to_status, t.seconds, t.reason, t.actor, t.note
    from copy cross join made m join shop_update.transition t on t.item_id = m.id`
  await sql`
    insert into shop_update.request (request_id, item_id, sent_at, flow, trace_id, body)
    select r.request_id - k * m.requests, m.id - k * m.ids, r.sent_at - ago, r.flow, r.trace_id, r.body
    from copy cross join made m join shop_update.request r on r.item_id = m.id`
  await sql`
    insert into shop_update.answer (request_id, item_id, answered_at, milliseconds, http_status, outcome, body)
    select a.request_id - k * m.requests, m.id - k * m.ids, a.answered_at - ago, a.milliseconds, a.http_status,
      a.outcome, a.body
    from copy cross join made m join shop_update.answer a on a.item_id = m.id`
  await sql`
    insert into shop_update.callback (received_at, applied_at, request_id, item_id, outcome, digest, remote, body,
      trace_id)
    select c.received_at - ago, c.applied_at - ago, (c.request_id::bigint - k * m.requests)::text, m.id - k * m.ids,
      c.outcome, c.digest, c.remote, c.body, c.trace_id
    from copy cross join made m join shop_update.callback c on c.item_id = m.id`
  await sql`
    insert into shop_update.delta (kind, topic, status, n)
    select 'status', topic, status, ${copies}::int * count(*) from made where status = 'synced' group by topic, status`
  await sql`drop table made, copy`
  await sql`vacuum analyze`
  await sql`checkpoint`
  return { made, finished: made * (copies + 1) }
}
