import { type Sql, transaction } from '../database/database.ts'
import { ADMIN_RESOLVES, type Refusal } from '../domain/reasons.ts'
import { type RequeueCandidate, type RequeueInclude, refusal, requeueIncludes } from '../domain/requeue.ts'
import type { Step } from '../domain/step.ts'
import { creates, type Topic } from '../domain/topics.ts'
import { statusCounts } from '../queue/books.ts'
import { skusOf, stepColumns } from '../queue/skus.ts'
import { inQueue, type Located, locate, type Selection, sources } from '../read/selection.ts'
import { type Actor, audit } from './audit.ts'

export type RequeueTarget =
  | { itemIds: readonly string[] }
  | { productSetIds: readonly string[] }
  | { filter: Selection }

export interface RequeueOptions {
  target: RequeueTarget
  include: readonly RequeueInclude[]
  actor: Actor
  /** The person's reason, for the record. */
  reason: string | null
  dryRun: boolean
  /** Called with each page as soon as it is committed. */
  onSteps?: (steps: readonly Step[]) => void
}

export interface RequeueResult {
  requeued: number
  /** How many product sets they are in. */
  productSets: number
  /** How many variations those sets have: an update of one concerns all of them at the Shop. */
  variations: number
  /** The first of those product sets. */
  firstProductSets: string[]
  /** The first thousand skipped items. */
  skipped: { itemId: string; reason: Refusal }[]
  skippedTotal: number
  skippedByReason: Partial<Record<Refusal, number>>
  /** Of the requeued, those that are only Blocked again: the Shop does not have their product. */
  blockedAgain: number
  /** Of the product sets of those, the ones that nothing in the queue creates. */
  uncreatedSets: number
  /** By topic, the requeued and the refused. */
  byTopic: { topic: Topic | null; result: 'requeued' | Refusal; n: number }[]
}

/** How many skipped items are listed; the numbers count all. */
export const SKIPPED_LISTED = 1000
/** How many product sets are named. */
export const SETS_LISTED = 20
const SETS_A_PAGE = 500
const ITEMS_A_STATEMENT = 1000

/**
 * "Reupload to Shop" (decision 12): all Failed items of the product sets in question, plus what `include` asks for, go
 * back to Pending with a fresh retry cycle. Items that are named individually also go if they are Delayed, Failed,
 * Blocked or acknowledged. Of a filter's matches only items of the included statuses count, and their whole sets with
 * them.
 *
 * It works in pages that each commit on their own, so that a requeue of many thousands holds no lock for long. The
 * audit records who did it before the first page, and the result after the last. A dry run does the same without
 * writing.
 */
