import { isLocked, isRefusedByRow, type Sql, transaction } from '../database/database.ts'
import type { Story } from '../domain/item.ts'
import { type Commit, type Entered, type Micros, passages, type Step } from '../domain/step.ts'
import { creates } from '../domain/topics.ts'
import { findConflict } from '../queue/conflict.ts'
import { type Finish, finish, finishSteps } from '../queue/finish.ts'
import { type Settlement, settle, settleSteps } from '../queue/settle.ts'
import { countInFlight, hold, mark, oweContent, readWaiting, take, type Waiting } from '../queue/waiting-callbacks.ts'
import { writeBack } from '../queue/write-back.ts'
import { askedFromJson, parseShopJson, readResult } from '../shop/answer.ts'
import { carryOut, refused, type Verbs } from './carry-out.ts'
import { applyLate } from './late-callbacks.ts'
import { brought, type Retry, verdictOf } from './verdict.ts'

export interface AppliedCallbacks {
  /** How many were handled; 0: nothing on this page could be applied now. */
  seen: number
  /** The item after which the next page begins; null: this was the last page. */
  next: string | null
  /** The items of this page. */
  itemIds: string[]
  /** PostgreSQL's time for finding them. */
  milliseconds: number
  /** Callbacks on this page whose item is in flight: they wait until it rests. */
  inFlight: number
  /** Sets in which an item may have to get its turn. */
  sets: string[]
  /** Sets in which the outcome of a create is known now: what waits for it is examined again. */
  created: string[]
  /** What each did to its item. */
  stories: Story[]
  /** Items that were created to report a second Shop id. */
  incidents: Step[]
  /** Why part of the page could not be applied, although the rest was; null if nothing went wrong. */
  failed: unknown
}

/** For how many items callbacks are applied in one transaction. */
const ITEMS_A_PAGE = 1000

/**
 * Applies recorded callbacks to their items, the oldest of each item, in one transaction. Either a callback has done
 * everything and is marked, or nothing has happened and the next run, of any worker, takes it. An item in flight keeps
 * its callback waiting: the acknowledgment that is being read comes first.
 *
 * A success settles what was queued before its request was sent, wherever the item is in the queue and whichever
 * attempt it answers: see `finish`. A failure or an unusable answer counts only for the attempt that the item waits
 * for; for an older attempt it is recorded and changes nothing.
 *
 * A lock (of a Seller Center transaction) only keeps its own callback waiting: the caller goes on from page to page,
 * however many wait. When the catalogue refuses a write (another product has got the id meanwhile, a trigger), the page
 * is halved until the refused callback is found, and only its item is Blocked.
 *
 * @param after the item after which the page begins; '0': the first page
 * @param retry what a failure leads to
 * @param named only look for callbacks of these items; null: of all
 */
export async function applyCallbacks(
  sql: Sql,
  zone: string,
  after: string,
  retry: Retry,
  named: readonly string[] | null = null,
): Promise<AppliedCallbacks> {
  const [page] = await sql<[{ itemIds: string[]; milliseconds: number }]>`
    with page as materialized (
      select distinct item_id from shop_update.callback
      where applied_at is null and item_id > ${after}::bigint
        ${named === null ? sql`` : sql`and item_id = any (${named}::bigint[])`}
      order by item_id limit ${ITEMS_A_PAGE}::int
    )
    select
      coalesce(array_agg(item_id order by item_id), '{}') as "itemIds",
      date_part('epoch', clock_timestamp() - statement_timestamp()) * 1000 as milliseconds
    from page`
  const { itemIds } = page
  const { notHeld, ...applied } = await applyToItems(sql, zone, retry, itemIds, null)
  const late = await applyLate(sql, zone, notHeld)
  return {
    ...applied,
    ...page,
    failed: applied.failed ?? late.failed,
    seen: applied.seen + late.seen,
    next: itemIds.length < ITEMS_A_PAGE ? null : itemIds.at(-1)!,
    created: [...applied.created, ...late.created],
    incidents: late.incidents,
  }
}

type Applied = Omit<AppliedCallbacks, 'next' | 'itemIds' | 'milliseconds' | 'incidents'> & {
  /** Items that are locked, in flight, or no longer in the queue. */
  notHeld: string[]
}

/** @param refusedBy why the catalogue refuses the callback of the one item, which is then Blocked */
async function applyToItems(
  sql: Sql,
  zone: string,
  retry: Retry,
  itemIds: readonly string[],
  refusedBy: Error | null,
): Promise<Applied> {
  try {
    return await transaction(sql, async (tx) => {
      await tx`set local lock_timeout = '2s'`
      return applyEffects(tx, zone, retry, itemIds, refusedBy)
    })
  } catch (error) {
    if (refusedBy || !(isRefusedByRow(error) || isLocked(error))) throw error
    if (itemIds.length > 1) return applyByHalves(sql, zone, retry, itemIds)
    if (isLocked(error)) return { ...NOTHING_APPLIED, notHeld: [...itemIds] }
    return applyToItems(sql, zone, retry, itemIds, error as Error)
  }
}

