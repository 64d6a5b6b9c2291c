import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from './command.ts'
import { readDatabaseUrl } from './config.ts'
import { checkSession, connect, isLocked, type Sql } from './database/database.ts'
import { UsageError } from './usage-error.ts'

const SQL_FOLDER = join(import.meta.dirname, '..', 'sql')

/** How long a change waits for a table. Everybody else queues behind that wait, so it then gives way to them. */
const LOCK_TIMEOUT_MS = 400
const LOCKED_RETRY_MS = 600
/** If a table is held for longer than this, its holder must be asked to let go. */
const PATIENCE_MS = 600_000
const BUSY_RETRY_MS = 100

export class SchemaError extends UsageError {}

interface SqlFile {
  name: string
  text: string
}

interface Migration extends SqlFile {
  version: number
  /**
   * `-- contract 0012`: it removes what only code without migration 12 needs. Null: such code may continue beside it.
   */
  oldest: number | null
  /**
   * `-- no transaction`: statements that cannot be in a transaction and may each be repeated: indexes built or dropped
   * concurrently.
   */
  alone: boolean
}

interface Applied {
  version: number
  name: string
  digest: string
  oldest: number | null
  /** For functions and views (version 0): digests of those that were in force before. */
  former: string[] | null
}

export interface MigrateOptions {
  folder?: string
  /** Says what it waits for. */
  tell?(sentence: string): void
  patienceMs?: number
}

/**
 * Brings the database to the schema of this code while workers and Seller Center continue: first the missing numbered
 * migrations, then functions and views, which are replaced as a whole. Each file is a transaction that gives up as soon
 * as it meets a lock, and is retried, so nobody queues behind it for long. One advisory lock covers the whole run: if
 * several start at once, one works and the others find it done.
 *
 * @returns the names of the files that were applied
 * @throws SchemaError if the database is newer than this code and incompatible, an applied migration has been edited,
 *   or a table has been held for longer than `patienceMs`
 */
export async function migrate(sql: Sql, options: MigrateOptions = {}): Promise<string[]> {
  const { folder = SQL_FOLDER } = options
  const [numbered, replaced] = await Promise.all([migrations(folder), replacedFiles(folder)])
  await checkSession(sql)
  const session = (await sql.reserve()) as unknown as Sql & { release(): void }
  try {
    await session`set statement_timeout = 0`
    // Polls: a session that waits inside PostgreSQL has a snapshot, and the index that the other session builds would
    // wait for it.
    while (
      !(await session<{ mine: boolean }[]>`select pg_try_advisory_lock(hashtext('shop_update.migrate')) as mine`)[0]!
        .mine
    ) {
      await new Promise((resolve) => setTimeout(resolve, BUSY_RETRY_MS))
    }
    try {
      return await apply(session, numbered, replaced, options)
    } finally {
      await session`select pg_advisory_unlock(hashtext('shop_update.migrate'))`
    }
  } finally {
    await session`reset statement_timeout`
    session.release()
  }
}

async function apply(
  session: Sql,
  numbered: Migration[],
  replaced: SqlFile[],
  options: MigrateOptions,
): Promise<string[]> {
  const run = (what: string, act: () => Promise<void>) => patiently(session, what, act, options)
  await run('shop_update.migration', async () => {
    await session`create schema if not exists shop_update`
    await session`create table if not exists shop_update.migration (
      version int primary key, name text not null, digest text not null, applied_at timestamptz not null default now())`
    await session`alter table shop_update.migration
      add column if not exists oldest int,
      add column if not exists former text[]`
  })
  const applied = await readApplied(session)
  const newer = newerThan(applied, numbered)
  if (newer.length > 0)
    options.tell?.(
      `The database has the schema of a newer version (${newer.join(', ')}); functions and views stay as they are.`,
    )
  const done: string[] = []
  for (const file of numbered) {
    if (applied.some((row) => row.version === file.version)) continue
    if (file.alone) await runAlone(session, file)
    await run(file.name, async () => {
      if (!file.alone) await session.unsafe(file.text)
      await session`insert into shop_update.migration (version, name, digest, oldest)
        values (${file.version}::int, ${file.name}, ${digest(file.text)}, ${file.oldest}::int)`
    })
    done.push(file.name)
  }
  const together = digestOf(replaced)
  const inForce = applied.find((row) => row.version === 0)
  const wereHere = newer.length > 0 || inForce?.former?.includes(together)
  // After a new table too: these files grant the access to it.
  if (!wereHere && (done.length > 0 || inForce?.digest !== together)) {
    for (const file of replaced) await run(file.name, async () => void (await session.unsafe(file.text)))
    await run('shop_update.migration', async () => {
      await session`insert into shop_update.migration as m (version, name, digest)
        values (0, 'functions and views', ${together})
        on conflict (version) do update set
          digest = excluded.digest,
          applied_at = now(),
          former = array_remove(array_append(m.former, m.digest), excluded.digest)`
    })
    done.push('functions and views')
  }
  // A worker creates them ahead of time, but changes may be queued before the first worker has run.
  await run('the tables of the history', async () => void (await session`select shop_update.partition_days(14, 36500)`))
  return done
}

/**
 * In a transaction. If something it needs is locked, it is rolled back, and retried after those who queued behind it.
 */
