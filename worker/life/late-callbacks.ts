import { isLocked, isRefusedByRow, refusal, type Sql, transaction } from '../database/database.ts'
import { patternOf } from '../domain/cause.ts'
import type { Step } from '../domain/step.ts'
import { creates, TOPICS, type Topic } from '../domain/topics.ts'
import { newCauses, touched } from '../queue/books.ts'
import { findConflict } from '../queue/conflict.ts'
import { keptIds } from '../queue/kept-ids.ts'
import { skuColumns, skusOf } from '../queue/skus.ts'
import { askedFromJson, parseShopJson, readResult } from '../shop/answer.ts'
import { type Brought, brought } from './verdict.ts'

export interface AppliedLate {
  /** How many were handled. */
  seen: number
  /** Sets in which something may be known to be in the Shop now. */
  created: string[]
  /** The steps of items that were created to report a second id. */
  incidents: Step[]
  /** Why one could not be handled; the others were. */
  failed: unknown
}

interface Late {
  callbackId: string
  requestId: string
  result: string
  /** Null if the history no longer has it. */
  request: string | null
  itemId: string
  topic: Topic | null
  sellerId: string
  productSetId: string
  productId: string | null
}

/**
 * A callback whose item has left the queue is recorded as late and changes nothing, with one exception: a create that
 * succeeded in the Shop. If the product has no id (an admin had given the create up), it gets one now. If it has
 * another id, the Shop created the product twice, and a Blocked item reports it, because otherwise nobody would learn
 * of it.
 */
export async function applyLate(sql: Sql, zone: string, itemIds: readonly string[]): Promise<AppliedLate> {
  const rows = await sql<Late[]>`
    select c.id as "callbackId", c.request_id as "requestId", c.body as result, r.body as request,
      c.item_id as "itemId", f.topic,
      f.seller_id as "sellerId", f.product_set_id as "productSetId", f.product_id as "productId"
    from shop_update.callback c
    left join lateral (select body from shop_update.request r where r.request_id = c.request_id::bigint
      and r.item_id = c.item_id limit 1) r on true
    left join lateral (select * from shop_update.finished_item f where f.id = c.item_id limit 1) f on true
    where c.applied_at is null and c.item_id = any (${itemIds}::bigint[])
      and not exists (select from shop_update.item i where i.id = c.item_id)
    order by c.id`
  const effects = rows.map((row) => ({ row, ids: bringsIds(row) }))
  const result: AppliedLate = { seen: 0, created: [], incidents: [], failed: null }
  for (const { row, ids } of effects) {
    if (!ids) continue
    try {
      result.incidents.push(...(await applyOne(sql, zone, row, ids)))
      result.created.push(row.productSetId)
      result.seen++
    } catch (error) {
      if (!isLocked(error)) result.failed = error // Seller Center has locked the product: next time
    }
  }
  const plain = effects.filter(({ ids }) => !ids).map(({ row }) => row.callbackId)
  if (plain.length > 0) await markLate(sql, plain)
  result.seen += plain.length
  return result
}

/**
 * Each in its own transaction. A refusal by the catalogue is an incident like a second id, because otherwise nobody
 * would learn of it.
 */
async function applyOne(sql: Sql, zone: string, row: Late, ids: Brought): Promise<Step[]> {
  const act = (why: string | null) =>
    transaction(sql, async (tx) => {
      await tx`set local lock_timeout = '1s'`
      const conflict = await findConflict(tx, ids)
      const steps = conflict
        ? await makeIncident(tx, row, ids, 'src_id_conflict', conflict)
        : why
          ? await makeIncident(tx, row, ids, 'unprocessable_response', why)
          : await keepIds(tx, zone, ids)
      await markLate(tx, [row.callbackId])
      return steps
    })
  try {
    return await act(null)
  } catch (error) {
    if (!isRefusedByRow(error)) throw error
    return act(refusal(error as Error))
  }
}

