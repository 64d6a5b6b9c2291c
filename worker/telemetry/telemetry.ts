import type { CallbackOutcome, RecordedCallback } from '../domain/callback.ts'
import type { Adopted } from '../domain/item.ts'
import { REFUSAL_REASONS } from '../domain/refusals.ts'
import { STATUS_NAMES, STATUSES, type Status } from '../domain/statuses.ts'
import { type Micros, nowInMicros, type Passage, type Step } from '../domain/step.ts'
import { TOPICS } from '../domain/topics.ts'
import {
  type Attributes,
  encodeLine,
  encodeSpan,
  kept,
  lineAttributes,
  type SpanFields,
  spanAttributes,
  text,
} from './encode.ts'
import { createInstruments } from './instruments.ts'
import type { Pipelines } from './pipelines.ts'
import type { Tallies } from './tallies.ts'
import { SpanRef } from './trace-context.ts'

/**
 * The item that a line or a span is about, in the names of docs/contract.md. Attributes that do not apply are omitted.
 */
export class Subject {
  readonly fields: SubjectFields
  #attributes: Attributes | null = null
  #encoded: Buffer | null = null
  #lines = 0

  constructor(fields: SubjectFields) {
    this.fields = fields
  }

  set(fields: Partial<Pick<SubjectFields, 'flow' | 'requestId'>>): void {
    Object.assign(this.fields, fields)
    this.#attributes = null
    this.#encoded = null
  }

  /** The place of the next line: several may share a microsecond. */
  get place(): number {
    return this.#lines++ % 1000
  }

  get attributes(): Attributes {
    this.#attributes ??= { ...about(this.fields), attempt: this.fields.attempt }
    return this.#attributes
  }

  /** For log records: all eight lines of an item copy it. */
  get encoded(): Buffer {
    this.#encoded ??= kept(lineAttributes(this.attributes))
    return this.#encoded
  }
}

/** The attributes that name the item. */
function about({
  itemId,
  sellerId,
  productSetId,
  productId,
  sellerSku,
  sku,
  topic,
  flow,
  requestId,
}: Omit<SubjectFields, 'attempt'>): Attributes {
  const attributes: Attributes = {
    item_id: itemId,
    seller_id: sellerId,
    product_set_id: productSetId,
    topic,
    method: TOPICS[topic].method,
  }
  if (productId !== null) attributes.product_id = productId
  if (sellerSku !== null) attributes.seller_sku = sellerSku
  if (sku !== null) attributes.sku = sku
  if (flow !== null) attributes.flow = flow
  if (requestId !== null) attributes.request_id = requestId
  return attributes
}

type SubjectFields = Pick<
  Step,
  'itemId' | 'sellerId' | 'productSetId' | 'productId' | 'sellerSku' | 'sku' | 'topic' | 'flow' | 'requestId'
> & {
  /** The number of the item's current or last attempt; 0: there was none. */
  attempt: number
}

/** Log lines cut longer bodies (Loki takes 256 KiB per line); the database has them whole. */
const LONGEST_BODY = 64 * 1024

/** The first words of log lines in docs/contract.md, and their event names. */
export const EVENTS = {
  request: 'shop_update.request',
  answer: 'shop_update.raw_response',
  callback: 'shop_update.callback_received',
  status: 'shop_update.status_changed',
} as const

/** The logger's part that is needed here: a thread has one that passes lines on. */
export type Stdout = { isLevelEnabled(level: string): boolean } & Record<
  Level,
  (fields: object, message: string) => void
>

export type Telemetry = ReturnType<typeof createTelemetry>

/** How a step belongs to the trace with this root, and who took the step. */
interface StepContext {
  actor?: string | null
  root?: SpanRef | undefined
  links?: readonly SpanRef[] | undefined
}

/**
 * A line about an item that is not about a step. `words` are what people search for; `body`, which may be long, stands
 * between them.
 */
interface Words {
  event: string
  status: Status
  at: Micros
  level: Level
  words: [before: string, after: string]
  body: string
  more?: Attributes
  ref?: SpanRef
}

type Level = 'info' | 'warn' | 'error'

/**
 * Makes the traces, metrics and lines of this worker. Everything is reported once the database has confirmed it, with
 * the times of the history.
 *
 * @param stdout gets each line too, as far as its level allows
 */
