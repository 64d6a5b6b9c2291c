import { createHash } from 'node:crypto'
import { isConnectionError, type Sql, transaction } from '../database/database.ts'
import type { CallbackSubject, RecordedCallback } from '../domain/callback.ts'
import type { Status } from '../domain/statuses.ts'
import { storable } from '../domain/text.ts'
import { groupCommit } from './group-commit.ts'

/** A callback as it is recorded. */
export interface ReceivedCallback {
  /** The id of the call as text. An impossible request ID is recorded too, as unknown. */
  requestId: string
  /** SHA-256 of the result: see `digestOf`. */
  digest: Buffer
  /** The result as JSON. */
  body: string
  /** The client's address. */
  remote: string | null
  /** Of the trace that it began. */
  traceId: string
}

/**
 * The limit for callbacks that wait for their statement, in characters. Beyond it they are refused at once: the Shop
 * keeps them and sends them again.
 */
const MOST_WAITING = 32 * 1024 * 1024

/** A PostgreSQL index row holds 2,704 bytes: 255 characters of at most 4 bytes always fit. */
const LONGEST_ID = 255

/** As text, so that `0481516` and `4.8e5` are other ids. 18 digits always fit a bigint. */
const REQUEST_ID = /^(0|[1-9]\d{0,17})$/

/**
 * Records callbacks; those that arrive while a statement runs share the next one. Resolves after the commit: only then
 * may the Shop hear of success. Rejects when the callback could not be recorded, or the connection broke and the
 * outcome is unknown: the Shop sends it again, and if it was recorded, it is then a duplicate. So a broken connection
 * is not waited for here.
 *
 * `most`: until the commit every callback holds a lock in the shared lock table, which has room for some thousands.
 */
export function recordCallback(sql: Sql): (callback: ReceivedCallback) => Promise<RecordedCallback> {
  const commit = groupCommit<ReceivedCallback, RecordedCallback | { lost: unknown }>(
    async (callbacks) => {
      try {
        return await recordCallbacks(sql, callbacks)
      } catch (error) {
        if (!isConnectionError(error)) throw error
        return callbacks.map(() => ({ lost: error }))
      }
    },
    { most: 200, sizeOf: ({ body }) => body.length },
  )
  let waiting = 0
  return async (callback) => {
    const size = callback.body.length
    if (waiting + size > MOST_WAITING) throw new Error('Too many callbacks are waiting to be recorded.')
    waiting += size
    try {
      const outcome = await commit(callback)
      if ('lost' in outcome) throw outcome.lost
      return outcome
    } finally {
      waiting -= size
    }
  }
}

/**
 * One transaction of two statements. The first takes an advisory lock on each request ID, the second looks for earlier
 * callbacks and inserts. They must be two: a statement sees the database as of its start, so one that waited for the
 * lock itself would not see what the lock's holder committed meanwhile, and would record the same callback twice. (A
 * unique index cannot be the guard either: on a table partitioned by time it would have to contain the time.) All take
 * their locks in the same order, so there is no deadlock.
 *
 * A request is looked up in the newest partition first, and its earlier callbacks only in partitions since it was sent.
 * An unknown ID has no past: it may become the ID of a request later, and its callback is accepted then.
 *
 * @returns the outcome of each, in order
 */
