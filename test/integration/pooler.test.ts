import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { freePort } from '../../demo/postgres.ts'
import { createDatabase, type Database } from '../database.ts'
import { findProgram } from '../promtool.ts'
import { workerEnv } from '../worker-process.ts'

const bin = findProgram('pgbouncer', process.env.PGBOUNCER_BIN, process.env)
if (bin === null && !process.env.CI)
  process.stdout.write(
    'Poolers were NOT tried: there is no pgbouncer. PGBOUNCER_BIN names one; ' +
      'Debian has it in a package of that name.\n',
  )

const SENTENCE = /^DATABASE_URL: it leads to a pooler that keeps no session \(pgbouncer in transaction mode\).*\n$/

// Outside CI a machine may not have it.
const WAYS = [
  ['as it comes', ''],
  [
    'told to ignore what it does not know',
    'search_path, lock_timeout, statement_timeout, idle_in_transaction_session_timeout, enable_seqscan, ' +
      'plan_cache_mode, extra_float_digits, bytea_output, IntervalStyle, lc_numeric, lc_monetary, lc_time, ' +
      'xmloption, xmlbinary, backslash_quote, quote_all_identifiers, array_nulls, transform_null_equals, ' +
      'row_security, default_transaction_isolation, default_transaction_read_only, default_transaction_deferrable, ' +
      'transaction_timeout, idle_session_timeout',
  ],
] as const
describe.for(bin === null && !process.env.CI ? [] : WAYS)('pgbouncer in transaction mode, %s', ([, ignored]) => {
  let folder: string
  let database: Database
  let pooler: ChildProcess
  let url: string
  beforeAll(async () => {
    if (bin === null)
      throw new Error('There is no pgbouncer: PGBOUNCER_BIN names one; Debian has it in a package of that name.')
    database = await createDatabase()
    const to = new URL(database.url)
    const port = await freePort()
    folder = await mkdtemp(join(tmpdir(), 'shop-update-pooler-'))
    await chmod(folder, 0o755)
    await writeFile(
      join(folder, 'pgbouncer.ini'),
      `[databases]
* = host=${to.hostname} port=${to.port} user=${to.username} password=${to.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
${ignored && `ignore_startup_parameters = ${ignored}`}
`,
    )
    // It does not run as root.
    const asUser = process.getuid?.() === 0 ? ['-u', 'postgres'] : []
    pooler = spawn(bin, [...asUser, join(folder, 'pgbouncer.ini')], { stdio: 'ignore' })
    await vi.waitFor(
      () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect(port, '127.0.0.1', () => resolve(void socket.destroy())).on('error', reject)
        }),
      { timeout: 20_000, interval: 50 },
    )
    url = `postgres://postgres@127.0.0.1:${port}${to.pathname}`
  })
  afterAll(async () => {
    pooler?.kill('SIGKILL')
    await database?.drop()
    await rm(folder, { recursive: true, force: true })
  })

  test.each(['migrate', 'main'])('%s ends with one sentence', async (entry) => {
    const ended = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) =>
      execFile(
        process.execPath,
        [join(import.meta.dirname, '../../worker', `${entry}.ts`)],
        {
          env: { PATH: process.env.PATH, ...workerEnv(url, 'http://127.0.0.1:9') },
          timeout: 60_000,
          killSignal: 'SIGKILL',
        },
        (error, stdout, stderr) => resolve({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr }),
      ),
    )
    expect(ended).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(SENTENCE) })
  })
})
