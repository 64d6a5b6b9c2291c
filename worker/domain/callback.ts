import type { Step } from './step.ts'

export interface RecordedCallback {
  outcome: CallbackOutcome
  /** Of the request that it answers; null where it is unknown. */
  itemId: string | null
  /** Trace id of the attempt that it answers. */
  answers: string | null
  /** What the item is about, while it is in the queue. */
  subject: CallbackSubject | null
}

/**
 * `flow` is that of the request. Without SKUs: those are in the catalogue, and a callback is recorded whoever holds a
 * lock on that.
 */
export type CallbackSubject = Pick<Step, 'sellerId' | 'productSetId' | 'productId' | 'topic' | 'flow'>

/**
 * - `accepted`: it waits to be applied to its item
 * - `duplicate`: the same result for the same request has come before
 * - `late`: its item has left the queue
 * - `unknown`: no request has this ID
 */
export type CallbackOutcome = 'accepted' | 'duplicate' | 'late' | 'unknown'
