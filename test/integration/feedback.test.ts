import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { VERDICT_CASES } from '../../docs/answers.ts'
import { putBack } from '../../worker/admin/put-back.ts'
import { resolveBlocked } from '../../worker/admin/resolve.ts'
import type { Feedback, ProductSet } from '../../worker/api/internal.ts'
import {
  type OpenItem,
  type ProductFacts,
  type ProductVerdict,
  productVerdict,
} from '../../worker/domain/product-verdict.ts'
import type { Status } from '../../worker/domain/statuses.ts'
import { TOPICS } from '../../worker/domain/topics.ts'
import { startPublishing } from '../../worker/life/publishing.ts'
import { claim } from '../../worker/queue/claim.ts'
import { drop } from '../../worker/queue/drop.ts'
import { publishNext, publishTouched } from '../../worker/queue/feedback.ts'
import { release } from '../../worker/queue/release.ts'
import { readFeedbackBehind } from '../../worker/read/feedback.ts'
import { readProducts } from '../../worker/read/products.ts'
import { feedbackFaults } from '../invariants.ts'
import { addSet } from '../scene.ts'
import { type Listener, startListener } from './internal-listener.ts'

let api: Listener
beforeAll(async () => {
  api = await startListener({ config: { VENTURE_TIMEZONE: 'Africa/Cairo' } })
  // as if one were running: without any, that is what a seller is told
  await api.sql`
    insert into shop_update.worker (name, flow, heartbeat_at) values ('test', 'synchronous', now() + interval '1 day')`
})
afterAll(() => api.stop())

/** As the leader does it, until nothing is noted any more. */
async function publish(): Promise<void> {
  for (let last = '0', seen = 1; seen > 0; ) ({ last, seen } = await publishTouched(api.sql, last))
}

let cursor: string | null = null
/** What has been published since the last time, page by page. */
async function news(limit = 500): Promise<Feedback['products']> {
  await publish()
  const all: Feedback['products'] = []
  for (;;) {
    const page: Feedback = await api.get(`/api/feedback?limit=${limit}${cursor ? `&after=${cursor}` : ''}`)
    all.push(...page.products)
    cursor = page.nextCursor
    if (!page.more) return all
  }
}
beforeEach(async () => void (await news()))

const told = async () => (await news()).map(({ productId, state, whoActs }) => ({ productId, state, whoActs }))

type Added = Awaited<ReturnType<typeof addSet>>
const AN_HOUR_AGO = new Date(Date.now() - 3_600_000)
const IN_AN_HOUR = new Date(Date.now() + 3_600_000)

/** An item as it may be found, past the verbs. */
const put = (
  { setId, productIds }: { setId: string; productIds: string[] },
  columns: Record<string, string | number | Date | null>,
  ofSet = false,
) => api.sql<{ id: string }[]>`
  insert into shop_update.item ${api.sql({
    seller_id: '1',
    product_set_id: setId,
    product_id: ofSet ? null : productIds[0]!,
    topic: 'price',
    status: 'pending',
    lane: 'ready',
    queued_at: new Date(),
    entered_at: new Date(),
    status_at: new Date(),
    run_at: new Date(),
    ...columns,
  })} returning id`
const note = (productId: string) => api.sql`insert into shop_update.touched (product_id) values (${productId}::bigint)`

/** What a product's page in Seller Center shows, from the words of ours. */
function stateOf({ code, whoActs }: ProductVerdict, { inShop, items, qcStatus }: ProductFacts): string {
  switch (code) {
    case 'up_to_date':
      return 'in_shop'
    case 'on_its_way':
    case 'being_created':
      return items.some(({ reason }) => reason === 'new_variation') ? 'waiting' : 'on_its_way'
    case 'failing':
      return whoActs === 'sre' || whoActs === 'nobody' ? 'waiting' : 'requires_action'
    case 'undecided':
    case 'rejected':
      return 'requires_action'
    default:
      return !inShop ? 'not_sent' : qcStatus === 'rejected' && code === 'hidden' ? 'requires_action' : 'in_shop'
  }
}

const LANES: Partial<Record<Status, string>> = {
  pending: 'ready',
  got_acknowledgment: 'awaiting',
  delayed: 'delayed',
  failed: 'delayed',
  blocked: 'blocked',
}

