import { afterAll, beforeAll, expect, test } from 'vitest'
import { claim } from '../../worker/queue/claim.ts'
import { enterWorker } from '../../worker/queue/worker-row.ts'
import { createDatabase, type Database } from '../database.ts'
import { addSet } from '../scene.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.drop())

test.each(['a full', 'a quick'])('%s claim takes nothing of what is paused, and tells of all else', async (kind) => {
  const { sql } = database
  await sql`delete from shop_update.item`
  await sql`delete from shop_update.set_lane`
  const worker = await enterWorker(sql, kind, 'synchronous')
  const enqueue = async (topic: string, product: string) =>
    (await sql<{ id: string }[]>`select shop_update.enqueue(${topic}, ${product}::bigint) as id`)[0]!.id
  const paused = await addSet(sql, { seller: `paused, ${kind}`, products: 2 })
  const awake = await addSet(sql, { seller: `awake, ${kind}`, products: 2 })
  const other = await addSet(sql, { seller: `another, ${kind}` })
  const his = await enqueue('content', paused.productIds[0]!)
  const price = await enqueue('price', awake.productIds[0]!)
  const content = await enqueue('content', awake.productIds[1]!)
  const status = await enqueue('status', other.productIds[0]!)
  const quick =
    kind === 'a full'
      ? null
      : { since: '-infinity', marks: new Map([[paused.sellerId, '-infinity']]), turns: [his, price] }
  const what = { topics: ['price' as const], sellerIds: [paused.sellerId] }

  const first = await claim(sql, worker, 10, '0', quick, true, what)
  expect(first.items.map(({ id }) => id).toSorted()).toEqual([content, status].toSorted())
  expect(first).toMatchObject({ passedOver: false, again: [] })
  const lanes = await sql`select id, lane from shop_update.item where id = any (${[his, price]}::bigint[]) order by id`
  expect(lanes).toEqual([
    { id: his, lane: 'ready' },
    { id: price, lane: 'paused' },
  ])
  const second = await claim(sql, worker, 10, '0', quick, true, what)
  expect(second).toMatchObject({ items: [], candidates: 0, all: true, next: '0', again: [] })
  // once nothing is paused, what was his is found, in the same place
  const third = await claim(sql, worker, 10, '0', null, true)
  expect(third.items.map(({ id }) => id)).toEqual([his])
})

test('a claim filled with what is paused goes on, and ends', async () => {
  const { sql } = database
  await sql`delete from shop_update.item`
  await sql`delete from shop_update.set_lane`
  const worker = await enterWorker(sql, 'filled', 'synchronous')
  const { productIds } = await addSet(sql, { seller: 'filled', products: 12 })
  for (const product of productIds) await sql`select shop_update.enqueue('price', ${product}::bigint)`
  const [last] = await sql<{ id: string }[]>`select shop_update.enqueue('content', ${productIds[0]!}::bigint) as id`
  const what = { topics: ['price' as const], sellerIds: [] }
  let claims = 0
  const taken: string[] = []
  for (let all = false; !all; claims++) {
    const claimed = await claim(sql, worker, 5, '0', null, false, what)
    taken.push(...claimed.items.map(({ id }) => id))
    all = claimed.all
    if (claims > 5) throw new Error('It does not end.')
  }
  expect(taken).toEqual([last!.id])
  expect(claims).toBe(3)
})
