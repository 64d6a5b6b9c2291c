import { storable } from '../domain/text.ts'
import { creates, type Topic } from '../domain/topics.ts'
import { AUTH_ID, type CallParams } from './call.ts'
import { UNREADABLE } from './unpack.ts'

/** One product as the call asked for it; row k of the answer must be about product k. */
export interface AskedProduct {
  /** Our product id; null where neither the call nor the item names one. */
  productId: string | null
  sellerSku: string
  /** The Shop SKU; null in a create. */
  sku: string | null
  /** The Shop's id; null in a create. */
  srcId: string | null
}

/** The part of a call that the Shop's answer must repeat. An answer is checked against it. */
export interface Asked {
  requestId: string
  topic: Topic
  /** Empty for Images, whose call names a set and no product. */
  products: AskedProduct[]
  /** The Shop's id of the set, as in the call; null when the call creates the set or does not name it (stock). */
  setSrcId: string | null
}

/**
 * What a success row says about one product. All of it fits PostgreSQL `text`: no U+0000, no lone surrogate, at most
 * 255 characters.
 */
export interface SyncedRow {
  /** Our product id, from the call, by position. */
  productId: string | null
  srcId: string | null
  shopSku: string | null
  /** The Shop's id of the set. */
  configId: string | null
  /**
   * 'YYYY-MM-DD HH:MM:SS', a real date without a zone: read it in the venture's zone. Null when missing or not a date.
   */
  updatedAt: string | null
  /** A sentence, when the Shop spells one of the SKUs differently. */
  spelling?: string
}

/**
 * What an answer means (docs/shop-protocol.md, section 4). `rows` has one entry per requested product, in the same
 * order. In a failure, null marks each product that did not get through, so a partial success is a failure with some
 * rows. `busy`: the Shop did not process the call and says "wait" (decision 21). `message` is a sentence for people.
 */
export type Answer =
  | { kind: 'acknowledged' }
  | { kind: 'success'; rows: SyncedRow[] }
  | { kind: 'failure'; message: string; code: number | null; rows: (SyncedRow | null)[] }
  | { kind: 'unprocessable'; message: string }
  | { kind: 'busy'; message: string }

/**
 * What the answer to a call is checked against.
 *
 * @param productIdOfItem our product id of the item: price and stock calls do not contain it
 */
export function askedOf(
  topic: Topic,
  call: { requestId: string; params: CallParams },
  productIdOfItem: string | null = null,
): Asked {
  const { requestId, params } = call
  if (!('productsInfo' in params)) return { requestId, topic, products: [], setSrcId: String(params.productSetSrcId) }

  const products: AskedProduct[] = []
  for (const info of params.productsInfo) {
    products.push({
      productId: 'id_catalog_product' in info ? info.id_catalog_product : productIdOfItem,
      sellerSku: info.seller_sku,
      sku: 'sku' in info ? info.sku : null,
      srcId: 'product_id' in info ? info.product_id : null,
    })
  }
  const first = params.productsInfo[0]
  return { requestId, topic, products, setSrcId: first !== undefined && 'config_id' in first ? first.config_id : null }
}

/**
 * The same from the stored JSON of a call, for a callback that comes hours or days later. Null when the text is not a
 * call of this topic.
 *
 * @param json `Call.json` as stored
 */
export function askedFromJson(topic: Topic, productIdOfItem: string | null, json: string): Asked | null {
  let call: unknown
  try {
    call = JSON.parse(json)
  } catch {
    return null
  }
  if (!isObject(call) || typeof call.id !== 'string' || !isObject(call.params)) return null
  const { productsInfo, productSetSrcId } = call.params
  const isCallOfTopic =
    topic === 'images'
      ? Number.isSafeInteger(productSetSrcId)
      : Array.isArray(productsInfo) &&
        productsInfo.length > 0 &&
        productsInfo.every(
          (info) => isObject(info) && typeof info.seller_sku === 'string' && (creates(topic) || 'product_id' in info),
        )
  return isCallOfTopic
    ? askedOf(topic, { requestId: call.id, params: call.params as CallParams }, productIdOfItem)
    : null
}

