import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ProductSet, SearchResult, SkusFound } from '../../worker/api/internal.ts'
import { connect } from '../../worker/database/database.ts'
import { enterWorker } from '../../worker/queue/worker-row.ts'
import { search as findProducts } from '../../worker/read/products.ts'
import { createDatabase } from '../database.ts'
import { ADMIN, addSet, enqueue, finish, type Listener, put, startListener, VIEWER } from './internal-listener.ts'

let api: Listener
beforeAll(async () => {
  api = await startListener({ config: { VENTURE_TIMEZONE: 'Africa/Cairo' } })
})
afterAll(() => api.stop())

const search = async (q: string): Promise<SearchResult> => api.get(`/api/search?q=${encodeURIComponent(q)}`)
const skusOf = async (q: string) => (await search(q)).products.map(({ sellerSku }) => sellerSku)
const read = (setId: string, query = '') => api.get<ProductSet>(`/api/products/${setId}${query}`)

let n = 0
async function product(
  options: Parameters<typeof addSet>[2] = {},
): Promise<{ setId: string; id: string; sku: string }> {
  const handle = `PROD${++n}`
  const { setId, productIds } = await addSet(api.sql, handle, options)
  return { setId, id: productIds[0]!, sku: `${handle}-1` }
}
const rename = (id: string, columns: Record<string, string>) =>
  api.sql`update catalog.product set ${api.sql(columns)} where id = ${id}::bigint`

describe('a search', () => {
  test('finds what was never queued, by any fragment of SKU or title, in any case', async () => {
    const { id, setId } = await product({ seller: 'Nile Textiles' })
    await rename(id, { seller_sku: 'Blue-Jeans-W32', title: 'Jeans “Cairo”, blau' })
    for (const q of [
      'blue-jeans',
      'JEANS-w3',
      'bLuE-jEaNs-w32',
      ' "eans-W32" ',
      'cairo',
      '“cairo”',
      'JEANS “C',
      'blau',
    ])
      expect(await skusOf(q), q).toContain('Blue-Jeans-W32')
    expect(await skusOf('jeans-w33')).toEqual([])
    const { products } = await search('blue-jeans-w32')
    expect(products).toMatchObject([
      {
        id,
        productSetId: setId,
        sellerName: 'Nile Textiles',
        inShop: true,
        openItems: 0,
        verdict: { code: 'up_to_date', whoActs: 'nobody' },
      },
    ])
    await api.sql`update catalog.product_set set title = 'Sommerhose' where id = ${setId}::bigint`
    expect(await skusOf('sommerh')).toEqual(['Blue-Jeans-W32'])
  })

  test('takes what has a meaning in a pattern as it is', async () => {
    const odd = await product()
    const even = await product()
    await rename(odd.id, { seller_sku: '100%_C\\otton\'s <b>"1"</b> \u202eعربي 🧵' })
    await rename(even.id, { seller_sku: '100xyC/ottons' })
    for (const q of ['100%_', '%_C', 'c\\otton', "otton's", '<b>"1"</b>', 'عربي', '🧵 '.trim().padStart(5, 'ي ')]) {
      if (q.length < 3) continue
      expect(await skusOf(q), q).not.toContain('100xyC/ottons')
    }
    expect(await skusOf('%_C\\otton')).toHaveLength(1)
    expect(await skusOf('عربي 🧵')).toHaveLength(1)
    for (const q of ['---', '%%%', 'a-b', '₿']) expect((await search(q)).tooShort, q).toBe(true)
    expect(await skusOf('%%%')).toEqual([])
    expect(await skusOf('___')).toEqual([])
  })

  test('tells signs apart, and letters that stand for signs in the index from the signs', async () => {
    const { id, setId } = await product()
    const texts = ['wxy abc', 'wxy-abc', 'wxy_abc', 'wxy.abc', 'wxy/abc', 'wxy+abc', 'wxy\nabc', 'wxyꀀabc', 'wxyꀁabc']
    for (const text of texts) {
      await rename(id, { seller_sku: text.replace('wxy', 'rst'), title: text })
      await api.sql`update catalog.product_set set title = ${text.replace('wxy', 'uvw')} where id = ${setId}::bigint`
      for (const start of ['wxy', 'rst', 'uvw'])
        for (const other of texts.map((each) => each.replace('wxy', start))) {
          const found = (await search(other)).products.length === 1
          expect(found, `${other} in ${text}`).toBe(other === text.replace('wxy', start))
        }
      expect(await skusOf(`${text}§`)).toEqual([])
      expect(await skusOf('wxy')).toHaveLength(1)
    }
  })

  test('asks the indexes for fragments, with the very expressions that they have', async () => {
    const database = await createDatabase()
    const sql = connect(database.url, { max: 1, name: 'test', byIndex: true })
    // nothing is left then but a bitmap of an index that has the condition
    await sql`select set_config(name, 'off', false) from unnest('{enable_indexscan,enable_indexonlyscan}'::text[]) name`
    await findProducts(sql, 'by-index')
    await sql`select pg_stat_force_next_flush()`
    const scans = await sql<{ name: string; asked: boolean }[]>`
      select indexrelname as name, idx_scan > 0 as asked from pg_stat_user_indexes
      where schemaname = 'catalog' and indexrelname like '%fragments' order by 1`
    await sql.end()
    await database.drop()
    expect(scans).toEqual([
      { name: 'product_fragments', asked: true },
      { name: 'product_set_fragments', asked: true },
    ])
  })

  test('of one or two characters finds whole SKUs and ids only, and says so', async () => {
    const { id } = await product()
    await rename(id, { seller_sku: 'Q7' })
    for (const q of ['Q7', 'q7']) {
      const found = await search(q)
      expect([found.tooShort, found.products.map(({ sellerSku }) => sellerSku)]).toEqual([true, ['Q7']])
    }
    expect(
      (await search('7')).products.every(({ id: found, productSetId }) => [found, productSetId].includes('7')),
    ).toBe(true)
    expect(await search('"')).toEqual({ products: [], sellers: [], itemIds: [], truncated: false, tooShort: true })
  })

  test('finds ids of items, requests, products, sets and of the Shop; sellers by a part of their name', async () => {
    const { id, setId, sku } = await product({ seller: 'Ägypten & Söhne' })
    const item = await enqueue(api.sql, 'price', { product: id })
    expect((await search(item)).itemIds).toContain(item)
    await finish(api.sql, item)
    expect((await search(item)).itemIds).toContain(item)
    expect(await skusOf(id)).toContain(sku)
    expect(await skusOf(setId)).toContain(sku)
    expect(await skusOf(`S-PROD${n}`)).toContain(sku)
    expect((await search('söhn')).sellers).toMatchObject([{ name: 'Ägypten & Söhne', active: true }])
  })

  test('what is exactly that comes first, and more than fifty are cut and said to be', async () => {
    const { setId } = await addSet(api.sql, 'MANY', { products: 60 })
    await api.sql`update catalog.product set seller_sku = 'many' where product_set_id = ${setId}::bigint
      and seller_sku = 'MANY-60'`
    const found = await search('Many')
    expect([found.products.length, found.truncated, found.products[0]!.sellerSku]).toEqual([50, true, 'many'])
  })

  test.each([
    ['', 'q'],
    ['?q=', 'q'],
    [`?q=${'x'.repeat(201)}`, 'q'],
    ['?q=%00', 'q'],
    ['?q=abc&limit=1', 'limit'],
  ])('%s names what is wrong', async (query, field) => {
    const { status, body } = await api.call('GET', `/api/search${query}`)
    expect([status, body.field]).toEqual([400, field])
  })
})

