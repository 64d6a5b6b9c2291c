import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { PREVIEWED, previewRun } from '../../worker/admin/actions.ts'
import { discarding } from '../../worker/admin/discard.ts'
import { forgetRuns, noteOutcomes, readRun } from '../../worker/admin/record.ts'
import { carryOn } from '../../worker/admin/runs.ts'
import type { Run, RunPreview, RunsRecord } from '../../worker/api/internal.ts'
import { verifyCounts } from '../../worker/queue/counts.ts'
import { countFaults } from '../invariants.ts'
import { holdItem, type Scene, startScene } from '../scene.ts'
import { ADMIN, addSet, enqueue, type Listener, put, startListener } from './internal-listener.ts'

/** Runs that discard, and that send topics of products; runs.test.ts has those of all kinds. */
describe('part by part', () => {
  let api: Listener
  beforeAll(async () => {
    api = await startListener()
  })
  afterAll(() => api.stop())

  let sets = 0
  const newSet = (options: Parameters<typeof addSet>[2] = {}) => addSet(api.sql, `KIND${++sets}`, options)
  const ask = <Body = Run>(path: string, body: Record<string, unknown>) =>
    api.call<Body>('POST', path, { key: ADMIN, body })
  const begin = async (body: Record<string, unknown>): Promise<string> => {
    const answer = await ask('/api/runs', body)
    expect(answer).toMatchObject({ status: 200, body: { state: 'running', taken: 0 } })
    return answer.body.id
  }
  const preview = async (body: Record<string, unknown>) => {
    const answer = await ask<RunPreview>('/api/runs/preview', body)
    expect(answer).toMatchObject({ status: 200 })
    return answer.body
  }
  async function toEnd(id: string): Promise<Run> {
    for (let ended = false; !ended; ) ended = (await carryOn(api.sql, id))!.ended
    return api.get<Run>(`/api/runs/${id}`)
  }
  const added = ({ taken, outcome, unread }: Run) =>
    Object.values(outcome).reduce((sum, n) => sum + n, unread) === taken
  const statusOf = async (id: string) =>
    (await api.sql`select status, reason from shop_update.item where id = ${id}::bigint`)[0] ?? null

  describe('discard', () => {
    async function blocked(reason: string, seller: string, topic = 'price'): Promise<string> {
      const { setId, productIds } = await newSet({ seller })
      const subject = topic === 'new_product_set' ? { set: setId } : { product: productIds[0]! }
      const id = await enqueue(api.sql, topic, subject)
      await put(api.sql, id, 'blocked', { reason })
      return id
    }

    test('of a filter: what an admin has to decide goes, the rest is told with why; both stay on record', async () => {
      const seller = 'Discards'
      const gone = [
        await blocked('unprocessable_response', seller),
        await blocked('src_id_conflict', seller),
        await blocked('unknown_outcome', seller, 'new_product_set'),
      ]
      const waits = await blocked('not_in_shop', seller)
      const pending = await enqueue(api.sql, 'price', { product: (await newSet({ seller })).productIds[0]! })
      const asked = { kind: 'discard', filter: { seller } }
      const shown = await preview(asked)
      expect(shown).toMatchObject({
        taken: 3,
        productSets: 3,
        creates: 1,
        skippedTotal: 1,
        skippedByReason: { not_to_decide: 1 },
        skipped: [{ itemId: waits, productId: null, reason: 'not_to_decide' }],
        complete: true,
      })
      expect(await statusOf(gone[0]!)).not.toBeNull()

      const id = await begin({ ...asked, reason: 'Settled with the Shop' })
      const run = await toEnd(id)
      expect(run).toMatchObject({ state: 'done', taken: 3, skippedTotal: 1, outcome: { ended: 3 }, include: [] })
      expect(added(run)).toBe(true)
      for (const item of gone) {
        expect(await statusOf(item)).toBeNull()
        const { transitions } = await api.get(`/api/items/${item}`)
        expect(transitions.at(-1)).toMatchObject({ reason: 'discarded', note: 'Settled with the Shop' })
      }
      expect(await statusOf(waits)).toEqual({ status: 'blocked', reason: 'not_in_shop' })
      expect(await statusOf(pending)).toMatchObject({ status: 'pending' })
      const { entries } = (await api.call<RunsRecord>('GET', '/api/runs?action=discard', { key: ADMIN })).body
      expect(entries[0]).toMatchObject({
        actor: 'admin (key)',
        runId: id,
        detail: { filter: { seller }, reason: 'Settled with the Shop', discarded: 3, skipped: 1 },
      })
      expect(await verifyCounts(api.sql)).toEqual([])
    })

    test('a change that came since is queued anew; not of a create, nor of a product that is gone', async () => {
      const seller = 'Absorbs'
      const items = [
        await blocked('unprocessable_response', seller),
        await blocked('unprocessable_response', seller),
        await blocked('unknown_outcome', seller, 'new_product_set'),
      ]
      await api.sql`
        update shop_update.item set absorbed_at = now() + interval '1 second' where id = any (${items}::bigint[])`
      const [lost] = await api.sql<{ id: string }[]>`
        select product_id as id from shop_update.item where id = ${items[1]!}::bigint`
      await api.sql`delete from catalog.product where id = ${lost!.id}::bigint`
      const run = await toEnd(await begin({ kind: 'discard', itemIds: items, reason: 'x' }))
      expect(run).toMatchObject({ taken: 3, queuedAnew: 1 })
      const left = await api.sql`
        select i.topic, i.status from shop_update.item i join catalog.seller r on r.id = i.seller_id
        where r.name = ${seller}`
      expect(left).toEqual([{ topic: 'price', status: 'pending' }])
    })

    test('named items: what is not to be decided, is answered meanwhile or gone adds up with the rest', async () => {
      const [stays, goes] = [
        await blocked('unprocessable_response', 'Named'),
        await blocked('src_id_conflict', 'Named'),
      ]
      const failed = await enqueue(api.sql, 'price', { product: (await newSet()).productIds[0]! })
      await put(api.sql, failed, 'failed')
      const id = await begin({ kind: 'discard', itemIds: [stays, goes, failed, goes, '999999999'], reason: 'x' })
      // answered between the preview and the run
      await put(api.sql, stays, 'pending')
      const run = await toEnd(id)
      expect(run).toMatchObject({ taken: 1, skippedByReason: { not_to_decide: 2, not_in_queue: 1 }, skippedTotal: 3 })
      expect(await statusOf(stays)).toMatchObject({ status: 'pending' })
    })

    test('what has come to wait for a create while it was to be discarded stays, and is told', async () => {
      const [waits, goes] = [
        await blocked('unprocessable_response', 'Between'),
        await blocked('unprocessable_response', 'Between'),
      ]
      const asked = { target: { itemIds: [waits, goes] }, include: [], topics: [], force: false, mayCreateTwice: false }
      const part = await discarding.read(api.sql, asked, '0', () => new Set())
      expect(part.take.map(({ id }) => id)).toEqual([waits, goes])
      // still Blocked, but nobody has to decide about it any more
      await put(api.sql, waits, 'blocked', { reason: 'not_in_shop' })
      const done = await discarding.act(api.sql, { ...asked, name: 'admin', reason: 'x' }, part, () => new Set())
      expect(done.take.map(({ id }) => id)).toEqual([goes])
      expect(done.skip).toEqual([{ id: waits, productId: null, topic: 'price', why: 'not_to_decide' }])
      expect(done.steps.map(({ itemId }) => itemId)).toEqual([goes])
      expect(await statusOf(waits)).toEqual({ status: 'blocked', reason: 'not_in_shop' })
      expect(await statusOf(goes)).toBeNull()
    })

    test('of product sets, in parts; stopped, it does no more', async () => {
      const seller = 'Parts'
      const { setId, productIds } = await newSet({ seller, products: 1100 })
      await api.sql`
        select shop_update.enqueue('price', product_id => id) from catalog.product
        where id = any (${productIds}::bigint[]) order by id`
      await api.sql`
        with b as (update shop_update.item set status = 'blocked', lane = 'blocked', reason = 'unprocessable_response',
            fresh = false where product_set_id = ${setId}::bigint returning 1)
        insert into shop_update.delta (kind, topic, status, n)
        select 'status', 'price'::shop_update.topic, s.status::shop_update.status, s.n * (select count(*) from b)
        from (values ('pending', -1), ('blocked', 1)) s (status, n)`
      const id = await begin({ kind: 'discard', productSetIds: [setId], reason: 'x' })
      expect(await carryOn(api.sql, id)).toMatchObject({ ended: false })
      await api.call('POST', `/api/runs/${id}/stop`, { key: ADMIN })
      expect((await carryOn(api.sql, id))!.ended).toBe(true)
      expect(await api.get<Run>(`/api/runs/${id}`)).toMatchObject({ state: 'stopped', taken: 1000 })
      const again = { kind: 'discard', filter: { seller, tab: 'blocked' } }
      expect(await preview(again)).toMatchObject({ taken: 100, productSets: 1, variations: 1100 })
      const rest = await toEnd(await begin({ ...again, reason: 'x' }))
      expect(rest).toMatchObject({ state: 'done', taken: 100 })
      const { entries } = (await api.call<RunsRecord>('GET', '/api/runs?action=discard_stopped', { key: ADMIN })).body
      expect(entries[0]).toMatchObject({ runId: id, detail: { sets: 1, discarded: 1000 } })
    })
  })

  describe('send', () => {
    test('topics of products: the conditions leave alone what they would of a single one, by reason', async () => {
      const good = await newSet({ products: 2 })
      const inactive = await newSet()
      await api.sql`update catalog.product set active = false where id = ${inactive.productIds[0]!}::bigint`
      const closed = await newSet({ seller: 'Closed' })
      await api.sql`update catalog.seller set active = false where name = 'Closed'`
      const fresh = await newSet({ inShop: false })
      const asked = {
        kind: 'send',
        topics: ['price', 'status', 'new_product_set'],
        productIds: [
          ...good.productIds,
          inactive.productIds[0]!,
          closed.productIds[0]!,
          fresh.productIds[0]!,
          '99999999',
        ],
      }
      const numbers = {
        // price and status of three, status of two more, and four sets once each
        taken: 3 * 2 + 2 + 4,
        productSets: 4,
        blockedAgain: 2,
        skippedTotal: 2 + 3,
        skippedByReason: { product_inactive: 1, seller_inactive: 1, product_deleted: 3 },
      }
      expect(await preview(asked)).toMatchObject({ ...numbers, complete: true })
      const id = await begin({ ...asked, reason: 'asked by the seller' })
      const run = await toEnd(id)
      expect(run).toMatchObject({
        ...numbers,
        state: 'done',
        target: { products: 6 },
        topics: asked.topics,
        outcome: { on_its_way: numbers.taken },
      })
      expect(run.skipped).toContainEqual({
        itemId: null,
        productId: inactive.productIds[0]!,
        reason: 'product_inactive',
      })
      expect(added(run)).toBe(true)
      const queued = await api.sql<{ topic: string; n: number }[]>`
        select topic, count(*)::int as n from shop_update.item i
        join shop_update.run_item r on r.item_id = i.id and r.run_id = ${id}::bigint
        group by topic order by topic::text`
      expect(queued).toEqual([
        { topic: 'new_product_set', n: 4 },
        { topic: 'price', n: 3 },
        { topic: 'status', n: 5 },
      ])
      const { entries } = (await api.call<RunsRecord>('GET', '/api/runs?action=send', { key: ADMIN })).body
      expect(entries[0]).toMatchObject({ detail: { products: 6, topics: asked.topics, sent: 12, skipped: 5 } })
    })

    test('past the conditions with force and a reason, which is kept', async () => {
      const { productIds } = await newSet()
      await api.sql`update catalog.product set qc_status = 'rejected' where id = ${productIds[0]!}::bigint`
      const asked = { kind: 'send', topics: ['content'], productIds }
      expect(await preview(asked)).toMatchObject({ taken: 0, skippedByReason: { not_qc_approved: 1 } })
      expect(await preview({ ...asked, force: true })).toMatchObject({ taken: 1, skippedTotal: 0 })
      const run = await toEnd(await begin({ ...asked, force: true, reason: 'the Shop asked for it' }))
      expect(run).toMatchObject({ taken: 1, force: true, reason: 'the Shop asked for it' })
    })

    test('what is about a whole set is sent once, though its products come in several parts', async () => {
      const { setId, productIds } = await newSet({ products: 250 })
      const run = await toEnd(await begin({ kind: 'send', topics: ['new_product_set', 'price'], productIds }))
      // the set counts once
      expect(run).toMatchObject({ taken: 251, outcome: { on_its_way: 251 }, productSets: 1, variations: 250 })
      const [row] = await api.sql`
        select coalesced from shop_update.item where product_set_id = ${setId}::bigint and product_id is null`
      expect(row).toEqual({ coalesced: 0 })
    })

    test('a change that waits already carries it, and counts in both runs', async () => {
      const { productIds } = await newSet()
      const waits = await enqueue(api.sql, 'price', { product: productIds[0]! })
      const asked = { kind: 'send', topics: ['price'], productIds }
      const [first, second] = [await toEnd(await begin(asked)), await toEnd(await begin(asked))]
      expect([first.taken, second.taken]).toEqual([1, 1])
      expect(await api.sql`select coalesced from shop_update.item where id = ${waits}::bigint`).toEqual([
        { coalesced: 2 },
      ])
    })
  })

  test('a preview looks at the beginning of what is too much, and says so', async () => {
    const seller = 'Too much'
    await api.sql`insert into catalog.seller (name) values (${seller})`
    await api.sql`
      with s as (insert into catalog.product_set (seller_id, src_id, handle)
        select r.id, 'TM' || g, 'TM' || g from catalog.seller r, generate_series(1, 700) g
        where r.name = ${seller} returning id, seller_id)
      insert into shop_update.item (seller_id, product_set_id, topic, status, lane, reason, fresh, queued_at,
        entered_at, status_at, run_at)
      select seller_id, id, 'images', 'blocked', 'blocked', 'unprocessable_response', false, now(), now(), now(), now()
      from s`
    const asked = {
      target: { filter: { seller } },
      include: ['blocked'],
      topics: [],
      force: false,
      mayCreateTwice: false,
    } as const
    const few = await previewRun(api.sql, 'requeue', asked, { ...PREVIEWED, items: 150 })
    expect(few).toMatchObject({ skippedTotal: 200, complete: false })
    expect(await previewRun(api.sql, 'requeue', asked, { ...PREVIEWED, milliseconds: 0 })).toMatchObject({
      skippedTotal: 0,
      complete: false,
    })
    expect(await previewRun(api.sql, 'requeue', asked)).toMatchObject({ skippedTotal: 700, complete: true })
    expect(await previewRun(api.sql, 'discard', asked)).toMatchObject({ taken: 700, complete: true })
  })

  test('items of all kinds are forgotten with the history', async () => {
    const id = await begin({ kind: 'send', topics: ['price'], productIds: ['99999998'] })
    await toEnd(id)
    await api.sql`update shop_update.run set ended_at = now() - interval '2 days' where id = ${id}::bigint`
    await forgetRuns(api.sql, 1)
    expect(await api.sql`select from shop_update.run_refused where run_id = ${id}::bigint`).toHaveLength(0)
    expect(await api.get<Run>(`/api/runs/${id}`)).toMatchObject({ skippedTotal: 1, skipped: [] })
  })

  test.each([
    [{ kind: 'discard', itemIds: ['1'] }, 'reason'],
    [{ kind: 'discard', reason: 'x' }, 'itemIds'],
    [{ kind: 'discard', itemIds: ['1'], reason: 'x', force: true }, 'force'],
    [{ kind: 'discard', itemIds: ['1'], reason: 'x', include: ['failed'] }, 'include'],
    [{ kind: 'discard', productIds: ['1'], reason: 'x' }, 'productIds'],
    [{ kind: 'send', productIds: ['1'] }, 'topics'],
    [{ kind: 'send', topics: ['price'] }, 'productIds'],
    [{ kind: 'send', topics: ['colour'], productIds: ['1'] }, 'topics.0'],
    [{ kind: 'send', topics: ['price'], productIds: ['1'], itemIds: ['1'] }, 'itemIds'],
    [{ kind: 'send', topics: ['price'], productIds: ['1'], mayCreateTwice: true }, 'mayCreateTwice'],
    [{ kind: 'send', topics: ['price'], productIds: ['1'], force: true }, 'reason'],
    [{ kind: 'requeue', itemIds: ['1'], topics: ['price'] }, 'topics'],
  ])('%j names what is wrong', async (body, field) => {
    const { status, body: answer } = await api.call('POST', '/api/runs', { key: ADMIN, body })
    expect([status, answer.field]).toEqual([400, field])
  })
})

