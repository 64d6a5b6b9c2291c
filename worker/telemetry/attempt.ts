import type { CatalogueProduct, CatalogueSet } from '../domain/catalogue.ts'
import type { Adopted, ClaimedItem, Exchange, Item, Story } from '../domain/item.ts'
import type { Flow, Status } from '../domain/statuses.ts'
import type { Micros, Passage } from '../domain/step.ts'
import { TOPICS } from '../domain/topics.ts'
import { type Attributes, spanAttributes, text } from './encode.ts'
import { EVENTS, FAILURES, SPANS, Subject, type Telemetry } from './telemetry.ts'
import { SpanRef } from './trace-context.ts'

/** The spans of the statements that brought an item here. */
export interface Statements {
  claim: SpanRef | null
  catalogue: SpanRef | null
}

/**
 * One attempt at an item, as a trace from the claim to where the item rests. Each status is a span with the time spent
 * in it. The status that the claim took the item from comes first; the one in which it rests comes last, without a
 * length, since its time is not over. It is told each step and where the item rests; `Life` knows where the item is.
 */
export class Attempt {
  readonly #telemetry: Telemetry
  readonly #subject: Subject
  readonly #queuedAt: Micros
  readonly #began: Micros
  readonly #root: SpanRef
  readonly #parent: SpanRef | undefined
  readonly #name: Buffer
  readonly #links: readonly SpanRef[]
  readonly #call: SpanRef
  #catalogue: SpanRef | null = null
  #errorType: string | null = null
  #failure: string | null = null

  private constructor(
    telemetry: Telemetry,
    subject: Subject,
    item: Pick<Item, 'queuedAt'>,
    trace: { root: SpanRef; parent?: SpanRef; name: Buffer; linkTo: string | null },
    began: Micros,
  ) {
    this.#telemetry = telemetry
    this.#subject = subject
    this.#queuedAt = item.queuedAt
    this.#began = began
    this.#parent = trace.parent
    this.#root = trace.root
    this.#name = trace.name
    this.#links = trace.linkTo === null ? [] : [SpanRef.rootOf(trace.linkTo)]
    this.#call = trace.root.child()
  }

  /** A claimed item: reports what came before, and the claim. */
  static begin(
    telemetry: Telemetry,
    item: ClaimedItem,
    set: CatalogueSet | undefined,
    flow: Flow,
    { claim, catalogue }: Statements,
  ): Attempt {
    const { before } = item
    const subject = new Subject(fieldsOf(item, set, flow, item.sends + 1))
    const attempt = new Attempt(
      telemetry,
      subject,
      item,
      { root: SpanRef.root(), name: PROCESS, linkTo: item.previousTraceId },
      item.at,
    )
    const tell = (from: Status | null, to: Status, since: Micros, at: Micros, reason: string | null) =>
      telemetry.step(subject, { from, to, since, at, reason })
    // The first worker that sees the item reports the steps of Seller Center's transaction.
    if (before.fresh) {
      tell(null, 'pending', item.queuedAt, item.queuedAt, null)
      if (before.status === 'delayed') tell('pending', 'delayed', item.queuedAt, item.queuedAt, before.reason)
    } else if (before.coalesced) {
      const { from, seconds } = before.coalesced
      tell(from, 'pending', before.since - Math.round(seconds * 1e6), before.since, 'coalesced')
    }
    subject.set({ requestId: item.requestId })
    telemetry.step(subject, {
      from: before.status,
      to: 'processing',
      since: before.since,
      at: item.at,
      reason: null,
      root: attempt.#root,
      links: linked(claim),
    })
    attempt.#catalogue = catalogue
    return attempt
  }

  /** An item whose answer a lost worker had stored: its attempt goes on in its own trace. */
  static resume(telemetry: Telemetry, { item, flow, sellerSku, sku }: Adopted): Attempt {
    const subject = new Subject({
      ...fieldsOf(item, undefined, flow, item.sends),
      sellerSku,
      sku,
      requestId: item.requestId,
    })
    const root = item.previousTraceId === null ? SpanRef.root() : SpanRef.rootOf(item.previousTraceId)
    return new Attempt(telemetry, subject, item, { root, name: PROCESS, linkTo: null }, item.at)
  }

  /**
   * A callback, from its arrival to where its item rests: in the trace of the callback, with a link to the attempt that
   * it answers.
   */
  static callback(
    telemetry: Telemetry,
    { item, flow, sellerSku, sku, traceId, answers, receivedAt, steps }: Story,
  ): void {
    const subject = new Subject({
      ...fieldsOf(item, undefined, flow, item.sends),
      sellerSku,
      sku,
      requestId: item.requestId,
    })
    const parent = SpanRef.rootOf(traceId)
    const attempt = new Attempt(
      telemetry,
      subject,
      item,
      { root: parent.child(), parent, name: PROCESS_CALLBACK, linkTo: answers },
      receivedAt,
    )
    attempt.entered(steps, null)
    const { to, at } = steps.at(-1)!
    attempt.rested(to, at)
  }

  get traceId(): string {
    return this.#root.traceId
  }

  get traceparent(): string {
    return this.#call.traceparent
  }

  /** Building payload and Made request, and the call that leaves now. */
  requested(flow: Flow, json: string, steps: readonly Passage[], statement: SpanRef | null): void {
    if (flow !== this.#subject.fields.flow) this.#subject.set({ flow })
    this.#enter(steps, linked(this.#catalogue, statement))
    const { method } = TOPICS[this.#subject.fields.topic]
    this.#telemetry.words(this.#subject, {
      event: EVENTS.request,
      status: 'made_request',
      at: steps.at(-1)!.at,
      level: 'info',
      words: [`${method} `, ` ${this.#subject.fields.requestId}`],
      body: json,
      ref: this.#call,
    })
  }