const item = (status: Status, more: Partial<OpenItem> = {}): OpenItem => ({
  id: '',
  topic: 'price',
  status,
  reason: null,
  message: null,
  failures: 0,
  statusAt: new Date(),
  nextAttemptAt: null,
  heldBy: null,
  ...more,
})
const failed = (more: Partial<OpenItem> = {}) =>
  item('failed', { reason: 'failure', failures: 14, nextAttemptAt: new Date(), ...more })
const MORE_CASES: { about: string; facts: ProductFacts }[] = (
  [
    ['exhausted', [failed({ nextAttemptAt: null })]],
    ['images, exhausted', [failed({ topic: 'images', nextAttemptAt: null })]],
    ['waits for another variation', [item('blocked', { reason: 'new_variation' })]],
    [
      'a stock change waits on purpose',
      [item('delayed', { reason: 'stock_wait', topic: 'stock', nextAttemptAt: IN_AN_HOUR })],
    ],
    [
      'one is to be decided, another fails',
      [failed(), item('blocked', { reason: 'src_id_conflict', topic: 'content' })],
    ],
    ['one waits, another fails', [item('blocked', { reason: 'new_variation' }), failed({ topic: 'content' })]],
    ['one is on its way, another fails', [item('pending'), failed({ topic: 'content' })]],
  ] as const
).map(([about, items]) => ({ about, facts: { ...VERDICT_CASES[0]!.facts, items } }))

describe('the view product_state', () => {
  it.each([...VERDICT_CASES, ...MORE_CASES])('says what the verdict says: $about', async ({ facts }) => {
    const set = await addSet(api.sql, { seller: `S${Math.random()}`, inShop: facts.inShop, active: facts.active })
    const [id] = set.productIds as [string]
    await api.sql`
      update catalog.seller set active = ${String(facts.sellerActive)}::text::boolean
      where id = ${set.sellerId}::bigint`
    await api.sql`update catalog.product set qc_status = ${facts.qcStatus} where id = ${id}::bigint`
    for (const { topic, status, reason, failures, nextAttemptAt } of facts.items)
      await put(
        set,
        {
          topic,
          status,
          lane: LANES[status]!,
          failures,
          reason,
          run_at: nextAttemptAt ? IN_AN_HOUR : new Date(),
        },
        TOPICS[topic].subject === 'product_set',
      )
    // no `Date` is infinite
    await api.sql`
      update shop_update.item set run_at = 'infinity'
      where product_set_id = ${set.setId}::bigint and reason = 'failure' and run_at < now()`
    const [product] = await readProducts(api.sql, [id])
    const verdict = productVerdict(product!)
    const [state] = await api.sql`
      select state, who_acts as "whoActs", item_id as "itemId", expected_at as next
      from shop_update.product_state where product_id = ${id}::bigint`
    expect(state).toEqual({
      state: stateOf(verdict, product!),
      whoActs: verdict.whoActs,
      itemId: verdict.itemId,
      next: verdict.next,
    })
  })

  it('is the same while an attempt is under way: a claim and a request change nothing', async () => {
    const set = await addSet(api.sql, { seller: 'Retried' })
    const times = { queued_at: AN_HOUR_AGO, entered_at: AN_HOUR_AGO, failed_at: AN_HOUR_AGO, run_at: AN_HOUR_AGO }
    const [retried] = await put(set, { ...times, status: 'failed', lane: 'ready', failures: 13, reason: 'failure' })
    const read = () => api.sql`select * from shop_update.product_state where product_id = ${set.productIds[0]!}::bigint`
    const before = await read()
    expect(before).toMatchObject([{ state: 'waiting', who_acts: 'sre', since: AN_HOUR_AGO, expected_at: null }])
    const { items } = await claim(api.sql, '1', 1000, '0')
    expect(items.map(({ id }) => id)).toContain(retried!.id)
    expect(await read()).toEqual(before)
    await api.sql`
      update shop_update.item set status = 'made_request', status_at = now() where id = ${retried!.id}::bigint`
    expect(await read()).toEqual(before)
  })
})

