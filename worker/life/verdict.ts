import type { Config } from '../config.ts'
import type { Exchange } from '../domain/item.ts'
import type { ReasonCode } from '../domain/reasons.ts'
import { afterFailure } from '../domain/retry.ts'
import type { Flow } from '../domain/statuses.ts'
import { creates, type Topic } from '../domain/topics.ts'
import type { NewIds } from '../queue/conflict.ts'
import type { WriteBack } from '../queue/finish.ts'
import type { Settlement } from '../queue/settle.ts'
import type { Answer, Asked, SyncedRow } from '../shop/answer.ts'
import type { NotSendable } from '../shop/call.ts'
import type { Hindrance } from '../shop/line.ts'

/** What an answer brings for the catalogue. */
export type Brought = Omit<NewIds, 'products'> & { products: WriteBack[] }

/** What is to become of an item. `outcome` is that of the exchange; null if there was none. */
export type Verdict = { ids: Brought | null; outcome: Exchange['outcome'] | null } & (
  | { to: 'synced' }
  | Pick<Settlement, 'to' | 'reason' | 'message' | 'retryInSeconds'>
)

/** The input of a verdict, from the item in the queue. */
export interface Judged {
  topic: Topic
  productSetId: string
  /** In the current retry cycle, before this attempt. */
  failures: number
  /** Requests before this attempt. */
  sends?: number
  /** What the claim took it from. */
  before?: { reason: string | null }
}

/** What a number of failures leads to. */
export type Retry = (failures: number) => Pick<Settlement, 'to' | 'retryInSeconds'>

/** By the retry table, as configured. */
export const retryOf =
  ({ MAX_RETRIES, FAILED_AFTER, RETRY_UNIT_SECONDS }: RetrySettings): Retry =>
  (failures) => {
    const { status, nextAttemptAt } = afterFailure({
      failures,
      at: new Date(0),
      maxRetries: MAX_RETRIES,
      failedAfter: FAILED_AFTER,
      unitSeconds: RETRY_UNIT_SECONDS,
    })
    return { to: status, retryInSeconds: nextAttemptAt && nextAttemptAt.getTime() / 1000 }
  }

type RetrySettings = Pick<Config, 'MAX_RETRIES' | 'FAILED_AFTER' | 'RETRY_UNIT_SECONDS'>

/** Nothing has left. */
export const handedBack = (hindrance: Hindrance): Verdict => rests('pending', hindrance, null)

/**
 * Its product has moved to another set. It goes along at once, and is ready there, unless a call is out: until that has
 * ended it would be claimed and handed back, 17 times a second if it is the only one of its set.
 */
export const MOVED: Verdict = { ...rests('pending', 'product_moved', null), retryInSeconds: 1 }

/** What an answer makes of an item (docs/shop-protocol.md, section 4): on the exchange, resumed, or as a callback. */
export function verdictOf(answer: Answer, item: Judged, asked: Asked | null, retry: Retry): Verdict {
  switch (answer.kind) {
    case 'acknowledged':
      return { ...rests('got_acknowledgment', null, null), outcome: 'acknowledged' }
    case 'busy':
      return { ...rests('pending', 'shop_busy', answer.message), retryInSeconds: putOff(item), outcome: 'busy' }
    case 'unprocessable':
      return blocked('unprocessable_response', answer.message)
    case 'failure':
      return { ...failed(answer.message, item, retry, 'failure'), ids: brought(item, asked, answer.rows) }
    case 'success':
      return { to: 'synced', ids: brought(item, asked, answer.rows), outcome: 'success' }
  }
}

/**
 * The Shop has said "wait" to this item twice in a row. It may be this one that the Shop does not take: first in its
 * seller's queue, it would be sent again and again, and the others never. The pace has doubled again by then.
 */
const putOff = ({ sends = 0, before }: Judged): number | null =>
  sends > 0 && before?.reason === 'shop_busy' ? BUSY_AGAIN_SECONDS : null
const BUSY_AGAIN_SECONDS = 15

/** No call could be built; null: the product no longer exists. */
export function verdictWithoutCall(call: NotSendable, item: Judged, retry: Retry): Verdict | null {
  if ('deleted' in call) return null
  if ('nothingToSend' in call) return { to: 'synced', ids: null, outcome: null }
  if ('blocked' in call) return rests('blocked', call.blocked, call.message)
  return failed(call.impossible, item, retry, null)
}

/** It is retried while there are retries left. */
export const failed = (message: string, { failures }: Judged, retry: Retry, outcome: Verdict['outcome']): Verdict => ({
  ...rests('failed', 'failure', message),
  ...retry(failures + 1),
  outcome,
})

/**
 * No answer came. If the Shop turned the call away, that is no failure, unless the item was turned away just before:
 * its call may be what breaks the connection. A create may have succeeded all the same.
 */
export const unanswered = (
  { message, turnedAway }: { message: string; turnedAway: boolean },
  item: Judged & { before: { reason: string | null } },
  retry: Retry,
): Verdict =>
  turnedAway && item.before.reason !== 'shop_busy' && !creates(item.topic)
    ? { ...rests('pending', 'shop_busy', message), outcome: 'unreachable' }
    : failed(message, item, retry, 'unreachable')

/** Something broke in the worker. A create may have succeeded, so it is not repeated blindly. */
export const brokenOff = (message: string, item: Judged, retry: Retry): Verdict =>
  creates(item.topic) ? rests('blocked', 'unknown_outcome', message) : failed(message, item, retry, null)

/** An admin decides: the answer is kept. */
export const blocked = (reason: ReasonCode, message: string): Verdict => ({
  ...rests('blocked', reason, message),
  outcome: 'unprocessable',
})

/** What the rows bring for the catalogue: the product of every successful row, and the Shop's id of the set. */
export function brought(
  item: { productSetId: string },
  asked: Asked | null,
  rows: readonly (SyncedRow | null)[],
): Brought {
  const products: WriteBack[] = []
  let setSrcId: string | null = null
  for (const row of rows) {
    if (!row?.productId) continue
    const { productId, srcId, shopSku, updatedAt, spelling = null } = row
    products.push({ productId, srcId, shopSku, updatedAt, spelling })
    if (asked && creates(asked.topic)) setSrcId ??= row.configId
  }
  return { productSetId: item.productSetId, setSrcId, products }
}

/**
 * On an asynchronous exchange, anything that is neither an acknowledgment nor a final answer is a NACK: it is sent
 * again, not Blocked (docs/shop-protocol.md, section 2). A final answer is recognised by its shape: it contains
 * `product` or `images`.
 */
export function orNack(answer: Answer, flow: Flow, body: string): Answer {
  if (answer.kind !== 'unprocessable' || flow === 'synchronous' || /"(product|images)"\s*:/.test(body)) return answer
  return { kind: 'failure', message: answer.message, code: null, rows: [] }
}

function rests(to: Settlement['to'], reason: ReasonCode | null, message: string | null) {
  return { to, reason, message, retryInSeconds: null, ids: null, outcome: null }
}