describe('many SKUs', () => {
  const look = (skus: unknown, key = VIEWER) => api.call<SkusFound>('POST', '/api/search', { key, body: { skus } })

  test('a row for each, in their order: in any case, of several sellers, unknown', async () => {
    const { id, sku } = await product({ seller: 'First' })
    const other = await product({ seller: 'Second' })
    await rename(id, { seller_sku: 'SHARED-1' })
    await rename(other.id, { seller_sku: 'SHARED-1' })
    const { status, body } = await look(['sHaReD-1', `sHop-${sku}`, 'no such thing'])
    expect(status).toBe(200)
    expect(body.rows.map((row) => [row.sku, row.products.map(({ sellerName }) => sellerName)])).toEqual([
      ['sHaReD-1', ['First', 'Second']],
      [`sHop-${sku}`, ['First']],
      ['no such thing', []],
    ])
  })

  test.each([
    [[], 'skus'],
    [Array.from({ length: 501 }, (_, k) => `S${k}`), 'skus'],
    [[''], 'skus.0'],
    ['A', 'skus'],
  ])('%j is refused', async (skus, field) => {
    const { status, body } = await look(skus)
    expect([status, (body as unknown as { field: string }).field]).toEqual([400, field])
  })

  test('needs a key', async () => {
    expect((await api.call('POST', '/api/search', { key: null, body: { skus: ['A'] } })).status).toBe(401)
  })
})

