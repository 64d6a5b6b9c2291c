import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { z } from 'zod'

const positive = z.number().positive()

/** The Shop's limits. A missing field means no limit. */
export const limitsSchema = z.strictObject({
  /** Connections; a further one is closed at once. */
  connections: z.int().min(1).optional(),
  /** Requests processed at a time; the others queue, so that the latency grows with their number. */
  parallel: z.int().min(1).optional(),
  /** Requests per second, with a burst of one second's worth; the others are told to wait and are not processed. */
  perSecond: positive.optional(),
  /** How: HTTP 429, or 503 (which means "wait" only with `retryAfter`). */
  busyStatus: z.union([z.literal(429), z.literal(503)]).default(429),
  /** Seconds or a date, in the header Retry-After. */
  retryAfter: z.union([z.number().min(0), z.string()]).optional(),
  /** A connection that is idle for this long is closed; the answers do not announce it. */
  idleMs: positive.optional(),
})

export type LimitSettings = z.output<typeof limitsSchema>

/** Enforces the limits. */
export class Limits {
  readonly #settings: () => LimitSettings
  readonly #line: (() => void)[] = []
  #working = 0
  readonly #sockets = new Set<Socket>()
  readonly #idle = new WeakMap<Socket, NodeJS.Timeout>()
  #emptyAt = Number.NEGATIVE_INFINITY
  /** Connections that were closed at once, and the most that were open. */
  refused = 0
  mostConnections = 0
  /** Requests that were told to wait. */
  busy = 0
  idleClosed = 0

  constructor(settings: () => LimitSettings) {
    this.#settings = settings
  }

  watch(server: Server): void {
    server.on('connection', (socket) => {
      const { connections } = this.#settings()
      if (connections !== undefined && this.#sockets.size >= connections) {
        this.refused += 1
        socket.destroy()
        return
      }
      this.#sockets.add(socket)
      this.mostConnections = Math.max(this.mostConnections, this.#sockets.size)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** @returns whether it was told to wait */
  turnsDown(response: ServerResponse): boolean {
    const { perSecond, busyStatus, retryAfter } = this.#settings()
    if (perSecond === undefined) return false
    const now = performance.now()
    this.#emptyAt = Math.max(this.#emptyAt, now - 1000)
    if (this.#emptyAt + 1000 / perSecond <= now) {
      this.#emptyAt += 1000 / perSecond
      return false
    }
    this.busy += 1
    const header = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }
    response.writeHead(busyStatus, { 'content-type': 'text/plain', ...header })
    response.end('Too many requests')
    return true
  }

  /** Begins when it is its turn; `end` lets the next one in. */
  enter(begin: () => void): void {
    const { parallel = Number.POSITIVE_INFINITY } = this.#settings()
    if (this.#working >= parallel) {
      this.#line.push(begin)
      return
    }
    this.#working += 1
    begin()
  }

  end(): void {
    const next = this.#line.shift()
    if (next) next()
    else this.#working -= 1
  }

  /** A request arrives on a connection. */
  began({ socket }: IncomingMessage): void {
    clearTimeout(this.#idle.get(socket))
  }

  /** The connection is idle. */
  ended({ socket }: IncomingMessage): void {
    const { idleMs } = this.#settings()
    if (idleMs === undefined || socket.destroyed) return
    const timer = setTimeout(() => {
      this.idleClosed += 1
      socket.destroy()
    }, idleMs)
    this.#idle.set(socket, timer.unref())
  }

  get counts() {
    const { refused, mostConnections, busy, idleClosed } = this
    return { refused, mostConnections, busy, idleClosed }
  }
}
