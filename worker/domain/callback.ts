import type { Step } from './step.ts'

export interface RecordedCallback {
  outcome: CallbackOutcome
  /** The item of the request that it answers; null if the request is unknown. */
  itemId: string | null
  /** Trace id of the attempt that it answers. */
  answers: string | null
  /** What the item is about, while it is in the queue. */
  subject: CallbackSubject | null
}

/**
 * `flow` is that of the request. There are no SKUs: they are in the catalogue, and a callback is recorded even while
 * that is locked.
 */
export type CallbackSubject = Pick<Step, 'sellerId' | 'productSetId' | 'productId' | 'topic' | 'flow'>

/**
 * `accepted`: it waits to be applied to its item. `duplicate`: the same result for the same request came before.
 * `late`: its item has left the queue. `unknown`: no request has this ID.
 */
export type CallbackOutcome = 'accepted' | 'duplicate' | 'late' | 'unknown'
