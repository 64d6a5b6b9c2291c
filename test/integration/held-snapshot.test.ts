import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, type Sql } from '../../worker/database/database.ts'
import { applyCallbacks } from '../../worker/life/callbacks.ts'
import { type Claimed, claim, type Quick, wakeDue } from '../../worker/queue/claim.ts'
import { foldCounts } from '../../worker/queue/counts.ts'
import { mendStatistics } from '../../worker/queue/mend-statistics.ts'
import { forgottenSets } from '../../worker/queue/promote.ts'
import { releaseOwed } from '../../worker/queue/release.ts'
import { pagesOf, withoutAutovacuum } from '../pages.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

/** How many of each seller's items have passed since the dump began. */
const PASSED = 20_000
const SELLERS = 5

let scene: Scene
let sql: Sql
let dump: Sql

/** The position from which a quick claim after this one starts. */
const after = ({ now, marks, again }: Claimed, turns: string[] = []): Quick => ({
  since: now,
  marks: new Map(marks.filter((mark): mark is [string, string] => mark[1] !== null)),
  turns: [...again, ...turns],
})

/** Each in its own set, `age` old. */
const addItems = (lane: string, seller: number, items: number, age: string) => sql<{ id: string }[]>`
  insert into shop_update.item (seller_id, product_set_id, product_id,
    queued_at, entered_at, status_at, run_at, topic, status, lane, fresh)
  select ${seller}::bigint, nextval('sets'), currval('sets'), t.at, t.at,
    t.at, t.at, 'price', 'pending', ${lane}::shop_update.lane, false
  from generate_series(1, ${items}::int) g,
    lateral (select now() - ${age}::text::interval + g * interval '1 microsecond' as at) t
  returning id`

beforeAll(async () => {
  scene = await startScene({ workers: false, prepare: withoutAutovacuum })
  sql = connect(scene.databaseUrl, { max: 1, name: 'worker', byIndex: true })
  dump = connect(scene.databaseUrl, { max: 1, name: 'dump' })
  await dump`set idle_in_transaction_session_timeout = 0`
  await sql`create sequence sets`
  await dump`begin isolation level repeatable read`
  await dump`select from shop_update.item`
  for (let seller = 1; seller <= SELLERS; seller++) {
    for (const lane of ['ready', 'delayed']) {
      await addItems(lane, seller, PASSED, '1 hour')
      await sql`delete from shop_update.item`
    }
  }
  await sql`vacuum analyze shop_update.item`
  await mendStatistics(sql) // as the leader does, once a second
}, 120_000)

afterAll(async () => {
  await dump.end()
  await sql.end()
  await scene.stop()
})

test('a quick claim walks over nothing of what has passed', async () => {
  const before = await claim(sql, '1', 100, '0')
  const added = await addItems('ready', 2, 1, '0')
  let found: string[] = []
  const quick = await pagesOf(sql, async () => {
    found = (await claim(sql, '1', 100, '0', after(before))).items.map(({ id }) => id)
  })
  expect(found).toEqual(added.map(({ id }) => id))
  const full = await pagesOf(sql, () => claim(sql, '1', 100, '0'))
  expect(full).toBeGreaterThan(3000)
  expect(quick).toBeLessThan(1000)
})

test('a quick claim goes on where the last one of a seller ended, and with what is new of the others', async () => {
  const backlog = (await addItems('ready', 3, 30, '30 minutes')).map(({ id }) => id)
  const first = await claim(sql, '1', 10, '0')
  expect(first.items.map(({ id }) => id)).toEqual(backlog.slice(0, 10))
  expect([...after(first).marks.keys()]).toEqual(['3'])
  const added = await addItems('ready', 4, 1, '0')
  let second: Claimed
  const quick = await pagesOf(sql, async () => {
    second = await claim(sql, '1', 60, '0', after(first))
  })
  expect(second!.items.map(({ id }) => id).sort()).toEqual([...backlog.slice(10), ...added.map(({ id }) => id)].sort())
  expect(second!.all).toBe(true)
  expect(second!.marks).toEqual([
    ['3', null],
    ['4', null],
  ])
  expect(quick).toBeLessThan(1000)
})

