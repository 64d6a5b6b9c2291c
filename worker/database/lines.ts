import { connect, type Socket } from 'node:net'

const LOOK_MS = 1000

/** What `postgres` knows about the hosts. */
interface Hosts {
  host: string[]
  port: number[]
  path?: string | null
}

/**
 * The sockets of a pool. A connection may fall silent for ever (a firewall that forgets it, a machine that is gone);
 * `postgres` then waits for its answer without end, and so does everything behind it. So a connection that was sent
 * something and is silent for `answerWithinMs` is cut: its statements fail as with any lost connection, and the pool
 * reconnects.
 */
export class Lines {
  readonly #answerWithinMs: number
  /** For each: how much had been written when it was last heard, and since when that is unchanged. */
  readonly #sockets = new Map<Socket, { written: number; read: number; since: number }>()
  #last: Socket | undefined
  #place = 0
  #looking: NodeJS.Timeout | undefined

  constructor(answerWithinMs: number) {
    this.#answerWithinMs = answerWithinMs
  }

  /**
   * With several hosts, the one of the last live connection, else the next one. It need not be connected yet: writes
   * are queued.
   */
  open({ host, port, path }: Hosts): Socket {
    if (this.#last?.destroyed) this.#place = (this.#place + 1) % host.length
    const [toHost, toPort] = [host[this.#place]!, port[this.#place]!]
    const socket = path ? connect(path) : connect(toPort, toHost)
    Object.assign(socket, { host: toHost, port: toPort }) // for TLS, and for error messages
    this.#last = socket
    const seen = { written: 0, read: 0, since: performance.now() }
    this.#sockets.set(socket, seen)
    // Not for a connection that is encrypted later: `postgres` removes its listeners. Such a connection is also cut
    // when it is idle for that long.
    socket.on('data', () => {
      seen.written = socket.bytesWritten
    })
    this.#looking ??= setInterval(() => this.#look(), LOOK_MS).unref()
    return socket
  }

  /** Cuts all of them now, without a word to the other side. */
  cut(): void {
    for (const socket of this.#sockets.keys()) socket.destroy(silence())
  }

  #look(): void {
    const now = performance.now()
    for (const [socket, seen] of this.#sockets) {
      if (socket.destroyed) this.#sockets.delete(socket)
      else if (socket.bytesRead !== seen.read || socket.bytesWritten === seen.written) {
        seen.read = socket.bytesRead
        seen.since = now
      } else if (now - seen.since > this.#answerWithinMs) socket.destroy(silence())
    }
    if (this.#sockets.size > 0) return
    clearInterval(this.#looking)
    this.#looking = undefined
  }
}

const silence = () => Object.assign(new Error('The database does not answer.'), { code: 'ETIMEDOUT' })
