import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { POOLED } from '../command.ts'
import { UsageError } from '../usage-error.ts'
import { LATE, within } from '../within.ts'
import { Lines } from './lines.ts'

export type Sql = postgres.Sql<Record<string, never>>

/**
 * Opens a pool. The hot path, the API and the callbacks each have their own: `postgres` pipelines queries on a busy
 * connection, so that a fast one waits behind a slow one (955 ms behind a one-second sleep, measured).
 *
 * @param lockTimeoutMs how long a statement may wait for a row that somebody else holds; 0 for no limit
 * @param idleInTransactionMs how long a transaction may stand still: what it has locked is locked for so long when its
 * process is frozen
 * @param byIndex for statements that look rows up by key: never plan a sequential scan. A queue's statistics are always
 *   wrong (they said of a status with 500 rows in it that it was rare, and the guard `status = 'processing'` became a
 *   scan of the whole table joined row by row: 135 ms for what takes 6). And plan once: with no statistics to follow,
 *   what PostgreSQL would plan anew each time is the same (0.5 ms of a claim's 1.2 at 200 changes a second, for the
 *   join that reads the catalogue)
 * @param byValues for lists, whose plan depends on what is looked for: plan each one anew. From the sixth time on
 *   PostgreSQL would take one plan for all, and search the history for two rows as if they might be a million (200 ms
 *   for what takes 15, planning included)
 * @param readOnly a standby will do, where the URL names several hosts
 * @param answerWithinMs who says nothing for so long is cut off, see `Lines`
 */
export function connect(
  url: string,
  {
    max,
    name,
    lockTimeoutMs = 0,
    idleInTransactionMs = 30_000,
    byIndex = false,
    byValues = false,
    readOnly = false,
    answerWithinMs = STATEMENT_TIMEOUT_MS + 5000,
  }: {
    max: number
    name: string
    lockTimeoutMs?: number
    idleInTransactionMs?: number
    byIndex?: boolean
    byValues?: boolean
    readOnly?: boolean
    answerWithinMs?: number
  },
): Sql {
  const lines = new Lines(answerWithinMs)
  const options = {
    max,
    // A statement is prepared once per connection, so keep connections; an idle pool may shrink.
    max_lifetime: null,
    connect_timeout: 10,
    // By itself `postgres` waits up to 20 s before it connects again, which is longer than a lease.
    backoff: (failed: number) => Math.min(0.1 * 2 ** failed, 1),
    onnotice: () => {},
    types: { numbers: NUMBERS },
    // Of several hosts the one that writes.
    ...(several(url) && !readOnly && { target_session_attrs: 'primary' as const }),
    socket: (hosts: Parameters<Lines['open']>[0]) => lines.open(hosts),
    connection: {
      ...SESSION,
      application_name: `shop-update ${name}`,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: String(lockTimeoutMs), // as text: a number that is 0 would not be sent
      idle_in_transaction_session_timeout: idleInTransactionMs,
      ...(byIndex && { enable_seqscan: 'off', plan_cache_mode: 'force_generic_plan' }),
      ...(byValues && { plan_cache_mode: 'force_custom_plan' }),
    } as object, // its type knows some of them, as what they are to JavaScript
  }
  // whose type parameter is for types of its own, which change nothing for callers
  const sql = postgres(url, options) as unknown as Sql
  LINES.set(sql, lines)
  return sql
}

/** `postgres://user:password@one:5432,two:5432/database` */
const several = (url: string): boolean => (url.split('/')[2] ?? '').split('@').at(-1)!.includes(',')

const LINES = new WeakMap<Sql, Lines>()

/**
 * Breaks off all connections of a pool, the one that listens too: what is open is refused, and the pool connects anew.
 */
export const breakOff = (sql: Sql): void => LINES.get(sql)?.cut()

/**
 * Two things that a session must keep for whoever opened it: what it listens to, and its locks. One notification to
 * oneself shows both.
 *
 * @throws UsageError where a pooler gives each transaction another session
 */
export async function checkSession(sql: Sql): Promise<void> {
  const channel = `shop_update_${randomUUID()}`
  const heard = Promise.withResolvers<void>()
  const { unlisten } = await sql.listen(channel, () => heard.resolve())
  await sql`select pg_notify(${channel}, '')`
  if ((await within(NOTIFIED_MS, heard.promise)) === LATE) throw new UsageError(POOLED)
  await unlisten()
}