describe('a product set', () => {
  test('each variation and topic; the answer is about the one that was asked for', async () => {
    const { setId, productIds } = await addSet(api.sql, 'GRID', { products: 2 })
    const [first, second] = productIds as [string, string]
    const failing = await enqueue(api.sql, 'content', { product: first })
    await put(api.sql, failing, 'failed', { message: 'No size for this brand' })
    const waiting = await enqueue(api.sql, 'price', { product: first })
    const synced = await enqueue(api.sql, 'price', { product: second })
    await finish(api.sql, synced)
    const images = await enqueue(api.sql, 'images', { set: setId })
    await put(api.sql, images, 'got_acknowledgment', { sends: 1 })

    const set = await read(setId, `?product=${first}`)
    expect(set).toMatchObject({ productSetId: setId, srcId: 'S-GRID', sellerName: 'Nile Textiles' })
    expect(set.cells).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ topic: 'images', cell: 'with_shop', itemId: images }),
        expect.objectContaining({ topic: 'new_product_set', cell: 'up_to_date' }),
      ]),
    )
    const [a, b] = set.products
    expect(a).toMatchObject({
      id: first,
      openItems: 3,
      verdict: { code: 'failing', itemId: failing, whoActs: 'sre' },
    })
    expect(a!.cells).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ topic: 'content', cell: 'failed', itemId: failing }),
        expect.objectContaining({ topic: 'price', cell: 'waiting', itemId: waiting }),
        expect.objectContaining({ topic: 'stock', cell: 'up_to_date', itemId: null, at: null }),
      ]),
    )
    expect(a!.answer).toMatchObject({ whoActs: 'sre' })
    expect(a!.answer!.text).toContain('the Shop said “No size for this brand”')
    expect(a!.answer!.text).toContain('Cairo time')
    expect(b).toMatchObject({ id: second, answer: null, verdict: { code: 'on_its_way' } })
    expect(b!.cells).toEqual(
      expect.arrayContaining([expect.objectContaining({ topic: 'price', cell: 'up_to_date', itemId: synced })]),
    )
  })

  test.each<[string, Record<string, string>, boolean, string, string]>([
    ['rejected', { qc_status: 'rejected' }, false, 'rejected', 'rejected in quality control'],
    ['pending', { qc_status: 'pending' }, false, 'in_quality_control', 'waits for quality control'],
    ['inactive', { active: 'false' }, true, 'hidden', 'but not shown: the product is not active'],
    ['never queued', {}, false, 'not_created', 'nobody has queued its creation'],
    ['up to date', {}, true, 'up_to_date', 'In the Shop, up to date.'],
  ])('%s: verdict and answer', async (_, columns, inShop, code, text) => {
    const { setId, id, sku } = await product({ inShop })
    if (Object.keys(columns).length > 0) await rename(id, columns)
    const { products } = await read(setId)
    expect(products[0]!.verdict.code).toBe(code)
    expect(products[0]!.answer!.text).toContain(`(seller SKU ${sku}): `)
    expect(products[0]!.answer!.text).toContain(text)
  })

  test('what is late is called for by the verdict as by the answer', async () => {
    const { setId, id } = await product({ inShop: true })
    const item = await enqueue(api.sql, 'price', { product: id })
    const whoActs = async () => {
      const [{ verdict, answer }] = (await read(setId)).products as [ProductSet['products'][number]]
      return [verdict.whoActs, answer!.whoActs]
    }
    await put(api.sql, item, 'delayed', { failures: 1 })
    expect(await whoActs()).toEqual(['nobody', 'nobody'])
    await api.sql`update shop_update.item set run_at = now() - interval '6 minutes' where id = ${item}::bigint`
    expect(await whoActs()).toEqual(['sre', 'sre'])
    const sku = (await read(setId)).products[0]!.sellerSku
    expect((await search(sku)).products[0]?.verdict.whoActs).toBe('sre')
    const pasted = await api.call<SkusFound>('POST', '/api/search', { key: VIEWER, body: { skus: [sku] } })
    expect(pasted.body.rows[0]?.products[0]?.verdict.whoActs).toBe('sre')
    await enterWorker(api.sql, 'alive', 'synchronous') // else that nobody sends comes first
    await api.sql`update shop_update.worker set heartbeat_at = now() + interval '1 hour'`
    await api.sql`
      insert into shop_update.pause (from_at, until_at, ends_itself, reason, created_by)
      values (now(), now() + interval '1 hour', true, 'The Shop moves', 'admin')`
    expect(await whoActs()).toEqual(['nobody', 'nobody'])
    await api.sql`delete from shop_update.pause`
    await api.sql`delete from shop_update.worker`
    await put(api.sql, item, 'processing')
    await api.sql`update shop_update.item set status_at = now() - interval '1 minute' where id = ${item}::bigint`
    expect(await whoActs()).toEqual(['sre', 'sre'])
  })

  test('an inactive seller: also the answer about a Synced item says that nobody can buy it', async () => {
    const { setId, id } = await product({ seller: 'Closed Shop' })
    await api.sql`update catalog.product set stock = 3 where id = ${id}::bigint`
    const item = await enqueue(api.sql, 'price', { product: id })
    await finish(api.sql, item)
    expect((await api.get(`/api/items/${item}`)).sellerAnswer.whoActs).toBe('nobody')
    await api.sql`update catalog.seller set active = false where name = 'Closed Shop'`
    expect((await api.get(`/api/items/${item}`)).sellerAnswer).toMatchObject({
      whoActs: 'seller',
      text: expect.stringContaining(
        'Customers cannot buy the product at the moment, though: the seller is not active.',
      ),
    })
    expect((await read(setId)).products[0]!.verdict.text).toContain('not shown: the seller is not active')
  })

  test('one with very many variations', async () => {
    const { setId } = await addSet(api.sql, 'WIDE', { products: 250 })
    const { products } = await read(setId)
    expect([products.length, products.every(({ answer }) => answer === null)]).toEqual([250, true])
  })

  test.each(['999999999', '0', 'x', '50%25', '99999999999999999999'])('%s: there is none', async (setId) => {
    expect([400, 404, 403]).toContain((await api.call('GET', `/api/products/${setId}`)).status)
  })
})

