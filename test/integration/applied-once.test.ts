import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Sql } from '../../worker/database/database.ts'
import { applyCallbacks } from '../../worker/life/callbacks.ts'
import { createDatabase, type Database } from '../database.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.drop())

/** As another process would get between two statements: `meanwhile` is done just before the item is locked. */
const interrupted = (sql: Sql, meanwhile: () => Promise<unknown>): Sql =>
  new Proxy(sql, {
    get(target, name) {
      if (name !== 'begin') return Reflect.get(target, name)
      return (act: (tx: Sql) => Promise<unknown>) =>
        target.begin((tx) =>
          act(
            new Proxy(tx as unknown as Sql, {
              apply(query, self, args) {
                const statement = Reflect.apply(query, self, args)
                const text = Array.isArray(args[0]) ? args[0].join('') : ''
                return text.includes('for update skip locked') ? meanwhile().then(() => statement) : statement
              },
            }),
          ),
        )
    },
  })

test('a callback that another worker has applied between the look and the lock is not applied once more', async () => {
  const { sql } = database
  await sql`insert into catalog.seller (id, name) values (1, 'Seller')`
  await sql`insert into catalog.product_set (id, seller_id, src_id) values (1, 1, '7000001')`
  await sql`
    insert into catalog.product (id, product_set_id, seller_sku, shop_sku, src_id) values (1, 1, 'S', 'K', '9000001')`
  const [{ id }] = await sql<[{ id: string }]>`select shop_update.enqueue('price', product_id => 1::bigint) as id`
  await sql`
    update shop_update.item set status = 'got_acknowledgment', lane = 'awaiting', request_id = 100001, sends = 1,
      last_sent_at = now(), fresh = false`
  await sql`
    insert into shop_update.request (request_id, item_id, sent_at, flow, trace_id, body)
    values (100001, ${id}::bigint, now(), 'asynchronous', 'a', '{}')`
  await sql`
    insert into shop_update.callback (request_id, item_id, outcome, digest, body)
    values ('100001', ${id}::bigint, 'accepted', '\\x00', '[]')`
  const applied = () => sql`update shop_update.callback set applied_at = now()`
  const retry = () => ({ to: 'delayed', retryInSeconds: 60 }) as const
  const { stories } = await applyCallbacks(interrupted(sql, applied), 'UTC', '0', retry)
  expect(stories).toEqual([])
  expect(await sql`select status, lane from shop_update.item`).toEqual([
    { status: 'got_acknowledgment', lane: 'awaiting' },
  ])
  // Not applied by anybody, it is.
  await sql`update shop_update.callback set applied_at = null`
  expect((await applyCallbacks(sql, 'UTC', '0', retry)).stories).toHaveLength(1)
})
