import type { ServerOptions } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { AllowList } from '../allow-list.ts'
import { remoteAddress } from './remote-address.ts'

/** How long a client may take to send us something. What it is sent may take as long as it likes: events never end. */
export const SERVER_OPTIONS: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 15_000, // where a handler has not let go of a body before
  connectionsCheckingInterval: 1_000,
}

export interface ConnectionLimits {
  most: number
  /** Of one address, so that nobody takes up all of them; not of a proxy of ours, behind which there are many. */
  mostOfOne: number
  trustedProxies: AllowList
  log: { warn(fields: object, message: string): void }
}

/** Closes what is more than enough, at once and without an answer; logged once a minute at most. */
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
