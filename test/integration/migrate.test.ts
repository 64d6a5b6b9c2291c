import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { checkSchema, migrate } from '../../worker/migrate.ts'
import { createDatabase, type Database } from '../database.ts'
import { addSet } from '../scene.ts'
import { workerEnv } from '../worker-process.ts'

let database: Database
beforeEach(async () => {
  database = await createDatabase({ migrated: false })
})
afterEach(() => database.drop())

const ROOT = join(import.meta.dirname, '../..')
const FILES = readdirSync(join(ROOT, 'sql/migrations')).sort()

/** Runs `npm run migrate` or the worker until it exits. */
const run = (entry: 'migrate' | 'main') =>
  new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, 'worker', `${entry}.ts`)],
      {
        env: { PATH: process.env.PATH, ...workerEnv(database.url, 'http://127.0.0.1:9') },
        timeout: 20_000,
        killSignal: 'SIGKILL',
      },
      (error, stdout, stderr) => resolve({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr }),
    )
  })
/** The folder `sql` with more migrations, as in a later version. */
async function later(migrations: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'shop-update-sql-'))
  folders.push(folder)
  await cp(join(ROOT, 'sql'), folder, { recursive: true })
  for (const [name, text] of Object.entries(migrations)) await writeFile(join(folder, 'migrations', name), text)
  return folder
}
const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))))
const applied = async () => {
  const rows = await database.sql<
    { name: string }[]
  >`select name from shop_update.migration where version > 0 order by version`
  return rows.map(({ name }) => name)
}
/** Every table, type and function except PostgreSQL's own. */
const objects = async () => {
  const rows = await database.sql<{ name: string }[]>`
    select n.nspname || '.' || o.name as name from pg_namespace n join (
      select relnamespace as n, relname as name from pg_class union all
      select typnamespace, typname from pg_type where typtype = 'e' union all
      select pronamespace, proname from pg_proc) o on o.n = n.oid
    where n.nspname in ('shop_update', 'catalog') order by 1`
  return rows.map(({ name }) => name)
}

test('four at once on an empty database: all succeed, the schema is there once', async () => {
  const four = await Promise.all(['migrate', 'migrate', 'migrate', 'migrate'].map(() => run('migrate')))
  expect(four.map(({ code, stderr }) => [code, stderr])).toEqual(four.map(() => [0, '']))
  expect(four.map(({ stdout }) => stdout).sort()).toEqual([
    `Applied ${[...FILES, 'functions and views'].join(', ')}.\n`,
    ...Array(3).fill('The database is up to date.\n'),
  ])
  expect(await applied()).toEqual(FILES)
  const before = await objects()
  expect(before).toContain('shop_update.item')
  expect(await run('migrate')).toMatchObject({ code: 0, stdout: 'The database is up to date.\n' })
  expect(await objects()).toEqual(before)
})

test('a migration that fails half-way leaves nothing of itself behind; when the cause is gone, it works', async () => {
  await database.sql`create schema shop_update`
  await database.sql`create table shop_update.item (id int)`
  expect(await run('migrate')).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('"item" already exists'),
  })
  expect((await objects()).filter((name) => name.startsWith('shop_update.'))).toEqual([
    ...['shop_update.item', 'shop_update.migration', 'shop_update.migration_pkey'],
  ])
  expect(await applied()).toEqual(['0001_catalog.sql'])
  await database.sql`drop table shop_update.item`
  expect(await run('migrate')).toMatchObject({ code: 0, stderr: '' })
  expect(await applied()).toEqual(FILES)
})

test('functions and views that were changed are replaced, and only they', async () => {
  await run('migrate')
  await database.sql`update shop_update.migration set digest = 'older' where version = 0`
  expect(await run('migrate')).toMatchObject({ code: 0, stdout: 'Applied functions and views.\n', stderr: '' })
  expect(await run('migrate')).toMatchObject({ code: 0, stdout: 'The database is up to date.\n' })
})

test('the worker on an empty database: one sentence that names npm run migrate', async () => {
  const sentence = 'The database has no Shop Update schema yet: run "npm run migrate".\n'
  expect(await run('main')).toEqual({ code: 1, stdout: '', stderr: sentence })
  expect(await objects()).toEqual([])
})

