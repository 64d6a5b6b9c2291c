import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { afterFailure } from './domain/retry.ts'
import type { Flow } from './domain/statuses.ts'
import { creates } from './domain/topics.ts'
import type { World } from './item.ts'
import type { ClaimedItem } from './queue/claim.ts'
import { findConflict } from './queue/conflict.ts'
import { isLocked, isTransient, type Sql } from './queue/database.ts'
import { type Finish, type Finished, finish } from './queue/finish.ts'
import { groupCommit } from './queue/group-commit.ts'
import { lockedItems } from './queue/locked.ts'
import { makeRequest, type NewRequest } from './queue/make-request.ts'
import { promote } from './queue/promote.ts'
import { release } from './queue/release.ts'
import { type Settlement, settle } from './queue/settle.ts'
import { writeBack } from './queue/write-back.ts'
import type { Circuit } from './shop/circuit.ts'
import type { ShopClient } from './shop/client.ts'

export interface WorldOptions {
  sql: Sql
  config: Config
  log: Logger
  shop: ShopClient
  circuit: Circuit
  flow: () => Flow
  maySend: () => boolean
  /** Items have become ready that were not before, or will be in so many seconds. */
  onReady: (inSeconds: number) => void
  /** An item has come to rest: a callback may be waiting for it. */
  onRest: () => void
}

/** Gathers what many lives want of the database into one statement a stage, and does what has to follow a commit. */
export function createWorld({
  sql,
  config,
  log,
  shop,
  circuit,
  flow,
  maySend,
  onReady,
  onRest,
}: WorldOptions): World & { followUps(): Promise<void> } {
  const following = new Set<Promise<void>>()

  /** Turns and releases follow a commit in statements of their own; what a crash in between leaves, the leader finds. */
  function follow(setsWaiting: readonly string[], created: readonly string[]): void {
    if (setsWaiting.length === 0 && created.length === 0) return
    const work = (async () => {
      try {
        const released = created.length > 0 ? await release(sql, created) : 0
        const promoted = await promote(sql, setsWaiting)
        if (released + promoted > 0) onReady(0)
      } catch (error) {
        log.warn({ err: error }, 'Giving turns after a commit failed; the leader will do it')
      }
    })()
    following.add(work)
    void work.finally(() => following.delete(work))
  }

  async function finishing(entries: Finish[], patient: boolean): Promise<Finished[]> {
    const { results, setsWaiting } = await finish(sql, config.VENTURE_TIMEZONE, entries, patient)
    follow(setsWaiting, [
      ...new Set(
        entries.filter(({ item }, place) => results[place] === 'finished' && creates(item.topic)).map(({ item }) => item.productSetId),
      ),
    ])
    return results
  }

  const finishPatiently = (entries: Finish[]) => finishing(entries, true)

  async function settling(entries: Settlement[]): Promise<boolean[]> {
    const { results, setsWaiting } = await settle(sql, entries)
    // What it waits for may have been created while it was being Blocked: that create's own release has not seen it.
    const waitForCreate = entries.filter(
      ({ item, reason }) => reason === 'not_in_shop' || reason === 'new_variation' || creates(item.topic),
    )
    follow(setsWaiting, [...new Set(waitForCreate.map(({ item }) => item.productSetId))])
    const retries = entries.flatMap(({ to, retryInSeconds }) => (to === 'pending' ? [0] : (retryInSeconds ?? [])))
    if (retries.length > 0) onReady(Math.min(...retries))
    onRest()
    return results
  }

  return {
    shop,
    circuit,
    flow,
    maySend,
    finishPatiently: aloneWhenLocked(sql, finishPatiently),
    makeRequest: aloneWhenLocked(sql, (requests: NewRequest[]) => makeRequest(sql, requests)),
    finish: aloneWhenLocked(sql, async (entries: Finish[]) => {
      try {
        return await finishing(entries, false)
      } catch (error) {
        if (!isLocked(error)) throw error
        return finishPatiently(entries)
      }
    }),
    settle: aloneWhenLocked(sql, settling),
    findConflict: (ids) => untilPossible(() => findConflict(sql, ids)),
    writeBack: (item, products, setSrcId) => untilPossible(() => writeBack(sql, config.VENTURE_TIMEZONE, item, products, setSrcId)),
    afterFailure(failures) {
      const { status, nextAttemptAt } = afterFailure({
        failures,
        at: new Date(0),
        maxRetries: config.MAX_RETRIES,
        failedAfter: config.FAILED_AFTER,
        unitSeconds: config.RETRY_UNIT_SECONDS,
      })
      return { to: status, retryInSeconds: nextAttemptAt && nextAttemptAt.getTime() / 1000 }
    },
    async followUps() {
      await Promise.all(following)
    },
  }
}

/** How long to wait before asking again for a row that somebody else has locked. */
const LOCKED_RETRY_MS = 500

/**
 * For what has to be known or written while the Shop's answer is in hand: it goes on until the database, or whoever has locked a row, lets it.
 * A row that is given up is created again.
 */
async function untilPossible<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isTransient(error) && !isLocked(error)) throw error
      await new Promise((resolve) => setTimeout(resolve, LOCKED_RETRY_MS))
    }
  }
}

const HELD = Symbol('held by somebody else')

/**
 * A group commit whose entries leave the group when somebody else holds their item, and are written alone when he lets go. No transaction
 * should hold an item in flight, but one may: an `enqueue` that met the item just as it was claimed keeps its row until it commits.
 */
function aloneWhenLocked<Entry extends { item: ClaimedItem }, Result>(
  sql: Sql,
  write: (entries: Entry[]) => Promise<Result[]>,
): (entry: Entry) => Promise<Result> {
  const together = groupCommit(async (entries: Entry[]): Promise<(Result | typeof HELD)[]> => {
    try {
      return await write(entries)
    } catch (error) {
      if (!isLocked(error)) throw error
    }
    // One look tells which; looking for them by halves would wait for each lock in turn, and keep the whole stage waiting.
    const held = new Set(
      await lockedItems(
        sql,
        entries.map(({ item }) => item.id),
      ),
    )
    const free = entries.filter(({ item }) => !held.has(item.id))
    const results = free.length > 0 ? await write(free) : []
    return entries.map(({ item }) => (held.has(item.id) ? HELD : (results.shift() as Result)))
  })
  return async (entry) => {
    try {
      const result = await together(entry)
      if (result !== HELD) return result
    } catch (error) {
      if (!isLocked(error)) throw error
    }
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, LOCKED_RETRY_MS))
      try {
        return (await write([entry]))[0] as Result
      } catch (error) {
        if (!isLocked(error) && !isTransient(error)) throw error
      }
    }
  }
}
