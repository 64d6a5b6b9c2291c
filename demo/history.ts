import { type Sql, transaction } from '../worker/database/database.ts'
import { WINDOWS } from '../worker/domain/windows.ts'
import { MADE_UP_UNTIL } from '../worker/read/made-up.ts'
import { pick, type Random, seeded, weighted } from './chance.ts'
import { CHANGES_PER_SECOND, SHARES } from './changes.ts'
import { createPastDays } from './past-days.ts'
import { busyAt, HOUR, isAsynchronous, isAway, pileAt } from './rhythm.ts'

/** So many days have items in the list of what is Synced. */
const DAYS = 90
const ITEMS_A_DAY = 20
/** So many changes wait when the Shop comes back: most are changes of what waits already. */
const PILE = 5000
/** So many hours are counted by five minutes, too; with a quarter of these the first start would take a minute. */
const SLOT_HOURS = 48
export const MADE_UP = 'Made-up history, for the demo'

/**
 * Invents the history of a quarter, so that the windows of the numbers differ and the charts have a shape: days, weeks,
 * both flows, and a Shop that was away. It fills the tables that a worker fills, and says in `shop_update.setting` and
 * in each item that it is made up. Only where there is no history yet.
 *
 * @returns until when it reaches; null if there was a history, and nothing was done
 */
export async function makeUpHistory(sql: Sql, random: Random = seeded(90)): Promise<Date | null> {
  const [is] = await sql<{ empty: boolean; now: Date }[]>`
    select now() as now, not exists (select from shop_update.worker) and not exists (select from shop_update.item)
      and not exists (select from shop_update.finished_item) and not exists (select from shop_update.kpi_hour)
      and not exists (select from shop_update.queue_snapshot) as empty`
  if (!is!.empty) return null
  const until = is!.now
  await transaction(sql, async (tx) => {
    await makeUpRollUps(tx, until, random)
    await makeUpSnapshots(tx, until, random)
    await makeUpItems(tx, until, random)
    await tx`
      insert into shop_update.setting (key, value, updated_by)
      values (${MADE_UP_UNTIL}::text, to_jsonb(${until.toISOString()}::text), ${MADE_UP}::text)`
  })
  return until
}

/** The hours of the history, the one that is under way in part. */
function hoursOf(until: Date, random: Random) {
  const last = Math.floor(until.getTime() / HOUR) * HOUR
  return Array.from({ length: WINDOWS['90d'].hours }, (_, place) => {
    const time = new Date(last - (WINDOWS['90d'].hours - 1 - place) * HOUR)
    const part = time.getTime() === last ? (until.getTime() - last) / HOUR : 1
    const away = isAway(time, until)
    return {
      time: time.toISOString(),
      queued: CHANGES_PER_SECOND * 3600 * busyAt(time) * (0.9 + 0.2 * random()) * part,
      // the older, the more of it is Synced by now; what was queued while the Shop was away was given up more often
      synced: (away ? 0.9 : 0.965 + 0.025 * random()) + (away ? 0 : 0.008 * (1 - place / WINDOWS['90d'].hours)),
      failed: away ? 1 : 0.03 + 0.03 * random(),
      // while the Shop is away only a few calls probe it; then what waited is sent
      calls: away ? 0.05 : 1 + pileAt(time, until),
      flow: isAsynchronous(time, until) ? 'asynchronous' : 'synchronous',
      away: away ? 1 : 0,
    }
  })
}
type Hours = ReturnType<typeof hoursOf>

/** Rows of SQL: an hour, and a topic with its share of all changes. */
const hoursAndTopics = (sql: Sql, hours: Hours) => sql`
  hour as materialized (
    select time::timestamptz as time, queued, synced, failed, calls, flow::shop_update.flow as flow, away = 1 as away
    from unnest(
      ${hours.map(({ time }) => time)}::text[],
      ${hours.map(({ queued }) => queued)}::float8[],
      ${hours.map(({ synced }) => synced)}::float8[],
      ${hours.map(({ failed }) => failed)}::float8[],
      ${hours.map(({ calls }) => calls)}::float8[],
      ${hours.map(({ flow }) => flow)}::text[],
      ${hours.map(({ away }) => away)}::int[]
    ) x (time, queued, synced, failed, calls, flow, away)
  ),
  ${topics(sql)}`
