import type { Sql } from '../database/database.ts'
import type { Status } from '../domain/statuses.ts'
import type { Topic } from '../domain/topics.ts'

/** The most rows one fold takes; if it takes that many, there are more. */
export const FOLD_FULL = 50_000

/**
 * Folds the rows that statements appended into the counters and roll-ups; the leader does it once a second. Readers add
 * what is not folded yet, so the numbers are always exact.
 *
 * @param most the most rows to take; if that many are taken, there are more
 * @returns how many rows were taken
 */
export async function foldCounts(sql: Sql, most = FOLD_FULL): Promise<number> {
  const [row] = await sql<{ folded: number }[]>`
    with picked as materialized (
      select ctid as place from shop_update.delta
      where xact >= (select shop_update.folded_up_to()) order by xact limit ${most}::int
    ),
    taken as (
      delete from shop_update.delta where ctid = any (array(select place from picked)) returning *
    ),
    -- If these are all rows, none is left of the transactions that had ended when this statement began. Picked, not
    -- taken: another fold may have taken the same ones, and know of no others.
    noted as (
      update shop_update.folded
      set
        up_to = pg_snapshot_xmin(pg_current_snapshot()),
        server_started_at = pg_postmaster_start_time()
      where (select count(*) from picked) < ${most}::int
        and shop_update.folded_up_to() < pg_snapshot_xmin(pg_current_snapshot())
    ),
    statuses as (
      insert into shop_update.status_count as c (topic, status, n)
      select topic, status, sum(n) from taken where kind = 'status' group by topic, status
      on conflict (topic, status) do update set n = c.n + excluded.n
    ),
    causes as (
      insert into shop_update.cause_count as c (cause_id, status, n)
      select cause_id, status, sum(n) from taken where kind = 'status' and cause_id is not null group by 1, 2
      on conflict (cause_id, status) do update set n = c.n + excluded.n
    ),
    met as materialized (
      select cause_id, sum(n) as n from taken
      where kind = 'status' and cause_id is not null and n > 0 group by 1
    ),
    causes_of_hours as (
      insert into shop_update.cause_hour as c (hour, cause_id, n)
      select date_trunc('hour', now(), 'UTC'), cause_id, n from met
      on conflict (hour, cause_id) do update set n = c.n + excluded.n
    ),
    seen as (
      update shop_update.cause set
        -- after a week without it, it is a new one again
        first_at = case when last_at < now() - interval '7 days' then now() else first_at end,
        last_at = now()
      where id in (select cause_id from met)
    ),
    kpis as (
      insert into shop_update.kpi_hour as k (hour, topic, bucket, n)
      select slot, topic, coalesce(bucket, -1), sum(n)
      from taken where kind in ('queued', 'synced') group by 1, 2, 3
      on conflict (hour, topic, bucket) do update set n = k.n + excluded.n
    ),
    calls as (
      insert into shop_update.call_slot as c (slot, topic, flow, outcome, bucket, n, milliseconds, slowest)
      select slot, topic, flow, outcome, bucket, sum(n), sum(milliseconds), max(slowest)
      from taken where kind = 'call' group by 1, 2, 3, 4, 5
      on conflict (slot, topic, flow, outcome, bucket) do update set
        n = c.n + excluded.n,
        milliseconds = c.milliseconds + excluded.milliseconds,
        slowest = greatest(c.slowest, excluded.slowest)
    ),
    hours as (
      insert into shop_update.call_hour as c (slot, topic, flow, outcome, bucket, n, milliseconds, slowest)
      select date_trunc('hour', slot, 'UTC'), topic, flow, outcome, bucket, sum(n), sum(milliseconds), max(slowest)
      from taken where kind = 'call' group by 1, 2, 3, 4, 5
      on conflict (slot, topic, flow, outcome, bucket) do update set
        n = c.n + excluded.n,
        milliseconds = c.milliseconds + excluded.milliseconds,
        slowest = greatest(c.slowest, excluded.slowest)
    )
    select count(*)::int as folded from picked`
  return row?.folded ?? 0
}

/**
 * Deletes roll-ups that are no longer needed.
 *
 * @param days as long as the history is kept, but at least the 90 days of the KPIs
 */
export async function forgetCounts(sql: Sql, days: number): Promise<void> {
  await sql`
    with slots as (
      delete from shop_update.call_slot where slot < now() - greatest(${days}::int, 91) * interval '1 day'
    ),
    hours as (
      delete from shop_update.call_hour where slot < now() - greatest(${days}::int, 91) * interval '1 day'
    ),
    cause_hours as (
      delete from shop_update.cause_hour where hour < now() - interval '8 days'
    ),
    cause_counts as (
      delete from shop_update.cause_count where n = 0
    ),
    causes as (
      delete from shop_update.cause c where c.last_at < now() - greatest(${days}::int, 91) * interval '1 day'
        and not exists (select from shop_update.cause_count n where n.cause_id = c.id and n.n <> 0)
    )
    delete from shop_update.kpi_hour where hour < now() - greatest(${days}::int, 91) * interval '1 day'`
}

export interface Drift {
  topic: Topic
  status: Status
  counted: number
  actual: number
}

/**
 * Checks the counters against a recount of the queue, and corrects differences: each is a defect and is reported as
 * one. Synced is left out, because counting it would read all of the history.
 */
export async function verifyCounts(sql: Sql): Promise<Drift[]> {
  return sql<Drift[]>`
    with actual as (
      select topic, status, count(*)::int as n from shop_update.item group by topic, status
    ),
    counted as (
      select topic, status, sum(n)::int as n from (
        select topic, status, n from shop_update.status_count
        union all
        select topic, status, n from shop_update.unfolded() where kind = 'status') c
      where status <> 'synced' group by topic, status
    ),
    drift as (
      select topic, status, coalesce(c.n, 0) as counted, coalesce(a.n, 0) as actual
      from counted c full join actual a using (topic, status) where coalesce(c.n, 0) <> coalesce(a.n, 0)
    ),
    mended as (
      insert into shop_update.delta (kind, topic, status, n)
      select 'status', topic, status, actual - counted from drift
    )
    select topic, status, counted, actual from drift`
}

export interface CauseDrift {
  causeId: string
  status: Status
  counted: number
  actual: number
}

/**
 * The same for the causes. A correction leaves the numbers by status as they are. A worker of a version that knows no
 * causes clears none and counts none.
 */
export async function verifyCauses(sql: Sql): Promise<CauseDrift[]> {
  return sql<CauseDrift[]>`
    with actual as (
      select cause_id, status, count(*)::int as n from shop_update.item where cause_id is not null group by 1, 2
    ),
    counted as (
      select cause_id, status, sum(n)::int as n from (
        select cause_id, status, n from shop_update.cause_count
        union all
        select cause_id, status, n from shop_update.unfolded() where kind = 'status' and cause_id is not null) c
      group by 1, 2
    ),
    drift as (
      select cause_id, status, coalesce(c.n, 0) as counted, coalesce(a.n, 0) as actual
      from counted c full join actual a using (cause_id, status) where coalesce(c.n, 0) <> coalesce(a.n, 0)
    ),
    mended as (
      insert into shop_update.delta (kind, topic, status, cause_id, n)
      select 'status', 'price'::shop_update.topic, status, cause_id, actual - counted from drift
      union all
      select 'status', 'price', status, null, counted - actual from drift
    )
    select cause_id as "causeId", status, counted, actual from drift`
}
