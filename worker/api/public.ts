import type { IncomingMessage } from 'node:http'
import { getConnInfo } from '@hono/node-server/conninfo'
import { type Context, Hono } from 'hono'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { allowList, readAddress } from '../allow-list.ts'
import type { Config } from '../config.ts'
import type { Sql } from '../database/database.ts'
import type { CallbackOutcome } from '../domain/callback.ts'
import type { RefusedFor } from '../domain/incident.ts'
import { callbackState, digestOf, recordCallback } from '../queue/record-callback.ts'
import { parseShopJson } from '../shop/answer.ts'
import { authElement } from '../shop/call.ts'
import { hidingSecrets } from '../shop/secrets.ts'
import { type ServerTrace, serverTrace } from '../telemetry/server-trace.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { LATE, lateAfter, within } from '../within.ts'
import { Body, LostBody, leadingKey } from './body.ts'
import { type CallbackCredential, callbackCredential, noteUses } from './callback-keys.ts'
import { noteCallbacks } from './last-callback.ts'
import { noteRefusals } from './refused-callbacks.ts'
import { remoteAddress } from './remote-address.ts'

export interface PublicApiOptions {
  sql: Sql
  config: Pick<Config, 'TRUSTED_PROXIES' | 'SHOP_USERNAME' | 'SHOP_PASSWORD'>
  log: { [level in 'warn' | 'error']: (fields: object, message: string) => void }
  /** A committed callback waits to be applied to this item. */
  onCallback?: (itemId: string | null) => void
  /** Called once for each call by the Shop: the counter `shop_update.callbacks`. */
  onOutcome?: (outcome: CallbackOutcome | 'unauthorized' | 'malformed') => void
  telemetry?: Telemetry
  /** Whether the worker can do its work now. */
  ready: () => Promise<boolean>
  /** Whether this process works at all. If not for long, it should be restarted. */
  working?: () => Promise<boolean>
  /** How long the Shop waits for the database before it is told to try again. */
  answerWithinMs?: number
  /** How long the Shop may take to send a body. */
  bodyWithinMs?: number
}

interface PublicEnv {
  Bindings: { incoming: IncomingMessage }
}
type PublicContext = Context<PublicEnv>

interface Judge {
  /** It is on the white list. */
  mayCall: boolean
  /** Whether the key is valid and comes from an allowed address. Then it counts as a use of the key. */
  isRight(key: unknown): boolean
  /** What was wrong, after the keys so far. */
  refusedFor(): RefusedFor
}

type Id = string | number | null
type RpcError = { code: number; message: string; data?: string }
type RpcAnswer = { jsonrpc: '2.0'; id: Id } & ({ result: { status: 'success' } } | { error: RpcError })
type Call = { method: string; params?: unknown; id?: unknown }

const LARGEST_BODY = 2 * 1024 * 1024
/** The most that is read of a body before a valid key is known. */
const LARGEST_HEAD = 4 * 1024
/** Of calls beside one `auth`. */
const LONGEST_BATCH = 100
/** Per address and minute. */
const FAILED_ATTEMPTS = 10

const UNAUTHORIZED = { code: -32001, message: 'Could not authorize request' }
const MALFORMED = { code: 502, message: 'Invalid Json RPC format' }
const TRY_AGAIN = { code: -32000, message: 'Try again' }
const TOO_MANY_ATTEMPTS = { code: -32000, message: 'Too many failed attempts' }
const TOO_SLOW = { code: -32000, message: 'The body did not come in time' }
const ENCODED = { code: -32000, message: 'The body must not be compressed' }
const TOO_LARGE = { code: -32000, message: 'The body is larger than 2 MiB' }
const UNKNOWN_METHOD = { code: -32601, message: 'Method not found' }
const UNKNOWN_REQUEST = { code: -32602, message: 'Unknown request id' }
const NO_RESULT = { code: -32602, message: 'Invalid params: params.result must be the rows of an answer' }
const NO_ID = { code: -32602, message: 'Invalid params: the id must be a request ID' }

