import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CALLBACK_API_KEY, type Scene, startScene } from '../scene.ts'

/**
 * The public listener of a real worker, attacked on real sockets; the Shop calls from 127.0.0.1, strangers from
 * 127.0.0.2.
 */
let scene: Scene
beforeAll(async () => {
  scene = await startScene({ env: { CALLBACK_ALLOWED_IPS: '127.0.0.1' } })
})
afterAll(() => scene.stop())

function open(localAddress = '127.0.0.1'): Socket {
  const { hostname, port } = new URL(scene.worker.publicUrl)
  // the listener may hang up while this is still being sent
  return connect({ host: hostname, port: Number(port), localAddress }).on('error', () => {})
}

const whole = async (socket: Socket) => (await socket.setEncoding('utf8').toArray()).join('')

async function callBack(apiKey = CALLBACK_API_KEY, { publicUrl } = scene.worker): Promise<unknown> {
  const response = await fetch(`${publicUrl}/shop-update/`, {
    method: 'POST',
    headers: { 'x-api-key': apiKey, connection: 'close' },
    body: JSON.stringify({ jsonrpc: '2.0', method: 'Callback.process', params: { result: [] }, id: '1' }),
  })
  return response.json()
}
/** The machine may be busy; a worker follows within two seconds. */
const SECONDS = { timeout: 30_000, interval: 100 }
const HEARD = { jsonrpc: '2.0', error: { code: -32602, message: 'Unknown request id' }, id: '1' }

test('two hundred large bodies without a key are answered, not kept; the right key is heard meanwhile', async () => {
  const MIB = 1024 * 1024
  const head = (length: number) => `POST /shop-update/ HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`
  const stalled = Array.from({ length: 200 }, (_, n) => {
    const socket = open(n % 2 ? '127.0.0.1' : '127.0.0.2')
    socket.write(head(2 * MIB))
    // The rest never comes: the answer is to these 8 KiB.
    socket.write('['.padEnd(8 * 1024, ' '))
    return whole(socket)
  })
  expect(await callBack()).toEqual(HEARD)
  const answers = await Promise.all(stalled)
  expect(answers.filter((answer) => /^HTTP\/1.1 (200|429) /.test(answer))).toHaveLength(200)
  // Ten from each of the two addresses, however many are under way at once.
  expect(answers.filter((answer) => answer.startsWith('HTTP/1.1 200')).length).toBeLessThanOrEqual(20)
  expect(await callBack()).toEqual(HEARD)
})

test('a client that never ends its headers is let go', async () => {
  const socket = open()
  socket.write('POST /shop-update/ HTTP/1.1\r\nhost: x\r\n')
  expect(await whole(socket)).toMatch(/^HTTP\/1.1 408 /)
}, 45_000) // by default Node waits for a minute

test('one address has 250 connections, and others find room', async () => {
  const sockets = Array.from({ length: 260 }, () => open('127.0.0.2'))
  let closed = 0
  await new Promise<void>((resolve) => {
    for (const socket of sockets) socket.once('close', () => ++closed === 10 && resolve())
  })
  expect(closed).toBe(10)
  expect(await callBack()).toEqual(HEARD)
  expect(scene.worker.log).toContainEqual(
    expect.objectContaining({ 'event.name': 'connections_refused', remote: '127.0.0.2' }),
  )
  for (const socket of sockets) socket.destroy()
})

test('a key that is withdrawn is wrong at every worker within seconds, and the one that is left is not', async () => {
  const other = await scene.startWorker()
  const path = '/api/credentials/bob_callback_server'
  type Credential = { apiKey: string; keys: { id: string; lastUsedAt: string | null }[] }
  const { body: rotated } = await scene.api<Credential>(path, { method: 'PUT', body: { rotateKey: true } })
  const heard = () => Promise.all([callBack(), callBack(CALLBACK_API_KEY, other)])
  const heardWithNew = () => Promise.all([callBack(rotated.apiKey), callBack(rotated.apiKey, other)])
  await expect.poll(heardWithNew, SECONDS).toEqual([HEARD, HEARD])
  expect(await heard()).toEqual([HEARD, HEARD])
  const used = async () => (await scene.api<Credential>(path)).body.keys.map(({ lastUsedAt }) => typeof lastUsedAt)
  await expect.poll(used).toEqual(['string', 'string'])

  const { status } = await scene.api(path, { method: 'PUT', body: { withdrawKey: rotated.keys[1]!.id } })
  expect(status).toBe(200)
  // as a wrong key, or as one wrong key too many
  const isHeard = async () => (await heard()).map((answer) => JSON.stringify(answer) === JSON.stringify(HEARD))
  await expect.poll(isHeard, SECONDS).toEqual([false, false])
  expect(await heardWithNew()).toEqual([HEARD, HEARD])
})
