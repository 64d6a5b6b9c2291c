import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { connect, type Sql } from '../../worker/database/database.ts'
import { answersWithin } from '../../worker/domain/seller-answer.ts'
import type { Topic } from '../../worker/domain/topics.ts'
import { acknowledgedCalls, measureAnswers } from '../../worker/queue/usual-answers.ts'
import { createDatabase, type Database } from '../database.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

const measured = (sql: Sql) => sql<{ topic: Topic; seconds: number }[]>`
  select topic, seconds::float8 from shop_update.usual_answer order by topic`

test('what is usual is measured by the leader and told to the seller, from twenty calls on', async () => {
  const scene: Scene = await startScene({ settings: { default: { callbackDelayMs: 1500 } } })
  try {
    const { sql } = scene
    await sql`update shop_update.setting set value = '"asynchronous"' where key = 'shop_update/flow'`
    await expect.poll(() => sql`select from shop_update.worker where flow = 'asynchronous'`).toHaveLength(1)
    const { productIds } = await addSet(sql, { products: 20 })
    const change = async (product: string) => scene.enqueue('price', { product })
    const answered = await Promise.all(productIds.slice(0, 18).map(change))
    await Promise.all(answered.map((id) => scene.untilStatus(id, 'synced')))
    await scene.control('/troubles', { method: 'PUT', body: { default: { noCallback: 100 } } })
    const open = await change(productIds[19]!)
    await scene.untilStatus(open, 'got_acknowledgment')
    const told = async () =>
      (await scene.api<{ sellerAnswer: { text: string } }>(`/api/items/${open}`)).body.sellerAnswer.text
    await measureAnswers(sql)
    expect(await measured(sql)).toEqual([])
    expect(await told()).toContain('can come hours or even days later')

    await scene.control('/troubles', { method: 'PUT', body: { default: { callbackDelayMs: 1500 } } })
    await scene.untilStatus(await change(productIds[18]!), 'synced')
    await scene.worker.stop()
    // A leader begins with it and comes back to it after five minutes. So the youngest of just twenty calls must be
    // older than the slowest answer by then; once that is so it stays so.
    await expect.poll(() => measureAnswers(sql).then(() => measured(sql))).toHaveLength(1)
    await sql`delete from shop_update.usual_answer`
    scene.worker = await scene.startWorker()
    await expect.poll(() => measured(sql)).toHaveLength(1)
    const [price] = await measured(sql)
    expect(price!.topic).toBe('price')
    // The Shop waits 1.5 s; the acknowledgment, and on a busy machine the callback, is noted a little later.
    expect(price!.seconds).toBeGreaterThan(1)
    expect(price!.seconds).toBeLessThan(60)
    const within = answersWithin('price', price!.seconds)
    const since = (seconds: number) => sql`
      update shop_update.item set status_at = now() - ${seconds}::int * interval '1 second'
      where id = ${open}::bigint`
    await since(-60) // that moment is not over when it is asked for, however busy the machine is
    expect(await told()).toContain(`The Shop ${within}; until it has answered nothing is lost`)
    await since(61)
    expect(await told()).toContain(`The Shop ${within}, so this one takes longer than usual`)
    // what Seller Center keeps is read for days
    const fed = async () => {
      const { body } = await scene.api<{ products: { productId: string; text: string }[] }>('/api/feedback?limit=500')
      return body.products.find(({ productId }) => productId === productIds[19])?.text
    }
    await expect.poll(fed, { timeout: 30_000 }).toContain('can come hours or even days later')
    // nobody measures any more
    await sql`update shop_update.usual_answer set measured_at = now() - interval '2 hours'`
    expect(await told()).toContain('can come hours or even days later')
  } finally {
    await scene.stop()
  }
})

let database: Database
let sql: Sql
/** With the login and the settings of a leader. */
let leader: Sql
beforeAll(async () => {
  database = await createDatabase()
  sql = database.sql
  leader = connect(database.workerUrl, { max: 1, name: 'leader', lockTimeoutMs: 10_000, byIndex: true })
  for (const parent of ['request', 'answer', 'callback', 'finished_item'])
    await sql.unsafe(`do $$ begin
      execute format('create table shop_update.${parent}_old partition of shop_update.${parent}
        for values from (%L) to (%L)', current_date - 10, current_date - 1); end $$`)
})
afterAll(async () => {
  await leader.end({ timeout: 5 })
  await database.drop()
})
beforeEach(
  () => sql`truncate shop_update.request, shop_update.answer, shop_update.callback, shop_update.finished_item,
    shop_update.item, shop_update.usual_answer`,
)

