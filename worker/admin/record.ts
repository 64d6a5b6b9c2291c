import type { Sql } from '../database/database.ts'
import type { Refusal } from '../domain/reasons.ts'
import type { RequeueInclude } from '../domain/requeue.ts'
import { NOTHING_YET, type Outcome, type RunKind, type RunResult, type RunState } from '../domain/run.ts'
import type { Topic } from '../domain/topics.ts'
import type { Selection } from '../read/selection.ts'
import { SKIPPED_LISTED } from './actions.ts'

/** A run as it stands. */
export interface RunRow extends RunResult {
  id: string
  kind: RunKind
  /** Of ids their number. */
  target: { items: number } | { sets: number } | { products: number } | { filter: Selection }
  /** The text of the cause in its filter. */
  cause: string | null
  include: RequeueInclude[]
  topics: Topic[]
  reason: string | null
  force: boolean
  mayCreateTwice: boolean
  previewed: Record<string, number> | null
  createdAt: Date
  createdBy: string
  state: RunState
  /** When the last part was done. */
  progressedAt: Date
  endedAt: Date | null
  /** Who stopped it. */
  endedBy: string | null
}

export interface RunDetail extends RunRow {
  /** What became of the items taken so far. */
  outcome: Partial<Record<Outcome, number>>
  /** Items taken whose outcome is not in `outcome`: too many to look at each now. */
  unread: number
  /** The first skipped items. */
  skipped: { itemId: string | null; productId: string | null; reason: Refusal }[]
}

/** Up to so many items of a run that are still in the queue are looked at: 20,000 take 130 ms. */
const LOOKED_AT = 20_000

type StoredRun = Omit<RunRow, keyof RunResult> & {
  result: Partial<RunResult>
  outcome: Partial<Record<Outcome, number>>
}

const columns = (sql: Sql) => sql`
  r.id, r.kind,
  case
    when r.target ? 'itemIds' then jsonb_build_object('items', jsonb_array_length(r.target -> 'itemIds'))
    when r.target ? 'productSetIds'
      then jsonb_build_object('sets', jsonb_array_length(r.target -> 'productSetIds'))
    when r.target ? 'productIds' then jsonb_build_object('products', jsonb_array_length(r.target -> 'productIds'))
    else r.target end as target,
  (select c.pattern from shop_update.cause c where c.id = (r.target #>> '{filter,cause}')::bigint) as cause,
  r.include, r.topics, r.reason, r.force, r.may_create_twice as "mayCreateTwice", r.previewed,
  r.created_at as "createdAt", r.created_by as "createdBy", r.state, r.progressed_at as "progressedAt",
  r.ended_at as "endedAt", r.ended_by as "endedBy", r.result, r.outcome`

const toRow = ({ result, outcome: _, ...run }: StoredRun): RunRow => ({ ...run, ...NOTHING_YET, ...result })

/** Runs that have not ended, the newest first. */
export const readOpenRuns = async (sql: Sql): Promise<RunRow[]> =>
  (
    await sql<StoredRun[]>`select ${columns(sql)} from shop_update.run r where state = 'running' order by r.id desc`
  ).map(toRow)

export interface OpenRuns {
  runs: number
  /** How long the one that has not got on for longest has not; 0 if there is none. */
  idleSeconds: number
}

export async function countOpenRuns(sql: Sql): Promise<OpenRuns> {
  const [row] = await sql<OpenRuns[]>`
    select count(*)::int as runs,
      coalesce(extract(epoch from now() - min(progressed_at)), 0)::float8 as "idleSeconds"
    from shop_update.run where state = 'running'`
  return row!
}

/** One run with what came of it, as of one moment. @returns null if there is none */
export const readRun = (sql: Sql, id: string): Promise<RunDetail | null> =>
  sql.begin('isolation level repeatable read read only', async (session) => {
    const tx = session as unknown as Sql
    const [run] = await tx<StoredRun[]>`select ${columns(tx)} from shop_update.run r where r.id = ${id}::bigint`
    if (!run) return null
    const outcome = { ...run.outcome }
    const gone = Object.values(outcome).reduce((sum, n) => sum + n, 0)
    const row = toRow(run)
    const open = row.taken - gone
    const here = open > LOOKED_AT ? [] : await readOutcomes(tx, id, run.createdAt)
    const skipped = await tx<RunDetail['skipped'][number][]>`
      (select item_id::text as "itemId", null as "productId", result as reason from shop_update.run_item
        where run_id = ${id}::bigint and result <> 'taken' order by item_id limit ${SKIPPED_LISTED}::int)
      union all
      (select null, product_id::text, result from shop_update.run_refused
        where run_id = ${id}::bigint order by product_id, topic limit ${SKIPPED_LISTED}::int)`
    for (const { outcome: what, n } of here) outcome[what] = (outcome[what] ?? 0) + n
    return { ...row, outcome, unread: open > LOOKED_AT ? open : 0, skipped: [...skipped] }
  }) as Promise<RunDetail | null>

const readOutcomes = (sql: Sql, id: string, since: Date) => sql<{ outcome: Outcome; n: number }[]>`
  select ${outcomeOf(sql)} as outcome, count(*)::int as n
  from shop_update.run_item o
    left join shop_update.item i on i.id = o.item_id
    left join lateral (
      select f.status from shop_update.finished_item f
      where i.id is null and f.id = o.item_id and f.finished_at >= ${since}::timestamptz limit 1) f on true
  where o.run_id = ${id}::bigint and o.result = 'taken' and o.outcome is null
  group by 1`

