import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Requeued, Run, Summary } from '../../worker/api/internal.ts'
import type { Step } from '../../worker/domain/step.ts'
import { claim } from '../../worker/queue/claim.ts'
import { ADMIN, addSet, enqueue, finish, type Listener, put, startListener } from './internal-listener.ts'

let api: Listener
const steps: Step[] = []
const results: { topic: string | null; result: string; n: number }[] = []

beforeAll(async () => {
  api = await startListener({
    onSteps: (some) => void steps.push(...some),
    onRequeue: (some) => void results.push(...some),
  })
})
afterAll(() => api.stop())

/** Previews the requeue, then does it: both must say the same. */
async function requeue(body: Record<string, unknown>): Promise<Requeued> {
  const asked = await api.call<Requeued>('POST', '/api/requeue', { key: ADMIN, body: { ...body, dryRun: true } })
  expect(asked).toMatchObject({ status: 200, body: { dryRun: true } })
  const done = await api.call<Requeued>('POST', '/api/requeue', { key: ADMIN, body })
  expect(done.status).toBe(200)
  expect({ ...done.body, dryRun: true, runId: null }).toEqual(asked.body)
  const { body: run } = await api.call<Run>('GET', `/api/runs/${done.body.runId}`)
  expect(run).toMatchObject({ kind: 'requeue', state: 'done', taken: done.body.requeued, skipped: done.body.skipped })
  return done.body
}

const row = async (id: string) => (await api.sql`select * from shop_update.item where id = ${id}::bigint`)[0]!
const nothing = {
  requeued: 0,
  productSets: 0,
  skipped: [],
  skippedTotal: 0,
  skippedByReason: {},
  blockedAgain: 0,
  uncreatedSets: 0,
  complete: true,
}
let sets = 0
const newSet = (options: Parameters<typeof addSet>[2] = {}) => addSet(api.sql, `SET${++sets}`, options)
async function failed(
  topic: string,
  subject: { product?: string; set?: string },
  status: 'failed' | 'delayed' = 'failed',
) {
  const id = await enqueue(api.sql, topic, subject)
  await put(api.sql, id, status)
  return id
}

