import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import {
  acknowledgment,
  type CallError,
  errorAnswer,
  finalAnswer,
  NOT_AUTHORIZED,
  NOT_QUEUED,
  type Result,
} from './answers.ts'
import { type Auth, type Call, readCalls, topicOfEvent } from './calls.ts'
import type { Draw } from './draws.ts'
import type { ReceivedCall } from './memory.ts'
import { spelled } from './spelled.ts'
import { failing, spoiled } from './spoiled.ts'
import type { State } from './state.ts'

const JSON_TYPE = 'application/json'
const HTML_TYPE = 'text/html'

const isAuthorized = (credentials: Auth | undefined, auth: Auth | null): boolean =>
  credentials === undefined || (auth?.username === credentials.username && auth?.password === credentials.password)

/**
 * Takes one request of the worker (docs/shop-protocol.md, section 1) and answers it, or causes the trouble that was
 * drawn for it.
 */
export function takeRequest(state: State, request: IncomingMessage, response: ServerResponse): void {
  const { limits } = state
  let body = ''
  limits.began(request)
  response.once('finish', () => limits.ended(request))
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => {
    body += chunk
  })
  request.on('end', () => {
    const read = readCalls(body)
    if (read === undefined) {
      write(response, 400, HTML_TYPE, 'The body is not a JSON array of calls')
      return
    }
    if (limits.turnsDown(response)) return
    const exchange = new Exchange(state, request, response, read)
    response.once('close', () => exchange.end())
    limits.enter(() => {
      if (response.closed) limits.end()
      else response.once('close', () => limits.end())
      if (exchange.latencyMs > 0) setTimeout(() => exchange.answer(), exchange.latencyMs).unref()
      else exchange.answer()
    })
  })
}