/**
 * Reads what the Shop sent back for a call (docs/shop-protocol.md, sections 2 and 4). Understands both an
 * acknowledgment and a final answer, whatever the flow of the call. Never throws.
 *
 * A status outside 200–299 is a failure. That includes redirects: the Shop did not take the call.
 *
 * @param from.movedTo the host that a redirect points to
 * @param from.saysWait HTTP 429, or 503 with Retry-After
 */
export function readAnswer(
  httpStatus: number,
  body: string,
  asked: Asked,
  { movedTo = null, saysWait = false }: { movedTo?: string | null; saysWait?: boolean } = {},
): Answer {
  if (saysWait) return { kind: 'busy', message: httpMessage(httpStatus, body, null) }
  if (!(httpStatus >= 200 && httpStatus <= 299)) return failure(httpMessage(httpStatus, body, movedTo), null, asked)
  if (body.startsWith(UNREADABLE)) return unprocessable(firstLine(body))

  let answer: unknown
  try {
    answer = parseShopJson(body)
  } catch {
    return unprocessable(
      body.trim() === '' ? 'The Shop sent an empty answer.' : 'The Shop sent an answer that is not JSON.',
    )
  }

  let ours: JsonObject | null = null
  let strayError: unknown
  for (const element of Array.isArray(answer) ? answer : [answer]) {
    if (!isObject(element)) continue
    const id = idText(element.id)
    if (id === asked.requestId) {
      if (ours !== null) return unprocessable(`The Shop answered request ${asked.requestId} twice in one answer.`)
      ours = element
    } else if (id === null || id === AUTH_ID) {
      // A Shop that could not read our call or refused our credentials does not name the call.
      strayError ??= element.error || undefined
    }
  }
  if (ours === null) {
    if (strayError !== undefined) return refusal(strayError, asked)
    return unprocessable(`The Shop's answer does not contain request ${asked.requestId}.`)
  }
  if (ours.error) return refusal(ours.error, asked)
  return readResult(ours.result, asked, 'exchange')
}

/**
 * The `result` of a final answer, as a callback would bring it; undefined for an error, an acknowledgment, or anything
 * unreadable.
 */
export function finalResult(httpStatus: number, body: string, requestId: string): object | undefined {
  if (!(httpStatus >= 200 && httpStatus <= 299)) return
  let answer: unknown
  try {
    answer = parseShopJson(body)
  } catch {
    return // not JSON
  }
  const elements = Array.isArray(answer) ? answer : [answer]
  const [ours, another] = elements.filter((element) => isObject(element) && idText(element.id) === requestId)
  if (!ours || another || ours.error || typeof ours.result !== 'object' || ours.result === null) return
  const [row, more] = Array.isArray(ours.result) ? ours.result : [ours.result]
  if (isObject(row) && more === undefined && row.status === 'success' && isAbsent(row.product) && isAbsent(row.images))
    return
  return ours.result
}

/**
 * Reads the `result` of an answer or of a callback (docs/shop-protocol.md, sections 2 to 4). Never throws, whatever
 * JSON `result` was.
 *
 * An unusable row outweighs a failed one: a failure is retried automatically, but a create whose success could not be
 * read must not be sent again.
 *
 * @param where only on the `exchange` can it be an acknowledgment; as the result of a `callback` it says nothing
 */
export function readResult(result: unknown, asked: Asked, where: 'exchange' | 'callback'): Answer {
  const isList = Array.isArray(result)
  const lone: unknown = isList && result.length === 1 ? result[0] : isList ? undefined : result

  if (isObject(lone) && isAbsent(lone.product) && isAbsent(lone.images)) {
    // The opposite of an acknowledgment: one failed row rejects the whole call, however many products it had.
    if (lone.status === 'failure' && (where === 'exchange' || !isList)) return refusal(lone.error, asked)
    if (lone.status === 'success' && where === 'exchange' && isList) return ACKNOWLEDGED
  }
  if (asked.topic === 'images') return readImageCollection(lone, asked)
  if (!isList) return unprocessable('The Shop sent no list of results.')
  if (result.length !== asked.products.length) {
    return unprocessable(
      `The Shop answered ${count(result.length, 'row')} for ${count(asked.products.length, 'product')}.`,
    )
  }
  return readRows(result, asked)
}

