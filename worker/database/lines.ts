import { connect, type Socket } from 'node:net'

const LOOK_MS = 1000

/** What `postgres` knows of where to connect to. */
interface Hosts {
  host: string[]
  port: number[]
  path?: string | null
}

/**
 * The sockets of a pool. A connection may fall silent without an end (a firewall that forgets it, a machine that is
 * gone): `postgres` waits for its answer for ever then, and so does everything behind it. So whoever has been sent
 * something and has not said a word for `answerWithinMs` is cut off: its statements are refused as with any lost
 * connection, and the pool connects anew.
 */
export class Lines {
  readonly #answerWithinMs: number
  /** Of each: how much had been written when it was last heard, and since when that is so. */
  readonly #sockets = new Map<Socket, { written: number; read: number; since: number }>()
  #last: Socket | undefined
  #place = 0
  #looking: NodeJS.Timeout | undefined

  constructor(answerWithinMs: number) {
    this.#answerWithinMs = answerWithinMs
  }

  /**
   * Of several hosts the one where the last connection lives, else the next one. It need not be connected yet: what is
   * written waits.
   */
  open({ host, port, path }: Hosts): Socket {
    if (this.#last?.destroyed) this.#place = (this.#place + 1) % host.length
    const [toHost, toPort] = [host[this.#place]!, port[this.#place]!]
    const socket = path ? connect(path) : connect(toPort, toHost)
    Object.assign(socket, { host: toHost, port: toPort }) // for TLS, and for what is told of a failure
    this.#last = socket
    const seen = { written: 0, read: 0, since: performance.now() }
    this.#sockets.set(socket, seen)
    // Not of one that is encrypted later on: `postgres` takes its listeners away. Such a one is cut off when it is idle
    // for so long, too.
    socket.on('data', () => {
      seen.written = socket.bytesWritten
    })
    this.#looking ??= setInterval(() => this.#look(), LOOK_MS).unref()
    return socket
  }

  /** All of them, now, and without a word to the other side. */
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
