import type { Sql } from '../database/database.ts'
import type { Exchange, Item } from '../domain/item.ts'
import type { Status } from '../domain/statuses.ts'
import { agoOf, atOf, type Commit, type Entered, type Micros } from '../domain/step.ts'
import { callCounts, cameColumns, claimSteps, freedSets, leftBehind, statusCounts, touched } from './books.ts'
import { keptIds } from './kept-ids.ts'

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
   * The callback that answers: the item is at rest, and locked by this transaction. Undefined: the item is in flight,
   * and this is the answer to its last request. All entries of a statement are of one kind.
   */
  callback?: AnsweringCallback
  /** Of the attempt, if no request has it: 41 bytes less an item where one does. */
  traceId?: string
}

/** A callback as it was recorded; times are those of the database, as text. */
export interface AnsweringCallback {
  id: string
  receivedAt: string
  /** When the answered request left. */
  sentAt: string
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
  // changes. It is taken from its rest and leaves the queue in one statement, with its callback's steps: Got response
  // as an update of its own cost 30 us and 200 bytes of WAL an item more.
  const callbacks = entries.flatMap(({ callback }) => callback ?? [])
  const late = callbacks.length > 0
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
        ${
          late
            ? sql`,
        ${callbacks.map(({ id }) => id)}::bigint[],
        ${callbacks.map(({ receivedAt }) => receivedAt)}::text[]::timestamptz[],
        ${callbacks.map(({ sentAt }) => sentAt)}::text[]::timestamptz[]`
            : sql``
        }) x (id, token, http, ms, body, response, payload, processing, trace_id
          ${late ? sql`, callback_id, received_at, sent_at` : sql``})
    ),
    finished as (
      delete from shop_update.item i using x
      where i.id = x.id and i.token = x.token
        ${patient ? sql`and i.id not in (select item_id from locked)` : sql``}
        ${
          late
            ? sql`and i.lane <> 'in_flight' and (shop_update.creates(i.topic) or not ${isUnsettled(sql)})`
            : sql`and i.lane = 'in_flight'`
        }
      returning ${answered(sql, sql`i`, late)}
    ),
    ${
      late
        ? sql`stayed as (
      update shop_update.item i
      set
        status = 'pending',
        lane = 'ready',
        status_at = shop_update.later(${gotAt(sql, sql`i`)}),
        token = i.token + 1,
        fresh = false,
        failures = 0,
        failed_at = null,
        run_at = now(),
        entered_at = now(),
        reason = 'newer_change',
        message = null,
        cause_id = null
      from x
      where i.id = x.id and i.token = x.token and i.lane <> 'in_flight'
        and not shop_update.creates(i.topic) and ${isUnsettled(sql)}
      returning ${answered(sql, sql`old`, late)}
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
      set ${keptIds(sql, zone)}
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
    ${
      late
        ? sql`called_back as (
      update shop_update.callback c
      set
        applied_at = now(),
        taken_from = gone.was,
        taken_seconds = extract(epoch from gone.response_at - gone.since),
        taken_at = gone.response_at,
        payload_at = gone.payload_at,
        processing_at = gone.processing_at,
        done_at = gone.done_at,
        done_to = gone.goes_to,
        done_reason = case when gone.goes_to = 'pending' then 'newer_change' end,
        done_note = ${noteOf}
      from gone
      -- so one index of one day finds it
      where c.item_id = gone.id and c.received_at = gone.received_at and c.id = gone.callback_id
        and c.applied_at is null
    ),
    ${leftBehind(sql, 'gone')},`
        : sql`freed as (
      ${freedSets(sql, sql`select product_set_id, id, 0 as next_id from gone`)}
    ),`
    }
    answered as (
      insert into shop_update.answer (
        request_id, item_id, answered_at, milliseconds, http_status, outcome, body,
        made_seconds, payload_at, processing_at, done_at, done_to, done_note)
      select request_id, id, response_at, ms, http, 'success', body,
        extract(epoch from response_at - since), payload_at, processing_at, done_at, nullif(goes_to, 'synced'),
        ${noteOf}
      from gone where ms is not null
    ),
    counted as (${statusCounts(sql, 'gone', sql`was`, sql`goes_to`, late ? { from: sql`was_cause` } : {})}
    ),
    told as (${touched(sql, 'gone')}
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
      ${late ? sql`null` : sql`(select array_agg(product_set_id) from freed where action = 'UPDATE')`} as waiting,
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

/** When a callback made an item Got response that had been `row`. */
const gotAt = (sql: Sql, row: ReturnType<Sql>) => sql`shop_update.later(${row}.status_at, x.received_at)`

/**
 * For items that got a final answer, with `row` as the item before: what it was, and when it passed each status.
 *
 * @param late the answer was a callback
 */
function answered(sql: Sql, row: ReturnType<Sql>, late: boolean) {
  const since = late ? gotAt(sql, row) : sql`${row}.status_at`
  return sql`
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
  x.trace_id,
  ${row}.status as was,
  ${row}.status_at as since,
  ${cameColumns(sql)},
  shop_update.later(${since}) as done_at,
  x.http,
  x.ms,
  x.body,
  ${late ? since : sql`greatest(${since}, now() - x.response * interval '1 microsecond')`} as response_at,
  greatest(${since}, now() - x.payload * interval '1 microsecond') as payload_at,
  greatest(${since}, now() - x.processing * interval '1 microsecond') as processing_at,
  x.response is not null as called
  ${late ? sql`, ${row}.lane, ${row}.cause_id as was_cause, x.callback_id, x.received_at` : sql``}`
}

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