async function patiently(
  session: Sql,
  what: string,
  act: () => Promise<void>,
  { tell, patienceMs = PATIENCE_MS }: MigrateOptions,
) {
  const until = performance.now() + patienceMs
  for (let tries = 1; ; tries++) {
    await session`begin`
    try {
      await session`select set_config('lock_timeout', ${String(LOCK_TIMEOUT_MS)}, true)`
      await act()
      await session`commit`
      return
    } catch (error) {
      await session`rollback`
      if (!isLocked(error) && (error as { code?: string }).code !== '40P01') throw error
    }
    if (performance.now() > until) {
      throw new SchemaError(
        `${what} could not be applied: others have had its tables in use all the time (pg_stat_activity says ` +
          'who). Run it again when they have ended.',
      )
    }
    if (tries === 3) tell?.(`Waiting to apply ${what}: somebody has its tables in use.`)
    await new Promise((resolve) => setTimeout(resolve, LOCKED_RETRY_MS))
  }
}

/**
 * Runs the statements of a file one by one, outside a transaction. What an earlier run finished is skipped. An index
 * that it left invalid is dropped: such an index is useless, and yet kept up to date.
 */
async function runAlone(session: Sql, { text }: Migration): Promise<void> {
  const statements = text.replace(/^\s*--.*$/gm, '').split(/;\s*$/m)
  for (const statement of statements.map((each) => each.trim()).filter(Boolean)) {
    const [, name, schema] =
      /^create\s+(?:unique\s+)?index\s+concurrently\s+(\w+)\s+on\s+(\w+)\./i.exec(statement) ?? []
    if (name && schema) {
      const [index] = await session<{ valid: boolean }[]>`
        select indisvalid as valid
        from pg_index
        where indexrelid = to_regclass(format('%I.%I', ${schema}::text, ${name}::text))`
      if (index?.valid) continue
      if (index) await session.unsafe(`drop index concurrently ${schema}.${name}`)
    }
    await session.unsafe(statement)
  }
}

/**
 * Checks that the database has the schema of this code, or a newer one that is compatible with it.
 *
 * @returns null, or one sentence about the newer one
 * @throws SchemaError with one sentence that says what to do
 */
export async function checkSchema(sql: Sql): Promise<string | null> {
  const [exists] = await sql<{ there: boolean }[]>`select to_regclass('shop_update.migration') is not null as there`
  if (!exists?.there) throw new SchemaError('The database has no Shop Update schema yet: run "npm run migrate".')
  const [applied, numbered, replaced] = await Promise.all([
    readApplied(sql),
    migrations(SQL_FOLDER),
    replacedFiles(SQL_FOLDER),
  ])
  const newer = newerThan(applied, numbered)
  const missing = numbered.find((file) => !applied.some((row) => row.version === file.version))
  if (missing) throw new SchemaError(`The database lacks the migration ${missing.name}: run "npm run migrate".`)
  if (newer.length > 0)
    return `The database has the schema of a newer version (${newer.join(', ')}); this one goes on beside it.`
  const inForce = applied.find((row) => row.version === 0)
  const together = digestOf(replaced)
  if (inForce?.digest === together) return null
  if (inForce?.former?.includes(together))
    return 'The database has the functions and views of a newer version; this one goes on beside it.'
  throw new SchemaError(
    'The functions and views of the database are not those of this version of Shop Update: run "npm run migrate".',
  )
}

/** As JSON: an older database does not have the columns `oldest` and `former`. */
const readApplied = (sql: Sql): Promise<Applied[]> => sql<Applied[]>`
  select m.version, m.name, m.digest, (to_jsonb(m) ->> 'oldest')::int as oldest, to_jsonb(m) -> 'former' as former
  from shop_update.migration m`

/** @returns the names of migrations that this code does not know but is compatible with */
function newerThan(applied: readonly Applied[], numbered: readonly Migration[]): string[] {
  const newer: string[] = []
  for (const row of applied) {
    if (row.version === 0) continue
    const file = numbered.find(({ version }) => version === row.version)
    if (file && digest(file.text) !== row.digest)
      throw new SchemaError(
        `The migration ${file.name} has been changed since it was applied; changes need a new file.`,
      )
    if (file) continue
    if (row.oldest !== null && !numbered.some(({ version }) => version === row.oldest))
      throw new SchemaError(
        `The database has the migration ${row.name}, which this version of Shop Update does not know: it is newer ` +
          'than the code.',
      )
    newer.push(row.name)
  }
  return newer
}

async function sqlFiles(folder: string): Promise<SqlFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(names.map(async (name) => ({ name, text: await readFile(join(folder, name), 'utf8') })))
}

/** The numbered files of `sql/migrations`, in order. */
async function migrations(folder: string): Promise<Migration[]> {
  return (await sqlFiles(join(folder, 'migrations'))).map((file) => ({
    ...file,
    version: Number.parseInt(file.name, 10),
    oldest: Number(/^-- contract (\d{4})$/m.exec(file.text)?.[1]) || null,
    alone: /^-- no transaction$/m.test(file.text),
  }))
}

/**
 * First the rules, which other functions call, then roles, then functions and views, which grant access to the roles.
 */
async function replacedFiles(folder: string): Promise<SqlFile[]> {
  const files = (await Promise.all(['roles', 'functions', 'views'].map((part) => sqlFiles(join(folder, part))))).flat()
  const rules = files.filter(({ name }) => name === 'rules.sql')
  return [...rules, ...files.filter((file) => !rules.includes(file))]
}

const digestOf = (files: readonly SqlFile[]): string => digest(files.map((file) => file.text).join('\0'))

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

if (import.meta.main) {
  await runCommand(async () => {
    const sql = connect(readDatabaseUrl(process.env), {
      max: 1,
      name: 'migrate',
      answerWithinMs: Number.POSITIVE_INFINITY,
    })
    try {
      const done = await migrate(sql, { tell: (sentence) => process.stderr.write(`${sentence}\n`) })
      process.stdout.write(done.length ? `Applied ${done.join(', ')}.\n` : 'The database is up to date.\n')
    } finally {
      await sql.end({ timeout: 5 })
    }
  })
}