const NOTIFIED_MS = 10_000

const STATEMENT_TIMEOUT_MS = 60_000

/**
 * Whatever changes what a statement means or what its text looks like: a database, a role or a server may have its own
 * idea of each. (`lc_messages` only a superuser may set; nothing here reads a message.)
 */
const SESSION = {
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  lc_numeric: 'C',
  lc_monetary: 'C',
  lc_time: 'C',
  xmloption: 'content',
  xmlbinary: 'base64',
  standard_conforming_strings: 'on',
  backslash_quote: 'safe_encoding',
  quote_all_identifiers: 'off',
  array_nulls: 'on',
  transform_null_equals: 'off',
  row_security: 'on',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  transaction_timeout: '0',
  idle_session_timeout: '0',
}

/**
 * Arrays of numbers and ids (int2, int4, int8, float4, float8), of which every statement of the queue takes five to ten
 * with hundreds of elements. By itself `postgres` escapes each element as if it were text: a tenth of the worker's
 * time.
 */
const NUMBERS = {
  to: 1016,
  from: [1005, 1007, 1016, 1021, 1022],
  // a statement that the server has forgotten is sent again, with what was made of the array the first time
  serialize: (values: string | readonly (number | string | null)[]) =>
    typeof values === 'string' ? values : `{${values.map(element).join()}}`,
  // of these only lists of ids are ever read, and an id is text
  parse: (list: string) => (list === '{}' ? [] : list.slice(1, -1).split(',')),
}

function element(value: number | string | null): number | string {
  if (value === undefined || value === '') throw new TypeError('An element of an array of numbers is missing')
  return value ?? 'null'
}

/** Runs statements in one transaction; all of them are undone when `act` rejects, or the connection is lost. */
export const transaction = <Result>(sql: Sql, act: (tx: Sql) => Promise<Result>): Promise<Result> =>
  sql.begin((tx) => act(tx as unknown as Sql)) as Promise<Result>

/** Errors that say the connection, not the statement, is at fault: the same statement may be sent again. */
export function isConnectionError(error: unknown): boolean {
  // one of each address that the name has
  if (error instanceof AggregateError) return error.errors.some(isConnectionError)
  const { code = '', syscall } = (error ?? {}) as { code?: string; syscall?: string }
  // Of PostgreSQL: connection exception, shutting down or starting up, too many connections, a transaction that was
  // idle or open for too long.
  return (
    syscall !== undefined ||
    /^(08|57P|53300$|25P0[34]|CONNECT|ECONN|EPIPE|ETIMEDOUT|ERR_SSL|ERR_TLS|ERR_SOCKET_C)/.test(code)
  )
}

/** Nobody has answered, neither yes nor no. */
export const isSilence = (error: unknown): boolean =>
  ['ETIMEDOUT', 'CONNECT_TIMEOUT'].includes((error as { code?: string }).code ?? '')

/** Errors that pass by themselves: the connection ones, deadlocks and serialization failures. */
export const isTransient = (error: unknown): boolean =>
  isConnectionError(error) || ['40P01', '40001'].includes((error as { code?: string }).code ?? '')

/** `lock_not_available`: somebody else holds the row or table, and `lock_timeout` has passed. */
export const isLocked = (error: unknown): boolean => (error as { code?: string }).code === '55P03'

/**
 * Errors that one row brings upon itself, for ever: data that does not fit, a constraint, a trigger of Seller Center's
 * that refuses it. Not those that say what every row would meet (a table that is not there, a full disk, an operator).
 */
export function isRefusedByRow(error: unknown): boolean {
  const { code, where } = (error ?? {}) as { code?: unknown; where?: string }
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code))
    return error instanceof TypeError || error instanceof RangeError
  return /^(22|23|2F|38|39|44|P0)/.test(code) || (code.startsWith('42') && /\bfunction\b/.test(where ?? ''))
}

/** For people: why the catalogue did not take what the Shop answered. */
export const refusal = (error: Error): string =>
  `The catalogue did not take the Shop's answer: ${error.message}.`.replace(/\.\.$/, '.')
