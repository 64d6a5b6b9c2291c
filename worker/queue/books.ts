import type { Sql } from '../database/database.ts'

/**
 * Where the history keeps its steps (the view `shop_update.transition` is all of them):
 *
 * - the first one is the item's `queued_at`;
 * - Processing is in the item while it has it; then Processing, Building payload and Made request are in the row of the
 *   request, what the answer leads to in the row of the answer, what a callback leads to in the callback's;
 * - a step that belongs to no exchange has a row of its own in `shop_update.step`.
 *
 * An attempt without trouble so writes two rows and not ten: 5 % more items a second, 440 bytes less of each.
 */

/** What `claimSteps` needs of the item. */
export const cameColumns = (sql: Sql) => sql`i.came_at, i.came_from, i.came_seconds`

/**
 * The step to Processing of those that leave it without a request: rows for `shop_update.step`, as
 * `(item_id, at, from_status, to_status, seconds, reason)`. One that a worker of the version before has claimed has
 * them there already.
 *
 * @param rows the CTE of the items; `was` and `since` are the status before this statement
 */
export const claimSteps = (sql: Sql, rows: string) => sql`
  select id, came_at, came_from, 'processing'::shop_update.status, came_seconds, null
  from ${sql(rows)} where was = 'processing' and came_at = since`

/**
 * The counters' part of a statement: each item has left one status and entered another. Numbers on screens are never
 * counted in the queue: the leader folds these rows.
 *
 * @param rows the CTE of the items
 * @param from the status before: a column of it, or a literal
 */
export const statusCounts = (sql: Sql, rows: string, from: Fragment, to: Fragment) => sql`
      insert into shop_update.delta (kind, topic, status, n)
      select 'status', topic, ${from}, -count(*) from ${sql(rows)} group by topic, ${from}
      union all
      select 'status', topic, ${to}, count(*) from ${sql(rows)} group by topic, ${to}`

/**
 * The calls' part: what answers came, and how long each took.
 *
 * @param rows the CTE of the items, with `flow`, and `ms` where there was a call
 */
export const callCounts = (sql: Sql, rows: string, outcome: Fragment) => sql`
      insert into shop_update.delta (kind, slot, topic, flow, outcome, bucket, n, milliseconds, slowest)
      select 'call', date_bin('5 minutes', now(), 'epoch'), topic, flow, ${outcome}, shop_update.bucket(ms / 1000),
        count(*), sum(ms), max(ms)
      from ${sql(rows)} where ms is not null group by topic, flow, ${outcome}, shop_update.bucket(ms / 1000)`

/**
 * The sets' part: the set of each is free. A claim that puts an item behind this very moment is seen: MERGE looks again
 * at a row that changed under it.
 *
 * @param rows as `(product_set_id, id, next_id)`; whose turn it is then, 0: to be given (see `promote`)
 */
export const freedSets = (sql: Sql, rows: Fragment) => sql`
      merge into shop_update.set_lane l using (${rows} order by product_set_id) g
        on l.product_set_id = g.product_set_id and l.item_id = g.id
      when matched and l.waiting = 0 then delete
      when matched then update set item_id = null, worker_id = null, next_id = g.next_id
      returning merge_action() as action, l.product_set_id`

type Fragment = ReturnType<Sql>
