import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { noteOutcomes, readRun } from '../../worker/admin/record.ts'
import { carryOn } from '../../worker/admin/runs.ts'
import type { Causes, Requeued, Run, RunsRecord } from '../../worker/api/internal.ts'
import { countFaults } from '../invariants.ts'
import { holdItem, type Scene, startScene } from '../scene.ts'
import { ADMIN, addSet, enqueue, finish, type Listener, put, startListener } from './internal-listener.ts'

const DAY = 86_400_000

describe('carried out by the workers', () => {
  const SELLERS = 40
  const ITEMS = 5000
  let scene: Scene
  afterEach(() => scene.stop())

  const failed = () => scene.api<Causes>('/api/causes?tab=failed')
  const byPattern = (causes: Causes['causes']) =>
    Object.fromEntries(causes.map(({ pattern, items, sellers }) => [pattern, { items, sellers }]))

  test('three causes of 40 sellers, one of them requeued, the worker killed in its middle', async () => {
    scene = await startScene({ env: { LEASE_SECONDS: '5', FAILED_AFTER: '1', RETRY_UNIT_SECONDS: '3600' } })
    await scene.control('/troubles', {
      method: 'PUT',
      body: {
        topics: { price: { http500: 100 }, status: { http404: 100 }, content: { failureRows: 100 } },
      },
    })
    await scene.sql`
      with r as (insert into catalog.seller (name) select 'Seller ' || g from generate_series(1, ${SELLERS}::int) g
        returning id),
      s as (insert into catalog.product_set (seller_id, title, src_id, handle)
        select r.id, 'Shirt', 'S' || r.id || '-' || g, 's' || r.id || '-' || g
        from r cross join generate_series(1, ${ITEMS / SELLERS}::int) g returning id)
      insert into catalog.product (product_set_id, seller_sku, title, price, stock, src_id, shop_sku)
      select id, 'SKU-' || id, 'Shirt', 10, 5, 'P' || id, 'SHOP-' || id from s`
    await scene.sql`
      select shop_update.enqueue((array['price', 'status', 'content'])[1 + id % 3], product_id => id)
      from catalog.product order by id`
    const stored = async () => {
      const [row] = await scene.sql<{ n: number }[]>`
        select count(*)::int as n from shop_update.item where status = 'failed'`
      return row!.n
    }
    await vi.waitFor(async () => expect(await stored()).toBe(ITEMS), { timeout: 120_000, interval: 50 })
    const before = await vi.waitFor(
      async () => {
        const { causes } = (await failed()).body
        expect(causes.map(({ items }) => items).sort()).toEqual([1666, 1667, 1667])
        return causes
      },
      { timeout: 30_000, interval: 50 },
    )
    expect(before.map(({ sellers }) => sellers)).toEqual([SELLERS, SELLERS, SELLERS])

    await scene.control('/troubles', { method: 'DELETE' })
    const { id: cause, items } = before.find(({ httpStatus }) => httpStatus === 500)!
    const asked = { filter: { tab: 'failed', cause } }
    const preview = await scene.api<Requeued>('/api/requeue', { method: 'POST', body: { ...asked, dryRun: true } })
    expect(preview.body).toMatchObject({ runId: null, requeued: items, productSets: items, skippedTotal: 0 })

    // The last item of the cause is locked, so the run cannot end before the worker is dead.
    const [last] = await scene.sql<{ id: string }[]>`
      select max(id)::text as id from shop_update.item where cause_id = ${cause}::bigint`
    const letGo = await holdItem(scene.sql, last!.id)
    const { requeued, productSets, skippedTotal } = preview.body
    const begun = await scene.api<Run>('/api/runs', {
      method: 'POST',
      body: { kind: 'requeue', ...asked, reason: 'mended', previewed: { requeued, productSets, skippedTotal } },
    })
    expect(begun).toMatchObject({ status: 200, body: { state: 'running', taken: 0 } })
    const runId = begun.body.id
    await vi.waitFor(async () => expect((await readRun(scene.sql, runId))!.taken).toBeGreaterThan(0), {
      timeout: 30_000,
      interval: 5,
    })
    await scene.worker.kill()
    await letGo()
    const broken = (await readRun(scene.sql, runId))!
    expect(broken.state).toBe('running')
    expect(broken.taken).toBeLessThan(items)

    scene.worker = await scene.startWorker()
    const ended = await vi.waitFor(
      async () => {
        const { body } = await scene.api<Run>(`/api/runs/${runId}`)
        expect(body).toMatchObject({ state: 'done', outcome: { synced: items } })
        return body
      },
      { timeout: 60_000, interval: 50 },
    )
    expect(ended).toMatchObject({
      taken: items,
      productSets,
      variations: items,
      skippedTotal: 0,
      unread: 0,
      previewed: { requeued },
      reason: 'mended',
      cause: before.find(({ id }) => id === cause)!.pattern,
    })
    const kept = (causes: Causes['causes']) => byPattern(causes.filter(({ id }) => id !== cause))
    await vi.waitFor(async () => expect(kept((await failed()).body.causes)).toEqual(kept(before)), 30_000)
    expect((await failed()).body.causes).toHaveLength(2)
    const [row] = await scene.sql<{ rows: number; items: number; sent: number }[]>`
      select count(*)::int as rows, count(distinct item_id)::int as items,
        (select count(*)::int from shop_update.step where reason = 'requeued') as sent
      from shop_update.run_item where run_id = ${runId}::bigint`
    expect(row).toEqual({ rows: items, items, sent: items })
    expect(await countFaults(scene.sql)).toEqual([])
  })
})