export function createTelemetry(
  {
    tallies,
    span: sendSpan,
    line: sendLine,
  }: Pick<Pipelines, 'span' | 'line'> & {
    tallies: Pick<Tallies, 'counter' | 'histogram'>
  },
  stdout: Stdout,
) {
  const instruments = createInstruments(tallies)
  // These series must exist before the first event: rate() would miss an initial burst.
  for (const status of LEFT_IN) instruments.leasesRescued([status], 0)
  for (const outcome of CALLBACK_OUTCOMES) instruments.callbacks([outcome], 0)
  for (const reason of REFUSAL_REASONS) instruments.internalRefusals([reason], 0)
  const isWanted = (level: Level): boolean => sendLine !== null || stdout.isLevelEnabled(level)

  /** A failure of telemetry must not become a failure of the item. */
  function safely(tell: () => void): void {
    try {
      tell()
    } catch (error) {
      stdout.error(
        { err: error },
        'Telemetry: a span or log line could not be encoded and is lost; items are not affected',
      )
    }
  }

  function span(fields: SpanFields): void {
    if (sendSpan) safely(() => sendSpan(encodeSpan(fields)))
  }

  /**
   * @param attributes of the line, once as bytes for the collector and once for stdout; each is built only if needed
   */
  function line(
    { at, place }: { at: Micros; place: number },
    level: Level,
    body: string,
    encoded: () => readonly Buffer[],
    plain: () => Attributes,
    ref?: SpanRef,
  ): void {
    safely(() => {
      if (sendLine) sendLine(encodeLine({ at, place, level, body, attributes: encoded(), ref }))
      if (stdout.isLevelEnabled(level))
        stdout[level]({ ...plain(), ...(ref && { trace_id: ref.traceId, span_id: ref.spanId }) }, body)
    })
  }

  /**
   * A database statement, as a span of its own that the spans of its items link to. Null when spans are not exported.
   */
  function statement(summary: string, items: number, began: Micros, ended: Micros): SpanRef | null {
    instruments.statementDuration(['postgresql', summary], (ended - began) / 1e6)
    if (!sendSpan) return null
    const ref = SpanRef.root()
    const attributes = spanAttributes({
      'db.system.name': 'postgresql',
      'db.query.summary': summary,
      'db.operation.batch.size': items,
    })
    span({ name: text(summary), kind: 'client', ref, start: began, end: ended, attributes })
    return ref
  }

  /**
   * Counts a step, records its duration and logs it. Within a trace, it also makes the span of the status that the item
   * left.
   */
  function step(
    subject: Subject,
    { from, to, since, at, reason, actor = null, root, links }: Passage & StepContext,
  ): void {
    const { topic, flow, sellerSku, requestId } = subject.fields
    instruments.transitions([topic, from ?? 'none', to, flow ?? 'none'])
    if (from !== null) instruments.statusDuration([topic, from], Math.max(0, at - since) / 1e6)
    let ref = root
    if (root && sendSpan && from !== null) {
      ref = root.child()
      const { name, attributes } = SPANS[from]
      span({ name, kind: 'internal', ref, parent: root, start: since, end: at, attributes, links })
    }
    const level = levelOf(to, reason)
    if (!isWanted(level)) return
    const more: Attributes = {}
    if (reason !== null) more.reason = reason
    if (actor !== null) more.actor = actor
    line(
      { at, place: subject.place },
      level,
      `Status ${from ?? 'none'} -> ${to} ${sellerSku ?? '-'} ${requestId ?? '-'}`,
      () =>
        reason === null && actor === null
          ? [subject.encoded, STEPS[to]]
          : [subject.encoded, STEPS[to], lineAttributes(more)],
      () => ({ 'event.name': EVENTS.status, ...subject.attributes, status: to, ...more }),
      ref,
    )
  }

  function words(
    subject: Subject,
    { event, status, at, level, words: [before, after], body, more = {}, ref }: Words,
  ): void {
    if (!isWanted(level)) return
    const attributes: Attributes = { 'event.name': event, status, ...more }
    line(
      { at, place: subject.place },
      level,
      before + cut(body, attributes) + after,
      () => [subject.encoded, lineAttributes(attributes)],
      () => ({ ...subject.attributes, ...attributes }),
      ref,
    )
  }

  /**
   * Steps outside any attempt: by hand, by a create that others waited for, after a worker is lost. They join the trace
   * of the attempt after which the item rested.
   */
  function steps(taken: readonly Step[]): void {
    for (const { seconds, at, traceId, sends, from, to, reason, actor, ...rest } of taken) {
      const root = traceId === null ? undefined : SpanRef.rootOf(traceId)
      step(new Subject({ ...rest, attempt: sends }), {
        from,
        to,
        reason,
        actor,
        since: at - Math.round(seconds * 1e6),
        at,
        root,
      })
    }
  }

  /** Items of a lost worker: those with a stored answer go on (`adopted`), the others took a step back. */
  function rescued({ steps: taken, adopted }: { steps: Step[]; adopted: Adopted[] }): void {
    steps(taken)
    for (const { from } of taken) instruments.leasesRescued([from ?? 'none'])
    if (adopted.length > 0) instruments.leasesRescued(['response_processing'], adopted.length)
  }

  /** A callback that has been recorded. */
  function callback({ requestId, itemId, subject, outcome, body, at }: CallbackEvent, ref: SpanRef): void {
    const attributes: Attributes = { 'event.name': EVENTS.callback, request_id: requestId, outcome }
    if (itemId !== null) attributes.item_id = itemId
    if (itemId !== null && subject !== null)
      Object.assign(attributes, about({ ...subject, sellerSku: null, sku: null, itemId, requestId }))
    line(
      { at, place: 0 },
      outcome === 'unknown' ? 'warn' : 'info',
      `Callback.process ${requestId} ${cut(body, attributes)}`,
      () => [lineAttributes(attributes)],
      () => attributes,
      ref,
    )
  }

  /** What a requeue did and what it skipped. */
  function requeued(results: readonly { topic: string | null; result: string; n: number }[]): void {
    for (const { topic, result, n } of results) instruments.requeues([topic ?? 'none', result], n)
  }

  /** A line of the worker itself that is already on stdout. */
  function ownLine(level: Level, body: string, attributes: Attributes): void {
    sendLine?.(encodeLine({ at: nowInMicros(), level, body, attributes: [lineAttributes(attributes)] }))
  }

  return {
    instruments,
    traces: sendSpan !== null,
    span,
    statement,
    step,
    words,
    steps,
    rescued,
    callback,
    requeued,
    ownLine,
  }
}