export async function requeue(sql: Sql, options: RequeueOptions): Promise<RequeueResult> {
  const { target, include, actor, reason, dryRun, onSteps } = options
  const result: RequeueResult = {
    requeued: 0,
    productSets: 0,
    variations: 0,
    firstProductSets: [],
    skipped: [],
    skippedTotal: 0,
    skippedByReason: {},
    blockedAgain: 0,
    uncreatedSets: 0,
    byTopic: [],
  }
  const skip = (itemId: string, why: Refusal, topic: Topic | null) => {
    result.skippedTotal++
    result.skippedByReason[why] = (result.skippedByReason[why] ?? 0) + 1
    if (result.skipped.length < SKIPPED_LISTED) result.skipped.push({ itemId, reason: why })
    count(result, topic, why)
  }

  // Two rows, because audit rows are never rewritten: the first without the second is a requeue that broke off.
  const asked = { ...target, include, reason }
  if (!dryRun) await audit(sql, actor, 'requeue_begun', asked)
  const uncreated = new Set<string>()
  try {
    for await (const page of pages(sql, target, include)) {
      const willing = await readWilling(sql, page, include, skip)

      const variations = await countVariations(sql, [...new Set(willing.map(({ productSetId }) => productSetId))])
      const sets = new Set<string>()
      for (let start = 0; start < willing.length; start += ITEMS_A_STATEMENT) {
        const some = willing.slice(start, start + ITEMS_A_STATEMENT)
        const ids = some.map(({ id }) => id)
        const steps = dryRun ? null : await putBack(sql, ids, actor.name, reason)
        if (steps) onSteps?.(steps)
        const moved = new Set(steps?.map(({ itemId }) => itemId) ?? ids)
        const gone =
          moved.size < ids.length
            ? await whatBecame(
                sql,
                ids.filter((id) => !moved.has(id)),
              )
            : null
        for (const { id, topic, productSetId, awaitsCreate, createComing } of some) {
          if (moved.has(id)) {
            result.requeued++
            if (awaitsCreate) result.blockedAgain++
            if (awaitsCreate && !createComing) uncreated.add(productSetId)
            sets.add(productSetId)
            count(result, topic, 'requeued')
          } else skip(id, gone?.has(id) ? 'in_flight' : 'not_in_queue', topic)
        }
      }
      result.productSets += sets.size
      for (const set of sets) result.variations += variations.get(set) ?? 0
      result.firstProductSets.push(...[...sets].slice(0, SETS_LISTED - result.firstProductSets.length))
    }
    result.uncreatedSets = uncreated.size
  } finally {
    if (!dryRun) {
      const { requeued, productSets, skippedTotal: skipped, skippedByReason } = result
      await audit(sql, actor, 'requeue', { ...asked, requeued, productSets, skipped, skippedByReason })
    }
  }
  return result
}

/** The candidates of a page that a requeue takes; the others are skipped. */
async function readWilling(
  sql: Sql,
  { productSetIds, named }: Page,
  include: readonly RequeueInclude[],
  skip: (itemId: string, why: Refusal, topic: Topic | null) => void,
): Promise<Candidate[]> {
  const willing = (await readCandidates(sql, productSetIds, named, include)).filter((candidate) => {
    const isNamed = named.has(candidate.id)
    named.delete(candidate.id)
    // A stock change that waits on purpose is on its way: there is nothing to requeue, and nothing to report unless
    // this very item was named.
    if (candidate.reason === 'stock_wait' && !isNamed) return false
    // A create that the Shop may already have is not sent again in bulk: an admin decides on each (resolve) or names
    // it.
    const undecided =
      !isNamed && creates(candidate.topic) && (ADMIN_RESOLVES as readonly (string | null)[]).includes(candidate.reason)
    const why = candidate.reason === 'stock_wait' || undecided ? 'in_flight' : refusal({ ...candidate, inQueue: true })
    if (why !== null) skip(candidate.id, why, candidate.topic)
    return why === null
  })
  for (const id of named) skip(id, 'not_in_queue', null)
  return willing
}

export interface CreationsResult {
  /** Product sets of which the creation has been queued. */
  queued: number
  /** Items that wait for one of these. */
  items: number
}

/**
 * Instead of a requeue that would only end in Blocked again: queues the creation of the product sets that the Shop does
 * not have, and that nothing in the queue creates. What waits for them is released by it. Like a requeue it works in
 * pages that each commit on their own.
 */
export async function queueCreations(
  sql: Sql,
  { target, include, actor, reason }: Pick<RequeueOptions, 'target' | 'include' | 'actor' | 'reason'>,
): Promise<CreationsResult> {
  const result: CreationsResult = { queued: 0, items: 0 }
  for await (const page of pages(sql, target, include)) {
    const waiting = (await readWilling(sql, page, include, () => {})).filter(
      ({ awaitsCreate, createComing }) => awaitsCreate && !createComing,
    )
    const sets = [...new Set(waiting.map(({ productSetId }) => productSetId))]
    if (sets.length === 0) continue
    await transaction(sql, async (tx) => {
      // in one order, as whoever queues several changes must; a set that has been deleted since is left out
      await tx`
        select shop_update.enqueue('new_product_set', product_set_id => s.id)
        from (select id from catalog.product_set where id = any (${sets}::bigint[]) order by id) s`
      await audit(tx, actor, 'creations', { productSetIds: sets, reason })
    })
    result.queued += sets.length
    result.items += waiting.length
  }
  return result
}