test('the worker on a database that lacks a migration: one sentence that names both', async () => {
  await run('migrate')
  await database.sql`delete from shop_update.migration where version = 2`
  expect(await run('main')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'The database lacks the migration 0002_queue.sql: run "npm run migrate".\n',
  })
})

test.each(['migrate', 'main'] as const)(
  '%s on a database that is newer and not for this code: one sentence',
  async (entry) => {
    await run('migrate')
    await database.sql`
      insert into shop_update.migration (version, name, digest, oldest) values (9999, '9999_later.sql', 'x', 9998)`
    const before = await objects()
    const sentence =
      'The database has the migration 9999_later.sql, which this version of Shop Update does not know: ' +
      'it is newer than the code.\n'
    expect(await run(entry)).toEqual({ code: 1, stdout: '', stderr: sentence })
    expect(await objects()).toEqual(before)
  },
)

test.each(['migrate', 'main'] as const)(
  '%s tells a migration that was edited after it had been applied',
  async (entry) => {
    await run('migrate')
    await database.sql`update shop_update.migration set digest = 'edited' where version = 2`
    const sentence = 'The migration 0002_queue.sql has been changed since it was applied; changes need a new file.\n'
    expect(await run(entry)).toEqual({ code: 1, stdout: '', stderr: sentence })
  },
)

test('a migration takes away what older code needs only if it says so: else that goes on, and says it', async () => {
  await migrate(database.sql, {
    folder: await later({ '9998_more.sql': 'alter table shop_update.item add column more int;' }),
  })
  expect(await checkSchema(database.sql)).toMatch(/newer version \(9998_more\.sql\); this one goes on beside it\.$/)
  expect(await migrate(database.sql)).toEqual([]) // and it does not revert functions of the newer version
  const told = await migrate(database.sql, { folder: await later({ '9999_less.sql': '-- contract 0002\nselect 1;' }) })
  expect(told).toEqual(['9999_less.sql'])
  expect(await checkSchema(database.sql)).toMatch(/9998_more\.sql, 9999_less\.sql/)
  await database.sql`update shop_update.migration set oldest = 9998 where version = 9999`
  await expect(checkSchema(database.sql)).rejects.toThrow(
    /the migration 9999_less\.sql, which .* it is newer than the code\.$/,
  )
})

test('functions and views of a newer version: the one before goes on beside them, the next replaces them', async () => {
  await migrate(database.sql)
  const folder = await later({})
  await writeFile(join(folder, 'views', 'zzz.sql'), 'create or replace view shop_update.zzz as select 1 as one;')
  expect(await migrate(database.sql, { folder })).toEqual(['functions and views'])
  expect(await checkSchema(database.sql)).toMatch(/^The database has the functions and views of a newer version/)
  expect(await migrate(database.sql)).toEqual([])
  await database.sql`update shop_update.migration set former = null where version = 0`
  await expect(checkSchema(database.sql)).rejects.toThrow(/run "npm run migrate"\.$/)
})

test('while somebody reads for long what is changed, who queues gets through; it goes on afterwards', async () => {
  const { sql } = database
  await migrate(sql)
  const { productIds } = await addSet(sql)
  const folder = await later({
    '9998_more.sql': 'alter table shop_update.item add column more int;',
    '9999_index.sql': '-- no transaction\ncreate index concurrently item_more on shop_update.item (more);',
  })
  await sql`update shop_update.migration set digest = 'older' where version = 0`
  const reader = await sql.reserve()
  await reader`begin`
  await reader`select * from shop_update.queue`
  const told = Promise.withResolvers<string>()
  const upgrade = migrate(sql, { folder, tell: told.resolve })
  let queued = 0
  let reading = true
  const seller = (async () => {
    while (reading || queued === 0) {
      await sql`select shop_update.enqueue('price', product_id => ${productIds[0]!}::bigint)`
      queued += 1
    }
  })()
  expect(await told.promise).toBe('Waiting to apply 9998_more.sql: somebody has its tables in use.')
  // it waits behind each try, and gets through between them
  const before = queued
  await expect.poll(() => queued).toBeGreaterThan(before + 3)
  await reader`commit`
  reader.release()
  expect(await upgrade).toEqual(['9998_more.sql', '9999_index.sql', 'functions and views'])
  reading = false
  await seller
})

