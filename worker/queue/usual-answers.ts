import { type Sql, transaction } from '../database/database.ts'
import type { Topic } from '../domain/topics.ts'
import { type Acknowledged, usualSeconds } from '../domain/usual-answer.ts'

/** Of how many days calls are looked at, besides today. */
const DAYS = 7
/** At so many places of that time it looks at so many calls. */
const PLACES = 100
const CALLS_A_PLACE = 100
/** Of so many calls a topic it looks for the answer. */
const CALLS_A_TOPIC = 1000
/** In which a statement ends or is broken off: the leader has other things to do. */
const MOST_MS = 2000

/**
 * Measures how long the Shop usually takes to call back after it has acknowledged a change, by topic (decision 30).
 *
 * Its cost is the same for any queue and history: 10,000 calls are looked at, evenly spread over the week by their
 * numbers, which count up with time, with indexes that are there: 31,000 rows where all are acknowledged, in 0.15 to
 * 0.3 s where there are two million.
 */
export const measureAnswers = (sql: Sql): Promise<void> =>
  transaction(sql, async (tx) => {
    await tx`select set_config('statement_timeout', ${String(MOST_MS)}, true)`
    const calls = await acknowledgedCalls(tx)
    const usual = [...Map.groupBy(calls, ({ topic }) => topic)].flatMap(([topic, ofTopic]) => {
      const seconds = usualSeconds(ofTopic)
      return seconds === null ? [] : [{ topic, seconds }]
    })
    const topics = usual.map(({ topic }) => topic)
    await tx`
      with unknown as (
        delete from shop_update.usual_answer where topic <> all (${topics}::text[]::shop_update.topic[])
      )
      insert into shop_update.usual_answer (topic, seconds)
      select x.topic::shop_update.topic, x.seconds
      from unnest(${topics}::text[], ${usual.map(({ seconds }) => seconds)}::real[]) x (topic, seconds) order by 1
      on conflict (topic) do update set seconds = excluded.seconds, measured_at = now()`
  })

/** The sample: acknowledged calls of the last days, answered or not. */
export const acknowledgedCalls = (sql: Sql) => {
  // Whole days are whole partitions, of which an index has the first and the last number.
  const from = sql`date_trunc('day', now(), 'UTC') - ${DAYS}::int * interval '1 day'`
  const to = sql`date_trunc('day', now(), 'UTC') + interval '1 day'`
  const recent = sql`r.sent_at >= ${from} and r.sent_at < ${to}`
  return sql<(Acknowledged & { topic: Topic })[]>`
    with numbers as materialized (
      select min(r.request_id) as first, max(r.request_id) as last from shop_update.request r where ${recent}
    ),
    places as materialized (
      select
        f.first,
        -- by its numbers, not by a limit: that would be planned as a sort of all up to the next place
        least(f.first + ${CALLS_A_PLACE}::int, n.first + (n.last - n.first + 1) * (p + 1) / ${PLACES}::int) as next
      from numbers n
        cross join generate_series(0, ${PLACES}::int - 1) p
        cross join lateral (select n.first + (n.last - n.first + 1) * p / ${PLACES}::int as first) f
    ),
    called as materialized (
      select r.request_id, r.item_id, r.sent_at
      from places p join shop_update.request r on r.request_id >= p.first and r.request_id < p.next
      where ${recent}
    ),
    -- the bounds by now() leave out the partitions of older days before any is opened
    acknowledged as materialized (
      select c.*, a.answered_at
      from called c cross join lateral (
        select a.answered_at from shop_update.answer a
        where a.item_id = c.item_id and a.request_id = c.request_id and a.outcome = 'acknowledged'
          and a.answered_at >= c.sent_at and a.answered_at < c.sent_at + interval '1 day'
          and a.answered_at >= ${from} and a.answered_at < ${to}
        limit 1) a
    ),
    of_topic as materialized (
      select c.*, t.topic, row_number() over (partition by t.topic order by hashint8(c.request_id)) as place
      from acknowledged c cross join lateral (
        (select i.topic from shop_update.item i where i.id = c.item_id limit 1)
        union all
        (select f.topic from shop_update.finished_item f
          where f.id = c.item_id and f.finished_at >= c.sent_at and f.finished_at >= ${from} and f.finished_at < ${to}
          limit 1)
        limit 1) t
    )
    select
      c.topic,
      extract(epoch from now() - c.answered_at)::float8 as age,
      extract(epoch from b.received_at - c.answered_at)::float8 as "answeredAfter"
    from of_topic c
    left join lateral (
      select b.received_at from shop_update.callback b
      where b.request_id = c.request_id::text and b.outcome <> 'unknown'
        and b.received_at >= c.sent_at and b.received_at >= ${from} and b.received_at < ${to}
      order by b.received_at limit 1) b on true
    where c.place <= ${CALLS_A_TOPIC}::int`
}
