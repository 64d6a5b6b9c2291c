import type { Config } from '../../config.ts'
import { hiddenBy, SOLD_OUT } from '../../domain/hidden.ts'
import { expectedAt, obstacleOf } from '../../domain/incident.ts'
import { retriesLeft } from '../../domain/retry.ts'
import { type SellerAnswer, sellerAnswer } from '../../domain/seller-answer.ts'
import { TOPICS } from '../../domain/topics.ts'
import type { Situation } from '../../read/incidents.ts'
import type { CallRow, Surroundings, TransitionRow } from '../../read/item-history.ts'
import type { ItemRow } from '../../read/items.ts'
import type { Call, Item, Transition } from './schemas.ts'

const iso = (at: Date | null): string | null => at?.toISOString() ?? null

/** An item in the form of openapi.json; what does not apply is null. */
export const toItem = (row: ItemRow, maxRetries: number): Item => ({
  id: row.id,
  sellerId: row.sellerId,
  sellerName: row.sellerName,
  productSetId: row.productSetId,
  productId: row.productId,
  sellerSku: row.sellerSku,
  sku: row.sku,
  topic: row.topic,
  status: row.status,
  reason: row.reason === null ? null : { code: row.reason, message: row.message },
  queuedAt: row.queuedAt.toISOString(),
  statusAt: row.statusAt.toISOString(),
  // Decision 13: sent *again*, automatically or by hand.
  requeuedCount: Math.max(row.sends - 1, 0),
  lastRequeuedAt: row.sends > 1 ? iso(row.lastSentAt) : null,
  failedAt: iso(row.failedAt),
  failures: row.failures,
  nextAttemptAt: iso(row.nextAttemptAt),
  retriesLeft: row.live ? retriesLeft(row.failures, maxRetries) : null,
  flow: row.flow,
  requestId: row.requestId,
  traceId: row.traceId,
  coalesced: row.coalesced,
  cause: row.causeId === null ? null : { id: row.causeId, pattern: row.cause ?? '' },
  blockedBy: row.blockedBy,
  noCreate: row.noCreate,
  heldBy:
    row.heldBy === null
      ? null
      : {
          id: row.heldBy,
          topic: row.topic,
          status: row.heldByStatus!,
          sellerSku: row.heldBySellerSku,
          nextAttemptAt: row.heldByNextAttemptAt!.toISOString(),
        },
})

export const toTransition = ({ at, reason, ...row }: TransitionRow): Transition => ({
  ...row,
  at: at.toISOString(),
  reason: reason as Transition['reason'],
})

export const toCall = (row: CallRow, topic: ItemRow['topic']): Call => ({
  ...row,
  method: TOPICS[topic].method,
  outcome: row.outcome as Call['outcome'],
  sentAt: row.sentAt.toISOString(),
  answeredAt: iso(row.answeredAt),
  callbackAt: iso(row.callbackAt),
})

/** The product that was asked about, where the item may be about its whole set. */
export type AskedProduct = Pick<ItemRow, 'sellerSku' | 'sku'> & { title: string | null }

/** "An answer for the seller", from what is known about an item now. */
export function toSellerAnswer(
  row: ItemRow,
  { title, positionInSet, newer, product, usualSeconds }: Surroundings,
  situation: Situation,
  { MAX_RETRIES, FAILED_AFTER, VENTURE_TIMEZONE }: Pick<Config, 'MAX_RETRIES' | 'FAILED_AFTER' | 'VENTURE_TIMEZONE'>,
  asked: AskedProduct | null = row.productId === null ? null : { ...row, title },
): SellerAnswer {
  const now = new Date()
  return sellerAnswer(
    {
      topic: row.topic,
      status: row.status,
      reason: row.reason === null ? null : { code: row.reason, message: row.message },
      productTitle: asked?.title ?? title ?? row.sellerSku ?? `product set ${row.productSetId}`,
      sellerSku: asked?.sellerSku ?? null,
      shopSku: asked?.sku ?? null,
      queuedAt: row.queuedAt,
      statusAt: row.statusAt,
      lastSentAt: row.lastSentAt,
      flow: row.flow,
      failures: row.failures,
      sends: row.sends,
      maxRetries: MAX_RETRIES,
      failedAfter: FAILED_AFTER,
      nextAttemptAt: row.nextAttemptAt,
      blockedBy: toBlockedByItem(row) && {
        itemId: row.blockedBy!,
        topic: row.blockedByTopic!,
        status: row.blockedByStatus!,
      },
      noCreate: row.noCreate,
      heldBy:
        row.heldBy === null
          ? null
          : {
              id: row.heldBy,
              topic: row.topic, // only the same goes before it
              status: row.heldByStatus!,
              sellerSku: row.heldBySellerSku,
              nextAttemptAt: row.heldByNextAttemptAt!,
            },
      positionInSet,
      newer,
      incident: obstacleOf(situation.incidents, row),
      refusedSince: situation.incidents.find(({ kind }) => kind === 'callbacks_refused')?.since ?? null,
      callbacksStopped: situation.incidents.find(({ kind }) => kind === 'callbacks_stopped') ?? null,
      expectedAt: expectedAt(situation, now),
      usualSeconds,
      hidden: product && (hiddenBy(product) ?? (product.inStock ? null : SOLD_OUT)),
    },
    now,
    VENTURE_TIMEZONE,
  )
}

export const toBlockedByItem = ({ blockedBy, blockedByTopic, blockedByStatus }: ItemRow) =>
  blockedBy === null || blockedByTopic === null || blockedByStatus === null
    ? null
    : { id: blockedBy, topic: blockedByTopic, status: blockedByStatus }
