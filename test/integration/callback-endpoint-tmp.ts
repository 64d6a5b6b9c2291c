import { createServer, connect as cs } from 'node:net'
import { startPostgres } from '../postgres.ts'
import { connect } from '../../worker/queue/database.ts'
const cluster = await startPostgres()
const target = new URL(cluster.url('postgres'))
const sockets = new Set<any>()
const server = createServer((near) => { const far = cs(Number(target.port), target.hostname); for (const [a, b] of [[near, far], [far, near]] as const) { sockets.add(a); a.on('data', (c) => b.write(c)); a.on('error', () => {}); a.on('close', () => b.destroy()) } })
await new Promise<void>((r) => server.listen(0, '127.0.0.1', r))
target.port = String((server.address() as any).port)
const pool = connect(target.href, { max: 2, name: 'x' })
const t0 = Date.now()
const say = (...x: unknown[]) => console.log(Date.now() - t0, ...x)
say(await pool.begin((tx) => [tx`select 1 as a`, tx`select 2 as b`]))
say(await pool`select 1`)
const closed = new Promise((r) => server.close(r))
for (const s of sockets) s.destroy()
await closed
say('cut')
for (let i = 0; i < 3; i++) {
  await pool`select 1`.then(say, (e) => say('plain', e.code))
  const p = pool.begin((tx) => [tx`select 1 as a`, tx`select 2 as b`]).then(say, (e) => say('begin', e.code))
  await Promise.race([p, new Promise((r) => setTimeout(r, 3000))]); say('next')
}
await pool.end({ timeout: 0 }); await cluster.stop()
