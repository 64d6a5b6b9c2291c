import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Cluster, freePort, startPostgres } from '../../demo/postgres.ts'
import { type RunningShop, startShop } from '../../demo/shop/shop.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { type Gate, openGate } from '../gate.ts'
import { addSet } from '../scene.ts'
import { startWorkerProcess, type WorkerProcess, workerEnv } from '../worker-process.ts'

const LEASE_SECONDS = 6
const CALLS = 3

let folder: string
let port: number
let cluster: Cluster
let gate: Gate
let sql: Sql
let shop: RunningShop
const workers: WorkerProcess[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shop-update-outage-'))
  await chmod(folder, 0o755)
  port = await freePort()
  cluster = await startPostgres({ folder, port })
  sql = connect(cluster.url('postgres'), { max: 2, name: 'test' })
  await migrate(sql)
  shop = await startShop({
    settings: { default: { latencyMs: 3000 } },
    credentials: { username: 'sc', password: 'canary-password-of-the-shop' },
  })
  gate = await openGate(cluster.url('postgres'))
  for (const url of [cluster.url('postgres'), gate.url]) {
    const env = {
      CONCURRENCY: String(CALLS),
      LEASE_SECONDS: String(LEASE_SECONDS),
      WORKER_NAME: url === gate.url ? 'second' : 'first',
    }
    workers.push(await startWorkerProcess({ ...workerEnv(url, shop.url), ...env }))
  }
})
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()))
  await shop?.stop()
  await sql?.end({ timeout: 5 })
  await gate?.close()
  await cluster?.stop()
  await rm(folder, { recursive: true, force: true })
})

const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 50 })
const stats = async () => (await fetch(`${shop.url}/_shop/stats`)).json()

test('PostgreSQL is away longer than the lease, one worker is back first: the other keeps what it holds', async () => {
  const sets = await Promise.all(Array.from({ length: 2 * CALLS }, () => addSet(sql, { inShop: false })))
  await sql`
    select shop_update.enqueue('new_product_set', product_set_id => id)
    from unnest(${sets.map(({ setId }) => setId)}::bigint[]) id`
  await until(async () => expect(await stats()).toMatchObject({ requests: 2 * CALLS }))
  expect(await sql`select distinct worker_id from shop_update.set_lane`).toHaveLength(2)
  await cluster.stop()
  const stoppedAt = performance.now()
  gate.refuse('', 'ends')
  await new Promise((resolve) => setTimeout(resolve, LEASE_SECONDS * 1000 + 500 - (performance.now() - stoppedAt)))
  cluster = await startPostgres({ folder, port })

  // The first one leads, and has done all its duties since.
  const leads = async () => {
    const [row] = await sql<{ until: Date; name: string }[]>`
      select l.until, w.name from shop_update.leader l join shop_update.worker w on w.id = l.worker_id
      where l.until > now()`
    expect(row?.name).toBe('first')
    return row!.until.getTime()
  }
  const since = await vi.waitFor(leads, { timeout: 30_000, interval: 50 })
  await until(async () => expect(await leads()).toBeGreaterThan(since + 1000))
  gate.open()

  await until(async () => expect([...(await sql`select status, reason from shop_update.item`)]).toEqual([]))
  expect(await sql`select from shop_update.transition where to_status = 'blocked' or reason is not null`).toHaveLength(
    0,
  )
  expect(await sql`select from catalog.product where src_id is null or shop_sku is null`).toHaveLength(0)
  expect(await stats()).toMatchObject({ requests: 2 * CALLS, creates: 2 * CALLS, duplicateCreates: 0 })
})
