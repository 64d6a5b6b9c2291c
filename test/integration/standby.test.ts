import { chmod, chown, cp, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Cluster, freePort, startPostgres } from '../../demo/postgres.ts'
import { type RunningShop, startShop } from '../../demo/shop/shop.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { addSet } from '../scene.ts'
import { startWorkerProcess, type WorkerProcess, workerEnv } from '../worker-process.ts'

let folder: string
let primary: Cluster
let standby: Cluster
let shop: RunningShop
let worker: WorkerProcess
const pools: Sql[] = []
const poolOf = (cluster: Cluster) => {
  const sql = connect(cluster.url('postgres'), { max: 2, name: 'test' })
  pools.push(sql)
  return sql
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shop-update-standby-'))
  await chmod(folder, 0o755)
  const [one, two] = [join(folder, 'one'), join(folder, 'two')]
  const [port, standbyPort] = [await freePort(), await freePort()]
  const flags = ['wal_keep_size=256MB']
  // A standby begins as a copy of a cleanly stopped server.
  const first = await startPostgres({ folder: one, port, flags })
  await first.stop()
  await cp(one, two, { recursive: true, preserveTimestamps: true })
  const { uid, gid } = await stat(join(one, 'postgres'))
  await Promise.all((await readdir(two, { recursive: true })).map((name) => chown(join(two, name), uid, gid)))
  await writeFile(join(two, 'postgres', 'standby.signal'), '')
  primary = await startPostgres({ folder: one, port, flags })
  const from = `host=127.0.0.1 port=${port} user=postgres password=postgres`
  standby = await startPostgres({ folder: two, port: standbyPort, flags: [...flags, `primary_conninfo=${from}`] })
  await migrate(poolOf(primary))
  shop = await startShop({
    settings: { default: { latencyMs: 300 } },
    credentials: { username: 'sc', password: 'canary-password-of-the-shop' },
  })
  const url = primary.url('postgres').replace('127.0.0.1:', `127.0.0.1:${standbyPort},127.0.0.1:`)
  worker = await startWorkerProcess({ ...workerEnv(url, shop.url), LEASE_SECONDS: '5', RETRY_UNIT_SECONDS: '0.1' })
})
afterAll(async () => {
  await worker?.stop()
  await shop?.stop()
  await Promise.all(pools.map((sql) => sql.end({ timeout: 0 })))
  await standby?.stop()
  await primary?.stop()
  await rm(folder, { recursive: true, force: true })
})

const queue = async (sql: Sql) => {
  const sets = await Promise.all(Array.from({ length: 20 }, (_, k) => addSet(sql, { inShop: k % 4 !== 0 })))
  await sql`
    select case when s.src_id is null then shop_update.enqueue('new_product_set', product_set_id => s.id)
      else shop_update.enqueue('price', product_id => p.id) end
    from catalog.product_set s join catalog.product p on p.product_set_id = s.id
    where s.id = any (${sets.map(({ setId }) => setId)}::bigint[])`
}
const synced = async (sql: Sql) => {
  const [row] = await sql<
    [{ n: number }]
  >`select count(*)::int as n from shop_update.finished_item where status = 'synced'`
  return row.n
}
const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 50 })

test('of two hosts it uses the one that writes; after a promotion it goes on there, and nothing is lost', async () => {
  const [before, after] = [poolOf(primary), poolOf(standby)]
  expect(await after`select pg_is_in_recovery() as standby`).toEqual([{ standby: true }])
  await queue(before)
  await until(async () => expect(await synced(before)).toBe(20))
  await queue(before) // while it works on these, including creates
  await until(async () =>
    expect(await before`select from shop_update.item where status = 'made_request'`).not.toHaveLength(0),
  )
  await primary.stop() // cleanly: the standby has everything that was committed
  const gone = performance.now()
  await after`select pg_promote()`
  await until(async () => expect(await synced(after)).toBe(40))
  expect(performance.now() - gone).toBeLessThan(30_000)
  await queue(after)
  await until(async () => expect(await synced(after)).toBe(60))
  expect(await after`select from shop_update.item`).toHaveLength(0)
  const stats = await (await fetch(`${shop.url}/_shop/stats`)).json()
  expect(stats).toMatchObject({ creates: 15, duplicateCreates: 0 })
  expect(worker.child.exitCode).toBeNull()
})