describe('part by part', () => {
  let api: Listener
  beforeAll(async () => {
    api = await startListener()
  })
  afterAll(() => api.stop())

  let sets = 0
  const newSet = (options: Parameters<typeof addSet>[2] = {}) => addSet(api.sql, `RUN${++sets}`, options)
  async function failedItem(options: Parameters<typeof addSet>[2] = {}): Promise<string> {
    const { productIds } = await newSet(options)
    const id = await enqueue(api.sql, 'price', { product: productIds[0]! })
    await put(api.sql, id, 'failed')
    return id
  }
  /** Failed items of as many product sets, of a seller of their own. */
  async function many(seller: string, n: number): Promise<void> {
    await api.sql`insert into catalog.seller (name) values (${seller})`
    await api.sql`
      with s as (insert into catalog.product_set (seller_id, src_id, handle)
        select r.id, ${seller} || g, ${seller} || g from catalog.seller r, generate_series(1, ${n}::int) g
        where r.name = ${seller} returning id, seller_id),
      p as (insert into catalog.product (product_set_id, seller_sku, src_id, shop_sku)
        select id, 'M-' || id, 'M' || id, 'SHOP-M' || id from s returning id, product_set_id),
      i as (insert into shop_update.item (seller_id, product_set_id, product_id, topic, status,
        lane, reason, failures, sends, fresh, queued_at, entered_at, status_at, run_at)
        select s.seller_id, s.id, p.id, 'price', 'failed', 'delayed', 'failure',
          12, 12, false, now(), now(), now(), now() + interval '1 hour'
        from s join p on p.product_set_id = s.id returning 1)
      insert into shop_update.delta (kind, topic, status, n) select 'status', 'price', 'failed', count(*) from i`
  }
  const begin = async (body: Record<string, unknown>): Promise<Run> => {
    const answer = await api.call<Run>('POST', '/api/runs', { key: ADMIN, body: { kind: 'requeue', ...body } })
    expect(answer).toMatchObject({ status: 200, body: { state: 'running', taken: 0 } })
    return answer.body
  }
  async function noteAll(): Promise<void> {
    let { last } = await noteOutcomes(api.sql, '0')
    while (last !== '0') ({ last } = await noteOutcomes(api.sql, last))
  }
  const read = (id: string) => api.get<Run>(`/api/runs/${id}`)

  test('one that is stopped does no more, and says who stopped it', async () => {
    await many('Stopped', 1200)
    const { id } = await begin({ filter: { seller: 'Stopped', tab: 'failed' } })
    expect(await carryOn(api.sql, id)).toMatchObject({ ended: false })
    const stop = () => api.call<Run>('POST', `/api/runs/${id}/stop`, { key: ADMIN })
    expect(await stop()).toMatchObject({ status: 200, body: { state: 'stopped', taken: 100, endedBy: 'admin (key)' } })
    expect(await carryOn(api.sql, id)).toEqual({ steps: [], byTopic: [], ended: true })
    expect(await stop()).toMatchObject({ status: 409, body: { detail: `Run ${id} has ended already.` } })
    expect(await read(id)).toMatchObject({ taken: 100, outcome: { on_its_way: 100 } })
    const left = await api.get('/api/items?tab=failed&seller=Stopped&limit=1')
    expect(left.items).toHaveLength(1)
  })

  test('carried on by many processes at once, it takes each item once', async () => {
    await many('Crowded', 2600)
    const { id } = await begin({ filter: { seller: 'Crowded', tab: 'failed' } })
    const steps: string[] = []
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        for (let ended = false; !ended; ) {
          const part = (await carryOn(api.sql, id))!
          steps.push(...part.steps.map(({ itemId }) => itemId))
          ended = part.ended
        }
      }),
    )
    expect([steps.length, new Set(steps).size]).toEqual([2600, 2600])
    expect(await read(id)).toMatchObject({ state: 'done', taken: 2600, productSets: 2600, variations: 2600 })
  })

  test('a product set with more items than a part, and named items of many sets', async () => {
    const { setId, productIds } = await newSet({ products: 600 })
    for (const topic of ['price', 'content'])
      await api.sql`
        select shop_update.enqueue(${topic}::text, product_id => id) from catalog.product
        where product_set_id = ${setId}::bigint order by id`
    const items = await api.sql<{ id: string }[]>`
      update shop_update.item set status = 'failed', lane = 'delayed', reason = 'failure', failures = 12, fresh = false,
        run_at = now() + interval '1 hour'
      where product_set_id = ${setId}::bigint returning id`
    const other = await failedItem()
    const { id } = await begin({ itemIds: [...items.map((item) => item.id), other, '999999999'] })
    for (let ended = false; !ended; ) ended = (await carryOn(api.sql, id))!.ended
    expect(await read(id)).toMatchObject({
      taken: 1201,
      productSets: 2,
      variations: productIds.length + 1,
      skippedTotal: 1,
      skipped: [{ itemId: '999999999', reason: 'not_in_queue' }],
    })
  })

  test('a set of which another item fails while the run goes on counts once', async () => {
    const seller = 'Fails later'
    await many(seller, 150)
    const [first] = await api.sql<{ set: string; product: string }[]>`
      select product_set_id as set, product_id as product from shop_update.item i
      join catalog.seller r on r.id = i.seller_id where r.name = ${seller} order by i.id limit 1`
    const { id } = await begin({ filter: { seller, tab: 'failed' } })
    expect(await carryOn(api.sql, id)).toMatchObject({ ended: false })
    const late = await enqueue(api.sql, 'content', { product: first!.product })
    await put(api.sql, late, 'failed')
    for (let ended = false; !ended; ) ended = (await carryOn(api.sql, id))!.ended
    expect(await read(id)).toMatchObject({ taken: 151, productSets: 150, variations: 150 })
  })

  test('its outcome adds up, while items are in the queue and after they have left it', async () => {
    const items = []
    for (let n = 0; n < 7; n++) items.push(await failedItem())
    const { id } = await begin({ itemIds: items })
    await carryOn(api.sql, id)
    await carryOn(api.sql, id)
    const [synced, again, retried, blocked, discarded, acknowledged] = items as [string, ...string[]]
    await finish(api.sql, synced)
    await put(api.sql, again!, 'failed')
    await put(api.sql, retried!, 'delayed')
    await put(api.sql, blocked!, 'blocked', { reason: 'unprocessable_response' })
    await put(api.sql, discarded!, 'blocked', { reason: 'unprocessable_response' })
    await api.call('POST', `/api/items/${discarded}/resolve`, {
      key: ADMIN,
      body: { action: 'discard', reason: 'not needed' },
    })
    await put(api.sql, acknowledged!, 'got_acknowledgment', { sends: 1 })
    const outcome = { synced: 1, on_its_way: 2, failed_again: 2, blocked_again: 1, ended: 1 }
    expect(await read(id)).toMatchObject({ state: 'done', taken: 7, outcome })
    await noteAll()
    expect((await api.sql`select outcome from shop_update.run where id = ${id}::bigint`)[0]!.outcome).toEqual({
      synced: 1,
      ended: 1,
    })
    await noteAll()
    expect(await read(id)).toMatchObject({ outcome })
  })

  test('creations: what waits is named, and the record has who, when and why', async () => {
    const { setId, productIds } = await newSet({ inShop: false, products: 2 })
    for (const product of productIds) {
      const item = await enqueue(api.sql, 'price', { product })
      await put(api.sql, item, 'blocked', { reason: 'not_in_shop' })
    }
    const { id } = await begin({ kind: 'creations', productSetIds: [setId], reason: 'forgotten' })
    expect((await carryOn(api.sql, id))!.ended).toBe(true)
    expect(await read(id)).toMatchObject({ state: 'done', taken: 2, productSets: 1, outcome: { blocked_again: 2 } })
    expect(
      await api.sql`select topic from shop_update.item where product_set_id = ${setId}::bigint and product_id is null`,
    ).toEqual([{ topic: 'new_product_set' }])
    const { entries } = (await api.call<RunsRecord>('GET', '/api/runs', { key: ADMIN })).body
    expect(entries[0]).toMatchObject({
      actor: 'admin (key)',
      action: 'creations',
      runId: id,
      detail: { sets: 1, reason: 'forgotten', queued: 1, waiting: 2 },
    })
  })

  describe('the record', () => {
    const record = async (query: string) => {
      const { status, body } = await api.call<RunsRecord>('GET', `/api/runs${query}`, { key: ADMIN })
      expect(status).toBe(200)
      return body
    }

    test('is for admins', async () => {
      expect((await api.call('GET', '/api/runs')).status).toBe(403)
      expect((await api.call('HEAD', '/api/runs')).status).toBe(403)
    })

    test('has runs, single actions and settings, by person, kind and time, page by page', async () => {
      await api.call('PUT', '/api/flow', { key: ADMIN, body: { flow: 'synchronous' } })
      const { id } = await begin({ itemIds: [await failedItem()] })
      expect((await record('')).underWay).toMatchObject([{ id, state: 'running' }])
      expect((await record('?action=requeue_begun')).entries).toEqual([])
      for (let ended = false; !ended; ) ended = (await carryOn(api.sql, id))!.ended
      expect((await record('')).underWay).toEqual([])
      expect((await record('')).entries[0]).toMatchObject({ action: 'requeue', runId: id })
      expect((await record('')).entries.map(({ action }) => action)).toEqual(
        expect.arrayContaining(['flow', 'requeue']),
      )
      const flows = (await record('?action=flow')).entries
      expect(flows).toMatchObject([{ detail: { to: 'synchronous' }, runId: null }])
      await api.sql`
        insert into shop_update.audit (actor, action, at)
        select 'Mona', 'enqueue', now() - interval '1 day' from generate_series(1, 60)`
      const first = await record('?actor=Mona')
      expect(first.entries).toHaveLength(50)
      const second = await record(`?actor=Mona&cursor=${first.nextCursor}`)
      expect([second.entries.length, second.nextCursor]).toEqual([10, null])
      expect(new Set([...first.entries, ...second.entries].map((entry) => entry.id)).size).toBe(60)
      const anHourAgo = new Date(Date.now() - 3_600_000).toISOString()
      expect((await record(`?actor=Mona&from=${anHourAgo}`)).entries).toEqual([])
      expect((await record(`?actor=Mona&to=${anHourAgo}`)).entries).toHaveLength(50)
      const twoDaysAgo = new Date(Date.now() - 2 * DAY).toISOString()
      expect((await record(`?to=${twoDaysAgo}`)).entries).toEqual([])
    })

    test.each([
      ['?cursor=x', 'cursor'],
      ['?from=yesterday', 'from'],
      ['?colour=red', 'colour'],
    ])('%s names what is wrong', async (query, field) => {
      const { status, body } = await api.call('GET', `/api/runs${query}`, { key: ADMIN })
      expect([status, body.field]).toEqual([400, field])
    })
  })

  test.each([
    [{ itemIds: ['1'] }, 'kind'],
    [{ kind: 'requeue' }, 'itemIds'],
    [{ kind: 'forget', itemIds: ['1'] }, 'kind'],
    [{ kind: 'requeue', itemIds: ['1'], force: true }, 'reason'],
    [{ kind: 'requeue', itemIds: ['1'], previewed: { requeued: -1 } }, 'previewed.requeued'],
  ])('%j names what is wrong', async (body, field) => {
    const { status, body: answer } = await api.call('POST', '/api/runs', { key: ADMIN, body })
    expect([status, answer.field]).toEqual([400, field])
  })

  test('404 where there is no such run', async () => {
    expect((await api.call('GET', '/api/runs/999')).status).toBe(404)
    expect((await api.call('POST', '/api/runs/999/stop', { key: ADMIN })).status).toBe(404)
    expect(await carryOn(api.sql, '999')).toBeNull()
  })
})
