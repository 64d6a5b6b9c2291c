import { randomBytes } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { putBack } from '../../worker/admin/put-back.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import type { ClaimedItem } from '../../worker/domain/item.ts'
import { applyCallbacks } from '../../worker/life/callbacks.ts'
import { readCatalogue } from '../../worker/queue/catalogue.ts'
import { claim, wakeDue } from '../../worker/queue/claim.ts'
import { foldCounts } from '../../worker/queue/counts.ts'
import { finish } from '../../worker/queue/finish.ts'
import { lockedItems } from '../../worker/queue/locked.ts'
import { makeRequest } from '../../worker/queue/make-request.ts'
import { mendStatistics } from '../../worker/queue/mend-statistics.ts'
import { forgottenSets, lostSets, promote } from '../../worker/queue/promote.ts'
import { recordCallback } from '../../worker/queue/record-callback.ts'
import { heldClaims, recover } from '../../worker/queue/recover.ts'
import { blockedSets, release, releaseOwed } from '../../worker/queue/release.ts'
import { settle } from '../../worker/queue/settle.ts'
import { enterWorker } from '../../worker/queue/worker-row.ts'
import { createDatabase } from '../database.ts'
import { pagesOf, withoutAutovacuum } from '../pages.ts'
import { addSet, startScene } from '../scene.ts'

/** How many items of each kind are in the queue: enough to detect a scan of all of a kind. */
const MANY = 2500
/** How many items of a large set come due. */
const LARGE_PART = 1000
/** How many items each statement gets. */
const SOME = 100
/**
 * The most pages of tables and indexes per item: eight statuses, some indexes each, and the cost of writing a new row.
 */
const PAGES_AN_ITEM = 100

const empty = async (sql: Sql) => {
  for (const table of ['item', 'set_lane', 'delta', 'callback', 'request'])
    await sql.unsafe(`delete from shop_update.${table}`)
}

/**
 * The queue has drained but for some when it is looked at; then it fills.
 *
 * @param left a condition of SQL
 */
const afterAll = (look: string) => (but: number, left: string) => async (sql: Sql, fill: () => Promise<unknown>) => {
  await fill()
  await sql.unsafe(`
      delete from shop_update.item where id not in (
        select id from shop_update.item where ${left} order by md5(id::text) limit ${but});
      update shop_update.item set lane = 'in_flight', status = 'processing' where lane = 'awaiting';
      update shop_update.item set status = 'failed', run_at = 'infinity' where reason = 'failure';
      delete from shop_update.set_lane where product_set_id not in (select product_set_id from shop_update.item)`)
  await sql.unsafe(look)
  await empty(sql)
  await fill()
}
const afterAllBut = afterAll('vacuum analyze')
const cutShortAfterAllBut = afterAll('vacuum (full, analyze)')

/** What the statistics of the queue say. */
const STATISTICS = {
  'none yet': (_: Sql, fill: () => Promise<unknown>) => fill(),
  fresh: async (sql: Sql, fill: () => Promise<unknown>) => {
    await fill()
    await sql`vacuum analyze`
  },
  'of an empty queue that has drained': async (sql: Sql, fill: () => Promise<unknown>) => {
    await fill()
    await empty(sql)
    await sql`vacuum analyze`
    await fill()
  },
  'of 400 in flight': afterAllBut(400, "lane = 'awaiting'"),
  // by what ANALYZE notes of these, a claim of a large set reads 289 to 445 pages an item
  'of three that wait behind, in a file cut short': cutShortAfterAllBut(3, "lane = 'behind'"),
  'of 400 that wait behind, in a file cut short': cutShortAfterAllBut(400, "lane = 'behind'"),
  'of 2,000 Blocked, in a file cut short': cutShortAfterAllBut(2000, "lane = 'blocked'"),
  'of 2,000 Failed, with no retry': afterAllBut(2000, "reason = 'failure'"),
  'of 400 of one product set, in a file cut short': cutShortAfterAllBut(400, 'product_set_id = 2'),
}

async function catalogue(sql: Sql) {
  await sql`insert into catalog.seller (id, name) select g, 'Seller ' || g from generate_series(1, 25) g`
  await sql`
    insert into catalog.product_set (id, seller_id, src_id)
    select g, 1 + g % 25, 'set ' || g from generate_series(1, ${6 * MANY}::int) g`
  await sql`insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id)
    select g, case when g > ${6 * MANY}::int then 1 + (g - 1) / ${MANY}::int - 6 else g end,
      'S' || g, 'K' || g, 'product ' || g from generate_series(1, ${8 * MANY}::int) g`
  await sql`analyze catalog.product, catalog.product_set, catalog.seller`
}

