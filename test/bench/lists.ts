import { createServer, type Socket } from 'node:net'
import { createPastDays } from '../../demo/past-days.ts'
import { freePort, startPostgres } from '../../demo/postgres.ts'
import { sortOf, toCursor } from '../../worker/api/internal/paging.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { hasOrder, ORDERS } from '../../worker/domain/orders.ts'
import { STATUS_NAMES, STATUSES, type Status, statusesOf, TABS, type Tab } from '../../worker/domain/statuses.ts'
import { TOPIC_NAMES } from '../../worker/domain/topics.ts'
import { WINDOW_NAMES } from '../../worker/domain/windows.ts'
import { migrate } from '../../worker/migrate.ts'
import { startWorkerProcess, VIEWER_API_KEY, workerEnv } from '../worker-process.ts'
import { BENCH_POSTGRES, percentile } from './setting.ts'

const REQUESTS = 20
const DAY = 24 * 60 * 60 * 1000

/**
 * How long a page of a list takes, for any query: every tab with every filter, order and position that a page offers,
 * over HTTP from the real worker, with a backlog of `items` and as many finished ones.
 */
export async function lists({ items }: { items: number }, log: (line: string) => void) {
  const cluster = await startPostgres({ flags: BENCH_POSTGRES })
  const sql = connect(cluster.url('postgres'), { max: 1, name: 'bench' })
  const shop = await startSilentShop()
  try {
    await migrate(sql)
    await fill(sql, items)
    // It claims as much as it may have in flight, a hundred items, and then waits for the Shop: the queue stands still,
    // and everything else goes on.
    const worker = await startWorkerProcess({
      ...workerEnv(cluster.url('postgres'), shop.url),
      CONCURRENCY: '100',
      SHOP_TIMEOUT_MS: '600000',
      STOCK_WAIT_SECONDS: String(STOCK_WAIT_SECONDS),
      LOG_ITEMS: 'false',
    })
    const pages = await pagesOf(sql, worker.internalUrl)
    const milliseconds = new Map<string, number[]>(pages.map(({ name }) => [name, []]))
    // In turn, so that no list has the caches to itself; the first round does not count.
    for (let round = 0; round <= REQUESTS; round++) {
      for (const { name, path } of pages) {
        const began = performance.now()
        await ask(worker.internalUrl, path)
        if (round > 0) milliseconds.get(name)!.push(performance.now() - began)
      }
    }
    await worker.kill()
    const p95Ms = Object.fromEntries(
      [...milliseconds].map(([name, each]) => [name, Number(percentile(each, 0.95).toFixed(1))]),
    )
    for (const [name, ms] of Object.entries(p95Ms)) log(`${ms.toFixed(1).padStart(8)}  ${name}`)
    const [slowest, slowestMs] = Object.entries(p95Ms).reduce((most, each) => (each[1] > most[1] ? each : most))
    return { name: 'lists', slowest, slowestMs, items, p95Ms }
  } finally {
    await sql.end()
    await shop.stop()
    await cluster.stop()
  }
}

/** Accepts every call and answers none. */
async function startSilentShop() {
  const port = await freePort()
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}) // the worker is killed in the end
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function ask<Body>(url: string, path: string): Promise<Body> {
  const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${VIEWER_API_KEY}` } })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status}: ${text}`)
  return JSON.parse(text)
}

const LARGE_SELLER = 'Seller 1'
const SMALL_SELLER = 'Seller 30'
/** Ten thousand product sets, hardly any of them in the queue. */
const WIDE_SELLER = 'Seller 31'
/** A few dozen of it are Pending, the newest of the queue. */
const RARE_TOPIC = 'new_product'

type Query = Record<string, string>

