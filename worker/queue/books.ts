import type { Sql } from '../database/database.ts'

/**
 * Where the history keeps its steps (the view `shop_update.transition` has all of them):
 *
 * - The first step is the item's `queued_at`.
 * - Processing is in the item while it lasts. Afterwards, Processing, Building payload and Made request are in the row
 *   of the request. What the answer leads to is in the row of the answer, what a callback leads to in the callback's.
 * - A step outside any exchange has its own row in `shop_update.step`.
 *
 * So an attempt without trouble writes two rows instead of ten: 5 % more items a second, and 440 bytes less per item.
 */

/** The columns of the item that `claimSteps` needs. */
export const cameColumns = (sql: Sql) => sql`i.came_at, i.came_from, i.came_seconds`

/**
 * The step to Processing for items that leave it without a request: rows for `shop_update.step`, as `(item_id, at,
 * from_status, to_status, seconds, reason)`. If a worker of the previous version claimed the item, the row is already
 * there.
 *
 * @param rows the CTE of the items; `was` and `since` are the status before this statement
 */
export const claimSteps = (sql: Sql, rows: string) => sql`
  select id, came_at, came_from, 'processing'::shop_update.status, came_seconds, null
  from ${sql(rows)} where was = 'processing' and came_at = since`

/**
 * The counters' part of a statement: each item has left one status and entered another. The leader folds these rows, so
 * no screen ever counts the queue.
 *
 * @param rows the CTE of the items
 * @param from the status before: a column of it, or a literal
 * @param causes columns of the rows: the cause that the items leave, the one that they come to; without: there is none
 */
export const statusCounts = (
  sql: Sql,
  rows: string,
  from: Fragment,
  to: Fragment,
  causes: { from?: Fragment; to?: Fragment } = {},
) => {
  const counted = (status: Fragment, n: Fragment, cause: Fragment | undefined) => sql`
      select 'status', topic, ${status}, ${cause ?? sql`null::bigint`}, ${n}
      from ${sql(rows)} group by topic, ${status} ${cause ? sql`, ${cause}` : sql``}`
  return sql`
      insert into shop_update.delta (kind, topic, status, cause_id, n)
      ${counted(from, sql`-count(*)`, causes.from)}
      union all
      ${counted(to, sql`count(*)`, causes.to)}`
}

/**
 * Keeps the causes that have not been seen before.
 *
 * @param rows the CTE of the items, with `cause_id`, `cause_method`, `cause_http`, `pattern`, `reason` and `message`
 */
export const newCauses = (sql: Sql, rows: string) => sql`
      insert into shop_update.cause (id, reason, method, http_status, pattern, example)
      select distinct on (cause_id)
        cause_id,
        reason,
        case when apart then cause_method end,
        case when apart then cause_http end,
        case when apart then pattern else '…' end,
        left(message, 1000)
      from ${sql(rows)}
      cross join lateral (
        select cause_id = shop_update.cause_id(reason, cause_method, cause_http, pattern) as apart) kept
      where cause_id is not null order by cause_id
      on conflict (id) do nothing`

/**
 * Notes the products of items, or their sets, of which the state may have changed for Seller Center (`publishTouched`).
 *
 * @param rows the CTE of the items
 */
export const touched = (sql: Sql, rows: string) => sql`
      insert into shop_update.touched (product_id, product_set_id)
      select product_id, case when product_id is null then product_set_id end from ${sql(rows)}`

/**
 * The calls' part: the outcomes, and how long each call took.
 *
 * @param rows the CTE of the items, with `flow`, and with `ms` if there was a call
 */
export const callCounts = (sql: Sql, rows: string, outcome: Fragment) => sql`
      insert into shop_update.delta (kind, slot, topic, flow, outcome, bucket, n, milliseconds, slowest)
      select 'call', date_bin('5 minutes', now(), 'epoch'), topic, flow, ${outcome}, shop_update.bucket(ms / 1000),
        count(*), sum(ms), max(ms)
      from ${sql(rows)} where ms is not null group by topic, flow, ${outcome}, shop_update.bucket(ms / 1000)`

/**
 * The sets' part: the set of each item is free. A claim that moves an item behind at this very moment is noticed: MERGE
 * checks again a row that changed under it.
 *
 * @param rows as `(product_set_id, id, next_id)`; `next_id` is the item whose turn is next, 0: not decided (see
 *   `promote`)
 */
export const freedSets = (sql: Sql, rows: Fragment) => sql`
      merge into shop_update.set_lane l using (${rows} order by product_set_id) g
        on l.product_set_id = g.product_set_id and l.item_id = g.id
      when matched and l.waiting = 0 then delete
      when matched then update set item_id = null, worker_id = null, next_id = g.next_id
      returning merge_action() as action, l.product_set_id`

/**
 * The sets' part for items that leave their rest without a claim, as a CTE `left_behind`: an item that was behind in
 * its set leaves that place.
 *
 * @param rows the CTE of the items; `lane` is the one before this statement
 */
export const leftBehind = (sql: Sql, rows: string) => sql`left_behind as (
      update shop_update.set_lane l set waiting = l.waiting - m.n
      from (select product_set_id, count(*) as n from ${sql(rows)} where lane = 'behind' group by product_set_id) m
      where l.product_set_id = m.product_set_id
    )`

type Fragment = ReturnType<Sql>
