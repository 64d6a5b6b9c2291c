/**
 * A row that names its product (docs/shop-protocol.md, section 2). Ids are strings; `updated_at` is UTC without a zone.
 */
export interface SuccessRow {
  status: 'success'
  product: { seller_sku: string; sku: string; id: string; config_id: string | null; updated_at: string }
}

/** A row of a failed product. It names none; its position tells which it was. */
export interface FailureRow {
  status: 'failure'
  error: { message: string; code: number }
}

/** The result of `Product.updateImageCollection`: an object, no rows. */
export interface ImagesResult {
  productSetSrcId: number
  images: { uri: string; hash: string; srcId: number }[]
}

export type Row = SuccessRow | FailureRow
export type Result = Row[] | ImagesResult

/** Instead of a result: the whole call was refused. */
export interface CallError {
  message: string
  code: number
}

/** Section 3 defines this error for the callback endpoint; a Shop refuses a wrong `auth` element with the same. */
export const NOT_AUTHORIZED: CallError = { message: 'Could not authorize request', code: -32001 }
/** The answer of a Shop whose own queue is full: neither an acknowledgment nor a final answer. */
export const NOT_QUEUED: CallError = { message: 'Request could not be queued', code: -32000 }

/** The acknowledgment of the asynchronous flow, with exactly the members of section 2. */
export const acknowledgment = (id: string | number) => ({ api: 1, result: [{ status: 'success' }], id })

/** The final answer to a call (section 2). `result` is unknown because a Shop in trouble may answer anything. */
export const finalAnswer = (id: string | number, result: unknown) => ({ api: 1, id, result })

/** The answer to a call that was refused as a whole (section 4, first row: an `error` member). */
export const errorAnswer = (id: string | number, error: CallError) => ({ api: 1, error, id })

export const failureRow = (message: string): FailureRow => ({ status: 'failure', error: { message, code: 0 } })

let second = 0
let secondAsText = ''

/**
 * The present `updated_at`: `YYYY-MM-DD HH:MM:SS`, UTC (section 2). Formatted once a second, because thousands of rows
 * share it.
 */
export function updatedAt(): string {
  const now = Math.floor(Date.now() / 1000)
  if (now !== second) {
    second = now
    secondAsText = new Date(now * 1000).toISOString().slice(0, 19).replace('T', ' ')
  }
  return secondAsText
}
