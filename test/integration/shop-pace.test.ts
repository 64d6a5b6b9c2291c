import { afterAll, beforeAll, expect, test } from 'vitest'
import { endBusy, giveCallsBack, readPace, slowDown, takeCalls } from '../../worker/queue/shop-pace.ts'
import { createDatabase, type Database } from '../database.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.drop())

/** The Shop said "wait" at this time, relative to now, and took 100 a second. */
const said = (from: string) => database.sql`
  update shop_update.shop_pace set
    busy_since = now() + ${from}::text::interval,
    refused_at = now() + ${from}::text::interval,
    wait_until = now() + ${from}::text::interval,
    spent_until = now() + ${from}::text::interval,
    per_second = 100`
const REFUSAL = { leftAgo: 0.1, waitSeconds: 0, perSecond: 5 }

test('a pace that grew while there was little to send, or nobody to end it, is not what the Shop took', async () => {
  for (const from of ['-50 seconds', '-3 hours', '-30 days']) {
    await said(from)
    expect(await takeCalls(database.sql, 10)).toMatchObject({ calls: 10 })
    await slowDown(database.sql, REFUSAL, 15)
    const [row] = await database.sql`select per_second as "perSecond" from shop_update.shop_pace`
    expect(row).toEqual({ perSecond: 100 })
  }
})

test('a clock that was set back by a day stops nothing', async () => {
  await said('1 day')
  expect(await readPace(database.sql)).toMatchObject({ waitUntil: null })
  expect(await takeCalls(database.sql, 10)).toMatchObject({ calls: 10 })
  expect(await slowDown(database.sql, { ...REFUSAL, waitSeconds: 60 }, 15)).toMatchObject({ perSecond: 0 })
  expect(await takeCalls(database.sql, 10)).toMatchObject({ calls: 0, nextInSeconds: expect.closeTo(60, -1) })
  await said('1 day')
  expect(await endBusy(database.sql)).not.toBeNull()
})

test('a call that nothing was sent with may leave later, and no more than one at once', async () => {
  await said('-10 seconds')
  await database.sql`
    update shop_update.shop_pace set per_second = 0.001, wait_until = 'epoch', spent_until = 'epoch'`
  const take = async () => (await takeCalls(database.sql, 10)).calls
  expect([await take(), await take()]).toEqual([1, 0])
  await giveCallsBack(database.sql, 1)
  expect([await take(), await take()]).toEqual([1, 0])
  await giveCallsBack(database.sql, 100)
  expect([await take(), await take()]).toEqual([1, 0])
})

test('what is given back after another "wait" is lost', async () => {
  await said('-10 seconds')
  expect(await takeCalls(database.sql, 10)).toMatchObject({ calls: 10 })
  await slowDown(database.sql, { ...REFUSAL, waitSeconds: 60 }, 15)
  const before = await database.sql`select * from shop_update.shop_pace`
  await giveCallsBack(database.sql, 10)
  expect(await database.sql`select * from shop_update.shop_pace`).toEqual(before)
})

test('a "wait" on a quiet queue does not stop it: what the Shop takes is not known', async () => {
  await database.sql`update shop_update.shop_pace set busy_since = null`
  expect(await slowDown(database.sql, { ...REFUSAL, perSecond: 0 }, 15)).toMatchObject({ began: true })
  const [row] = await database.sql`select per_second as "perSecond" from shop_update.shop_pace`
  expect(row).toEqual({ perSecond: 5 })
})
