import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand, UsageError } from './command.ts'
import { readDatabaseUrl } from './config.ts'
import { connect, type Sql, transaction } from './queue/database.ts'

const SQL_FOLDER = join(import.meta.dirname, '..', 'sql')

export class SchemaError extends UsageError {}

interface SqlFile {
  version: number
  name: string
  text: string
}

async function sqlFiles(folder: string): Promise<{ name: string; text: string }[]> {
  const names = (await readdir(join(SQL_FOLDER, folder))).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(names.map(async (name) => ({ name, text: await readFile(join(SQL_FOLDER, folder, name), 'utf8') })))
}

/** The numbered files of `sql/migrations`, in order. */
async function migrations(): Promise<SqlFile[]> {
  return (await sqlFiles('migrations')).map((file) => ({ ...file, version: Number.parseInt(file.name, 10) }))
}

/**
 * Brings the database to the schema of this code: the numbered migrations that are missing, each with its row in
 * `shop_update.migration`, then functions and views, which are replaced as a whole. All of it is one transaction under one advisory lock:
 * of several workers that start at once one works and the others find it done, and whatever fails leaves nothing behind.
 *
 * @returns the names of the files that were applied
 * @throws SchemaError when the database is newer than this code, or a migration that was applied has been edited since
 */
export async function migrate(sql: Sql): Promise<string[]> {
  const numbered = await migrations()
  const replaced = await replacedFiles()
  return transaction(sql, async (tx) => {
    await tx`set local statement_timeout = 0`
    await tx`set local lock_timeout = 0`
    await tx`select pg_advisory_xact_lock(hashtext('shop_update.migrate'))`
    await tx`create schema if not exists shop_update`
    await tx`create table if not exists shop_update.migration (
      version int primary key, name text not null, digest text not null, applied_at timestamptz not null default now())`
    const applied = await tx<{ version: number; name: string; digest: string }[]>`select version, name, digest from shop_update.migration`
    checkVersions(applied, numbered)
    const done: string[] = []
    for (const file of numbered) {
      if (applied.some((row) => row.version === file.version)) continue
      await tx.unsafe(file.text)
      await tx`insert into shop_update.migration (version, name, digest) values (${file.version}, ${file.name}, ${digest(file.text)})`
      done.push(file.name)
    }
    const together = digestOf(replaced)
    // With a new table too: who may read it is said there.
    if (done.length > 0 || applied.find((row) => row.version === 0)?.digest !== together) {
      for (const file of replaced) await tx.unsafe(file.text)
      await tx`insert into shop_update.migration (version, name, digest) values (0, 'functions and views', ${together})
        on conflict (version) do update set digest = excluded.digest, applied_at = now()`
      done.push('functions and views')
    }
    // A worker makes them ahead of time; before the first one has run, somebody may want to queue already.
    await tx`select shop_update.partition_days(14, 36500)`
    return done
  })
}

/**
 * Checks that the database has exactly the schema of this code.
 *
 * @throws SchemaError with one sentence that says what to do
 */
export async function checkSchema(sql: Sql): Promise<void> {
  const [exists] = await sql<{ there: boolean }[]>`select to_regclass('shop_update.migration') is not null as there`
  if (!exists?.there) throw new SchemaError('The database has no Shop Update schema yet: run "npm run migrate".')
  const applied = await sql<{ version: number; name: string; digest: string }[]>`select version, name, digest from shop_update.migration`
  const numbered = await migrations()
  checkVersions(applied, numbered)
  const missing = numbered.find((file) => !applied.some((row) => row.version === file.version))
  if (missing) throw new SchemaError(`The database lacks the migration ${missing.name}: run "npm run migrate".`)
  const replaced = await replacedFiles()
  if (applied.find((row) => row.version === 0)?.digest !== digestOf(replaced)) {
    throw new SchemaError('The functions and views of the database are not those of this version of Shop Update: run "npm run migrate".')
  }
}

function checkVersions(applied: readonly { version: number; name: string; digest: string }[], numbered: SqlFile[]): void {
  for (const row of applied) {
    if (row.version === 0) continue
    const file = numbered.find(({ version }) => version === row.version)
    if (!file)
      throw new SchemaError(
        `The database has the migration ${row.name}, which this version of Shop Update does not know: it is newer than the code.`,
      )
    if (digest(file.text) !== row.digest)
      throw new SchemaError(`The migration ${file.name} has been changed since it was applied; changes need a new file.`)
  }
}

/** Functions, then views. */
const replacedFiles = async () => [...(await sqlFiles('functions')), ...(await sqlFiles('views'))]

const digestOf = (files: readonly { text: string }[]): string => digest(files.map((file) => file.text).join('\0'))

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

if (import.meta.main) {
  await runCommand(async () => {
    const sql = connect(readDatabaseUrl(process.env), { max: 1, name: 'migrate' })
    try {
      const done = await migrate(sql)
      process.stdout.write(done.length ? `Applied ${done.join(', ')}.\n` : 'The database is up to date.\n')
    } finally {
      await sql.end({ timeout: 5 })
    }
  })
}
