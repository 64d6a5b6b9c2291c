import type { Flow, Status } from './statuses.ts'
import type { Topic } from './topics.ts'

/** Unix time in microseconds, as the database counts; exact in a JavaScript number until the year 2255. */
export type Micros = number

/** A status that an item entered, as the history has it, with all that tells it. */
export interface Step {
  itemId: string
  sellerId: string
  productSetId: string
  productId: string | null
  sellerSku: string | null
  /** The Shop's. */
  sku: string | null
  topic: Topic
  /** Null: it has just been queued. */
  from: Status | null
  to: Status
  at: Micros
  /** Spent in `from`. */
  seconds: number
  reason: string | null
  /** The person, where it was one. */
  actor: string | null
  flow: Flow | null
  /** Of the last attempt. */
  requestId: string | null
  traceId: string | null
  /** Requests made so far. */
  sends: number
}

/** A status that an item entered, where the item is known. */
export type Entered = Pick<Step, 'to' | 'at' | 'reason'>

/** The same, with where the item was before, and since when. */
export type Passage = Entered & { from: Status | null; since: Micros }

/** Steps one after another, of an item that was in `from` since `since`. */
export function passages(from: Status, since: Micros, steps: readonly Entered[]): Passage[] {
  return steps.map((step, place) => {
    const { to, at } = steps[place - 1] ?? { to: from, at: since }
    return { ...step, from: to, since: at }
  })
}

/** What a commit was, for those who tell of it. */
export interface Commit {
  /** `now()` of its transaction. */
  now: Micros
  /**
   * `performance.now()` at which the statement left: what was measured before it stands in the history relative to
   * `now`.
   */
  left: number
}

/** When something happened that `performance.now()` measured, by the database's clock. */
export const atOf = ({ now, left }: Commit, measured: number): Micros => Math.round(now + (measured - left) * 1000)

/** By this machine's clock. */
export const nowInMicros = (): Micros => Math.round((performance.timeOrigin + performance.now()) * 1000)
