import { isRefusedByRow, refusal } from '../database/database.ts'
import type { Exchange, Item } from '../domain/item.ts'
import type { Commit } from '../domain/step.ts'
import { storable } from '../domain/text.ts'
import { creates } from '../domain/topics.ts'
import type { NewIds } from '../queue/conflict.ts'
import type { Finish, Finished, WriteBack } from '../queue/finish.ts'
import type { Settlement } from '../queue/settle.ts'
import { type Brought, blocked, type Verdict } from './verdict.ts'

/** What carrying out asks of the database for an item: a life's group commits, or a transaction of callbacks. */
export interface Verbs {
  item: Item
  /**
   * One transaction of many items: what the catalogue refuses ends it, and whoever began it begins anew, knowing that.
   */
  inTransaction: boolean
  findConflict(ids: NewIds): Promise<string | null>
  writeBack(products: WriteBack[], setSrcId: string | null): Promise<void>
  settle(entry: Omit<Settlement, 'item'>): Promise<Commit | null | 'noted'>
  /** `locked`: somebody else holds the product; nothing has happened. `noted`: it is done together with others. */
  finish(entry: Omit<Finish, 'item'>): Promise<Finished | 'noted'>
  /** Goes on when whoever holds the product lets go: the answer has been stored. */
  finishLater(entry: Omit<Finish, 'item'>): Promise<void>
}

/** What came on the exchange; `answeredAt` and `readAt` by `performance.now()`. */
export interface Received {
  exchange: Omit<Exchange, 'outcome'>
  answeredAt: number | null
  readAt: number | null
}

/**
 * Does what a verdict says. Ids are looked up before anything is written, for creates alone: an update brings the one
 * that it was sent with. What the catalogue does not take (an id that another product has got meanwhile, a trigger)
 * Blocks the item instead; its answer is kept.
 *
 * @param received null: nothing came just now; it was stored before, is a callback, or nothing was sent
 */
export async function carryOut(verdict: Verdict, verbs: Verbs, received: Received | null = null): Promise<void> {
  const { ids } = verdict
  const conflict = ids && creates(verbs.item.topic) && ids.products.length > 0 ? await verbs.findConflict(ids) : null
  if (conflict) return settle(blocked('src_id_conflict', conflict), received)
  let stored = received === null
  try {
    if (verdict.to === 'synced') return await finish(ids)
    if (ids && ids.products.length > 0) await verbs.writeBack(ids.products, ids.setSrcId)
  } catch (error) {
    if (ids === null || verbs.inTransaction || !isRefusedByRow(error)) throw error
    return settle(await refused(error as Error, ids, verbs), stored ? null : received)
  }
  await settle(verdict, received)

  async function finish(ids: Brought | null): Promise<void> {
    const now = performance.now()
    const entry = {
      exchange: exchangeOf(verdict, received),
      at: received?.answeredAt
        ? { response: received.answeredAt, payload: received.readAt ?? now, processing: now }
        : null,
      products: ids?.products ?? [],
      setSrcId: ids?.setSrcId ?? null,
    }
    if ((await verbs.finish(entry)) !== 'locked') return
    const { exchange } = entry
    const answeredAt = received?.answeredAt ?? null
    stored ||= (await verbs.settle({ ...AT_REST, to: 'response_processing', exchange, answeredAt })) !== null
    if (stored) await verbs.finishLater({ ...entry, exchange: null, at: null })
  }

  async function settle(rest: Verdict, exchanged: Received | null): Promise<void> {
    if (rest.to === 'synced') return
    const { to, reason, message, retryInSeconds } = rest
    await verbs.settle({
      to,
      reason,
      message: message === null ? null : storable(message),
      retryInSeconds,
      exchange: exchangeOf(rest, exchanged),
      answeredAt: exchanged?.answeredAt ?? null,
    })
  }
}

const AT_REST = { reason: null, message: null, retryInSeconds: null }

const exchangeOf = ({ outcome }: Verdict, received: Received | null): Exchange | null =>
  received && outcome && { ...received.exchange, outcome }

/**
 * The catalogue does not take what the answer brings. The id may have been given to another product, or the product
 * another id, between the look and the write; or a trigger objects.
 */
export async function refused(error: Error, ids: Brought, verbs: Pick<Verbs, 'findConflict'>): Promise<Verdict> {
  const conflict = await verbs.findConflict(ids)
  return conflict ? blocked('src_id_conflict', conflict) : blocked('unprocessable_response', refusal(error))
}
