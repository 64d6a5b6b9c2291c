import { hash } from 'node:crypto'
import { isConnectionError, type Sql } from '../database/database.ts'
import type { CallbackSubject, RecordedCallback } from '../domain/callback.ts'
import type { Status } from '../domain/statuses.ts'
import { storable } from '../domain/text.ts'
import { createLoop } from '../loop.ts'
import { groupCommit } from './group-commit.ts'

/** A callback as it is recorded. */
export interface ReceivedCallback {
  /** The id of the call as text. An impossible request ID is recorded too, as unknown. */
  requestId: string
  /** SHA-256 of the result in hex: see `digestOf`. */
  digest: string
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
 * All workers are told of what is to be applied in a statement of its own: a commit that notifies holds a lock that all
 * such commits share until it is on the disk. If it fails, their polls find the callbacks within a second, and nobody
 * waits for it.
 *
 * `most`: until the commit every callback holds a lock in the shared lock table, which has room for some thousands.
 *
 * @param onNotNotified the notification has failed
 */
export function recordCallback(
  sql: Sql,
  onNotNotified: (error: unknown) => void,
): (callback: ReceivedCallback) => Promise<RecordedCallback> {
  const notice = createLoop(async () => {
    await sql`select pg_notify('shop_update_callback', '')`.catch(onNotNotified)
  })
  const commit = groupCommit<ReceivedCallback, RecordedCallback | { lost: unknown }>(
    async (callbacks) => {
      try {
        const recorded = await recordCallbacks(sql, callbacks)
        if (recorded.some(({ toApply }) => toApply)) notice.poke()
        return recorded
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

/** @returns the outcome of each, in order, and whether it does something to its item */
async function recordCallbacks(
  sql: Sql,
  callbacks: readonly ReceivedCallback[],
): Promise<(RecordedCallback & { toApply: boolean })[]> {
  const keys = callbacks.map(({ requestId }) => (REQUEST_ID.test(requestId) ? requestId : null))
  type Row = Omit<RecordedCallback, 'subject'> & { toApply: boolean } & {
    [Field in keyof CallbackSubject]: CallbackSubject[Field] | null
  }
  const rows = await sql<Row[]>`
    select outcome, to_apply as "toApply", item_id as "itemId", answers, topic, flow, seller_id as "sellerId",
      product_set_id as "productSetId", product_id as "productId"
    from shop_update.record_callbacks(
      ${keys}::bigint[],
      ${callbacks.map(({ requestId }) => storable(requestId.slice(0, LONGEST_ID)))}::text[],
      ${callbacks.map(({ digest }) => digest)}::text[],
      ${callbacks.map(({ remote }) => remote)}::text[],
      ${callbacks.map(({ body }) => storable(body))}::text[],
      ${callbacks.map(({ traceId }) => traceId)}::text[])`
  return rows.map(({ outcome, toApply, itemId, answers, topic, sellerId, productSetId, ...rest }) => ({
    outcome,
    toApply,
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
 * SHA-256 of the result's canonical JSON, in hex: the same result is the same callback, whatever the order of its
 * members.
 *
 * @param result from `parseShopJson`
 * @throws RangeError if it is nested too deeply to be a result; `JSON.stringify` can write whatever passes
 */
export const digestOf = (result: unknown): string => hash('sha256', canonicalJson(result, 0))

function canonicalJson(value: unknown, depth: number): string {
  if (depth > DEEPEST) throw new RangeError('The result is nested too deep.')
  if (Array.isArray(value)) return `[${value.map((element) => canonicalJson(element, depth + 1)).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = value as Record<string, unknown>
  return `{${Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(members[name], depth + 1)}`)
    .join()}}`
}
