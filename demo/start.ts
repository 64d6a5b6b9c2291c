import { spawn } from 'node:child_process'
import { join } from 'node:path'

/**
 * `npm start`: the process in the terminal. A Ctrl-C reaches every process of the terminal's group at once, so
 * PostgreSQL would be gone before the worker that needs it. So everything runs in its own group and is told by this
 * process. If this one is killed, its channel closes, and everything stops all the same.
 */
const everything = spawn(process.execPath, [join(import.meta.dirname, 'everything.ts')], {
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  detached: true,
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => everything.kill('SIGTERM'))
everything.once('exit', (code) => {
  process.exitCode = code ?? 1
})
