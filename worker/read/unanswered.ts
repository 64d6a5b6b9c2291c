import type { Sql } from '../database/database.ts'
import { IN_TIME, UNANSWERED_AFTER } from '../domain/in-time.ts'
import type { Topic } from '../domain/topics.ts'

/** Acknowledged items of a topic that the Shop has not answered for longer than is usual. */
export interface Unanswered {
  topic: Topic
  items: number
  sellers: number
  /** Since when the oldest is acknowledged. */
  oldestAt: Date
  /** From how many seconds on an answer is late. */
  usualSeconds: number
  example: { itemId: string; sellerSku: string | null }
  /** Of the items, those that were acknowledged after the last callback came. */
  sinceLastCallback: number
}

export interface AllUnanswered {
  topics: Unanswered[]
  /** Null: none since that is noted. */
  lastCallbackAt: Date | null
  /** Only the acknowledged items that were queued first were looked at. */
  truncated: boolean
}

/**
 * So many acknowledged items are looked at, by the index of their lane: with the roll-ups of a busy week 0.2 s, on a
 * machine that was busy with other things.
 */
export const LOOKED_AT = 20_000
/** From so few changes nobody knows what is usual. */
const KNOWN_FROM = 20

/**
 * Read, not counted: what is late is known by no statement of an item's way. What is usual: within the last week 95 %
 * of the topic's changes were Synced so fast; but no less than `IN_TIME`. That says something of callbacks only where
 * most calls were acknowledged: else, and where there were few, an answer is late after a day.
 */
export async function readUnanswered(sql: Sql): Promise<AllUnanswered> {
  const rows = await sql<(Unanswered & { lastCallbackAt: Date | null; looked: number })[]>`
    with ranked as (
      select
        topic,
        bucket,
        sum(sum(n)) over (partition by topic order by bucket) as upto,
        sum(sum(n)) over (partition by topic) as total
      from shop_update.kpi_hour
      where hour >= now() - interval '7 days' and bucket >= 0 group by topic, bucket
    ),
    called as (
      select topic, sum(n) filter (where outcome = 'acknowledged') > 0.5 * sum(n) as by_callback
      from shop_update.call_hour where slot >= now() - interval '7 days' group by topic
    ),
    usual as materialized (
      select
        t.topic,
        case when m.seconds is null then ${UNANSWERED_AFTER}::int else greatest(t.seconds, m.seconds) end::float8
          as seconds
      from unnest(
        ${Object.keys(IN_TIME)}::text[]::shop_update.topic[], ${Object.values(IN_TIME)}::int[]) t (topic, seconds)
      left join (
        select r.topic, shop_update.bucket_seconds(min(r.bucket) filter (where r.upto >= r.total * 0.95)) as seconds
        from ranked r join called c on c.topic = r.topic and c.by_callback
        where r.total >= ${KNOWN_FROM}::int group by r.topic) m on m.topic = t.topic
    ),
    last as materialized (select at from shop_update.last_callback),
    first as materialized (
      select id, seller_id, product_id, product_set_id, topic, status_at from shop_update.item
      where id in (
        (select id from shop_update.item where lane = 'awaiting' order by id limit ${LOOKED_AT}::int)
        -- behind a pile of old ones nobody would see that the Shop has stopped calling back again
        union
        (select id from shop_update.item where lane = 'awaiting' order by id desc limit ${LOOKED_AT}::int))
    ),
    late as (
      select
        f.topic,
        count(*)::int as items,
        count(distinct f.seller_id)::int as sellers,
        min(f.status_at) as "oldestAt",
        u.seconds as "usualSeconds",
        (array_agg(f.id order by f.status_at, f.id))[1] as example_id,
        count(*) filter (where f.status_at > coalesce((select at from last), '-infinity'))::int as "sinceLastCallback"
      from first f join usual u on u.topic = f.topic
      where f.status_at < now() - u.seconds * interval '1 second'
      group by f.topic, u.seconds
    )
    select
      l.topic, l.items, l.sellers, l."oldestAt", l."usualSeconds", l."sinceLastCallback",
      case when l.topic is not null then json_build_object('itemId', l.example_id::text, 'sellerSku', (
        select string_agg(p.seller_sku, ', ' order by p.id) from (
          select p.id, p.seller_sku from shop_update.item i join catalog.product p
            on p.id = i.product_id or i.product_id is null and p.product_set_id = i.product_set_id
          where i.id = l.example_id order by p.id limit 3) p)) end as example,
      (select at from last) as "lastCallbackAt",
      (select count(*)::int from first) as looked
    from (values (1)) one left join late l on true
    order by l.items desc, l.topic`
  const { lastCallbackAt, looked } = rows[0]!
  const topics = rows.flatMap(({ lastCallbackAt: _, looked: __, ...row }) => ((row.topic as Topic | null) ? [row] : []))
  return { topics, lastCallbackAt, truncated: looked === 2 * LOOKED_AT }
}
