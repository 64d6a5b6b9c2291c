import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { failureRow } from '../../demo/shop/answers.ts'
import { Products } from '../../demo/shop/products.ts'
import { type Sql, transaction } from '../../worker/database/database.ts'
import type { ClaimedItem, Exchange, Item, Story } from '../../worker/domain/item.ts'
import { REASONS } from '../../worker/domain/reasons.ts'
import type { Status } from '../../worker/domain/statuses.ts'
import { type Commit, type Entered, type Micros, type Passage, passages } from '../../worker/domain/step.ts'
import { isAllowed } from '../../worker/domain/transitions.ts'
import { build } from '../../worker/life/build.ts'
import { applyCallbacks } from '../../worker/life/callbacks.ts'
import { readCatalogue } from '../../worker/queue/catalogue.ts'
import { claim, wakeDue } from '../../worker/queue/claim.ts'
import { type Finish, finish, finishSteps } from '../../worker/queue/finish.ts'
import { makeRequest, requestSteps } from '../../worker/queue/make-request.ts'
import { digestOf, recordCallback } from '../../worker/queue/record-callback.ts'
import { type Settlement, settle, settleSteps } from '../../worker/queue/settle.ts'
import { enterWorker } from '../../worker/queue/worker-row.ts'
import type { Call } from '../../worker/shop/call.ts'
import { createDatabase, type Database } from '../database.ts'

/**
 * What a statement writes into the history, and what the function beside it says that it wrote (`settle` and
 * `settleSteps`, and so on): the same steps, to the microsecond, in all combinations that the table of transitions
 * allows.
 */

let database: Database
let sql: Sql
let workerId: string
beforeAll(async () => {
  database = await createDatabase()
  sql = database.sql
  workerId = await enterWorker(sql, 'test', 'synchronous')
})
afterAll(() => database.drop())

/** When the statement's transaction begins: after the item entered its status, or before. */
const WHENS = ['soon after', 'long after', 'before'] as const
type When = (typeof WHENS)[number]
const LONG_MS = 100_000

/** How many milliseconds before the statement the worker measured: within the item's status, or before it. */
const MEASURED_AGO = [0, 1.2345, 77_777.7777, 3_600_000]
/** Each place has different last digits, so that all ways of rounding occur. */
const measured = (ago: number, place: number) => performance.now() - ago - place / 700

/** An item in flight: what it is, and since when. */
interface Held {
  item: ClaimedItem
  status: Status
  since: Micros
}

/** Each in a set of its own. */
async function enqueue(topic: 'price' | 'new_product_set', count: number): Promise<void> {
  await sql`
    with seller as (
      insert into catalog.seller (name) values ('Nile Textiles')
      on conflict (name) do update set name = excluded.name returning id
    ),
    made as (
      insert into catalog.product_set (seller_id, title)
      select id, 'Shirt' from seller, generate_series(1, ${count}::int) returning id
    )
    insert into catalog.product (product_set_id, seller_sku, title, price) select id, 'SHIRT-' || id, 'Shirt', 19.90
    from made`
  if (topic === 'price') {
    await sql`update catalog.product_set set src_id = (500000 + id)::text where src_id is null`
    await sql`update catalog.product set src_id = (600000 + id)::text, shop_sku = 'AC' || id where src_id is null`
    await sql`
      select shop_update.enqueue('price', product_id => id)
      from (select id from catalog.product order by id desc limit ${count}::int) p`
    return
  }
  await sql`
    select shop_update.enqueue('new_product_set', product_set_id => id)
    from (select id from catalog.product_set order by id desc limit ${count}::int) s`
}

/** Claimed from an empty queue. */
async function claimed(topic: 'price' | 'new_product_set', count: number): Promise<Held[]> {
  await sql`delete from shop_update.item`
  await sql`delete from shop_update.set_lane`
  await enqueue(topic, count)
  return claimAll(count)
}

async function claimAll(count: number): Promise<Held[]> {
  const { items } = await claim(sql, workerId, count, '0')
  expect(items).toHaveLength(count)
  return items.map((item) => ({ item, status: 'processing', since: item.at }))
}

