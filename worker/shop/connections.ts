import type { Socket } from 'node:net'
import { buildConnector, Client, type Dispatcher } from 'undici'
import type { Limiter } from './limiter.ts'

/** A call that wants to leave. */
export interface Passenger {
  /** Hands over a connection. The passenger calls exactly one of `end` and `missed` when it is done. */
  board(connection: Connection): void
  /** There is no connection, and the call has not left. */
  refuse(error: Error): void
}

/** An open, free connection. */
export interface Connection {
  /** Nothing has been answered on it, but just now on others: if it breaks, the Shop had one too many. */
  isOneTooMany(): boolean
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void
  /** The call ended this many milliseconds after it left. */
  end(how: 'answered' | 'too much' | 'turned away' | 'not sent', milliseconds?: number): void
  /** The Shop had closed the connection before the call left: the call gets another one. */
  missed(): void
}

export interface Connections {
  readonly open: number
  readonly waiting: number
  ask(passenger: Passenger): void
  /** Calls that are still waiting do not leave. */
  turnAway(error: Error): void
  /** Resolves when all calls have ended. */
  close(): Promise<void>
}

export interface ConnectionsOptions {
  shop: URL
  limiter: Limiter
  /** For opening a connection. */
  timeoutMs: number
}

/** How many are being opened at a time, or this share of the open ones: a Shop's accept queue holds 511. */
const OPENING = 4
const OPENING_SHARE = 0.25
/** A Shop with too many connections closes the new one. One that stays open this long was accepted. */
const TAKEN_MS = 20
/**
 * A busy Shop may take longer to close it. So the first connection is alone until something was answered, or for this
 * long: if another one breaks afterwards, it is known whether the Shop answers at all.
 */
const ALONE_MS = 250
/** The Shop is there if it has answered within this time, even if that connection has been closed since. */
const THERE_MS = 1000
/** The pause after the Shop did not accept a connection; it doubles. */
const AGAIN_MS = 50
const AGAIN_MOST_MS = 1000
/**
 * The Shop closes idle connections, and a call sent at that very moment is lost. So no call uses a connection that has
 * been idle longer than this share of the longest idle time that another one survived. This many milliseconds are
 * always allowed.
 */
const IDLE_SHARE = 0.5
const IDLE_MS = 20
/**
 * A Shop that restarts closes connections that were hardly idle, after which every call would need a new one for ever.
 * So each connection opened for that reason raises the assumed idle time by this factor.
 */
const IDLE_GROWTH = 1.1
/** The longest time that an idle connection is kept: the Shop may have none left for another worker. */
const KEPT_MS = 5000

/**
 * Reused connections to the Shop. The most recently used one goes first, so that surplus ones stay idle. A call gets a
 * connection only once it is open, so a waiting call has certainly not left.
 */