describe('a requeue', () => {
  it('puts a Failed item back to Pending with a fresh retry cycle, and records who did it', async () => {
    const { productIds } = await newSet()
    const id = await failed('price', { product: productIds[0]! })
    const before = api.queued()
    steps.length = results.length = 0
    expect(await requeue({ itemIds: [id], reason: 'the Shop is back' })).toMatchObject({
      ...nothing,
      requeued: 1,
      productSets: 1,
    })
    expect(await row(id)).toMatchObject({
      status: 'pending',
      lane: 'ready',
      failures: 0,
      failed_at: null,
      reason: null,
      message: null,
      sends: 12,
    })
    expect(api.queued()).toBe(before + 1)

    const detail = await api.get(`/api/items/${id}`)
    expect(detail.transitions.at(-1)).toMatchObject({
      from: 'failed',
      to: 'pending',
      reason: 'requeued',
      actor: 'admin (key)',
      note: 'the Shop is back',
    })
    expect(steps).toMatchObject([
      {
        itemId: id,
        from: 'failed',
        to: 'pending',
        reason: 'requeued',
        actor: 'admin (key)',
        topic: 'price',
        sellerSku: `SET${sets}-1`,
      },
    ])
    expect(results).toEqual([{ topic: 'price', result: 'requeued', n: 1 }])

    const audit = await api.sql`select actor, action, detail from shop_update.audit order by id desc limit 1`
    expect(audit).toMatchObject([
      {
        actor: 'admin (key)',
        action: 'requeue',
        detail: {
          items: 1,
          include: ['failed'],
          reason: 'the Shop is back',
          requeued: 1,
          productSets: 1,
          skipped: 0,
        },
      },
    ])
  })

  it('is claimed by the next worker', async () => {
    const { productIds } = await newSet({ seller: 'Claimed Seller' })
    const id = await failed('price', { product: productIds[0]! })
    await requeue({ itemIds: [id] })
    const { items } = await claim(api.sql, '1', 1000, '0')
    expect(items.map((item) => item.id)).toContain(id)
    expect(await row(id)).toMatchObject({ status: 'processing', failures: 0 })
  })

  it('leaves no record of a dry run', async () => {
    const { productIds, setId } = await newSet()
    const id = await failed('price', { product: productIds[0]! })
    const before = await api.sql`select count(*) from shop_update.audit`
    const { body } = await api.call('POST', '/api/requeue', { key: ADMIN, body: { itemIds: [id], dryRun: true } })
    expect(body).toEqual({
      ...nothing,
      dryRun: true,
      runId: null,
      requeued: 1,
      productSets: 1,
      variations: 1,
      firstProductSets: [setId],
    })
    expect(await api.sql`select count(*) from shop_update.audit`).toEqual(before)
    expect(await row(id)).toMatchObject({ status: 'failed', failures: 12 })
  })

  it('takes the whole product set: all Failed items of all variations, and others if asked', async () => {
    const { productIds, setId } = await newSet({ products: 3 })
    const [a, b, c] = productIds as [string, string, string]
    const ids = [
      await failed('price', { product: a }),
      await failed('stock', { product: b }),
      await failed('content', { product: c }, 'delayed'),
    ]
    const blocked = await enqueue(api.sql, 'status', { product: c })
    await put(api.sql, blocked, 'blocked', { reason: 'unprocessable_response' })
    const pending = await enqueue(api.sql, 'qc_status', { product: c })

    expect(await requeue({ itemIds: [ids[0]] })).toMatchObject({
      ...nothing,
      requeued: 2,
      productSets: 1,
      variations: 3,
      firstProductSets: [setId],
    })
    expect((await row(ids[1]!)).status).toBe('pending')
    expect((await row(ids[2]!)).status).toBe('delayed')
    expect(await requeue({ productSetIds: [setId, setId], include: ['failed', 'delayed', 'blocked'] })).toMatchObject({
      ...nothing,
      requeued: 2,
      productSets: 1,
    })
    expect((await row(blocked)).status).toBe('pending')
    expect((await row(pending)).status).toBe('pending')
  })

  it('takes a named item in whatever status it may be requeued, an acknowledged one too', async () => {
    const { productIds } = await newSet({ products: 3 })
    const [a, b, c] = productIds as [string, string, string]
    const delayed = await failed('price', { product: a }, 'delayed')
    const acknowledged = await enqueue(api.sql, 'price', { product: b })
    await put(api.sql, acknowledged, 'got_acknowledgment', { sends: 1 })
    const other = await enqueue(api.sql, 'content', { product: c })
    await put(api.sql, other, 'got_acknowledgment', { sends: 1 })
    expect(await requeue({ itemIds: [delayed, acknowledged] })).toMatchObject({
      ...nothing,
      requeued: 2,
      productSets: 1,
    })
    expect((await row(other)).status).toBe('got_acknowledgment')
  })

  it('takes an item whose product has been moved, before it goes along; what it has left is not created', async () => {
    const { productIds } = await newSet({ inShop: false })
    const { setId } = await newSet({ inShop: false })
    const id = await failed('price', { product: productIds[0]! })
    await api.sql`update catalog.product set product_set_id = ${setId}::bigint where id = ${productIds[0]!}::bigint`
    const created = await api.call('POST', '/api/creations', { key: ADMIN, body: { itemIds: [id] } })
    expect(created.body).toMatchObject({ queued: 0, items: 0 })
    expect(await requeue({ itemIds: [id] })).toMatchObject({ requeued: 1 })
  })

  it('takes an item whose retry is due but not yet claimed, also one that is behind in its set', async () => {
    const { productIds, setId } = await newSet()
    const id = await failed('price', { product: productIds[0]! }, 'delayed')
    await api.sql`insert into shop_update.set_lane (product_set_id, item_id, waiting) values (${setId}::bigint, 0, 1)`
    await api.sql`update shop_update.item set lane = 'behind', run_at = now() where id = ${id}::bigint`
    expect(await requeue({ itemIds: [id] })).toMatchObject({ requeued: 1 })
    expect(await row(id)).toMatchObject({ status: 'pending', lane: 'behind' })
  })
})