  /** The exchange with the Shop, whatever its result. */
  exchanged(
    exchange: Exchange,
    server: { host: string; port: number },
    answered: Micros,
    message: string | null,
  ): void {
    const { topic, flow, requestId } = this.#subject.fields
    const { method } = TOPICS[topic]
    const { outcome, httpStatus, milliseconds } = exchange
    const failed = outcome === 'failure' || outcome === 'unprocessable' || outcome === 'unreachable'
    if (failed)
      this.#errorType = exchange.error ?? (httpStatus !== null && httpStatus >= 400 ? String(httpStatus) : outcome)
    const { calls, callDuration } = this.#telemetry.instruments
    calls([topic, method, flow ?? 'none', outcome])
    callDuration([topic, method, flow ?? 'none', outcome], milliseconds / 1000)
    if (this.#telemetry.traces) this.#callSpan(exchange, server, answered, failed)
    this.#telemetry.words(this.#subject, {
      event: EVENTS.answer,
      status: 'got_response',
      at: answered,
      level: failed ? 'warn' : 'info',
      words: [`RawResponse ${requestId} ${httpStatus ?? '-'} `, ''],
      body: exchange.body ?? message ?? '',
      more: { outcome },
      ref: this.#call,
    })
  }

  #callSpan(
    { httpStatus, milliseconds }: Exchange,
    server: { host: string; port: number },
    answered: Micros,
    failed: boolean,
  ): void {
    const { topic, requestId } = this.#subject.fields
    const { method } = TOPICS[topic]
    const attributes: Attributes = {
      'rpc.system.name': 'jsonrpc',
      'rpc.method': method,
      'jsonrpc.request.id': requestId ?? '',
      'http.request.method': 'POST',
      'server.address': server.host,
      'server.port': server.port,
    }
    if (httpStatus !== null) attributes['http.response.status_code'] = httpStatus
    if (this.#errorType !== null) attributes['error.type'] = this.#errorType
    this.#telemetry.span({
      name: text(method),
      kind: 'client',
      ref: this.#call,
      parent: this.#root,
      start: answered - Math.round(milliseconds * 1000),
      end: answered,
      attributes: spanAttributes(attributes),
      failed,
    })
  }

  /** Steps that a commit has made. */
  entered(steps: readonly Passage[], statement: SpanRef | null): void {
    this.#enter(steps, linked(statement))
  }

  /** Where the item rests: the trace ends. */
  rested(status: Status, since: Micros): void {
    const { itemId, sellerId, productSetId, topic, flow, requestId, attempt, sellerSku } = this.#subject.fields
    if (status === 'synced') {
      this.#telemetry.instruments.timeToSync([topic, flow ?? 'none'], Math.max(0, since - this.#queuedAt) / 1e6)
    }
    if (!this.#telemetry.traces) return
    this.#telemetry.span({
      ...SPANS[status],
      kind: 'internal',
      ref: this.#root.child(),
      parent: this.#root,
      start: since,
      end: since,
    })
    const attributes: Attributes = {
      'messaging.system': 'postgresql',
      'messaging.operation.type': 'process',
      'messaging.operation.name': 'process',
      'messaging.destination.name': 'shop_update',
      'messaging.message.id': itemId,
      'shop_update.seller_id': sellerId,
      'shop_update.product_set_id': productSetId,
      'shop_update.topic': topic,
      'shop_update.attempt': attempt,
      'shop_update.status': status,
    }
    if (sellerSku !== null) attributes['shop_update.seller_sku'] = sellerSku
    if (flow !== null) attributes['shop_update.flow'] = flow
    if (requestId !== null) attributes['messaging.message.conversation_id'] = requestId
    const failed = this.#errorType !== null || this.#failure !== null
    if (failed) attributes['error.type'] = this.#errorType ?? this.#failure ?? ''
    this.#telemetry.span({
      name: this.#name,
      kind: 'consumer',
      ref: this.#root,
      parent: this.#parent,
      start: this.#began,
      end: since,
      attributes: spanAttributes(attributes),
      links: this.#links,
      failed,
    })
  }

  /** @param links of the first step: the same statement made the others */
  #enter(steps: readonly Passage[], links: readonly SpanRef[]): void {
    for (const [place, step] of steps.entries()) {
      if (step.reason !== null && FAILURES.has(step.reason)) this.#failure = step.reason
      this.#telemetry.step(this.#subject, { ...step, root: this.#root, links: place === 0 ? links : undefined })
    }
  }
}

const PROCESS = text('process shop_update')
const PROCESS_CALLBACK = text('process shop_update_callback')

const linked = (...statements: (SpanRef | null)[]): SpanRef[] => statements.filter((ref) => ref !== null)

function fieldsOf(item: Item, set: CatalogueSet | undefined, flow: Flow, attempt: number): Subject['fields'] {
  const products = set?.products ?? []
  return {
    itemId: item.id,
    sellerId: item.sellerId,
    productSetId: item.productSetId,
    productId: item.productId,
    sellerSku: listed(products, ({ sellerSku }) => sellerSku),
    sku: listed(products, ({ shopSku }) => shopSku),
    topic: item.topic,
    flow,
    requestId: null,
    attempt,
  }
}

/** For a whole set, the values of its first three variations, as `skusOf` lists them. */
function listed(
  products: readonly CatalogueProduct[],
  skuOf: (product: CatalogueProduct) => string | null,
): string | null {
  const skus = products.slice(0, 3).flatMap((product) => skuOf(product) ?? [])
  if (skus.length === 0) return null
  return products.slice(3, 4).some((product) => skuOf(product) !== null) ? `${skus.join(', ')}, …` : skus.join(', ')
}
