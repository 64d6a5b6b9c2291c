import type { ServerOptions } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { AllowList } from '../allow-list.ts'
import { remoteAddress } from './remote-address.ts'

/** How long a client may take to send a request. A response may take any time: the event stream never ends. */
export const SERVER_OPTIONS: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 15_000, // unless a handler has ended the body earlier
  connectionsCheckingInterval: 1_000,
}

export interface ConnectionLimits {
  most: number
  /**
   * The most from one address, so that nobody takes all of them. Does not apply to our proxies, which stand for many
   * clients.
   */
  mostOfOne: number
  trustedProxies: AllowList
  log: { warn(fields: object, message: string): void }
}

/** Closes surplus connections at once and without an answer; logs this at most once a minute. */
export function limitConnections(server: Server, { most, mostOfOne, trustedProxies, log }: ConnectionLimits): void {
  const open = new Map<string, number>()
  let loggedAt = Number.NEGATIVE_INFINITY
  const logOnce = (remote: string | undefined) => {
    if (performance.now() - loggedAt < 60_000) return
    loggedAt = performance.now()
    log.warn(
      { 'event.name': 'connections_refused', remote, most, most_of_one: mostOfOne },
      'Public listener: too many connections; new ones are closed without an answer, and callbacks may come late',
    )
  }
  server.maxConnections = most
  server.on('drop', (dropped) => logOnce(dropped?.remoteAddress))
  server.on('connection', (socket: Socket) => {
    const address = remoteAddress(socket.remoteAddress, undefined, trustedProxies)
    if (address === null || trustedProxies.allows(address)) return
    const others = open.get(address) ?? 0
    if (others >= mostOfOne) {
      logOnce(address)
      socket.destroy()
      return
    }
    open.set(address, others + 1)
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1
      if (left > 0) open.set(address, left)
      else open.delete(address)
    })
  })
}
