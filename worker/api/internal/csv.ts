import { BYTE_ORDER_MARK, line } from '../../domain/csv.ts'
import { explain, NO_CREATE } from '../../domain/explanations.ts'
import { STATUSES } from '../../domain/statuses.ts'
import { TOPICS } from '../../domain/topics.ts'
import type { Item } from './schemas.ts'

/** The columns of the download, named as in docs/requirements.md, "Columns", where they appear there. */
const COLUMNS: [string, (item: Item) => string | number | null | undefined][] = [
  ['Item', (item) => item.id],
  ['Seller', (item) => item.sellerName],
  ['Product set', (item) => item.productSetId],
  ['Product', (item) => item.productId],
  ['Seller SKU', (item) => item.sellerSku],
  ['SKU', (item) => item.sku],
  ['Topic', (item) => TOPICS[item.topic].label],
  ['Queued at', (item) => item.queuedAt],
  ['Status', (item) => STATUSES[item.status].label],
  ['In this status since', (item) => item.statusAt],
  ['Reason', (item) => item.reason && explain(item.reason.code).label],
  ['Message', (item) => item.reason?.message],
  ['Cause', (item) => item.cause?.pattern],
  ['Requeued count', (item) => item.requeuedCount],
  ['Last requeued at', (item) => item.lastRequeuedAt],
  ['Failed at', (item) => item.failedAt],
  ['Failures', (item) => item.failures],
  ['Next retry', (item) => item.nextAttemptAt],
  ['Retries left', (item) => item.retriesLeft],
  ['Flow', (item) => item.flow],
  ['Request ID', (item) => item.requestId],
  ['Waits for', ({ blockedBy, noCreate, heldBy }) => blockedBy ?? heldBy?.id ?? (noCreate && NO_CREATE[noCreate])],
  ['Merged changes', (item) => item.coalesced],
]

export const csvHeader = (): string => BYTE_ORDER_MARK + line(COLUMNS.map(([name]) => name))

export const csvLine = (item: Item): string => line(COLUMNS.map(([, cell]) => cell(item)))
