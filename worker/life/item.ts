import type { CatalogueSet } from '../domain/catalogue.ts'
import type { Adopted, ClaimedItem } from '../domain/item.ts'
import { storable } from '../domain/text.ts'
import { TOPICS } from '../domain/topics.ts'
import { askedFromJson, askedOf, readAnswer } from '../shop/answer.ts'
import { isCall } from '../shop/call.ts'
import { shopHeaders } from '../shop/client.ts'
import type { Line } from '../shop/line.ts'
import { build } from './build.ts'
import { carryOut, type Received } from './carry-out.ts'
import type { Desk } from './desk.ts'
import { Life } from './life.ts'
import {
  brokenOff,
  handedBack,
  MOVED,
  orNack,
  unanswered,
  type Verdict,
  verdictOf,
  verdictWithoutCall,
} from './verdict.ts'

/** The result of an attempt, what came on the exchange, and what to release when that is written. */
type Concluded = { verdict: Verdict; received?: Received; release?(): void }

/**
 * The life of one item from its claim to where it rests: Synced, Got acknowledgment, Delayed, Failed or Blocked. A verb
 * that says "lost" ends it silently: another worker has the item.
 */
export async function live(life: Life<ClaimedItem>, set: CatalogueSet | undefined, desk: Desk): Promise<void> {
  const { item } = life
  try {
    const concluded = await attempt(life, set, desk)
    if (concluded === null) return
    await carryOut(concluded.verdict, life, concluded.received).finally(concluded.release)
    if (concluded.verdict === MOVED) await desk.followCatalogue()
  } catch (error) {
    desk.line.notSent(item)
    // Any exception is a failure (docs/requirements.md, "Statuses").
    const message = storable(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
    await carryOut(brokenOff(message, item, desk.retry), life)
    throw error
  }
}

/** @returns null: there is nothing more to do, or another worker has the item */
async function attempt(life: Life<ClaimedItem>, set: CatalogueSet | undefined, desk: Desk): Promise<Concluded | null> {
  const { item } = life
  const { line, retry } = desk
  // It was claimed in its product's former set. It must not be sent from there: calls of the new set may be on their
  // way.
  if (set && set.id !== item.productSetId) {
    line.notSent(item)
    await desk.noteMoved(item)
    return { verdict: MOVED }
  }

  // Processing -> Building payload
  const call = build(item, set)
  if (!isCall(call)) {
    line.notSent(item)
    const verdict = verdictWithoutCall(call, item, retry)
    if (verdict === null) await life.drop()
    return verdict && { verdict }
  }
  const builtAt = performance.now()

  // Building payload -> Made request, committed before the call leaves
  const hindrance = await line.turn(item, builtAt)
  if (hindrance !== null) return letGo(item, line, { verdict: handedBack(hindrance) })
  const flow = line.flow()
  const made = await life.makeRequest({ flow, body: storable(call.json), builtAt })
  if (!made) return letGo(item, line, null)
  // The statement's answer may have been under way for longer than a lease, and a heartbeat may have come before it.
  if (!line.maySend(builtAt)) return letGo(item, line, { verdict: handedBack('worker_stopped') })
  const { event } = TOPICS[item.topic]
  const { traceparent } = life.attempt
  const headers = { flow, event, requeueCount: item.sends, enqueuedAtNs: item.enteredAtNs, traceparent }
  const sent = await line.send(item, call, shopHeaders(headers), builtAt)
  if ('hindrance' in sent) return { verdict: handedBack(sent.hindrance) }

  // Got response -> Building response payload -> Response processing -> Synced, or wherever the answer leads
  const { milliseconds } = sent
  if ('unreachable' in sent) {
    const { code: error } = sent.unreachable
    const exchange = { httpStatus: null, body: null, milliseconds, error, endedAt: sent.endedAt }
    const received = { exchange, answeredAt: null, readAt: null }
    return { verdict: unanswered(sent.unreachable, item, retry), received }
  }
  const { httpStatus, body, release } = sent.response
  const asked = askedOf(item.topic, call, item.productId)
  const answer = orNack(readAnswer(httpStatus, body, asked, sent.response), flow, body)
  const exchange = { httpStatus, body: storable(body), milliseconds }
  const received = { exchange, answeredAt: sent.answeredAt, readAt: performance.now() }
  return { verdict: verdictOf(answer, item, asked, retry), received, release }
}

/** Nothing leaves after all. */
function letGo<End extends Concluded | null>(item: ClaimedItem, line: Line, end: End): End {
  line.notSent(item)
  return end
}

/** Continues after a worker died that had stored the answer. */
export async function resume(adopted: Adopted, desk: Desk): Promise<void> {
  const { item, request, httpStatus, body } = adopted
  const asked = askedFromJson(item.topic, item.productId, request)
  const answer = asked
    ? readAnswer(httpStatus, body, asked)
    : ({ kind: 'unprocessable', message: 'The stored request cannot be read.' } as const)
  await carryOut(verdictOf(answer, item, asked, desk.retry), Life.resume(adopted, desk))
}
