import type { Sql } from '../database/database.ts'
import type { Exchange, Item } from '../domain/item.ts'
import type { Status } from '../domain/statuses.ts'
import { agoOf, atOf, type Commit, type Entered, type Micros } from '../domain/step.ts'
import { callCounts, cameColumns, claimSteps, freedSets, statusCounts } from './books.ts'

/** What a success row writes to the catalogue. Null keeps the present value. */
export interface WriteBack {
  productId: string
  srcId: string | null
  shopSku: string | null
  /** As the Shop sent it, without a zone: read in the venture's zone. Null: now. */
  updatedAt: string | null
  /** Noted in the history when the Shop spells a SKU differently. */
  spelling?: string | null
}

export interface Finish {
  item: Item
  /** Null if the answer was stored earlier (Response processing) or there was nothing to send. */
  exchange: Exchange | null
  /**
   * `performance.now()` of Got response, Building response payload and Response processing; null if the item never got
   * there.
   */
  at: { response: number; payload: number; processing: number } | null
  products: WriteBack[]
  /** The Shop's id of the set, if the answer brought it. */
  setSrcId: string | null
  /**
   * When the answered request left, as text; undefined: it is the item's last request, and the item has been in flight
   * since.
   */
  sentAt?: string
  /** Of the attempt, if no request has it. */
  traceId?: string
}

/** `stays`: a change that the answered request cannot contain keeps the item in the queue, Pending. */
export type Finished = (Commit & { stays?: true }) | 'lost' | 'locked'

/**
 * A success settles what was queued before the answered request was sent. It does not settle a change that `i` absorbed
 * since. An update then stays, Pending. A create is never sent twice, so it is done, and its products are queued as
 * `content`.
 */
const isUnsettled = (sql: Sql) => sql`coalesce(i.absorbed_at > x.sent_at, false)`

/**
 * Stores the final answer and what it writes to the catalogue in one statement: the item leaves the queue for the
 * history, its product has the Shop's ids, and its set is free. Got response, Building response payload and Response
 * processing share this statement with Synced unless something keeps them apart; each keeps its row, time and duration.
 *
 * The Shop's ids are written only where the catalogue has none: an existing id stays, because it may be an admin's
 * repair. A product that got another id while its update was out did not receive the update: the change is queued anew.
 *
 * A product or a set may be locked for long (by a transaction of Seller Center). `patient` takes only what is not
 * locked and reports the rest as `locked`. It costs one more row lock per product, so it is the second try, after the
 * first ran into `lock_timeout`.
 *
 * @param zone of the venture, for the Shop's `updated_at`
 * @returns what became of each, and the sets in which others wait
 */
