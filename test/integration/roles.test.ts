import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { createDatabase, type Database } from '../database.ts'
import { addSet } from '../scene.ts'

let database: Database
let worker: Sql
beforeAll(async () => {
  database = await createDatabase()
  // and once more, as with the next version: existing objects have rights already
  await database.sql`update shop_update.migration set digest = 'older' where version = 0`
  await migrate(database.sql)
  worker = connect(database.workerUrl, { max: 1, name: 'test' })
})
afterAll(async () => {
  await worker.end({ timeout: 5 })
  await database.drop()
})

const ALL = ['select', 'insert', 'update', 'delete'] as const
const ADDED_TO = ['select', 'insert']
const READ = ['select']
const NOTHING: string[] = []

/** What a worker may do with each table, and what a dashboard reads: a new table needs its line here. */
const DECIDED: Record<string, [worker: readonly string[], reader: readonly string[]]> = {
  'catalog.seller': [READ, READ],
  'catalog.product_set': [READ, READ],
  'catalog.product': [READ, READ],
  'catalog.product_image': [READ, READ],
  'shop_update.item': [ALL, READ],
  'shop_update.set_lane': [ALL, READ],
  'shop_update.worker': [ALL, READ],
  'shop_update.leader': [ALL, READ],
  'shop_update.request': [ADDED_TO, READ],
  'shop_update.answer': [ADDED_TO, READ],
  'shop_update.finished_item': [ADDED_TO, READ],
  'shop_update.callback': [ADDED_TO, READ],
  'shop_update.delta': [ALL, READ],
  'shop_update.folded': [ALL, READ],
  'shop_update.status_count': [ALL, READ],
  'shop_update.kpi_hour': [ALL, READ],
  'shop_update.call_slot': [ALL, READ],
  'shop_update.call_hour': [ALL, READ],
  'shop_update.queue_snapshot': [ALL, READ],
  'shop_update.queue_snapshot_count': [ALL, READ],
  'shop_update.catalog_change': [ALL, READ],
  'shop_update.owed_change': [ALL, READ],
  'shop_update.owed_release': [ALL, READ],
  'shop_update.shop_pace': [ALL, READ],
  'shop_update.pause': [ALL, READ],
  'shop_update.cause': [ALL, READ],
  'shop_update.cause_count': [ALL, READ],
  'shop_update.cause_hour': [ALL, READ],
  'shop_update.incident': [ALL, READ],
  'shop_update.refused_callback': [ALL, READ],
  'shop_update.touched': [ALL, READ],
  'shop_update.feedback': [ALL, READ],
  'shop_update.feedback_head': [ALL, READ],
  'shop_update.setting': [ALL, READ],
  'shop_update.migration': [READ, READ],
  'shop_update.step': [ADDED_TO, READ],
  'shop_update.system_credential': [ALL, NOTHING],
  'shop_update.callback_key': [ALL, NOTHING],
  'shop_update.audit': [ADDED_TO, NOTHING],
  'shop_update.run': [ALL, NOTHING],
  'shop_update.run_item': [ALL, NOTHING],
  'shop_update.run_refused': [ALL, NOTHING],
  'shop_update.last_callback': [ALL, READ],
  'shop_update.usual_answer': [ALL, READ],
}

test('each table: what a worker may do, and what a reader', async () => {
  const rows = await database.sql<{ name: string; worker: string[]; reader: string[]; more: boolean }[]>`
    select c.oid::regclass::text as name,
      array(select p from unnest(${[...ALL]}::text[]) p
        where has_table_privilege('shop_update_worker', c.oid, p)) as worker,
      array(select p from unnest(${[...ALL]}::text[]) p
        where has_table_privilege('shop_update_read', c.oid, p)) as reader,
      has_table_privilege('shop_update_worker', c.oid, 'truncate, references, trigger, maintain')
        or has_table_privilege('shop_update_read', c.oid, 'truncate, references, trigger, maintain')
        or has_any_column_privilege('shop_update_enqueue', c.oid, 'select, insert, update')
          or has_table_privilege('shop_update_enqueue', c.oid, 'delete')
        as more
    from pg_class c where c.relnamespace in ('shop_update'::regnamespace, 'catalog'::regnamespace)
      and c.relkind in ('r', 'p') and not c.relispartition`
  expect(Object.fromEntries(rows.map((row) => [row.name, [row.worker, row.reader]]))).toEqual(DECIDED)
  expect(rows.filter(({ more }) => more)).toEqual([])
})