async function requested(held: readonly Held[], bodies: readonly string[] = held.map(() => '{}')): Promise<Held[]> {
  await makeRequest(
    sql,
    held.map(({ item }, place) => ({ ...NEW_REQUEST, item, body: bodies[place]!, builtAt: performance.now() })),
  )
  return asStored(held)
}
const NEW_REQUEST = { flow: 'asynchronous', traceId: '0'.repeat(32) } as const

/** Response processing: the answer is stored, because a product is locked. */
async function stored(held: readonly Held[]): Promise<Held[]> {
  await settle(
    sql,
    held.map(({ item }) => ({
      ...{ ...AT_REST, item, to: 'response_processing' as const, reason: null },
      ...{ exchange: ANSWERED, answeredAt: performance.now() },
    })),
  )
  return asStored(held)
}
const AT_REST = { message: null, retryInSeconds: 3600 }
const ANSWERED: Exchange = { httpStatus: 200, body: '[]', milliseconds: 1, outcome: 'success' }
const UNREACHABLE: Exchange = { httpStatus: null, body: null, milliseconds: 1, outcome: 'unreachable' }

/** How an item gets to each status in which these statements meet it. Got response is that of a callback. */
const WAYS = {
  processing: claimed,
  made_request: async (...which: Parameters<typeof claimed>) => requested(await claimed(...which)),
  response_processing: async (...which: Parameters<typeof claimed>) => stored(await requested(await claimed(...which))),
}
type Found = keyof typeof WAYS
const FOUND = Object.keys(WAYS) as Found[]

const idsOf = (held: readonly { item: Item }[]) => held.map(({ item }) => item.id)

/** Each with its present status. */
async function asStored<Each extends { item: Item }>(
  held: readonly Each[],
): Promise<(Each & { status: Status; since: Micros })[]> {
  const rows = await sql<{ id: string; status: Status; since: Micros }[]>`
    select id, status, shop_update.micros(status_at) as since from shop_update.item
    where id = any (${idsOf(held)}::bigint[])
    union all
    select id, status, shop_update.micros(finished_at) from shop_update.finished_item
    where id = any (${idsOf(held)}::bigint[])`
  const byId = new Map(rows.map(({ id, ...rest }) => [id, rest]))
  return held.map((each) => ({ ...each, ...byId.get(each.item.id)! }))
}

/** Moves the items and their whole history back in time. */
async function age(held: readonly Held[]): Promise<Held[]> {
  const ids = idsOf(held)
  const by = sql`- ${LONG_MS}::int * interval '1 millisecond'`
  await sql`
    update shop_update.item set queued_at = queued_at ${by}, status_at = status_at ${by}, came_at = came_at ${by},
      last_sent_at = last_sent_at ${by}
    where id = any (${ids}::bigint[])`
  await sql`
    update shop_update.request set claimed_at = claimed_at ${by}, built_at = built_at ${by}, sent_at = sent_at ${by}
    where item_id = any (${ids}::bigint[])`
  await sql`
    update shop_update.answer set answered_at = answered_at ${by}, payload_at = payload_at ${by},
      processing_at = processing_at ${by}
    where item_id = any (${ids}::bigint[])`
  await sql`update shop_update.step set at = at ${by} where item_id = any (${ids}::bigint[])`
  await sql`update shop_update.callback set received_at = received_at ${by} where item_id = any (${ids}::bigint[])`
  return held.map(({ since, ...rest }) => ({ ...rest, since: since - LONG_MS * 1000 }))
}

/** Runs a statement on items that `bring` prepares. */
async function meet<Result>(
  when: When,
  bring: () => Promise<Held[]>,
  act: (tx: Sql, held: Held[]) => Promise<Result>,
): Promise<Result> {
  if (when === 'soon after') return act(sql, await bring())
  if (when === 'long after') return act(sql, await age(await bring()))
  return transaction(sql, async (tx) => {
    await tx`select now()`
    return act(tx, await bring())
  })
}

interface Written {
  from: Status | null
  to: Status
  at: Micros
  seconds: number | null
  reason: string | null
}