test('what has become ready again is found where it is named, and otherwise by a full claim', async () => {
  const before = await claim(sql, '1', 100, '0')
  const [named, other] = await addItems('ready', 1, 2, '2 hours')
  const quick = await pagesOf(sql, async () =>
    expect((await claim(sql, '1', 100, '0', after(before, [named!.id]))).items).toMatchObject([named!]),
  )
  expect(quick).toBeLessThan(1000)
  expect((await claim(sql, '1', 100, '0')).items).toMatchObject([other!])
})

test('whom somebody has locked this moment is named again', async () => {
  const before = await claim(sql, '1', 100, '0')
  const [inSet, itself] = await addItems('ready', 1, 2, '2 hours')
  await sql`
    insert into shop_update.set_lane (product_set_id) select product_set_id from shop_update.item
    where id = ${inSet!.id}::bigint`
  await scene.sql.begin(async (tx) => {
    await tx`
      select from shop_update.set_lane l join shop_update.item i using (product_set_id)
      where i.id = ${inSet!.id}::bigint for update of l`
    await tx`select from shop_update.item where id = ${itself!.id}::bigint for update`
    const passed = await claim(sql, '1', 100, '0', after(before, [inSet!.id, itself!.id]))
    expect(passed).toMatchObject({ items: [], passedOver: true })
    expect(passed.again.toSorted()).toEqual([inSet!.id, itself!.id].toSorted())
    before.again = passed.again
  })
  expect((await claim(sql, '1', 100, '0', after(before))).items.map(({ id }) => id).toSorted()).toEqual(
    [inSet!.id, itself!.id].toSorted(),
  )
})

test('what is due is woken without a walk over all that has been due', async () => {
  await addItems('delayed', 1, 5, '0')
  const full = await pagesOf(sql, async () => expect((await wakeDue(sql)).woken).toHaveLength(5))
  expect(full).toBeGreaterThan(3000)
  const { upTo } = await wakeDue(sql)
  await addItems('delayed', 1, 5, '0')
  const quick = await pagesOf(sql, async () => expect((await wakeDue(sql, upTo)).woken).toHaveLength(5))
  expect(quick).toBeLessThan(1000)
})

test('the numbers are read without a walk over what has been folded', async () => {
  await sql`
    insert into shop_update.delta (kind, topic, status, n)
    select 'status', 'price', 'pending', 1 from generate_series(1, 40000)`
  const [{ later }] = await sql<[{ later: string }]>`select pg_current_xact_id()::text as later`
  // A fold notes how far it came only below the oldest transaction of the cluster, which other tests share.
  await expect
    .poll(
      async () => {
        await foldCounts(sql)
        const [row] = await sql`select shop_update.folded_up_to() >= ${later}::text::xid8 as "isNoted"`
        return row!.isNoted
      },
      { timeout: 90_000 },
    )
    .toBe(true)
  await sql`insert into shop_update.delta (kind, topic, status, n) values ('status', 'price', 'pending', 1)`
  const all = await pagesOf(sql, () => sql`select from shop_update.delta where kind = 'status'`)
  const pages = await pagesOf(sql, async () => expect(await sql`select from shop_update.unfolded()`).toHaveLength(1))
  expect(all).toBeGreaterThan(300)
  expect(pages).toBeLessThan(30)
})

test('a claim reads the rows of its own sets, not those of all that are in flight', async () => {
  const claimed = async (by: Sql) => {
    const before = await claim(by, '1', 100, '0')
    const added = (await addItems('ready', 2, 5, '0')).map(({ id }) => id)
    return pagesOf(by, async () => {
      const { items } = await claim(by, '1', 100, '0', after(before))
      expect(items.map(({ id }) => id)).toEqual(added)
    })
  }
  const few = await claimed(sql)
  await sql`insert into shop_update.set_lane (product_set_id, waiting) select -g, 1 from generate_series(1, 200000) g`
  await sql`vacuum analyze shop_update.set_lane`
  await mendStatistics(sql) // autovacuum may have passed since; the leader does it once a second
  const planned = connect(scene.databaseUrl, { max: 1, name: 'worker', byIndex: true })
  try {
    expect(await claimed(planned)).toBeLessThan(few + 200)
  } finally {
    await planned.end()
    await sql`delete from shop_update.set_lane where product_set_id < 0`
  }
})

