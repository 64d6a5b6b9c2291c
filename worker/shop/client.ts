import type { Dispatcher } from 'undici'
import type { Flow } from '../domain/statuses.ts'
import type { ByteBudget, Share } from './byte-budget.ts'
import { authElement } from './call.ts'
import { isTooMuch } from './circuit.ts'
import { type Connection, createConnections } from './connections.ts'
import { createLimiter, type Limiter } from './limiter.ts'
import { hidingSecrets } from './secrets.ts'
import { codingsOf, textOf, unpacked } from './unpack.ts'

export interface ShopClientOptions {
  url: string
  /** Null or '' when the Shop wants no `auth` element. */
  username: string | null
  password: string | null
  /** For one call, from the first byte sent to the last byte received; also for opening a connection. */
  timeoutMs: number
  /** How many calls may be on their way, one per connection; a further call waits for a free connection. */
  limiter?: Limiter
  /** For answers being received or processed. An answer without a share waits, within its time-out. */
  budget?: ByteBudget
}

/** Headers of one call, as they go out (docs/shop-protocol.md, section 1). */
export type ShopHeaders = Record<string, string>

export interface ShopResponse {
  httpStatus: number
  /** Without secrets. */
  body: string
  /** The host that a redirect points to. Nothing is sent there. */
  movedTo: string | null
  /** HTTP 429, or 503 with Retry-After. */
  saysWait: boolean
  /** From Retry-After. */
  waitSeconds: number | null
  /** When the call left, by `performance.now()`. */
  leftAt: number
  /** The caller is done with the body: its bytes may go to another answer. */
  release(): void
}

export interface ShopClient {
  /**
   * Sends one call. Any HTTP status is an answer; see `readAnswer`.
   * @param mayLeave asked once a connection is there, just before the first byte
   * @throws ShopUnreachable when no whole answer came, NotSent when `mayLeave` said no
   */
  send(call: { json: string }, headers: ShopHeaders, mayLeave?: () => boolean): Promise<ShopResponse>
  /** Calls that are waiting for a connection do not leave. */
  turnAway(): void
  /** Calls that wait for a connection. */
  readonly waiting: number
  /** Takes no more calls. Resolves when those under way have ended, after `timeoutMs` at most. */
  close(): Promise<void>
}

export type UnreachableCode = 'timeout' | 'refused' | 'reset' | 'dns' | 'tls' | 'other'

/**
 * No whole answer came. `message` is a sentence that names at most the host: no path, query, credentials or `cause`, so
 * it may be shown anywhere.
 */
export class ShopUnreachable extends Error {
  override readonly name = 'ShopUnreachable'
  readonly code: UnreachableCode
  /** The Shop closed a new connection silently while it answers on others: it has not processed the call. */
  turnedAway = false
  /** When the call left, by `performance.now()`; null when there was no connection for it. */
  readonly leftAt: number | null

  constructor(code: UnreachableCode, message: string, leftAt: number | null = null) {
    super(message)
    this.code = code
    this.leftAt = leftAt
  }
}

/** Nothing has left: when the connection was there, the caller was no longer allowed to send. */
export class NotSent extends Error {
  override readonly name = 'NotSent'
}

/**
 * The answer to a set of 1,000 variations is some 160 KB. Anything larger than this is no answer and would only fill
 * memory.
 */
export const MAX_BODY_BYTES = 8 * 1024 * 1024

/** Answers up to this size need no share of the budget: thousands of them fit in memory. */
const SMALL_BODY_BYTES = 16 * 1024

/**
 * A keep-alive connection pool to the Shop's one URL. A password in the URL is neither used nor kept.
 *
 * undici's own time-outs only bound the wait for the headers and the pause between two pieces of the body, so a Shop
 * that drips one byte a second would hold a connection for ever. One plain timer per call bounds the whole; it costs
 * 0.4 µs of the 20 µs of a call.
 *
 * @throws Error when `url` is no URL
 * @example
 * const shop = createShopClient({ url: 'https://shop.example/rpc', username: 'sc', password, timeoutMs: 30_000 })
 * const { httpStatus, body } = await shop.send(call, shopHeaders(…))
 */