describe('a refusal', () => {
  it.each([
    [
      'seller_inactive',
      'update catalog.seller set active = false where id = (select seller_id from catalog.product_set where id = $1)',
    ],
    ['product_inactive', 'update catalog.product set active = false where product_set_id = $1'],
    ['not_qc_approved', "update catalog.product set qc_status = 'rejected' where product_set_id = $1"],
  ])('%s', async (reason, change) => {
    const { productIds, setId } = await newSet({ seller: `Seller of ${reason}` })
    const id = await failed('price', { product: productIds[0]! })
    await api.sql.unsafe(change, [setId])
    expect(await requeue({ itemIds: [id] })).toMatchObject({
      ...nothing,
      skipped: [{ itemId: id, reason }],
      skippedTotal: 1,
      skippedByReason: { [reason]: 1 },
    })
    expect(await requeue({ productSetIds: [setId] })).toMatchObject({ skippedByReason: { [reason]: 1 } })
    expect((await row(id)).status).toBe('failed')
    expect(await requeue({ itemIds: [id], force: true, reason: 'it is needed' })).toMatchObject({ requeued: 1 })
  })

  it('of an item of a whole set for one variation, of the items of the others not', async () => {
    const { productIds, setId } = await newSet({ products: 2, inShop: false })
    const create = await failed('new_product_set', { set: setId })
    const price = await failed('price', { product: productIds[0]! })
    await api.sql`update catalog.product set active = false where id = ${productIds[1]!}::bigint`
    expect(await requeue({ itemIds: [create] })).toMatchObject({
      requeued: 1,
      skipped: [{ itemId: create, reason: 'product_inactive' }],
    })
    expect((await row(price)).status).toBe('pending')
  })

  it('images_not_requeueable, named or not', async () => {
    const { setId } = await newSet()
    const id = await failed('images', { set: setId })
    expect(await requeue({ itemIds: [id] })).toMatchObject({
      requeued: 0,
      skippedByReason: { images_not_requeueable: 1 },
    })
    expect(await requeue({ productSetIds: [setId] })).toMatchObject({
      requeued: 0,
      skippedByReason: { images_not_requeueable: 1 },
    })
  })

  it('in_flight for what is on its way', async () => {
    const { productIds } = await newSet({ products: 3 })
    const pending = await enqueue(api.sql, 'price', { product: productIds[0]! })
    const made = await enqueue(api.sql, 'price', { product: productIds[1]! })
    await put(api.sql, made, 'made_request', { sends: 1 })
    expect(await requeue({ itemIds: [pending, made] })).toMatchObject({
      requeued: 0,
      skippedByReason: { in_flight: 2 },
    })
  })

  it('not_in_queue for what is finished, or never was', async () => {
    const { productIds } = await newSet()
    const id = await enqueue(api.sql, 'price', { product: productIds[0]! })
    await finish(api.sql, id)
    expect(await requeue({ itemIds: [id, '999999999', id] })).toMatchObject({
      requeued: 0,
      skippedTotal: 2,
      skippedByReason: { not_in_queue: 2 },
    })
  })

  it('in_flight for a stock change that waits on purpose, and only where it is named', async () => {
    const { productIds, setId } = await newSet()
    const id = await enqueue(api.sql, 'stock', { product: productIds[0]! })
    expect((await row(id)).reason).toBe('stock_wait')
    expect(await requeue({ itemIds: [id] })).toMatchObject({
      requeued: 0,
      skipped: [{ itemId: id, reason: 'in_flight' }],
    })
    expect(await requeue({ productSetIds: [setId], include: ['delayed'] })).toMatchObject(nothing)
  })
})

