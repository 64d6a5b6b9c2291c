import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createDatabase, type Database } from '../database.ts'
import { workerEnv } from '../worker-process.ts'

let database: Database
beforeEach(async () => {
  database = await createDatabase({ migrated: false })
})
afterEach(() => database.drop())

const ROOT = join(import.meta.dirname, '../..')
const FILES = readdirSync(join(ROOT, 'sql/migrations')).sort()

/** `npm run migrate` or the worker, until it ends. */
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
const applied = async () => {
  const rows = await database.sql<{ name: string }[]>`select name from shop_update.migration where version > 0 order by version`
  return rows.map(({ name }) => name)
}
/** Every table, type and function there is, other than PostgreSQL's own. */
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

test('a migration that fails half-way leaves nothing behind; when the cause is gone, it works', async () => {
  await database.sql`create schema shop_update`
  await database.sql`create table shop_update.item (id int)`
  expect(await run('migrate')).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('"item" already exists') })
  expect(await objects()).toEqual(['shop_update.item'])
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

test.each(['migrate', 'main'] as const)('%s on a database that is newer than the code: one sentence', async (entry) => {
  await run('migrate')
  await database.sql`insert into shop_update.migration (version, name, digest) values (9999, '9999_later.sql', 'x')`
  const before = await objects()
  const sentence =
    'The database has the migration 9999_later.sql, which this version of Shop Update does not know: it is newer than the code.\n'
  expect(await run(entry)).toEqual({ code: 1, stdout: '', stderr: sentence })
  expect(await objects()).toEqual(before)
})

test.each(['migrate', 'main'] as const)('%s tells a migration that was edited after it had been applied', async (entry) => {
  await run('migrate')
  await database.sql`update shop_update.migration set digest = 'edited' where version = 2`
  const sentence = 'The migration 0002_queue.sql has been changed since it was applied; changes need a new file.\n'
  expect(await run(entry)).toEqual({ code: 1, stdout: '', stderr: sentence })
})
