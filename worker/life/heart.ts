import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { breakOff, isSilence, type Sql } from '../database/database.ts'
import { every } from '../loop.ts'

/** A worker's sign of life, and two checks by which it knows what that is worth. */
export interface Heart {
  /**
   * False after half a lease without a heartbeat: others take over after a whole lease, and nothing may leave any more.
   *
   * @param since `performance.now()`; also requires that it has been alive ever since: what began before a gap may
   *   belong to another worker, even if heartbeats arrive again
   */
  isAlive(since?: number): boolean
  /** Whether heartbeats have arrived for a whole lease without a gap. */
  isSteady(): boolean
  /** False after two leases without a heartbeat. */
  isWorking(): boolean
  /** Unix time in seconds of the last stored heartbeat, by the wall clock. */
  at(): number
  /** Starts the heartbeat. All checks count from here: registering was the first sign of life. */
  start(): void
  stop(): Promise<void>
}

export interface HeartOptions {
  /** The hot path's pool: its statements are short, so no heartbeat waits for them. */
  sql: Sql
  /** The listening pool. */
  background: Sql
  leaseSeconds: number
  log: Logger
  /** @returns seconds since the previous heartbeat, by the database's clock */
  write(): Promise<number>
  /** Runs after each heartbeat. */
  beaten(): Promise<void>
  /** PostgreSQL has been silent for a lease: all connections must be closed. */
  onSilence(): void
  /** It has been silent for two leases, and new connections did not help. */
  onLost(): void
}

const BEATS_A_LEASE = 5

/** The heartbeat, and the consequences of its absence. Each beat comes back on the listening connection. */
export async function createHeart(options: HeartOptions): Promise<Heart> {
  const { sql, background, leaseSeconds, log, write, beaten, onSilence, onLost } = options
  const now = () => performance.now()
  const leaseMs = leaseSeconds * 1000
  const beatMs = leaseMs / BEATS_A_LEASE
  const echo = `shop_update_${randomUUID()}`
  let echoAt = now()
  const onEcho = () => {
    echoAt = now()
  }
  await background.listen(echo, onEcho, onEcho)

  let beatAt = now()
  /** When the last heartbeat was confirmed, and since when there has been no gap. */
  let confirmedAt = now()
  let steadySince = now()
  /** When PostgreSQL last responded to a heartbeat, even with a refusal. */
  let heardAt = now()
  let lookedAt = now()
  let brokenOff = false

  async function beat(): Promise<void> {
    const at = now()
    try {
      const gap = await write()
      beatAt = at
      if (Math.max(now() - confirmedAt, gap * 1000) > leaseMs / 2) steadySince = now()
      confirmedAt = now()
      heardAt = now()
      brokenOff = false
      await sql`select pg_notify(${echo}, '')`
      if (now() - echoAt > leaseMs) {
        log.error('The connection for notifications is silent and is reopened; until then, polls find the items')
        echoAt = now()
        breakOff(background)
      }
      await beaten()
    } catch (error) {
      if (!isSilence(error)) heardAt = now()
      log.warn(
        { err: error, seconds: Math.round((now() - beatAt) / 1000) },
        'The heartbeat could not be written; after half a lease without one this worker stops claiming and sending',
      )
    }
  }

  /** Runs beside the heartbeat, which may be waiting for an answer that never comes. */
  function watch(): void {
    if (now() - lookedAt > leaseMs / 2) heardAt = now() // this process itself stood still
    lookedAt = now()
    const seconds = Math.round((now() - heardAt) / 1000)
    if (now() - heardAt > 2 * leaseMs) {
      log.error({ seconds }, 'PostgreSQL has not answered for two leases, even on new connections: this process exits')
      onLost()
    } else if (now() - heardAt > leaseMs && !brokenOff) {
      log.error({ seconds }, 'PostgreSQL has not answered for a lease: all connections are closed and reopened')
      brokenOff = true
      onSilence()
    }
  }

  let stop = async () => {}
  return {
    isAlive: (since = Number.POSITIVE_INFINITY) => now() - beatAt < leaseMs / 2 && steadySince <= since,
    isSteady: () => now() - confirmedAt < leaseMs / 2 && now() - steadySince >= leaseMs,
    isWorking: () => now() - beatAt < 2 * leaseMs,
    // the monotonic clock stands still while the machine is suspended
    at: () => (Date.now() - (now() - beatAt)) / 1000,
    start() {
      beatAt = confirmedAt = steadySince = heardAt = lookedAt = now()
      const beats = every(beatMs, beat)
      const watching = setInterval(watch, beatMs)
      stop = () => {
        clearInterval(watching)
        return beats.stop()
      }
    },
    stop: () => stop(),
  }
}
