import { once } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { connect, isConnectionError } from '../../worker/database/database.ts'
import { type Gate, openGate } from '../gate.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene
let gate: Gate
beforeEach(async () => {
  scene = await startScene({ workers: false, env: { LEASE_SECONDS: '3' } })
  gate = await openGate(scene.databaseUrl)
})
afterEach(async () => {
  scene.worker?.child.kill('SIGKILL')
  await gate.close()
  await scene.stop()
})

const said = (text: string) =>
  vi.waitFor(
    () =>
      expect(
        scene.worker.log.find(({ msg }) => String(msg).includes(text)),
        scene.worker.printed.join('\n'),
      ).toBeDefined(),
    {
      timeout: 60_000,
      interval: 20,
    },
  )
const health = (status: number) =>
  vi.waitFor(async () => expect((await fetch(`${scene.worker.publicUrl}/healthz`)).status).toBe(status), {
    timeout: 60_000,
    interval: 20,
  })
const price = async () => scene.enqueue('price', { product: (await addSet(scene.sql)).productIds[0]! })

test('connections that have fallen silent: after a lease they are broken off, the worker is on new ones', async () => {
  await scene.startWorker({ DATABASE_URL: gate.url })
  await scene.untilStatus(await price(), 'synced')
  gate.hush()
  gate.speak()
  const item = await price()
  await said('PostgreSQL has not answered for a lease: all connections are closed and reopened')
  await vi.waitFor(async () => expect(await scene.item(item)).toMatchObject({ status: 'synced' }), {
    timeout: 60_000,
    interval: 50,
  })
  await health(200)
  // It receives notifications again: before the one-second poll.
  expect((await scene.api('/api/summary')).status).toBe(200)
  expect(scene.worker.child.exitCode).toBeNull()
})

test('the connection that is told of changes falls silent by itself: it is noticed, and opened anew', async () => {
  await scene.startWorker({ DATABASE_URL: gate.url })
  await scene.untilStatus(await price(), 'synced')
  const before = gate.listeners()
  gate.hushListeners()
  await said('The connection for notifications is silent and is reopened; until then, polls find the items')
  await expect.poll(() => gate.listeners(), { timeout: 60_000 }).toBeGreaterThan(before)
  await scene.untilStatus(await price(), 'synced')
  expect(scene.worker.child.exitCode).toBeNull()
})

test('new connections are silent as well: after two leases the worker ends, so that it is started anew', async () => {
  await scene.startWorker({ DATABASE_URL: gate.url })
  gate.hush()
  const [code] = await once(scene.worker.child, 'exit')
  expect(code).toBe(1)
  await said('PostgreSQL has not answered for two leases')
})

test('a database that refuses: healthz fails after two leases, and the worker waits for it', async () => {
  await scene.startWorker({ DATABASE_URL: gate.url })
  await health(200)
  gate.refuse('', 'ends')
  gate.cut('ends')
  await health(503)
  expect(scene.worker.child.exitCode).toBeNull()
  gate.open()
  await health(200)
  await scene.untilStatus(await price(), 'synced')
})

test('a statement has a deadline of its own on this side', async () => {
  const sql = connect(gate.url, { max: 1, name: 'behind a gate', answerWithinMs: 1500 })
  try {
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }])
    gate.hush()
    gate.speak()
    expect(await sql`select 2 as two`.catch((error) => error)).toSatisfy(isConnectionError)
    const three = () => sql`select 3 as three`
    expect(await three().catch(three)).toEqual([{ three: 3 }]) // at that very moment it may be refused once more
  } finally {
    await sql.end({ timeout: 0 })
  }
})
