import { isRefusedByRow, refusal } from '../database/database.ts'
import type { Exchange, Item } from '../domain/item.ts'
import type { Commit } from '../domain/step.ts'
import { storable } from '../domain/text.ts'
import { creates } from '../domain/topics.ts'
import type { NewIds } from '../queue/conflict.ts'
import type { Finish, Finished, WriteBack } from '../queue/finish.ts'
import type { Settlement } from '../queue/settle.ts'
import { type Brought, blocked, type Verdict } from './verdict.ts'

/**
 * What carrying out needs from the database for an item: the group commits of a life, or a transaction of callbacks.
 */
export interface Verbs {
  item: Item
  /**
   * One transaction for many items: a refusal by the catalogue ends it, and its owner starts again, knowing the cause.
   */
  inTransaction: boolean
  findConflict(ids: NewIds): Promise<string | null>
  writeBack(products: WriteBack[], setSrcId: string | null): Promise<void>
  settle(entry: Omit<Settlement, 'item'>): Promise<Commit | null | 'noted'>
  /** `locked`: the product is locked, and nothing has happened. `noted`: it is done together with others. */
  finish(entry: Omit<Finish, 'item'>): Promise<Finished | 'noted'>
  /** Continues when the product is unlocked: the answer has been stored. */
  finishLater(entry: Omit<Finish, 'item'>): Promise<void>
}

/** What came on the exchange; `answeredAt` and `readAt` by `performance.now()`. */
export interface Received {
  exchange: Omit<Exchange, 'outcome'>
  answeredAt: number | null
  readAt: number | null
}

/**
 * Does what a verdict says. Only for creates are ids looked up before anything is written: an update brings the id that
 * it was sent with. If the catalogue refuses a write (another product has got the id meanwhile, a trigger), the item is
 * Blocked instead, and its answer is kept.
 *
 * @param received null: nothing came just now; the answer was stored before or is a callback, or nothing was sent
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
 * The catalogue refuses the answer. Between the look-up and the write, the id may have been given to another product,
 * or the product another id; or a trigger objects.
 */
export async function refused(error: Error, ids: Brought, verbs: Pick<Verbs, 'findConflict'>): Promise<Verdict> {
  const conflict = await verbs.findConflict(ids)
  return conflict ? blocked('src_id_conflict', conflict) : blocked('unprocessable_response', refusal(error))
}
