import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Cluster, startPostgres } from '../../demo/postgres.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { provisionLogin } from '../provisioned-login.ts'
import { addSet } from '../scene.ts'

/** A separate cluster: the login and its restrictions belong to the whole cluster. */
let cluster: Cluster
let owner: Sql
let worker: Sql
let sellerCenter: Sql
let productId: string
const opened: Sql[] = []

const as = (login: string, max = 1) => {
  const url = new URL(cluster.url('postgres'))
  url.username = url.password = login
  const sql = connect(url.href, { max, name: 'test' })
  opened.push(sql)
  return sql
}
/** Like someone who sends SQL through Grafana and first grants himself writing and waiting. */
const unbound = async () => {
  const sql = as('grafana')
  await sql`set default_transaction_read_only = off`
  await sql`set statement_timeout = 0`
  await sql`set idle_in_transaction_session_timeout = 0`
  return sql
}
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: { code?: string }) => error.code,
  )
const queueing = () => worker`select shop_update.enqueue('price', ${productId}::bigint)`

beforeAll(async () => {
  cluster = await startPostgres({ flags: ['fsync=off'] })
  owner = connect(cluster.url('postgres'), { max: 1, name: 'test' })
  await migrate(owner)
  await owner`create role seller_center login password 'seller_center'`
  await provisionLogin(owner, 'worker', 'worker')
  await provisionLogin(owner, 'grafana', 'grafana')
  productId = (await addSet(owner)).productIds[0]!
  worker = as('worker', 2)
  sellerCenter = as('seller_center')
})
afterAll(async () => {
  await Promise.all([owner, ...opened].map((sql) => sql.end({ timeout: 5 })))
  await cluster.stop()
})

test('it reads what dashboards read, and after a second run of its file too', async () => {
  await provisionLogin(owner, 'grafana', 'grafana')
  const grafana = as('grafana')
  for (const name of ['queue', 'kpi', 'call_stats', 'item', 'transition'])
    await grafana.unsafe(`select * from shop_update.${name} limit 1`)
  await grafana.end()
})

test('neither it nor the worker is more than a login, also where it was before', async () => {
  await owner`alter role worker superuser createdb createrole bypassrls`
  await owner`alter role grafana superuser createdb createrole replication bypassrls`
  await provisionLogin(owner, 'worker', 'worker')
  await provisionLogin(owner, 'grafana', 'grafana')
  const more = await owner`
    select rolname from pg_roles where rolname in ('worker', 'grafana')
      and (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls)`
  expect([...more]).toEqual([])
})

describe('by itself', () => {
  test.each([
    ['sees no credentials', 'select * from shop_update.system_credential'],
    ['sees no audit', 'select * from shop_update.audit'],
    ['takes no locks', 'select count(pg_advisory_lock(i)) from generate_series(1, 200000) i'],
    ['not for a transaction', 'select pg_advisory_xact_lock(1)'],
    ['not shared', 'select pg_try_advisory_lock_shared(1, 2)'],
    ['makes no large objects', 'select lo_create(0)'],
    ['nor whole ones', "select lo_from_bytea(0, 'x')"],
    ['reads none', 'select loread(0, 1)'],
    ['writes none', "select lowrite(0, 'x')"],
    ['fills no notification queue', "select pg_notify('shop_update', repeat('x', 7000))"],
    ['nor the log of changes', "select pg_logical_emit_message(false, 'x', repeat('x', 1000000))"],
    ['makes no snapshot files', 'select pg_export_snapshot()'],
    ['ends nobody', 'select pg_terminate_backend(pg_backend_pid())'],
    ['stops nobody', 'select pg_cancel_backend(pg_backend_pid())'],
    ['makes no temporary tables', 'create temporary table t (id int)'],
    ['makes no tables', 'create table shop_update.t (id int)'],
    ['makes none elsewhere', 'create table public.t (id int)'],
    ['runs no blocks', 'do $$ begin loop end loop; end $$'],
    ['drops no history', 'select shop_update.partition_days(0, 0)'],
    ['queues nothing', "select shop_update.enqueue('price', 1)"],
    ['writes nothing', 'delete from shop_update.item'],
    ['spills no more than it may', 'set temp_file_limit = -1'],
    ['and not for the next time', 'alter role grafana set temp_file_limit = -1'],
    ['lets nobody else in', 'create role other login'],
    ['does not rise', 'alter role grafana connection limit -1'],
    ['is not the worker', 'set role shop_update_worker'],
    ['changes nobody else', "alter role worker password 'x'"],
  ])('%s: %s', async (_, statement) => {
    const grafana = await unbound()
    expect(await code(grafana.unsafe(statement))).toBe('42501')
    await grafana.end()
    await queueing()
  })
})

test('a sort that does not fit is ended at 256 MB of files', async () => {
  const grafana = await unbound()
  expect(
    await code(grafana`select repeat('x', 1000) || i from generate_series(1, 1000000) i order by 1 offset 999999`),
  ).toBe('53400')
  await grafana.end()
})

test('whoever was there before goes on as he did', async () => {
  await sellerCenter`select pg_advisory_lock(1), pg_advisory_unlock(1), pg_notify('mine', '')`
  await sellerCenter`create temporary table mine (id int)`
  await sellerCenter`do $$ begin null; end $$`
  await worker`select pg_advisory_xact_lock(1)`
})