/**
 * `MANY` of each kind: ready, one per set (1); waiting for a retry (2) that holds back one behind it (3); Blocked (4);
 * acknowledged, with request and callback (5); all in sets of their own. And two large sets, one of waiting stock
 * changes, one with all but the first behind.
 */
async function fill(sql: Sql) {
  await sql.unsafe(`
    insert into shop_update.item (seller_id, product_set_id, product_id, queued_at,
      entered_at, status_at, run_at, topic, status, lane, fresh, reason, request_id, flow)
    select 1 + s % 25, s, p, now(), now(), now(), now() + delay, topic::shop_update.topic,
      status::shop_update.status, lane::shop_update.lane, fresh, reason,
      case when lane = 'awaiting' then nextval('shop_update.request_id') end, 'asynchronous'
    from (
      select g as s, g as p, interval '0' as delay, 'price' as topic, 'pending' as status,
        'ready' as lane, true as fresh, null as reason from generate_series(3, ${MANY}) g
      union all select g, g, interval '1 hour', 'price', 'delayed', 'delayed', false, 'failure'
      from generate_series(${MANY + 1}, ${2 * MANY}) g
      union all select g, g, interval '0', 'price', 'pending', 'behind', true, null
      from generate_series(${MANY + 1}, ${2 * MANY}) g
      union all select g, g, interval '0', 'price', 'blocked', 'blocked', false, 'not_in_shop'
      from generate_series(${3 * MANY + 1}, ${4 * MANY}) g
      union all select g, g, interval '0', 'price', 'got_acknowledgment', 'awaiting', false, null
      from generate_series(${4 * MANY + 1}, ${5 * MANY}) g
      union all select 1, g, interval '1 hour', 'stock', 'delayed', 'delayed', true, 'stock_wait'
      from generate_series(${6 * MANY + 1}, ${7 * MANY}) g
      union all select 2, g, interval '0', 'price', 'pending', 'behind', true, null
      from generate_series(${7 * MANY + 1}, ${8 * MANY}) g
    ) x;
    insert into shop_update.set_lane (product_set_id, next_id, waiting)
    select product_set_id, 0, count(*) from shop_update.item where lane = 'behind' group by 1;
    insert into shop_update.request (request_id, item_id, sent_at, flow, body)
    select request_id, id, now(), flow,
      '{"api":1,"method":"Product.updatePrices","params":{"productsInfo":[{"product_id":"1"}]},"id":"1"}'
    from shop_update.item where lane = 'awaiting';
    insert into shop_update.callback (request_id, item_id, outcome, digest, body)
    select request_id::text, id, 'accepted', '\\x00', '[]' from shop_update.item where lane = 'awaiting';
    update catalog.product_set set src_id = null where id between ${3 * MANY + 1} and ${4 * MANY};`)
}

const range = (from: number, n = SOME) => Array.from({ length: n }, (_, k) => String(from + k))

