import { setTimeout as wait } from 'node:timers/promises'
import type { Feedback } from '../worker/api/internal.ts'
import { runCommand } from '../worker/command.ts'
import { connect, type Sql, transaction } from '../worker/database/database.ts'
import { UsageError } from '../worker/usage-error.ts'

/**
 * `npm run feedback`: how Seller Center keeps what its product pages show, as an example. It asks `/api/feedback` and
 * writes each page to tables of its own, together with the cursor, in one transaction. So it may be killed at any time:
 * it goes on where it was, misses nothing, and takes nothing twice.
 */

const PAGE = 500
/** How often it asks once it has everything. */
const EVERY_MS = 1000
const ASKED_FOR_MS = 30_000

const required = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new UsageError(`${name} is missing. \`npm start\` prints the whole command.`)
  return value
}

await runCommand(async () => {
  const api = required('API_URL').replace(/\/+$/, '')
  const key = required('VIEWER_API_KEY')
  const sql = connect(required('DATABASE_URL'), { max: 1, name: 'seller center' })
  await prepare(sql)
  process.stdout.write('Keeps the feedback in seller_center.product_feedback. Ctrl-C stops it.\n')
  for (;;) {
    const cursor = await readCursor(sql)
    const isMore = await ask(api, key, cursor).then(
      (answer) => (answer === 'gone' ? beginAnew(sql) : keep(sql, cursor, answer)),
      (error: Error) => {
        process.stderr.write(`No feedback, it is asked again: ${error.message}\n`)
        return false
      },
    )
    if (!isMore) await wait(EVERY_MS)
  }
})

async function prepare(sql: Sql): Promise<void> {
  await sql`create schema if not exists seller_center`
  await sql`create table if not exists seller_center.product_feedback (
    product_id bigint primary key,
    state text not null,
    text text not null,
    who_acts text not null,
    since timestamptz,
    expected_at timestamptz,
    published_at timestamptz not null
  )`
  await sql`create table if not exists seller_center.feedback_cursor (
    one boolean primary key default true check (one), cursor text)`
  await sql`insert into seller_center.feedback_cursor default values on conflict do nothing`
}

async function readCursor(sql: Sql): Promise<string | null> {
  const [row] = await sql<{ cursor: string | null }[]>`select cursor from seller_center.feedback_cursor`
  return row!.cursor
}

/** @returns `gone`: the cursor is of another database */
async function ask(api: string, key: string, cursor: string | null): Promise<Feedback | 'gone'> {
  const query = new URLSearchParams({ limit: String(PAGE), ...(cursor !== null && { after: cursor }) })
  const response = await fetch(`${api}/api/feedback?${query}`, {
    headers: { authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(ASKED_FOR_MS),
  })
  if (response.status === 410) return 'gone'
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as Feedback
}

/** What was kept is of a database that is no more. */
async function beginAnew(sql: Sql): Promise<true> {
  await transaction(sql, async (tx) => {
    await tx`delete from seller_center.product_feedback`
    await tx`update seller_center.feedback_cursor set cursor = null`
  })
  return true
}

/** @returns whether there may be more now */
function keep(sql: Sql, cursor: string | null, { products, nextCursor, more }: Feedback): Promise<boolean> {
  return transaction(sql, async (tx) => {
    // somebody else who keeps the same tables may have been faster
    const moved = await tx`
      update seller_center.feedback_cursor set cursor = ${nextCursor}::text
      where cursor is not distinct from ${cursor}::text`
    if (moved.count === 0) return true
    await tx`
      insert into seller_center.product_feedback (product_id, state, text, who_acts, since, expected_at, published_at)
      select "productId", state, text, "whoActs", since, "expectedAt", "publishedAt"
      from json_to_recordset(${JSON.stringify(products.filter(({ deleted }) => !deleted))}::text::json) as told (
        "productId" bigint, state text, text text, "whoActs" text, since timestamptz, "expectedAt" timestamptz,
        "publishedAt" timestamptz)
      on conflict (product_id) do update set
        state = excluded.state,
        text = excluded.text,
        who_acts = excluded.who_acts,
        since = excluded.since,
        expected_at = excluded.expected_at,
        published_at = excluded.published_at`
    const gone = products.filter(({ deleted }) => deleted).map(({ productId }) => productId)
    await tx`delete from seller_center.product_feedback where product_id = any (${gone}::bigint[])`
    return more
  })
}
