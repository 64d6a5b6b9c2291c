import { execFile } from 'node:child_process'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { UsageError } from '../worker/usage-error.ts'

const run = promisify(execFile)
const EVERYTHING = /demo\/everything\.ts/

/** Records our processes, for the next start if this one is killed before it can stop them. */
export async function noteProcesses(folder: string, children: readonly { pid?: number | undefined }[]): Promise<void> {
  await writeWhole(join(folder, 'processes.json'), JSON.stringify(children.flatMap(({ pid }) => pid ?? [])))
}

/**
 * Writes a file so that it is always either the old or the new one, even if the process is killed; only its owner can
 * read it.
 */
export async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/**
 * Ends what a killed start has left running: worker, Shop, and the PostgreSQL on the data folder. Waits for one that is
 * still stopping.
 *
 * @throws UsageError when another start runs on the same folder
 */
export async function endLeftovers(folder: string): Promise<void> {
  const noted = await readNoted(folder)
  for (const pid of noted) {
    if (EVERYTHING.test(await commandOf(pid)) && !(await ends(pid))) {
      throw new UsageError(`"npm start" runs already on ${folder} (process ${pid}): stop that one first.`)
    }
  }
  for (const pid of noted) {
    if (/worker\/main\.ts|shop\/main\.ts/.test(await commandOf(pid))) await end(pid, 'SIGTERM')
  }
  const pidFile = join(folder, 'postgres', 'postmaster.pid')
  const pid = Number((await readIfThere(pidFile))?.split('\n')[0])
  if (!pid) return
  if ((await commandOf(pid)).includes('postgres')) await end(pid, 'SIGINT')
  else await rm(pidFile, { force: true }) // the machine was off, and the number is meaningless now
}

async function readNoted(folder: string): Promise<number[]> {
  return JSON.parse((await readIfThere(join(folder, 'processes.json'))) ?? '[]')
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}

/** The command line of a process; empty if there is no such process. */
async function commandOf(pid: number): Promise<string> {
  if (process.platform === 'linux') return ((await readIfThere(`/proc/${pid}/cmdline`)) ?? '').replaceAll('\0', ' ')
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,args='])
  return stdout.split('\n').find((line) => line.trim().startsWith(`${pid} `)) ?? ''
}

async function end(pid: number, signal: NodeJS.Signals): Promise<void> {
  process.kill(pid, signal)
  if (!(await ends(pid))) process.kill(pid, 'SIGKILL')
}

/** Whether a process ends within 15 s; stopping everything takes a few. */
async function ends(pid: number): Promise<boolean> {
  for (let waited = 0; waited < 15_000; waited += 100) {
    if ((await commandOf(pid)) === '') return true
    await delay(100)
  }
  return false
}
