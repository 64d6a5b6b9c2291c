import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Sql, transaction } from '../../worker/database/database.ts'
import { followCatalogue, noteMoved } from '../../worker/queue/catalog-changes.ts'
import { blockedSets } from '../../worker/queue/release.ts'
import { addSet } from '../add-set.ts'
import { createDatabase, type Database } from '../database.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.drop())

/** A change of the product that waits for its ids: nobody may discard it. */
async function block(productId: string, topic = 'price'): Promise<void> {
  await database.sql`select shop_update.enqueue(${topic}, product_id => ${productId}::bigint)`
  await database.sql`
    update shop_update.item set lane = 'blocked', status = 'blocked', reason = 'not_in_shop'
    where product_id = ${productId}::bigint`
}

/** As in a restored dump, or while an admin has disabled the triggers. */
const pastTriggers = (change: (tx: Sql) => PromiseLike<unknown>) =>
  transaction(database.sql, async (tx) => {
    await tx`set local session_replication_role = 'replica'`
    await change(tx)
  })

const untilBlocked = () =>
  vi.waitFor(async () => {
    const waiting = await database.sql`
      select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
    expect(waiting).toHaveLength(1)
  }, 20_000)

test('a product is moved and deleted while two leaders follow: nothing of it is left behind', async () => {
  const { sql } = database
  const { setId, productIds } = await addSet(sql, { products: 2 })
  const { setId: newSetId } = await addSet(sql)
  const [productId] = productIds as [string]
  await block(productId)
  await sql`update catalog.product set product_set_id = ${newSetId}::bigint where id = ${productId}::bigint`

  // one leader is slow, in the middle of taking the items along …
  const slow = await sql.reserve()
  await slow`begin`
  await slow`select from shop_update.catalog_change where moved and product_set_id = ${setId}::bigint for update`
  await sql`delete from catalog.product where id = ${productId}::bigint`
  // … while another, who has taken over the lead, follows the deletion
  await followCatalogue(sql)
  await slow`
    update shop_update.item set product_set_id = ${newSetId}::bigint where product_id = ${productId}::bigint`
  await slow`delete from shop_update.catalog_change where moved and product_set_id = ${setId}::bigint`
  await slow`commit`
  slow.release()

  await followCatalogue(sql)
  expect(await sql`select from shop_update.item where product_id = ${productId}::bigint`).toHaveLength(0)
  expect(await sql`select from shop_update.catalog_change`).toHaveLength(0)
})

test('a product is deleted past the triggers: what is Blocked of it ends all the same', async () => {
  const { sql } = database
  const { productIds } = await addSet(sql, { products: 2 })
  const [productId, other] = productIds as [string, string]
  await block(productId)
  await block(other)
  await pastTriggers((tx) => tx`delete from catalog.product where id = ${productId}::bigint`)
  await blockedSets(sql, '0')
  await followCatalogue(sql)
  expect(await sql`select product_id as "productId" from shop_update.item`).toEqual([{ productId: other }])
})

const move = (productId: string, setId: string, sql: Sql = database.sql) => sql`
  update catalog.product set product_set_id = ${setId}::bigint where id = ${productId}::bigint`

/** A product of the first set, which will be moved to the second and on to the third. */
async function addThreeSets() {
  const { setId: first, productIds } = await addSet(database.sql)
  const { setId: second } = await addSet(database.sql)
  const { setId: third } = await addSet(database.sql)
  return { productId: productIds[0]!, first, second, third }
}

const places = (productId: string) => database.sql`
  select product_set_id as set, topic from shop_update.item
  where product_id = ${productId}::bigint order by topic::text`

const noted = () => database.sql`select from shop_update.catalog_change`

/** A note may wait for another one, or leave one where the items have come to. */
async function followToTheEnd(): Promise<void> {
  for (let times = 0; times < 4; times++) await followCatalogue(database.sql)
  expect(await noted()).toHaveLength(0)
}

test('a product is moved on while a change of it is locked: what stands still of it goes where it is', async () => {
  const { sql } = database
  const { productId, first, second, third } = await addThreeSets()
  await block(productId, 'stock')
  await block(productId)
  await sql`
    update shop_update.item set lane = 'delayed', status = 'failed', run_at = 'infinity', failures = 30
    where product_id = ${productId}::bigint and topic = 'stock'`
  await move(productId, second)
  const sellerCenter = await sql.reserve()
  await sellerCenter`begin`
  await sellerCenter`
    select from shop_update.item where product_id = ${productId}::bigint and topic = 'price' for update`
  await followCatalogue(sql)
  await sellerCenter`commit`
  sellerCenter.release()
  expect(await places(productId)).toEqual([
    { set: first, topic: 'price' },
    { set: second, topic: 'stock' },
  ])

  await move(productId, third)
  await followToTheEnd()
  expect(await places(productId)).toEqual([
    { set: third, topic: 'price' },
    { set: third, topic: 'stock' },
  ])
})

/** A call of the product's price is out. */
const callOut = (productId: string) => database.sql`
  with out as (
    update shop_update.item set lane = 'in_flight', status = 'made_request', reason = null, fresh = false
    where product_id = ${productId}::bigint and topic = 'price'
    returning product_set_id, id
  )
  insert into shop_update.set_lane (product_set_id, item_id) select * from out`

/** It has been answered, and rests. */
const answered = (productId: string) => database.sql`
  with rests as (
    update shop_update.item set lane = 'blocked', status = 'blocked'
    where product_id = ${productId}::bigint and topic = 'price'
    returning id
  )
  update shop_update.set_lane l set item_id = null from rests where l.item_id = rests.id`

test('a product is moved on while a call of it is out in the set in between: none leaves from the last', async () => {
  const { sql } = database
  const { productId, first, second, third } = await addThreeSets()
  await block(productId)
  await move(productId, second)
  await followCatalogue(sql)
  await callOut(productId)
  // one that was being queued when the product was moved: a worker has met it, and noted it
  await sql`select shop_update.enqueue('stock', product_id => ${productId}::bigint)`
  await sql`
    update shop_update.item set product_set_id = ${first}::bigint
    where product_id = ${productId}::bigint and topic = 'stock'`
  await noteMoved(sql, { productId, productSetId: first })
  await move(productId, third)
  await followCatalogue(sql)
  expect(await places(productId)).toEqual([
    { set: second, topic: 'price' },
    { set: first, topic: 'stock' },
  ])

  await answered(productId)
  await followToTheEnd()
  expect(await places(productId)).toEqual([
    { set: third, topic: 'price' },
    { set: third, topic: 'stock' },
  ])
})

test('a product is moved on while what it left behind is taken along: that goes after it', async () => {
  const { sql } = database
  const { productId, first, second, third } = await addThreeSets()
  await block(productId)
  await pastTriggers((tx) => move(productId, second, tx))
  await blockedSets(sql, '0')
  // the follower stops in the middle: at the place of the first set
  await sql`insert into shop_update.set_lane (product_set_id) values (${first}::bigint)`
  const holder = await sql.reserve()
  await holder`begin`
  await holder`select from shop_update.set_lane where product_set_id = ${first}::bigint for update`
  const slow = followCatalogue(sql)
  await untilBlocked()
  await move(productId, third)
  await followCatalogue(sql)
  await holder`commit`
  holder.release()
  await slow

  await followToTheEnd()
  expect(await places(productId)).toEqual([{ set: third, topic: 'price' }])
})

test('a product that is noted twice, a change of it waiting behind a call: that is counted once', async () => {
  const { sql } = database
  const { setId, productIds } = await addSet(sql, { products: 2 })
  const { setId: newSetId } = await addSet(sql)
  const [productId, other] = productIds as [string, string]
  await block(other)
  await callOut(other)
  await block(productId)
  await pastTriggers((tx) => move(productId, newSetId, tx))
  await blockedSets(sql, '0')
  await blockedSets(sql, '0')
  expect(await noted()).toHaveLength(2)
  await sql`
    update shop_update.item set lane = 'behind', status = 'pending' where product_id = ${productId}::bigint`
  await sql`update shop_update.set_lane set waiting = 1 where product_set_id = ${setId}::bigint`
  await followToTheEnd()
  expect(await places(productId)).toEqual([{ set: newSetId, topic: 'price' }])
  expect(await sql`select waiting from shop_update.set_lane where product_set_id = ${setId}::bigint`).toEqual([
    { waiting: 0 },
  ])
  await answered(other)
})

test('a product is moved past the triggers: what is Blocked of it goes along all the same', async () => {
  const { sql } = database
  const { productIds } = await addSet(sql)
  const { setId } = await addSet(sql)
  const [productId] = productIds as [string]
  await block(productId)
  await pastTriggers((tx) => move(productId, setId, tx))
  await blockedSets(sql, '0')
  await followToTheEnd()
  expect(await places(productId)).toEqual([{ set: setId, topic: 'price' }])
})

test('images of a set that has no product yet stay where they are', async () => {
  const { sql } = database
  const [{ id: setId }] = await sql<[{ id: string }]>`
    insert into catalog.product_set (seller_id, title)
    select id, 'No product yet' from catalog.seller limit 1 returning id`
  await sql`select shop_update.enqueue('images', product_set_id => ${setId}::bigint)`
  await sql`
    update shop_update.item set lane = 'blocked', status = 'blocked', reason = 'not_in_shop'
    where product_set_id = ${setId}::bigint`
  await blockedSets(sql, '0')
  await followCatalogue(sql)
  expect(await sql`select from shop_update.item where product_set_id = ${setId}::bigint`).toHaveLength(1)
})

test('while a thousand notes of the catalogue are not worked off, no others are added', async () => {
  const { sql } = database
  const { productIds } = await addSet(sql)
  await block(productIds[0]!)
  await pastTriggers((tx) => tx`delete from catalog.product where id = ${productIds[0]!}::bigint`)
  await blockedSets(sql, '0')
  expect(await noted()).toHaveLength(1)
  await sql`
    insert into shop_update.catalog_change (product_set_id, moved, at)
    select 0, false, now() - interval '2 minutes' from generate_series(1, 1001)`
  await blockedSets(sql, '0')
  expect(await noted()).toHaveLength(1002)
})
