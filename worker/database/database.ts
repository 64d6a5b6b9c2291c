import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { POOLED } from '../command.ts'
import { UsageError } from '../usage-error.ts'
import { LATE, within } from '../within.ts'
import { Lines } from './lines.ts'

export type Sql = postgres.Sql<Record<string, never>>

/**
 * Opens a pool. The hot path, the API and the callbacks each have their own: `postgres` pipelines queries on a busy
 * connection, so a fast query waits behind a slow one (955 ms behind a one-second sleep, measured).
 *
 * @param lockTimeoutMs how long a statement may wait for a locked row; 0 for no limit
 * @param idleInTransactionMs how long a transaction may be idle. If its process is frozen, its locks last this long
 * @param byIndex for statements that look up rows by key: never plan a sequential scan. A queue's statistics are always
 *   wrong (they said that a status with 500 rows was rare, and the guard `status = 'processing'` became a scan of the
 *   whole table joined row by row: 135 ms instead of 6). And plan only once: without statistics, PostgreSQL would
 *   produce the same plan each time (0.5 ms of a claim's 1.2 at 200 changes a second, for the join that reads the
 *   catalogue)
 * @param byValues for lists, whose plan depends on the search: plan each anew. From the sixth execution on PostgreSQL
 *   would use one plan for all, and search the history for two rows as if there were a million (200 ms instead of 15,
 *   planning included)
 * @param readOnly a standby will do, if the URL names several hosts
 * @param answerWithinMs a connection that is silent for this long is cut, see `Lines`
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
    // Statements are prepared once per connection, so connections are kept; an idle pool may shrink.
    max_lifetime: null,
    connect_timeout: 10,
    // By default `postgres` waits up to 20 s before it reconnects, which is longer than a lease.
    backoff: (failed: number) => Math.min(0.1 * 2 ** failed, 1),
    onnotice: () => {},
    types: { numbers: NUMBERS },
    // With several hosts: the one that accepts writes.
    ...(several(url) && !readOnly && { target_session_attrs: 'primary' as const }),
    socket: (hosts: Parameters<Lines['open']>[0]) => lines.open(hosts),
    connection: {
      ...SESSION,
      application_name: `shop-update ${name}`,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: String(lockTimeoutMs), // as text: the number 0 would not be sent
      idle_in_transaction_session_timeout: idleInTransactionMs,
      ...(byIndex && { enable_seqscan: 'off', plan_cache_mode: 'force_generic_plan' }),
      ...(byValues && { plan_cache_mode: 'force_custom_plan' }),
    } as object, // its type knows some of these, by their JavaScript types
  }
  // The type parameter of `postgres` is for custom types, which change nothing for callers.
  const sql = postgres(url, options) as unknown as Sql
  LINES.set(sql, lines)
  return sql
}

/** `postgres://user:password@one:5432,two:5432/database` */
const several = (url: string): boolean => (url.split('/')[2] ?? '').split('@').at(-1)!.includes(',')

const LINES = new WeakMap<Sql, Lines>()

/**
 * Cuts all connections of a pool, including the listening one: open statements are refused, and the pool reconnects.
 */
export const breakOff = (sql: Sql): void => LINES.get(sql)?.cut()

/**
 * A session must keep what it listens to, and its locks. One notification to itself proves both.
 *
 * @throws UsageError if a pooler gives each transaction another session
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
 * Everything that changes the meaning of a statement, the form of its output, or how it is carried out: a database, a
 * role or a server may have its own defaults. (Only a superuser may set `lc_messages`; nothing here reads a message.)
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
  // Partitions make estimates high, and each is compiled: 12 to 17 s, which no time-out interrupts, for what takes half
  // a second.
  jit: 'off',
}

/**
 * Arrays of numbers and ids (int2, int4, int8, float4, float8): every statement of the queue takes five to ten with
 * hundreds of elements. By default `postgres` escapes each element like text: a tenth of the worker's time.
 */
const NUMBERS = {
  to: 1016,
  from: [1005, 1007, 1016, 1021, 1022],
  // a statement that the server has forgotten is sent again, with the array as already serialised
  serialize: (values: string | readonly (number | string | null)[]) =>
    typeof values === 'string' ? values : `{${values.map(element).join()}}`,
  // only lists of ids are ever read from these, and an id is text
  parse: (list: string) => (list === '{}' ? [] : list.slice(1, -1).split(',')),
}

function element(value: number | string | null): number | string {
  if (value === undefined || value === '') throw new TypeError('An element of an array of numbers is missing')
  return value ?? 'null'
}

/** Runs statements in one transaction. All are undone if `act` rejects or the connection is lost. */
export const transaction = <Result>(sql: Sql, act: (tx: Sql) => Promise<Result>): Promise<Result> =>
  sql.begin((tx) => act(tx as unknown as Sql)) as Promise<Result>

/** Errors of the connection, not of the statement: the same statement may be sent again. */
export function isConnectionError(error: unknown): boolean {
  // one for each address of the name
  if (error instanceof AggregateError) return error.errors.some(isConnectionError)
  const { code = '', syscall } = (error ?? {}) as { code?: string; syscall?: string }
  // PostgreSQL's codes: connection exception, shutting down or starting up, too many connections, a transaction idle or
  // open for too long.
  return (
    syscall !== undefined ||
    /^(08|57P|53300$|25P0[34]|CONNECT|ECONN|EPIPE|ETIMEDOUT|ERR_SSL|ERR_TLS|ERR_SOCKET_C)/.test(code)
  )
}

/** No answer came at all, neither a result nor an error. */
export const isSilence = (error: unknown): boolean =>
  ['ETIMEDOUT', 'CONNECT_TIMEOUT'].includes((error as { code?: string }).code ?? '')

/** Errors that pass: connection errors, deadlocks and serialization failures. */
export const isTransient = (error: unknown): boolean =>
  isConnectionError(error) || ['40P01', '40001'].includes((error as { code?: string }).code ?? '')

/** `lock_not_available`: the row or table is locked, and `lock_timeout` has passed. */
export const isLocked = (error: unknown): boolean => (error as { code?: string }).code === '55P03'

/**
 * Errors that a single row causes, and always will: data that does not fit, a constraint, a trigger of Seller Center
 * that refuses it. Not errors that every row would meet (a missing table, a full disk, an operator).
 */
export function isRefusedByRow(error: unknown): boolean {
  const { code, where } = (error ?? {}) as { code?: unknown; where?: string }
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code))
    return error instanceof TypeError || error instanceof RangeError
  return /^(22|23|2F|38|39|44|P0)/.test(code) || (code.startsWith('42') && /\bfunction\b/.test(where ?? ''))
}

/** For people: why the catalogue refused the Shop's answer. */
export const refusal = (error: Error): string =>
  `The catalogue did not take the Shop's answer: ${error.message}.`.replace(/\.\.$/, '.')