/**
 * `JSON.parse` for the Shop's JSON: integers beyond 2^53 become text with all their digits, instead of being rounded to
 * another product's id. Use it for callbacks too.
 *
 * @throws SyntaxError when the text is not JSON, RangeError when it is nested thousands of levels deep
 */
export function parseShopJson(text: string): unknown {
  const json = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  return JSON.parse(SIXTEEN_DIGITS.test(json) ? withLongNumbersQuoted(json) : json)
}

type JsonObject = Record<string, unknown>

const ACKNOWLEDGED: Answer = { kind: 'acknowledged' }
const SIXTEEN_DIGITS = /\d{16}/

/**
 * Ids and SKUs are looked up by index, and a PostgreSQL index row holds 2,704 bytes: 255 characters of at most 4 bytes
 * always fit.
 */
const MAX_ID_LENGTH = 255
const MAX_QUOTE_LENGTH = 300

/**
 * Puts integers beyond 2^53 into quotes. A reviver with access to the source of a number does the same, but it visits
 * every value: 3 s for 8 MiB. This makes one pass over the text.
 *
 * Invalid JSON stays invalid: only whole tokens are quoted, and never in the place of a member name.
 */
function withLongNumbersQuoted(json: string): string {
  const parts: string[] = []
  let taken = 0
  let seen = 0
  let quote = json.indexOf('"')
  let inString = false
  for (const { index } of json.matchAll(/\d{16}/g)) {
    if (index < seen) continue // inside a number that has been handled
    for (; quote !== -1 && quote < index; quote = json.indexOf('"', quote + 1)) {
      let backslashes = 0
      if (inString) while (json.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++
      if (backslashes % 2 === 0) inString = !inString
    }
    let end = index + 16
    while (isDigit(json.charCodeAt(end))) end++
    seen = end
    if (inString) continue
    const start = json[index - 1] === '-' ? index - 1 : index
    if (json[index] === '0' || PART_OF_NUMBER.test(json[start - 1] ?? '') || PART_OF_NUMBER.test(json[end] ?? ''))
      continue
    if (end - index === 16 && Number.isSafeInteger(Number(json.slice(start, end)))) continue
    let next = end
    while (json.charCodeAt(next) <= 0x20) next++
    if (json[next] === ':') continue
    parts.push(json.slice(taken, start), '"', json.slice(start, end), '"')
    taken = end
  }
  return taken === 0 ? json : parts.join('') + json.slice(taken)
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

/** A number next to one of these is not a whole integer token. */
const PART_OF_NUMBER = /[\w.+-]/

function readRows(rows: unknown[], asked: Asked): Answer {
  const synced: (SyncedRow | null)[] = []
  let failed = 0
  let error: unknown
  for (const [k, product] of asked.products.entries()) {
    const row = rows[k]
    if (!isObject(row)) return unprocessable(`The Shop's row for ${product.sellerSku} is not an object.`)
    if (row.status === 'success') {
      const read = readProduct(row.product, product, asked)
      if (typeof read === 'string') return unprocessable(read)
      synced.push(read)
    } else if (row.status === 'failure') {
      failed++
      error ??= row.error
      synced.push(null)
    } else {
      return unprocessable(`The Shop's row for ${product.sellerSku} says neither success nor failure.`)
    }
  }
  if (synced.length > 1 && creates(asked.topic)) {
    const contradiction = contradictionIn(synced)
    if (contradiction !== null) return unprocessable(contradiction)
  }
  if (failed === 0) return { kind: 'success', rows: synced as SyncedRow[] }

  const message = messageOf(error)
  return {
    kind: 'failure',
    message:
      synced.length === 1 ? message : `The Shop refused ${failed} of ${count(synced.length, 'product')}: ${message}`,
    code: codeOf(error),
    rows: synced,
  }
}

/** Reads one success row; a returned string says why the row cannot be used. */
function readProduct(product: unknown, wanted: AskedProduct, asked: Asked): SyncedRow | string {
  const { sellerSku } = wanted
  if (!isObject(product)) return `The Shop reported success for ${sellerSku} but sent no product.`

  const srcId = idText(product.id)
  if (!srcId) return `The Shop reported success for ${sellerSku} without a usable product ID.`
  if (isOther(product.seller_sku, sellerSku)) return `The Shop answered about another product than ${sellerSku}.`

  const shopSku = idText(product.sku)
  const configId = idText(product.config_id)
  const updatedAt = dateTime(product.updated_at)
  const spelling = spellingOf(product, wanted)

  if (!creates(asked.topic)) {
    if (srcId !== wanted.srcId)
      return `The Shop answered about product ${srcId}; asked was ${wanted.srcId} (${sellerSku}).`
    if (isOther(product.sku, wanted.sku))
      return `The Shop answered with another Shop SKU than ${wanted.sku} for ${sellerSku}.`
    // An update does not need config_id: an unusable one counts as missing.
    return {
      productId: wanted.productId,
      srcId,
      shopSku: shopSku === null ? null : wanted.sku,
      configId: configId || null,
      updatedAt,
      ...spelling,
    }
  }

  if (!shopSku) return `The Shop created ${sellerSku} but sent no usable Shop SKU for it.`
  if (configId === '') return `The Shop created ${sellerSku} but sent a product set ID that cannot be used.`
  if (configId === null && asked.setSrcId === null)
    return `The Shop created ${sellerSku} but sent no ID of its product set.`
  if (configId !== null && asked.setSrcId !== null && configId !== asked.setSrcId) {
    return `The Shop put ${sellerSku} into product set ${configId}; asked was ${asked.setSrcId}.`
  }
  return { productId: wanted.productId, srcId, shopSku, configId, updatedAt, ...spelling }
}

/** Several variations created in one call: each has its own id, and all are in one set. */
function contradictionIn(rows: (SyncedRow | null)[]): string | null {
  const srcIds = new Set<string | null>()
  let configId: string | null = null
  for (const row of rows) {
    if (row === null) continue
    if (srcIds.has(row.srcId)) return `The Shop gave the same product ID, ${row.srcId}, to two products.`
    srcIds.add(row.srcId)
    configId ??= row.configId
    if (row.configId !== null && row.configId !== configId)
      return `The Shop put one product set into two, ${configId} and ${row.configId}.`
  }
  return null
}

function readImageCollection(collection: unknown, asked: Asked): Answer {
  if (!isObject(collection)) return unprocessable('The Shop sent no image collection.')
  if (collection.status === 'failure') return refusal(collection.error, asked)
  if (!isAbsent(collection.status) && collection.status !== 'success') {
    return unprocessable('The answer about the images says neither success nor failure.')
  }
  if (!Array.isArray(collection.images)) return unprocessable('The Shop sent an image collection without its images.')
  const setSrcId = idText(collection.productSetSrcId)
  if (!setSrcId) return unprocessable('The Shop sent an image collection without the ID of its product set.')
  if (setSrcId !== asked.setSrcId) {
    return unprocessable(`The Shop answered about the images of product set ${setSrcId}; asked was ${asked.setSrcId}.`)
  }
  return { kind: 'success', rows: [] }
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Shops write "none" as a missing member, as null, or as ''. */
const isAbsent = (value: unknown): boolean => value === undefined || value === null || value === ''

/** An id or SKU as text: null when missing, '' when the value cannot be an id or cannot be stored. */
function idText(value: unknown): string | null {
  if (isAbsent(value)) return null
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : ''
  if (typeof value !== 'string' || value.length > MAX_ID_LENGTH) return ''
  return value.includes('\u0000') || !value.isWellFormed() ? '' : value
}

/** True when the Shop names something else than what was asked for, in any spelling. */
const isOther = (value: unknown, wanted: string | null): boolean =>
  !isAbsent(value) && value !== wanted && !isSpelled(value, wanted)

/**
 * Whether it is the same SKU in the way Shops tend to return it: trimmed, in other case, in another Unicode normal
 * form, or as a number.
 */
function isSpelled(value: unknown, wanted: string | null): boolean {
  if (wanted === null) return false
  if (typeof value === 'number') return /^\s*\d+(\.\d+)?\s*$/.test(wanted) && Number(wanted) === value
  return typeof value === 'string' && value.length <= MAX_ID_LENGTH && folded(value) === folded(wanted)
}

const folded = (sku: string): string => sku.normalize('NFKC').trim().toUpperCase().toLowerCase().normalize('NFKC')

/** A sentence for people, when the Shop spells a SKU differently. */
function spellingOf(product: JsonObject, { sellerSku, sku }: AskedProduct): Pick<SyncedRow, 'spelling'> {
  const other = (value: unknown, wanted: string | null) =>
    !isAbsent(value) && wanted !== null && String(value) !== wanted
  const said = [
    ...(other(product.seller_sku, sellerSku)
      ? [`seller SKU ${sellerSku} as ${JSON.stringify(product.seller_sku)}`]
      : []),
    ...(other(product.sku, sku) ? [`Shop SKU ${sku} as ${JSON.stringify(product.sku)}`] : []),
  ]
  return said.length === 0 ? {} : { spelling: storable(`The Shop gives ${said.join(' and ')}.`) }
}

const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d) (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d$/
const DAYS_IN_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/**
 * Nothing depends on `updated_at`, so MySQL's "0000-00-00 00:00:00" counts as no date and does not hold up the item.
 */
function dateTime(value: unknown): string | null {
  const parts = typeof value === 'string' ? DATE_TIME.exec(value) : null
  if (parts === null) return null
  const [year, month, day] = [Number(parts[1]), Number(parts[2]), Number(parts[3])]
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const lastDay = month === 2 && !isLeapYear ? 28 : (DAYS_IN_MONTH[month - 1] ?? 0)
  return year > 0 && day > 0 && day <= lastDay ? parts[0] : null
}

const unprocessable = (message: string): Answer => ({ kind: 'unprocessable', message: storable(message) })

const failure = (message: string, code: number | null, asked: Asked): Answer => ({
  kind: 'failure',
  message: storable(message),
  code,
  rows: asked.products.map(() => null),
})

/** The whole call was rejected. */
const refusal = (error: unknown, asked: Asked): Answer => failure(messageOf(error), codeOf(error), asked)

/** What the Shop says went wrong, in its own words. */
function messageOf(error: unknown): string {
  const message = isObject(error) ? error.message : error
  const said = typeof message === 'string' ? quote(message) : ''
  return said === '' ? 'The Shop reported a failure without saying why.' : said
}

/** Only what fits a PostgreSQL `integer`. */
function codeOf(error: unknown): number | null {
  const code = isObject(error) ? error.code : null
  return typeof code === 'number' && (code | 0) === code ? code : null
}

function httpMessage(httpStatus: number, body: string, movedTo: string | null): string {
  const leadsTo = movedTo === null ? '' : `, which leads to ${movedTo}`
  const what = `The Shop answered with HTTP status ${httpStatus}${leadsTo}`
  const start = quote(body.startsWith(UNREADABLE) ? firstLine(body) : body)
  return `${what}${start === '' ? '.' : `: ${start}`}`
}

const firstLine = (text: string): string => text.slice(0, text.indexOf('\n') >>> 0)

/**
 * The start of a foreign text on one line. It is cut before whitespace is squeezed, so that an 8 MiB error page costs
 * no more than its first lines.
 */
function quote(text: string): string {
  const start = text
    .slice(0, 4 * MAX_QUOTE_LENGTH)
    .replace(/\s+/g, ' ')
    .trim()
  const isWhole = text.length <= 4 * MAX_QUOTE_LENGTH && start.length <= MAX_QUOTE_LENGTH
  return storable(isWhole ? start : `${start.slice(0, MAX_QUOTE_LENGTH)}…`)
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