test('no partition can be written to past its table', async () => {
  const rows = await database.sql<{ name: string; may: boolean }[]>`
    select c.oid::regclass::text as name,
      has_table_privilege('shop_update_worker', c.oid, 'insert, update, delete, truncate') as may
    from pg_class c where c.relnamespace = 'shop_update'::regnamespace and c.relispartition and c.relkind = 'r'`
  expect(rows.length).toBeGreaterThan(50)
  expect(rows.filter(({ may }) => may)).toEqual([])
})

test('what runs as the owner is for the worker alone, and names its schemas', async () => {
  const rows = await database.sql<{ name: string; anybody: boolean; worker: boolean; path: boolean }[]>`
    select p.oid::regprocedure::text as name, has_function_privilege('shop_update_read', p.oid, 'execute') as anybody,
      has_function_privilege('shop_update_worker', p.oid, 'execute') as worker,
      p.proconfig && array['search_path=pg_catalog, pg_temp', 'search_path=""'] as path
    from pg_proc p where p.pronamespace = 'shop_update'::regnamespace and p.prosecdef`
  expect(rows).toEqual(rows.map(({ name }) => ({ name, anybody: false, worker: true, path: true })))
  expect(rows.map(({ name }) => name)).toContain('shop_update.partition_days(integer,integer)')
})

test('whoever queues needs shop_update_enqueue, and does nothing else with it', async () => {
  const { productIds } = await addSet(database.sql)
  await database.sql.begin(async (tx) => {
    await tx`set local role shop_update_enqueue`
    const [row] = await tx<{ id: string }[]>`select shop_update.enqueue('price', ${productIds[0]!}::bigint) as id`
    expect(await tx`select shop_update.enqueue('price', ${productIds[0]!}::bigint) as id`).toEqual([row])
  })
  const others = await database.sql<{ name: string }[]>`
    select p.oid::regprocedure::text as name from pg_proc p
    where p.pronamespace = 'shop_update'::regnamespace and p.prosecdef
      and has_function_privilege('shop_update_enqueue', p.oid, 'execute')`
  expect(others.map(({ name }) => name)).toEqual(['shop_update.enqueue_item(text,bigint,bigint)'])
})

test.each([
  "update shop_update.audit set actor = 'somebody else'",
  'delete from shop_update.audit',
  'truncate shop_update.audit',
  "update shop_update.step set actor = 'somebody else'",
  'delete from shop_update.step',
  'drop table shop_update.step',
  'update shop_update.request set claimed_at = now()',
  'update shop_update.answer set done_at = now()',
  "update shop_update.callback set body = '{}'",
  'delete from shop_update.callback',
  'delete from shop_update.finished_item',
  `delete from shop_update.step_${new Date().toISOString().slice(0, 10).replaceAll('-', '')}`,
  'alter table shop_update.item disable trigger all',
  'create table shop_update.mine (id int)',
  'create function shop_update.mine() returns int language sql as $$ select 1 $$',
  "update shop_update.migration set digest = ''",
  'update catalog.product set price = 0',
  "insert into catalog.seller (name) values ('x')",
  'delete from catalog.product',
  'create role other',
  'alter role worker superuser',
  "copy shop_update.item to program 'cat'",
  "select pg_read_file('postgresql.conf')",
])('a worker may not: %s', async (statement) => {
  await expect(worker.unsafe(statement)).rejects.toMatchObject({ code: '42501' })
})

test('a table that comes later is not forgotten', async () => {
  await database.sql`create table shop_update.later (id int)`
  expect(await worker`select * from shop_update.later`).toEqual([])
  await database.sql`drop table shop_update.later`
})