/** The view, in the order in which pages read it. */
async function history(itemIds: readonly string[]): Promise<Map<string, Written[]>> {
  const rows = await sql<(Written & { itemId: string })[]>`
    select item_id as "itemId", from_status as "from", to_status as "to", shop_update.micros(at) as at, seconds, reason
    from shop_update.transition where item_id = any (${itemIds}::bigint[]) order by item_id, transition.at, to_status`
  const steps = new Map<string, Written[]>(itemIds.map((id) => [id, []]))
  for (const { itemId, ...step } of rows) steps.get(itemId)!.push(step)
  return steps
}

/** As a `real` column has it. */
const secondsOf = (micros: number) => Math.fround(micros / 1e6)

const asWritten = ({ from, to, at, since, reason }: Passage): Written => ({
  ...{ from, to, at, reason },
  seconds: secondsOf(at - since),
})

/**
 * The end of each item's history is what was computed, and the item itself agrees with the last step. In the history
 * each step begins with the status that the previous one ended with, and its `seconds` are the time between them.
 */
async function hold(told: readonly { name: string; item: Item; steps: readonly Passage[] }[]): Promise<void> {
  const written = await history(idsOf(told))
  for (const { name, item, steps, status, since } of await asStored(told)) {
    const all = written.get(item.id)!.map((step) => ({ ...step, seconds: step.seconds && Math.fround(step.seconds) }))
    const before = all.slice(0, all.length - steps.length)
    const joined = all.map((step, place) => {
      const previous = all[place - 1]
      return previous ? { ...step, from: previous.to, seconds: secondsOf(step.at - previous.at) } : step
    })
    const found = { steps: all, joined: all, status, since }
    const last = steps.at(-1)!
    const expected = { steps: [...before, ...steps.map(asWritten)], joined, status: last.to, since: last.at }
    if (!isDeepStrictEqual(found, expected)) expect({ name, ...found }).toEqual({ name, ...expected })
  }
}

const isOnItsWay = (steps: readonly Passage[]) => steps.length > 0 && steps.every(({ from, to }) => isAllowed(from, to))

/** The cases whose steps are all in the table of transitions. */
const allowed = <Each extends { from: Status }>(cases: readonly Each[], stepsOf: (each: Each) => Entered[]): Each[] =>
  cases.filter((each) => isOnItsWay(passages(each.from, 0, stepsOf(each))))
const ANY_COMMIT: Commit = { now: 0, left: 0 }

test.each(WHENS)('makeRequest, which begins %s', async (when) => {
  const each = 10 * MEASURED_AGO.length
  const fromPending = await meet(
    when,
    () => claimed('price', each),
    (tx, held) => request(tx, held),
  )
  await hold(fromPending)
  const others = (await stored(await requested(await claimed('price', 2 * each)))).map(({ item }, place) => ({
    ...{ ...AT_REST, item, to: place % 2 === 0 ? ('delayed' as const) : ('failed' as const) },
    ...{ reason: 'failure' as const, exchange: null, answeredAt: null },
  }))
  await settle(sql, others)
  await sql`update shop_update.item set run_at = now() where id = any (${idsOf(others)}::bigint[])`
  await wakeDue(sql)
  const fromOthers = await meet(
    when,
    () => claimAll(2 * each),
    (tx, held) => request(tx, held),
  )
  await hold(fromOthers)
  expect(new Set(fromOthers.map(({ item }) => item.before.status))).toEqual(new Set(['delayed', 'failed']))
})

async function request(tx: Sql, held: readonly Held[]) {
  const requests = held.map(({ item }, place) => ({
    ...{ ...NEW_REQUEST, item, body: '{}' },
    builtAt: measured(MEASURED_AGO[place % MEASURED_AGO.length]!, place),
  }))
  const commits = await makeRequest(tx, requests)
  const aged = (since: Micros, { item, since: at }: Held) => since + at - item.at
  return held.map((each, place) => ({
    name: `${each.item.before.status}, built ${MEASURED_AGO[place % MEASURED_AGO.length]} ms ago`,
    item: each.item,
    steps: passages(each.item.before.status, aged(each.item.before.since, each), [
      { to: 'processing', at: each.since, reason: null },
      ...requestSteps(each.since, requests[place]!, commits[place]!),
    ]),
  }))
}