/** The queries, by name. */
export async function pagesOf(sql: Sql, url: string): Promise<{ name: string; path: string }[]> {
  const [sent] = await sql<Record<'requestId' | 'setId' | 'sellerSku', string>[]>`
    select i.request_id::text as "requestId", i.product_set_id::text as "setId", p.seller_sku as "sellerSku"
    from shop_update.item i join catalog.product p on p.id = i.product_id
    where i.lane = 'awaiting' order by i.id desc limit 1`
  const { requestId, setId, sellerSku } = sent!
  const ago = (days: number) => new Date(Date.now() - days * DAY).toISOString()
  const hour = { from: ago(1 / 24) }
  const month = { from: ago(31), to: ago(30) }
  const filters: [string, Query][] = [
    ...TOPIC_NAMES.map((topic): [string, Query] => [`topic ${topic}`, { topic }]),
    ['large seller', { seller: LARGE_SELLER }],
    ['medium seller', { seller: 'Seller 2' }],
    ['small seller', { seller: SMALL_SELLER }],
    ['wide seller', { seller: WIDE_SELLER }],
    ['q seller SKU', { q: sellerSku }],
    ['q Shop SKU', { q: sellerSku.replace('S', 'K') }],
    ['q prefix', { q: sellerSku.slice(0, -2) }],
    ['q product id', { q: sellerSku.slice(1) }],
    ['q set id', { q: setId }],
    ['q request id', { q: requestId }],
    ['q large seller', { q: LARGE_SELLER }],
    ['q wide seller', { q: WIDE_SELLER }],
    ['reason src_id_conflict', { reason: 'src_id_conflict' }],
    ['reason not_in_shop', { reason: 'not_in_shop' }],
    ['last hour', hour],
    ['a day a month ago', month],
    ['up to a month ago', { to: month.to }],
    ['empty window long ago', { from: ago(366), to: ago(365) }],
    ['empty window to come', { from: ago(-1) }],
    ['large seller, rare topic', { seller: LARGE_SELLER, topic: RARE_TOPIC }],
    ['small seller, rare topic', { seller: SMALL_SELLER, topic: RARE_TOPIC }],
    ['wide seller, topic price', { seller: WIDE_SELLER, topic: 'price' }],
    ['last hour, topic price', { ...hour, topic: 'price' }],
    ['last hour, rare topic', { ...hour, topic: RARE_TOPIC }],
    ['a day a month ago, topic price', { ...month, topic: 'price' }],
    ['a day a month ago, small seller', { ...month, seller: SMALL_SELLER }],
    ['last hour, wide seller', { ...hour, seller: WIDE_SELLER }],
  ]
  const sorted = [
    ['', {}],
    ...filters.filter(([name]) => /^(topic (price|new_product)|\w+ seller|last hour|a day a month ago)$/.test(name)),
  ]
  const pages: { name: string; path: string }[] = []
  const add = (name: string, query: Query) =>
    pages.push({ name: name.trim().replace(/^,\s*/, ''), path: `/api/items?${new URLSearchParams(query)}` })

  for (const tab of [null, ...TABS]) {
    const ofTab: Query = tab === null ? {} : { tab }
    const label = tab ?? 'everything'
    add(label, ofTab)
    for (const [name, query] of filters) add(`${label}, ${name}`, { ...ofTab, ...query })
    const statuses = STATUS_NAMES.filter(
      (status) => tab === null || STATUSES[status].tab === tab || (tab === 'pending' && status === 'blocked'),
    )
    for (const status of statuses) {
      add(`${label}, status ${status}`, { ...ofTab, status })
      for (const [name, query] of filters)
        if (/^(topic (price|new_product)|\w+ seller)$/.test(name))
          add(`${label}, status ${status}, ${name}`, { ...ofTab, status, ...query })
      for (const sort of ordersOf({ tab: tab ?? undefined, status }))
        if (sort.endsWith('statusAt')) add(`${label}, status ${status}, by ${sort}`, { ...ofTab, status, sort })
    }
    for (const status of SEVERAL.filter((each) => statusesOf({ tab: tab ?? undefined, status: each }).length > 1)) {
      add(`${label}, status ${status}`, { ...ofTab, status })
      for (const [name, query] of filters)
        if (/^(topic (price|new_product)|\w+ seller)$/.test(name))
          add(`${label}, status ${status}, ${name}`, { ...ofTab, status, ...query })
    }
    for (const sort of ordersOf({ tab: tab ?? undefined })) {
      for (const [name, query] of sorted as [string, Query][])
        add(`${label}${name && `, ${name}`}, by ${sort}`, { ...ofTab, ...query, sort })
      const { nextCursor } = await ask<{ nextCursor: string }>(
        url,
        `/api/items?${new URLSearchParams({ ...ofTab, sort })}`,
      )
      add(`${label}, by ${sort}, second page`, { ...ofTab, sort, cursor: nextCursor })
      add(`${label}, by ${sort}, from the middle`, { ...ofTab, sort, cursor: await middle(sql, tab, sort) })
    }
  }
  const [some] = await sql<{ id: string }[]>`select max(cause_id)::text as id from shop_update.item`
  for (const tab of ['failed', 'delayed', 'blocked'] as const) {
    add(`${tab}, a cause`, { tab, cause: some!.id })
    pages.push({ name: `causes of ${tab}`, path: `/api/causes?tab=${tab}` })
  }
  return [
    ...pages,
    { name: 'all causes', path: '/api/causes' },
    ...filters
      .map(([name, query]) => ({
        name: `counts of tabs, ${name}`,
        path: `/api/counts?${new URLSearchParams(query)}`,
      }))
      .filter(({ path }) => !path.includes('reason=')),
    { name: 'incidents', path: '/api/incidents' },
    { name: 'summary', path: '/api/summary' },
    { name: 'kpis', path: '/api/kpis' },
    ...WINDOW_NAMES.map((window) => ({ name: `charts of ${window}`, path: `/api/charts?window=${window}` })),
  ]
}