export async function finish(
  sql: Sql,
  zone: string,
  entries: readonly Finish[],
  patient: boolean,
): Promise<{ results: Finished[]; setsWaiting: string[] }> {
  const now = performance.now()
  const ids = entries.map(({ item }) => item.id)
  const writes = entries.flatMap(({ item, products, setSrcId }) =>
    products.map((product) => ({ ...product, itemId: item.id, setSrcId })),
  )
  const sets = entries.filter(({ setSrcId }) => setSrcId !== null)
  const setIds = sets.map(({ item }) => item.productSetId)
  const productIds = writes.map(({ productId }) => productId)
  const ago = (stage: 'response' | 'payload' | 'processing') => entries.map(({ at }) => at && agoOf(now, at[stage]))
  // Only a callback can answer for an item that has not been in flight all the time, and only such an item absorbs
  // changes.
  const late = entries.some(({ sentAt }) => sentAt !== undefined)
  const writable = patient
    ? sql`writable as materialized (
      select p.id from catalog.product p
      where p.id = any (${productIds}::bigint[]) for no key update skip locked
    ),
    writable_set as materialized (
      select s.id from catalog.product_set s
      where s.id = any (${setIds}::bigint[]) for no key update skip locked
    ),
    locked as materialized (
      select w.item_id
      from unnest(${writes.map(({ itemId }) => itemId)}::bigint[], ${productIds}::bigint[]) w (item_id, product_id)
      where w.product_id in (select p.id from catalog.product p where p.id = any (${productIds}::bigint[]))
        and w.product_id not in (select id from writable)
      union all
      select w.item_id
      from unnest(${sets.map(({ item }) => item.id)}::bigint[], ${setIds}::bigint[]) w (item_id, set_id)
      where w.set_id in (select s.id from catalog.product_set s where s.id = any (${setIds}::bigint[]))
        and w.set_id not in (select id from writable_set)
    ),`
    : sql``
  const notes = entries.map(({ products }) => products.find(({ spelling }) => spelling)?.spelling ?? null)
  // there is hardly ever one
  const noteOf = notes.some((note) => note !== null)
    ? sql`(
        select n.note from unnest(${ids}::bigint[], ${notes}::text[]) n (id, note) where n.id = gone.id)`
    : sql`null`
  const [row] = await sql<{ ids: string[] | null; waiting: string[] | null; stays: string[] | null; now: Micros }[]>`
    with ${writable} x as (
      select * from unnest(
        ${ids}::bigint[],
        ${entries.map(({ item }) => item.token)}::int[],
        ${entries.map(({ exchange }) => exchange?.httpStatus ?? null)}::smallint[],
        ${entries.map(({ exchange }) => exchange?.milliseconds ?? null)}::real[],
        ${entries.map(({ exchange }) => exchange?.body ?? null)}::text[],
        ${ago('response')}::bigint[],
        ${ago('payload')}::bigint[],
        ${ago('processing')}::bigint[],
        ${entries.map(({ traceId }) => traceId ?? null)}::text[]
        ${late ? sql`, ${entries.map(({ sentAt }) => sentAt ?? null)}::text[]::timestamptz[]` : sql``})
        x (id, token, http, ms, body, response, payload, processing, trace_id ${late ? sql`, sent_at` : sql``})
    ),
    finished as (
      delete from shop_update.item i using x
      where i.id = x.id and i.token = x.token and i.lane = 'in_flight'
        ${patient ? sql`and i.id not in (select item_id from locked)` : sql``}
        ${late ? sql`and (shop_update.creates(i.topic) or not ${isUnsettled(sql)})` : sql``}
      returning ${answered(sql, sql`i`)}
    ),
    ${
      late
        ? sql`stayed as (
      update shop_update.item i
      set
        status = 'pending',
        lane = 'ready',
        status_at = shop_update.later(i.status_at),
        failures = 0,
        failed_at = null,
        run_at = now(),
        entered_at = now(),
        reason = 'newer_change'
      from x
      where i.id = x.id and i.token = x.token and i.lane = 'in_flight'
        and not shop_update.creates(i.topic) and ${isUnsettled(sql)}
      returning ${answered(sql, sql`old`)}
    ),
    gone as (
      select *, 'synced'::shop_update.status as goes_to from finished
      union all
      select *, 'pending' from stayed
    ),`
        : sql`gone as (select *, 'synced'::shop_update.status as goes_to from finished),`
    }
    written as (
      update catalog.product p
      set
        src_id = coalesce(p.src_id, w.src_id),
        shop_sku = case
          when p.src_id is null then coalesce(w.shop_sku, p.shop_sku)
          else coalesce(p.shop_sku, w.shop_sku) end,
        src_updated_at = coalesce(w.updated_at::timestamp at time zone ${zone}::text, now())
      from unnest(
        ${writes.map(({ itemId }) => itemId)}::bigint[],
        ${productIds}::bigint[],
        ${writes.map(({ srcId }) => srcId)}::text[],
        ${writes.map(({ shopSku }) => shopSku)}::text[],
        ${writes.map(({ updatedAt }) => updatedAt)}::text[]
      ) w (item_id, product_id, src_id, shop_sku, updated_at)
      where p.id = w.product_id and w.item_id in (select id from gone)
      returning w.item_id, p.src_id <> w.src_id as elsewhere
    ),
    again as (
      insert into shop_update.owed_change (topic, product_id)
      select f.topic, f.product_id from written w join finished f on f.id = w.item_id
      where w.elsewhere and not shop_update.creates(f.topic)
    ),
    named as (
      update catalog.product_set s set src_id = w.src_id
      from unnest(
        ${sets.map(({ item }) => item.id)}::bigint[],
        ${setIds}::bigint[],
        ${sets.map(({ setSrcId }) => setSrcId)}::text[]
      ) w (item_id, set_id, src_id)
      where s.id = w.set_id and s.src_id is null and w.item_id in (select id from gone)
    ),
    kept as (
      insert into shop_update.finished_item (
        id, seller_id, product_set_id, product_id, queued_at, finished_at, last_sent_at, request_id, sends, failures,
        coalesced, topic, status, flow, reason, trace_id)
      select id, seller_id, product_set_id, product_id, queued_at, done_at, last_sent_at, request_id, sends, failures,
        coalesced, topic, 'synced', flow, case when was = 'processing' then 'nothing_to_send' end, trace_id
      from finished
    ),
    freed as (
      ${freedSets(sql, sql`select product_set_id, id, 0 as next_id from gone`)}
    ),
    answered as (
      insert into shop_update.answer (
        request_id, item_id, answered_at, milliseconds, http_status, outcome, body,
        made_seconds, payload_at, processing_at, done_at, done_to, done_note)
      select request_id, id, response_at, ms, http, 'success', body,
        extract(epoch from response_at - since), payload_at, processing_at, done_at, goes_to, ${noteOf}
      from gone where ms is not null
    ),
    counted as (${statusCounts(sql, 'gone', sql`was`, sql`goes_to`)}
    ),
    synced as (
      insert into shop_update.delta (kind, slot, topic, bucket, n)
      select 'synced', date_trunc('hour', queued_at, 'UTC'), topic,
        shop_update.bucket(extract(epoch from done_at - queued_at)::double precision), count(*)
      from finished group by 2, 3, 4
    ),
    calls as (${callCounts(sql, 'gone', sql`'success'::text`)}
    ),
    noted as (
      -- for items without an answer just now: there was nothing to send, or the answer was stored before
      insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason, note)
      select s.*, null from (${claimSteps(sql, 'gone')}) s
      union all
      select id, done_at, was, 'synced', extract(epoch from done_at - since),
        case when was = 'processing' then 'nothing_to_send' end, ${noteOf}
      from gone where not called
    )
    select
      (select array_agg(id) from gone) as ids,
      (select array_agg(product_set_id) from freed where action = 'UPDATE') as waiting,
      (select array_agg(id) from gone where goes_to = 'pending') as stays,
      shop_update.micros(now()) as now`
  const commit: Commit = { now: row!.now, left: now }
  const staying = { ...commit, stays: true as const }
  const stays = new Set(row?.stays)
  const gone = new Set(row?.ids)
  let results: Finished[] = ids.map((id) => (stays.has(id) ? staying : gone.has(id) ? commit : 'lost'))
  if (patient && gone.size < ids.length) {
    const held = await sql<{ id: string }[]>`
      select i.id
      from shop_update.item i
      join unnest(${ids}::bigint[], ${entries.map(({ item }) => item.token)}::int[]) x (id, token)
        on i.id = x.id and i.token = x.token and i.lane = 'in_flight'`
    const locked = new Set(held.map(({ id }) => id))
    results = ids.map((id) => (gone.has(id) ? commit : locked.has(id) ? 'locked' : 'lost'))
  }
  return { results, setsWaiting: row?.waiting ?? [] }
}