describe('a seller', () => {
  test('products, items by status, causes, what was Synced within a day', async () => {
    const { id } = await product({ seller: 'Counted Seller', products: 3 })
    const other = await product({ seller: 'Counted Seller', inShop: false })
    const failing = await enqueue(api.sql, 'price', { product: id })
    await put(api.sql, failing, 'failed', { message: 'No size' })
    await api.sql`
      insert into shop_update.cause (id, reason, pattern) values (4711, 'failure', 'No size') on conflict do nothing`
    await api.sql`update shop_update.item set cause_id = 4711 where id = ${failing}::bigint`
    await enqueue(api.sql, 'stock', { product: other.id })
    await finish(api.sql, await enqueue(api.sql, 'content', { product: id }))
    const [{ sellerId }] = (
      await api.sql`select id::text as "sellerId" from catalog.seller where name = 'Counted Seller'`
    ).map((row) => row as { sellerId: string }) as [{ sellerId: string }]
    expect(await api.get(`/api/sellers/${sellerId}`)).toMatchObject({
      name: 'Counted Seller',
      active: true,
      products: 4,
      notInShop: 1,
      byStatus: [
        { status: 'delayed', count: 1 },
        { status: 'failed', count: 1 },
      ],
      synced: { count: 1, within10Minutes: 1, within24Hours: 1 },
      causes: [{ id: '4711', reason: 'failure', method: null, httpStatus: null, pattern: 'No size', count: 1 }],
    })
    expect((await api.call('GET', '/api/sellers/999999999')).status).toBe(404)
  })
})

describe('sending by hand', () => {
  const send = (body: Record<string, unknown>) => api.call('POST', '/api/items', { key: ADMIN, body })

  test('what tells the Shop of the product itself needs no condition, and neither does a creation', async () => {
    const { setId, id } = await product()
    await rename(id, { active: 'false', qc_status: 'rejected' })
    for (const topic of ['status', 'qc_status']) expect((await send({ topic, productId: id })).status).toBe(201)
    expect((await send({ topic: 'new_product_set', productSetId: setId })).status).toBe(201)
  })

  test.each<[string, string]>([
    ['seller', 'The seller is not active.'],
    ['product', 'The product, or one of its variations, is not active.'],
    ['quality control', 'The product, or one of its variations, is not approved in quality control.'],
  ])('asks for the condition of the %s; force goes past it, with a reason', async (condition, detail) => {
    const of = await product({ seller: `Seller for ${condition}` })
    const { id } = of
    if (condition === 'seller')
      await api.sql`update catalog.seller set active = false where name = ${`Seller for ${condition}`}`
    if (condition === 'product') await rename(id, { active: 'false' })
    if (condition === 'quality control') await rename(id, { qc_status: 'pending' })
    expect(await send({ topic: 'price', productId: id })).toMatchObject({
      status: 409,
      body: { detail, field: 'force' },
    })
    const { setId } = of
    expect(await send({ topic: 'images', productSetId: setId })).toMatchObject({
      status: 409,
      body: { field: 'force' },
    })
    expect(await send({ topic: 'price', productId: id, force: true })).toMatchObject({
      status: 400,
      body: { field: 'reason' },
    })
    const sent = await send({ topic: 'price', productId: id, force: true, reason: 'the Shop asked for it' })
    expect(sent.status).toBe(201)
    expect(
      await api.sql`select detail from shop_update.audit where action = 'enqueue' order by id desc limit 1`,
    ).toMatchObject([{ detail: { force: true, reason: 'the Shop asked for it', itemId: sent.body.itemId } }])
  })
})
