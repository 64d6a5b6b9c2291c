import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { allowList } from '../../worker/allow-list.ts'
import { limitConnections } from '../../worker/api/connections.ts'

let server: Server
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  server.close()
  await once(server, 'close')
})

/** Opens one connection after the other, and resolves with those that were let in. */
async function letIn(limits: { most: number; mostOfOne: number; trustedProxies?: string[] }, from: string[]) {
  const told: object[] = []
  server = createServer()
  limitConnections(server, {
    ...limits,
    trustedProxies: allowList(limits.trustedProxies ?? []),
    log: { warn: (fields) => void told.push(fields) },
  })
  server.on('connection', (socket) => socket.destroyed || socket.write('!'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const answered: boolean[] = []
  for (const localAddress of from) {
    const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => {})
    sockets.push(socket)
    answered.push(await Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)]))
  }
  return { answered, told }
}
const [ONE, OTHER] = ['127.0.0.1', '127.0.0.2']

test('of all addresses together there are so many, and that is told once', async () => {
  const { answered, told } = await letIn({ most: 2, mostOfOne: 2 }, [ONE, OTHER, ONE, OTHER])
  expect(answered).toEqual([true, true, false, false])
  expect(told).toEqual([expect.objectContaining({ 'event.name': 'connections_refused', most: 2 })])
})

test('of one address there are so many, and of a proxy of ours as many as of all', async () => {
  const limits = { most: 10, mostOfOne: 1, trustedProxies: [OTHER] }
  const { answered } = await letIn(limits, [ONE, ONE, OTHER, OTHER, OTHER])
  expect(answered).toEqual([true, false, true, true, true])
})
