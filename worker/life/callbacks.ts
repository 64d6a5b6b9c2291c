import { isLocked, isRefusedByRow, type Sql, transaction } from '../database/database.ts'
import type { Item, Story } from '../domain/item.ts'
import type { Status } from '../domain/statuses.ts'
import { type Commit, type Entered, type Micros, passages, type Step } from '../domain/step.ts'
import type { Topic } from '../domain/topics.ts'
import { creates } from '../domain/topics.ts'
import { statusCounts } from '../queue/books.ts'
import { findConflict } from '../queue/conflict.ts'
import { type Finish, finish, finishSteps } from '../queue/finish.ts'
import { type Settlement, settle, settleSteps } from '../queue/settle.ts'
import { skuColumns, skusOf } from '../queue/skus.ts'
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

type Waiting = Item & {
  callbackId: string
  receivedAt: string
  result: string
  request: string
  /** When the answered request left, as text. */
  sentAt: string
  current: boolean
  /**
   * Whether the item has absorbed a change since then; `carried`: whether the request that it waits for contains it.
   */
  newer: boolean
  carried: boolean
  status: Status
  since: Micros
  reason: string | null
} & Omit<Story, 'item' | 'receivedAt' | 'steps'> & { received: Micros }

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
  const applied = await applyToItems(sql, zone, retry, itemIds, null)
  const late = await applyLate(sql, zone, itemIds)
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

type Applied = Omit<AppliedCallbacks, 'next' | 'itemIds' | 'milliseconds' | 'incidents'>

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
    if (isLocked(error)) return NOTHING_APPLIED
    return applyToItems(sql, zone, retry, itemIds, error as Error)
  }
}

/** What one half has committed is reported, whatever becomes of the other. */
async function applyByHalves(sql: Sql, zone: string, retry: Retry, itemIds: readonly string[]): Promise<Applied> {
  const half = itemIds.length >> 1
  const parts: Applied[] = []
  let failed: unknown = null
  for (const ids of [itemIds.slice(0, half), itemIds.slice(half)]) {
    try {
      parts.push(await applyToItems(sql, zone, retry, ids, null))
    } catch (error) {
      failed = error
    }
  }
  if (parts.length === 0) throw failed
  return {
    seen: parts.reduce((sum, { seen }) => sum + seen, 0),
    inFlight: parts.reduce((sum, { inFlight }) => sum + inFlight, 0),
    sets: parts.flatMap(({ sets }) => sets),
    created: parts.flatMap(({ created }) => created),
    stories: parts.flatMap(({ stories }) => stories),
    failed: failed ?? parts.find((part) => part.failed !== null)?.failed ?? null,
  }
}

const NOTHING_APPLIED: Applied = { seen: 0, inFlight: 0, sets: [], created: [], stories: [], failed: null }

const readWaiting = (tx: Sql, itemIds: readonly string[]) => tx<Waiting[]>`
  with c as materialized (
    select distinct on (c.item_id) c.* from shop_update.callback c
    where c.applied_at is null and c.item_id = any (${itemIds}::bigint[]) order by c.item_id, c.id
  )
  select c.id as "callbackId", c.received_at::text as "receivedAt", c.body as result, r.body as request,
    r.sent_at::text as "sentAt",
    i.request_id = r.request_id as current, coalesce(i.absorbed_at > r.sent_at, false) as newer,
    i.lane = 'awaiting' and coalesce(i.absorbed_at < i.last_sent_at, false) as carried,
    i.status, i.reason, i.id, i.token, i.topic, i.seller_id as "sellerId", i.product_set_id as "productSetId",
    i.product_id as "productId", i.sends, i.failures,
    r.request_id::text as "requestId", i.trace_id as "previousTraceId",
    shop_update.micros(i.queued_at) as "queuedAt",
    shop_update.micros(i.status_at) as since,
    shop_update.micros(c.received_at) as received, coalesce(c.trace_id, r.trace_id) as "traceId",
    r.trace_id as answers, r.flow,
    ${skuColumns(tx)}
  from c
  join shop_update.item i on i.id = c.item_id and i.lane <> 'in_flight'
  -- the newest day first: all of them would be looked through
  join lateral (
    select * from shop_update.request r
    where r.request_id = c.request_id::bigint and r.item_id = i.id and r.sent_at < now() + interval '1 day'
    order by r.sent_at desc limit 1) r on true
  ${skusOf(tx, 'i')}
  order by i.id for update of i skip locked`