export function createConnections({ shop, limiter, timeoutMs }: ConnectionsOptions): Connections {
  const connect = buildConnector({ timeout: timeoutMs, allowH2: false })
  const { host, hostname, origin, port, protocol } = shop
  const address = {
    host,
    hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port,
    protocol,
  }
  const waiting: Passenger[] = []
  /** The socket, known from the client's first call on. */
  const open = new Map<Client, Socket>()
  const unproven = new WeakSet<Client>()
  /** Until when the only open connection is alone: nothing was answered yet. */
  let aloneUntil = 0
  /** When the Shop answered last. */
  let answeredAt = Number.NEGATIVE_INFINITY
  /** Connections that the Shop has accepted meanwhile. */
  const held: (() => void)[] = []
  const idle: { client: Client; since: number }[] = []
  let opening = 0
  /** Since when no connection has been accepted, while none is open. */
  let closedOutSince: number | null = null
  let survivedMs = 0
  let closedAfterMs = Number.POSITIVE_INFINITY
  let againMs = AGAIN_MS
  let againTimer: NodeJS.Timeout | null = null
  let closed: PromiseWithResolvers<void> | null = null
  let draining = false
  let again = false

  /** A call that ends at once must not start another drain inside this one: thousands would nest as deep. */
  function drain(): void {
    again = true
    if (draining) return
    draining = true
    while (again) {
      again = false
      board()
    }
    draining = false
    if (!closed || waiting.length > 0 || limiter.inFlight > 0) return
    for (const client of [...open.keys()]) drop(client)
    closed.resolve()
  }

  function board(): void {
    while (held.length > 0 && (open.size === 0 || performance.now() >= aloneUntil)) held.shift()!()
    while (waiting.length > 0 && limiter.hasRoom()) {
      const client = free()
      if (!client) break
      limiter.started()
      const passenger = waiting.shift()!
      passenger.board(seat(client, passenger))
    }
    if (waiting.length === 0) return
    if (limiter.hasRoom()) openMore()
    else limiter.full()
  }

  function free(): Client | null {
    if (idle.length === 0) return null
    const now = performance.now()
    const { client: oldest, since } = idle[0]!
    if (now - since > survivedMs) {
      // it may have been closed without anybody having read that yet
      setImmediate(() => {
        if (open.has(oldest)) survivedMs = Math.max(survivedMs, now - since)
      })
    }
    const mostMs = Math.max(IDLE_MS, Math.min(survivedMs, closedAfterMs) * IDLE_SHARE)
    return now - idle.at(-1)!.since <= mostMs ? idle.pop()!.client : null
  }

  function openMore(): void {
    if (againTimer) return
    const most = Math.max(OPENING, Math.floor(open.size * OPENING_SHARE))
    const room = limiter.limit - open.size
    // none of them may be used, and they take the place of usable ones
    if (room < 1 && opening === 0 && idle.length > 0) drop(idle[0]!.client)
    const wanted = Math.min(waiting.length, most, room)
    if (wanted > 0 && opening === 0 && idle.length > 0) closedAfterMs = Math.max(IDLE_MS, closedAfterMs) * IDLE_GROWTH
    while (opening < wanted) openOne()
  }

  function openOne(): void {
    opening++
    connect(address as buildConnector.Options, (error, socket) => {
      if (error) return notOpened(error, false)
      const over = () => notOpened(Object.assign(new Error(), { code: 'UND_ERR_SOCKET' }), true)
      socket!.once('close', over)
      setTimeout(() => {
        held.push(() => {
          if (socket!.destroyed) return // already reported
          socket!.off('close', over)
          opened(socket!)
        })
        drain()
      }, TAKEN_MS)
    })
  }

  function opened(socket: Socket): void {
    opening--
    againMs = AGAIN_MS
    closedOutSince = null
    let given = false
    const client = new Client(origin, {
      pipelining: 1,
      keepAliveMaxTimeout: KEPT_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (_options, give) => {
        // Deferred: undici is in the middle of something when it asks.
        if (given) queueMicrotask(() => give(new Error('The connection is gone'), null))
        else queueMicrotask(() => give(null, socket))
        given = true
      },
    })
    socket.once('close', () => given || drop(client))
    client.on('disconnect', (_url, _targets, error) => drop(client, 'code' in error && error.code === 'UND_ERR_SOCKET'))
    if (open.size === 0) {
      const until = performance.now() + ALONE_MS
      aloneUntil = until
      // a timer may fire a little early
      setTimeout(() => {
        if (aloneUntil === until) aloneUntil = 0
        drain()
      }, ALONE_MS).unref()
    }
    open.set(client, socket)
    unproven.add(client)
    idle.push({ client, since: performance.now() })
  }

  function notOpened(error: Error, atOnce: boolean): void {
    opening--
    if (open.size > 0 || atOnce) {
      if (open.size > 0) limiter.refused(open.size)
      else closedOutSince ??= performance.now()
      tryAgain()
    }
    const isHopeless = !atOnce || performance.now() - (closedOutSince ?? Number.POSITIVE_INFINITY) > timeoutMs
    if (open.size === 0 && isHopeless) waiting.shift()?.refuse(error)
    drain()
  }

  function tryAgain(): void {
    againTimer ??= setTimeout(() => {
      againTimer = null
      drain()
    }, againMs)
    againMs = Math.min(againMs * 2, AGAIN_MOST_MS)
  }

  /** @param byShop whether the Shop closed it */
  function drop(client: Client, byShop = false): void {
    const socket = open.get(client)
    if (!socket) return
    open.delete(client)
    const place = idle.findIndex((one) => one.client === client)
    if (place >= 0) {
      const idleMs = performance.now() - idle[place]!.since
      if (byShop) closedAfterMs = Math.min(closedAfterMs, idleMs)
      idle.splice(place, 1)
    }
    // Deferred: undici may just have read the last byte of an answer.
    queueMicrotask(() => {
      socket.destroy()
      void client.destroy()
    })
    drain()
  }

  const seat = (client: Client, passenger: Passenger): Connection => ({
    isOneTooMany: () => unproven.has(client) && performance.now() - answeredAt < THERE_MS,
    dispatch: (options, handler) => void client.dispatch(options, handler),
    end(how, milliseconds = 0) {
      if (how !== 'not sent') unproven.delete(client)
      if (how === 'answered') {
        aloneUntil = 0
        answeredAt = performance.now()
        limiter.answered(milliseconds)
      } else if (how === 'too much') limiter.overloaded(milliseconds)
      else limiter.notSent()
      if (how === 'turned away') limiter.refused(open.size)
      if (open.size > limiter.mostConnections) drop(client)
      else if (open.has(client)) idle.push({ client, since: performance.now() })
      drain()
    },
    missed() {
      limiter.notSent()
      waiting.unshift(passenger)
      drop(client)
      drain()
    },
  })

  return {
    get open() {
      return open.size
    },
    get waiting() {
      return waiting.length
    },
    ask(passenger) {
      waiting.push(passenger)
      drain()
    },
    turnAway(error) {
      for (const passenger of waiting.splice(0)) passenger.refuse(error)
    },
    close() {
      closed ??= Promise.withResolvers()
      drain()
      return closed.promise
    },
  }
}