/**
 * The listener for the Shop (docs/shop-protocol.md, section 3): `POST /shop-update/`, `GET /shop-update/{requestId}`,
 * `GET /healthz`, `GET /readyz`, and nothing else.
 *
 * Errors that JSON-RPC defines are answered with HTTP 200 and that error. An HTTP status is sent when the body was not
 * examined (408, 413, 415, 429) or the database did not answer in time (503). To the Shop each of them is a NACK. A
 * client that is not on the white list and a client with a wrong key get the same answer, so that nobody can test a key
 * from elsewhere.
 *
 * Address and key are checked before the body. Without them only its first 4 KiB are read, which must contain the
 * `auth` call. Only wrong keys are counted and slowed down; a client with a valid key never waits because of others
 * behind the same address.
 */
export function createPublicApi({
  sql,
  config,
  log,
  onCallback,
  onOutcome,
  telemetry,
  ready,
  working = async () => true,
  answerWithinMs = 10_000,
  bodyWithinMs = 10_000,
}: PublicApiOptions): Hono<PublicEnv> {
  const trustedProxies = allowList(config.TRUSTED_PROXIES)
  const credential = callbackCredential(sql)
  const record = recordCallback(sql, (error) =>
    log.warn(
      { error: brief(error) },
      'Public listener: the workers could not be notified of new callbacks; their polls find them within a second',
    ),
  )
  const used = noteUses(sql, (error) =>
    log.warn(
      { 'event.name': 'key_use_not_noted', error: brief(error) },
      'Public listener: the time at which a key was last used could not be stored; the callback itself is not affected',
    ),
  )
  const calledBack = noteCallbacks(sql, (error) =>
    log.warn(
      { 'event.name': 'last_callback_not_noted', error: brief(error) },
      'Public listener: the time of the last callback could not be stored; the callback itself is not affected',
    ),
  )
  const refusedOf = noteRefusals(sql, (error) =>
    log.warn(
      { 'event.name': 'refusals_not_noted', error: brief(error) },
      'Public listener: who was refused could not be stored; it is tried again in a second',
    ),
  )
  // An error in a callback may quote the original request, just as one in an answer may.
  const { SHOP_USERNAME: username, SHOP_PASSWORD: password = '' } = config
  const hideIn = username
    ? hidingIn(hidingSecrets(authElement(username, password), password))
    : (result: unknown) => result
  const attempts = new RateLimiterMemory({ points: FAILED_ATTEMPTS, duration: 60 })

  let toldOfProxy = false
  function clientOf(c: Context): string | null {
    const forwardedFor = c.req.header('x-forwarded-for')
    if (forwardedFor !== undefined && config.TRUSTED_PROXIES.length === 0 && !toldOfProxy) {
      toldOfProxy = true
      log.warn(
        { 'event.name': 'forwarded_for_ignored', remote: getConnInfo(c).remote.address },
        'Public listener: X-Forwarded-For is ignored, because TRUSTED_PROXIES is empty; a proxy counts as the client',
      )
    }
    return remoteAddress(getConnInfo(c).remote.address, forwardedFor, trustedProxies)
  }

  const credentialInTime = () => {
    const known = credential()
    return known instanceof Promise ? inTime(answerWithinMs, known) : known
  }

  /** Decides about one client's keys in one request. */
  function judge({ addresses, accepts }: CallbackCredential, client: string | null): Judge {
    const mayCall = addresses.allows(client)
    let keyWasValid = false
    return {
      mayCall,
      isRight(key) {
        const hash = typeof key === 'string' ? accepts(key) : null
        if (hash === null) return false
        keyWasValid = true
        if (mayCall) used(hash)
        return mayCall
      },
      refusedFor: () => (mayCall ? 'key' : keyWasValid ? 'address' : 'both'),
    }
  }

  /** Seconds until this client may try again; null: it may now. */
  async function mustWait(client: string | null): Promise<number | null> {
    const tried = await attempts.get(attemptsKey(client))
    return tried !== null && tried.consumedPoints >= FAILED_ATTEMPTS ? Math.ceil(tried.msBeforeNext / 1000) : null
  }

  /**
   * @returns seconds until this client may try again, if this attempt was one too many: concurrent attempts are not yet
   *   counted when they begin
   */
  async function noteFailedAttempt(client: string | null, judged: Judge, refused = 1): Promise<number | null> {
    const cause = judged.refusedFor()
    // a stranger may have a whole /64 of addresses
    refusedOf(cause === 'both' ? attemptsKey(client) : client, cause, refused)
    const tried = await attempts.penalty(attemptsKey(client))
    log.warn(
      { 'event.name': 'callback_unauthorized', remote: client, refused },
      'Could not authorize a request on the public listener',
    )
    return tried.consumedPoints > FAILED_ATTEMPTS ? Math.ceil(tried.msBeforeNext / 1000) : null
  }

  /** One Callback.process by an authorized client. Answers success only after the commit. */
  async function receive(
    { params, id }: Call,
    client: string | null,
    trace: ServerTrace,
    late: Promise<typeof LATE>,
  ): Promise<{ answer: RpcAnswer; outcome: CallbackOutcome | 'malformed' | null }> {
    // A callback without an id could never be matched. As a notification it would get no answer, which must not pass
    // for success.
    if (!isId(id)) return { answer: failure(NO_ID, null), outcome: 'malformed' }
    const result = hideIn(isObject(params) ? params.result : undefined)
    if (typeof result !== 'object' || result === null) return { answer: failure(NO_RESULT, id), outcome: 'malformed' }
    let digest: string
    try {
      digest = digestOf(result)
    } catch {
      return { answer: failure(NO_RESULT, id), outcome: 'malformed' } // nested too deeply
    }
    const callback = {
      requestId: String(id),
      digest,
      body: JSON.stringify(result),
      remote: client,
      traceId: trace.traceId,
    }
    try {
      const recorded = await Promise.race([record(callback), late])
      if (recorded === LATE) throw tooLate(answerWithinMs)
      const { outcome } = recorded
      if (outcome === 'accepted') onCallback?.(recorded.itemId)
      trace.received(callback.requestId.slice(0, 255), recorded, callback.body)
      return { answer: outcome === 'unknown' ? failure(UNKNOWN_REQUEST, id) : success(id), outcome }
    } catch (error) {
      log.error(
        { 'event.name': 'callback_not_recorded', request_id: callback.requestId, error: brief(error) },
        'Public listener: a callback could not be recorded; the Shop was told to send it again',
      )
      return { answer: failure(TRY_AGAIN, id), outcome: null }
    }
  }

  /**
   * Answers the calls in order. `auth` applies to the calls after it. One wrong `auth` spoils the rest of the request,
   * whatever came before or comes after, so that one batch is not a hundred guesses.
   *
   * @param authorized by the key in the header
   * @returns the answers; a notification has none
   */
  async function answerCalls(
    calls: readonly unknown[],
    byHeader: boolean,
    client: string | null,
    judged: Judge,
    trace: ServerTrace,
  ) {
    let authorized = byHeader
    let spoiled = false
    let refused = 0
    const answers: (RpcAnswer | null | Promise<RpcAnswer>)[] = []
    const { late, clear } = lateAfter(answerWithinMs) // one timer for the whole batch
    for (const call of calls) {
      if (!isCall(call)) {
        if (!authorized) refused++
        onOutcome?.('malformed')
        answers.push(failure(MALFORMED, isObject(call) && isId(call.id) ? call.id : null))
        continue
      }
      const id = isId(call.id) ? call.id : null
      // Only Callback.process is answered without an id: see receive().
      const isAnswered = call.id !== undefined || call.method === 'Callback.process'
      if (call.method === 'auth') {
        authorized = judged.isRight(isObject(call.params) ? call.params.apiKey : null) && !spoiled
        spoiled ||= !authorized
        if (!authorized) refused++
        answers.push(isAnswered ? (authorized ? success(id) : failure(UNAUTHORIZED, id)) : null)
      } else if (!authorized) {
        refused++
        onOutcome?.('unauthorized')
        answers.push(isAnswered ? failure(UNAUTHORIZED, id) : null)
      } else if (call.method !== 'Callback.process') {
        onOutcome?.('malformed')
        answers.push(isAnswered ? failure(UNKNOWN_METHOD, id) : null)
      } else {
        // Not awaited here, so that one statement takes the whole batch.
        const received = receive(call, client, trace, late)
        answers.push(
          received.then(({ answer, outcome }) => {
            if (outcome !== null) onOutcome?.(outcome)
            if (outcome !== null && outcome !== 'unknown') calledBack()
            return answer
          }),
        )
      }
    }
    try {
      if (refused > 0) await noteFailedAttempt(client, judged, refused)
      return (await Promise.all(answers)).filter((answer) => answer !== null)
    } finally {
      clear()
    }
  }

  /** The answer to a client without a valid key that has tried too often; null if it has not. */
  async function tooMany(c: Context, client: string | null): Promise<Response | null> {
    const seconds = await mustWait(client)
    if (seconds === null) return null
    onOutcome?.('unauthorized')
    refusedOf(client, null, 1)
    return slowDown(c, seconds)
  }

  const slowDown = (c: Context, seconds: number): Response =>
    c.json(failure(TOO_MANY_ATTEMPTS, null), 429, { 'retry-after': String(seconds), connection: 'close' })

  function unread(c: Context, error: RpcError, status: 408 | 413 | 415): Response {
    onOutcome?.('malformed')
    return c.json(failure(error, null), status, {
      connection: 'close',
      ...(status === 415 && { 'accept-encoding': 'identity' }),
    })
  }

  /** @returns a rejected promise if the database has failed */
  async function answer(c: PublicContext, client: string | null, trace: ServerTrace): Promise<Response> {
    // Awaited even when it is at hand: until then Node has read the headers alone.
    const known = await credentialInTime()
    const judged = judge(known, client)
    const { mayCall, isRight } = judged
    const length = Number(c.req.header('content-length') ?? 0)
    const byHeader = isRight(keyInHeader(c))
    let isKnown = byHeader
    if (!isKnown && !mayCall) {
      const refusal = await tooMany(c, client)
      if (refusal) return refusal
    }
    if (!/^(identity)?$/i.test(c.req.header('content-encoding') ?? '')) return unread(c, ENCODED, 415)
    if (length > LARGEST_BODY) return unread(c, TOO_LARGE, 413)

    const received = new Body(c.env.incoming, bodyWithinMs)
    try {
      if (!isKnown) {
        if (mayCall || length <= LARGEST_HEAD) await received.read(LARGEST_HEAD)
        isKnown = isRight(leadingKey(received.text(LARGEST_HEAD)))
      }
      if (!isKnown) {
        const refusal = await tooMany(c, client)
        if (refusal) return refusal
        if (!received.isWhole || received.size > LARGEST_HEAD) {
          onOutcome?.('unauthorized')
          const seconds = await noteFailedAttempt(client, judged)
          return seconds === null
            ? c.json(failure(UNAUTHORIZED, null), 200, { connection: 'close' })
            : slowDown(c, seconds)
        }
      }
      await received.read(LARGEST_BODY)
    } catch (error) {
      if (!(error instanceof LostBody)) throw error
      if (!isKnown) await noteFailedAttempt(client, judged)
      return unread(c, TOO_SLOW, 408)
    } finally {
      received.leave()
    }
    if (received.size > LARGEST_BODY) return unread(c, TOO_LARGE, 413)

    const body = parsed(received.text())
    const isBatch = Array.isArray(body)
    const longest = LONGEST_BATCH + (isBatch && body.some(isAuth) ? 1 : 0)
    if (isBatch ? body.length === 0 || body.length > longest : !isObject(body)) {
      onOutcome?.('malformed')
      if (!isKnown) await noteFailedAttempt(client, judged)
      return c.json(
        failure(
          isBatch && body.length > 0
            ? { ...MALFORMED, data: `A batch has at most ${LONGEST_BATCH} calls beside its auth` }
            : MALFORMED,
          null,
        ),
      )
    }
    const answers = await answerCalls(isBatch ? body : [body], byHeader, client, judged, trace)
    if (answers.length === 0) return c.body(null, 204)
    // After a 503 the Shop sends the whole batch again. Callbacks that were recorded become duplicates, which are
    // harmless.
    const status = answers.some((answer) => 'error' in answer && answer.error === TRY_AGAIN) ? 503 : 200
    return c.json(isBatch ? answers : answers[0], status)
  }

  /** Only the database can have failed. In any case: never success. */
  function unavailable(c: PublicContext, error: unknown): Response {
    log.error(
      { 'event.name': 'public_listener_failed', error: brief(error) },
      'Public listener: a request failed and was answered with 503; the Shop should send it again',
    )
    return c.req.method === 'POST' ? c.json(failure(TRY_AGAIN, null), 503) : problem(c, 503, TRY_AGAIN.message)
  }

  const app = new Hono<PublicEnv>()

  app.on('POST', ['/shop-update', '/shop-update/'], async (c) => {
    const trace = serverTrace(telemetry)
    const client = clientOf(c)
    const response = await answer(c, client, trace).catch((error) => unavailable(c, error))
    trace.answered(response.status, client)
    return response
  })

  app.get('/shop-update/:requestId', async (c) => {
    const client = clientOf(c)
    const judged = judge(await credentialInTime(), client)
    if (!judged.isRight(keyInHeader(c))) {
      const seconds = await mustWait(client)
      if (seconds !== null) return problem(c, 429, 'Too many failed attempts', { 'retry-after': String(seconds) })
      await noteFailedAttempt(client, judged)
      return problem(c, 401, UNAUTHORIZED.message, { 'www-authenticate': 'Bearer' })
    }
    const requestId = c.req.param('requestId')
    const state = await inTime(answerWithinMs, callbackState(sql, requestId))
    return state ? c.json({ requestId, ...state }) : problem(c, 404, UNKNOWN_REQUEST.message)
  })

  const health = (isWell: () => Promise<boolean>) => async (c: PublicContext) =>
    (await inTime(answerWithinMs, isWell()).catch(() => false))
      ? c.json({ status: 'ok' })
      : c.json({ status: 'unavailable' }, 503)
  app.get('/healthz', health(working))
  app.get('/readyz', health(ready))

  app.notFound((c) => problem(c, 404, 'Not found'))

  app.onError((error, c) => unavailable(c, error))

  return app
}