/** What a late success of a create says about its products; null for all others. */
function bringsIds({ request, result, topic, productId, productSetId }: Late): Brought | null {
  if (request === null || topic === null || !creates(topic)) return null
  const asked = askedFromJson(topic, productId, request)
  const answer = asked && readResult(parseShopJson(result), asked, 'callback')
  if (answer?.kind !== 'success' && answer?.kind !== 'failure') return null
  const ids = brought({ productSetId }, asked, answer.rows)
  return ids.products.length > 0 ? ids : null
}

const markLate = (sql: Sql, callbackIds: readonly string[]) => sql`
  update shop_update.callback set applied_at = now(), outcome = 'late' where id = any (${callbackIds}::bigint[])
    and applied_at is null`

async function keepIds(tx: Sql, zone: string, { productSetId, setSrcId, products }: Brought): Promise<Step[]> {
  await tx`
    with named as (
      update catalog.product_set set src_id = ${setSrcId}::text
      where id = ${productSetId}::bigint and src_id is null and ${setSrcId}::text is not null
    )
    update catalog.product p set ${keptIds(tx, zone)}
    from unnest(${products.map(({ productId }) => productId)}::bigint[], ${products.map(({ srcId }) => srcId)}::text[],
      ${products.map(({ shopSku }) => shopSku)}::text[],
        ${products.map(({ updatedAt }) => updatedAt)}::text[]) w (product_id, src_id, shop_sku, updated_at)
    where p.id = w.product_id and p.src_id is null`
  return []
}

/** Creates an item for an admin to decide on, unless there is one with the same message. */
const makeIncident = (
  tx: Sql,
  { topic, sellerId, productSetId, productId, requestId, itemId }: Late,
  { products }: Brought,
  reason: 'src_id_conflict' | 'unprocessable_response',
  message: string,
) => tx<Step[]>`
  with made as (
    insert into shop_update.item (seller_id, product_set_id, product_id, topic, status, lane, reason, cause_id,
      message, queued_at, entered_at, status_at,
      run_at, fresh)
    select ${sellerId}::bigint, ${productSetId}::bigint, ${productId}::bigint, ${topic}::text::shop_update.topic,
      'blocked', 'blocked', ${reason}::text,
      shop_update.kept_cause(${reason}::text, ${TOPICS[topic!].method}::text, null, ${patternOf(message)}::text),
      ${`${message} (A late answer to request ${requestId} of item ${itemId}.)`}::text, now(), now(),
        shop_update.later(now()), now(), false
    where not exists (
      select from shop_update.item i where i.product_set_id = ${productSetId}::bigint
        and i.topic = ${topic}::text::shop_update.topic
        and i.lane = 'blocked' and i.reason = ${reason}::text and starts_with(i.message, ${message}::text))
      and exists (select from catalog.product p
        where p.id = any (${products.map(({ productId }) => productId)}::bigint[]))
    returning *, ${TOPICS[topic!].method}::text as cause_method, null::smallint as cause_http,
      ${patternOf(message)}::text as pattern
  ),
  counted as (
    -- nobody has queued it: it is not part of what must be synced
    insert into shop_update.delta (kind, topic, status, cause_id, n)
    select 'status', topic, status, cause_id, 1 from made
  ),
  causes as (${newCauses(tx, 'made')}),
  told as (${touched(tx, 'made')}),
  noted as (
    insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason)
    select id, status_at, 'pending', 'blocked', 0, reason from made
  )
  select m.id as "itemId", m.seller_id as "sellerId", m.product_set_id as "productSetId", m.product_id as "productId",
    ${skuColumns(tx)}, m.topic,
    s."from", s."to", shop_update.micros(s.at) as at, 0 as seconds, s.reason, null as actor,
      null as flow, null as "requestId",
    null as "traceId", 0 as sends
  from made m cross join lateral (values
    (m.queued_at, null, 'pending', null),
    (m.status_at, 'pending', 'blocked', m.reason)) s (at, "from", "to", reason)
  ${skusOf(tx, 'm')} order by s.at`
