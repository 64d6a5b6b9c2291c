import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Topic } from '../../worker/domain/topics.ts'
import type { Result } from './answers.ts'
import type { Call } from './calls.ts'
import { Latest } from './latest.ts'
import type { AnswerTrouble, CallbackTrouble, Settings } from './troubles.ts'

/** A received call, the trouble it met, and its answer. Times are ISO 8601 UTC; null for what did not happen. */
export interface ReceivedCall {
  requestId: string
  /** The path it was sent to. Tests give each worker its own path, to know whose call it was. */
  path: string
  topic: Topic | null
  headers: {
    flow: string | null
    topic: string | null
    requeueCount: string | null
    enqueuedAt: string | null
    traceparent: string | null
  }
  /** Whether the request began with an `auth` element. Its content is never kept. */
  auth: boolean
  call: Call
  trouble: AnswerTrouble | null
  callbackTrouble: CallbackTrouble | null
  receivedAt: string
  /** When it took effect, and its effect: the rows before any were spoiled. Null if it was not processed. */
  processedAt: string | null
  done: Result | null
  /** How many calls took effect before this one. */
  order: number | null
  answeredAt: string | null
  /** When the exchange ended: answered, or given up by either side. */
  endedAt: string | null
  httpStatus: number | null
  /** The answer as written: JSON, or else its text. */
  answer: unknown
  /** The content of the final answer or the callback; null if the call was not processed. */
  result: unknown
}

const header = (headers: IncomingHttpHeaders, name: string): string | null => {
  const value = headers[name]
  return typeof value === 'string' ? value : null
}

/** What the Shop received: always the numbers, and the latest calls if `record` says so. */
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

  /** Counts a request and its calls. Returns the records of the calls; none if only numbers are kept. */
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

  /** The calls that are still kept, newest first. */
  calls(): ReceivedCall[] {
    return this.#calls.newestFirst(this.#shop.settings.recordLimit)
  }
}

function count(numbers: Record<string, number>, name: string): void {
  numbers[name] = (numbers[name] ?? 0) + 1
}