describe('what is published', () => {
  it('is each product once, as it stands last, and nothing twice', async () => {
    const { productIds, setId } = await addSet(api.sql, { products: 3 })
    expect(await told()).toEqual(productIds.map((productId) => ({ productId, state: 'in_shop', whoActs: 'nobody' })))
    expect(await told()).toEqual([])
    const [first, second] = productIds as [string, string]
    await api.sql`select shop_update.enqueue('price', ${first}::bigint)`
    await api.sql`select shop_update.enqueue('price', ${second}::bigint)`
    await api.sql`select shop_update.enqueue('price', ${second}::bigint)`
    expect(await told()).toEqual(
      [first, second].map((productId) => ({ productId, state: 'on_its_way', whoActs: 'nobody' })),
    )
    await api.sql`select shop_update.enqueue('images', product_set_id => ${setId}::bigint)`
    expect((await told()).map(({ productId }) => productId)).toEqual([productIds[2]])
    // there and back again before anybody looks
    await api.sql`update catalog.product set active = false where id = ${first}::bigint`
    await api.sql`update catalog.product set active = true where id = ${first}::bigint`
    expect(await told()).toEqual([])
  })

  it('misses nothing that is committed late', async () => {
    const [early, late] = [await addSet(api.sql), await addSet(api.sql)].map(({ productIds }) => productIds[0]!)
    await news()
    const held = Promise.withResolvers<void>()
    const open = Promise.withResolvers<void>()
    const transaction = api.sql.begin(async (tx) => {
      await tx`select shop_update.enqueue('price', ${late!}::bigint)`
      open.resolve()
      await held.promise
    })
    await open.promise
    await api.sql`select shop_update.enqueue('price', ${early!}::bigint)`
    expect((await told()).map(({ productId }) => productId)).toEqual([early])
    held.resolve()
    await transaction
    expect((await told()).map(({ productId }) => productId)).toEqual([late])
  })

  it.each<[string, (set: Added) => PromiseLike<unknown>, object]>([
    [
      'the seller becomes inactive',
      ({ sellerId }) => api.sql`update catalog.seller set active = false where id = ${sellerId}::bigint`,
      { state: 'in_shop', whoActs: 'seller' },
    ],
    [
      'a product is deactivated',
      ({ productIds }) => api.sql`update catalog.product set active = false where id = ${productIds[0]!}::bigint`,
      { state: 'in_shop', whoActs: 'seller' },
    ],
    [
      'quality control rejects it',
      ({ productIds }) =>
        api.sql`update catalog.product set qc_status = 'rejected' where id = ${productIds[0]!}::bigint`,
      { state: 'requires_action', whoActs: 'seller' },
    ],
    [
      'its id is taken away',
      ({ productIds }) => api.sql`update catalog.product set src_id = null where id = ${productIds[0]!}::bigint`,
      { state: 'not_sent', whoActs: 'admin' },
    ],
    [
      'its set loses its id',
      ({ setId }) => api.sql`update catalog.product_set set src_id = null where id = ${setId}::bigint`,
      { state: 'not_sent', whoActs: 'admin' },
    ],
    [
      'it is deleted',
      ({ productIds }) => api.sql`delete from catalog.product where id = ${productIds[0]!}::bigint`,
      { state: 'not_sent', deleted: true, productSetId: null },
    ],
  ])('follows the catalogue: %s', async (_, change, expected) => {
    const set = await addSet(api.sql, { seller: `S${Math.random()}` })
    await news()
    await change(set)
    expect(await news()).toMatchObject([{ productId: set.productIds[0], deleted: false, ...expected }])
    expect(await news()).toEqual([])
  })

  const FAILED = { status: 'failed', lane: 'delayed', reason: 'failure', failures: 13, failed_at: AN_HOUR_AGO }
  const BLOCKED = { status: 'blocked', lane: 'blocked', reason: 'unknown_outcome' }
  it.each<
    [string, Record<string, string | number | Date>, (itemId: string, set: Added) => PromiseLike<unknown>, string]
  >([
    ['requeues one', FAILED, (id) => putBack(api.sql, [id], 'nadia', null), 'on_its_way'],
    [
      'discards one',
      BLOCKED,
      (itemId) =>
        resolveBlocked(api.sql, {
          itemId,
          action: 'discard',
          reason: 'x',
          force: false,
          mayCreateTwice: false,
          actor: { name: 'nadia', sub: null },
        }),
      'in_shop',
    ],
    [
      'changes again what has failed',
      FAILED,
      (_, { productIds }) => api.sql`select shop_update.enqueue('price', ${productIds[0]!}::bigint)`,
      'on_its_way',
    ],
    ['releases one', { ...BLOCKED, reason: 'not_in_shop' }, (_, { setId }) => release(api.sql, [setId]), 'on_its_way'],
    ['ends one', BLOCKED, (id) => drop(api.sql, [{ id, token: 0 }]), 'in_shop'],
  ])('follows whoever %s', async (_, columns, act, state) => {
    const set = await addSet(api.sql)
    const [item] = await put(set, { ...columns, run_at: IN_AN_HOUR })
    await note(set.productIds[0]!)
    await news()
    await act(item!.id, set)
    expect(await feedbackFaults(api.sql)).toEqual([])
    expect(await news()).toMatchObject([{ productId: set.productIds[0], state }])
  })

  it('takes a seller with many sets, and sets with many variations, in parts', async () => {
    await api.sql`insert into catalog.seller (id, name) values (900, 'Large')`
    await api.sql`
      insert into catalog.product_set (id, seller_id) select 900000 + g, 900 from generate_series(1, 10500) g`
    await api.sql`
      insert into catalog.product (product_set_id, seller_sku)
      select 900001, 'L' || g from generate_series(1, 6000) g union all
      select 910500, 'M' || g from generate_series(1, 10) g`
    expect(await news()).toHaveLength(6010)
    await api.sql`update catalog.seller set active = false where id = 900`
    const changed = await news()
    expect(changed).toHaveLength(6010)
    expect(new Set(changed.map(({ whoActs }) => whoActs))).toEqual(new Set(['seller']))
    expect(await api.sql`select from shop_update.touched`).toHaveLength(0)
  })

  it('tells how far it is behind: by the oldest change, and what of it is left for later is as old', async () => {
    expect(await readFeedbackBehind(api.sql)).toBe(0)
    const behind = async () => Math.round((await readFeedbackBehind(api.sql)) / 60)
    const { setId, productIds } = await addSet(api.sql, { products: 3000 })
    await publish()
    await note(productIds[0]!)
    // of all its products, of which one look takes a part
    await api.sql`
      insert into shop_update.touched (product_set_id, at) values (${setId}::bigint, now() - interval '20 minutes')`
    expect(await behind()).toBe(20)
    const { last } = await publishTouched(api.sql, '0')
    expect(await behind()).toBe(20)
    await publishTouched(api.sql, last)
    expect(await readFeedbackBehind(api.sql)).toBe(0)
    // a seller's sets are noted one by one
    await api.sql`
      insert into shop_update.touched (seller_id, product_set_id, at)
      select seller_id, 0, now() - interval '30 minutes' from catalog.product_set where id = ${setId}::bigint`
    await publishTouched(api.sql, '0')
    expect(await behind()).toBe(30)
    await publish()
    expect(await readFeedbackBehind(api.sql)).toBe(0)
  })

  const startNoting = async (isBusy: boolean, putOffMs: number) => {
    const { productIds } = await addSet(api.sql)
    await publish()
    await note(productIds[0]!)
    await api.sql`update shop_update.touched set at = now() - interval '1 minute'`
    await api.sql`delete from shop_update.feedback where product_id = ${productIds[0]!}::bigint`
    const begun = performance.now()
    const publishing = startPublishing({
      sql: api.sql,
      leads: () => true,
      log: pino({ level: 'silent' }),
      isBusy: () => isBusy,
      putOffMs,
    })
    return { noted: productIds[0]!, publishing, milliseconds: () => performance.now() - begun }
  }
  const untilPublished = () => expect.poll(() => api.sql`select from shop_update.touched`).toHaveLength(0)

  it('is put off while the worker is busy, but not for ever; the catalogue is compared all the same', async () => {
    const [{ first }] = await api.sql<[{ first: string }]>`
      update shop_update.feedback set state = 'waiting' where product_id = (select min(id) from catalog.product)
      returning product_id as first`
    const { noted, publishing, milliseconds } = await startNoting(true, 2500)
    try {
      await untilPublished()
      expect(milliseconds()).toBeGreaterThan(2500)
      const published = await api.sql`
        select product_id as id from shop_update.feedback
        where product_id in (${first}, ${noted}) and state <> 'waiting' order by position`
      expect(published.map(({ id }) => id)).toEqual([first, noted])
    } finally {
      await publishing.stop()
    }
  })

  it('is not put off while the worker is not busy', async () => {
    const { publishing } = await startNoting(false, Number.POSITIVE_INFINITY)
    try {
      await untilPublished()
    } finally {
      await publishing.stop()
    }
  })

  it('is found without a note: what was there before, and what a worker of a version before does', async () => {
    const { productIds } = await addSet(api.sql)
    await news()
    await api.sql`update shop_update.feedback_head set looked_to = 0`
    await put({ setId: (await addSet(api.sql)).setId, productIds }, { topic: 'content' })
    await api.sql`delete from shop_update.touched`
    await api.sql`update catalog.product set src_updated_at = now() where id = ${productIds[0]!}::bigint`
    expect(await news()).toEqual([])
    while (!(await publishNext(api.sql, false)));
    expect((await news()).map(({ productId }) => productId)).toContain(productIds[0])
    while (!(await publishNext(api.sql, false)));
    expect(await news()).toEqual([])
  })
})

