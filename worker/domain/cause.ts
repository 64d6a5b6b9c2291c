import { AWAIT_CREATE, type ReasonCode } from './reasons.ts'
import type { WhoActs } from './seller-answer.ts'

/**
 * A message without what varies from one item to the next (addresses, quoted texts, times, numbers, ids and SKUs), and
 * without tags. What remains, with the reason, the Shop's method and the HTTP status, tells causes apart
 * (sql/functions/rules.sql, `cause_id`).
 *
 * @example patternOf('SKU "A-1" has no brand (request 100231)') // 'SKU … has no brand (request #)'
 */
export function patternOf(message: string | null): string {
  if (message === null) return ''
  let pattern = message.slice(0, READ)
  for (const [varying, instead] of VARYING) pattern = pattern.replaceAll(varying, instead)
  pattern = pattern
    // an id, a SKU, a time, an amount; but an HTTP status tells causes apart
    .replaceAll(WORD, (word) => (/\p{N}/u.test(word) && !word.startsWith('HTTP ') ? '#' : word))
    .replaceAll(/#([\s,.:/-]*#)+/g, '#')
  return pattern.replace(/\s+/g, ' ').trim().slice(0, LENGTH)
}

/** With what holds its parts together. */
const WORD = /\bHTTP (?:status )?\d{3}\b|[\p{L}\p{N}]+(?:[_.:/-]+[\p{L}\p{N}]+)*/gu

/** A Shop may answer with a whole page. */
const READ = 500
const LENGTH = 300

/** In this order: what a quote or an address contains is gone before numbers are looked for. */
const VARYING: readonly [RegExp, string][] = [
  [/<[^<>]*>/g, ' '], // of an error page
  [/\bhttps?:\/\/[^\s"'<>]+/gi, '…'],
  [/[\w.+-]+@[\w-]+(\.[\w-]+)+/g, '…'],
  [/"[^"]*"|“[^”]*”|‘[^’]*’|`[^`]*`|(?<!\w)'[^']*'(?!\w)/g, '…'],
]

/**
 * As the HTTP status of a cause: a call left and no answer came. Without a status, the cause came with a callback, or
 * no call was made.
 */
export const NO_ANSWER = 0

/**
 * Who has to act on a cause: the Shop where it did not answer or failed itself; an admin where it has said what is
 * wrong with a product, or where one has to decide; nobody where a create ends it.
 */
export function whoActs({ reason, httpStatus }: { reason: ReasonCode; httpStatus: number | null }): WhoActs {
  if ((AWAIT_CREATE as readonly string[]).includes(reason)) return 'nobody'
  if (reason !== 'failure' || httpStatus === null) return 'admin'
  if (httpStatus === NO_ANSWER || httpStatus >= 500) return 'shop'
  return httpStatus >= 400 ? 'sre' : 'admin'
}
