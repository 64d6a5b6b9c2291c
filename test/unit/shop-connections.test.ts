import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { type Connections, createConnections } from '../../worker/shop/connections.ts'
import { createLimiter } from '../../worker/shop/limiter.ts'

const server = createServer((request, response) => request.resume().on('end', () => response.end('[]')))
let accepted = 0
server.on('connection', () => accepted++)
let now = 1000

afterEach(() => {
  vi.restoreAllMocks()
  server.close()
})

const call = (connections: Connections) =>
  new Promise<void>((resolve, reject) =>
    connections.ask({
      refuse: reject,
      board: (connection) =>
        connection.dispatch(
          { path: '/', method: 'POST', body: '[]' },
          {
            onRequestStart() {},
            onResponseStart() {},
            onResponseData() {},
            onResponseEnd() {
              connection.end('answered')
              resolve()
            },
            onResponseError: (_controller, error) => reject(error),
          },
        ),
    }),
  )

it('are used again after some time idle, also by a Shop that has closed them all in a restart', async () => {
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const shop = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  const limiter = createLimiter({ most: 8, now: () => now })
  const connections = createConnections({ shop, limiter, timeoutMs: 5000 })
  async function calls(n: number) {
    const before = accepted
    for (; n > 0; n--) {
      now += 100
      await call(connections)
      await new Promise(setImmediate) // what has survived is known by then
    }
    return accepted - before
  }

  await calls(10)
  expect(await calls(10)).toBe(0)
  server.closeIdleConnections()
  await vi.waitFor(() => expect(connections.open).toBe(0))
  await calls(40)
  expect(await calls(10)).toBe(0)
  await connections.close()
})
