import type { Logger } from 'pino'
import type { Sql } from '../database/database.ts'
import { type Every, every } from '../loop.ts'
import { publishNext, publishTouched } from '../queue/feedback.ts'
import { createRounds } from './rounds.ts'

export interface PublishingOptions {
  sql: Sql
  /** One worker publishes: the leader. */
  leads(): boolean
  log: Logger
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
/**
 * A seller can wait, the queue cannot: while this worker does something for more than half of the time, one small look
 * a second is all, until what it finds is two minutes old. Without that it took 16 % of PostgreSQL's time while a queue
 * drained at full speed on two cores, and an item 2,935 bytes of WAL in place of 2,564.
 */
const BUSY = 0.5
const A_LOOK_WHILE_BUSY = 1000
const BEHIND_WHILE_BUSY_SECONDS = 120

/**
 * Publishes the states of products as feedback to Seller Center. A loop of its own: nothing else waits for it, and what
 * it has not come to is noted in the database.
 */
export function startPublishing({ sql, leads, log }: PublishingOptions): Every {
  let isBusy = false
  let behind = 0
  const touchedNext = createRounds((after, since) =>
    publishTouched(sql, after, since, SETTLE_SECONDS, isBusy ? A_LOOK_WHILE_BUSY : undefined),
  )
  // Whoever led before may have been of a version that notes nothing.
  let isAllCompared = false
  let hasJustBegun = true
  let compared = Number.NEGATIVE_INFINITY
  let utilized = performance.eventLoopUtilization()

  return every(EVERY_MS, async () => {
    const before = utilized
    utilized = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(utilized, before)
    isBusy = utilization > BUSY && behind < BEHIND_WHILE_BUSY_SECONDS
    if (!leads()) {
      isAllCompared = false
      hasJustBegun = true
      behind = 0
      return
    }
    try {
      const until = performance.now() + (isBusy ? 0 : ROUND_MS)
      let isLast = false
      do {
        const { last, age } = await touchedNext()
        isLast = last === '0'
        behind = isLast ? 0 : Math.max(behind, age)
      } while (!isLast && leads() && performance.now() < until)
      while (leads() && performance.now() < until) {
        if (isAllCompared && performance.now() - compared < COMPARE_EVERY_MS) return
        compared = performance.now()
        const isEnd = await publishNext(sql, hasJustBegun)
        hasJustBegun = false
        if (isEnd) isAllCompared = true
      }
    } catch (error) {
      log.warn({ err: error }, 'Feedback to Seller Center could not be published; the next round tries again')
    }
  })
}
