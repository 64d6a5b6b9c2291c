import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startWorkerProcess, type WorkerProcess, workerEnv } from './worker-process.ts'

/** The version in production while this one is rolled out. */
const LAST_RELEASE = '94105cba602ac21787fb31d2da57ea70febca158'
const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '..')

export interface LastRelease {
  /** Brings a database to its schema. */
  migrate(databaseUrl: string): Promise<void>
  /** @param env beyond that of `workerEnv` */
  startWorker(databaseUrl: string, shopUrl: string, env: Record<string, string>): Promise<WorkerProcess>
  remove(): Promise<void>
}

/** Its code, with the packages of this version. */
export async function unpackLastRelease(): Promise<LastRelease> {
  const folder = await mkdtemp(join(tmpdir(), 'shop-update-last-release-'))
  const archive = join(folder, 'code.tar')
  await run('git', ['-C', ROOT, 'archive', '-o', archive, LAST_RELEASE, 'worker', 'sql', 'package.json']).catch(
    (error) => {
      throw new Error(
        `The history lacks ${LAST_RELEASE}, the last release: this needs a full clone (git fetch --unshallow).`,
        { cause: error },
      )
    },
  )
  await run('tar', ['-x', '-C', folder, '-f', archive])
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return {
    migrate: (databaseUrl) => runMigrate(folder, databaseUrl),
    startWorker: (databaseUrl, shopUrl, env) =>
      startWorkerProcess({ ...workerEnv(databaseUrl, shopUrl), ...env }, { root: folder }),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** `npm run migrate`, of the code in this folder. */
export async function runMigrate(root: string, databaseUrl: string): Promise<void> {
  const env = { PATH: process.env.PATH, ...workerEnv(databaseUrl, 'http://127.0.0.1:1') }
  await run(process.execPath, [join(root, 'worker/migrate.ts')], { env })
}