export function createShopClient({
  url,
  username,
  password,
  timeoutMs,
  limiter = createLimiter({ most: 64, now: () => performance.now() }),
  budget,
}: ShopClientOptions): ShopClient {
  const shop = URL.parse(url)
  if (shop === null || !/^https?:$/.test(shop.protocol)) throw new Error("The Shop's URL is not one of HTTP")
  const { host } = shop
  const path = shop.pathname + shop.search
  const auth = username ? authElement(username, password ?? '') : null
  const opening = auth === null ? '[' : `[${auth},`
  const hide = auth === null ? (text: string) => text : hidingSecrets(auth, password ?? '')
  const connections = createConnections({ shop, limiter, timeoutMs })
  let closing: Promise<void> | null = null

  return {
    send: (call, headers, mayLeave = () => true) =>
      new Promise((resolve, reject) => {
        if (closing) throw new ShopUnreachable('other', `No call is sent to ${host} any more.`)
        connections.ask({
          refuse: (error) => reject(error instanceof NotSent ? error : unreachable(error, host)),
          board: (connection) => leave(connection, resolve, reject),
        })

        function leave(
          connection: Connection,
          resolve: (response: ShopResponse) => void,
          reject: (error: ShopUnreachable | NotSent) => void,
        ): void {
          let controller: Dispatcher.DispatchController | null = null
          let givenUp: ShopUnreachable | NotSent | null = null
          let leftAt = 0
          let latency = 0
          let httpStatus = 0
          let headersOf = (_name: string) => ''
          let bytes = 0
          const chunks: Buffer[] = []
          let share: Share | null = null

          const giveUp = (reason: ShopUnreachable | NotSent) => {
            givenUp = reason
            clearTimeout(timer)
            share?.free()
            reject(reason)
            controller?.abort(reason)
          }
          const tooLarge = () =>
            giveUp(new ShopUnreachable('other', 'The Shop sent an answer of more than 8 MiB.', leftAt))
          const timer = setTimeout(() => {
            const message =
              share?.isGranted === false ? NO_ROOM : `The Shop did not answer within ${timeoutMs / 1000} s.`
            giveUp(new ShopUnreachable('timeout', message, leftAt))
          }, timeoutMs)

          /** @param unread why the bytes could not be unpacked */
          const answer = (body: Buffer, unread: string | null = null) => {
            clearTimeout(timer)
            share?.resize(body.length)
            const waitSeconds = readRetryAfter(headersOf('retry-after'), Date.now())
            resolve({
              httpStatus,
              body: textOf(body, headersOf('content-type'), hide, unread),
              movedTo:
                httpStatus >= 300 && httpStatus <= 399 ? (URL.parse(headersOf('location'), url)?.host ?? null) : null,
              saysWait: httpStatus === 429 || (httpStatus === 503 && waitSeconds !== null),
              waitSeconds,
              leftAt,
              release: () => share?.free(),
            })
          }
          const unpack = async (body: Buffer, codings: readonly string[]) => {
            const whole = await unpacked(body, codings, MAX_BODY_BYTES)
            if (givenUp !== null) return
            if (whole === null) tooLarge()
            else if (typeof whole === 'string') answer(body, whole)
            else answer(whole)
          }

          connection.dispatch(
            {
              path,
              method: 'POST',
              headers: { 'accept-encoding': 'identity', ...headers },
              body: `${opening}${call.json}]`,
            },
            {
              onRequestStart(started) {
                // The call must not leave now. Throws, because an abort would cost the connection.
                if (givenUp === null && !mayLeave()) giveUp(new NotSent('It may not leave any more.'))
                if (givenUp !== null) throw givenUp
                controller = started
                leftAt = performance.now()
              },
              onResponseStart(_controller, status, received) {
                latency = performance.now() - leftAt
                httpStatus = status
                headersOf = (name) => String(received[name] ?? '')
              },
              onResponseData(receiving, chunk) {
                bytes += chunk.length
                if (bytes > MAX_BODY_BYTES) return tooLarge()
                chunks.push(chunk)
                if (bytes <= SMALL_BODY_BYTES || share !== null || !budget) return
                // Asks for the final size up front: an answer that is half received and waits for more room would block
                // the room of another.
                const length = headersOf('content-encoding') === '' ? Number(headersOf('content-length')) : 0
                share = budget.ask(length > 0 ? Math.min(length, MAX_BODY_BYTES) : MAX_BODY_BYTES, () =>
                  receiving.resume(),
                )
                if (!share.isGranted) receiving.pause()
              },
              onResponseEnd() {
                controller = null
                connection.end(isTooMuch(httpStatus) ? 'too much' : 'answered', latency)
                const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
                const codings = codingsOf(headersOf('content-encoding'), body)
                if (codings.length === 0) return answer(body)
                const begin = () =>
                  void unpack(body, codings).catch((error) => giveUp(unreachable(error, host, leftAt)))
                // The rest came all the same: it had been received already.
                if (share !== null && !share.isGranted) share.resize(bytes)
                share ??= budget?.ask(MAX_BODY_BYTES, begin) ?? null // a few bytes may unpack to 8 MiB
                if (share?.isGranted !== false) begin()
              },
              onResponseError(_controller, error) {
                clearTimeout(timer)
                share?.free()
                const turnedAway = givenUp === null && httpStatus === 0 && connection.isOneTooMany()
                if (turnedAway) connection.end('turned away')
                else if (leftAt > 0) connection.end('too much', performance.now() - leftAt)
                else if (givenUp !== null) connection.end('not sent')
                else return connection.missed()
                reject(givenUp ?? Object.assign(unreachable(error, host, leftAt), { turnedAway }))
              },
            },
          )
        }
      }),
    turnAway: () => connections.turnAway(new NotSent('The Shop cannot be reached.')),
    get waiting() {
      return connections.waiting
    },
    close() {
      closing ??= connections.close()
      return closing
    },
  }
}