describe('carried out by the workers', () => {
  const ITEMS = 3000
  let scene: Scene
  afterEach(() => scene.stop())

  /** A number read while a run goes on. */
  const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 60_000, interval: 5 })

  test('a discard whose worker is killed in its middle: each goes once, and it adds up to the last item', async () => {
    scene = await startScene({ env: { LEASE_SECONDS: '5' } })
    await scene.sql`
      with r as (insert into catalog.seller (name) values ('Many') returning id),
      s as (insert into catalog.product_set (seller_id, src_id, handle)
        select r.id, case when g % 3 > 0 then 'S' || g end, 's' || g from r, generate_series(1, ${ITEMS}::int) g
        returning id, seller_id, src_id),
      p as (insert into catalog.product (product_set_id, seller_sku, title, price, stock, src_id, shop_sku)
        select id, 'SKU-' || id, 'Shirt', 10, 5, 'P' || id, 'SHOP-' || id from s returning id, product_set_id),
      i as (insert into shop_update.item (seller_id, product_set_id, product_id, topic, status, lane, reason, sends,
          fresh, queued_at, entered_at, status_at, absorbed_at, run_at)
        select s.seller_id, s.id, p.id, 'price', 'blocked', 'blocked',
          case when s.src_id is null then 'not_in_shop' else 'unprocessable_response' end, 1, false, now(), now(),
          now() - interval '1 minute', case when s.id % 10 = 1 then now() end, now()
        from s join p on p.product_set_id = s.id returning 1)
      insert into shop_update.delta (kind, topic, status, n) select 'status', 'price', 'blocked', count(*) from i`
    const [kinds] = await scene.sql<{ goes: number; stays: number; anew: number; last: string }[]>`
      select count(*) filter (where reason = 'unprocessable_response')::int as goes,
        count(*) filter (where reason = 'not_in_shop')::int as stays,
        count(*) filter (where reason = 'unprocessable_response' and absorbed_at is not null)::int as anew,
        max(id) filter (where reason = 'unprocessable_response')::text as last from shop_update.item`
    const { goes, stays, anew, last } = kinds!
    const asked = { kind: 'discard', filter: { tab: 'blocked' } }
    const preview = await scene.api<RunPreview>('/api/runs/preview', { method: 'POST', body: asked })
    expect(preview.body).toMatchObject({ taken: goes, skippedTotal: stays })

    // The last item is locked, so the run cannot end before the worker is dead.
    const letGo = await holdItem(scene.sql, last)
    const begun = await scene.api<Run>('/api/runs', { method: 'POST', body: { ...asked, reason: 'settled' } })
    const { id } = begun.body
    await until(async () => expect((await readRun(scene.sql, id))!.taken).toBeGreaterThan(0))
    await scene.worker.kill()
    await letGo()
    const broken = (await readRun(scene.sql, id))!
    expect([broken.state, broken.taken < goes]).toEqual(['running', true])

    scene.worker = await scene.startWorker()
    const run = await vi.waitFor(
      async () => {
        const { body } = await scene.api<Run>(`/api/runs/${id}`)
        expect(body).toMatchObject({ state: 'done', outcome: { ended: goes } })
        return body
      },
      { timeout: 60_000, interval: 50 },
    )
    expect(run).toMatchObject({ taken: goes, queuedAnew: anew, skippedByReason: { not_to_decide: stays }, unread: 0 })
    const [row] = await scene.sql`
      select (select count(*)::int from shop_update.run_item where run_id = ${id}::bigint) as rows,
        (select count(*)::int from shop_update.finished_item where reason = 'discarded') as gone,
        (select count(*)::int from shop_update.step where reason = 'discarded') as steps`
    expect(row).toEqual({ rows: goes + stays, gone: goes, steps: goes })
    // those that stay have been put there without a cause
    expect((await countFaults(scene.sql)).filter((fault) => !fault.endsWith('has no cause'))).toEqual([])
  })

  test('500 products sent again are Synced, and the run says so', async () => {
    scene = await startScene({ env: { LEASE_SECONDS: '5' } })
    const products = await scene.sql<{ id: string }[]>`
      with r as (insert into catalog.seller (name) values ('Again') returning id),
      s as (insert into catalog.product_set (seller_id, title, src_id, handle)
        select r.id, 'Shirt', 'S' || g, 's' || g from r, generate_series(1, 500) g returning id)
      insert into catalog.product (product_set_id, seller_sku, title, price, stock, src_id, shop_sku)
      select id, 'SKU-' || id, 'Shirt', 10, 5, 'P' || id, 'SHOP-' || id from s returning id`
    const productIds = products.map(({ id }) => id)
    const { body } = await scene.api<Run>('/api/runs', {
      method: 'POST',
      body: { kind: 'send', topics: ['price', 'stock'], productIds },
    })
    await vi.waitFor(
      async () => {
        const run = (await scene.api<Run>(`/api/runs/${body.id}`)).body
        expect(run).toMatchObject({ state: 'done', taken: 1000, outcome: { synced: 1000 } })
      },
      { timeout: 60_000, interval: 50 },
    )
    let { last } = await noteOutcomes(scene.sql, '0')
    while (last !== '0') ({ last } = await noteOutcomes(scene.sql, last))
    expect(await countFaults(scene.sql)).toEqual([])
  })
})