function count(result: RequeueResult, topic: Topic | null, what: 'requeued' | Refusal): void {
  const row = result.byTopic.find((each) => each.topic === topic && each.result === what)
  if (row) row.n++
  else result.byTopic.push({ topic, result: what, n: 1 })
}

interface Page {
  productSetIds: string[]
  /** Items named individually. */
  named: Set<string>
}

/** The product sets in question, each once, some hundreds at a time. */
async function* pages(sql: Sql, target: RequeueTarget, include: readonly RequeueInclude[]): AsyncGenerator<Page> {
  if ('itemIds' in target) yield* pagesOfItems(sql, [...new Set(target.itemIds)])
  else if ('productSetIds' in target) {
    const ids = [...new Set(target.productSetIds)]
    for (let start = 0; start < ids.length; start += SETS_A_PAGE) {
      yield { productSetIds: ids.slice(start, start + SETS_A_PAGE), named: new Set() }
    }
  } else yield* pagesOfFilter(sql, await locate(sql, target.filter), include)
}

async function* pagesOfItems(sql: Sql, ids: string[]): AsyncGenerator<Page> {
  // Ordered by set: two named items of one set come in one page, and the set is handled once.
  const rows = await sql<{ id: string; productSetId: string }[]>`
    select i.id, i.product_set_id as "productSetId" from shop_update.item i
    where i.id = any (${ids}::bigint[]) order by i.product_set_id, i.id`
  const found = new Set(rows.map(({ id }) => id))
  let page: Page = { productSetIds: [], named: new Set(ids.filter((id) => !found.has(id))) }
  for (const { id, productSetId } of rows) {
    if (page.productSetIds.at(-1) !== productSetId) {
      if (page.productSetIds.length === SETS_A_PAGE) {
        yield page
        page = { productSetIds: [], named: new Set() }
      }
      page.productSetIds.push(productSetId)
    }
    page.named.add(id)
  }
  yield page
}

async function* pagesOfFilter(sql: Sql, filter: Located, include: readonly RequeueInclude[]): AsyncGenerator<Page> {
  if (!sources(filter).includes('queue')) return
  const seen = new Set<string>()
  let after = '0'
  for (;;) {
    const rows = await sql<{ id: string; productSetId: string }[]>`
      select i.id, i.product_set_id as "productSetId" from shop_update.item i
      where ${inQueue(sql, filter)}
        and i.status = any (${[...include]}::text[]::shop_update.status[])
        and (i.lane = 'blocked' or i.reason = 'failure')
        and i.id > ${after}::bigint
      order by i.id limit ${SETS_A_PAGE}::int`
    const fresh = [...new Set(rows.map(({ productSetId }) => productSetId))].filter((id) => !seen.has(id))
    for (const id of fresh) seen.add(id)
    if (fresh.length > 0) yield { productSetIds: fresh, named: new Set() }
    const last = rows.at(-1)
    if (!last || rows.length < SETS_A_PAGE) return
    after = last.id
  }
}

type Candidate = Omit<RequeueCandidate, 'inQueue'> & {
  id: string
  productSetId: string
  reason: string | null
  /** The Shop does not have its product or set yet: sent again, it is Blocked again. */
  awaitsCreate: boolean
  /** Something in the queue creates it. */
  createComing: boolean
}

