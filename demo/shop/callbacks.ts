import { Agent, type Dispatcher } from 'undici'
import type { Draw } from './draws.ts'
import { Latest } from './latest.ts'
import { spelled } from './spelled.ts'
import type { Settings } from './troubles.ts'

/** Where callbacks go: the worker's `http://host:port/shop-update/`, and the key of `bob_callback_server`. */
export interface CallbackTarget {
  url: string
  apiKey: string
}

/**
 * One sending of a callback and the worker's answer. If the worker could not be reached, `httpStatus` is null and
 * `answer` is the error.
 */
export interface Sending {
  sentAt: string
  httpStatus: number | null
  answer: unknown
}

/** A callback (docs/shop-protocol.md, section 3). `result` is that of a final answer. */
export interface Callback {
  requestId: string
  result: unknown
  state: 'pending' | 'accepted' | 'abandoned'
  sendings: Sending[]
}

export interface CallbackCounts {
  /** Sendings, including repeated ones. */
  sent: number
  accepted: number
  /** Sendings that got an error or no answer. */
  refused: number
  /** Waiting for their time, held, on the way, or due for another try. */
  pending: number
  /** Given up after `callbackTries`. */
  abandoned: number
}

/** What may change between two callbacks; read when one is due. */
interface Surroundings {
  readonly settings: Settings
  readonly draws: { readonly random: () => number }
  readonly callbackTarget: CallbackTarget | undefined
}

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5000

/** Sends callbacks, each until it is accepted or its tries are used up. */
export class Callbacks {
  readonly #shop: Surroundings
  /** A few kept-alive connections, however many callbacks are due at once. */
  readonly #agent = new Agent({ connections: 64, headersTimeout: 30_000 })
  readonly #latest = new Latest<Callback>()
  readonly counts: CallbackCounts = { sent: 0, accepted: 0, refused: 0, pending: 0, abandoned: 0 }
  #held: Callback[] = []
  #stopped = false
  #whenSettled: (() => void)[] = []

  constructor(shop: Surroundings) {
    this.#shop = shop
  }

  /** Plans the callback of a request that is being acknowledged, as drawn: late, twice, or shuffled among others. */
  plan(requestId: string, result: unknown, { callbackTrouble, callbackDelayMs, setting }: Draw): void {
    for (let times = callbackTrouble === 'callbackTwice' ? 2 : 1; times > 0; times -= 1) {
      const callback = this.#open(requestId, result)
      const due = () =>
        callbackTrouble === 'callbackShuffle' ? this.#hold(callback, setting) : void this.#send([callback])
      this.#after(callbackDelayMs, due)
    }
  }

  /** Sends the callback now; resolves once it has been answered. If refused, it is sent again like any other. */
  async sendFirst(requestId: string, result: unknown): Promise<void> {
    await this.#send([this.#open(requestId, result)])
  }

