import { type Dispatcher, Pool } from 'undici'
import type { Flow } from '../domain/statuses.ts'
import { authElement } from './call.ts'

export interface ShopClientOptions {
  url: string
  /** Null or '' where the Shop wants no `auth` element. */
  username: string | null
  password: string | null
  /** For one call in all: waiting for a connection, connecting, sending, and the whole body of the answer. */
  timeoutMs: number
  /** Calls on the wire at a time, one a connection; a further call waits for a free one. */
  connections?: number
}

/** Headers of one call, as they go out (shop-protocol.md, section 1). */
export type ShopHeaders = Record<string, string>

export interface ShopClient {
  /**
   * Sends one call. Any HTTP status is an answer; see `readAnswer`.
   * @param mayLeave asked when a connection is there, just before the first byte
   * @throws ShopUnreachable when no whole answer came, NotSent when `mayLeave` said no
   */
  send(call: { json: string }, headers: ShopHeaders, mayLeave?: () => boolean): Promise<{ httpStatus: number; body: string }>
  /** Takes no more calls and resolves when those under way have ended, which takes `timeoutMs` at most. */
  close(): Promise<void>
}

export type UnreachableCode = 'timeout' | 'refused' | 'reset' | 'dns' | 'tls' | 'other'

/**
 * No whole answer came. `message` is a sentence that names at most the host: no path, no query, no credentials, and no `cause`, so it may
 * go anywhere.
 */
export class ShopUnreachable extends Error {
  override readonly name = 'ShopUnreachable'
  readonly code: UnreachableCode

  constructor(code: UnreachableCode, message: string) {
    super(message)
    this.code = code
  }
}

/** Nothing has left: whoever wanted to send was no longer allowed to when the connection was there. */
export class NotSent extends Error {
  override readonly name = 'NotSent'
}

/** The answer to a set of 1,000 variations is some 160 KB: more than this is no answer, and would only fill the memory. */
const MAX_BODY_BYTES = 8 * 1024 * 1024

/**
 * A keep-alive connection pool to the Shop's one URL. A password in the URL is not used and not kept.
 *
 * undici's own time-outs bound the wait for the headers and the pause between two pieces of the body, so a Shop that drips a byte a second
 * would hold a connection for ever. One plain timer a call bounds the whole; it costs 0.4 µs of the 20 µs that a call takes.
 *
 * @throws Error when `url` is no URL
 * @example
 * const shop = createShopClient({ url: 'https://shop.example/rpc', username: 'sc', password, timeoutMs: 30_000 })
 * const { httpStatus, body } = await shop.send(call, shopHeaders(…))
 */
export function createShopClient({ url, username, password, timeoutMs, connections = 64 }: ShopClientOptions): ShopClient {
  const shop = URL.parse(url)
  if (shop === null) throw new Error("The Shop's URL is not a URL")
  const { host, origin } = shop
  const path = shop.pathname + shop.search
  const auth = username ? authElement(username, password ?? '') : null
  const opening = auth === null ? '[' : `[${auth},`
  const secrets = auth === null ? [] : secretForms(auth, password ?? '')
  const pool = new Pool(origin, {
    connections,
    pipelining: 1,
    // One call a connection is what `connections` promises; with HTTP/2 undici would put a hundred on each.
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: timeoutMs },
  })
  let closing: Promise<void> | null = null

  return {
    send: (call, headers, mayLeave = () => true) =>
      new Promise((resolve, reject) => {
        let controller: Dispatcher.DispatchController | null = null
        let givenUp: ShopUnreachable | NotSent | null = null
        let httpStatus = 0
        let bytes = 0
        const chunks: Buffer[] = []

        const giveUp = (reason: ShopUnreachable | NotSent) => {
          givenUp = reason
          clearTimeout(timer)
          reject(reason)
          controller?.abort(reason)
        }
        const timer = setTimeout(() => {
          giveUp(new ShopUnreachable('timeout', `The Shop did not answer within ${timeoutMs / 1000} s.`))
        }, timeoutMs)

        pool.dispatch(
          { path, method: 'POST', headers, body: `${opening}${call.json}]` },
          {
            onRequestStart(started) {
              // Given up while it waited for a connection: it must not leave now. Thrown, for an abort would cost the connection.
              if (givenUp === null && !mayLeave()) giveUp(new NotSent('It may not leave any more.'))
              if (givenUp !== null) throw givenUp
              controller = started
            },
            onResponseStart(_controller, status) {
              httpStatus = status
            },
            onResponseData(_controller, chunk) {
              bytes += chunk.length
              if (bytes > MAX_BODY_BYTES) giveUp(new ShopUnreachable('other', 'The Shop sent an answer of more than 8 MiB.'))
              else chunks.push(chunk)
            },
            onResponseEnd() {
              clearTimeout(timer)
              const body = (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString()
              resolve({ httpStatus, body: without(secrets, body) })
            },
            onResponseError(_controller, error) {
              clearTimeout(timer)
              reject(givenUp ?? unreachable(error, host))
            },
          },
        )
      }),
    close() {
      closing ??= pool.close()
      return closing
    },
  }
}