/** A table through which this many rows have passed: the pages read by looks from its beginning and from its end. */
async function looksAt<Looked extends { end: string }>(
  table: 'set_lane' | 'owed_release',
  look: (since: string | null) => Promise<Looked>,
  add: () => Promise<unknown>,
) {
  await sql.unsafe(
    `insert into shop_update.${table} (product_set_id) select 1000000 + g from generate_series(1, 40000) g`,
  )
  await sql.unsafe(`delete from shop_update.${table} where product_set_id > 1000000`)
  let [first, second]: Looked[] = []
  const full = await pagesOf(sql, async () => {
    first = await look(null)
  })
  await add()
  const quick = await pagesOf(sql, async () => {
    second = await look(first!.end)
  })
  return { full, quick, found: second! }
}

test('a set that was forgotten is found without a walk over all that have been there', async () => {
  const { setId, productIds } = await addSet(scene.sql)
  const { full, quick, found } = await looksAt(
    'set_lane',
    (since) => forgottenSets(sql, '0', since),
    async () => {
      const item = await scene.enqueue('price', { product: productIds[0]! })
      await sql`update shop_update.item set lane = 'behind' where id = ${item}::bigint`
      await sql`insert into shop_update.set_lane (product_set_id, waiting) values (${setId}::bigint, 1)`
    },
  )
  expect(found).toMatchObject({ sets: [setId], seen: 1, last: '0' })
  expect(full).toBeGreaterThan(300)
  expect(quick).toBeLessThan(60)
  await sql`delete from shop_update.item`
  await sql`delete from shop_update.set_lane`
})

test('what has been noted is released without a walk over all that has been', async () => {
  const { setId, productIds } = await addSet(scene.sql)
  const item = await scene.enqueue('price', { product: productIds[0]! })
  await sql`
    update shop_update.item set status = 'blocked', lane = 'blocked', reason = 'not_in_shop', fresh = false
    where id = ${item}::bigint`
  const { full, quick, found } = await looksAt(
    'owed_release',
    (since) => releaseOwed(sql, '0', since),
    async () => {
      await sql`update shop_update.item set status = 'blocked', lane = 'blocked', reason = 'not_in_shop'`
      await sql`insert into shop_update.owed_release (product_set_id) values (${setId}::bigint)`
    },
  )
  expect(found.steps.map(({ itemId }) => itemId)).toEqual([item])
  expect(full).toBeGreaterThan(300)
  expect(quick).toBeLessThan(100) // including the release itself
  await sql`delete from shop_update.item`
})

test('a callback is found by its item without a walk over all that have been applied', async () => {
  await sql`
    insert into shop_update.callback (request_id, item_id, outcome, digest, body)
    select g::text, g, 'accepted', '\\x00', '[]' from generate_series(1, 40000) g`
  await sql`update shop_update.callback set applied_at = now()`
  await sql`
    insert into shop_update.callback (request_id, item_id, outcome, digest, body)
    values ('1', 40001, 'accepted', '\\x00', '[]')`
  const look = async (named: string[] | null) => {
    const { itemIds, next } = await applyCallbacks(sql, 'UTC', '0', () => ({ to: 'delayed', retryInSeconds: 1 }), named)
    expect({ itemIds, next }).toEqual({ itemIds: ['40001'], next: null })
    await sql`update shop_update.callback set applied_at = null where item_id = 40001`
  }
  const quick = await pagesOf(sql, () => look(['40000', '40001']))
  const full = await pagesOf(sql, () => look(null))
  expect(full - quick).toBeGreaterThan(100)
  await sql`delete from shop_update.callback`
})

test('what is new and what has become ready again is sent while the dump goes on', async () => {
  const [fresh, again] = [await addSet(scene.sql), await addSet(scene.sql)]
  const old = await scene.enqueue('price', { product: again.productIds[0]! })
  await sql`
    update shop_update.item set lane = 'blocked', queued_at = now() - interval '2 hours' where id = ${old}::bigint`
  scene.worker = await scene.startWorker()
  for (let k = 0; k < 3; k++)
    await scene.untilStatus(await scene.enqueue('stock', { product: fresh.productIds[0]! }), 'synced')
  await sql`update shop_update.item set lane = 'ready' where id = ${old}::bigint`
  await scene.untilStatus(old, 'synced')
})