export interface ShopHeadersOptions {
  flow: Flow
  /** `TOPICS[topic].event` */
  event: string
  requeueCount: number
  /** Unix time in nanoseconds, as text: it exceeds 2^53. */
  enqueuedAtNs: string
  /** W3C trace context of the attempt. */
  traceparent: string
}

/** The headers of one call (docs/shop-protocol.md, section 1). */
export const shopHeaders = ({
  flow,
  event,
  requeueCount,
  enqueuedAtNs,
  traceparent,
}: ShopHeadersOptions): ShopHeaders => ({
  'content-type': 'application/json',
  'X-SC-Flow': flow,
  'X-SC-Topic': event,
  'X-SC-Requeue-Count': String(requeueCount),
  'X-SC-Enqueued-At': enqueuedAtNs,
  traceparent,
})

/** One hour at most (decision 21). */
const LONGEST_WAIT_SECONDS = 3600

/**
 * Reads seconds or a date (RFC 9110, section 10.2.3).
 *
 * @returns null when missing or unreadable
 */
export function readRetryAfter(value: string, nowMs: number): number | null {
  const text = value.trim()
  const isDate = /^[a-z]{3,9},? .*\d{2}:\d{2}:\d{2}/i.test(text) // `Date.parse` makes a year of "-5", and of "in 5"
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : isDate ? (Date.parse(text) - nowMs) / 1000 : Number.NaN
  return Number.isNaN(seconds) ? null : Math.min(LONGEST_WAIT_SECONDS, Math.max(0, seconds))
}

const NO_ROOM = "The Shop's answer found no room in memory in time: too many large ones came at once."

const CODES: Record<string, UnreachableCode> = {
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  ETIMEDOUT: 'timeout',
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  UND_ERR_SOCKET: 'reset',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EPROTO: 'tls',
}

/** OpenSSL names dozens of reasons and Node adds some; all of them look like these. */
const TLS_CODE = /^ERR_(TLS|SSL)_|CERT|^UNABLE_TO_|^CRL_/

function unreachable(error: Error, host: string, leftAt: number | null = null): ShopUnreachable {
  const cause = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  const code = CODES[cause] ?? (TLS_CODE.test(cause) ? 'tls' : 'other')
  switch (code) {
    case 'timeout':
      return new ShopUnreachable(code, `No connection to ${host} came about in time (${cause}).`, leftAt)
    case 'refused':
      return new ShopUnreachable(code, `${host} refused the connection (${cause}).`, leftAt)
    case 'reset':
      return new ShopUnreachable(code, `${host} broke off the connection before it had answered (${cause}).`, leftAt)
    case 'dns':
      return new ShopUnreachable(code, `The name ${host} could not be resolved (${cause}).`, leftAt)
    case 'tls':
      return new ShopUnreachable(code, `No secure connection to ${host} came about (${cause}).`, leftAt)
    case 'other':
      return new ShopUnreachable(code, `The Shop's answer could not be received from ${host} (${cause}).`, leftAt)
  }
}