describe('by a filter', () => {
  it('takes what the filter matches, as far as its status is included, and the sets of it', async () => {
    const { productIds } = await newSet({ seller: 'Filtered Seller', products: 2 })
    const price = await failed('price', { product: productIds[0]! })
    const content = await failed('content', { product: productIds[1]! })
    await newSet({ seller: 'Filtered Seller' })
    const other = await newSet({ seller: 'Filtered Seller' })
    const untouched = await failed('status', { product: other.productIds[0]! })
    const delayed = await failed('price', { product: other.productIds[0]! }, 'delayed')
    expect(await requeue({ filter: { seller: 'Filtered Seller', topic: 'price' } })).toMatchObject({
      ...nothing,
      requeued: 2,
      productSets: 1,
    })
    expect([(await row(price)).status, (await row(content)).status, (await row(untouched)).status]).toEqual([
      'pending',
      'pending',
      'failed',
    ])
    // Filtering for Delayed means those items.
    expect(await requeue({ filter: { seller: 'Filtered Seller', tab: 'delayed' } })).toMatchObject({
      requeued: 2,
      productSets: 1,
    })
    expect((await row(delayed)).status).toBe('pending')
    expect(await requeue({ filter: { tab: 'synced' } })).toMatchObject(nothing)
  })

  it('is not drawn into a set by a stock change that waits on purpose', async () => {
    const { productIds } = await newSet({ seller: 'Waiting Seller' })
    await enqueue(api.sql, 'stock', { product: productIds[0]! })
    const price = await failed('price', { product: productIds[0]! })
    expect(await requeue({ filter: { seller: 'Waiting Seller', tab: 'delayed' } })).toMatchObject(nothing)
    expect((await row(price)).status).toBe('failed')
  })

  it('goes through thousands, lists the first thousand of the skipped and counts all', async () => {
    const { sql } = api
    await sql`insert into catalog.seller (name) values ('Big Seller')`
    await sql`
      with s as (insert into catalog.product_set (seller_id, handle, src_id)
        select r.id, 'big-' || g, 'big-' || g from catalog.seller r, generate_series(1, 5000) g
        where r.name = 'Big Seller' returning id, seller_id),
      p as (insert into catalog.product (product_set_id, seller_sku, active)
        select id, 'BIG-' || id, id % 4 <> 0 from s returning id, product_set_id),
      i as (insert into shop_update.item (seller_id, product_set_id, product_id, topic, status,
        lane, reason, failures, sends, fresh, queued_at, entered_at, status_at, run_at)
        select s.seller_id, s.id, p.id, 'price', 'failed', 'delayed', 'failure',
          12, 12, false, now(), now(), now(), now() + interval '1 hour'
        from s join p on p.product_set_id = s.id returning 1)
      insert into shop_update.delta (kind, topic, status, n) select 'status', 'price', 'failed', count(*) from i`
    const before = await api.get<Summary>('/api/summary')
    const result = await requeue({ filter: { tab: 'failed', seller: 'Big Seller' } })
    expect(result).toMatchObject({
      requeued: 3750,
      productSets: 3750,
      skippedTotal: 1250,
      skippedByReason: { product_inactive: 1250 },
    })
    expect(result.skipped).toHaveLength(1000)
    const after = await api.get<Summary>('/api/summary')
    expect(after.failed).toBe(before.failed - 3750)
    const [counted] = await sql`select count(*)::int as n from shop_update.item where status = 'failed'`
    expect(after.failed).toBe(counted!.n)
    const audit = await sql`
      select detail from shop_update.audit where action = 'requeue' and detail->'filter'->>'seller' = 'Big Seller'`
    expect(audit).toMatchObject([
      { detail: { filter: { tab: 'failed', seller: 'Big Seller' }, requeued: 3750, skipped: 1250 } },
    ])
  })
})

describe('races', () => {
  it('leaves alone what a worker claimed between the look and the write', async () => {
    const { productIds } = await newSet({ seller: 'Racing Seller' })
    const id = await failed('price', { product: productIds[0]! })
    let release!: () => void
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    let locked!: () => void
    const isLocked = new Promise<void>((resolve) => {
      locked = resolve
    })
    const worker = api.sql.begin(async (tx) => {
      await tx`
        update shop_update.item set lane = 'in_flight', status = 'processing', token = token + 1, reason = null
        where id = ${id}::bigint`
      locked()
      await released
    })
    await isLocked
    const answer = api.call<Requeued>('POST', '/api/requeue', { key: ADMIN, body: { itemIds: [id] } })
    // The requeue has seen the item as Failed once it waits for the row that the worker holds.
    for (;;) {
      const [waiting] = await api.sql`
        select count(*)::int as n from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()`
      if (waiting!.n > 0) break
    }
    release()
    await worker
    expect((await answer).body).toMatchObject({ requeued: 0, skipped: [{ itemId: id, reason: 'in_flight' }] })
    expect(await row(id)).toMatchObject({ status: 'processing', lane: 'in_flight' })
  })
})

