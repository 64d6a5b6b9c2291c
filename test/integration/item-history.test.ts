import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, type Sql, transaction } from '../../worker/database/database.ts'
import { readCalls, readTransitions } from '../../worker/read/item-history.ts'
import { createDatabase, type Database } from '../database.ts'
import { PATHS } from '../paths.ts'

const DAYS = 40
const A_DAY = 1000
const DAY_MS = 86_400_000

let database: Database
/** As the API reads. */
let read: Sql
beforeAll(async () => {
  database = await createDatabase()
  read = connect(database.workerUrl, { max: 1, name: 'test', byValues: true })
  await fill(database.sql)
})
afterAll(async () => {
  await read?.end({ timeout: 5 })
  await database?.drop()
})

/** Of each of so many days: items, item `1` the oldest, each with a request, an acknowledgment and a callback. */
const fill = (sql: Sql) =>
  sql.begin(async (tx) => {
    await tx`set local timezone = 'UTC'`
    await tx.unsafe(`
      do $$
      declare
        parent text;
        day date;
      begin
        foreach parent in array array['step', 'request', 'answer', 'finished_item', 'callback'] loop
          for day in select generate_series(current_date - ${DAYS}, current_date - 2, interval '1 day')::date loop
            execute format('create table shop_update.%I partition of shop_update.%I for values from (%L) to (%L)',
              parent || '_' || to_char(day, 'YYYYMMDD'), parent, day, day + 1);
          end loop;
        end loop;
      end $$;
      create temp table old as
        select g as id, current_date - ${DAYS} + (g - 1) * interval '1 day' / ${A_DAY} as at
        from generate_series(1, ${DAYS * A_DAY}) g;
      insert into shop_update.finished_item (
        id, seller_id, product_set_id, queued_at, finished_at, sends, failures, coalesced, topic, status)
      select id, 1, id, at, at + interval '5 s', 1, 0, 0, 'price', 'synced' from old;
      insert into shop_update.request (
        request_id, item_id, sent_at, flow, body, claimed_at, claimed_from, claimed_seconds, built_at)
      select id, id, at + interval '2 s', 'asynchronous', '{}', at + interval '1 s', 'pending', 1, at + interval '2 s'
      from old;
      insert into shop_update.answer (
        request_id, item_id, answered_at, milliseconds, http_status, outcome, made_seconds, done_at, done_to)
      select id, id, at + interval '3 s', 1000, 200, 'acknowledged', 1, at + interval '3 s', 'got_acknowledgment'
      from old;
      insert into shop_update.callback (
        received_at, applied_at, request_id, item_id, outcome, digest, body, taken_at, taken_from, taken_seconds,
        payload_at, processing_at, done_at, done_to)
      select at + interval '4 s', at + interval '5 s', id, id, 'accepted', '', '{}', at + interval '4 s',
        'got_acknowledgment', 1, at + interval '4 s', at + interval '4 s', at + interval '5 s', 'synced'
      from old;`)
    await tx`analyze`
  })

/** The tables that reading an item's timeline and calls has opened, and whether it has read them from end to end. */
async function readingOf(itemId: string) {
  const [{ queuedAt }] = await database.sql<[{ queuedAt: Date }]>`
    select queued_at as "queuedAt" from shop_update.finished_item where id = ${itemId}::bigint`
  return transaction(read, async (tx) => {
    const steps = await readTransitions(tx, itemId, queuedAt)
    expect(await readCalls(tx, itemId, queuedAt)).toHaveLength(1)
    const opened = await tx<{ name: string; wholly: boolean }[]>`
      select c.relname as name, s.seq_scan > 0 and c.reltuples > 0 as wholly
      from pg_locks l
      join pg_class c on c.oid = l.relation and c.relispartition and c.relkind = 'r'
      join pg_stat_xact_all_tables s on s.relid = c.oid
      where l.pid = pg_backend_pid()`
    return { queuedAt, steps, opened }
  })
}

test('a timeline is read in the days since the item was queued alone', async () => {
  const { queuedAt, steps, opened } = await readingOf(String((DAYS - 2) * A_DAY))
  expect(steps.map(({ to }) => to)).toEqual(PATHS.asynchronous)
  const dayBefore = new Date(queuedAt.getTime() - DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')
  const days = [...new Set(opened.map(({ name }) => name.slice(-8)))].sort()
  expect(days[0]).toBe(dayBefore)
})

test('that of an item from the first days of the history is read by index', async () => {
  const { steps, opened } = await readingOf('1')
  expect(steps.map(({ to }) => to)).toEqual(PATHS.asynchronous)
  expect(opened.filter(({ wholly }) => wholly)).toEqual([])
})

test('an id that two requests have, as after a restored dump: a callback stays with its item', async () => {
  await database.sql`
    insert into shop_update.request (request_id, item_id, sent_at, flow, body)
    select request_id, item_id + 1, sent_at, flow, body from shop_update.request where item_id = 1`
  const steps = await readTransitions(read, '2', new Date(0))
  expect(steps.map(({ to }) => to)).toEqual(PATHS.asynchronous)
})
