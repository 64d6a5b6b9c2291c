import { afterAll, beforeAll, expect, test } from 'vitest'
import { followCatalogue } from '../../worker/queue/catalog-changes.ts'
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
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = 'replica'`
    await tx`delete from catalog.product where id = ${productId}::bigint`
  })
  await blockedSets(sql, '0')
  await followCatalogue(sql)
  expect(await sql`select product_id as "productId" from shop_update.item`).toEqual([{ productId: other }])
})

const move = (productId: string, setId: string) => database.sql`
  update catalog.product set product_set_id = ${setId}::bigint where id = ${productId}::bigint`

const places = (productId: string) => database.sql`
  select product_set_id as set, topic from shop_update.item
  where product_id = ${productId}::bigint order by topic::text`

const noted = () => database.sql`select from shop_update.catalog_change`

test('a product is moved on while a change of it is locked: what stands still of it goes where it is', async () => {
  const { sql } = database
  const { setId: first, productIds } = await addSet(sql)
  const [{ setId: second }, { setId: third }] = [await addSet(sql), await addSet(sql)]
  const [productId] = productIds as [string]
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
  await followCatalogue(sql)
  await followCatalogue(sql) // the note of the second set waits for that of the first
  expect(await places(productId)).toEqual([
    { set: third, topic: 'price' },
    { set: third, topic: 'stock' },
  ])
  expect(await noted()).toHaveLength(0)
})

test('a product is moved past the triggers: what is Blocked of it goes along all the same', async () => {
  const { sql } = database
  const { productIds } = await addSet(sql)
  const { setId } = await addSet(sql)
  const [productId] = productIds as [string]
  await block(productId)
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = 'replica'`
    await tx`update catalog.product set product_set_id = ${setId}::bigint where id = ${productId}::bigint`
  })
  await blockedSets(sql, '0')
  await followCatalogue(sql)
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
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = 'replica'`
    await tx`delete from catalog.product where id = ${productIds[0]!}::bigint`
  })
  await blockedSets(sql, '0')
  expect(await noted()).toHaveLength(1)
  await sql`
    insert into shop_update.catalog_change (product_set_id, moved, at)
    select 0, false, now() - interval '2 minutes' from generate_series(1, 1001)`
  await blockedSets(sql, '0')
  expect(await noted()).toHaveLength(1002)
})