const TOS = ['pending', 'got_acknowledgment', 'delayed', 'failed', 'blocked', 'response_processing'] as const
const HOWS = [
  { how: 'no exchange', exchange: null, ago: null },
  { how: 'nobody answered', exchange: UNREACHABLE, ago: null },
  ...MEASURED_AGO.map((ago) => ({ how: `answered ${ago} ms ago`, exchange: ANSWERED, ago })),
]

/** Only a request has an exchange, and an answer that is stored has no reason yet. */
const SETTLEMENTS = allowed(
  FOUND.flatMap((from) =>
    TOS.flatMap((to) => HOWS.flatMap((how) => [null, ...REASONS].map((reason) => ({ from, to, ...how, reason })))),
  ).filter(
    ({ from, to, exchange, reason }) =>
      (exchange === null || from === 'made_request') && (reason === null || to !== 'response_processing'),
  ),
  ({ to, reason, ago }) => settleSteps(0, { to, reason, answeredAt: ago && -ago }, ANY_COMMIT),
)

test.each(WHENS)('settle, which begins %s', async (when) => {
  expect(SETTLEMENTS).toHaveLength(764)
  for (const from of FOUND) {
    const cases = SETTLEMENTS.filter((each) => each.from === from)
    const told = await meet(
      when,
      () => WAYS[from]('price', cases.length),
      async (tx, held) => {
        const entries = cases.map(
          ({ to, reason, exchange, ago }, place): Settlement => ({
            ...{ ...AT_REST, item: held[place]!.item, to, reason, exchange },
            answeredAt: ago === null ? null : measured(ago, place),
          }),
        )
        const { results } = await settle(tx, entries)
        return held.map(({ item, status, since }, place) => ({
          name: `${from} to ${cases[place]!.to} (${cases[place]!.reason}), ${cases[place]!.how}`,
          item,
          steps: passages(status, since, settleSteps(since, entries[place]!, results[place]!)),
        }))
      },
    )
    await hold(told)
  }
})

const stages = (processing: number) => ({ response: processing - 0.0402, payload: processing - 0.0101, processing })

const FINISHES = allowed(
  FOUND.flatMap((from) =>
    [null, ...MEASURED_AGO].flatMap((ago) =>
      (['price', 'new_product_set'] as const).map((topic) => ({ from, ago, topic })),
    ),
  ),
  ({ from, ago }) => finishSteps(from, 0, { at: ago === null ? null : stages(-ago) }, ANY_COMMIT),
)

describe.each(WHENS)('finish, which begins %s', (when) => {
  test.each([
    ['and waits for locks', false],
    ['and takes what is not locked', true],
  ])('%s', async (_, patient) => {
    expect(FINISHES).toHaveLength(12)
    for (const [, cases] of Map.groupBy(FINISHES, ({ from, topic }) => `${from} ${topic}`)) {
      const { from, topic } = cases[0]!
      const told = await meet(
        when,
        () => WAYS[from](topic, cases.length),
        async (tx, held) => {
          const entries = cases.map(
            ({ ago }, place): Finish => ({
              ...{ item: held[place]!.item, products: [], setSrcId: null },
              ...{ exchange: ago === null ? null : ANSWERED, at: ago === null ? null : stages(measured(ago, place)) },
            }),
          )
          const { results } = await finish(tx, 'UTC', entries, patient)
          return held.map(({ item, status, since }, place) => ({
            name: `${from}, answered ${cases[place]!.ago} ms ago, ${topic}`,
            item,
            steps: passages(status, since, finishSteps(status, since, entries[place]!, results[place] as Commit)),
          }))
        },
      )
      await hold(told)
    }
  })
})

