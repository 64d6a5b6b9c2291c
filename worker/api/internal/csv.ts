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
  ['Waits for', ({ blockedBy, noCreate }) => blockedBy ?? (noCreate && NO_CREATE[noCreate])],
  ['Merged changes', (item) => item.coalesced],
]

/** With a byte order mark: without it, Excel reads UTF-8 in the machine's code page and shows no Arabic or Thai. */
export const csvHeader = (): string => `\ufeff${line(COLUMNS.map(([name]) => name))}`

export const csvLine = (item: Item): string => line(COLUMNS.map(([, cell]) => cell(item)))

/** RFC 4180: every line ends with CRLF, and cells are quoted where necessary. */
const line = (cells: (string | number | null | undefined)[]): string =>
  `${cells.map((cell) => quoted(guarded(String(cell ?? '')))).join(',')}\r\n`

/**
 * Turns a cell that a spreadsheet would take for a formula into text: SKUs and messages come from sellers and Shops. A
 * spreadsheet looks past blanks and invisible marks, and treats full-width signs as the usual ones. When it separates
 * by semicolons (most of Europe) or tabs, it ignores our quotes: a new cell begins after each separator and each line
 * end.
 */
const guarded = (text: string): string => (FORMULA.test(text) ? "'" : '') + text.replace(LATER_FORMULA, "$&'")

const BEGINNING = '[\\s\\p{Cc}\\p{Cf}]*[=+\\-@＝＋－＠−﹢﹣﹦﹫]'
const FORMULA = new RegExp(`^${BEGINNING}`, 'u')
const LATER_FORMULA = new RegExp(`[;\\t\\r\\n](?=${BEGINNING})`, 'gu')

const quoted = (text: string): string => (/[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
