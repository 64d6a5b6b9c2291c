import { parse } from 'csv-parse/sync'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Item, Items } from '../../worker/api/internal.ts'
import {
  ADMIN,
  addSet,
  type CatalogueSet,
  enqueue,
  finish,
  type Listener,
  put,
  startListener,
  VIEWER,
} from './internal-listener.ts'

let api: Listener
let shirt: CatalogueSet
let dress: CatalogueSet
let hat: CatalogueSet
const items: Record<string, string> = {}

beforeAll(async () => {
  api = await startListener()
  const { sql } = api
  shirt = await addSet(sql, 'SHIRT', { products: 2 })
  dress = await addSet(sql, 'DRESS', { seller: 'Delta Fashion', products: 5, inShop: false })
  hat = await addSet(sql, 'HAT', { seller: 'Delta Fashion' })
  items.price = await enqueue(sql, 'price', { product: shirt.productIds[0]! })
  items.content = await enqueue(sql, 'content', { product: shirt.productIds[1]! })
  items.images = await enqueue(sql, 'images', { set: shirt.setId })
  items.stock = await enqueue(sql, 'stock', { product: shirt.productIds[0]! })
  items.create = await enqueue(sql, 'new_product_set', { set: dress.setId })
  items.waiting = await enqueue(sql, 'price', { product: dress.productIds[0]! })
  items.hat = await enqueue(sql, 'price', { product: hat.productIds[0]! })
  items.done = await enqueue(sql, 'content', { product: hat.productIds[0]! })
  await put(sql, items.content, 'failed', { message: 'Shop says no' })
  await put(sql, items.create, 'made_request', { sends: 1 })
  await put(sql, items.waiting, 'blocked', { reason: 'not_in_shop' })
  await put(sql, items.hat, 'got_acknowledgment', { sends: 3 })
  await finish(sql, items.done)
  await sql`
    insert into shop_update.request (request_id, item_id, sent_at, flow, body)
    values (777001, ${items.hat}::bigint, now(), 'asynchronous', '{}')`
})

afterAll(() => api.stop())

const list = (query: string) => api.get<Items>(`/api/items${query}`)
const found = async (query: string) =>
  (await list(query)).items.map(({ id }) => Object.keys(items).find((name) => items[name] === id)).sort()

describe('tabs', () => {
  it.each([
    ['pending', ['create', 'hat', 'images', 'price', 'waiting']],
    ['delayed', ['stock']],
    ['blocked', ['waiting']],
    ['failed', ['content']],
    ['synced', ['done']],
  ])('%s', async (tab, expected) => {
    expect(await found(`?tab=${tab}`)).toEqual(expected)
    expect((await list(`?tab=${tab}`)).total).toEqual({ count: expected.length, exact: true })
  })

  it('shows all of the queue without a tab, and not what is finished', async () => {
    expect(await found('')).toEqual(
      Object.keys(items)
        .filter((name) => name !== 'done')
        .sort(),
    )
    expect((await list('')).total).toEqual({ count: 7, exact: true })
  })

  it('lists Pending oldest first and the others newest first', async () => {
    const pending = (await list('?tab=pending')).items.map(({ id }) => Number(id))
    expect(pending).toEqual(pending.toSorted((a, b) => a - b))
    const all = (await list('')).items.map(({ id }) => Number(id))
    expect(all).toEqual(all.toSorted((a, b) => b - a))
  })
})