const success = (id: Id): RpcAnswer => ({ jsonrpc: '2.0', result: { status: 'success' }, id })
const failure = (error: RpcError, id: Id): RpcAnswer => ({ jsonrpc: '2.0', error, id })

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isId = (id: unknown): id is string | number => typeof id === 'string' || typeof id === 'number'
const isAuth = (call: unknown) => isObject(call) && call.method === 'auth'
const isCall = (call: unknown): call is Call =>
  isObject(call) && call.jsonrpc === '2.0' && typeof call.method === 'string'

/**
 * Fields that name a product do not echo secrets, and must not lose a digit that happens to be part of a short
 * password.
 */
const NAMES = new Set([
  'id',
  'sku',
  'seller_sku',
  'config_id',
  'srcId',
  'productSetSrcId',
  'updated_at',
  'hash',
  'status',
])

/**
 * Applies `hide` to the texts of a result. Beyond any reasonable depth the result stays as it is; it is refused for its
 * depth.
 */
const hidingIn = (hide: (text: string) => string) => {
  const hidden = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') return hide(value)
    if (typeof value !== 'object' || value === null || depth > 100) return value
    if (Array.isArray(value)) return value.map((element) => hidden(element, depth + 1))
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [
        name,
        typeof member === 'string' && NAMES.has(name) ? member : hidden(member, depth + 1),
      ]),
    )
  }
  return (result: unknown) => hidden(result, 0)
}

