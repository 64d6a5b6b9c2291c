import type { Sql } from '../database/database.ts'
import type { Topic } from '../domain/topics.ts'

/** What is not to be claimed now (decision 26). */
export interface Paused {
  everything: boolean
  topics: Topic[]
  sellerIds: string[]
}

export const NOTHING_PAUSED: Paused = { everything: false, topics: [], sellerIds: [] }

/** Of a row `p` of `shop_update.pause`. */
export const isInForce = (sql: Sql) => sql`shop_update.in_force(p.from_at, p.until_at, p.ends_itself, p.ended_at)`

/** The pauses that are in force, put together. */
export async function readPaused(sql: Sql): Promise<Paused> {
  const [row] = await sql<Paused[]>`
    select
      coalesce(bool_or(p.topic is null and p.seller_id is null), false) as everything,
      coalesce(json_agg(distinct p.topic) filter (where p.topic is not null), '[]') as topics,
      coalesce(json_agg(distinct p.seller_id::text) filter (where p.seller_id is not null), '[]') as "sellerIds"
    from shop_update.pause p where p.ended_at is null and ${isInForce(sql)}`
  return row!
}

/** Ends the pauses whose planned end has passed and that end by themselves; tells the workers. */
export async function endPauses(sql: Sql): Promise<void> {
  const over = await sql`
    update shop_update.pause p set ended_at = p.until_at
    where p.ended_at is null and p.ends_itself and p.until_at <= now()`
  if (over.count > 0) await sql`select pg_notify('shop_update_pause', '')`
}

/** The most that `resumePaused` moves. */
export const RESUMED_FULL = 2000

/**
 * Items of a topic that is no longer paused may be claimed again; they keep their places.
 *
 * @returns these items; if there are `RESUMED_FULL`, there may be more
 */
export async function resumePaused(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    update shop_update.item set lane = 'ready'
    where id = any (array(
      -- by topic, as the index is: what is still paused is not walked over
      select i.id
      from (
        select unnest(enum_range(null::shop_update.topic)) except select unnest(shop_update.paused_topics())
      ) t (topic)
      cross join lateral (
        select id from shop_update.item
        where lane = 'paused' and topic = t.topic
        order by id limit ${RESUMED_FULL}::int for update skip locked) i
      limit ${RESUMED_FULL}::int))
    returning id`
  return rows.map(({ id }) => id)
}