/** What one half has committed is reported, whatever becomes of the other. */
async function applyByHalves(sql: Sql, zone: string, retry: Retry, itemIds: readonly string[]): Promise<Applied> {
  const half = itemIds.length >> 1
  const parts: Applied[] = []
  const left: string[] = []
  let failed: unknown = null
  for (const ids of [itemIds.slice(0, half), itemIds.slice(half)]) {
    try {
      parts.push(await applyToItems(sql, zone, retry, ids, null))
    } catch (error) {
      failed = error
      left.push(...ids)
    }
  }
  if (parts.length === 0) throw failed
  return {
    seen: parts.reduce((sum, { seen }) => sum + seen, 0),
    inFlight: parts.reduce((sum, { inFlight }) => sum + inFlight, 0),
    sets: parts.flatMap(({ sets }) => sets),
    created: parts.flatMap(({ created }) => created),
    stories: parts.flatMap(({ stories }) => stories),
    notHeld: [...left, ...parts.flatMap(({ notHeld }) => notHeld)],
    failed: failed ?? parts.find((part) => part.failed !== null)?.failed ?? null,
  }
}

const NOTHING_APPLIED: Applied = {
  seen: 0,
  inFlight: 0,
  sets: [],
  created: [],
  stories: [],
  notHeld: [],
  failed: null,
}

async function applyEffects(
  tx: Sql,
  zone: string,
  retry: Retry,
  itemIds: readonly string[],
  refusedBy: Error | null,
): Promise<Applied> {
  const held = await hold(tx, itemIds)
  const effects = await withoutLocked(tx, (await readWaiting(tx, held)).map(read))

  // Looked up and written one by one, in item order; the statements that end them are shared.
  const finishes: (Finish & { item: Waiting })[] = []
  const settlements: (Settlement & { item: Waiting })[] = []
  const verbsOf = (item: Waiting): Verbs => ({
    item,
    inTransaction: true,
    findConflict: (ids) => findConflict(tx, ids),
    writeBack: (products, setSrcId) => writeBack(tx, zone, item, products, setSrcId),
    async settle(entry) {
      settlements.push({ ...entry, item })
      return 'noted'
    },
    async finish(entry) {
      const at = performance.now()
      const callback = { id: item.callbackId, receivedAt: item.receivedAt, sentAt: item.sentAt }
      finishes.push({ ...entry, item, at: { response: at, payload: at, processing: at }, callback })
      return 'noted'
    },
    async finishLater() {},
  })
  for (const { row, answer, asked, ids, acts, noted } of effects) {
    if (noted && !refusedBy) await writeBack(tx, zone, row, ids.products, ids.setSrcId)
    if (!acts) continue
    const verbs = verbsOf(row)
    const brings = answer.kind === 'success' || answer.kind === 'failure'
    const verdict = refusedBy && brings ? await refused(refusedBy, ids, verbs) : verdictOf(answer, row, asked, retry)
    await carryOut(verdict, verbs)
  }
  const finished = finishes.length > 0 ? (await finish(tx, zone, finishes, false)).results : []
  await oweContent(
    tx,
    finishes.filter(({ item }) => creates(item.topic) && item.newer),
  )
  const finishStories = finishes.flatMap((entry, place) =>
    storyOf(entry, finished[place], (...of) => finishSteps('got_response', ...of)),
  )
  const settleStories = await settleTaken(tx, settlements)
  const ended = new Set(finishes.map(({ item }) => item.callbackId))
  await mark(
    tx,
    effects.map(({ row }) => row).filter(({ callbackId }) => !ended.has(callbackId)),
    new Map(settleStories),
  )
  const acting = [...finishes, ...settlements].map(({ item }) => item)
  const isHeld = new Set(held)
  const notHeld = itemIds.filter((id) => !isHeld.has(id))
  return {
    seen: effects.length,
    inFlight: await countInFlight(tx, notHeld),
    sets: acting.map(({ productSetId }) => productSetId),
    created: acting.filter(({ topic }) => creates(topic)).map(({ productSetId }) => productSetId),
    stories: [...finishStories, ...settleStories].map(([, story]) => story),
    notHeld,
    failed: null,
  }
}

