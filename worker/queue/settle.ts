import type { Sql } from '../database/database.ts'
import { NO_ANSWER, patternOf } from '../domain/cause.ts'
import type { Exchange, Item } from '../domain/item.ts'
import type { ReasonCode } from '../domain/reasons.ts'
import { agoOf, atOf, type Commit, type Entered, type Micros } from '../domain/step.ts'
import { TOPICS } from '../domain/topics.ts'
import { callCounts, cameColumns, claimSteps, freedSets, newCauses, statusCounts, touched } from './books.ts'

/** Where an unfinished item goes. */
export interface Settlement {
  item: Item
  to: 'pending' | 'got_acknowledgment' | 'delayed' | 'failed' | 'blocked' | 'response_processing'
  reason: ReasonCode | null
  /** A sentence for people; null if the reason says everything. */
  message: string | null
  exchange: Exchange | null
  /** `performance.now()` when the answer was there; null if none came. */
  answeredAt: number | null
  /**
   * For Delayed and Failed: seconds until the next retry; null when the retries are exhausted. For Pending: it is put
   * off for so long; null: it is ready.
   */
  retryInSeconds: number | null
  /** Of the attempt, if no request has it. */
  traceId?: string
}

const LANES = {
  pending: 'ready',
  got_acknowledgment: 'awaiting',
  delayed: 'delayed',
  failed: 'delayed',
  blocked: 'blocked',
  response_processing: 'in_flight',
} as const

const laneOf = ({ to, retryInSeconds }: Settlement) =>
  to === 'pending' && retryInSeconds !== null ? 'delayed' : LANES[to]

const hasCause = ({ to, reason }: Settlement): boolean =>
  reason !== null && (to === 'delayed' || to === 'failed' || to === 'blocked')

/**
 * Stores what an answer, or its absence, did to an item that stays in the queue; afterwards its set is free. An answer
 * other than the acknowledgment passes through Got response. With `response_processing` the worker keeps the item, its
 * lease and its set: the answer is stored and waits for a locked product.
 *
 * @returns the commit of each, null if the item no longer belonged to this worker; and the sets in which others wait
 */