function write(response: ServerResponse, httpStatus: number, type: string, body: string): void {
  response.writeHead(httpStatus, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

type Outcome = { result: Result } | { error: CallError }

class Exchange {
  readonly #state: State
  readonly #response: ServerResponse
  readonly #calls: Call[]
  readonly #records: ReceivedCall[]
  readonly #authorized: boolean
  readonly #asynchronous: boolean
  /** Whether the answer is an acknowledgment, with a callback to follow. */
  readonly #acknowledges: boolean
  readonly #draw: Draw

  constructor(
    state: State,
    request: IncomingMessage,
    response: ServerResponse,
    { auth, calls }: { auth: Auth | null; calls: Call[] },
  ) {
    const { headers } = request
    const topic = topicOfEvent(headers['x-sc-topic'])
    this.#state = state
    this.#response = response
    this.#calls = calls
    this.#authorized = isAuthorized(state.credentials, auth)
    this.#asynchronous = headers['x-sc-flow'] === 'asynchronous'
    this.#draw = state.draws.draw(topic)
    this.#acknowledges = this.#asynchronous !== (this.#draw.trouble === 'answersOtherFlow')
    const trouble = this.#authorized ? this.#draw.trouble : null
    const callbackTrouble = this.#authorized && this.#acknowledges ? this.#draw.callbackTrouble : null
    this.#records = state.memory.receive(request, { calls, auth: auth !== null }, { topic, trouble, callbackTrouble })
  }

  get latencyMs(): number {
    return this.#draw.latencyMs
  }

  answer(): void {
    if (!this.#authorized) {
      this.#writeAnswers(this.#calls.map(({ id }) => errorAnswer(id, NOT_AUTHORIZED)))
      return
    }
    if (this.#response.destroyed && this.#state.settings.dropsAbandoned) return
    if (this.#refuses()) return
    const outcomes = this.#process()
    const callbackFirst = this.#sendCallbacks(outcomes)
    const { answerDelayMs } = this.#draw
    if (callbackFirst === undefined && answerDelayMs === 0) this.#deliver(outcomes)
    else
      void Promise.all([callbackFirst, delay(answerDelayMs, undefined, { ref: false })]).then(() =>
        this.#deliver(outcomes),
      )
  }

  /** The exchange is over, whoever ended it. */
  end(): void {
    for (const record of this.#records) record.endedAt ??= new Date().toISOString()
  }

  /** The troubles under which the request is not processed; false for all others. */
  #refuses(): boolean {
    switch (this.#draw.trouble) {
      case 'http500':
        this.#write(500, HTML_TYPE, '<h1>Internal Server Error</h1>')
        return true
      case 'http404':
        this.#write(404, HTML_TYPE, '<h1>Not Found</h1>')
        return true
      case 'nack':
        this.#writeAnswers(this.#calls.map(({ id }) => errorAnswer(id, NOT_QUEUED)))
        return true
      case 'dropBefore':
        this.#response.destroy()
        return true
      case 'hangBefore':
        return true
      case 'garbage':
      case 'wrongId':
        if (!this.#asynchronous) return false
        this.#deliver(this.#calls.map(() => ({ result: [] })))
        return true
      default:
        return false
    }
  }

  #process(): Outcome[] {
    const { products, settings } = this.#state
    const { trouble, callbackTrouble, setting } = this.#draw
    const fails = failing(this.#acknowledges && callbackTrouble === 'callbackFailure' ? 'failureRows' : trouble)
    const keeping = { lenient: settings.lenient, keepFields: settings.record === 'all' }
    return this.#calls.map((call, k) => {
      const outcome = products.process(call, fails, keeping)
      if ('error' in outcome) return outcome
      const result = spoiled(outcome.result, trouble, call.method, setting)
      const record = this.#records[k]
      if (record !== undefined) {
        record.result = result
        this.#state.memory.process(record, outcome.result)
      }
      return { result: result as Result }
    })
  }

  /**
   * Plans the callbacks that the acknowledgment promises. Returns a promise if the acknowledgment must wait for them.
   */
  #sendCallbacks(outcomes: Outcome[]): Promise<unknown> | undefined {
    const { callbackTrouble } = this.#draw
    if (!this.#acknowledges || callbackTrouble === 'noCallback') return undefined
    const { callbacks } = this.#state
    const first: Promise<void>[] = []
    outcomes.forEach((outcome, k) => {
      if ('error' in outcome) return
      const requestId = String(this.#calls[k]!.id)
      if (callbackTrouble === 'callbackBeforeAck') first.push(callbacks.sendFirst(requestId, outcome.result))
      else callbacks.plan(requestId, outcome.result, this.#draw)
    })
    return first.length > 0 ? Promise.all(first) : undefined
  }

  #deliver(outcomes: Outcome[]): void {
    switch (this.#draw.trouble) {
      case 'hang':
        return
      case 'drop':
        this.#response.destroy()
        return
      case 'http504':
        this.#write(504, HTML_TYPE, '<h1>Gateway Timeout</h1>')
        return
      case 'garbage':
        this.#write(200, HTML_TYPE, '<h1>The Shop is being maintained</h1>')
        return
      default:
        this.#writeAnswers(outcomes.map((outcome, k) => this.#answerTo(this.#calls[k]!, outcome)))
    }
  }

  #answerTo(call: Call, outcome: Outcome): object {
    const id = this.#draw.trouble === 'wrongId' ? `not-${call.id}` : call.id
    if ('error' in outcome) return errorAnswer(id, outcome.error)
    return this.#acknowledges ? acknowledgment(id) : finalAnswer(id, outcome.result)
  }

  #writeAnswers(answers: object[]): void {
    this.#write(200, JSON_TYPE, spelled(answers, this.#state.settings), answers)
  }

  #write(httpStatus: number, type: string, body: string, answer: unknown = body): void {
    for (const record of this.#records) {
      record.answeredAt = new Date().toISOString()
      record.endedAt ??= record.answeredAt // the client may have gone long ago
      record.httpStatus = httpStatus
      record.answer = answer
    }
    write(this.#response, httpStatus, type, body)
  }
}
