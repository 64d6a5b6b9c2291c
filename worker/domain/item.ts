import type { Flow, Status } from './statuses.ts'
import type { Micros, Passage } from './step.ts'
import type { Topic } from './topics.ts'

/** One claim of an item. */
export interface Claim {
  id: string
  /**
   * Fencing token: each later write of this worker carries it and changes nothing once somebody else has claimed the
   * item.
   */
  token: number
}

/** An item in the hands of this worker: claimed, taken up after another, or with a callback. */
export interface Item extends Claim {
  topic: Topic
  sellerId: string
  productSetId: string
  productId: string | null
  /** Of the attempt that begins; unique for ever. */
  requestId: string
  /** Requests made for this item before this one: X-SC-Requeue-Count. */
  sends: number
  /** Failures in the present retry cycle. */
  failures: number
  /** Trace of the attempt before, null for the first. */
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
   * Another item of the set that creates a product there is still in the queue: everything else of the set waits
   * (`new_variation`). Not for one that brings nothing more, see `isComing`. A create itself waits only where another
   * create of the same product is with the Shop or of unknown outcome: it would make the product twice.
   */
  variationComing: boolean
  /** What the claim took it from. */
  before: {
    status: Status
    since: Micros
    reason: string | null
    fresh: boolean
    coalesced: { from: Status; seconds: number } | null
  }
}

/** What came back on the exchange. `httpStatus` and `body` are null where no answer came. */
export interface Exchange {
  httpStatus: number | null
  body: string | null
  milliseconds: number
  outcome: 'success' | 'acknowledged' | 'failure' | 'unprocessable' | 'unreachable' | 'busy'
  /** Where no answer came: why, in one word, and when that was known (`performance.now()`). */
  error?: string
  endedAt?: number
}

/** An item whose answer had been stored when its worker died: reading it goes on here. */
export interface Adopted {
  item: Item
  /** The call as it was sent. */
  request: string
  httpStatus: number
  body: string
  /** That it was sent in. */
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
  /** The first begins where the callback met the item. */
  steps: Passage[]
}
