import type { Sql } from '../database/database.ts'
import type { Item } from '../domain/item.ts'
import type { Flow } from '../domain/statuses.ts'
import { agoOf, atOf, type Commit, type Entered, type Micros } from '../domain/step.ts'
import { cameColumns, statusCounts } from './books.ts'

export interface NewRequest {
  item: Item
  flow: Flow
  traceId: string
  /** The call element as JSON, without the auth element. */
  body: string
  /** `performance.now()` when the payload was built. */
  builtAt: number
}

/**
 * Building payload and Made request in one statement, committed before the call leaves: any reader of "Made request"
 * must assume that the Shop may have the call. Each keeps its own row and time in the history.
 *
 * @returns the commit of each request; null if the item no longer belongs to this worker: then nothing may be sent
 */
export async function makeRequest(sql: Sql, requests: readonly NewRequest[]): Promise<(Commit | null)[]> {
  const now = performance.now()
  const ids = requests.map(({ item }) => item.id)
  const [row] = await sql<{ ids: string[] | null; now: number }[]>`
    with x as (
      select * from unnest(
        ${ids}::bigint[],
        ${requests.map(({ item }) => item.token)}::int[],
        ${requests.map(({ item }) => item.requestId)}::bigint[],
        ${requests.map(({ flow }) => flow)}::text[],
        ${requests.map(({ traceId }) => traceId)}::text[],
        ${requests.map(({ body }) => body)}::text[],
        ${requests.map(({ builtAt }) => agoOf(now, builtAt))}::bigint[]
      ) x (id, token, request_id, flow, trace_id, body, ago)
    ),
    moved as (
      update shop_update.item i
      set
        status = 'made_request',
        status_at = shop_update.later(i.status_at),
        request_id = x.request_id,
        flow = x.flow::shop_update.flow,
        trace_id = x.trace_id,
        sends = i.sends + 1,
        last_sent_at = shop_update.later(i.status_at)
      from x
      where i.id = x.id and i.token = x.token and i.status = 'processing'
      returning
        i.id,
        i.topic,
        i.status_at,
        ${cameColumns(sql)},
        x.request_id,
        x.flow,
        x.trace_id,
        x.body,
        greatest(old.status_at, now() - x.ago * interval '1 microsecond') as built_at
    ),
    sent as (
      insert into shop_update.request (
        request_id, item_id, sent_at, flow, trace_id, body, claimed_at, claimed_from, claimed_seconds, built_at)
      select request_id, id, status_at, flow::shop_update.flow, trace_id, body,
        came_at, came_from, came_seconds, built_at
      from moved
    ),
    counted as (${statusCounts(
      sql,
      'moved',
      sql`'processing'::shop_update.status`,
      sql`'made_request'::shop_update.status`,
    )}
    )
    select array_agg(id) as ids, shop_update.micros(now()) as now from moved`
  const commit: Commit = { now: row!.now, left: now }
  const moved = new Set(row?.ids)
  if (moved.size === ids.length) return ids.map(() => commit)
  // Not moved: lost to another worker, or this very statement was committed before its connection broke. The request
  // tells which.
  const made = await sql<{ id: string; token: number }[]>`
    select i.id, i.token
    from shop_update.item i
    join unnest(${ids}::bigint[], ${requests.map(({ item }) => item.requestId)}::bigint[]) x (id, request_id)
      on i.id = x.id and i.request_id = x.request_id and i.status = 'made_request'`
  const tokens = new Map(made.map(({ id, token }) => [id, token]))
  return requests.map(({ item }) => (tokens.get(item.id) === item.token || moved.has(item.id) ? commit : null))
}

/**
 * The steps Building payload and Made request of an item that became Processing at `since`, as the statement wrote
 * them.
 */
export function requestSteps(since: Micros, { builtAt }: Pick<NewRequest, 'builtAt'>, commit: Commit): Entered[] {
  return [
    { to: 'building_payload', at: Math.max(since, atOf(commit, builtAt)), reason: null },
    { to: 'made_request', at: Math.max(commit.now, since + 1), reason: null },
  ]
}
