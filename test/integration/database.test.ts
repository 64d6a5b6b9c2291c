import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabase, type Database } from '../database.ts'
import { addSet } from '../scene.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.drop())

test('an array of ids survives that the server forgets its statements', async () => {
  const one = await database.sql.reserve()
  try {
    const sum = (ids: readonly string[]) =>
      one<{ sum: string }[]>`select sum(id)::text as sum from unnest(${ids}::bigint[]) id`
    expect(await sum(['1', '9007199254740993'])).toEqual([{ sum: '9007199254740994' }])
    await one`deallocate all` // as a pooler does when it hands out another session
    expect(await sum(['3', '-9223372036854775808'])).toEqual([{ sum: '-9223372036854775805' }])
  } finally {
    one.release()
  }
})

test('a missing element of an array is an error, and null is null', async () => {
  const count = (values: readonly unknown[]) =>
    database.sql<{ all: number; told: number }[]>`
      select count(*)::int as "all", count(v)::int as told from unnest(${values as number[]}::int[]) v`
  expect(await count([1, null, 3])).toEqual([{ all: 3, told: 2 }])
  await expect(count([1, undefined])).rejects.toThrow('missing')
  await expect(count(['1', ''])).rejects.toThrow('missing')
})

test('a product set keeps its seller', async () => {
  const { setId, sellerId } = await addSet(database.sql)
  const other = await addSet(database.sql, { seller: 'Delta Fashion' })
  await expect(
    database.sql`update catalog.product_set set seller_id = ${other.sellerId}::bigint where id = ${setId}::bigint`,
  ).rejects.toThrow(`Product set ${setId} belongs to seller ${sellerId}: a product set keeps its seller`)
})
