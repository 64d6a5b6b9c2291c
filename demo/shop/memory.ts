import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Topic } from '../../worker/domain/topics.ts'
import type { Result } from './answers.ts'
import type { Call } from './calls.ts'
import { Latest } from './latest.ts'
import type { AnswerTrouble, CallbackTrouble, Settings } from './troubles.ts'

/**
 * A call as it was received, what it met with, and what it was answered. Times are ISO 8601 UTC; what did not happen is
 * null.
 */
export interface ReceivedCall {
  requestId: string
  /** That it was sent to: a test that gives each worker its own knows by it whose call it was. */
  path: string
  topic: Topic | null
  headers: {
    flow: string | null
    topic: string | null
    requeueCount: string | null
    enqueuedAt: string | null
    traceparent: string | null
  }
  /** Whether the request began with an `auth` element. What was in it is never kept. */
  auth: boolean
  call: Call
  trouble: AnswerTrouble | null
  callbackTrouble: CallbackTrouble | null
  receivedAt: string
  /** When it took effect, and what it did: the rows before any of them was spoiled. Null where it was not processed. */
  processedAt: string | null
  done: Result | null
  /** How many calls had taken effect before this one. */
  order: number | null
  answeredAt: string | null
  /** When the exchange was over: answered, or given up by one of the two. */
  endedAt: string | null
  httpStatus: number | null
  /** The answer as it was written: JSON, or the text where it was none. */
  answer: unknown
  /** What the final answer or the callback carries; null where the call was not processed. */
  result: unknown
}

const header = (headers: IncomingHttpHeaders, name: string): string | null => {
  const value = headers[name]
  return typeof value === 'string' ? value : null
}

/** What the Shop received: numbers always, the latest calls where `record` says so. */
export class Memory {
  readonly #shop: { readonly settings: Settings }
  readonly #calls = new Latest<ReceivedCall>()
  requests = 0
  #processed = 0
  readonly byTopic: Record<string, number> = {}
  readonly byMethod: Record<string, number> = {}
  readonly byTrouble: Record<string, number> = {}

  constructor(shop: { readonly settings: Settings }) {
    this.#shop = shop
  }

  /** Counts a request and its calls; returns the records of the calls, none where only numbers are kept. */
  receive(
    { url, headers }: Pick<IncomingMessage, 'url' | 'headers'>,
    { calls, auth }: { calls: Call[]; auth: boolean },
    met: { topic: Topic | undefined; trouble: AnswerTrouble | null; callbackTrouble: CallbackTrouble | null },
  ): ReceivedCall[] {
    this.requests += 1
    count(this.byTopic, met.topic ?? 'unknown')
    if (met.trouble !== null) count(this.byTrouble, met.trouble)
    if (met.callbackTrouble !== null) count(this.byTrouble, met.callbackTrouble)
    for (const { method } of calls) count(this.byMethod, method)
    const { record, recordLimit } = this.#shop.settings
    if (record === 'counts') return []

    const receivedAt = new Date().toISOString()
    const records = calls.map(
      (call): ReceivedCall => ({
        requestId: String(call.id),
        path: url ?? '/',
        topic: met.topic ?? null,
        headers: {
          flow: header(headers, 'x-sc-flow'),
          topic: header(headers, 'x-sc-topic'),
          requeueCount: header(headers, 'x-sc-requeue-count'),
          enqueuedAt: header(headers, 'x-sc-enqueued-at'),
          traceparent: header(headers, 'traceparent'),
        },
        auth,
        call,
        trouble: met.trouble,
        callbackTrouble: met.callbackTrouble,
        receivedAt,
        processedAt: null,
        done: null,
        order: null,
        answeredAt: null,
        endedAt: null,
        httpStatus: null,
        answer: null,
        result: null,
      }),
    )
    for (const kept of records) this.#calls.add(kept, recordLimit)
    return records
  }

  /** A call takes effect now. */
  process(record: ReceivedCall, done: Result): void {
    record.processedAt = new Date().toISOString()
    record.done = done
    record.order = this.#processed++
  }

  /** The calls that are still kept, the newest first. */
  calls(): ReceivedCall[] {
    return this.#calls.newestFirst(this.#shop.settings.recordLimit)
  }
}

function count(numbers: Record<string, number>, name: string): void {
  numbers[name] = (numbers[name] ?? 0) + 1
}
