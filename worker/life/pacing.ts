import type { Logger } from 'pino'
import type { Sql } from '../database/database.ts'
import { every } from '../loop.ts'
import { endBusy, giveCallsBack, type Pace, type Refusal, readPace, slowDown, takeCalls } from '../queue/shop-pace.ts'
import type { Pacer } from '../shop/line.ts'

/** What this worker knows about a Shop that says "wait", and does about it (decision 21). */
export interface Pacing extends Pacer {
  readonly isBusy: boolean
  /**
   * Before a claim: how many of `most` calls may leave. All of them, unless the Shop is busy. They are granted for what
   * it has `said` so far; for what finds nothing to send, somebody else's call may leave.
   */
  take(most: number): Promise<Granted>
  stop(): Promise<void>
}

export interface Granted {
  calls: number
  nextInSeconds: number
  said: number
  giveBack(unused: number): Promise<void>
}

export interface PacingOptions {
  sql: Sql
  log: Logger
  leaseSeconds: number
  /** The Shop's host. */
  shop: string
  /** Calls of this worker answered in the last second. */
  perSecond(): number
  /** Items that wait for the Shop go back: they were claimed for a pace that no longer applies. */
  onRefusal(): void
  /** More calls may leave than before. */
  onFaster(): void
}

/**
 * How often to check whether other workers have met a "wait", or its end: a notification may be lost with its
 * connection.
 */
const LOOK_MS = 1000
/** The longest pause between two checks for a call that may leave: another worker may have ended the wait. */
const LONGEST_PAUSE_SECONDS = 5

/**
 * All workers of a database slow down together: they share one row, and a worker that meets a "wait" notifies the
 * others.
 */
export async function startPacing(options: PacingOptions): Promise<Pacing> {
  const { sql, log, leaseSeconds, shop, perSecond, onRefusal, onFaster } = options
  let isBusy = false
  let cut = ''
  let said = 0
  let refusal: (Refusal & { leftAt: number }) | null = null
  let reporting: Promise<void> | null = null

  function heard(pace: Pace): void {
    const wasBusy = isBusy
    isBusy = pace.busySince !== null
    if (isBusy && pace.cut !== cut) turnBack()
    cut = pace.cut
    if (wasBusy && !isBusy) onFaster()
  }

  function turnBack(): void {
    said++
    onRefusal()
  }

  async function look(): Promise<void> {
    try {
      if (isBusy) {
        const since = await endBusy(sql)
        if (since !== null) {
          const seconds = Math.round((Date.now() - since.getTime()) / 1000)
          log.info(
            { 'event.name': 'shop_busy_over', shop, seconds },
            'The Shop no longer says "wait": all workers send at full speed',
          )
        }
      }
      heard(await readPace(sql))
    } catch (error) {
      log.warn({ err: error }, 'The pace that the Shop asks for could not be read; the last one stays in force')
    }
  }

  /** One statement for all refusals that came while the previous one was written. */
  async function report(): Promise<void> {
    while (refusal !== null) {
      const { leftAt, ...rest } = refusal
      refusal = null
      try {
        const pace = await slowDown(sql, { ...rest, leftAgo: (performance.now() - leftAt) / 1000 }, leaseSeconds)
        if (pace.began)
          log.warn(
            { 'event.name': 'shop_busy', shop, wait_until: pace.waitUntil, per_second: pace.perSecond },
            'The Shop says "wait": all workers slow down; no item counts this as a failure',
          )
        heard(pace)
      } catch (error) {
        log.warn({ err: error }, 'The Shop\'s "wait" could not be stored; other workers slow down at the next one')
      }
    }
    reporting = null
  }

  async function giveBack(unused: number): Promise<void> {
    if (unused === 0) return
    try {
      await giveCallsBack(sql, unused)
    } catch (error) {
      log.warn({ err: error }, 'Calls that nothing was sent with could not be given back; the next ones leave later')
    }
  }
  /** All calls may leave. */
  const all = (most: number): Granted => ({ calls: most, nextInSeconds: 0, said, giveBack: async () => {} })

  await sql.listen(
    'shop_update_pace',
    () => void look(),
    () => void look(),
  )
  heard(await readPace(sql))
  const looks = every(LOOK_MS, look)

  return {
    get isBusy() {
      return isBusy
    },
    get said() {
      return said
    },
    refused(leftAt, waitSeconds) {
      if (!isBusy) {
        isBusy = true
        turnBack()
      }
      refusal = {
        leftAgo: 0,
        leftAt: Math.max(leftAt, refusal?.leftAt ?? 0),
        waitSeconds: Math.max(waitSeconds ?? 0, refusal?.waitSeconds ?? 0),
        perSecond: perSecond(),
      }
      reporting ??= report()
    },
    async take(most) {
      if (!isBusy) return all(most)
      await reporting // so that what has just been heard applies to this claim
      const before = all(most)
      const { calls, nextInSeconds, over } = await takeCalls(sql, most)
      if (over) isBusy = false
      return over
        ? before
        : { ...before, calls, nextInSeconds: Math.min(nextInSeconds, LONGEST_PAUSE_SECONDS), giveBack }
    },
    async stop() {
      await Promise.all([looks.stop(), reporting])
    },
  }
}
