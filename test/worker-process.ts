import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const ROOT = join(import.meta.dirname, '..')

export interface WorkerProcess {
  child: ChildProcess
  publicUrl: string
  internalUrl: string
  /** Every line logged so far. */
  log: Record<string, unknown>[]
  /** Everything printed so far: the log, and the reason for its death. */
  printed: readonly string[]
  /** Sends SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
  /** kill -9. */
  kill(): Promise<void>
}

export const VIEWER_API_KEY = 'viewer-key-of-the-tests'
export const ADMIN_API_KEY = 'admin-key-of-the-tests'

/** The minimal environment of a worker; the system chooses the ports. */
export const workerEnv = (databaseUrl: string, shopUrl: string): Record<string, string> => ({
  DATABASE_URL: databaseUrl,
  SHOP_URL: shopUrl,
  SHOP_USERNAME: 'sc',
  SHOP_PASSWORD: 'canary-password-of-the-shop',
  VENTURE: 'zalora',
  COUNTRY: 'eg',
  ENVIRONMENT: 'staging',
  PUBLIC_HOST: '127.0.0.1',
  PUBLIC_PORT: '0',
  INTERNAL_PORT: '0',
  VIEWER_API_KEY,
  ADMIN_API_KEY,
})

/**
 * Starts the real worker process, `node worker/main.ts`, and resolves when it says that it is running.
 *
 * @param options.root of the code, if not this one
 * @param options.signal kills it while it is starting
 * @throws with everything that it printed, if it ends before
 */
export function startWorkerProcess(
  env: Record<string, string>,
  { root = ROOT, signal }: { root?: string; signal?: AbortSignal } = {},
): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [join(root, 'worker/main.ts')], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const kill = () => child.kill('SIGKILL')
  signal?.addEventListener('abort', kill)
  const log: Record<string, unknown>[] = []
  const printed: string[] = []
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stderr! }).on('line', (line) => printed.push(line))
    createInterface({ input: child.stdout! }).on('line', (line) => {
      printed.push(line)
      if (!line.startsWith('{')) return
      const entry = JSON.parse(line)
      log.push(entry)
      if (entry.msg === 'Shop Update is running') {
        signal?.removeEventListener('abort', kill)
        resolve({
          child,
          publicUrl: entry.public,
          internalUrl: entry.internal,
          log,
          printed,
          stop() {
            child.kill('SIGTERM')
            return exited
          },
          async kill() {
            child.kill('SIGKILL')
            await exited
          },
        })
      }
    })
    exited.then((code) => reject(new Error(`The worker ended with code ${code}:\n${printed.join('\n')}`)))
  })
}
