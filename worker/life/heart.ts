import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { breakOff, isSilence, type Sql } from '../database/database.ts'
import { every } from '../loop.ts'

/** What every worker has: its life sign, and the two looks that tell it what that is worth. */
export interface Heart {
  /**
   * False after half a lease without a heartbeat: others take over at a whole one, and nothing may leave any more.
   *
   * @param since `performance.now()`; whether it has been alive ever since then, too: what was begun before a gap may
   *   be in other hands, though the heartbeats come again
   */
  isAlive(since?: number): boolean
  /** Whether the heartbeats have come for a whole lease without a gap. */
  isSteady(): boolean
  /** False after two leases without a heartbeat. */
  isWorking(): boolean
  /** Unix time in seconds of the last heartbeat that was written, by the clock on the wall. */
  at(): number
  /** Begins to beat. All looks count from here: entering has been the first life sign. */
  start(): void
  stop(): Promise<void>
}

export interface HeartOptions {
  /** The hot path's pool: its statements are short, and keep no heartbeat waiting. */
  sql: Sql
  /** The pool that listens. */
  background: Sql
  leaseSeconds: number
  log: Logger
  /** @returns seconds since the heartbeat before, by the database's clock */
  write(): Promise<number>
  /** What is done with each heartbeat. */
  beaten(): Promise<void>
  /** PostgreSQL has not said a word for a lease: all connections are to be broken off. */
  onSilence(): void
  /** For two leases, and new connections did not help. */
  onLost(): void
}

const BEATS_A_LEASE = 5

/** The heartbeat, and what its absence means. Each beat comes back on the connection that is told of changes. */
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
  /** When the last heartbeat was confirmed, and since when they have come without a gap. */
  let confirmedAt = now()
  let steadySince = now()
  /** When PostgreSQL last said something about a heartbeat, be it that there is none to be had. */
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

  /** Beside the heartbeat, which may be waiting for an answer that never comes. */
  function watch(): void {
    if (now() - lookedAt > leaseMs / 2) heardAt = now() // it was this process that stood still
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
    // the other clock stands still while the machine is suspended
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