interface CallbackEvent extends Omit<RecordedCallback, 'answers'> {
  requestId: string
  body: string
  at: Micros
}

function cut(body: string, attributes: Attributes): string {
  if (body.length <= LONGEST_BODY) return body
  attributes.truncated = true
  return body.slice(0, LONGEST_BODY)
}

/** What somebody should look at stands out: a failure, an unusable answer, and Failed after too many of them. */
function levelOf(to: Status, reason: string | null): Level {
  if (to === 'failed') return reason === 'product_deleted' ? 'info' : 'error'
  return reason !== null && FAILURES.has(reason) ? 'warn' : 'info'
}
/** The possible outcomes of a call by the Shop. */
const CALLBACK_OUTCOMES = [
  'accepted',
  'duplicate',
  'late',
  'unknown',
  'unauthorized',
  'malformed',
] as const satisfies readonly (CallbackOutcome | 'unauthorized' | 'malformed')[]
/** The statuses in which a dying worker leaves its items: those that are written before the next action. */
const LEFT_IN = ['processing', 'made_request', 'response_processing'] as const satisfies readonly Status[]
/** Reasons that say that something went wrong. */
export const FAILURES = new Set([
  'failure',
  'unprocessable_response',
  'src_id_conflict',
  'unknown_outcome',
  'worker_lost',
])

/** What all spans and lines of a status share. */
export const SPANS = Object.fromEntries(
  STATUS_NAMES.map((status) => [
    status,
    { name: text(STATUSES[status].label), attributes: spanAttributes({ 'shop_update.status': status }) },
  ]),
) as Record<Status, { name: Buffer; attributes: Buffer }>
const STEPS = Object.fromEntries(
  STATUS_NAMES.map((status) => [status, lineAttributes({ 'event.name': EVENTS.status, status })]),
) as Record<Status, Buffer>