interface Calls {
  topic?: Topic
  n: number
  minutesAgo?: number
  /** Of the callback, after the acknowledgment; null: none. */
  seconds?: number | null
  flow?: 'synchronous' | 'asynchronous'
  outcome?: string
  callback?: 'accepted' | 'late' | 'unknown'
  finished?: boolean
}
/** Calls of the past hours, as they are stored. */
const called = ({
  topic = 'price',
  n,
  minutesAgo = 60,
  seconds = 30,
  flow = 'asynchronous',
  outcome = 'acknowledged',
  callback = 'accepted',
  finished = true,
}: Calls) => sql`
  with new as materialized (
    select nextval('shop_update.request_id') as id, now() - ${minutesAgo}::int * interval '1 minute' as at,
      now() - ${minutesAgo}::int * interval '1 minute' + ${seconds}::int * interval '1 second' as back_at
    from generate_series(1, ${n}::int)
  ),
  requests as (
    insert into shop_update.request (request_id, item_id, sent_at, flow, body)
    select id, id, at, ${flow}::text::shop_update.flow, '[]' from new
  ),
  answers as (
    insert into shop_update.answer (request_id, item_id, answered_at, milliseconds, outcome)
    select id, id, at, 12, ${outcome} from new
  ),
  callbacks as (
    insert into shop_update.callback (request_id, item_id, received_at, applied_at, outcome, digest, body)
    select id::text, id, back_at, back_at, ${callback}, '', '[]' from new where back_at is not null
  ),
  finished as (
    insert into shop_update.finished_item (
      id, seller_id, product_set_id, queued_at, finished_at, sends, failures, coalesced, topic, status)
    select id, 1, 1, at, coalesce(back_at, at), 1, 0, 0, ${topic}::text::shop_update.topic, 'synced' from new
    where ${String(finished)} = 'true'
  )
  insert into shop_update.item (
    id, seller_id, product_set_id, queued_at, entered_at, status_at, run_at, topic, status, lane, fresh)
  overriding system value
  select id, 1, 1, at, at, at, at, ${topic}::text::shop_update.topic, 'got_acknowledgment', 'awaiting', false from new
  where ${String(finished)} = 'false'`

test.each<[string, Calls[], [Topic, number][]]>([
  [
    'each topic has its own',
    [{ n: 20 }, { n: 20, topic: 'images', seconds: 1800 }],
    [
      ['images', 1800],
      ['price', 30],
    ],
  ],
  ['too few', [{ n: 19 }], []],
  ['what nobody answered counts: 96 of 100', [{ n: 96 }, { n: 4, seconds: null, finished: false }], [['price', 30]]],
  ['94 of 100', [{ n: 94 }, { n: 6, seconds: null, finished: false }], []],
  ['also what an admin discarded meanwhile', [{ n: 94 }, { n: 6, seconds: null }], []],
  [
    'a pile that has just been sent says nothing',
    [{ n: 20 }, { n: 900, minutesAgo: 0, seconds: null }],
    [['price', 30]],
  ],
  [
    'what failed at once was not acknowledged',
    [{ n: 20 }, { n: 20, outcome: 'failure', seconds: null }],
    [['price', 30]],
  ],
  ['acknowledged in the other flow', [{ n: 20, flow: 'synchronous' }], [['price', 30]]],
  ['a late callback is an answer', [{ n: 20, callback: 'late' }], [['price', 30]]],
  ['one that nobody asked for is none', [{ n: 20, callback: 'unknown' }], []],
  ['longer than a week ago', [{ n: 100, minutesAgo: 9 * 1440 }], []],
])('%s', async (_, calls, expected) => {
  for (const each of calls) await called(each)
  await measureAnswers(leader)
  expect((await measured(sql)).map(({ topic, seconds }) => [topic, seconds])).toEqual(expected)
})

test('what is no longer known is no longer there', async () => {
  await called({ n: 20 })
  await measureAnswers(leader)
  expect(await measured(sql)).toHaveLength(1)
  await called({ n: 20, seconds: null })
  await measureAnswers(leader)
  expect(await measured(sql)).toEqual([])
})

test('the leader is not held up: what takes too long is broken off', async () => {
  const letGo = Promise.withResolvers<void>()
  const locked = Promise.withResolvers<void>()
  const holder = sql.begin(async (tx) => {
    await tx`lock table shop_update.request in access exclusive mode`
    locked.resolve()
    await letGo.promise
  })
  try {
    await locked.promise
    await expect(measureAnswers(leader)).rejects.toMatchObject({ code: '57014' })
  } finally {
    letGo.resolve()
    await holder
  }
  // and the next statements of that connection have the time that they had
  expect(await leader`show statement_timeout`).toEqual([{ statement_timeout: '1min' }])
})

interface Plan {
  'Node Type': string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Relation Name'?: string
  Plans?: Plan[]
}
/** How many rows of tables a plan has read. */
const readBy = (plan: Plan): number =>
  (plan['Relation Name'] ? (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'] : 0) +
  (plan.Plans ?? []).reduce((sum, each) => sum + readBy(each), 0)

test('it reads as many rows of a long history as of a short one', async () => {
  const rows = async () => {
    const query = acknowledgedCalls(leader)
    const { string } = await query.describe()
    const { parameters } = query as unknown as { parameters: number[] }
    await leader.unsafe(`prepare calls as ${string}`)
    try {
      const [explained] = await leader.unsafe<{ 'QUERY PLAN': [{ Plan: Plan }] }[]>(
        `explain (analyze, format json) execute calls (${parameters.join(', ')})`,
      )
      return readBy(explained!['QUERY PLAN'][0].Plan)
    } finally {
      await leader`deallocate calls`
    }
  }
  // `explain` with parameters would be planned with their values; the leader's plan is made without
  expect(await leader`show plan_cache_mode`).toEqual([{ plan_cache_mode: 'force_generic_plan' }])
  await called({ n: 10_000 })
  const before = await rows()
  expect(before).toBeGreaterThan(20_000)
  expect(before).toBeLessThan(40_000)
  for (let n = 0; n < 5; n++) await called({ n: 10_000, minutesAgo: 50 - n })
  expect(await rows()).toBeLessThan(1.1 * before)
})
