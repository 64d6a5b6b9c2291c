import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Point } from './decode.ts'

export interface ReceiverProcess {
  url: string
  /** What has arrived so far. */
  read(): Promise<{ spans: number; logs: number; points: Point[] }>
  /** @returns how many it has taken in total */
  stop(): Promise<{ spans: number; logs: number }>
}

/** Starts the receiver as a separate process, by default on any free port. */
export function startReceiverProcess(port = 0): Promise<ReceiverProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    env: { PATH: process.env.PATH ?? '', OTLP_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  return new Promise((resolve, reject) => {
    let last = ''
    const lines = createInterface({ input: child.stdout! }).on('line', (line) => {
      last = line
    })
    lines.once('line', (line) => {
      const url: string = JSON.parse(line).listening
      resolve({
        url,
        read: async () => (await fetch(url)).json() as never,
        async stop() {
          child.kill('SIGTERM')
          await Promise.all([exited, new Promise((ended) => lines.once('close', ended))])
          return JSON.parse(last)
        },
      })
    })
    exited.then((code) => reject(new Error(`The receiver ended with code ${code}`)))
  })
}
