import { isRefusedByRow, refusal } from '../database/database.ts'
import type { CatalogueSet } from '../domain/catalogue.ts'
import type { Adopted, ClaimedItem, Exchange } from '../domain/item.ts'
import type { ReasonCode } from '../domain/reasons.ts'
import type { Flow } from '../domain/statuses.ts'
import type { Commit } from '../domain/step.ts'
import { storable } from '../domain/text.ts'
import { creates, TOPICS } from '../domain/topics.ts'
import type { NewIds } from '../queue/conflict.ts'
import type { Finish, Finished, WriteBack } from '../queue/finish.ts'
import type { NewRequest } from '../queue/make-request.ts'
import type { Settlement } from '../queue/settle.ts'
import { type Answer, type Asked, askedFromJson, askedOf, readAnswer, type SyncedRow } from '../shop/answer.ts'
import { buildCall, type Call, isCall, type NotSendable } from '../shop/call.ts'
import type { Circuit } from '../shop/circuit.ts'
import { isGatewayError } from '../shop/circuit.ts'
import { NotSent, type ShopClient, type ShopResponse, ShopUnreachable, shopHeaders } from '../shop/client.ts'
import type { Attempt, Statements } from '../telemetry/attempt.ts'

/** What an item needs of the world. The verbs are group commits: each resolves when the database has confirmed it. */
export interface World {
  /** The trace of the attempt begins; `end` forgets it. The verbs tell what they do as part of it. */
  begin(item: ClaimedItem, set: CatalogueSet | undefined, served: Statements): Attempt
  resume(adopted: Adopted): void
  end(item: ClaimedItem): void
  makeRequest(request: NewRequest): Promise<Commit | null>
  finish(entry: Finish): Promise<Finished>
  /** Never fails because somebody else has locked a product: tells `locked`. */
  finishPatiently(entry: Finish): Promise<Finished>
  settle(settlement: Settlement): Promise<Commit | null>
  /** Its product no longer exists: it leaves the queue. */
  drop(item: ClaimedItem): Promise<void>
  /** Its product is in another set by now; once nothing of it is in flight, `followCatalogue` takes it along. */
  noteMoved(item: ClaimedItem): Promise<void>
  followCatalogue(): Promise<void>
  findConflict(ids: NewIds): Promise<string | null>
  writeBack(item: ClaimedItem, products: WriteBack[], setSrcId: string | null): Promise<void>
  afterFailure(failures: number): Pick<Settlement, 'to' | 'retryInSeconds'>
  shop: ShopClient
  circuit: Circuit
  flow(): Flow
  /** False once this worker may have been declared dead, or is stopping: nothing may leave any more. */
  maySend(): boolean
}

/**
 * The life of one item from its claim to where it rests: Synced, Got acknowledgment, Delayed, Failed or Blocked. A verb
 * that says "lost" ends it without a word: the item is in other hands.
 */
