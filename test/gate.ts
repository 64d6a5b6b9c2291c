import { once } from 'node:events'
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net'

/** How a connection is lost: cleanly (FIN), or not (RST). */
export const CUTS = ['ends', 'is reset'] as const
export type Cut = (typeof CUTS)[number]

export type Gate = Awaited<ReturnType<typeof openGate>>

/** A path to PostgreSQL on which connections can be lost at a chosen moment. */
export async function openGate(databaseUrl: string) {
  const sockets = new Set<Socket>()
  let unwanted: { text: string; how: Cut } | null = null
  let halved: Cut | null = null
  let refused = 0
  let silent = false
  let hushes = 0
  /** The connections that have begun to listen. */
  const listening: { isMute: boolean }[] = []
  const lose = (socket: Socket, how: Cut) => (how === 'ends' ? socket.destroy() : socket.resetAndDestroy())
  const url = new URL(databaseUrl)
  const databasePort = Number(url.port)
  const server = createServer((near) => {
    const far = dial(databasePort, url.hostname)
    const openedAt = hushes
    let listener: { isMute: boolean } | undefined
    const isMute = () => silent || openedAt < hushes || listener?.isMute
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    far.on('data', (answer) => {
      if (isMute()) return
      const how = halved
      if (how === null || answer.length < 1000) return near.write(answer)
      halved = null
      far.pause()
      near.write(answer.subarray(0, answer.length / 2), () => lose(near, how))
    })
    near.on('data', (message) => {
      if (isMute()) return
      if (!listener && message.includes('listen "')) {
        listener = { isMute: false }
        listening.push(listener)
      }
      if (unwanted === null || !message.includes(unwanted.text)) return far.write(message)
      refused += 1
      lose(near, unwanted.how)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    host: url.host,
    /** Includes those of the connections to PostgreSQL. */
    ports: () => [...sockets].flatMap(({ localPort }) => localPort ?? []),
    /** Cuts all connections now. */
    cut(how: Cut) {
      for (const socket of sockets) lose(socket, how)
    },
    /** From now on cuts each connection that sends `text`. */
    refuse(text: string, how: Cut) {
      unwanted = { text, how }
      refused = 0
    },
    refused: () => refused,
    open() {
      unwanted = null
    },
    /** Cuts the next one with a large answer, in the middle of it. */
    halve(how: Cut) {
      halved = how
    },
    /** Nothing gets through any more, and nobody is told. */
    hush() {
      silent = true
      hushes += 1
    },
    /** The same for listening connections, now. */
    hushListeners() {
      for (const listener of listening) listener.isMute = true
    },
    /** How many have begun to listen. */
    listeners: () => listening.length,
    /** New connections get through again. The old ones stay silent, as behind a firewall that has forgotten them. */
    speak() {
      if (silent) hushes += 1
      silent = false
    },
    /** May be called more than once; then there is no path to PostgreSQL any more. */
    async close() {
      for (const socket of sockets) socket.destroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
}
