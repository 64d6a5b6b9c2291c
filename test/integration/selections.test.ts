import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Counts, Items, Requeued } from '../../worker/api/internal/schemas.ts'
import { REQUEUE_INCLUDES } from '../../worker/domain/requeue.ts'
import { STATUS_NAMES, STATUSES, type Status, TABS, type Tab } from '../../worker/domain/statuses.ts'
import { ADMIN, addSet, enqueue, finish, type Listener, put, startListener } from './internal-listener.ts'

const SELLERS = ['Nile Textiles', 'Delta Fashion'] as const
const TOPICS = ['price', 'content', 'status'] as const
/** Each item is in a set of its own, so that a requeue takes no others along. */
const ITEMS = 72

interface Made {
  id: string
  setId: string
  seller: string
  topic: string
  status: Status
}

let api: Listener
const made: Made[] = []
beforeAll(async () => {
  api = await startListener()
  for (let n = 0; n < ITEMS; n++) {
    const seller = SELLERS[n % 5 === 0 ? 1 : 0]!
    const topic = TOPICS[n % TOPICS.length]!
    const status = STATUS_NAMES[n % STATUS_NAMES.length]!
    const { setId, productIds } = await addSet(api.sql, `SKU${n}`, { seller })
    const id = await enqueue(api.sql, topic, { product: productIds[0]! })
    if (status === 'synced') await finish(api.sql, id)
    else if (status !== 'pending') await put(api.sql, id, status)
    made.push({ id, setId, seller, topic, status })
  }
})
afterAll(() => api.stop())

interface Wanted {
  tab: Tab | undefined
  status: { names: Status[]; allBut: boolean; repeated: boolean } | undefined
  topic: (typeof TOPICS)[number] | undefined
  seller: (typeof SELLERS)[number] | undefined
  q: string | undefined
  set: number | undefined
}

const wanted: fc.Arbitrary<Wanted> = fc.record({
  tab: fc.option(fc.constantFrom(...TABS), { nil: undefined }),
  status: fc.option(
    fc.record({
      names: fc.uniqueArray(fc.constantFrom(...STATUS_NAMES), { minLength: 1, maxLength: 11 }),
      allBut: fc.boolean(),
      repeated: fc.boolean(),
    }),
    { nil: undefined },
  ),
  topic: fc.option(fc.constantFrom(...TOPICS), { nil: undefined, freq: 2 }),
  seller: fc.option(fc.constantFrom(...SELLERS), { nil: undefined, freq: 2 }),
  // the beginning of some SKUs
  q: fc.option(fc.constantFrom('SKU1', 'SKU2', 'SKU71'), { nil: undefined, freq: 3 }),
  set: fc.option(fc.nat(ITEMS - 1), { nil: undefined, freq: 1 }),
})

const inTab = (status: Status, tab: Tab): boolean =>
  STATUSES[status].tab === tab || (tab === 'pending' && status === 'blocked')

/** What the words of the contract say, item by item. */
function isMeant({ tab, status, topic, seller, q, set }: Wanted, item: Made): boolean {
  if (topic !== undefined && item.topic !== topic) return false
  if (seller !== undefined && item.seller !== seller) return false
  if (set !== undefined && item.setId !== made[set]!.setId) return false
  const sku = `SKU${made.indexOf(item)}-1`
  if (q !== undefined && !sku.startsWith(q)) return false
  if (status !== undefined && status.names.includes(item.status) === status.allBut) return false
  if (tab !== undefined) return inTab(item.status, tab)
  const namesSynced = status !== undefined && !status.allBut
  return item.status !== 'synced' || namesSynced || q !== undefined || set !== undefined
}

function queryOf({ tab, status, topic, seller, q, set }: Wanted): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ tab, topic, seller, q })) if (value !== undefined) query.set(name, value)
  if (set !== undefined) query.set('set', made[set]!.setId)
  const names = status?.names.map((name) => (status.allBut ? `-${name}` : name)) ?? []
  if (status?.repeated) for (const name of names) query.append('status', name)
  else if (names.length > 0) query.set('status', names.join(','))
  return query
}

const byNumber = (ids: string[]) => ids.toSorted((a, b) => Number(a) - Number(b))
const setting = { numRuns: 120, seed: 7 }

describe('any selection', () => {
  it('has in its pages, its total and its download what its words say', async () => {
    await fc.assert(
      fc.asyncProperty(wanted, async (one) => {
        const expected = byNumber(made.filter((item) => isMeant(one, item)).map(({ id }) => id))
        const query = queryOf(one)
        const seen: string[] = []
        let cursor: string | null = null
        do {
          const page: Items = await api.get(`/api/items?${query}&limit=7${cursor === null ? '' : `&cursor=${cursor}`}`)
          expect(page.total).toEqual({ count: expected.length, exact: true })
          seen.push(...page.items.map(({ id }) => id))
          cursor = page.nextCursor
        } while (cursor !== null)
        expect(byNumber(seen)).toEqual(expected)
        const { text } = await api.call('GET', `/api/items.csv?${query}`)
        const rows = parse(text, { bom: true, columns: true, record_delimiter: '\r\n' }) as Record<string, string>[]
        expect(byNumber(rows.map((row) => row.Item!))).toEqual(expected)
      }),
      setting,
    )
  })

  it('is requeued as far as its statuses may be, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(wanted, async (one) => {
        const filter = Object.fromEntries([...queryOf({ ...one, status: undefined })])
        const names = one.status?.names.map((name) => (one.status!.allBut ? `-${name}` : name))
        const body = {
          filter: { ...filter, ...(names && { status: one.status!.repeated ? names : names.join(',') }) },
          include: [...REQUEUE_INCLUDES],
          dryRun: true,
        }
        const expected = made.filter(
          (item) => isMeant(one, item) && (REQUEUE_INCLUDES as readonly Status[]).includes(item.status),
        )
        const answer = await api.call<Requeued>('POST', '/api/requeue', { key: ADMIN, body })
        expect(answer.status).toBe(200)
        expect(answer.body.requeued).toBe(expected.length)
      }),
      setting,
    )
  })

  it('is counted for each tab', async () => {
    await fc.assert(
      fc.asyncProperty(wanted, async (one) => {
        const carried = { ...one, tab: undefined, status: undefined }
        const counts = await api.get<Counts>(`/api/counts?${queryOf(carried)}`)
        for (const tab of TABS) {
          const count = made.filter((item) => isMeant({ ...carried, tab }, item)).length
          expect(counts[tab]).toEqual({ count, exact: true })
        }
      }),
      setting,
    )
  })
})

