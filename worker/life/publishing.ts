import type { Logger } from 'pino'
import type { Sql } from '../database/database.ts'
import { type Every, every } from '../loop.ts'
import { publishNext, publishTouched } from '../queue/feedback.ts'
import { createUtilization } from '../utilization.ts'
import { createRounds } from './rounds.ts'

export interface PublishingOptions {
  sql: Sql
  /** One worker publishes: the leader. */
  leads(): boolean
  log: Logger
  /** Of this process since it was asked before. */
  isBusy?(): boolean
  putOffMs?: number
}

const EVERY_MS = 1000
/**
 * How old a note is when it is taken. Most changes are queued and Synced within that, and are one publication, not two:
 * each costs some 350 bytes of WAL.
 */
const SETTLE_SECONDS = 5
/** How much of a second it takes at most, but for the last look. */
const ROUND_MS = 100
/** Between two pages of the catalogue, once all of it has been compared: 20 ms of PostgreSQL's time each. */
const COMPARE_EVERY_MS = 10_000
/** Of a second: a worker that does something for more of it is busy. */
const BUSY = 0.5
/**
 * A seller can wait, the queue cannot: while this worker is busy, what is noted waits, for so long at most. In a peak
 * that is over by then, 1,000 notes a second took 7 to 9 % of PostgreSQL's time, and an item 2,636 bytes of WAL in
 * place of 2,503. A longer peak pays for it after that: to be late by ever more would help nobody.
 */
const PUT_OFF_MS = 60_000

/**
 * Publishes the states of products as feedback to Seller Center. A loop of its own: nothing else waits for it, and what
 * it has not come to is noted in the database.
 */
export function startPublishing({
  sql,
  leads,
  log,
  isBusy = createBusy(),
  putOffMs = PUT_OFF_MS,
}: PublishingOptions): Every {
  const begin = () => createRounds((after, since) => publishTouched(sql, after, since, SETTLE_SECONDS))
  let touchedNext = begin()
  // Whoever led before may have been of a version that notes nothing.
  let isAllCompared = false
  let hasJustBegun = true
  let compared = Number.NEGATIVE_INFINITY
  let began: number | null = null
  /** When the last round that came to its end had begun; at first, when this worker started. */
  let upToDate = performance.now()

  async function compareNext(): Promise<void> {
    compared = performance.now()
    if (await publishNext(sql, hasJustBegun)) isAllCompared = true
    hasJustBegun = false
  }

  return every(EVERY_MS, async () => {
    const now = performance.now()
    const until = now + ROUND_MS
    const isPutOff = isBusy() && now - upToDate < putOffMs
    if (!leads()) {
      touchedNext = begin()
      began = null
      isAllCompared = false
      hasJustBegun = true
      return
    }
    try {
      if (now - compared >= COMPARE_EVERY_MS) await compareNext()
      if (isPutOff) return
      for (let isLast = false; !isLast && leads() && performance.now() < until; ) {
        began ??= now
        isLast = (await touchedNext()).last === '0'
        if (!isLast) continue
        upToDate = began
        began = null
      }
      while (!isAllCompared && leads() && performance.now() < until) await compareNext()
    } catch (error) {
      log.warn({ err: error }, 'Feedback to Seller Center could not be published; the next round tries again')
    }
  })
}

/** @returns whether this process did something for most of the time since it was asked before */
export function createBusy(): () => boolean {
  const utilization = createUtilization()
  return () => utilization() > BUSY
}