describe('an item of a list', () => {
  it('has every field of the contract, null where it does not apply', async () => {
    const [item] = (await list('?tab=failed')).items as [Item]
    expect(item).toMatchObject({
      id: items.content,
      sellerId: shirt.sellerId,
      sellerName: 'Nile Textiles',
      productSetId: shirt.setId,
      productId: shirt.productIds[1],
      sellerSku: 'SHIRT-2',
      sku: 'SHOP-SHIRT-2',
      topic: 'content',
      status: 'failed',
      reason: { code: 'failure', message: 'Shop says no' },
      requeuedCount: 11,
      failures: 12,
      retriesLeft: 16,
      flow: null,
      requestId: null,
      traceId: null,
      coalesced: 0,
      cause: null,
      blockedBy: null,
      noCreate: null,
      heldBy: null,
    })
    for (const time of [item.queuedAt, item.statusAt, item.failedAt, item.nextAttemptAt, item.lastRequeuedAt]) {
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    }
    expect(Object.keys(item)).toHaveLength(26)
  })

  it('has no time of a requeue before the first', async () => {
    expect((await list('?status=pending&topic=price')).items[0]).toMatchObject({
      requeuedCount: 0,
      lastRequeuedAt: null,
      failedAt: null,
      nextAttemptAt: null,
    })
  })

  it('names the item that it waits for', async () => {
    expect((await list('?tab=blocked')).items[0]).toMatchObject({ blockedBy: items.create, sku: null })
  })

  it('shows the first three variations where it is about a whole set', async () => {
    expect((await list('?topic=new_product_set')).items[0]).toMatchObject({
      productId: null,
      sellerSku: 'DRESS-1, DRESS-2, DRESS-3, …',
      sku: null,
    })
    expect((await list('?topic=images')).items[0]).toMatchObject({
      sellerSku: 'SHIRT-1, SHIRT-2',
      sku: 'SHOP-SHIRT-1, SHOP-SHIRT-2',
    })
  })
})

describe('filters', () => {
  it.each([
    ['?topic=price', ['hat', 'price', 'waiting']],
    ['?tab=pending&topic=price', ['hat', 'price', 'waiting']],
    ['?status=pending', ['images', 'price']],
    ['?status=made_request', ['create']],
    ['?status=got_acknowledgment', ['hat']],
    ['?status=synced', ['done']],
    ['?tab=failed&status=pending', []],
    ['?tab=pending&status=synced', []],
    ['?tab=synced&status=failed', []],
    ['?reason=not_in_shop', ['waiting']],
    ['?tab=blocked&reason=src_id_conflict', []],
    ['?tab=failed&reason=failure', ['content']],
    ['?tab=synced&reason=failure', []],
    ['?seller=Delta+Fashion', ['create', 'hat', 'waiting']],
    ['?seller=delta%20fashion&topic=price', ['hat', 'waiting']],
    ['?seller=Nobody', []],
    ['?tab=synced&seller=Delta%20Fashion', ['done']],
    ['?from=2999-01-01T00:00:00Z', []],
    ['?tab=synced&from=2999-01-01T00:00:00Z', []],
    ['?to=2999-01-01T00:00:00%2B02:00&topic=images', ['images']],
    ['?tab=synced&to=2000-01-01T00:00:00Z', []],
  ])('%s', async (query, expected) => {
    expect(await found(query)).toEqual(expected)
    expect((await list(query)).total).toEqual({ count: expected.length, exact: true })
  })

  it('takes the id of a set for nothing else, with what is finished of it', async () => {
    expect(await found(`?set=${hat.setId}`)).toEqual(['done', 'hat'])
    expect(await found(`?set=${hat.setId}&tab=synced`)).toEqual(['done'])
    expect(await found(`?set=${dress.setId}&tab=blocked`)).toEqual(['waiting'])
    expect(await found(`?set=${dress.setId}&status=made_request`)).toEqual(['create'])
    expect(await found(`?set=${dress.setId}&q=SHIRT-1`)).toEqual([])
    expect((await list(`?set=${hat.setId}`)).total).toEqual({ count: 2, exact: true })
    // the search also finds an item with that number
    expect(await found(`?q=${items.content}`)).toContain('content')
    expect(await found(`?set=${items.content}`)).not.toContain('content')
  })

  it('takes the id of a seller', async () => {
    expect(await found(`?seller=${hat.sellerId}`)).toEqual(['create', 'hat', 'waiting'])
  })
})