test('while one of the files has to wait, whoever reads, works or queues has what those before have made', async () => {
  const { sql } = database
  await migrate(sql)
  // including its grants
  await sql`drop function shop_update.partition_days, shop_update.mend_statistics, shop_update.enqueue_item`
  // After the views, and before the final grants to the roles.
  const folder = await later({})
  await writeFile(join(folder, 'views', 'r.sql'), 'select pg_advisory_xact_lock(4711);')
  const holder = await sql.reserve()
  await holder`select pg_advisory_lock(4711)`
  const told = Promise.withResolvers<string>()
  const upgrade = migrate(sql, { folder, tell: told.resolve })
  expect(await told.promise).toBe('Waiting to apply r.sql: somebody has its tables in use.')
  const views = await sql<{ name: string; reader: boolean; worker: boolean }[]>`
    select relname as name, has_table_privilege('shop_update_read', oid, 'select') as reader,
      has_table_privilege('shop_update_worker', oid, 'select') as worker
    from pg_class where relnamespace = 'shop_update'::regnamespace and relkind = 'v'`
  expect(views.map(({ name }) => name)).toContain('queue')
  expect(views).toEqual(views.map(({ name }) => ({ name, reader: true, worker: true })))
  await sql.begin(async (tx) => {
    await tx`set local role shop_update_worker`
    expect(await tx`select shop_update.partition_days(15, 36500) as dropped`).toEqual([{ dropped: 0 }])
    await tx`select shop_update.mend_statistics()`
  })
  expect(
    await sql`
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = 'shop_update'::regnamespace and p.prosecdef
      and has_function_privilege('shop_update_read', p.oid, 'execute')`,
  ).toEqual([])
  await holder`select pg_advisory_unlock(4711)`
  holder.release()
  expect(await upgrade).toEqual(['functions and views'])
})

test('somebody who never lets go: a sentence, and nothing of that file is there', async () => {
  const { sql } = database
  await migrate(sql)
  const reader = await sql.reserve()
  await reader`begin`
  await reader`select from shop_update.item`
  const folder = await later({
    '9998_more.sql': 'create table shop_update.more (); alter table shop_update.item add column more int;',
  })
  await expect(migrate(sql, { folder, patienceMs: 1000 })).rejects.toThrow(
    /^9998_more\.sql could not be applied: others have had its tables/,
  )
  await reader`commit`
  reader.release()
  expect(await objects()).not.toContain('shop_update.more')
  expect(await migrate(sql, { folder })).toEqual(['9998_more.sql', 'functions and views'])
})

test('an index that a run before left half-built is built anew, and what it had finished is passed over', async () => {
  const { sql } = database
  await migrate(sql)
  await addSet(sql, { products: 2 })
  const folder = await later({
    '9999_index.sql': `-- no transaction
      -- two; the second cannot be built yet
      create index concurrently first_title on catalog.product (title);
      create unique index concurrently one_price on catalog.product (price);`,
  })
  await expect(migrate(sql, { folder })).rejects.toThrow('one_price')
  const valid = async () =>
    Object.fromEntries(
      (
        await sql<{ name: string; valid: boolean }[]>`
          select relname as name, indisvalid as valid from pg_index join pg_class on oid = indexrelid
          where relname in ('first_title', 'one_price')`
      ).map(({ name, valid }) => [name, valid]),
    )
  expect(await valid()).toEqual({ first_title: true, one_price: false })
  const finished = async () => [...(await sql`select 'catalog.first_title'::regclass::oid`)]
  const before = await finished()
  await sql`update catalog.product set price = id`
  expect(await migrate(sql, { folder })).toEqual(['9999_index.sql', 'functions and views'])
  expect(await valid()).toEqual({ first_title: true, one_price: true })
  expect(await finished()).toEqual(before)
})