/** Undefined when the text is not JSON or is nested too deeply to be read. */
function parsed(text: string): unknown {
  try {
    return parseShopJson(text)
  } catch {
    return undefined
  }
}

/** The key in a header, as an alternative to the `auth` call. */
function keyInHeader(c: Context): string | null {
  const [, bearer] = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '') ?? []
  return c.req.header('x-api-key') ?? bearer ?? null
}

/** A host owns a whole /64 of IPv6, so a /64 counts as one client. */
function attemptsKey(client: string | null): string {
  const address = client === null ? null : readAddress(client)
  return address !== null && 'parts' in address ? address.parts.slice(0, 4).join(':') : String(client)
}

/** @throws after `milliseconds`, although the promise may still resolve later */
async function inTime<Thing>(milliseconds: number, promised: Promise<Thing>): Promise<Thing> {
  const thing = await within(milliseconds, promised)
  if (thing === LATE) throw tooLate(milliseconds)
  return thing
}

const tooLate = (milliseconds: number) => new Error(`Nothing came within ${milliseconds} ms.`)

/** What a log may contain of an error: database errors contain the statement's parameters. */
function brief(error: unknown): { code: string | null; message: string } {
  const { code = null, message = '' } = error as { code?: string; message?: string }
  return { code, message }
}

function problem(c: Context, status: 401 | 404 | 429 | 503, title: string, headers: Record<string, string> = {}) {
  return c.json({ type: 'about:blank', title, status }, status, {
    ...headers,
    'content-type': 'application/problem+json',
  })
}
