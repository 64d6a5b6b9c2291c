import { spawn } from 'node:child_process'
import { join } from 'node:path'

/**
 * `npm start`: the process in the terminal. A Ctrl-C goes to every process of the terminal's group at once, and
 * PostgreSQL would be gone before the worker that needs it; so all of it runs in a group of its own, and is told by
 * this one. When this one is killed, its channel closes, and everything stops all the same.
 */
const everything = spawn(process.execPath, [join(import.meta.dirname, 'everything.ts')], {
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  detached: true,
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => everything.kill('SIGTERM'))
everything.once('exit', (code) => {
  process.exitCode = code ?? 1
})