const topics = (sql: Sql) => sql`
  topic as materialized (
    select topic::shop_update.topic as topic, share / 100.0 as share
    from unnest(${SHARES.map(([topic]) => topic)}::text[], ${SHARES.map(([, share]) => share)}::int[]) x (topic, share)
  )`

async function makeUpRollUps(sql: Sql, until: Date, random: Random): Promise<void> {
  const hours = hoursOf(until, random)
  await sql`
    with ${hoursAndTopics(sql, hours)}
    insert into shop_update.kpi_hour (hour, topic, bucket, n)
    select h.time, t.topic, -1, ceil(h.queued * t.share)
    from hour h cross join topic t where h.queued * t.share > 0
    union all
    select h.time, t.topic, least(51, took.bucket + more.buckets), floor(h.queued * t.share * h.synced * more.share)
    from hour h cross join topic t
    cross join lateral (
      select shop_update.bucket(
        case when h.away then 7200 when t.topic = 'stock' then 600 when h.flow = 'asynchronous' then 40 else 0.4 end
      ) as bucket
    ) took
    cross join (values (0, 0.6), (2, 0.35), (6, 0.05)) more (buckets, share)
    where h.queued * t.share * h.synced * more.share >= 1`
  // By five minutes in the end, by the hour from the beginning: the same numbers.
  const call = (each: number) => sql`
    select t.topic, h.flow, o.outcome, shop_update.bucket(o.ms / 1000) as bucket,
      round(h.queued * h.calls * t.share * o.share / ${each}::int) as n, o.ms, h.time
    from hour h cross join topic t cross join lateral (values
      (case when h.flow = 'asynchronous' then 'acknowledged' else 'success' end, 1 - h.failed, 140::float8),
      (case when h.away then 'unreachable' else 'failure' end, h.failed, case when h.away then 10000 else 200 end)
    ) o (outcome, share, ms)`
  const isLate = (time: string) => Date.parse(time) >= until.getTime() - SLOT_HOURS * HOUR
  await sql`
    with ${hoursAndTopics(
      sql,
      hours.filter(({ time }) => isLate(time)),
    )}
    insert into shop_update.call_slot (slot, topic, flow, outcome, bucket, n, milliseconds, slowest)
    select slot, topic, flow, outcome, bucket, n, n * ms, ms * 1.2
    from (${call(12)}) c
    cross join generate_series(time, time + interval '55 minutes', interval '5 minutes') slot
    where n > 0 and slot < date_bin('5 minutes', ${until.toISOString()}::timestamptz, 'epoch')`
  await sql`
    with ${hoursAndTopics(
      sql,
      hours.filter(({ time }) => !isLate(time)),
    )}
    insert into shop_update.call_hour (slot, topic, flow, outcome, bucket, n, milliseconds, slowest)
    select time, topic, flow, outcome, bucket, n, n * ms, ms * 1.2 from (${call(1)}) c where n > 0
    union all
    select date_trunc('hour', slot, 'UTC'), topic, flow, outcome, bucket, sum(n), sum(milliseconds), max(slowest)
    from shop_update.call_slot group by 1, 2, 3, 4, 5`
}

