/**
 * Why an item is where it is. The codes are stored with the item and with each transition; people read `explain`
 * (explanations.ts). Delayed has the first two (decision 3), Blocked the next five (decision 5), the rest say why an
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
  // finished without a call, or by an admin
  'nothing_to_send',
  'discarded',
  'product_deleted',
  'product_moved',
] as const

export type ReasonCode = (typeof REASONS)[number]

/**
 * In the message of a `src_id_conflict` that is about no other product: the Shop has made the same one, or its set,
 * twice.
 */
export const SECOND_ID = "already has the Shop's id"

/** Blocked reasons that end by themselves, with the create that the item waits for. */
export const AWAIT_CREATE = ['not_in_shop', 'new_variation'] as const satisfies readonly ReasonCode[]
/** Blocked reasons that only an admin can resolve. In SQL it is `shop_update.needs_admin`. */
export const ADMIN_RESOLVES = [
  'unprocessable_response',
  'src_id_conflict',
  'unknown_outcome',
] as const satisfies readonly ReasonCode[]
/** All for which an item is Blocked. */
export const BLOCKS: readonly ReasonCode[] = [...AWAIT_CREATE, ...ADMIN_RESOLVES]

/** Why no create is due of a product that is not in the Shop. */
export const NO_CREATES = ['qc_pending', 'qc_rejected', 'product_deleted'] as const
export type NoCreate = (typeof NO_CREATES)[number]

/** Why a requeue leaves an item alone. */
export const REFUSALS = [
  'seller_inactive',
  'product_inactive',
  'not_qc_approved',
  'images_not_requeueable',
  'in_flight',
  'not_in_queue',
  'product_deleted',
] as const
export type Refusal = (typeof REFUSALS)[number]
