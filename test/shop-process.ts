import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface ShopProcess {
  url: string
  stop(): Promise<void>
}

/** Starts the simulated Shop as a separate process, like `npm run shop`; on any free port unless `env` names one. */
export function startShopProcess(env: Record<string, string> = {}): Promise<ShopProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', 'demo', 'shop', 'main.ts')], {
    env: { PATH: process.env.PATH ?? '', SHOP_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', (line) =>
      resolve({
        url: JSON.parse(line).listening,
        async stop() {
          child.kill('SIGTERM')
          await exited
        },
      }),
    )
    exited.then((code) => reject(new Error(`The simulated Shop ended with code ${code}`)))
  })
}