/** For items that got a final answer, with `row` as the item before: what it was, and when it passed each status. */
const answered = (sql: Sql, row: ReturnType<Sql>) => sql`
  i.id,
  i.seller_id,
  i.product_set_id,
  i.product_id,
  i.queued_at,
  i.last_sent_at,
  i.request_id,
  i.sends,
  ${row}.failures,
  i.coalesced,
  i.topic,
  i.flow,
  coalesce(x.trace_id, i.trace_id) as trace_id,
  ${row}.status as was,
  ${row}.status_at as since,
  ${cameColumns(sql)},
  shop_update.later(${row}.status_at) as done_at,
  x.http,
  x.ms,
  x.body,
  -- a callback's response came before its worker read it
  case when ${row}.status = 'got_response' then ${row}.status_at
    else greatest(${row}.status_at, now() - x.response * interval '1 microsecond') end as response_at,
  greatest(${row}.status_at, now() - x.payload * interval '1 microsecond') as payload_at,
  greatest(${row}.status_at, now() - x.processing * interval '1 microsecond') as processing_at,
  x.response is not null as called`

/**
 * The steps that the final answer made, for an item that had been in `status` since `since`, as the statement wrote
 * them.
 */
export function finishSteps(
  status: Status,
  since: Micros,
  { at }: Pick<Finish, 'at'>,
  commit: Commit & { stays?: true },
): Entered[] {
  const done: Entered = {
    to: 'synced',
    at: Math.max(commit.now, since + 1),
    reason: status === 'processing' ? 'nothing_to_send' : null,
  }
  if (at === null) return [done]
  const of = (measured: number) => Math.max(since, atOf(commit, measured))
  const steps: Entered[] = [
    { to: 'building_response_payload', at: of(at.payload), reason: null },
    { to: 'response_processing', at: of(at.processing), reason: null },
    commit.stays ? { ...done, to: 'pending', reason: 'newer_change' } : { ...done, reason: null },
  ]
  return status === 'got_response' ? steps : [{ to: 'got_response', at: of(at.response), reason: null }, ...steps]
}