describe('a filter by status', () => {
  it.each([
    ['failed,stuck', 'status: “stuck” is no status'],
    ['failed,-delayed', 'status: a minus is before each name or before none'],
    ['', 'status: “” is no status'],
    ['-', 'status: “” is no status'],
    ['constructor', 'status: “constructor” is no status'],
  ])('%s is refused', async (status, detail) => {
    const { status: code, body } = await api.call('GET', `/api/items?status=${status}`)
    expect(code).toBe(400)
    expect(body).toMatchObject({ field: 'status', detail: expect.stringContaining(detail) })
  })

  it.each([
    ['status=failed,delayed', ['statusAt', 'nextAttemptAt']],
    ['status=blocked,failed', ['statusAt']],
    ['tab=pending&status=-pending', ['statusAt']],
    ['tab=pending&status=-blocked', []],
    ['status=failed,pending', []],
    ['status=failed,synced', []],
    ['status=-pending', ['statusAt']],
  ])('%s has the orders %j', async (query, orders) => {
    for (const sort of ['statusAt', 'nextAttemptAt']) {
      const { status } = await api.call('GET', `/api/items?${query}&sort=${sort}`)
      expect([sort, status]).toEqual([sort, orders.includes(sort) ? 200 : 400])
    }
  })

  it('names what a requeue includes where nothing else does', async () => {
    const preview = async (filter: object) =>
      (await api.call<Requeued>('POST', '/api/requeue', { key: ADMIN, body: { filter, dryRun: true } })).body.requeued
    const of = (...names: Status[]) => made.filter(({ status }) => names.includes(status)).length
    expect(await preview({ status: 'blocked,delayed' })).toBe(of('blocked', 'delayed'))
    expect(await preview({ status: '-failed' })).toBe(of('blocked', 'delayed'))
    expect(await preview({ tab: 'pending' })).toBe(0)
  })
})

describe('counts of tabs', () => {
  it('end at a thousand', async () => {
    const { productIds } = await addSet(api.sql, 'MANY', { seller: 'Many Things', products: 1003 })
    await api.sql`
      select shop_update.enqueue('content', product_id => id) from unnest(${productIds}::bigint[]) id`
    expect(await api.get<Counts>('/api/counts?seller=Many+Things')).toMatchObject({
      pending: { count: 1000, exact: false },
      failed: { count: 0, exact: true },
    })
    await api.sql`delete from shop_update.item where product_set_id in (
      select product_set_id from catalog.product where id = any (${productIds}::bigint[]))`
  })

  it('know neither tab nor status', async () => {
    expect((await api.call('GET', '/api/counts?tab=failed')).body.field).toBe('tab')
    expect((await api.call('GET', '/api/counts?status=failed')).body.field).toBe('status')
  })
})

describe('an item that waits behind another', () => {
  it('says behind which, as long as that goes first', async () => {
    const { productIds } = await addSet(api.sql, 'HELD')
    const [product] = productIds
    const first = await enqueue(api.sql, 'price', { product: product! })
    // what changes while it is with the Shop is an item of its own
    await put(api.sql, first, 'made_request')
    const second = await enqueue(api.sql, 'price', { product: product! })
    await api.sql`delete from shop_update.set_lane where item_id = ${first}::bigint`
    await put(api.sql, first, 'failed')
    const other = await enqueue(api.sql, 'content', { product: product! })
    const { items } = await api.get<Items>('/api/items?q=HELD-1')
    const heldBy = (id: string) => items.find((item) => item.id === id)!.heldBy
    expect(heldBy(second)).toEqual({
      id: first,
      topic: 'price',
      status: 'failed',
      sellerSku: 'HELD-1',
      nextAttemptAt: expect.stringMatching(/Z$/),
    })
    expect(heldBy(first)).toBeNull()
    expect(heldBy(other)).toBeNull()
    expect((await api.get(`/api/items/${second}`)).heldBy).toMatchObject({ id: first })
    const { text } = await api.call('GET', '/api/items.csv?q=HELD-1&topic=price&status=pending')
    const [row] = parse(text, { bom: true, columns: true, record_delimiter: '\r\n' }) as Record<string, string>[]
    expect(row).toMatchObject({ Item: second, 'Waits for': first })
    await put(api.sql, first, 'blocked')
    expect((await api.get(`/api/items/${second}`)).heldBy).toBeNull()
  })
})