/** Where a callback may find an item. */
const RESTS = (
  [
    { to: 'pending', reason: null },
    { to: 'got_acknowledgment', reason: null },
    { to: 'delayed', reason: 'failure' },
    { to: 'failed', reason: 'failure' },
    { to: 'blocked', reason: 'unknown_outcome' },
    { to: 'blocked', reason: 'src_id_conflict' },
  ] as const
).filter(({ to }) => isAllowed(to, 'got_response'))
/** `newer`: the item has absorbed a change since its request; `overtakes`: it comes before the item rests. */
const CALLBACKS = RESTS.flatMap((rest) =>
  (['success', 'failure', 'unprocessable', 'conflict'] as const).flatMap((says) =>
    [false, true].flatMap((newer) => [false, true].map((overtakes) => ({ ...rest, says, newer, overtakes }))),
  ),
)
const RETRY = () => ({ to: 'delayed' as const, retryInSeconds: 3600 })

describe.each(['price', 'new_product_set'] as const)('callbacks of %s', (topic) => {
  test.each(['soon after', 'long after'] as const)('%s', async (when) => {
    const made = await claimed(topic, CALLBACKS.length)
    const sets = await readCatalogue(
      sql,
      made.map(({ item }) => item),
    )
    const calls = made.map(({ item }) => build(item, sets.get(item.id)) as Call)
    const held = await requested(
      made,
      calls.map(({ json }) => json),
    )
    const record = recordCallback(sql, (error) => expect.fail(String(error)))
    const callBack = (overtaking: boolean) =>
      Promise.all(
        CALLBACKS.map(async ({ says, overtakes }, place) => {
          if (overtakes !== overtaking) return
          const body = resultOf(calls[place]!, says)
          await record({
            ...{ requestId: calls[place]!.requestId, digest: digestOf(body), body: JSON.stringify(body) },
            ...{ remote: null, traceId: '0'.repeat(32) },
          })
        }),
      )
    await callBack(true)
    await settle(
      sql,
      CALLBACKS.map(({ to, reason }, place) => ({
        ...{ ...AT_REST, item: held[place]!.item, to, reason, exchange: null, answeredAt: null },
      })),
    )
    await sql`
      update shop_update.item i set absorbed_at = case when x.newer then now() end
      from unnest(${idsOf(held)}::bigint[], ${CALLBACKS.map(({ newer }) => String(newer))}::text[]::boolean[])
        x (id, newer) where i.id = x.id`
    const resting = await asStored(held)
    if (when === 'long after') await age(resting)
    await callBack(false)
    const before = await history(idsOf(held))
    const stories: Story[] = []
    // if several bring the same id, one is applied at a time
    for (let seen = 1; seen > 0; ) {
      const applied = await applyCallbacks(sql, 'UTC', '0', RETRY)
      seen = applied.seen
      stories.push(...applied.stories)
      expect(applied.failed).toBeNull()
    }
    expect(await sql`select from shop_update.callback where applied_at is null`).toHaveLength(0)
    const stepsOf = new Map(stories.map(({ item, steps }) => [item.id, steps]))
    const told = held.map(({ item }, place) => ({
      name: JSON.stringify(CALLBACKS[place]),
      item,
      steps: stepsOf.get(item.id) ?? [],
    }))
    await hold(told.filter(({ steps }) => steps.length > 0))
    for (const { steps, name } of told) expect(steps.length === 0 || isOnItsWay(steps), name).toBe(true)
    const after = await history(idsOf(held))
    for (const { item, steps, name } of told)
      expect(after.get(item.id), name).toHaveLength(before.get(item.id)!.length + steps.length)
    expect(stories).toHaveLength(topic === 'price' ? 48 : 64)
  })
})

const shop = new Products({ product: 7_000_001, config: 8_000_001 })

function resultOf({ json, params }: Call, says: (typeof CALLBACKS)[number]['says']): unknown {
  if (says === 'unprocessable') return { product: 'garbage' }
  if (says === 'failure') return (params as { productsInfo: object[] }).productsInfo.map(() => failureRow('refused'))
  const done = shop.process(JSON.parse(json), () => false, { lenient: true, keepFields: false })
  const rows = (done as { result: { product: object }[] }).result
  return says === 'success' ? rows : rows.map((row) => ({ ...row, product: { ...row.product, id: '600001' } }))
}
