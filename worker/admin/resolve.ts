import { type Sql, transaction } from '../database/database.ts'
import type { Refusal } from '../domain/reasons.ts'
import { type Beyond, hindrance } from '../domain/requeue.ts'
import type { Step } from '../domain/step.ts'
import { release } from '../queue/release.ts'
import { type Actor, audit } from './audit.ts'
import { type Candidate, readCandidates } from './candidates.ts'
import { discard } from './discard.ts'
import { putBack } from './put-back.ts'

export interface Resolution extends Beyond {
  itemId: string
  action: 'resend' | 'discard'
  /** The reason in the admin's words. */
  reason: string
  actor: Actor
}

/**
 * An admin decides on an item that is Blocked as `unprocessable_response`, `src_id_conflict` or `unknown_outcome`
 * (decision 5 c to e). Resend: back to Pending with a fresh retry cycle, under the conditions of a requeue.
 * Discard: it leaves the queue as Blocked, and what waited for it is examined again.
 *
 * @returns the steps, the item's own first; none if there is no such item, or no decision to make about it any more; or
 *   why it is not sent again
 */
export async function resolveBlocked(
  sql: Sql,
  { itemId, action, reason, force, mayCreateTwice, actor }: Resolution,
): Promise<{ steps: Step[] } | { refused: Refusal }> {
  const step = await transaction(sql, async (tx) => {
    const [item] = await tx<{ reason: string }[]>`
      select reason from shop_update.item
      where id = ${itemId}::bigint and lane = 'blocked' and shop_update.needs_admin(reason) for update`
    if (!item) return null
    if (action === 'resend') {
      const why = await refusalOf(tx, itemId, { force, mayCreateTwice })
      if (why !== null) return why
    }
    const [done] =
      action === 'resend'
        ? await putBack(tx, [itemId], actor.name, reason)
        : (await discard(tx, [itemId], reason, actor.name)).steps
    const past = { ...(force && { force }), ...(mayCreateTwice && { mayCreateTwice }) }
    await audit(tx, actor, 'resolve', { itemId, action, reason, ...past, was: item.reason })
    return done ?? null
  })
  if (step === null) return { steps: [] }
  if (typeof step === 'string') return { refused: step }
  return { steps: step.reason === 'discarded' ? [step, ...(await release(sql, [step.productSetId]))] : [step] }
}

/** Why an item is not sent again. Images are: only a requeue leaves them alone. */
async function refusalOf(sql: Sql, itemId: string, beyond: Beyond): Promise<Refusal | null> {
  const { candidates } = await readCandidates(sql, { productSetIds: [], named: [itemId], next: null }, [])
  const [candidate] = candidates as [Candidate]
  return candidate.products.length === 0 ? 'product_deleted' : hindrance(candidate, beyond)
}
