import type { Sql } from '../database/database.ts'
import type { Step } from '../domain/step.ts'
import { statusCounts, touched } from '../queue/books.ts'
import { skusOf, stepColumns } from '../queue/skus.ts'

/**
 * Puts items back to Pending: the only statement of a requeue that writes. It skips what has been claimed, answered or
 * finished since it was read. Rows are locked in id order, as everywhere.
 *
 * @param note the reason in the person's words
 * @returns the steps that were taken
 */
export const putBack = (sql: Sql, ids: readonly string[], actor: string, note: string | null): Promise<Step[]> => sql<
  Step[]
>`
  with moved as (
    update shop_update.item i set status = 'pending', failures = 0, failed_at = null, reason = null, message = null,
      cause_id = null,
      -- an item that is behind in its set keeps its place: set_lane counts it
      lane = case when i.lane = 'behind' then i.lane else 'ready' end,
      run_at = now(), entered_at = now(), status_at = shop_update.later(i.status_at)
    where i.id = any (array(
        select l.id from shop_update.item l where l.id = any (${ids}::bigint[]) order by l.id for update))
      and i.status in ('delayed', 'failed', 'blocked', 'got_acknowledgment') and i.lane <> 'in_flight'
    returning i.*, old.status as was, old.cause_id as was_cause,
      greatest(date_part('epoch', i.status_at - old.status_at), 0) as seconds
  ),
  counted as (${statusCounts(sql, 'moved', sql`was`, sql`status`, { from: sql`was_cause` })}),
  told as (${touched(sql, 'moved')}),
  noted as (
    insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason, actor, note)
    select id, status_at, was, 'pending', seconds, 'requeued', ${actor}::text, ${note}::text from moved
  ),
  notified as materialized (select pg_notify('shop_update', '') where exists (select from moved))
  select
    ${stepColumns(sql, 'm')},
    m.was as "from",
    'pending' as "to",
    shop_update.micros(m.status_at) as at,
    m.seconds,
    'requeued' as reason,
    ${actor}::text as actor
  from moved m ${skusOf(sql, 'm')}
  -- referenced here; otherwise it would not run
  where (select count(*) from notified) >= 0`