describe('GET /api/feedback', () => {
  it('says what the page of the product says, to sellers, in the venture’s zone', async () => {
    const set = await addSet(api.sql, { seller: 'Told' })
    const [id] = set.productIds as [string]
    const check = async (state: string) => {
      const [one] = (await news()) as [Feedback['products'][number]]
      const page = await api.get<ProductSet>(`/api/products/${set.setId}`)
      const { text, whoActs } = page.products[0]!.answer!
      expect(one).toMatchObject({ productId: id, sellerSku: page.products[0]!.sellerSku, state, text, whoActs })
      return one
    }
    await check('in_shop')
    const [queued] = await put(set, {
      topic: 'content',
      failures: 3,
      status: 'delayed',
      lane: 'delayed',
      reason: 'failure',
      run_at: IN_AN_HOUR,
      failed_at: AN_HOUR_AGO,
    })
    await note(id)
    const waiting = await check('waiting')
    expect(waiting).toMatchObject({ since: AN_HOUR_AGO.toISOString(), expectedAt: IN_AN_HOUR.toISOString() })
    expect(waiting.text).toContain('Cairo time')
    await api.sql`
      update shop_update.item set lane = 'blocked', status = 'blocked', reason = 'src_id_conflict',
        message = 'The id belongs to SKU OTHER-1 of another seller' where id = ${queued!.id}::bigint`
    await note(id)
    expect((await check('requires_action')).text).not.toContain('OTHER')
  })

  it('says what was published, in its own words, while something else is so already', async () => {
    const set = await addSet(api.sql, { seller: 'Told' })
    await publish()
    await api.sql`select shop_update.enqueue('price', ${set.productIds[0]!}::bigint)`
    const page: Feedback = await api.get(`/api/feedback?after=${cursor}`)
    expect(page.products).toMatchObject([
      { state: 'in_shop', text: expect.stringContaining('): it is in the Shop. There is') },
    ])
  })

  it('names what is wrong with a cursor or a limit', async () => {
    for (const [query, field] of [
      ['after=x', 'after'],
      [`after=${cursor}0x`, 'after'],
      [`after=${cursor!.split('-')[0]}-`, 'after'],
      ['limit=0', 'limit'],
      ['limit=501', 'limit'],
      ['limit=ten', 'limit'],
      ['since=1', 'since'],
    ] as const)
      expect(await api.call('GET', `/api/feedback?${query}`), query).toMatchObject({ status: 400, body: { field } })
  })

  it('says so where the cursor is of the time before the database was restored', async () => {
    const [epoch, position] = cursor!.split('-') as [string, string]
    for (const lost of [`${epoch}-${BigInt(position) + 1n}`, `00000000-${position}`])
      expect(await api.call('GET', `/api/feedback?after=${lost}`)).toMatchObject({
        status: 410,
        body: { field: 'after' },
      })
    await api.sql`update shop_update.feedback_head set epoch = 'another1'`
    expect(await api.call('GET', `/api/feedback?after=${cursor}`)).toMatchObject({ status: 410 })
    await publish() // the leader knows better which database this is
    expect(await api.call('GET', `/api/feedback?after=${cursor}`)).toMatchObject({ status: 200 })
  })
})