describe.each(Object.entries(STATISTICS))('statistics: %s', (_, prepare) => {
  test('each statement of the hot path looks at what it needs', async () => {
    const database = await createDatabase()
    // Like the worker's pools, but with one connection, so that everything counted belongs to the statement in
    // question.
    const sql = connect(database.url, { max: 1, name: 'hot', lockTimeoutMs: 10_000, byIndex: true })
    const seller = connect(database.url, { max: 1, name: 'seller center' })
    const tooMany: Record<string, number> = {}
    /** @param items how many items it concerns */
    const measure = async <Result>(
      name: string,
      items: number,
      act: () => Promise<Result>,
      by = sql,
    ): Promise<Result> => {
      let result: Result
      const pages = await pagesOf(by, async () => {
        result = await act()
      })
      if (pages > items * PAGES_AN_ITEM) tooMany[name] = Math.round(pages / items)
      return result!
    }
    const enqueue = (name: string, topic: string, from: number) =>
      measure(
        name,
        SOME,
        () => seller`select shop_update.enqueue(${topic}, product_id => id) from unnest(${range(from)}::bigint[]) id`,
        seller,
      )
    try {
      await withoutAutovacuum(database.sql) // the statistics stay as set, too
      await catalogue(database.sql)
      await prepare(database.sql, () => fill(database.sql))
      await enqueue('enqueue', 'price', 5 * MANY + 1)
      await enqueue('enqueue, large set', 'price', 6 * MANY + 1)
      await enqueue('enqueue, absorbed', 'price', 3)
      await enqueue('enqueue, absorbed in a large set', 'price', 7 * MANY + 1)

      await mendStatistics(sql) // as the leader does, once a second
      const worker = await enterWorker(sql, 'a worker', 'synchronous')
      const claimed: ClaimedItem[] = []
      await measure('claim', SOME, async () => claimed.push(...(await claim(sql, worker, SOME, '0')).items))
      await measure('claim again', SOME, async () => claimed.push(...(await claim(sql, worker, SOME, '0')).items))
      expect(claimed.length).toBeGreaterThan(SOME)
      const quick = { since: '2000-01-01', marks: new Map([['3', '2000-01-01']]), turns: ['1', '2', '3'] }
      await measure('claim, quick', SOME, async () =>
        claimed.push(...(await claim(sql, worker, SOME, '0', quick)).items),
      )
      await measure('readCatalogue', SOME, () => readCatalogue(sql, claimed))
      const now = performance.now()
      const made = await measure('makeRequest', claimed.length, () =>
        makeRequest(
          sql,
          claimed.map((item) => ({ item, flow: 'synchronous', traceId: 'a'.repeat(32), body: '{}', builtAt: now })),
        ),
      )
      expect(made.every(Boolean)).toBe(true)
      const [some, others] = [claimed.slice(0, 50), claimed.slice(50, 100)]
      const settled = await measure('settle', 50, () =>
        settle(
          sql,
          some.map((item) => ({
            item,
            to: 'delayed',
            reason: 'failure',
            message: null,
            exchange: null,
            answeredAt: now,
            retryInSeconds: 60,
          })),
        ),
      )
      expect(settled.results.every(Boolean)).toBe(true)
      const finished = await measure('finish', 50, () =>
        finish(
          sql,
          'UTC',
          others.map((item) => ({
            item,
            exchange: null,
            at: null,
            products: [{ productId: item.productId!, srcId: null, shopSku: null, updatedAt: null }],
            setSrcId: null,
          })),
          false,
        ),
      )
      expect(finished.results.every((result) => typeof result === 'object')).toBe(true)
      await measure('heldClaims', SOME, () => heldClaims(sql, worker))
      await measure('lockedItems', SOME, () =>
        lockedItems(
          sql,
          claimed.map(({ id }) => id),
        ),
      )
      await measure('recover, nobody', 1, () => recover(sql, worker, 15, null))
      await sql`update shop_update.worker set heartbeat_at = '2020-01-01'`
      const other = await enterWorker(sql, 'another worker', 'synchronous')
      expect(await measure('recover', SOME, () => recover(sql, other, 15, null))).toMatchObject({
        recovered: claimed.length - 100,
      })
      await measure('promote', SOME, () => promote(sql, ['2', ...range(MANY + 1)]))
      await measure('release', SOME, () => release(sql, range(3 * MANY + 1)))
      await sql`insert into shop_update.owed_release select unnest(${range(3 * MANY + 1 + SOME)}::bigint[])`
      await measure('releaseOwed', SOME, () => releaseOwed(sql, '0'))
      await measure('releaseOwed, nothing', 1, () => releaseOwed(sql, '0'))
      await measure('blockedSets', 1000, async () => release(sql, (await blockedSets(sql, '0')).sets))
      await measure('forgottenSets', 1000, () => forgottenSets(sql, '0'))
      await measure('lostSets', 1000, () => lostSets(sql, '0'))
      // A part of a large set comes due: a claim that takes nothing else does not scan what still waits.
      await sql`delete from shop_update.item where lane = 'ready'`
      await sql`
        update shop_update.item set run_at = now() where id = any (array(
          select id from shop_update.item where reason = 'stock_wait' order by id limit ${LARGE_PART}::int))`
      expect((await measure('wakeDue', LARGE_PART, () => wakeDue(sql))).woken).toHaveLength(LARGE_PART)
      // of 500, for half of what they may take: 30 pages each, and 84 with a scan of what waits
      await measure('claim, a large set', 250, () => claim(sql, other, 500, '0'))
      const [asked] = await sql<{ ids: string[] }[]>`
        select array_agg(request_id::text) as ids from (
          select request_id from shop_update.item where lane = 'awaiting' order by id limit ${SOME}::int) i`
      const record = recordCallback(sql, (error) => expect.fail(String(error)))
      await measure('recordCallback', SOME, () =>
        Promise.all(
          asked!.ids.map((requestId) =>
            record({
              requestId,
              digest: randomBytes(32).toString('hex'),
              body: '[]',
              remote: null,
              traceId: 'b'.repeat(32),
            }),
          ),
        ),
      )
      await measure('applyCallbacks', 1000, () =>
        applyCallbacks(sql, 'UTC', '0', () => ({ to: 'delayed', retryInSeconds: 60 })),
      )
      await measure('putBack', 50, () =>
        putBack(
          sql,
          some.map(({ id }) => id),
          'somebody',
          null,
        ),
      )
      await measure('foldCounts', SOME, () => foldCounts(sql))
      expect(tooMany).toEqual({})
    } finally {
      await sql.end()
      await seller.end()
      await database.drop()
    }
  }, 120_000)
})