/** What stays in the queue is taken first: Got response, with a token of this worker. */
async function settleTaken(tx: Sql, settlements: (Settlement & { item: Waiting })[]) {
  if (settlements.length === 0) return []
  const taken = await take(
    tx,
    settlements.map(({ item }) => item),
  )
  const tokens = new Map(taken.map(({ id, token }) => [id, token]))
  const { results } = await settle(
    tx,
    settlements.map((entry) => ({ ...entry, item: { ...entry.item, token: tokens.get(entry.item.id)! } })),
  )
  return settlements.flatMap((entry, place) => storyOf(entry, results[place], settleSteps))
}

/** Got response, and what the commit made of it. */
function storyOf<Entry extends Finish | Settlement>(
  entry: Entry,
  commit: (Commit & { stays?: true }) | string | null | undefined,
  stepsOf: (since: Micros, entry: Entry, commit: Commit & { stays?: true }) => Entered[],
): [callbackId: string, Story][] {
  if (typeof commit !== 'object' || commit === null) return []
  const row = entry.item as Waiting
  const got = Math.max(row.received, row.since + 1)
  const steps = [{ to: 'got_response' as const, at: got, reason: null }, ...stepsOf(got, entry, commit)]
  const { flow, sellerSku, sku, traceId, answers, received: receivedAt } = row
  const item = { ...row, at: got }
  const story = {
    item,
    flow,
    sellerSku,
    sku,
    traceId,
    answers,
    receivedAt,
    steps: passages(row.status, row.since, steps),
  }
  return [[row.callbackId, story]]
}

function read(row: Waiting) {
  const asked = askedFromJson(row.topic, row.productId, row.request)
  const answer = asked
    ? readResult(parseShopJson(row.result), asked, 'callback')
    : ({ kind: 'unprocessable', message: 'The stored request cannot be read.' } as const)
  const awaited = row.current && (row.status === 'got_acknowledgment' || row.reason === 'unknown_outcome')
  const rows = answer.kind === 'success' || answer.kind === 'failure' ? answer.rows : []
  // The success of an older attempt says nothing about a change that is at the Shop by now. A create is done all the
  // same.
  const noted = answer.kind === 'success' && !row.current && row.newer && row.carried && !creates(row.topic)
  return {
    row,
    answer,
    asked,
    ids: brought(row, asked, rows),
    acts: (answer.kind === 'success' && !noted) || awaited,
    noted,
  }
}
type Effect = ReturnType<typeof read>

/**
 * Leaves for the next run what would hold up the rest: callbacks that write a locked product or set (the others are
 * locked from here on), and callbacks with an id that an earlier one of this run also brings.
 */
async function withoutLocked(tx: Sql, effects: Effect[]): Promise<Effect[]> {
  const written = effects.filter(({ acts, noted }) => acts || noted)
  if (written.length === 0) return effects
  const productIds = written.flatMap(({ ids }) => ids.products.map(({ productId }) => productId))
  const setIds = written.flatMap(({ ids }) => (ids.setSrcId === null ? [] : [ids.productSetId]))
  const products = await tx<{ id: string; free: boolean }[]>`
    with free as materialized (
      select p.id from catalog.product p where p.id = any (${productIds}::bigint[])
        order by p.id for no key update skip locked)
    select p.id, p.id in (select id from free) as free from catalog.product p
      where p.id = any (${productIds}::bigint[])`
  const sets = await tx<{ id: string; free: boolean }[]>`
    with free as materialized (
      select s.id from catalog.product_set s where s.id = any (${setIds}::bigint[])
        order by s.id for no key update skip locked)
    select s.id, s.id in (select id from free) as free from catalog.product_set s
      where s.id = any (${setIds}::bigint[])`
  const locked = (rows: { id: string; free: boolean }[]) =>
    new Set(rows.filter(({ free }) => !free).map(({ id }) => id))
  const [lockedProducts, lockedSets] = [locked(products), locked(sets)]

  const given = new Map<string, string>()
  const isFree = (srcId: string | null, owner: string) => srcId === null || (given.get(srcId) ?? owner) === owner
  return effects.filter(({ acts, noted, ids }) => {
    if (!acts && !noted) return true
    if (ids.products.some(({ productId }) => lockedProducts.has(productId))) return false
    if (ids.setSrcId !== null && lockedSets.has(ids.productSetId)) return false
    const brought = ids.products.map(({ productId, srcId }) => ({
      srcId: srcId && `product ${srcId}`,
      owner: productId,
    }))
    if (ids.setSrcId !== null) brought.push({ srcId: `set ${ids.setSrcId}`, owner: ids.productSetId })
    if (!brought.every(({ srcId, owner }) => isFree(srcId, owner))) return false
    for (const { srcId, owner } of brought) if (srcId !== null) given.set(srcId, owner)
    return true
  })
}
