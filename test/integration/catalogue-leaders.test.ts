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

/** A change of the product that an admin has to decide about. */
async function block(productId: string): Promise<void> {
  await database.sql`select shop_update.enqueue('price', product_id => ${productId}::bigint)`
  await database.sql`
    update shop_update.item set lane = 'blocked', status = 'blocked', reason = 'unprocessable_response'
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
