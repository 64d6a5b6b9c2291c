import { spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { freePort } from '../../demo/postgres.ts'

const ENTRY = join(import.meta.dirname, '..', '..', 'demo', 'start.ts')
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shop-update-start-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs `npm start` until it has printed what to try. */
async function start() {
  const ports = {
    PUBLIC_PORT: String(await freePort()),
    INTERNAL_PORT: String(await freePort()),
    SHOP_PORT: String(await freePort()),
    PREVIEW_PORT: String(await freePort()),
  }
  const child = spawn(process.execPath, [ENTRY], {
    env: { PATH: process.env.PATH, DATA_FOLDER: folder, ...ports },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const printed: string[] = []
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => printed.push(line))
  await vi.waitFor(() => expect(printed.join('\n')).toContain('Ctrl-C stops all of it.'), {
    timeout: 60_000,
    interval: 50,
  })
  const text = printed.join('\n')
  const viewer = /Viewer key\s+(\S+)/.exec(text)![1]!
  const admin = /Admin key\s+(\S+)/.exec(text)![1]!
  const call = async (path: string, init: RequestInit & { key?: string } = {}) => {
    const response = await fetch(`http://127.0.0.1:${ports.INTERNAL_PORT}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${init.key ?? viewer}`, 'content-type': 'application/json' },
    })
    return (await response.json()) as Record<string, never> & { items: { id: string; flow: string }[] }
  }
  const begun = new Date().toISOString()
  return {
    printed,
    begun,
    admin,
    call,
    workerPid: () => Number(/kill -9 (\d+)/.exec(text)![1]),
    /** The process in the terminal, with `kill -9`. */
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    async stop() {
      process.kill(-child.pid!, 'SIGINT') // to the whole group, as a terminal does
      return exited
    },
  }
}

test('npm start: both flows reach Synced, a killed worker is replaced, Ctrl-C ends it, a restart goes on', async () => {
  const first = await start()
  const synced = async (flow: string) => {
    const { items } = await first.call(`/api/items?tab=synced&limit=200&from=${first.begun}`)
    expect(items.some((item) => item.flow === flow)).toBe(true)
  }
  await vi.waitFor(() => synced('synchronous'), { timeout: 30_000, interval: 200 })
  await first.call('/api/flow', { method: 'PUT', body: JSON.stringify({ flow: 'asynchronous' }), key: first.admin })
  process.kill(first.workerPid(), 'SIGKILL')
  await vi.waitFor(() => expect(first.printed.join('\n')).toMatch(/The worker runs again/), {
    timeout: 30_000,
    interval: 50,
  })
  await vi.waitFor(() => synced('asynchronous'), { timeout: 60_000, interval: 200 })
  expect(await first.stop()).toBe(0)
  expect(first.printed.at(-1)).toContain('goes on with the same data')

  const second = await start()
  expect(second.admin).toBe(first.admin)
  const { items } = await second.call(`/api/items?tab=synced&limit=1&from=${first.begun}`)
  expect(items).toHaveLength(1)
  const { madeUpUntil } = (await second.call('/api/summary')) as unknown as { madeUpUntil: string }
  expect(madeUpUntil < first.begun).toBe(true)
  expect(await second.stop()).toBe(0)
}, 180_000)

test('npm start that is killed stops all the same, and the next one goes on', async () => {
  const first = await start()
  await first.kill()
  const second = await start()
  expect(second.admin).toBe(first.admin)
  expect(await second.stop()).toBe(0)
}, 180_000)

test('npm start: where PostgreSQL cannot start it says so and ends', async () => {
  const spoiled = await mkdtemp(join(tmpdir(), 'shop-update-start-'))
  try {
    await chmod(spoiled, 0o755)
    await mkdir(join(spoiled, 'postgres'), { mode: 0o755 })
    await writeFile(join(spoiled, 'postgres', 'PG_VERSION'), '1')
    const child = spawn(process.execPath, [ENTRY], {
      env: { PATH: process.env.PATH, DATA_FOLDER: spoiled },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const printed: string[] = []
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => printed.push(line))
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(1)
    expect(printed.join('\n')).toContain('PostgreSQL did not start')
  } finally {
    await rm(spoiled, { recursive: true, force: true })
  }
})