/** Several statuses, and all but some. */
const SEVERAL = ['-blocked', '-pending', '-pending,-blocked', 'failed,blocked', 'got_acknowledgment,failed,delayed']

const ordersOf = (list: { tab: Tab | undefined; status?: Status }): string[] =>
  ORDERS.filter((order) => order !== 'queuedAt' && hasOrder(order, list)).flatMap((order) => [order, `-${order}`])

/** The cursor of a page in the middle of a tab. */
async function middle(sql: Sql, tab: Tab | null, order: string): Promise<string> {
  const sort = sortOf({ tab: tab ?? undefined }, order)
  const statuses = STATUS_NAMES.filter((status) => tab === null || STATUSES[status].tab === tab)
  const column = sort.key === 'statusAt' ? sql`status_at` : sort.key === 'nextAttemptAt' ? sql`run_at` : sql`id`
  const [row] =
    tab === 'synced'
      ? await sql<
          { id: string }[]
        >`select percentile_disc(0.5) within group (order by id)::text as id from shop_update.finished_item`
      : await sql<{ id: string; statusAt: string; nextAttemptAt: string }[]>`
          with one as (
            select i.*, row_number() over (order by ${column}, id) as place, count(*) over () as n
            from shop_update.item i where status = any (${statuses}::text[]::shop_update.status[]))
          select id::text, status_at::text as "statusAt", run_at::text as "nextAttemptAt" from one where place = n / 2`
  const { id, ...times } = row as Record<string, string> & { id: string }
  return toCursor(sort, { value: times[sort.key] ?? null, id })
}

const STOCK_WAIT_SECONDS = 24 * 60 * 60
const CAUSES = 200

/**
 * A queue as it may look after some bad weeks, and the history of a quarter. A tenth of its items are up to two months
 * old and stand still for various reasons; the rest are from the last two days, nearly all Pending. Ids are given in
 * queueing order, across both.
 */
