import { type Sql, transaction } from '../database/database.ts'
import type { Refusal } from '../domain/reasons.ts'
import { type Beyond, hindrance } from '../domain/requeue.ts'
import type { Step } from '../domain/step.ts'
import type { Topic } from '../domain/topics.ts'
import { release } from '../queue/release.ts'
import { skusOf, stepColumns } from '../queue/skus.ts'
import { type Actor, audit } from './audit.ts'
import { type Candidate, readCandidates } from './candidates.ts'
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
 * Discard: it leaves the queue as Blocked, and what waited for it is examined again. A change that it absorbed since it
 * was Blocked is queued anew, because the Shop never heard of it (not for a create, which the admin has just given up).
 *
 * @returns the steps, the item's own first; none if there is no such item, or no decision to make about it any more; or
 *   why it is not sent again
 */
export async function resolveBlocked(
  sql: Sql,
  { itemId, action, reason, force, mayCreateTwice, actor }: Resolution,
): Promise<{ steps: Step[] } | { refused: Refusal }> {
  const step = await transaction(sql, async (tx) => {
    const [item] = await tx<
      { reason: string; topic: Topic; productId: string | null; productSetId: string; absorbed: boolean }[]
    >`
      select reason, topic, product_id as "productId", product_set_id as "productSetId",
        coalesce(absorbed_at > status_at, false) and not shop_update.creates(topic) as absorbed
      from shop_update.item
      where id = ${itemId}::bigint and lane = 'blocked' and shop_update.needs_admin(reason) for update`
    if (!item) return null
    if (action === 'resend') {
      const why = await refusalOf(tx, itemId, { force, mayCreateTwice })
      if (why !== null) return why
    }
    const [done] =
      action === 'resend'
        ? await putBack(tx, [itemId], actor.name, reason)
        : await discard(tx, itemId, reason, actor.name)
    if (action === 'discard' && item.absorbed) await enqueueItem(tx, item)
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

const enqueueItem = (
  sql: Sql,
  { topic, productId, productSetId }: { topic: Topic; productId: string | null; productSetId: string },
) => sql`
  select shop_update.enqueue(${topic}::text, ${productId}::bigint, ${productId === null ? productSetId : null}::bigint)`

const discard = (sql: Sql, itemId: string, message: string, actor: string) => sql<Step[]>`
  with gone as (
    delete from shop_update.item i where i.id = ${itemId}::bigint and i.lane = 'blocked'
    returning i.*, extract(epoch from now() - i.status_at)::float8 as seconds
  ),
  kept as (
    insert into shop_update.finished_item (
      id, seller_id, product_set_id, product_id, queued_at, finished_at, last_sent_at, request_id, sends, failures,
      coalesced, topic, status, flow, reason, message, trace_id)
    select id, seller_id, product_set_id, product_id, queued_at, now(), last_sent_at, request_id, sends, failures,
      coalesced, topic, status, flow, 'discarded', ${message}::text, trace_id from gone
  ),
  counted as (
    insert into shop_update.delta (kind, topic, status, cause_id, n)
    select 'status', topic, status, cause_id, -1 from gone
  ),
  noted as (
    insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason, actor, note)
    select id, now(), status, status, seconds, 'discarded', ${actor}::text, ${message}::text from gone
  )
  select
    ${stepColumns(sql, 'g')},
    g.status as "from",
    g.status as "to",
    shop_update.micros(now()) as at,
    g.seconds,
    'discarded' as reason,
    ${actor}::text as actor
  from gone g ${skusOf(sql, 'g')}`