describe('search', () => {
  it.each([
    ['a seller SKU', () => 'SHIRT-1', ['images', 'price', 'stock']],
    ['a Shop SKU', () => 'SHOP-SHIRT-2', ['content', 'images']],
    ['the beginning of a seller SKU', () => 'SHIRT', ['content', 'images', 'price', 'stock']],
    ['the beginning of a Shop SKU', () => 'SHOP-HA', ['done', 'hat']],
    ['a product that the Shop does not know yet', () => 'DRESS-2', ['create']],
    ['a request ID', () => '777001', ['hat']],
    ['a seller', () => 'delta fashion', ['create', 'done', 'hat', 'waiting']],
    ['nothing in the other case', () => 'shirt-1', []],
    ['nothing that is there', () => 'NO-SUCH-SKU', []],
    ['nothing special in a percent sign', () => '%', []],
  ])('finds by %s', async (_, q, expected) => {
    expect(await found(`?q=${encodeURIComponent(q())}`)).toEqual(expected)
  })

  it('finds by the id of a product, a set or an item', async () => {
    expect(await found(`?q=${hat.productIds[0]}`)).toEqual(expect.arrayContaining(['done', 'hat']))
    expect(await found(`?q=${dress.setId}`)).toEqual(expect.arrayContaining(['create', 'waiting']))
    expect(await found(`?q=${items.done}`)).toContain('done')
  })

  it('says so where more products begin so than are looked up, and downloads or requeues none of them', async () => {
    const many = await addSet(api.sql, 'PREFIX', { products: 201 })
    await api.sql`select shop_update.enqueue('content', product_id => id) from unnest(${many.productIds}::bigint[]) id`
    expect(await list('?q=PREFIX-&tab=pending')).toMatchObject({ total: { count: 200, exact: false }, truncated: true })
    expect(await list('?q=PREFIX-1&tab=pending')).toMatchObject({ total: { exact: true }, truncated: false })
    expect(await list('?q=PREFIX-&tab=failed')).toMatchObject({ items: [], truncated: true })
    expect((await api.call('GET', '/api/items.csv?q=PREFIX-')).body.field).toBe('q')
    expect(
      (await api.call('POST', '/api/requeue', { key: ADMIN, body: { filter: { q: 'PREFIX-' }, dryRun: true } })).body
        .field,
    ).toBe('filter.q')
    await api.sql`delete from shop_update.item where product_set_id = ${many.setId}::bigint`
  })

  it('keeps to the tab where there is one', async () => {
    expect(await found('?tab=synced&q=HAT-1')).toEqual(['done'])
    expect(await found('?tab=pending&q=HAT-1')).toEqual(['hat'])
    expect(await found('?tab=failed&q=SHIRT-2&seller=Nile+Textiles')).toEqual(['content'])
  })

  it('takes the name of one seller together with another for nobody', async () => {
    expect(await found('?q=Delta+Fashion&seller=delta+fashion&topic=price')).toEqual(['hat', 'waiting'])
    expect(await found('?q=Delta+Fashion&seller=Nile+Textiles')).toEqual([])
  })

  it('finds what is in flight', async () => {
    expect(await found('?status=made_request&q=DRESS-1')).toEqual(['create'])
  })

  it('finds what an admin has discarded, which no tab has', async () => {
    const lost = await addSet(api.sql, 'LOST', { seller: 'Lost Seller' })
    const id = await enqueue(api.sql, 'price', { product: lost.productIds[0]! })
    await put(api.sql, id, 'blocked', { reason: 'unprocessable_response' })
    const { status } = await api.call('POST', `/api/items/${id}/resolve`, {
      key: 'key-of-the-admin',
      body: { action: 'discard', reason: 'nobody wants it' },
    })
    expect(status).toBe(200)
    expect((await list('?q=LOST-1')).items).toMatchObject([
      { id, status: 'blocked', reason: { code: 'discarded', message: 'nobody wants it' } },
    ])
    expect((await list('?tab=synced&q=LOST-1')).items).toEqual([])
  })
})

