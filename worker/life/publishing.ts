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
/**
 * How much of a second it takes at most, but for the last look: a seller can wait, the queue cannot. With 300 a queue
 * that drains at full speed beside one worker on two cores was 7 % slower than without feedback.
 */
const ROUND_MS = 100
/**
 * Between two pages of the catalogue, once all of it has been compared: 20 ms of PostgreSQL's time each. Before, a page
 * comes with each round, and a million products take a quarter of an hour.
 */
const COMPARE_EVERY_MS = 10_000

/**
 * Publishes the states of products as feedback to Seller Center. A loop of its own: nothing else waits for it, and what
 * it has not come to is noted in the database.
 */
export function startPublishing({ sql, leads, log }: PublishingOptions): Every {
  const touchedNext = createRounds((after, since) => publishTouched(sql, after, since, SETTLE_SECONDS))
  // Whoever led before may have been of a version that notes nothing.
  let isAllCompared = false
  let hasJustBegun = true
  let compared = Number.NEGATIVE_INFINITY

  return every(EVERY_MS, async () => {
    if (!leads()) {
      isAllCompared = false
      hasJustBegun = true
      return
    }
    try {
      const until = performance.now() + ROUND_MS
      for (let last = ''; last !== '0' && leads() && performance.now() < until; ) last = (await touchedNext()).last
      if (!leads() || performance.now() > until) return
      if (isAllCompared && performance.now() - compared < COMPARE_EVERY_MS) return
      compared = performance.now()
      if (await publishNext(sql, hasJustBegun)) isAllCompared = true
      hasJustBegun = false
    } catch (error) {
      log.warn({ err: error }, 'Feedback to Seller Center could not be published; the next round tries again')
    }
  })
}