/** How the queue was: by the hour, and in the end by five minutes. */
async function makeUpSnapshots(sql: Sql, until: Date, random: Random): Promise<void> {
  const slots: { time: string; status: string; n: number }[] = []
  const step = 5 * 60_000
  const end = Math.floor(until.getTime() / step) * step
  for (let at = Math.floor(end / HOUR) * HOUR - (WINDOWS['90d'].hours - 1) * HOUR; at < end; ) {
    const time = new Date(at)
    const [busy, pile, noise] = [busyAt(time), pileAt(time, until), 0.8 + 0.4 * random()]
    const add = (status: string, n: number) => slots.push({ time: time.toISOString(), status, n: n * noise })
    add('pending', 15 * busy + PILE * pile)
    add('made_request', isAway(time, until) ? 0 : 6 * busy)
    if (isAsynchronous(time, until)) add('got_acknowledgment', 400 * busy)
    add('delayed', 90 * busy + 0.3 * PILE * pile)
    // creations come in the morning, and what waits for them goes
    add('blocked', 160 + 60 * Math.cos((2 * Math.PI * time.getUTCHours()) / 24))
    add('failed', 12 + 10 * busy + 60 * pile)
    at += at >= end - SLOT_HOURS * HOUR ? step : HOUR
  }
  await sql`
    insert into shop_update.queue_snapshot
    select distinct time::timestamptz from unnest(${slots.map(({ time }) => time)}::text[]) time`
  await sql`
    with ${topics(sql)}
    insert into shop_update.queue_snapshot_count (slot, topic, status, n)
    select s.time::timestamptz, t.topic, s.status::shop_update.status, round(s.n * t.share)
    from unnest(
      ${slots.map(({ time }) => time)}::text[],
      ${slots.map(({ status }) => status)}::text[],
      ${slots.map(({ n }) => n)}::float8[]
    ) s (time, status, n) cross join topic t
    where round(s.n * t.share) > 0`
}

/** Some of the items that were Synced, of products that are in the Shop, so that lists of older days have rows. */
async function makeUpItems(sql: Sql, until: Date, random: Random): Promise<void> {
  const products = await sql<{ id: string; setId: string; sellerId: string }[]>`
    select p.id::text, s.id::text as "setId", s.seller_id::text as "sellerId"
    from catalog.product p join catalog.product_set s on s.id = p.product_set_id
    where p.src_id is not null and s.src_id is not null order by p.id`
  if (products.length === 0) return
  await createPastDays(sql, ['finished_item'], DAYS)
  const changes = SHARES.filter(([topic]) => topic !== 'new_product_set' && topic !== 'new_product')
  const items: { at: number; topic: string; product: (typeof products)[number] }[] = []
  for (let day = 0; day < DAYS; day++)
    for (let left = ITEMS_A_DAY; left > 0; ) {
      const at = until.getTime() - (day + random()) * 24 * HOUR
      if (random() > busyAt(new Date(at)) || isAway(new Date(at), until)) continue
      const [topic] = weighted(random, changes, ([, share]) => share)
      items.push({ at, topic, product: pick(random, products) })
      left--
    }
  items.sort((a, b) => a.at - b.at)
  await sql`
    with made as (
      insert into shop_update.finished_item (id, seller_id, product_set_id, product_id, queued_at, finished_at,
        last_sent_at, sends, failures, coalesced, topic, status, flow, message)
      select nextval('shop_update.item_id_seq'), seller, set_id, case when topic <> 'images' then product end,
        at::timestamptz - took, at::timestamptz, at::timestamptz - took / 2, 1, 0, 0, topic::shop_update.topic,
        'synced', flow::shop_update.flow, ${MADE_UP}::text
      from unnest(
        ${items.map(({ at }) => new Date(at).toISOString())}::text[],
        ${items.map(({ topic }) => topic)}::text[],
        ${items.map(({ at }) => (isAsynchronous(new Date(at), until) ? 'asynchronous' : 'synchronous'))}::text[],
        ${items.map(({ product }) => product.id)}::bigint[],
        ${items.map(({ product }) => product.setId)}::bigint[],
        ${items.map(({ product }) => product.sellerId)}::bigint[]
      ) with ordinality x (at, topic, flow, product, set_id, seller, place)
      cross join lateral (select case
        when topic = 'stock' then interval '10 minutes' when flow = 'asynchronous' then interval '40 seconds'
        else interval '1 second' end as took) t
      order by place
      returning topic
    )
    insert into shop_update.status_count as c (topic, status, n)
    select topic, 'synced', count(*) from made group by topic
    on conflict (topic, status) do update set n = c.n + excluded.n`
}