export async function settle(
  sql: Sql,
  entries: readonly Settlement[],
): Promise<{ results: (Commit | null)[]; setsWaiting: string[] }> {
  const now = performance.now()
  const ids = entries.map(({ item }) => item.id)
  // most entries have none: the acknowledgments
  const causes = entries.some(hasCause)
  const ofExchange = <Field extends keyof Exchange>(field: Field) =>
    entries.map(({ exchange }) => exchange?.[field] ?? null)
  const [row] = await sql<{ ids: string[] | null; waiting: string[] | null; now: Micros }[]>`
    with x as (
      select * from unnest(
        ${ids}::bigint[],
        ${entries.map(({ item }) => item.token)}::int[],
        ${entries.map(({ to }) => to)}::text[],
        ${entries.map(laneOf)}::text[],
        ${entries.map(({ reason }) => reason)}::text[],
        ${entries.map(({ message }) => message)}::text[],
        ${ofExchange('httpStatus')}::smallint[],
        ${ofExchange('milliseconds')}::real[],
        ${ofExchange('outcome')}::text[],
        ${ofExchange('body')}::text[],
        ${entries.map(({ answeredAt }) => (answeredAt === null ? null : agoOf(now, answeredAt)))}::bigint[],
        ${entries.map(({ retryInSeconds }) => retryInSeconds)}::double precision[],
        ${entries.map(({ traceId }) => traceId ?? null)}::text[]
        ${
          causes
            ? sql`,
        ${entries.map((entry) => (hasCause(entry) ? TOPICS[entry.item.topic].method : null))}::text[],
        ${entries.map(({ exchange }) => exchange && (exchange.httpStatus ?? NO_ANSWER))}::smallint[],
        ${entries.map((entry) => (hasCause(entry) ? patternOf(entry.message) : null))}::text[]`
            : sql``
        }
      ) x (id, token, to_status, lane, reason, message, http, ms, outcome, body, ago, retry_in, trace_id
        ${causes ? sql`, cause_method, cause_http, pattern` : sql``})
    ),
    moved as (
      update shop_update.item i
      set
        status = x.to_status::shop_update.status,
        lane = x.lane::shop_update.lane,
        status_at = shop_update.later(i.status_at),
        reason = x.reason,
        message = x.message,
        ${
          causes
            ? sql`cause_id = case when x.pattern is not null
          then shop_update.kept_cause(x.reason, x.cause_method, x.cause_http, x.pattern) end,`
            : sql``
        }
        trace_id = coalesce(x.trace_id, i.trace_id),
        -- handed back with a written request that was not sent: the request does not count
        sends = i.sends - case
          when x.to_status = 'pending' and x.outcome is null and i.status = 'made_request' then 1
          else 0 end,
        failures = i.failures + case when x.reason = 'failure' then 1 else 0 end,
        -- decision 14: when it was last tried, not when the Shop reported the failure, maybe days later
        failed_at = case
          when x.reason is distinct from 'failure' then i.failed_at
          when i.status = 'processing' then now()
          else greatest(i.failed_at, coalesce(i.last_sent_at, now())) end,
        entered_at = case when x.reason = 'failure' then now() else i.entered_at end,
        run_at = case
          when x.lane <> 'delayed' then i.run_at
          when x.retry_in is null then 'infinity'
          else now() + x.retry_in * interval '1 second' end
      from x
      where i.id = x.id and i.token = x.token and i.lane = 'in_flight'
        and not (i.status = 'response_processing' and x.to_status = 'response_processing')
      returning
        i.id,
        i.product_set_id,
        i.product_id,
        i.topic,
        i.request_id,
        i.flow,
        i.lane,
        i.status,
        i.status_at,
        i.reason,
        ${causes ? sql`i.cause_id, x.cause_method, x.cause_http, x.pattern, x.message,` : sql``}
        old.status as was,
        old.status_at as since,
        ${cameColumns(sql)},
        x.http,
        x.ms,
        x.outcome,
        x.body,
        case when x.ago is not null then greatest(old.status_at, now() - x.ago * interval '1 microsecond') end
          as answered_at
    ),
    freed as (
      ${freedSets(
        sql,
        // what is handed back keeps its turn
        sql`select product_set_id, id, case when lane = 'ready' then id else 0 end as next_id
          from moved where lane <> 'in_flight'`,
      )}
    ),
    answered as (
      insert into shop_update.answer (
        request_id, item_id, answered_at, milliseconds, http_status, outcome, body,
        made_seconds, payload_at, processing_at, done_at, done_to, done_reason)
      select request_id, id, coalesce(answered_at, status_at), ms, http, outcome, body,
        extract(epoch from case when status = 'got_acknowledgment' then status_at
          else coalesce(answered_at, status_at) end - since),
        case when stored then answered_at end,
        case when stored then status_at end,
        case when not stored then status_at end,
        case when not stored then status end,
        case when not stored then reason end
      from moved cross join lateral (select status = 'response_processing' as stored) s
      where outcome is not null
    ),
    counted as (${statusCounts(sql, 'moved', sql`was`, sql`status`, causes ? { to: sql`cause_id` } : {})}
    ),
    ${causes ? sql`causes as (${newCauses(sql, 'moved')}),` : sql``}
    called as (${callCounts(sql, 'moved', sql`outcome`)}
    ),
    told as (${touched(sql, 'moved')}
    ),
    noted as (
      insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason)
      ${claimSteps(sql, 'moved')}
      union all
      select id, status_at, was, status, extract(epoch from status_at - since), reason from moved
      -- those of a callback are in its own row
      where outcome is null and was <> 'got_response'
    )
    select
      (select array_agg(id) from moved) as ids,
      (select array_agg(product_set_id) from freed where action = 'UPDATE') as waiting,
      shop_update.micros(now()) as now`
  const moved = new Set(row?.ids)
  const commit: Commit = { now: row!.now, left: now }
  return { results: ids.map((id) => (moved.has(id) ? commit : null)), setsWaiting: row?.waiting ?? [] }
}

/** The steps that a settlement made, for an item in its status since `since`, as the statement wrote them. */
export function settleSteps(
  since: Micros,
  { to, reason, answeredAt }: Pick<Settlement, 'to' | 'reason' | 'answeredAt'>,
  commit: Commit,
): Entered[] {
  const at = Math.max(commit.now, since + 1)
  const steps: Entered[] = []
  if (answeredAt !== null && to !== 'got_acknowledgment') {
    const answered = Math.max(since, atOf(commit, answeredAt))
    steps.push({ to: 'got_response', at: answered, reason: null })
    if (to === 'response_processing') steps.push({ to: 'building_response_payload', at: answered, reason: null })
  }
  steps.push({ to, at, reason })
  return steps
}