async function applyEffects(
  tx: Sql,
  zone: string,
  retry: Retry,
  itemIds: readonly string[],
  refusedBy: Error | null,
): Promise<Applied> {
  const waiting = await readWaiting(tx, itemIds)
  const effects = await withoutLocked(
    tx,
    waiting.map((row) => read(row)),
  )
  const acting = effects.filter(({ acts }) => acts).map(({ row }) => row)
  const taken = new Map((await take(tx, acting)).map(({ id, token }) => [id, token]))

  // Looked up and written one by one, in item order; the statement that ends them is shared.
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
      finishes.push({ ...entry, item, at: { response: at, payload: at, processing: at }, sentAt: item.sentAt })
      return 'noted'
    },
    async finishLater() {},
  })
  const applied = effects.filter(({ acts }) => !acts).map(({ row }) => row)
  for (const { row, answer, asked, ids, acts, noted } of effects) {
    if (noted && !refusedBy) await writeBack(tx, zone, row, ids.products, ids.setSrcId)
    const token = taken.get(row.id)
    if (!acts || token === undefined) continue
    applied.push(row)
    const verbs = verbsOf({ ...row, token })
    const brings = answer.kind === 'success' || answer.kind === 'failure'
    const verdict = refusedBy && brings ? await refused(refusedBy, ids, verbs) : verdictOf(answer, row, asked, retry)
    await carryOut(verdict, verbs)
  }
  const finished = finishes.length > 0 ? (await finish(tx, zone, finishes, false)).results : []
  const settled = settlements.length > 0 ? (await settle(tx, settlements)).results : []
  await oweContent(
    tx,
    finishes.filter(({ item }) => creates(item.topic) && item.newer),
  )
  const stories = new Map([
    ...finishes.flatMap((entry, place) =>
      storyOf(entry, finished[place], (...of) => finishSteps('got_response', ...of)),
    ),
    ...settlements.flatMap((entry, place) => storyOf(entry, settled[place], settleSteps)),
  ])
  const inFlight = await mark(tx, itemIds, applied, stories)
  return {
    seen: effects.length,
    inFlight,
    sets: acting.map(({ productSetId }) => productSetId),
    created: [...finishes, ...settlements]
      .filter(({ item }) => creates(item.topic as Topic))
      .map(({ item }) => item.productSetId),
    stories: [...stories.values()].map(({ story }) => story),
    failed: null,
  }
}

/**
 * Marks callbacks as applied; each stores the steps that its item took for it. By item, time and id: so one index of
 * one day finds it.
 *
 * @param stories of the callbacks that changed something, by their ids
 * @returns how many of the items are in flight and have another callback waiting
 */
async function mark(
  tx: Sql,
  itemIds: readonly string[],
  applied: readonly Waiting[],
  stories: ReadonlyMap<string, { story: Story; note: string | null }>,
): Promise<number> {
  const rows = applied.map((row) => {
    const { story, note } = stories.get(row.callbackId) ?? {}
    const at = (to: Status) => story?.steps.find((step) => step.to === to)?.at ?? null
    const done = story?.steps.at(-1)
    return {
      ...row,
      taken: story?.steps[0],
      payload: at('building_response_payload'),
      processing: at('response_processing'),
      done,
      note: note ?? null,
    }
  })
  const [row] = await tx<[{ inFlight: number }]>`
    with done as (
      update shop_update.callback c
      set
        applied_at = now(),
        taken_from = x.taken_from::shop_update.status,
        taken_seconds = x.taken_seconds,
        taken_at = timestamptz 'epoch' + x.taken * interval '1 microsecond',
        payload_at = timestamptz 'epoch' + x.payload * interval '1 microsecond',
        processing_at = timestamptz 'epoch' + x.processing * interval '1 microsecond',
        done_at = timestamptz 'epoch' + x.done * interval '1 microsecond',
        done_to = x.done_to::shop_update.status,
        done_reason = x.done_reason,
        done_note = x.done_note
      from unnest(
        ${rows.map(({ callbackId }) => callbackId)}::bigint[],
        ${rows.map(({ id }) => id)}::bigint[],
        ${rows.map(({ receivedAt }) => receivedAt)}::text[]::timestamptz[],
        ${rows.map(({ taken }) => taken?.from ?? null)}::text[],
        ${rows.map(({ taken }) => (taken ? Math.max(taken.at - taken.since, 0) / 1e6 : null))}::real[],
        ${rows.map(({ taken }) => taken?.at ?? null)}::double precision[],
        ${rows.map(({ payload }) => payload)}::double precision[],
        ${rows.map(({ processing }) => processing)}::double precision[],
        ${rows.map(({ done }) => done?.at ?? null)}::double precision[],
        ${rows.map(({ done }) => done?.to ?? null)}::text[],
        ${rows.map(({ done }) => done?.reason ?? null)}::text[],
        ${rows.map(({ note }) => note)}::text[]
      ) x (id, item_id, received_at, taken_from, taken_seconds, taken, payload, processing, done, done_to, done_reason,
        done_note)
      where c.item_id = x.item_id and c.received_at = x.received_at and c.id = x.id and c.applied_at is null
    )
    select count(*)::int as "inFlight" from shop_update.callback c
    join shop_update.item i on i.id = c.item_id and i.lane = 'in_flight'
    where c.applied_at is null and c.item_id = any (${itemIds}::bigint[])
      and not c.id = any (${applied.map(({ callbackId }) => callbackId)}::bigint[])`
  return row.inFlight
}