async function recordCallbacks(sql: Sql, callbacks: readonly ReceivedCallback[]): Promise<RecordedCallback[]> {
  const keys = callbacks.map(({ requestId }) => (REQUEST_ID.test(requestId) ? requestId : null))
  type Row = Omit<RecordedCallback, 'subject'> & { [Field in keyof CallbackSubject]: CallbackSubject[Field] | null }
  const [, rows] = await transaction(sql, (tx) =>
    Promise.all([
      tx`
        select pg_advisory_xact_lock(hashtext('shop_update.callback'), k.lock) from (
          select distinct hashtext(key) as lock from unnest(${keys}::text[]) x (key)
          where key is not null order by lock) k`,
      tx<Row[]>`
        with x as materialized (
          select
            x.*,
            r.item_id,
            r.flow,
            r.trace_id as answers,
            i.id is not null as in_queue,
            i.topic,
            i.seller_id,
            i.product_set_id,
            i.product_id,
            row_number() over (partition by x.request_id, x.digest order by x.place) > 1 or exists (
              select from shop_update.callback c
              where c.request_id = x.request_id and c.received_at >= r.sent_at
                and c.received_at < now() + interval '1 day'
                and c.digest = decode(x.digest, 'hex') and c.outcome <> 'unknown'
            ) as repeated
          from unnest(
            ${keys}::bigint[],
            ${callbacks.map(({ requestId }) => storable(requestId.slice(0, LONGEST_ID)))}::text[],
            ${callbacks.map(({ digest }) => digest.toString('hex'))}::text[],
            ${callbacks.map(({ remote }) => remote)}::text[],
            ${callbacks.map(({ body }) => storable(body))}::text[],
            ${callbacks.map(({ traceId }) => traceId)}::text[]
          ) with ordinality x (key, request_id, digest, remote, body, trace_id, place)
          left join lateral (
            select item_id, sent_at, flow, trace_id from shop_update.request r
            -- the days to come are there already
            where r.request_id = x.key and r.sent_at < now() + interval '1 day' order by sent_at desc limit 1) r on true
          left join shop_update.item i on i.id = r.item_id
        ),
        judged as materialized (
          select
            x.*,
            o.outcome,
            o.outcome = 'accepted' or o.outcome = 'late' and exists (
              -- a create that succeeded in the Shop always has consequences: see life/late-callbacks.ts
              select from shop_update.finished_item f
              where f.id = x.item_id and shop_update.creates(f.topic)) as to_apply
          from x cross join lateral (
            select case
              when item_id is null then 'unknown'
              when repeated then 'duplicate'
              when in_queue then 'accepted'
              else 'late' end as outcome) o
        ),
        recorded as (
          insert into shop_update.callback (applied_at, request_id, item_id, outcome, digest, remote, body, trace_id)
          select case when not to_apply then now() end, request_id, item_id, outcome, decode(digest, 'hex'),
            remote::inet, body, trace_id
          from judged order by place
        ),
        notified as (select pg_notify('shop_update_callback', '') where exists (select from judged where to_apply))
        select
          outcome,
          item_id as "itemId",
          answers,
          topic,
          flow,
          seller_id as "sellerId",
          product_set_id as "productSetId",
          product_id as "productId"
        from judged
        -- referenced here; otherwise it would not run
        where (select count(*) from notified) >= 0 order by place`,
    ]),
  )
  return rows.map(({ outcome, itemId, answers, topic, sellerId, productSetId, ...rest }) => ({
    outcome,
    itemId,
    answers,
    subject:
      topic === null || sellerId === null || productSetId === null ? null : { topic, sellerId, productSetId, ...rest },
  }))
}

/** What the Shop may ask about a request. */
export interface CallbackState {
  /** Whether its callback has arrived. */
  received: boolean
  /** Of its item. */
  status: Status
}

/** @returns null if no request has this ID, or it is older than the history */
export async function callbackState(sql: Sql, requestId: string): Promise<CallbackState | null> {
  if (!REQUEST_ID.test(requestId)) return null
  const [row] = await sql<{ received: boolean; status: Status | null }[]>`
    select
      exists (select from shop_update.callback c
        where c.request_id = r.request_id::text and c.received_at >= r.sent_at and c.outcome <> 'unknown') as received,
      coalesce(
        (select status from shop_update.item i where i.id = r.item_id),
        (select status from shop_update.finished_item f
          where f.id = r.item_id and f.finished_at >= r.sent_at limit 1)
      ) as status
    from shop_update.request r
    where r.request_id = ${requestId}::bigint order by r.sent_at desc limit 1`
  return row?.status ? { received: row.received, status: row.status } : null
}

/** The deepest nesting of a result; those of the protocol have five levels. */
const DEEPEST = 64

/**
 * SHA-256 of the result's canonical JSON: the same result is the same callback, whatever the order of its members.
 *
 * @param result from `parseShopJson`
 * @throws RangeError if it is nested too deeply to be a result; `JSON.stringify` can write whatever passes
 */
export const digestOf = (result: unknown): Buffer => createHash('sha256').update(canonicalJson(result, 0)).digest()

function canonicalJson(value: unknown, depth: number): string {
  if (depth > DEEPEST) throw new RangeError('The result is nested too deep.')
  if (Array.isArray(value)) return `[${value.map((element) => canonicalJson(element, depth + 1)).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([name], [other]) => (name < other ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member, depth + 1)}`).join()}}`
}
