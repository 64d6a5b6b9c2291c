import { execFile } from 'node:child_process'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Notes which processes are ours, for the start after one that was killed before it could stop them. */
export async function noteProcesses(folder: string, children: readonly { pid?: number | undefined }[]): Promise<void> {
  await writeWhole(join(folder, 'processes.json'), JSON.stringify(children.flatMap(({ pid }) => pid ?? [])))
}

/** Writes a file that is either the old one or the new one, whenever the process is killed; readable by its owner alone. */
export async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** Ends what such a start has left running: worker, Shop, and the PostgreSQL on the data folder. */
export async function endLeftovers(folder: string): Promise<void> {
  for (const pid of await readNoted(folder)) {
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
  for (let waited = 0; waited < 15_000; waited += 100) {
    if ((await commandOf(pid)) === '') return
    await delay(100)
  }
  process.kill(pid, 'SIGKILL')
}
