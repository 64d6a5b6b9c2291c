import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, type Sql } from '../../worker/database/database.ts'
import { creates, TOPIC_NAMES } from '../../worker/domain/topics.ts'
import { createDatabase, type Database } from '../database.ts'

let database: Database
let worker: Sql
beforeAll(async () => {
  database = await createDatabase()
  worker = connect(database.workerUrl, { max: 1, name: 'test', byIndex: true })
})
afterAll(async () => {
  await worker.end({ timeout: 5 })
  await database.drop()
})

/** What PostgreSQL makes of a statement, for a worker. */
async function planOf(statement: string): Promise<string> {
  const rows = await worker.unsafe<{ 'QUERY PLAN': string }[]>(`explain (verbose, costs off) ${statement}`)
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}

const RULES = (await readFile(join(import.meta.dirname, '../../sql/functions/rules.sql'), 'utf8')).matchAll(
  /^create or replace function (shop_update\.\w+)\(/gm,
)

/** A call of each rule over columns of `i`, and of `o`, another item. */
const CALLS: Record<string, string> = {
  'shop_update.creates': 'shop_update.creates(i.topic)',
  'shop_update.later': 'shop_update.later(i.status_at), shop_update.later(i.status_at, o.queued_at)',
  'shop_update.micros': 'shop_update.micros(i.status_at)',
}

test.each([...RULES].map(([, name = '']) => name))('%s leaves nothing of itself in a plan', async (name) => {
  expect(CALLS).toHaveProperty([name])
  const plan = await planOf(`select ${CALLS[name]} from shop_update.item i cross join shop_update.item o`)
  expect(plan).toContain('Output: ')
  expect(plan).not.toContain(`${name.replace('shop_update.', '')}(`)
})

test('the topics that create are those of the worker', async () => {
  const rows = await worker<{ topic: string; creates: boolean }[]>`
    select topic, shop_update.creates(topic) as creates
    from unnest(enum_range(null::shop_update.topic)) topic`
  expect(Object.fromEntries(rows.map(({ topic, creates }) => [topic, creates]))).toEqual(
    Object.fromEntries(TOPIC_NAMES.map((topic) => [topic, creates(topic)])),
  )
})

test('whose turn it is is found in the order of an index', async () => {
  const plan = await planOf(`
    select from shop_update.item b where b.lane = 'behind' and b.product_set_id = 1
    order by shop_update.creates(b.topic) desc, b.id limit 1`)
  expect(plan).toContain('using item_behind on')
  expect(plan).not.toMatch(/Sort|Filter/)
})