/** Notes when the Shop spells a SKU differently. */
const noteOf = (entry: Finish | Settlement): string | null =>
  'products' in entry ? (entry.products.find(({ spelling }) => spelling)?.spelling ?? null) : null

/**
 * What a create absorbed after its request had left is missing in the Shop until its products are reported again: a
 * create is sent only once. A variation that was added meanwhile was not in it and is created; one that moved to
 * another set was in it and is reported.
 */
async function oweContent(tx: Sql, creations: readonly Finish[]): Promise<void> {
  if (creations.length === 0) return
  const setIds = creations.map(({ item }) => item.productSetId)
  const answered = creations.flatMap(({ products }) => products.map(({ productId }) => productId))
  await tx`
    insert into shop_update.owed_change (topic, product_id, product_set_id)
    select case when p.src_id is null then 'new_product' else 'content' end::shop_update.topic, p.id, null::bigint
    from unnest(${setIds}::bigint[], ${creations.map(({ item }) => item.productId)}::bigint[]) x (set_id, product_id)
    join catalog.product p on p.product_set_id = x.set_id and p.id = coalesce(x.product_id, p.id)
    union
    select 'content', p.id, null from catalog.product p where p.id = any (${answered}::bigint[])
    union all
    select 'images', null, s.id from catalog.product_set s
    where s.id = any (${setIds}::bigint[]) and exists (
      select from catalog.product_image m where m.product_set_id = s.id)
    order by 1, 2, 3`
}

/** Got response, and what the commit made of it. */
function storyOf<Entry extends Finish | Settlement>(
  entry: Entry,
  commit: (Commit & { stays?: true }) | string | null | undefined,
  stepsOf: (since: Micros, entry: Entry, commit: Commit & { stays?: true }) => Entered[],
): [callbackId: string, { story: Story; note: string | null }][] {
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
  return [[row.callbackId, { story, note: noteOf(entry) }]]
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

/**
 * Takes the items from wherever they rest, with a new token: Got response. Their product set is not taken; an item that
 * was behind in its set, or whose turn it was, leaves that place.
 *
 * Another worker may have applied a callback after this one had read it and before it held the item: that is seen here.
 */
const take = (tx: Sql, rows: readonly Waiting[]) => tx<{ id: string; token: number }[]>`
  with x as (
    select * from unnest(${rows.map(({ id }) => id)}::bigint[], ${rows.map(({ token }) => token)}::int[],
      ${rows.map(({ callbackId }) => callbackId)}::bigint[],
      ${rows.map(({ receivedAt }) => receivedAt)}::text[]::timestamptz[])
      x (id, token, callback_id, received_at)
  ),
  moved as (
    update shop_update.item i set status = 'got_response', lane = 'in_flight', token = i.token + 1,
      status_at = shop_update.later(i.status_at, x.received_at),
      fresh = false, reason = null, message = null
    from x where i.id = x.id and i.id = any (${rows.map(({ id }) => id)}::bigint[]) and i.token = x.token
      and i.lane <> 'in_flight'
      and exists (
        select from shop_update.callback c
        where c.item_id = x.id and c.received_at = x.received_at and c.id = x.callback_id and c.applied_at is null)
    returning i.id, i.token, i.topic, i.product_set_id, old.status as was, old.lane as lane
  ),
  left_behind as (
    update shop_update.set_lane l set waiting = l.waiting - m.n
    from (select product_set_id, count(*) as n from moved where lane = 'behind' group by product_set_id) m
    where l.product_set_id = m.product_set_id
  ),
  counted as (${statusCounts(tx, 'moved', tx`was`, tx`'got_response'::shop_update.status`)})
  select id, token from moved`