describe('what is wrong is named', () => {
  it.each([
    [{}, 'itemIds'],
    [{ itemIds: ['1'], productSetIds: ['1'] }, 'productSetIds'],
    [{ itemIds: ['1'], filter: {} }, 'filter'],
    [{ itemIds: [] }, 'itemIds'],
    [{ itemIds: ['1', 'x'] }, 'itemIds.1'],
    [{ filter: { topic: 'prices' } }, 'filter.topic'],
    [{ filter: { colour: 'red' } }, 'filter.colour'],
    [{ itemIds: ['1'], include: ['synced'] }, 'include.0'],
    [{ itemIds: ['1'], include: [] }, 'include'],
    [{ itemIds: ['1'], dryRun: 'yes' }, 'dryRun'],
    [{ itemIds: ['1'], reason: 'x'.repeat(501) }, 'reason'],
    [{ itemIds: ['1'], force: true }, 'reason'],
    [{ itemIds: ['1'], dryrun: true }, 'dryrun'],
    ['[]', 'body'],
  ])('%j', async (body, field) => {
    const { status, body: answer } = await api.call('POST', '/api/requeue', { key: ADMIN, body })
    expect(status).toBe(400)
    expect(answer.field).toBe(field)
  })
})

describe('what an admin decides', () => {
  const resolve = (id: string, body: unknown) => api.call('POST', `/api/items/${id}/resolve`, { key: ADMIN, body })
  async function blocked(reason: string, topic = 'price') {
    const { productIds, setId } = await newSet()
    const id = await enqueue(api.sql, topic, topic === 'new_product_set' ? { set: setId } : { product: productIds[0]! })
    await put(api.sql, id, 'blocked', { reason, sends: 1 })
    return { id, setId, productIds }
  }

  it.each(['unprocessable_response', 'src_id_conflict', 'unknown_outcome'])('%s: resend', async (reason) => {
    const { id } = await blocked(reason)
    const before = api.queued()
    expect(await resolve(id, { action: 'resend', reason: 'the Shop has been mended' })).toMatchObject({
      status: 200,
      body: { itemId: id, action: 'resend', status: 'pending', missing: [] },
    })
    expect(await row(id)).toMatchObject({ status: 'pending', lane: 'ready', reason: null, failures: 0 })
    expect(api.queued()).toBe(before + 1)
    expect((await api.get(`/api/items/${id}`)).transitions.at(-1)).toMatchObject({
      from: 'blocked',
      to: 'pending',
      reason: 'requeued',
      actor: 'admin (key)',
    })
    expect(
      await api.sql`select detail from shop_update.audit where action = 'resolve' order by id desc limit 1`,
    ).toMatchObject([{ detail: { itemId: id, action: 'resend', reason: 'the Shop has been mended', was: reason } }])
  })

  it('resend asks what a requeue asks; an admin goes past it with force, which is recorded', async () => {
    const { id, setId } = await blocked('unprocessable_response')
    await api.sql`update catalog.product set active = false where product_set_id = ${setId}::bigint`
    const refused = await resolve(id, { action: 'resend', reason: 'all the same' })
    expect(refused).toMatchObject({
      status: 409,
      body: { detail: 'The product, or one of its variations, is not active.', field: 'force' },
    })
    expect((await row(id)).status).toBe('blocked')
    expect((await resolve(id, { action: 'resend', reason: 'all the same', force: true })).status).toBe(200)
    expect(
      await api.sql`select detail from shop_update.audit where action = 'resolve' order by id desc limit 1`,
    ).toMatchObject([{ detail: { itemId: id, force: true } }])
  })

  it.each(['unknown_outcome', 'unprocessable_response'])(
    'a creation that is Blocked as %s goes again only when "may create it twice" is confirmed',
    async (reason) => {
      const { id, setId } = await blocked(reason, 'new_product_set')
      await api.sql`update catalog.product_set set src_id = null where id = ${setId}::bigint`
      const refused = await resolve(id, { action: 'resend', reason: 'once more', force: true })
      expect(refused.status).toBe(409)
      expect(refused.body.detail).toContain('may create it twice')
      for (const target of [{ itemIds: [id] }, { productSetIds: [setId], include: ['blocked'] }])
        expect(await requeue(target)).toMatchObject({ requeued: 0, skippedByReason: { may_create_twice: 1 } })
      expect(await requeue({ itemIds: [id], mayCreateTwice: true })).toMatchObject({ requeued: 1, skippedTotal: 0 })
    },
  )

  it('discard takes it out of the queue, and what waited for it goes on', async () => {
    const { id, productIds } = await blocked('unknown_outcome', 'new_product_set')
    const waiting = await enqueue(api.sql, 'price', { product: productIds[0]! })
    await put(api.sql, waiting, 'blocked', { reason: 'new_variation' })
    const before = await api.get<Summary>('/api/summary')
    steps.length = 0
    expect(await resolve(id, { action: 'discard', reason: 'the Shop has it' })).toMatchObject({
      status: 200,
      body: { status: 'blocked' },
    })
    const detail = await api.get(`/api/items/${id}`)
    expect(detail).toMatchObject({
      status: 'blocked',
      reason: { code: 'discarded', message: 'the Shop has it' },
      retriesLeft: null,
      nextAttemptAt: null,
    })
    expect(detail.transitions.at(-1)).toMatchObject({
      from: 'blocked',
      to: 'blocked',
      reason: 'discarded',
      actor: 'admin (key)',
    })
    expect(detail.sellerAnswer).toMatchObject({
      whoActs: 'seller',
      text: expect.stringContaining('taken out of the queue'),
    })
    expect(steps).toMatchObject([
      { itemId: id, from: 'blocked', to: 'blocked', reason: 'discarded' },
      { itemId: waiting, from: 'blocked', to: 'pending', reason: 'released' },
    ])
    expect((await row(waiting)).status).toBe('pending')
    expect((await api.get<Summary>('/api/summary')).blocked).toBe(before.blocked - 2)
  })

  it.each([
    ['is Blocked until a create is done', 'not_in_shop'],
    ['waits for a variation', 'new_variation'],
  ])('409 where it %s', async (_, reason) => {
    const { id } = await blocked(reason)
    const { status, body, headers } = await resolve(id, { action: 'resend', reason: 'please' })
    expect([status, headers.get('content-type')]).toEqual([409, 'application/problem+json'])
    expect(body.detail).toContain(reason)
  })

  it('409 where it is not Blocked, or gone', async () => {
    const { productIds } = await newSet()
    const id = await failed('price', { product: productIds[0]! })
    expect((await resolve(id, { action: 'discard', reason: 'please' })).status).toBe(409)
    await finish(api.sql, id)
    expect((await resolve(id, { action: 'discard', reason: 'please' })).body.detail).toContain('no longer in the queue')
  })

  it('404 where there is no such item', async () => {
    expect((await resolve('999999999', { action: 'discard', reason: 'please' })).status).toBe(404)
  })

  it.each([
    [{ action: 'forget', reason: 'x' }, 'action'],
    [{ action: 'discard' }, 'reason'],
    [{ action: 'discard', reason: '  ' }, 'reason'],
    [{ action: 'adopt', reason: 'x', srcId: '1' }, 'shopSku'],
    [{ action: 'discard', reason: 'x', srcId: '1' }, 'srcId'],
  ])('%j names what is wrong', async (body, field) => {
    const { status, body: answer } = await resolve('1', body)
    expect([status, answer.field]).toEqual([400, field])
  })

  it('two at once: one of them decides', async () => {
    const { id } = await blocked('unprocessable_response')
    const answers = await Promise.all([
      resolve(id, { action: 'discard', reason: 'a' }),
      resolve(id, { action: 'resend', reason: 'b' }),
    ])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
  })
})