export async function live(
  item: ClaimedItem,
  set: CatalogueSet | undefined,
  served: Statements,
  world: World,
): Promise<void> {
  try {
    await walk(item, set, world.begin(item, set, served), world)
  } catch (error) {
    world.circuit.notSent(item.id)
    // Any exception is a failure (docs/requirements.md, "Statuses"). A create may have been made: it is not repeated
    // blindly.
    const message = storable(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
    if (creates(item.topic)) await world.settle({ ...AT_REST, item, to: 'blocked', reason: 'unknown_outcome', message })
    else await world.settle({ ...AT_REST, item, ...world.afterFailure(item.failures + 1), reason: 'failure', message })
    throw error
  } finally {
    world.end(item)
  }
}

async function walk(item: ClaimedItem, set: CatalogueSet | undefined, attempt: Attempt, world: World): Promise<void> {
  const rest = (settlement: Partial<Settlement> & Pick<Settlement, 'to'>) =>
    world.settle({ ...AT_REST, item, ...settlement })
  const fail = (message: string, exchange: Partial<Settlement> = {}) =>
    rest({ ...world.afterFailure(item.failures + 1), reason: 'failure', message, ...exchange })

  // It was claimed in the set in which its product was: there it must not be sent, others of the new set may be on
  // their way.
  if (set && set.id !== item.productSetId) {
    world.circuit.notSent(item.id)
    await world.noteMoved(item)
    await rest({ to: 'pending', reason: 'product_moved' })
    return world.followCatalogue()
  }

  // Processing -> Building payload
  const call = build(item, set)
  if (!isCall(call)) {
    world.circuit.notSent(item.id)
    if ('nothingToSend' in call) await world.finish({ item, exchange: null, at: null, products: [], setSrcId: null })
    else if ('deleted' in call) await world.drop(item)
    else if ('blocked' in call) await rest({ to: 'blocked', reason: call.blocked, message: call.message })
    else await fail(call.impossible)
    return
  }
  const builtAt = performance.now()

  // Building payload -> Made request, committed before the call leaves
  const flow = world.flow()
  if (!world.maySend()) return void (await handBack())
  if (!(await world.makeRequest({ item, flow, traceId: attempt.traceId, body: storable(call.json), builtAt })))
    return world.circuit.notSent(item.id)
  if (!world.maySend()) return void (await handBack())

  const sentAt = performance.now()
  const { event } = TOPICS[item.topic]
  let response: ShopResponse
  try {
    const headers = shopHeaders({
      flow,
      event,
      requeueCount: item.sends,
      enqueuedAtNs: item.enteredAtNs,
      traceparent: attempt.traceparent,
    })
    response = await world.shop.send(call, headers, world.maySend)
  } catch (error) {
    if (error instanceof NotSent) return void (await handBack())
    if (!(error instanceof ShopUnreachable)) throw error
    world.circuit.unreachable(item.id)
    const endedAt = performance.now()
    const exchange: Exchange = {
      httpStatus: null,
      body: null,
      milliseconds: endedAt - sentAt,
      outcome: 'unreachable',
      error: error.code,
      endedAt,
    }
    await fail(error.message, { exchange })
    return
  }
  const answeredAt = performance.now()
  if (isGatewayError(response.httpStatus)) world.circuit.unreachable(item.id)
  else world.circuit.answered()

  // Got response -> Building response payload -> Response processing -> Synced, or wherever the answer leads
  const asked = askedOf(item.topic, call, item.productId)
  const answer = orNack(readAnswer(response.httpStatus, response.body, asked, response.movedTo), flow, response.body)
  await conclude(item, asked, answer, world, { ...response, answeredAt, milliseconds: answeredAt - sentAt }).finally(
    response.release,
  )

  function handBack() {
    world.circuit.notSent(item.id)
    return rest({ to: 'pending', reason: 'worker_stopped' })
  }
}

/**
 * What an asynchronous exchange brings that is neither an acknowledgment nor a final answer is a NACK: sent again, not
 * Blocked (docs/shop-protocol.md, section 2). A final answer is told by its shape, it carries `product` or `images`.
 */
function orNack(answer: Answer, flow: Flow, body: string): Answer {
  if (answer.kind !== 'unprocessable' || flow === 'synchronous' || /"(product|images)"\s*:/.test(body)) return answer
  return { kind: 'failure', message: answer.message, code: null, rows: [] }
}

/** Goes on where a worker died after it had stored the answer. */
export async function resume(adopted: Adopted, world: World): Promise<void> {
  const { item, request, httpStatus, body } = adopted
  world.resume(adopted)
  const asked = askedFromJson(item.topic, item.productId, request)
  const answer: Answer = asked
    ? readAnswer(httpStatus, body, asked)
    : { kind: 'unprocessable', message: 'The stored request cannot be read.' }
  try {
    await conclude(item, asked, answer, world, null)
  } finally {
    world.end(item)
  }
}

interface Received {
  httpStatus: number
  body: string
  milliseconds: number
  /** `performance.now()` */
  answeredAt: number
}

/**
 * What an answer does to the item (docs/shop-protocol.md, section 4). `received` is null where the exchange has been
 * stored already.
 */
async function conclude(
  item: ClaimedItem,
  asked: Asked | null,
  answer: Answer,
  world: World,
  received: Received | null,
): Promise<void> {
  const readAt = performance.now()
  const exchangeOf = (outcome: Exchange['outcome']): Pick<Settlement, 'exchange' | 'answeredAt'> => ({
    exchange: received && {
      httpStatus: received.httpStatus,
      body: storable(received.body),
      milliseconds: received.milliseconds,
      outcome,
    },
    answeredAt: received?.answeredAt ?? null,
  })
  const block = (reason: ReasonCode, message: string) =>
    world.settle({
      ...AT_REST,
      item,
      to: 'blocked',
      reason,
      message: storable(message),
      ...exchangeOf('unprocessable'),
    })

  switch (answer.kind) {
    case 'acknowledged':
      await world.settle({ ...AT_REST, item, to: 'got_acknowledgment', ...exchangeOf('acknowledged') })
      return
    case 'unprocessable':
      await block('unprocessable_response', answer.message)
      return
    case 'failure': {
      const ids = newIds(item, asked, answer.rows)
      if (ids.products.length > 0) {
        const conflict = await world.findConflict(ids)
        if (conflict) return void (await block('src_id_conflict', conflict))
        try {
          await world.writeBack(item, ids.products, ids.setSrcId)
        } catch (error) {
          return void (await refused(error, ids, exchangeOf('unprocessable')))
        }
      }
      const next = world.afterFailure(item.failures + 1)
      await world.settle({
        ...AT_REST,
        item,
        ...next,
        reason: 'failure',
        message: storable(answer.message),
        ...exchangeOf('failure'),
      })
      return
    }
    case 'success': {
      const ids = newIds(item, asked, answer.rows)
      const conflict = creates(item.topic) ? await world.findConflict(ids) : null
      if (conflict) return void (await block('src_id_conflict', conflict))
      const processingAt = performance.now()
      const entry: Finish = {
        item,
        exchange: exchangeOf('success').exchange,
        at: received && { response: received.answeredAt, payload: readAt, processing: processingAt },
        products: ids.products,
        setSrcId: ids.setSrcId,
      }
      let stored = received === null
      try {
        if ((await world.finish(entry)) !== 'locked') return
        stored ||=
          (await world.settle({ ...AT_REST, item, to: 'response_processing', ...exchangeOf('success') })) !== null
        if (stored) await finishWhenFree(entry, world)
      } catch (error) {
        await refused(error, ids, stored ? {} : exchangeOf('unprocessable'))
      }
    }
  }

  /** The catalogue does not take it: the answer is kept, and an admin decides. */
  async function refused(error: unknown, ids: NewIds, exchange: Partial<Settlement>): Promise<void> {
    if (!isRefusedByRow(error)) throw error
    // Another worker may have given the same id to another product between our look and our write: the unique index
    // stood in the way.
    const conflict = (error as { code?: string }).code === '23505' ? await world.findConflict(ids) : null
    const [reason, message] = conflict
      ? (['src_id_conflict', conflict] as const)
      : (['unprocessable_response', refusal(error as Error)] as const)
    await world.settle({ ...AT_REST, item, to: 'blocked', reason, message: storable(message), ...exchange })
  }
}

/** How long to wait before asking again for a product that somebody else has locked. */
const LOCKED_RETRY_MS = 500

/**
 * Seller Center holds the product in a transaction of its own: the answer has been stored, and is written when it lets
 * go.
 */
async function finishWhenFree(entry: Finish, world: World): Promise<void> {
  const stored: Finish = { ...entry, exchange: null, at: null }
  // A worker that stops leaves it: the answer is stored, and the next one goes on with it.
  do await new Promise((resolve) => setTimeout(resolve, LOCKED_RETRY_MS))
  while (world.maySend() && (await world.finishPatiently(stored)) === 'locked')
}

const AT_REST = { reason: null, message: null, exchange: null, answeredAt: null, retryInSeconds: null }

function build(item: ClaimedItem, set: CatalogueSet | undefined): Call | NotSendable {
  if (!set) return { deleted: true }
  try {
    const built = buildCall(item.topic, set, item.productId === null ? null : (set.products[0] ?? null), item.requestId)
    if (isCall(built) && item.variationComing) {
      const what = creates(item.topic) ? 'The same product' : 'Another variation of the product set'
      return { blocked: 'new_variation', message: `${what} is still being created in the Shop.` }
    }
    return built
  } catch (error) {
    // Any exception is a failure of the item (docs/requirements.md, "Statuses"), never of the worker.
    return { impossible: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
  }
}

/** What the rows bring for the catalogue: of every row that succeeded its product, and the Shop's id of the set. */
export function newIds(
  item: { productSetId: string },
  asked: Asked | null,
  rows: readonly (SyncedRow | null)[],
): Omit<NewIds, 'products'> & { products: WriteBack[] } {
  const products: WriteBack[] = []
  let setSrcId: string | null = null
  for (const row of rows) {
    if (!row?.productId) continue
    products.push({
      productId: row.productId,
      srcId: row.srcId,
      shopSku: row.shopSku,
      updatedAt: row.updatedAt,
      spelling: row.spelling ?? null,
    })
    if (asked && creates(asked.topic)) setSrcId ??= row.configId
  }
  return { productSetId: item.productSetId, setSrcId, products }
}
