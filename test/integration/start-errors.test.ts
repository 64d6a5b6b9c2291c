import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { freePort } from '../../demo/postgres.ts'
import { createDatabase, type Database } from '../database.ts'
import { workerEnv } from '../worker-process.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.drop())

/** Runs `node worker/main.ts`, or another program, until it exits. */
const start = (env: Record<string, string | undefined>, program = 'worker/main.ts') =>
  new Promise<{ code: unknown; stderr: string; printed: string }>((resolve) => {
    execFile(
      process.execPath,
      [join(import.meta.dirname, '../..', program)],
      {
        env: { PATH: process.env.PATH, ...workerEnv(database.url, 'http://127.0.0.1:9'), ...env },
        timeout: 20_000,
        killSignal: 'SIGKILL',
      },
      (error, stdout, stderr) =>
        resolve({ code: error ? (error.code ?? error.signal) : 0, stderr, printed: stdout + stderr }),
    )
  })

test('Grafana is not started with the example’s secrets', async () => {
  const env = {
    ENVIRONMENT: 'live',
    GRAFANA_ADMIN_PASSWORD: 'change-me',
    GRAFANA_SECRET_KEY: 'change-me',
    GRAFANA_DB_PASSWORD: 'change-me',
  }
  const { code, stderr } = await start(env, 'worker/check-grafana.ts')
  expect([code, stderr]).toEqual([
    1,
    'GRAFANA_ADMIN_PASSWORD is still that of the example: choose one of your own for live.\n',
  ])
  expect(await start({ ...env, ENVIRONMENT: 'staging' }, 'worker/check-grafana.ts')).toEqual({
    code: 0,
    stderr: '',
    printed: '',
  })
})

const expectSentence = async (env: Record<string, string | undefined>, sentence: string | RegExp) => {
  const { code, stderr, printed } = await start(env)
  expect(stderr).toEqual(typeof sentence === 'string' ? `${sentence}\n` : expect.stringMatching(sentence))
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(printed).not.toContain('canary')
  expect(code).toBe(1)
}

test.each(['DATABASE_URL', 'SHOP_URL', 'VENTURE', 'COUNTRY', 'ENVIRONMENT', 'VIEWER_API_KEY', 'ADMIN_API_KEY'])(
  '%s is missing',
  (name) =>
    expectSentence(
      { [name]: undefined },
      name === 'DATABASE_URL' ? /^DATABASE_URL is missing: it must be a URL like postgres:/ : `${name} is missing.`,
    ),
)

test.each<[name: string, env: Record<string, string>, sentence: string | RegExp]>([
  [
    'DATABASE_URL',
    { DATABASE_URL: 'mysql://user:canary@host/database' },
    /^DATABASE_URL is wrong: it must be a URL like postgres:/,
  ],
  [
    'SHOP_URL',
    { SHOP_URL: 'https://sc:canary@shop.example/canary' },
    /^SHOP_URL is wrong: it must not hold a user name or password/,
  ],
  ['ENVIRONMENT', { ENVIRONMENT: 'canary' }, 'ENVIRONMENT is wrong: it must be live or staging.'],
  ['CONCURRENCY', { CONCURRENCY: 'canary' }, 'CONCURRENCY is wrong: it must be a whole number from 1 to 20000.'],
  ['the keys', { VIEWER_API_KEY: 'canary', ADMIN_API_KEY: 'canary' }, 'ADMIN_API_KEY must differ from VIEWER_API_KEY.'],
  [
    'CALLBACK_ALLOWED_IPS',
    { CALLBACK_ALLOWED_IPS: '127.0.0.1,10.0.0.300' },
    /^CALLBACK_ALLOWED_IPS is wrong: .*entry 2 is neither\.$/m,
  ],
  ['TRUSTED_PROXIES', { TRUSTED_PROXIES: '10.0.0.300' }, /^TRUSTED_PROXIES is wrong: /],
  ['live with short keys', { ENVIRONMENT: 'live' }, /^VIEWER_API_KEY has fewer than 24 characters: not for live/],
])('%s is wrong', (_, env, sentence) => expectSentence(env, sentence))

test('the database cannot be reached', async () => {
  const port = await freePort()
  await expectSentence(
    { DATABASE_URL: `postgres://postgres:canary@127.0.0.1:${port}/postgres` },
    `DATABASE_URL: the database cannot be reached (127.0.0.1:${port}).`,
  )
})

test('a proxy before the database hangs up at once, as it does when the database is away', async () => {
  const proxy = createServer((socket) => socket.on('error', () => {}).end()).listen(0, '127.0.0.1')
  try {
    await once(proxy, 'listening')
    const { port } = proxy.address() as AddressInfo
    await expectSentence(
      { DATABASE_URL: `postgres://postgres:canary@127.0.0.1:${port}/postgres` },
      `DATABASE_URL: the database broke off the connection (127.0.0.1:${port}).`,
    )
  } finally {
    proxy.close()
  }
})

test('the host of the database does not exist', () =>
  expectSentence(
    { DATABASE_URL: 'postgres://postgres:canary@nowhere.invalid/postgres' },
    'DATABASE_URL: the database cannot be reached (no address is known for the host nowhere.invalid).',
  ))

test('the password of the database is wrong', () =>
  expectSentence(
    { DATABASE_URL: database.url.replace(':postgres@', ':canary@') },
    'DATABASE_URL: the database refused the user name or password.',
  ))

test('the database does not exist', () =>
  expectSentence(
    { DATABASE_URL: inject('postgresUrl').replace(/\/postgres$/, '/canary') },
    'DATABASE_URL: the database of that name does not exist.',
  ))

test.each(['PUBLIC_PORT', 'INTERNAL_PORT'])('%s is in use: it is named, and nothing stays behind', async (name) => {
  const port = await freePort()
  const other = createServer().listen(port, '127.0.0.1')
  try {
    await expectSentence({ [name]: String(port) }, `${name}: port ${port} is in use already.`)
    expect(await database.sql`select from shop_update.worker`).toHaveLength(0)
  } finally {
    other.close()
  }
})