async function readCandidates(
  sql: Sql,
  productSetIds: readonly string[],
  named: ReadonlySet<string>,
  include: readonly RequeueInclude[],
) {
  const rows = await sql<Candidate[]>`
    select
      i.id,
      i.product_set_id as "productSetId",
      i.topic,
      i.status,
      i.reason,
      coalesce(r.active, false) as "sellerActive",
      not shop_update.creates(i.topic) and (
        not exists (select from catalog.product_set s where s.id = i.product_set_id and s.src_id is not null)
        or i.product_id is not null and not exists (
          select from catalog.product p
          where p.id = i.product_id and p.src_id is not null and p.shop_sku is not null)) as "awaitsCreate",
      exists (
        select from shop_update.item c
        where c.product_set_id = i.product_set_id and c.lane <> 'in_flight' and shop_update.creates(c.topic)
          and (c.product_id is null or i.product_id is null or c.product_id = i.product_id)
        union all
        select from shop_update.set_lane l join shop_update.item c on c.id = l.item_id
        where l.product_set_id = i.product_set_id and shop_update.creates(c.topic)) as "createComing",
      coalesce((
        select json_agg(distinct jsonb_build_object('active', p.active, 'qcStatus', p.qc_status)) from catalog.product p
        where p.product_set_id = i.product_set_id and (i.product_id is null or p.id = i.product_id)), '[]') as products
    from shop_update.item i left join catalog.seller r on r.id = i.seller_id
    where i.id in (
      select s.id from shop_update.item s
      where s.product_set_id = any (${productSetIds}::bigint[])
        and s.lane <> 'in_flight'
        and s.status = any (${[...include]}::text[]::shop_update.status[])
      union select unnest(${[...named]}::bigint[]))
    order by i.id`
  return rows.filter(({ id, status }) => named.has(id) || requeueIncludes(status, include))
}

/**
 * Puts items back to Pending: the only statement of a requeue that writes. It skips what has been claimed, answered or
 * finished since it was read. Rows are locked in id order, as everywhere.
 *
 * @param note the reason in the person's words
 * @returns the steps that were taken
 */
export const putBack = (sql: Sql, ids: readonly string[], actor: string, note: string | null): Promise<Step[]> => sql<
  Step[]
>`
  with moved as (
    update shop_update.item i set status = 'pending', failures = 0, failed_at = null, reason = null, message = null,
      cause_id = null,
      -- an item that is behind in its set keeps its place: set_lane counts it
      lane = case when i.lane = 'behind' then i.lane else 'ready' end,
      run_at = now(), entered_at = now(), status_at = shop_update.later(i.status_at)
    where i.id = any (array(
        select l.id from shop_update.item l where l.id = any (${ids}::bigint[]) order by l.id for update))
      and i.status in ('delayed', 'failed', 'blocked', 'got_acknowledgment') and i.lane <> 'in_flight'
    returning i.*, old.status as was, old.cause_id as was_cause,
      greatest(date_part('epoch', i.status_at - old.status_at), 0) as seconds
  ),
  counted as (${statusCounts(sql, 'moved', sql`was`, sql`status`, { from: sql`was_cause` })}),
  noted as (
    insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason, actor, note)
    select id, status_at, was, 'pending', seconds, 'requeued', ${actor}::text, ${note}::text from moved
  ),
  notified as materialized (select pg_notify('shop_update', '') where exists (select from moved))
  select
    ${stepColumns(sql, 'm')},
    m.was as "from",
    'pending' as "to",
    shop_update.micros(m.status_at) as at,
    m.seconds,
    'requeued' as reason,
    ${actor}::text as actor
  from moved m ${skusOf(sql, 'm')}
  -- referenced here; otherwise it would not run
  where (select count(*) from notified) >= 0`

async function countVariations(sql: Sql, productSetIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await sql<{ id: string; n: number }[]>`
    select p.product_set_id as id, count(*)::int as n from catalog.product p
    where p.product_set_id = any (${[...productSetIds]}::bigint[]) group by p.product_set_id`
  return new Map(rows.map(({ id, n }) => [id, n]))
}

async function whatBecame(sql: Sql, ids: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ id: string }[]>`select i.id from shop_update.item i where i.id = any (${ids}::bigint[])`
  return new Set(rows.map(({ id }) => id))
}