describe('a window of time', () => {
  const START = Date.parse('2026-01-01T00:00:00Z')
  const at = (minute: number) => new Date(START + minute * 60_000).toISOString()
  let timed: Listener
  /** By id, the minute in which it was queued. */
  const minutes = new Map<string, number>()
  beforeAll(async () => {
    timed = await startListener()
    const set = await addSet(timed.sql, 'TIMED', { seller: 'Timely' })
    // One in five waited for most of an hour between its time and its id. Ids have gaps, like those of items that have
    // left the queue.
    const rows = await timed.sql<{ id: string; minute: number }[]>`
      insert into shop_update.item (id, seller_id, product_set_id, product_id,
        topic, status, lane, fresh, queued_at, entered_at, status_at, run_at)
      overriding system value
      select 1000 + g * g, ${set.sellerId}::bigint, ${set.setId}::bigint,
        ${set.productIds[0]!}::bigint, 'price', 'pending', 'ready', false, at, at, at, at
      from (
        select g,
          ${at(0)}::text::timestamptz + (g * 10 - case when g % 5 = 0 then 55 else 0 end) * interval '1 minute' as at
        from generate_series(1, 300) g) q
      returning id, round(extract(epoch from queued_at - ${at(0)}::text::timestamptz) / 60)::int as minute`
    for (const { id, minute } of rows) minutes.set(id, minute)
    for (const { id } of rows) if (Number(id) % 2 === 0) await finish(timed.sql, id)
  })
  afterAll(() => timed.stop())

  it.each([
    [0, 3000],
    [-60, 0],
    [-10_000, -9000],
    [100, 110],
    [995, 996],
    [1000, 1500],
    [2900, 3100],
    [3001, 9000],
    [undefined, 700],
    [2300, undefined],
  ])('from minute %s to %s has all of it, queued and finished', async (from, to) => {
    const window = `${from === undefined ? '' : `&from=${at(from)}`}${to === undefined ? '' : `&to=${at(to)}`}`
    for (const [list, parity] of [
      ['tab=pending', [1]],
      ['tab=synced', [0]],
      ['q=timely', [0, 1]],
      ['tab=pending&seller=timely&topic=price&sort=-queuedAt', [1]],
    ] as const) {
      const expected = [...minutes].filter(
        ([id, minute]) =>
          (parity as readonly number[]).includes(Number(id) % 2) &&
          minute >= (from ?? -Infinity) &&
          minute < (to ?? Infinity),
      )
      const { items: found, total } = await timed.get<Items>(`/api/items?${list}&limit=500${window}`)
      expect(found.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual(
        expected.map(([id]) => Number(id)).sort((a, b) => a - b),
      )
      expect(total).toEqual({ count: expected.length, exact: true })
    }
  })
})

describe('paging', () => {
  let many: Listener
  beforeAll(async () => {
    many = await startListener()
    const set = await addSet(many.sql, 'MANY', { products: 120 })
    for (const product of set.productIds) {
      const id = await enqueue(many.sql, 'price', { product })
      await put(many.sql, id, 'delayed', { failures: 1 + (Number(id) % 3), secondsAgo: Number(id) % 7 })
    }
    // One of many with the same time, one without a next attempt.
    await many.sql`update shop_update.item set run_at = 'infinity' where id % 10 = 0`
    await many.sql`update shop_update.item set status_at = '2026-01-01' where id % 4 = 0`
  })
  afterAll(() => many.stop())

  it.each(['id', '-id', 'queuedAt', '-queuedAt', 'statusAt', '-statusAt', 'nextAttemptAt', '-nextAttemptAt'])(
    'by %s goes through all, each once and in order',
    async (sort) => {
      const seen: Item[] = []
      let cursor: string | null = null
      let pages = 0
      do {
        const page: Items = await many.get(
          `/api/items?tab=delayed&sort=${sort}&limit=17${cursor === null ? '' : `&cursor=${cursor}`}`,
        )
        expect(page.total).toEqual({ count: 120, exact: true })
        seen.push(...page.items)
        cursor = page.nextCursor
        pages++
      } while (cursor !== null)
      expect(pages).toBe(8)
      expect(new Set(seen.map(({ id }) => id)).size).toBe(120)
      const key = sort.replace('-', '') as 'id' | 'queuedAt' | 'statusAt' | 'nextAttemptAt'
      const values = seen.map((item) => (key === 'id' ? item.id.padStart(9, '0') : (item[key] ?? '9999')))
      expect(values).toEqual(sort.startsWith('-') ? values.toSorted().reverse() : values.toSorted())
    },
  )

  it('goes on at the same place though items before it have left', async () => {
    const first: Items = await many.get('/api/items?tab=delayed&sort=id&limit=50')
    await finish(many.sql, first.items[3]!.id)
    const second: Items = await many.get(`/api/items?tab=delayed&sort=id&limit=50&cursor=${first.nextCursor}`)
    expect(Number(second.items[0]!.id)).toBe(Number(first.items[49]!.id) + 1)
  })

  it('ends with null', async () => {
    expect((await many.get<Items>('/api/items?tab=delayed&limit=500')).nextCursor).toBeNull()
    expect((await many.get<Items>('/api/items?tab=synced&limit=1')).nextCursor).toBeNull()
  })
})

describe('what is wrong is named', () => {
  it.each([
    ['tab=everything', 'tab'],
    ['topic=prices', 'topic'],
    ['status=stuck', 'status'],
    ['reason=bad', 'reason'],
    ['limit=0', 'limit'],
    ['limit=501', 'limit'],
    ['limit=many', 'limit'],
    ['from=yesterday', 'from'],
    ['to=2026-13-01T00:00:00Z', 'to'],
    ['from=0000-01-01T00:00:00Z', 'from'],
    ['to=9999-12-31T23:59:59-05:00', 'to'],
    ['q=a%00b', 'q'],
    ['seller=a%00b', 'seller'],
    ['sort=sellerSku', 'sort'],
    ['tab=synced&sort=statusAt', 'sort'],
    ['tab=pending&sort=-statusAt', 'sort'],
    ['status=pending&sort=statusAt', 'sort'],
    ['sort=statusAt', 'sort'],
    ['tab=pending&sort=nextAttemptAt', 'sort'],
    ['cursor=abc', 'cursor'],
    ['q=', 'q'],
    ['colour=red', 'colour'],
  ])('%s', async (query, field) => {
    const { status, body, headers } = await api.call('GET', `/api/items?${query}`)
    expect(status).toBe(400)
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(body).toMatchObject({ type: 'about:blank', title: 'Bad Request', status: 400, field, errors: [{ field }] })
    expect(body.detail).toContain(field)
  })

  it('no time is refused for its zone', async () => {
    expect((await api.call('GET', `/api/items?from=${encodeURIComponent('2026-01-01T00:00:00+20:00')}`)).status).toBe(
      200,
    )
  })

  it('a cursor of another order', async () => {
    const { nextCursor } = await list('?limit=1&sort=id')
    const { status, body } = await api.call('GET', `/api/items?limit=1&sort=-id&cursor=${nextCursor}`)
    expect(status).toBe(400)
    expect(body.field).toBe('cursor')
  })

  it('a cursor that somebody made up', async () => {
    for (const made of [
      {},
      { key: 'statusAt', descending: false, value: 'now', id: '1' },
      { key: 'statusAt', descending: false, value: '2026-02-30 00:00:00+00', id: '1' },
      { key: 'statusAt', descending: false, value: '0000-02-03 00:00:00+00', id: '1' },
      { key: 'id', descending: false, value: null, id: 'x' },
      null,
    ]) {
      const cursor = Buffer.from(JSON.stringify(made)).toString('base64url')
      expect(
        (
          await api.call(
            'GET',
            `/api/items?tab=failed&sort=${made && 'key' in made ? made.key : 'id'}&cursor=${cursor}`,
          )
        ).body.field,
      ).toBe('cursor')
    }
  })
})

describe('the download', () => {
  const rowsOf = (text: string) =>
    parse(text, { bom: true, columns: true, record_delimiter: '\r\n' }) as Record<string, string>[]

  it('is the same selection, with a header in the words of the requirements', async () => {
    const { status, headers, text } = await api.call('GET', '/api/items.csv?tab=pending')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^text\/csv/)
    expect(headers.get('content-disposition')).toContain('shop-update-pending.csv')
    const rows = rowsOf(text)
    expect(rows.map((row) => row.Item)).toEqual((await list('?tab=pending')).items.map(({ id }) => id))
    expect(Object.keys(rows[0]!)).toEqual(
      expect.arrayContaining([
        'Seller SKU',
        'SKU',
        'Topic',
        'Queued at',
        'Status',
        'Requeued count',
        'Last requeued at',
        'Failed at',
      ]),
    )
    expect(rows.find((row) => row.Item === items.create)).toMatchObject({
      Topic: 'New Product (Set)',
      Status: 'Made request',
      'Last requeued at': '',
      Seller: 'Delta Fashion',
    })
  })

  it('quotes what must be, and makes formulas text', async () => {
    const odd = await addSet(api.sql, '=1+2,"x"', { seller: '@SUM(A1)' })
    const id = await enqueue(api.sql, 'price', { product: odd.productIds[0]! })
    await put(api.sql, id, 'failed', { message: 'two\r\nlines, "quoted"' })
    const { text } = await api.call('GET', '/api/items.csv?seller=%40SUM(A1)')
    expect(text).toContain(`,'@SUM(A1),`)
    expect(text).toContain(`"'=1+2,""x""-1"`)
    const [row] = rowsOf(text)
    expect(row).toMatchObject({ 'Seller SKU': `'=1+2,"x"-1`, Message: 'two\r\nlines, "quoted"', Reason: 'Failure' })
  })

  it('is UTF-8 that Excel knows for it', async () => {
    const { productIds } = await addSet(api.sql, 'قميص-เสื้อ', { seller: 'Arabic and Thai' })
    await enqueue(api.sql, 'price', { product: productIds[0]! })
    const response = await fetch(`${api.url}/api/items.csv?seller=Arabic+and+Thai`, {
      headers: { authorization: `Bearer ${VIEWER}` },
    })
    const bytes = Buffer.from(await response.arrayBuffer())
    expect(bytes.subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]))
    expect(rowsOf(bytes.toString())[0]).toMatchObject({ 'Seller SKU': 'قميص-เสื้อ-1' })
  })

  it('is one at a time for each user', async () => {
    const slow = await addSet(api.sql, 'SLOW', { seller: 'Slow Seller' })
    await api.sql`
      insert into shop_update.item (seller_id, product_set_id, product_id, topic,
        status, lane, reason, message, fresh, queued_at, entered_at, status_at, run_at)
      select ${slow.sellerId}::bigint, ${slow.setId}::bigint, ${slow.productIds[0]!}::bigint,
        'price', 'pending', 'ready', 'released', repeat('x', 1000), false,
        now(), now(), now(), now() from generate_series(1, 40000)`
    const path = '/api/items.csv?seller=Slow+Seller'
    const leave = new AbortController()
    const first = await fetch(`${api.url}${path}`, {
      headers: { authorization: `Bearer ${VIEWER}` },
      signal: leave.signal,
    })
    expect(first.status).toBe(200)
    const second = await api.call('GET', path)
    expect(second.status).toBe(429)
    expect(second.headers.get('content-type')).toBe('application/problem+json')
    expect(second.body.detail).toContain('A download of yours is under way')
    const another = await api.call('GET', '/api/items.csv?seller=Nobody', { key: ADMIN })
    expect(another.status).toBe(200)
    // it is free again when the client has gone, when a download has ended, and when one was refused
    leave.abort()
    await expect.poll(async () => (await api.call('GET', '/api/items.csv?seller=Nobody')).status).toBe(200)
    for (const query of ['?seller=Nobody', '?q=PREFIX-', '?seller=Nobody']) {
      await expect.poll(async () => (await api.call('GET', `/api/items.csv${query}`)).status).not.toBe(429)
    }
  })

  it('has connections of its own: no list waits for it, and it is no list', async () => {
    const away = postgres('postgres://nobody@127.0.0.1:1/none', { connect_timeout: 1, max: 1 }) as never
    const broken = await startListener({ downloadSql: away })
    expect((await broken.call('GET', '/api/items.csv')).status).toBe(503)
    expect((await broken.call('GET', '/api/items')).status).toBe(200)
    expect((await broken.call('GET', '/api/items/1/calls/1/request')).status).toBe(503)
    await broken.stop()
  })

  it('has only a header where nothing is selected', async () => {
    expect((await api.call('GET', '/api/items.csv?seller=Nobody')).text.split('\r\n')).toHaveLength(2)
  })

  it('goes on beyond what it reads at a time, each item once', async () => {
    const bulk = await addSet(api.sql, 'BULK', { seller: 'Bulk Seller' })
    await api.sql`
      insert into shop_update.item (seller_id, product_set_id, product_id,
        topic, status, lane, fresh, queued_at, entered_at, status_at, run_at)
      select ${bulk.sellerId}::bigint, ${bulk.setId}::bigint, ${bulk.productIds[0]!}::bigint,
        'price', 'pending', 'ready', false, now(), now(), now(), now()
      from generate_series(1, 2500)`
    const { text } = await api.call('GET', '/api/items.csv?seller=Bulk+Seller')
    const rows = rowsOf(text)
    expect(new Set(rows.map((row) => row.Item)).size).toBe(2500)
  })

  it('breaks off where it cannot go on: half a file must not look whole', async () => {
    const long = await addSet(api.sql, 'LONG', { seller: 'Long Seller' })
    // Far more than the sockets between us can hold, so that reading waits for us.
    await api.sql`
      insert into shop_update.item (seller_id, product_set_id, product_id, topic,
        status, lane, reason, message, fresh, queued_at, entered_at, status_at, run_at)
      select ${long.sellerId}::bigint, ${long.setId}::bigint, ${long.productIds[0]!}::bigint,
        'price', 'pending', 'ready', 'released', repeat('x', 1000), false,
        now(), now(), now(), now() from generate_series(1, 40000)`
    const response = await fetch(`${api.url}/api/items.csv?seller=Long+Seller`, {
      headers: { authorization: `Bearer ${VIEWER}` },
    })
    expect(response.status).toBe(200)
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    await reader.read()
    let tail = ''
    await api.sql`alter table shop_update.item rename to item_elsewhere`
    try {
      const rest = async () => {
        for (let part = await reader.read(); !part.done; part = await reader.read()) tail = part.value
      }
      await expect(rest()).rejects.toThrow()
      expect(tail).not.toContain('item_elsewhere')
      expect(tail).not.toContain('Error')
      expect(api.logged()).toContain('A download broke off')
    } finally {
      await api.sql`alter table shop_update.item_elsewhere rename to item`
    }
  })

  it('refuses what is no filter', async () => {
    expect((await api.call('GET', '/api/items.csv?limit=5')).body.field).toBe('limit')
  })
})

describe('the total', () => {
  it('says no more than "many" beyond what is counted', async () => {
    const huge = await addSet(api.sql, 'HUGE', { seller: 'Huge Seller' })
    await api.sql`
      insert into shop_update.item (seller_id, product_set_id, product_id,
        topic, status, lane, fresh, queued_at, entered_at, status_at, run_at)
      select ${huge.sellerId}::bigint, ${huge.setId}::bigint, ${huge.productIds[0]!}::bigint,
        'price', 'pending', 'ready', false, now(), now(), now(), now()
      from generate_series(1, 10001)`
    expect((await list('?seller=Huge+Seller')).total).toEqual({ count: 10_000, exact: false })
  })
})
