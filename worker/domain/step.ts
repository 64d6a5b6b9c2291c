import type { Flow, Status } from './statuses.ts'
import type { Topic } from './topics.ts'

/** Unix time in microseconds, as in the database; exact in a JavaScript number until the year 2255. */
export type Micros = number

/** A status that an item entered, as the history has it, with everything that telemetry needs. */
export interface Step {
  itemId: string
  sellerId: string
  productSetId: string
  productId: string | null
  sellerSku: string | null
  /** The Shop SKU. */
  sku: string | null
  topic: Topic
  /** Null: it has just been queued. */
  from: Status | null
  to: Status
  at: Micros
  /** The time spent in `from`. */
  seconds: number
  reason: string | null
  /** The person, if it was one. */
  actor: string | null
  flow: Flow | null
  /** Of the last attempt. */
  requestId: string | null
  traceId: string | null
  /** Requests made so far. */
  sends: number
}

/** A status that a known item entered. */
export type Entered = Pick<Step, 'to' | 'at' | 'reason'>

/** The same, plus where the item was before and since when. */
export type Passage = Entered & { from: Status | null; since: Micros }

/** The consecutive steps of an item that was in `from` since `since`. */
export function passages(from: Status, since: Micros, steps: readonly Entered[]): Passage[] {
  return steps.map((step, place) => {
    const { to, at } = steps[place - 1] ?? { to: from, at: since }
    return { ...step, from: to, since: at }
  })
}

/** A commit, for telemetry. */
export interface Commit {
  /** `now()` of its transaction. */
  now: Micros
  /** `performance.now()` when the statement left: earlier measurements are placed in the history relative to `now`. */
  left: number
}

/**
 * How long before a statement left `performance.now()` measured an event. In whole microseconds, both for the statement
 * and for telemetry: a `real` number of seconds is off by up to 4 microseconds after a minute.
 */
export const agoOf = (left: number, measured: number): Micros => Math.round((left - measured) * 1000)

/** The database's time of an event that `performance.now()` measured. */
export const atOf = ({ now, left }: Commit, measured: number): Micros => now - agoOf(left, measured)

/** By this machine's clock. */
export const nowInMicros = (): Micros => Math.round((performance.timeOrigin + performance.now()) * 1000)
