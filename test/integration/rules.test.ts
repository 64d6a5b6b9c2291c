import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, type Sql } from '../../worker/database/database.ts'
import { ADMIN_RESOLVES, REASONS } from '../../worker/domain/reasons.ts'
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

/** A worker's query plan for a statement. */
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
  'shop_update.needs_admin': 'shop_update.needs_admin(i.reason)',
  'shop_update.keeps_waiting': 'shop_update.keeps_waiting(o.lane, o.reason, o.product_id, i.topic, i.product_id)',
  'shop_update.has_what_it_awaits':
    'shop_update.has_what_it_awaits(i.topic, i.reason, i.product_id, o.message, o.reason, i.message)',
  'shop_update.goes_before': 'shop_update.goes_before(o.lane, o.run_at, o.topic, o.id, i.topic, i.id)',
  'shop_update.in_force': 'shop_update.in_force(i.queued_at, i.run_at, i.fresh, i.failed_at)',
  'shop_update.cause_id': 'shop_update.cause_id(i.reason, o.reason, i.failures, i.message)',
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

test('the reasons that need an admin are those of the worker', async () => {
  const rows = await worker<{ reason: string }[]>`
    select reason from unnest(${[...REASONS]}::text[]) reason where shop_update.needs_admin(reason)`
  expect(rows.map(({ reason }) => reason)).toEqual(ADMIN_RESOLVES)
})

/** Creates of a set and of one product, in each place where a create rests. */
test.each([
  ['ready', null, false],
  ['delayed', 'failure', false],
  ['blocked', 'new_variation', false],
  ['blocked', 'unknown_outcome', true],
  ['awaiting', null, true],
])('a create that is %s (%s) may have made its products: %s', async (lane, reason, made) => {
  const rows = await worker<{ created: string | null; topic: string; product: string | null; waits: boolean }[]>`
    select created, topic, product, coalesce(
      shop_update.keeps_waiting(${lane}::text::shop_update.lane, ${reason}::text, created, topic, product),
      false) as waits
    from unnest(array[1, null]::bigint[]) created
    cross join unnest(array['price', 'new_product', 'new_product_set']::shop_update.topic[]) topic
    cross join unnest(array[1, 2, null]::bigint[]) product`
  expect(rows).toHaveLength(18)
  for (const { created, topic, product, waits } of rows) {
    const same = created === null || product === null || created === product
    expect({ created, topic, product, waits }).toEqual({
      ...{ created, topic, product },
      waits: topic === 'price' || (made && same),
    })
  }
})

test('whose turn it is is found in the order of an index', async () => {
  const plan = await planOf(`
    select from shop_update.item b where b.lane = 'behind' and b.product_set_id = 1
    order by shop_update.creates(b.topic) desc, b.id limit 1`)
  expect(plan).toContain('using item_behind on')
  expect(plan).not.toMatch(/Sort|Filter/)
})

test('who goes before is found in an index, and so is what needs an admin', async () => {
  const held = await planOf(`
    select from shop_update.item d, (select 1::bigint as id, 'price'::shop_update.topic as topic) i
    where d.product_set_id = 1 and shop_update.goes_before(d.lane, d.run_at, d.topic, d.id, i.topic, i.id)`)
  expect(held).toContain('using item_holding on')
  expect(held).toMatch(/Index Cond: .*product_set_id = .* AND .*topic = .* AND .*id < /)
  const blocked = await planOf(`
    select from shop_update.item i
    where i.lane = 'blocked' and shop_update.needs_admin(i.reason) and i.reason = 'unknown_outcome' limit 1`)
  expect(blocked).toContain('using item_to_resolve on')
})