const outcomeOf = (sql: Sql) => sql`
  case
    when i.id is null then case when f.status = 'synced' then 'synced' else 'ended' end
    when i.status = 'blocked' then 'blocked_again'
    when i.status in ('delayed', 'failed') and i.reason <> 'stock_wait' then 'failed_again'
    else 'on_its_way'
  end`

const OUTCOMES_A_LOOK = 2000

/**
 * Notes what became of items of runs that have left the queue, so that a run of a million is told from numbers.
 *
 * @param after where the last look ended, '0' at first
 * @returns where the next one begins ('0': from the start), and how many items were looked at
 */
export async function noteOutcomes(
  sql: Sql,
  after: string,
): Promise<{ last: string; seen: number; milliseconds: number }> {
  const began = performance.now()
  const [run = '0', item = '0'] = after.split(':')
  const [row] = await sql<{ seen: number; last: string | null }[]>`
    with open as materialized (
      select o.run_id, o.item_id, r.created_at
      from shop_update.run_item o join shop_update.run r on r.id = o.run_id
      where o.result = 'taken' and o.outcome is null and (o.run_id, o.item_id) > (${run}::bigint, ${item}::bigint)
      order by o.run_id, o.item_id limit ${OUTCOMES_A_LOOK}::int
    ),
    gone as (
      select o.run_id, o.item_id, case when f.status = 'synced' then 'synced' else 'ended' end as outcome
      from open o cross join lateral (
        select f.status from shop_update.finished_item f
        where f.id = o.item_id and f.finished_at >= o.created_at limit 1) f
      where not exists (select from shop_update.item i where i.id = o.item_id)
    ),
    noted as (
      update shop_update.run_item r set outcome = g.outcome from gone g
      where r.run_id = g.run_id and r.item_id = g.item_id and r.outcome is null
      returning r.run_id, r.outcome
    ),
    counted as (
      select run_id,
        count(*) filter (where outcome = 'synced') as synced, count(*) filter (where outcome = 'ended') as ended
      from noted group by run_id
    ),
    added as (
      update shop_update.run r set outcome = jsonb_build_object(
        'synced', coalesce((r.outcome ->> 'synced')::int, 0) + c.synced,
        'ended', coalesce((r.outcome ->> 'ended')::int, 0) + c.ended)
      from counted c where r.id = c.run_id
    )
    select count(*)::int as seen,
      (select run_id || ':' || item_id from open order by run_id desc, item_id desc limit 1) as last
    from open`
  const { seen, last } = row!
  return {
    last: seen < OUTCOMES_A_LOOK ? '0' : last!,
    seen,
    milliseconds: performance.now() - began,
  }
}

const FORGOTTEN_AT_ONCE = 20_000

/** Deletes items of runs that ended before the history begins, some at a time; the runs themselves stay on record. */
export async function forgetRuns(sql: Sql, days: number): Promise<void> {
  await sql`
    delete from shop_update.run_refused where (run_id, product_id, topic) in (
      select f.run_id, f.product_id, f.topic from shop_update.run r join shop_update.run_refused f on f.run_id = r.id
      where r.ended_at < now() - ${days}::int * interval '1 day' limit ${FORGOTTEN_AT_ONCE}::int)`
  await sql`
    delete from shop_update.run_item where (run_id, item_id) in (
      select i.run_id, i.item_id from shop_update.run r join shop_update.run_item i on i.run_id = r.id
      where r.ended_at < now() - ${days}::int * interval '1 day' limit ${FORGOTTEN_AT_ONCE}::int)`
}

/** What somebody did by hand. */
export interface Entry {
  id: string
  at: Date
  actor: string
  action: string
  detail: Record<string, unknown>
  /** The run that it belongs to. */
  runId: string | null
}

export interface EntryFilter {
  actor?: string | undefined
  action?: string | undefined
  /** At or after, before: ISO 8601. */
  from?: string | undefined
  to?: string | undefined
}

/**
 * The record of what was done by hand, the newest first: runs, single actions, settings. The beginning of a run is left
 * out: it is listed among those under way, and by its end.
 *
 * @param before the id of the last entry that the caller has
 */
export const readEntries = (
  sql: Sql,
  { actor, action, from, to }: EntryFilter,
  before: string | null,
  limit: number,
): Promise<Entry[]> => sql<Entry[]>`
  select a.id, a.at, a.actor, a.action, a.detail ->> 'run' as "runId",
    -- thousands of ids of earlier releases
    a.detail - '{itemIds,productSetIds}'::text[] || jsonb_strip_nulls(jsonb_build_object(
      'cause', (select c.pattern from shop_update.cause c where c.id = (a.detail #>> '{filter,cause}')::bigint),
      'items', coalesce(a.detail -> 'items', to_jsonb(jsonb_array_length(a.detail -> 'itemIds'))),
      'sets', coalesce(a.detail -> 'sets', to_jsonb(jsonb_array_length(a.detail -> 'productSetIds'))))) as detail
  from shop_update.audit a
  where not (a.action like '%\\_begun' and a.detail ? 'run')
    and (${actor ?? null}::text is null or a.actor = ${actor ?? null}::text)
    and (${action ?? null}::text is null or a.action = ${action ?? null}::text)
    and (${from ?? null}::text is null or a.at >= ${from ?? null}::text::timestamptz)
    and (${to ?? null}::text is null or a.at < ${to ?? null}::text::timestamptz)
    and (${before}::bigint is null or a.id < ${before}::bigint)
  order by a.id desc limit ${limit}::int`
