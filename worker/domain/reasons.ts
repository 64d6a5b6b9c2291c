/**
 * Why an item is where it is. The codes are stored with the item and with each transition; people read `explain`
 * (explanations.ts). Delayed has the first two (decision 3), Blocked the next five (decision 5). The rest say why an
 * item went back or left.
 */
export const REASONS = [
  // Delayed, Failed
  'failure',
  'stock_wait',
  // Blocked
  'not_in_shop',
  'new_variation',
  'unprocessable_response',
  'src_id_conflict',
  'unknown_outcome',
  // back to Pending
  'requeued',
  'coalesced',
  'newer_change',
  'released',
  'worker_lost',
  'worker_stopped',
  'shop_busy',
  'shop_away',
  // finished without a call, or by an admin
  'nothing_to_send',
  'discarded',
  'product_deleted',
  'product_moved',
] as const

export type ReasonCode = (typeof REASONS)[number]

/**
 * Part of a `src_id_conflict` message that involves no other product: the Shop created the same product, or its set,
 * twice.
 */
export const SECOND_ID = "already has the Shop's id"

/** Blocked reasons that end automatically, with the create that the item waits for. */
export const AWAIT_CREATE = ['not_in_shop', 'new_variation'] as const satisfies readonly ReasonCode[]
/** Blocked reasons that only an admin can resolve. In SQL: `shop_update.needs_admin`. */
export const ADMIN_RESOLVES = [
  'unprocessable_response',
  'src_id_conflict',
  'unknown_outcome',
] as const satisfies readonly ReasonCode[]
/** All reasons for which an item is Blocked. */
export const BLOCKS: readonly ReasonCode[] = [...AWAIT_CREATE, ...ADMIN_RESOLVES]

/** Why no create is due for a change that is Blocked until one is through. */
export const NO_CREATES = ['sent_next', 'qc_pending', 'qc_rejected', 'product_deleted'] as const
export type NoCreate = (typeof NO_CREATES)[number]

/** Why an action on many leaves an item alone; the last is for what is to be discarded. */
export const REFUSALS = [
  'seller_inactive',
  'product_inactive',
  'not_qc_approved',
  'images_not_requeueable',
  'in_flight',
  'not_in_queue',
  'product_deleted',
  'may_create_twice',
  'not_to_decide',
] as const
export type Refusal = (typeof REFUSALS)[number]