export interface ShopHeadersOptions {
  flow: Flow
  /** `TOPICS[topic].event` */
  event: string
  requeueCount: number
  /** Unix time in nanoseconds, as text: it is larger than 2^53. */
  enqueuedAtNs: string
  /** W3C trace context of the attempt. */
  traceparent: string
}

/** The headers of one call (shop-protocol.md, section 1). */
export const shopHeaders = ({ flow, event, requeueCount, enqueuedAtNs, traceparent }: ShopHeadersOptions): ShopHeaders => ({
  'content-type': 'application/json',
  'X-SC-Flow': flow,
  'X-SC-Topic': event,
  'X-SC-Requeue-Count': String(requeueCount),
  'X-SC-Enqueued-At': enqueuedAtNs,
  traceparent,
})

/** A password shorter than this is a part of too many words to be looked for. */
const SHORTEST_SECRET = 4

/**
 * Error pages like to show the request that broke them, in whatever form, and a raw answer is kept in the database and shown. The whole `auth`
 * element goes where it is echoed as it was sent or inside of a JSON string; the password itself goes in every form that a page may give it.
 */
function secretForms(auth: string, password: string): string[] {
  const quoted = JSON.stringify(password).slice(1, -1)
  const html = password.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
  const forms = [quoted, quoted.replaceAll('/', '\\/'), JSON.stringify(quoted).slice(1, -1), html, html.replaceAll("'", '&#39;')]
  forms.push(encodeURIComponent(password), encodeURIComponent(password).replaceAll('%20', '+'), password)
  const longEnough = password.length >= SHORTEST_SECRET ? forms : []
  // the longest first, or a part of one would be taken out of it
  return [...new Set([auth, JSON.stringify(auth).slice(1, -1), ...longEnough])].sort((a, b) => b.length - a.length)
}

/** `null` in place of the element keeps the rest readable JSON; in place of a password it is a word. */
const without = (secrets: string[], body: string): string => secrets.reduce((rest, secret) => rest.replaceAll(secret, 'null'), body)

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

/** OpenSSL names dozens of reasons, Node some more; all of them look like these. */
const TLS_CODE = /^ERR_(TLS|SSL)_|CERT|^UNABLE_TO_|^CRL_/

function unreachable(error: Error, host: string): ShopUnreachable {
  const cause = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  const code = CODES[cause] ?? (TLS_CODE.test(cause) ? 'tls' : 'other')
  switch (code) {
    case 'timeout':
      return new ShopUnreachable(code, `No connection to ${host} came about in time (${cause}).`)
    case 'refused':
      return new ShopUnreachable(code, `${host} refused the connection (${cause}).`)
    case 'reset':
      return new ShopUnreachable(code, `${host} broke off the connection before it had answered (${cause}).`)
    case 'dns':
      return new ShopUnreachable(code, `The name ${host} could not be resolved (${cause}).`)
    case 'tls':
      return new ShopUnreachable(code, `No secure connection to ${host} came about (${cause}).`)
    case 'other':
      return new ShopUnreachable(code, `The Shop's answer could not be received from ${host} (${cause}).`)
  }
}