  /** Sends a callback now, `times` times at once, and never again. With `apiKey` null, without the `auth` call. */
  async sendOnce(
    requestId: string,
    result: unknown,
    times: number,
    apiKey: string | null | undefined,
  ): Promise<Callback[]> {
    const callbacks = Array.from({ length: times }, () => this.#open(requestId, result))
    await Promise.all(
      callbacks.map(async (callback) => {
        await this.#post([callback], apiKey)
        if (callback.state === 'pending') this.#close(callback, 'abandoned')
      }),
    )
    return callbacks
  }

  /** The callbacks that are still kept, newest first. */
  list(): Callback[] {
    return this.#latest.newestFirst(this.#shop.settings.recordLimit)
  }

  /** Resolves as soon as no callback is pending. */
  settled(): Promise<void> {
    if (this.counts.pending === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenSettled.push(resolve))
  }

  /** Sends nothing more; pending callbacks stay pending. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#agent.destroy()
  }

  #open(requestId: string, result: unknown): Callback {
    const callback: Callback = { requestId, result, state: 'pending', sendings: [] }
    this.counts.pending += 1
    const { record, recordLimit } = this.#shop.settings
    if (record === 'all') this.#latest.add(callback, recordLimit)
    return callback
  }

  #close(callback: Callback, state: 'accepted' | 'abandoned'): void {
    callback.state = state
    this.counts[state] += 1
    this.counts.pending -= 1
    if (this.counts.pending > 0) return
    for (const resolve of this.#whenSettled.splice(0)) resolve()
  }

  /** The timers do not keep the process alive: a stopped Shop owes nobody a callback. */
  #after(milliseconds: number, what: () => void): void {
    setTimeout(() => {
      if (!this.#stopped) what()
    }, milliseconds).unref()
  }

  #hold(callback: Callback, { callbackBatch, callbackHoldMs }: Draw['setting']): void {
    this.#held.push(callback)
    if (this.#held.length >= callbackBatch) this.#release(this.#held)
    else if (this.#held.length === 1) {
      const held = this.#held
      this.#after(callbackHoldMs, () => this.#release(held))
    }
  }

  #release(held: Callback[]): void {
    // The batch may have been filled and sent before its time.
    if (held !== this.#held) return
    this.#held = []
    void this.#send(shuffled(held, this.#shop.draws.random))
  }

  /** Sends the callbacks as one batch, and each refused one again on its own, after a pause that doubles. */
  async #send(batch: Callback[]): Promise<void> {
    await this.#post(batch)
    if (this.#stopped) return
    for (const callback of batch) {
      if (callback.state !== 'pending') continue
      const tries = callback.sendings.length
      if (tries >= this.#shop.settings.callbackTries) this.#close(callback, 'abandoned')
      else this.#after(Math.min(FIRST_PAUSE_MS * 2 ** (tries - 1), LONGEST_PAUSE_MS), () => void this.#send([callback]))
    }
  }

  /** One HTTP exchange; closes the callbacks that the worker accepted. */
  async #post(batch: Callback[], apiKey?: string | null): Promise<void> {
    const sentAt = new Date().toISOString()
    this.counts.sent += batch.length
    let httpStatus: number | null = null
    let answer: unknown
    try {
      const target = this.#shop.callbackTarget
      if (target === undefined) throw new Error('no callback URL is set')
      const calls = [...auth(apiKey === undefined ? target.apiKey : apiKey), ...batch.map(call)]
      const answered = await post(this.#agent, target.url, spelled(calls, this.#shop.settings))
      httpStatus = answered.httpStatus
      answer = jsonOrText(answered.body)
    } catch (error) {
      answer = String(error)
    }
    for (const callback of batch) {
      const own = httpStatus === null ? answer : answerTo(callback, answer)
      callback.sendings.push({ sentAt, httpStatus, answer: own })
      if (httpStatus !== null && httpStatus < 300 && isAccepted(own)) this.#close(callback, 'accepted')
      else this.counts.refused += 1
    }
  }
}

/**
 * Without the streams and signals of `undici.request`, which cost 60 us a callback; this costs 38. The Shop shares the
 * machine with the worker that it measures.
 */
function post(agent: Dispatcher, url: string, body: string): Promise<{ httpStatus: number; body: string }> {
  const { origin, pathname, search } = new URL(url)
  return new Promise((resolve, reject) => {
    let httpStatus = 0
    const chunks: Buffer[] = []
    agent.dispatch(
      { origin, path: pathname + search, method: 'POST', headers: { 'content-type': 'application/json' }, body },
      {
        onRequestStart() {}, // by which undici knows a handler of this kind
        onResponseStart(_controller, status) {
          httpStatus = status
        },
        onResponseData(_controller, chunk) {
          chunks.push(chunk)
        },
        onResponseEnd() {
          resolve({ httpStatus, body: Buffer.concat(chunks).toString() })
        },
        onResponseError(_controller, error) {
          reject(error)
        },
      },
    )
  })
}

const auth = (apiKey: string | null) =>
  apiKey === null ? [] : [{ jsonrpc: '2.0', method: 'auth', params: { apiKey } }]

const call = ({ requestId, result }: Callback) => ({
  jsonrpc: '2.0',
  method: 'Callback.process',
  params: { result },
  id: requestId,
})

/** The element of a batch's answer for this callback; if there is none, the whole answer, for inspection. */
function answerTo({ requestId }: Callback, answer: unknown): unknown {
  if (!Array.isArray(answer)) return answer
  return answer.find((element) => String(element?.id) === requestId) ?? answer
}

function isAccepted(answer: unknown): boolean {
  return (answer as { result?: { status?: unknown } } | null)?.result?.status === 'success'
}

function jsonOrText(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}

/** Fisher-Yates, but never the given order: two callbacks in their old order would not be shuffled. */
function shuffled<Thing>(things: readonly Thing[], random: () => number): Thing[] {
  const order = [...things]
  for (let last = order.length - 1; last > 0; last -= 1) {
    // Sattolo's variant picks below `last`, so that every element moves.
    const other = Math.floor(random() * last)
    ;[order[last], order[other]] = [order[other]!, order[last]!]
  }
  return order
}
