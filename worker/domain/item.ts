import type { Flow, Status } from './statuses.ts'
import type { Micros, Passage } from './step.ts'
import type { Topic } from './topics.ts'

/** One claim of an item. */
export interface Claim {
  id: string
  /**
   * Fencing token: every later write of this worker carries it, and changes nothing once another worker has claimed the
   * item.
   */
  token: number
}

/**
 * A worker holds a claim, not an item: a frozen worker may lose an item to another and claim it again while its first
 * call is still out, and the end of that call is not the end of the second.
 */
export const claimKey = ({ id, token }: Claim): string => `${id}:${token}`

/** An item held by this worker: claimed, taken over from another worker, or met by a callback. */
export interface Item extends Claim {
  topic: Topic
  sellerId: string
  productSetId: string
  productId: string | null
  /** Of the attempt that begins; globally unique. */
  requestId: string
  /** Requests made for this item before this one: X-SC-Requeue-Count. */
  sends: number
  /** Failures in the current retry cycle. */
  failures: number
  /** Trace id of the previous attempt; null for the first. */
  previousTraceId: string | null
  queuedAt: Micros
  /** When it entered the status it is in. */
  at: Micros
}

/** As the claim returned it. */
export interface ClaimedItem extends Item {
  /** When it last entered the queue, Unix time in nanoseconds: X-SC-Enqueued-At. */
  enteredAtNs: string
  /**
   * Another item of the set, still in the queue, creates a product: everything else of the set waits (`new_variation`),
   * except for a create that will bring nothing (see `isComing`). A create itself waits only if another create of the
   * same product is at the Shop or has an unknown outcome: it would create the product twice.
   */
  variationComing: boolean
  /** The state before the claim. */
  before: {
    status: Status
    since: Micros
    reason: string | null
    fresh: boolean
    coalesced: { from: Status; seconds: number } | null
  }
}

/** What came back on the exchange. `httpStatus` and `body` are null if no answer came. */
export interface Exchange {
  httpStatus: number | null
  body: string | null
  milliseconds: number
  outcome: 'success' | 'acknowledged' | 'failure' | 'unprocessable' | 'unreachable' | 'busy'
  /** If no answer came: why, in one word, and when that was known (`performance.now()`). */
  error?: string
  endedAt?: number
}

/** An item whose worker died after it had stored the answer. Reading the answer goes on here. */
export interface Adopted {
  item: Item
  /** The call as sent. */
  request: string
  httpStatus: number
  body: string
  /** The flow of that call. */
  flow: Flow
  sellerSku: string | null
  sku: string | null
}

/** What a callback did to its item. */
export interface Story {
  item: Item
  flow: Flow
  sellerSku: string | null
  sku: string | null
  /** Of the callback. */
  traceId: string
  /** Trace id of the attempt that it answers. */
  answers: string | null
  receivedAt: Micros
  /** The first step begins where the callback met the item. */
  steps: Passage[]
}
