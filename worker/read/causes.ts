import type { Sql } from '../database/database.ts'
import { AWAIT_CREATE, type ReasonCode } from '../domain/reasons.ts'
import type { Status } from '../domain/statuses.ts'

/** The statuses that have causes. */
export const CAUSE_TABS = ['delayed', 'blocked', 'failed'] as const satisfies readonly Status[]
export type CauseTab = (typeof CAUSE_TABS)[number]

export interface CauseRow {
  id: string
  reason: ReasonCode
  method: string | null
  httpStatus: number | null
  pattern: string
  example: string | null
  firstAt: Date
  lastAt: Date
  /** In the asked statuses. */
  items: number
  /** Whatever the status of their items; counted up to `SELLERS_COUNTED`. */
  sellers: number
  /** How often an item came to it, by hour: the last 24, the oldest first. */
  trend: number[]
}

const LISTED = 100
export const SELLERS_COUNTED = 200
export const TREND_HOURS = 24

/**
 * Causes by the number of their items, which the counters know for any size of the queue.
 *
 * @param tab null: all of them, those of the past three months included, which have no items any more
 * @param q null: all; else those whose pattern, example or method contains it, in any case
 */
export const readCauses = (sql: Sql, tab: CauseTab | null, q: string | null): Promise<CauseRow[]> => sql<CauseRow[]>`
  with counted as materialized (
    select cause_id as id, sum(n)::int as items from (
      select cause_id, status, n from shop_update.cause_count
      union all
      select cause_id, status, n from shop_update.unfolded() where kind = 'status' and cause_id is not null) n
    ${tab === null ? sql`` : sql`where status = ${tab}::text::shop_update.status`}
    group by cause_id
  ),
  listed as materialized (
    select c.*, coalesce(n.items, 0) as items
    from shop_update.cause c left join counted n on n.id = c.id
    where ${tab === null ? sql`true` : sql`n.items > 0`}
      ${
        q === null
          ? sql``
          : sql`and (strpos(lower(c.pattern), lower(${q}::text)) > 0 or strpos(lower(c.example), lower(${q}::text)) > 0
        or strpos(lower(c.method), lower(${q}::text)) > 0)`
      }
    order by coalesce(n.items, 0) desc, c.last_at desc, c.id limit ${LISTED}::int
  )
  select
    c.id::text,
    c.reason,
    c.method,
    c.http_status as "httpStatus",
    c.pattern,
    c.example,
    c.first_at as "firstAt",
    c.last_at as "lastAt",
    c.items,
    (
      -- from seller to seller by the index, however many items each has
      with recursive hop (id, n) as (
        (select i.seller_id, 1 from shop_update.item i where i.cause_id = c.id order by i.seller_id limit 1)
        union all
        select next.seller_id, hop.n + 1 from hop cross join lateral (
          select i.seller_id from shop_update.item i
          where i.cause_id = c.id and i.seller_id > hop.id order by i.seller_id limit 1) next
        where hop.n < ${SELLERS_COUNTED}::int
      ) select count(*)::int from hop
    ) as sellers,
    (
      select json_agg(coalesce(h.n, 0)::int order by hour.hour)
      from generate_series(
        date_trunc('hour', now(), 'UTC') - ${TREND_HOURS - 1}::int * interval '1 hour',
        date_trunc('hour', now(), 'UTC'),
        interval '1 hour') hour
      left join shop_update.cause_hour h on h.hour = hour.hour and h.cause_id = c.id
    ) as trend
  from listed c order by c.items desc, c.last_at desc, c.id`

export interface NewCause {
  id: string
  pattern: string
  reason: ReasonCode
  /** That have it now. */
  items: number
}

/** As many are told of: an attribute of a metric must not have any number of values. */
const NEW_TOLD = 5

/**
 * Causes that were first seen within the last two hours, those with the most items; not those that a create ends. On
 * the first day, when every cause is new: none.
 */
export const readNewCauses = (sql: Sql): Promise<NewCause[]> => sql<NewCause[]>`
  select c.id::text, c.pattern, c.reason, sum(n.n)::int as items
  from shop_update.cause c join (
    select cause_id, n from shop_update.cause_count
    union all
    select cause_id, n from shop_update.unfolded() where kind = 'status' and cause_id is not null
  ) n on n.cause_id = c.id
  where c.first_at > now() - interval '2 hours' and c.reason <> all (${[...AWAIT_CREATE]}::text[])
    and (select min(first_at) from shop_update.cause) < now() - interval '1 day'
  group by c.id having sum(n.n) > 0 order by items desc, c.id limit ${NEW_TOLD}::int`
