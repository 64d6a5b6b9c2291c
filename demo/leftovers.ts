import { execFile } from 'node:child_process'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { UsageError } from '../worker/usage-error.ts'

const run = promisify(execFile)
const EVERYTHING = /demo\/everything\.ts/

/** Notes which processes are ours, for the start after one that was killed before it could stop them. */
export async function noteProcesses(folder: string, children: readonly { pid?: number | undefined }[]): Promise<void> {
  await writeWhole(join(folder, 'processes.json'), JSON.stringify(children.flatMap(({ pid }) => pid ?? [])))
}

/**
 * Writes a file that is either the old one or the new one, whenever the process is killed; readable by its owner alone.
 */
export async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/**
 * Ends what a start that was killed has left running: worker, Shop, and the PostgreSQL on the data folder. One that is
 * still stopping is waited for.
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
  else await rm(pidFile, { force: true }) // the machine was switched off, and the number means nothing any more
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

/** The command line of a process, empty when there is none of that number. */
async function commandOf(pid: number): Promise<string> {
  if (process.platform === 'linux') return ((await readIfThere(`/proc/${pid}/cmdline`)) ?? '').replaceAll('\0', ' ')
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,args='])
  return stdout.split('\n').find((line) => line.trim().startsWith(`${pid} `)) ?? ''
}

async function end(pid: number, signal: NodeJS.Signals): Promise<void> {
  process.kill(pid, signal)
  if (!(await ends(pid))) process.kill(pid, 'SIGKILL')
}

/** Whether a process ends within 15 s: a stop of everything takes a few. */
async function ends(pid: number): Promise<boolean> {
  for (let waited = 0; waited < 15_000; waited += 100) {
    if ((await commandOf(pid)) === '') return true
    await delay(100)
  }
  return false
}
