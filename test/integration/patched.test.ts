import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { workerEnv } from '../worker-process.ts'

const ROOT = join(import.meta.dirname, '../..')
const CLIENT = 'node_modules/postgres'
let root: string

/** The project after `npm ci --ignore-scripts`, as far as a command needs it. */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'shop-update-unpatched-'))
  await mkdir(join(root, 'node_modules'))
  for (const name of await readdir(join(ROOT, 'node_modules')))
    if (name !== 'postgres') await symlink(join(ROOT, 'node_modules', name), join(root, 'node_modules', name))
  for (const part of ['worker', 'sql', 'package.json', CLIENT])
    await cp(join(ROOT, part), join(root, part), { recursive: true })
  const patched = join(root, CLIENT, 'src/connection.js')
  const text = await readFile(patched, 'utf8')
  expect(text).toContain('    , reconnectTimer = null\n')
  await writeFile(patched, text.replace('    , reconnectTimer = null\n', '')) // one line of the patch is enough
})
afterAll(() => rm(root, { recursive: true, force: true }))

test.each(['main', 'migrate', 'import'])(
  'worker/%s.ts does not start without the patch of its client',
  async (command) => {
    const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) =>
      execFile(
        process.execPath,
        [join(root, 'worker', `${command}.ts`), 'catalogue.csv'],
        {
          env: {
            PATH: process.env.PATH,
            ...workerEnv('postgres://nobody:nothing@127.0.0.1:9/none', 'http://127.0.0.1:9'),
          },
        },
        (error, _, printed) => resolve({ code: error?.code, stderr: printed }),
      ),
    )
    expect(stderr).toBe(
      `${CLIENT}/src/connection.js lacks what worker/patches/postgres+3.4.9.patch mends: ` +
        'run "npm ci" without --ignore-scripts.\n',
    )
    expect(code).toBe(1)
  },
)