test('what PostgreSQL notes of a queue that has drained is mended by the leader', async () => {
  const scene = await startScene()
  try {
    const { productIds } = await addSet(scene.sql)
    await scene.untilStatus(await scene.enqueue('price', { product: productIds[0]! }), 'synced')
    await scene.sql`vacuum shop_update.item`
    await vi.waitFor(
      async () => {
        const [item] = await scene.sql<{ pages: number; rows: number }[]>`
          select relpages as pages, reltuples as rows from pg_class where oid = 'shop_update.item'::regclass`
        expect(item!.pages).toBeGreaterThan(0)
        expect(item!.rows).toBeGreaterThan(0)
      },
      { timeout: 30_000, interval: 50 },
    )
  } finally {
    await scene.stop()
  }
})

test('the leader mends what an owner notes who is no superuser', async () => {
  const database = await createDatabase()
  const owner = `owner_${randomBytes(6).toString('hex')}`
  try {
    const { sql } = database
    await sql.unsafe(`
      create role ${owner};
      grant usage on schema shop_update to ${owner};
      alter table shop_update.item owner to ${owner};
      alter table shop_update.set_lane owner to ${owner};
      alter function shop_update.mend_statistics() owner to ${owner}`)
    const { productIds } = await addSet(sql)
    await sql`select shop_update.enqueue('price', product_id => ${productIds[0]!}::bigint)`
    await sql`vacuum analyze shop_update.item`
    const [first] = await sql`select shop_update.mend_statistics() > 0 as "hasMended"`
    expect(first).toEqual({ hasMended: true })
    const [lanes] = await sql<{ shares: string }[]>`
      select most_common_freqs::text as shares from pg_stats
      where schemaname = 'shop_update' and tablename = 'item' and attname = 'lane'`
    expect(lanes?.shares).toContain('0.005')
    const [next] = await sql`select shop_update.mend_statistics() as mended`
    expect(next).toEqual({ mended: 0 })
  } finally {
    await database.sql.unsafe(`reassign owned by ${owner} to current_user; drop owned by ${owner}; drop role ${owner}`)
    await database.drop()
  }
})

test('what ANALYZE does not find in the queue is not taken for rare', async () => {
  const database = await createDatabase()
  try {
    const { sql } = database
    const { productIds } = await addSet(sql)
    for (const topic of ['price', 'content'])
      await sql`select shop_update.enqueue(${topic}, product_id => ${productIds[0]!}::bigint)`
    await sql`vacuum analyze shop_update.item`
    await mendStatistics(sql)
    const noted = await sql`
      select attname, n_distinct::float8 as distinct,
        most_common_vals::text as values, most_common_freqs::text as shares
      from pg_stats
      where schemaname = 'shop_update' and tablename = 'item' and attname in ('lane', 'run_at', 'product_set_id')
      order by attname`
    expect(noted).toMatchObject([
      {
        attname: 'lane',
        values: '{ready,behind,in_flight,awaiting,delayed,blocked,paused}',
        shares: '{1,0.005,0.005,0.005,0.005,0.005,0.005}',
      },
      { attname: 'product_set_id', distinct: -0.25 },
    ])
  } finally {
    await database.drop()
  }
})