export async function fill(sql: Sql, items: number): Promise<void> {
  const since = new Date(Date.now() - 91 * DAY).toISOString()
  const sets = Math.ceil(items / 4)
  const id = (parity: 0 | 1) =>
    sql`(floor(extract(epoch from queued_at - ${since}::text::timestamptz) * 100) * 2 + ${parity}::int)::bigint`
  const topic = sql`
    case when r < 0.4 then 'price' when r < 0.7 then 'stock' when r < 0.84 then 'content' when r < 0.92 then 'status'
      when r < 0.97 then 'consignment_stock' else 'qc_status' end`
  await sql`set statement_timeout = 0`
  await sql`select setseed(0.5)`
  await createPastDays(sql, ['finished_item', 'request', 'step', 'answer', 'callback'], 92)
  await sql`insert into catalog.seller (id, name) select g, 'Seller ' || g from generate_series(1, 31) g`
  await sql`insert into catalog.product_set (id, seller_id, src_id, title)
    select g, case when g > ${sets}::int or g % (${sets}::int / 20) = 0 then 31
      when random() < 0.9 then 1 else 2 + floor(29 * power(random(), 5)) end,
      case when g % 5 <> 0 then (7000000 + g)::text end, 'Set ' || g
    from generate_series(1, ${Math.ceil(sets * 1.05)}::int) g`
  await sql`insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id, stock)
    select id, set_id, 'S' || id, case when known then 'K' || id end, case when known then (9000000 + id)::text end, 5
    from (select g as id, 1 + (g - 1) / 4 as set_id, (1 + (g - 1) / 4) % 5 <> 0 and g % 11 <> 0 as known
      from generate_series(1, ${items}::int) g) p`
  await sql`
    insert into shop_update.item (id, seller_id, product_set_id, product_id,
      topic, status, lane, reason, queued_at, entered_at, status_at, run_at,
      last_sent_at, failed_at, request_id, sends, failures, fresh, flow, message) overriding system value
    select ${id(0)}, s.seller_id, s.id, case when topic in ('images', 'new_product_set') then null else g end,
      topic::shop_update.topic, state::shop_update.status,
      (case state when 'pending' then 'ready' when 'got_acknowledgment' then 'awaiting'
        when 'delayed' then 'delayed' when 'failed' then 'delayed'
        when 'blocked' then 'blocked' else 'in_flight' end)::shop_update.lane,
      case when state in ('delayed', 'failed')
          then case when state = 'delayed' and waits then 'stock_wait' else 'failure' end
        when state <> 'blocked' then null
        when s.src_id is null and topic <> 'new_product_set' then 'not_in_shop'
        when g % 11 = 0 and s.src_id is not null then 'new_variation'
        else (array['unprocessable_response', 'src_id_conflict', 'unknown_outcome'])[1 + g % 3] end,
      queued_at, queued_at,
      case when state = 'pending' then queued_at else least(now(), queued_at + r * interval '5 days') end,
      case when state = 'delayed' and waits then queued_at + ${STOCK_WAIT_SECONDS}::int * interval '1 second'
        when state in ('delayed', 'failed') then case when g % 7 = 0 then 'infinity'
          else now() + (1 + r) * interval '8 hours' end else queued_at end,
      case when sent then queued_at + interval '1 second' end,
      case when state = 'failed' or state = 'delayed' and not waits then queued_at + interval '1 second' end,
      case when sent then 1000000000000 + g end, case when sent then 1 else 0 end,
      case when state = 'failed' then 13 when state = 'delayed' and not waits then 2 else 0 end,
      not sent and state = 'pending',
      case when sent then 'asynchronous'::shop_update.flow end, case when state = 'failed' then 'The Shop says no' end
    from (
      select *, topic = 'stock' and not old as waits,
        state <> 'pending' and not (state = 'delayed' and topic = 'stock' and not old) as sent from (
        select *, case
            when old then case when r2 < 0.25 then 'failed' when r2 < 0.5 then 'blocked'
              when r2 < 0.75 then 'got_acknowledgment' when r2 < 0.95 then 'delayed' else 'pending' end
            when g % (${items}::int / 280) = 1 then
              (array['processing', 'building_payload', 'made_request', 'got_response',
                'building_response_payload', 'response_processing'])[1 + g / (${items}::int / 280) % 6]
            when r2 < 0.02 then 'got_acknowledgment' when r2 < 0.04 then 'delayed'
              when r2 < 0.08 and topic = 'stock' and queued_at > now() - interval '20 hours' then 'delayed'
            else 'pending' end as state
        from (
          select g, r, r2, old, 1 + (g - 1) / 4 as set_id,
            case when g > 0.99 * ${items}::int and g % 401 = 0 or old and g % 101 = 0 then 'new_product'
              when g % 20 = 17 then 'new_product_set'
              when g % 4 = 2 and r < 0.2 then 'images' else ${topic} end as topic,
            case when old then now() - interval '60 days' + g * interval '58 days' / (${items}::int / 10)
              else now() - interval '2 days'
                + (g - ${items}::int / 10) * interval '2 days' / (${items}::int * 9 / 10 + 1) end as queued_at
          from (select g, random() as r, random() as r2, g <= ${items}::int / 10 as old
            from generate_series(1, ${items}::int) g) drawn
        ) told
      ) placed
    ) known join catalog.product_set s on s.id = known.set_id order by g`
  await sql`
    insert into shop_update.cause (id, reason, method, http_status, pattern, example)
    select g, 'failure', 'Product.updatePrices', 200, 'No size for # of kind ' || g, 'No size for 4711 of kind ' || g
    from generate_series(1, ${CAUSES}::int) g`
  await sql`
    update shop_update.item set cause_id = 1 + id / 2 % ${CAUSES}::int
    where status = 'blocked' or reason = 'failure'`
  await sql`
    insert into shop_update.cause_count
    select cause_id, status, count(*) from shop_update.item where cause_id is not null group by 1, 2`
  await sql`
    insert into shop_update.cause_hour
    select date_trunc('hour', now(), 'UTC') - hour * interval '1 hour', cause, 10
    from generate_series(0, 23) hour, generate_series(1, ${CAUSES}::int) cause`
  // Items in flight belong to a worker whose heartbeat is good for another day.
  await sql`
    with other as (insert into shop_update.worker (name, flow, heartbeat_at)
      values ('other', 'asynchronous', now() + interval '1 day') returning id)
    insert into shop_update.set_lane (product_set_id, item_id, worker_id)
    select i.product_set_id, i.id, other.id from shop_update.item i cross join other where i.lane = 'in_flight'`
  await sql`
    insert into shop_update.finished_item (id, seller_id, product_set_id, product_id, queued_at,
      finished_at, last_sent_at, request_id, sends, failures, coalesced, topic, status, flow)
    select ${id(1)}, s.seller_id, s.id, product_id, queued_at,
      least(now(), queued_at + 1.05 * took), queued_at + took, 2000000000000 + g, 1, 0, 0,
      (${topic})::shop_update.topic, 'synced', 'synchronous'
    from (
      select g, r, now() - interval '90 days' + g * interval '90 days' / (${items}::int + 1) as queued_at,
        1 + g * 7919::bigint % ${items}::int as product_id,
        case when r2 < 0.05 then r * interval '2 days' else r * interval '10 minutes' end as took
      from (select g, random() as r, random() as r2 from generate_series(1, ${items}::int) g) drawn
    ) done join catalog.product_set s on s.id = 1 + (product_id - 1) / 4 order by g`
  await sql`
    insert into shop_update.request (request_id, item_id, sent_at, flow, body)
    select request_id, id, last_sent_at, flow, '{}' from shop_update.item where request_id is not null
    union all select request_id, id, least(last_sent_at, now()), flow, '{}' from shop_update.finished_item`
  await sql`insert into shop_update.status_count
    select topic, status, count(*) from shop_update.item group by 1, 2
    union all select topic, status, count(*) from shop_update.finished_item group by 1, 2`
  await sql`insert into shop_update.kpi_hour
    select date_trunc('hour', queued_at, 'UTC'), topic, -1, count(*) from (
      select queued_at, topic from shop_update.item union all select queued_at, topic from shop_update.finished_item) q
    group by 1, 2
    union all select date_trunc('hour', queued_at, 'UTC'), topic,
      shop_update.bucket(extract(epoch from finished_at - queued_at)::float8), count(*)
    from shop_update.finished_item group by 1, 2, 3`
  await sql`insert into shop_update.call_slot
    select date_bin('5 minutes', finished_at, '2000-01-01'), topic, flow, 'success', 10, count(*), 57.0 * count(*), 57
    from shop_update.finished_item group by 1, 2, 3`
  await sql`insert into shop_update.call_hour
    select date_trunc('hour', slot, 'UTC'), topic, flow, outcome, bucket, sum(n), sum(milliseconds), max(slowest)
    from shop_update.call_slot group by 1, 2, 3, 4, 5`
  await sql`
    insert into shop_update.queue_snapshot
    select generate_series(now_slot - interval '90 days', now_slot, interval '5 minutes')
    from date_bin('5 minutes', now(), 'epoch') now_slot`
  await sql`
    insert into shop_update.queue_snapshot_count
    select slot, topic, status, 100 from shop_update.queue_snapshot
    cross join unnest(enum_range(null::shop_update.topic)) topic
    cross join unnest('{pending, delayed, blocked, failed}'::shop_update.status[]) status`
  await sql`select setval(pg_get_serial_sequence('shop_update.item', 'id'), (select max(id) + 1 from shop_update.item))`
  await sql`vacuum analyze`
  await sql`checkpoint`
}
