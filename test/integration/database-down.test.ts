import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Cluster, freePort, startPostgres } from '../../demo/postgres.ts'
import { type RunningShop, startShop } from '../../demo/shop/shop.ts'
import { connect, isConnectionError, type Sql, transaction } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { CUTS, type Gate, openGate } from '../gate.ts'
import { addSet } from '../scene.ts'
import { startWorkerProcess, type WorkerProcess, workerEnv } from '../worker-process.ts'

let folder: string
let port: number
let cluster: Cluster
let sql: Sql
let shop: RunningShop
let worker: WorkerProcess
const CONCURRENCY = 5

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shop-update-down-'))
  await chmod(folder, 0o755)
  port = await freePort()
  cluster = await startPostgres({ folder, port })
  sql = connect(cluster.url('postgres'), { max: 4, name: 'test' })
  await migrate(sql)
  shop = await startShop({
    settings: { default: { latencyMs: 60 } },
    credentials: { username: 'sc', password: 'canary-password-of-the-shop' },
  })
  worker = await startWorkerProcess({
    ...workerEnv(cluster.url('postgres'), shop.url),
    CONCURRENCY: String(CONCURRENCY),
    RETRY_UNIT_SECONDS: '0.1',
    LEASE_SECONDS: '2',
  })
})
afterAll(async () => {
  await worker?.stop()
  await shop?.stop()
  await sql?.end({ timeout: 5 })
  await cluster?.stop()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => fetch(`${shop.url}/_shop/reset`, { method: 'POST' }))

const stats = async () =>
  (await (await fetch(`${shop.url}/_shop/stats`)).json()) as { requests: number; duplicateCreates: number }
const expectAlive = () => expect(worker.child.exitCode, worker.printed.join('\n')).toBeNull()
const untilCalled = (requests: number) =>
  vi.waitFor(async () => expect((await stats()).requests).toBeGreaterThanOrEqual(requests), {
    timeout: 20_000,
    interval: 2,
  })

/** 150 changes and 50 creates, each in a product set of its own. */
async function queue() {
  const sets = await Promise.all(Array.from({ length: 200 }, (_, k) => addSet(sql, { inShop: k % 4 !== 0 })))
  const ids = await sql<{ id: string }[]>`
    select case when s.src_id is null then shop_update.enqueue('new_product_set', product_set_id => s.id)
      else shop_update.enqueue('price', product_id => p.id) end::text as id
    from catalog.product_set s join catalog.product p on p.product_set_id = s.id
    where s.id = any (${sets.map(({ setId }) => setId)}::bigint[])`
  return ids.map(({ id }) => id)
}

/** The worker has survived, every item has finished, and no product was created twice. */
async function expectAllDone(ids: string[], { cuts }: { cuts: number }) {
  await vi.waitFor(
    async () => {
      const open = await sql`
        select id, topic, status, reason, message from shop_update.item where id = any (${ids}::bigint[])
          and not (status = 'blocked' and reason = 'unknown_outcome' and topic = 'new_product_set')`
      expect([...open]).toEqual([])
    },
    { timeout: 30_000, interval: 50 },
  )
  // A create whose claim was lost is not repeated blindly: each time, at most as many are Blocked as were in flight.
  const blocked = await sql<
    { message: string }[]
  >`select message from shop_update.item where id = any (${ids}::bigint[])`
  for (const { message } of blocked) expect(message).toMatch(/^The worker stopped after the request had been made/)
  expect(blocked.length).toBeLessThanOrEqual(CONCURRENCY * cuts)
  const synced =
    await sql`select id from shop_update.finished_item where id = any (${ids}::bigint[]) and status = 'synced'`
  expect(synced.length + blocked.length).toBe(ids.length)
  expect((await stats()).duplicateCreates).toBe(0)
  expect(await sql`select from shop_update.set_lane where item_id is not null`).toHaveLength(0)
  expectAlive()
  await vi.waitFor(async () => expect((await fetch(`${worker.publicUrl}/readyz`)).status).toBe(200), {
    timeout: 30_000,
    interval: 50,
  })
}

test('PostgreSQL stops and starts again in the middle: the worker survives, nothing is lost', async () => {
  const ids = await queue()
  await untilCalled(40)
  await cluster.stop()
  expect((await stats()).requests).toBeLessThan(200)
  expectAlive()
  cluster = await startPostgres({ folder, port })
  await expectAllDone(ids, { cuts: 1 })
})

test('PostgreSQL is down when the Shop answers a create: the answer is kept in hand, all become Synced', async () => {
  const control = (path: string, init: RequestInit = {}) =>
    fetch(`${shop.url}/_shop${path}`, { headers: { 'content-type': 'application/json' }, ...init })
  await control('/troubles', { method: 'PUT', body: JSON.stringify({ default: { latencyMs: 1000 } }) })
  const sets = await Promise.all(Array.from({ length: CONCURRENCY }, () => addSet(sql, { inShop: false })))
  const items = await sql<{ id: string }[]>`
    select shop_update.enqueue('new_product_set', product_set_id => id)::text as id
    from unnest(${sets.map(({ setId }) => setId)}::bigint[]) id`
  await untilCalled(CONCURRENCY)
  await cluster.stop()
  await vi.waitFor(
    async () => {
      const calls = (await (await control('/requests')).json()) as { answer: unknown }[]
      expect(calls.filter(({ answer }) => answer)).toHaveLength(CONCURRENCY)
    },
    { timeout: 30_000, interval: 20 },
  )
  cluster = await startPostgres({ folder, port })
  await expectAllDone(
    items.map(({ id }) => id),
    { cuts: 0 },
  )
})

test('all connections of the worker are cut three times: the worker survives, nothing is lost', async () => {
  const ids = await queue()
  for (const requests of [30, 80, 130]) {
    await untilCalled(requests)
    const cut = await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name like 'shop-update %' and application_name <> 'shop-update test'`
    expect(cut.length).toBeGreaterThan(3)
  }
  await expectAllDone(ids, { cuts: 3 })
})

test.for(CUTS)(
  'the connection %s in a transaction, and new ones are reset while opened: the worker is at work afterwards',
  async (how) => {
    const gate = await openGate(cluster.url('postgres'))
    const behind = await startWorkerProcess({ ...workerEnv(gate.url, shop.url), LEASE_SECONDS: '2' })
    const printed = () => behind.printed.join('\n')
    let shutAt = 0
    try {
      await sql.begin(async (tx) => {
        await tx`set local idle_in_transaction_session_timeout = 0`
        await tx`lock table shop_update.request in access exclusive mode`
        // It is in the transaction that gives callbacks to their items; it has already read, on its own, which there
        // are.
        await vi.waitFor(
          async () => {
            const waiting = await sql`
              select from pg_locks join pg_stat_activity using (pid)
              where relation = 'shop_update.request'::regclass and not granted
                and client_port = any (${gate.ports()}::int[])
                and query like '%distinct on (c.item_id)%'`
            expect(waiting).toHaveLength(1)
          },
          { timeout: 20_000, interval: 20 },
        )
        shutAt = behind.log.length
        gate.refuse('pg_catalog.pg_type', 'is reset') // the first query of a new connection
        gate.cut(how)
        await vi.waitFor(
          () => {
            const lines = behind.log.slice(shutAt) as { msg: string; err?: { code: string } }[]
            const lost = lines.find(({ msg }) => msg === 'Applying callbacks failed; the next poll tries again')
            expect(lost?.err?.code, printed()).toMatch(/^(CONNECTION_CLOSED|ECONNRESET)$/)
          },
          { timeout: 20_000, interval: 20 },
        )
      })
      await vi.waitFor(() => expect(gate.refused(), printed()).toBeGreaterThanOrEqual(3), {
        timeout: 20_000,
        interval: 20,
      })
      gate.open()
      const [opened] = await sql`select now() as at`
      await vi.waitFor(
        async () => {
          const { worker_id } = behind.log.find(({ msg }) => msg === 'Shop Update is running')!
          const fresh = await sql`
            select from shop_update.worker
            where id = ${String(worker_id)}::bigint and heartbeat_at > ${opened!.at}::timestamptz`
          expect(fresh, printed()).toHaveLength(1)
        },
        { timeout: 30_000, interval: 50 },
      )
      expect(behind.child.exitCode, printed()).toBeNull()
    } finally {
      await behind.kill()
      await gate.close()
    }
  },
)

test.for(CUTS)(
  'the connection that would be told of changes %s while a worker starts: it says so and ends',
  async (how) => {
    const gate = await openGate(cluster.url('postgres'))
    gate.refuse('listen "shop_update"', how)
    const starting = startWorkerProcess(workerEnv(gate.url, shop.url))
    try {
      await expect(starting).rejects.toThrow(
        /^The worker ended with code 1:\n.*DATABASE_URL: the database broke off the connection/s,
      )
    } finally {
      await starting.then(
        (worker) => worker.kill(),
        () => undefined, // as it should be
      )
      await gate.close()
    }
  },
)

describe.for(CUTS)('the connection %s', (how) => {
  let gate: Gate
  let behind: Sql
  beforeEach(async () => {
    gate = await openGate(cluster.url('postgres'))
    behind = connect(gate.url, { max: 1, name: 'behind a gate' })
    await behind`drop table if exists written`
    await behind`create table written (what text)`
  })
  afterEach(async () => {
    await behind.end({ timeout: 0 })
    await gate.close()
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)'`
  })
  const expectLost = async (statement: Promise<unknown>) =>
    expect(await statement.catch((error) => error)).toSatisfy(isConnectionError)
  const untilSleeping = () =>
    vi.waitFor(
      async () => {
        const sleeping = await sql`
          select from pg_stat_activity
          where client_port = any (${gate.ports()}::int[]) and state = 'active' and query like '%pg_sleep(60)'`
        expect(sleeping).toHaveLength(1)
      },
      { timeout: 30_000, interval: 20 },
    )

  test('what is sent as a statement fails is answered or refused, and the next one is answered', async () => {
    const soon = Promise.withResolvers<unknown>()
    const answers = Promise.allSettled([
      behind`select pg_sleep(60)`,
      ...Array.from({ length: 3 }, () => behind`select 1 as one`),
      behind`select pg_sleep(60)`.catch(() => {
        // before the socket is closed, and too late to be written before that
        setImmediate(() => behind`select 'soon' as x`.then(soon.resolve, soon.reject))
        return Promise.all([behind`select 2 as two`, transaction(behind, (tx) => tx`select 3 as three`)])
      }),
      soon.promise,
    ])
    await untilSleeping()
    gate.cut(how)
    for (const answer of await answers) {
      if (answer.status === 'rejected') expect(answer.reason).toSatisfy(isConnectionError)
      else expect([[[{ two: 2 }], [{ three: 3 }]], [{ x: 'soon' }]]).toContainEqual(answer.value)
    }
    expect(await behind`select 4 as four`).toEqual([{ four: 4 }])
  })

  test('what comes later in a transaction is refused, and not sent by itself', async () => {
    let after: Promise<unknown> | undefined
    const lost = transaction(behind, async (tx) => {
      await tx`insert into written values ('before')`
      await expectLost(tx`select pg_sleep(60)`)
      await behind`insert into written values ('by itself')`
      after = tx`insert into written values ('after')`.execute()
      await after
    })
    const refused = expectLost(lost)
    await untilSleeping()
    gate.cut(how)
    await refused
    await vi.waitFor(() => expect(after).toBeDefined(), { timeout: 30_000 })
    await expectLost(after!)
    await transaction(behind, (tx) => tx`insert into written values ('in another one')`)
    expect(await sql`select what from written`).toEqual([{ what: 'by itself' }, { what: 'in another one' }])
  })

  test('what waits in a transaction is refused', async () => {
    const statements: Promise<unknown>[] = []
    const lost = transaction(behind, async (tx) => {
      // the second is described before it is sent: the third is not given to the connection
      statements.push(tx`select pg_sleep(60)`, tx`select ${1}::int`, tx`select ${2}::text`)
      await Promise.all(statements)
    })
    const refused = expectLost(lost)
    await untilSleeping()
    gate.cut(how)
    await refused
    for (const statement of statements) await expectLost(statement)
  })

  test('in the middle of an answer: nothing of it is in the next one', async () => {
    const numbers = () => behind`select n from generate_series(1, 20000) n`
    gate.halve(how)
    await expectLost(numbers())
    expect((await numbers().catch(numbers)).map(({ n }) => n)).toEqual(Array.from({ length: 20_000 }, (_, k) => k + 1))
  })

  test('while the pool is ended: it ends', async () => {
    const sleeping = expectLost(behind`select pg_sleep(60)`)
    await untilSleeping()
    const ended = behind.end()
    gate.cut(how)
    await sleeping
    await ended
  })

  test('while it listens, and again and again: when it can be had, each channel is listened to once', async () => {
    let listening = 0
    const told = Promise.withResolvers<void>()
    await behind.listen(
      'one',
      () => {},
      () => (listening += 1),
    )
    await behind.listen(
      'two',
      () => told.resolve(),
      () => (listening += 1),
    )
    expect(listening).toBe(2)
    gate.refuse('behind a gate', how)
    gate.cut(how)
    await vi.waitFor(() => expect(gate.refused()).toBeGreaterThanOrEqual(5), { timeout: 20_000 })
    gate.open()
    await vi.waitFor(() => expect(listening).toBeGreaterThanOrEqual(4), { timeout: 20_000 })
    await sql`select pg_notify('two', '')`
    await told.promise
    expect(listening).toBe(4)
  })

  test('to one of several hosts: the other one is asked, and what was under way is refused', async () => {
    const other = await openGate(cluster.url('postgres'))
    const both = gate.url.replace(gate.host, `${gate.host},${other.host}`)
    const [moving, staying] = [
      connect(both, { max: 1, name: 'behind two gates' }),
      connect(both, { max: 1, name: 'behind one of them' }),
    ]
    try {
      gate.refuse('behind two gates', how)
      expect(await moving`select 1 as one`).toEqual([{ one: 1 }])
      other.refuse('behind', how)
      other.cut(how)
      await expectLost(moving`select 2 as two`)

      const sleeping = expectLost(staying`select pg_sleep(60)`) // the first statement of its connection
      await untilSleeping()
      gate.cut(how)
      await sleeping
      const three = () => staying`select 3 as three`
      expect(await three().catch(three)).toEqual([{ three: 3 }])
    } finally {
      await Promise.all([moving, staying].map((pool) => pool.end({ timeout: 0 })))
      await other.close()
    }
  })
})
