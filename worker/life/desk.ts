import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { isLocked, isTransient, type Sql } from '../database/database.ts'
import type { CatalogueSet } from '../domain/catalogue.ts'
import type { Adopted, ClaimedItem, Exchange, Item } from '../domain/item.ts'
import { atOf, type Commit } from '../domain/step.ts'
import { creates } from '../domain/topics.ts'
import { followCatalogue, noteMoved } from '../queue/catalog-changes.ts'
import { findConflict } from '../queue/conflict.ts'
import { drop } from '../queue/drop.ts'
import { type Finish, type Finished, finish, finishSteps } from '../queue/finish.ts'
import { groupCommit } from '../queue/group-commit.ts'
import { lockedItems } from '../queue/locked.ts'
import { makeRequest, type NewRequest, requestSteps } from '../queue/make-request.ts'
import { recordCallback } from '../queue/record-callback.ts'
import { type Settlement, settle, settleSteps } from '../queue/settle.ts'
import { writeBack } from '../queue/write-back.ts'
import type { Line } from '../shop/line.ts'
import { Attempt, type Statements } from '../telemetry/attempt.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { SpanRef } from '../telemetry/trace-context.ts'
import type { Verbs } from './carry-out.ts'
import { createFollow } from './follow.ts'
import { recordLostAnswer } from './lost-answer.ts'
import type { Retry } from './verdict.ts'

/**
 * What a life asks of the database. The verbs are group commits: each resolves when the database has confirmed it, and
 * tells what it did as part of the attempt's trace.
 */
export interface Desk extends Verbs {
  line: Line
  retry: Retry
  /** The trace of the attempt begins; `end` forgets it. */
  begin(item: ClaimedItem, set: CatalogueSet | undefined, served: Statements): Attempt
  resume(adopted: Adopted): void
  end(item: Item): void
  makeRequest(request: NewRequest): Promise<Commit | null>
  /** Its product no longer exists: it leaves the queue. */
  drop(item: Item): Promise<void>
  /** Its product is in another set by now; once nothing of it is in flight, `followCatalogue` takes it along. */
  noteMoved(item: Item): Promise<void>
  followCatalogue(): Promise<void>
  /** Resolves when what follows the commits so far has been done. */
  followUps(): Promise<void>
}

export interface DeskOptions {
  sql: Sql
  config: Config
  log: Logger
  telemetry: Telemetry
  line: Line
  retry: Retry
  /** Items have become ready that were not before, or will be in so many seconds. */
  onReady: (inSeconds: number, items?: readonly string[]) => void
  /** An item has come to rest: a callback may be waiting for it. */
  onRest: () => void
}

/** Gathers what many lives want of the database into one statement a stage, and does what has to follow a commit. */
export function createDesk({ sql, config, log, telemetry, line, retry, onReady, onRest }: DeskOptions): Desk {
  const follow = createFollow({ sql, telemetry, log, onReady: (items) => onReady(0, items) })

  async function finishing(entries: Finish[], patient: boolean): Promise<Finished[]> {
    const { results, setsWaiting } = await finish(sql, config.VENTURE_TIMEZONE, entries, patient)
    const done = entries.filter(({ item }, place) => typeof results[place] === 'object' && creates(item.topic))
    follow.soon({ sets: setsWaiting, created: setsOf(done) })
    return results
  }

  const finishPatiently = (entries: Finish[]) => finishing(entries, true)

  async function settling(entries: Settlement[]): Promise<(Commit | null)[]> {
    const { results, setsWaiting } = await settle(sql, entries)
    // What it waits for may have been created while it was being Blocked: that create's own release has not seen it.
    const waitForCreate = entries.filter(
      ({ item, reason }) => reason === 'not_in_shop' || reason === 'new_variation' || creates(item.topic),
    )
    follow.soon({ sets: setsWaiting, created: setsOf(waitForCreate) })
    const retries = entries.flatMap(({ to, retryInSeconds }) => (to === 'pending' ? [] : (retryInSeconds ?? [])))
    if (retries.length > 0) onReady(Math.min(...retries))
    const handedBack = entries.filter(({ to }) => to === 'pending').map(({ item }) => item.id)
    if (handedBack.length > 0) onReady(0, handedBack)
    onRest()
    return results
  }

  // Each verb tells what it did at the moment at which the commit is known: attempts have the rest of the story. By the
  // claim, not by the item: a worker that lost an item to another may claim it again while its first life has not
  // ended.
  const attempts = new Map<Item, Attempt>()
  const statements = new WeakMap<Commit, SpanRef | null>()
  const { protocol, hostname: host, port } = new URL(config.SHOP_URL)
  const server = { host, port: Number(port) || (protocol === 'https:' ? 443 : 80) }

  /** A group commit whose statement is a span. */
  const told =
    <Entry, Result extends Commit | string | null>(summary: string, write: (entries: Entry[]) => Promise<Result[]>) =>
    async (entries: Entry[]): Promise<Result[]> => {
      const results = await write(entries)
      const commit = results.find((result) => typeof result === 'object' && result !== null) as Commit | undefined
      if (commit)
        statements.set(
          commit,
          telemetry.statement(summary, entries.length, commit.now, atOf(commit, performance.now())),
        )
      return results
    }
  const statementOf = (commit: Commit): SpanRef | null => statements.get(commit) ?? null
  const tellExchange = (
    attempt: Attempt,
    exchange: Exchange | null,
    commit: Commit,
    answeredAt: number | null,
    message: string | null,
  ) => {
    if (exchange)
      attempt.exchanged(exchange, server, atOf(commit, answeredAt ?? exchange.endedAt ?? commit.left), message)
  }

  const requesting = aloneWhenLocked(
    sql,
    told('make_request shop_update.item', (requests: NewRequest[]) => makeRequest(sql, requests)),
  )
  const settlingTold = aloneWhenLocked(sql, told('settle shop_update.item', settling))
  const finishingPatiently = aloneWhenLocked(sql, told('finish shop_update.item', finishPatiently))
  const finishingSoon = aloneWhenLocked(
    sql,
    told('finish shop_update.item', async (entries: Finish[]) => {
      try {
        return await finishing(entries, false)
      } catch (error) {
        if (!isLocked(error)) throw error
        return finishPatiently(entries)
      }
    }),
  )

  const dropping = aloneWhenLocked(sql, async (entries: { item: Item }[]) => {
    const items = entries.map(({ item }) => item)
    const { steps, setsWaiting } = await drop(sql, items)
    follow.soon({ sets: setsWaiting, created: setsOf(entries.filter(({ item }) => creates(item.topic))) })
    return items.map(({ id }) => steps.find(({ itemId }) => itemId === id) ?? null)
  })

  /** Where no request will carry the trace id, the item keeps it. */
  const traced = <Entry extends Finish | Settlement>(entry: Entry, attempt: Attempt | undefined): Entry =>
    attempt?.status === 'processing' ? { ...entry, traceId: attempt.traceId } : entry

  const record = recordCallback(sql)
  /** The item is in other hands, but the answer is in ours. */
  async function keepLost({ item, exchange }: Pick<Settlement, 'item' | 'exchange'>): Promise<void> {
    const traceId = attempts.get(item)?.traceId
    if (!exchange || !traceId) return
    const kept = await untilPossible(() => recordLostAnswer(sql, record, item, exchange, traceId))
    if (!kept) return
    const { outcome } = kept
    log.warn(
      { item_id: item.id, request_id: item.requestId, outcome },
      'An answer came for an item that had been taken up by another worker',
    )
  }

  async function finished(write: (entry: Finish) => Promise<Finished>, entry: Finish): Promise<Finished> {
    const attempt = attempts.get(entry.item)
    const result = await write(traced(entry, attempt))
    if (result === 'lost') await keepLost(entry)
    if (typeof result === 'object' && attempt) {
      tellExchange(attempt, entry.exchange, result, entry.at?.response ?? null, null)
      attempt.entered(finishSteps(attempt.status, attempt.since, entry, result), statementOf(result))
      attempt.rested()
    }
    return result
  }

  return {
    inTransaction: false,
    line,
    retry,
    begin(item, set, served) {
      const attempt = Attempt.begin(telemetry, item, set, line.flow(), served)
      attempts.set(item, attempt)
      return attempt
    },
    resume(adopted) {
      attempts.set(adopted.item, Attempt.resume(telemetry, adopted))
    },
    end(item) {
      attempts.delete(item)
    },
    async makeRequest(request) {
      const commit = await requesting(request)
      const attempt = attempts.get(request.item)
      if (commit && attempt)
        attempt.requested(request.flow, request.body, requestSteps(attempt.since, request, commit), statementOf(commit))
      return commit
    },
    finish: (entry) => finished(finishingSoon, entry),
    async finishLater(entry) {
      // A worker that stops leaves it: the answer is stored, and the next one goes on with it.
      do await delay(LOCKED_RETRY_MS)
      while (line.maySend() && (await finished(finishingPatiently, entry)) === 'locked')
    },
    async settle(settlement) {
      const attempt = attempts.get(settlement.item)
      const commit = await settlingTold(traced(settlement, attempt))
      if (!commit) await keepLost(settlement)
      if (commit && attempt) {
        tellExchange(attempt, settlement.exchange, commit, settlement.answeredAt, settlement.message)
        attempt.entered(settleSteps(attempt.status, attempt.since, settlement, commit), statementOf(commit))
        if (settlement.to !== 'response_processing') attempt.rested()
      }
      return commit
    },
    async drop(item) {
      const step = await dropping({ item })
      const attempt = attempts.get(item)
      if (!step || !attempt) return
      attempt.entered([{ to: step.to, at: step.at, reason: step.reason }], null)
      attempt.rested()
    },
    async noteMoved(item) {
      await untilPossible(() => noteMoved(sql, item))
    },
    async followCatalogue() {
      const { steps, sets } = await untilPossible(() => followCatalogue(sql))
      telemetry.steps(steps)
      follow.soon({ sets, created: sets })
    },
    findConflict: (ids) => untilPossible(() => findConflict(sql, ids)),
    writeBack: (item, products, setSrcId) =>
      untilPossible(() => writeBack(sql, config.VENTURE_TIMEZONE, item, products, setSrcId)),
    followUps: follow.settled,
  }
}

/** How long to wait before asking again for a row that somebody else has locked. */
const LOCKED_RETRY_MS = 500

/**
 * For what has to be known or written while the Shop's answer is in hand: it goes on until the database, or whoever has
 * locked a row, lets it. A row that is given up is created again.
 */
async function untilPossible<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isTransient(error) && !isLocked(error)) throw error
      await delay(LOCKED_RETRY_MS)
    }
  }
}

const setsOf = (entries: readonly { item: Item }[]): string[] => [
  ...new Set(entries.map(({ item }) => item.productSetId)),
]

const HELD = Symbol('held by somebody else')

/**
 * A group commit whose entries leave the group when somebody else holds their item, and are written alone when he lets
 * go. No transaction should hold an item in flight, but one may: an `enqueue` that met the item just as it was claimed
 * keeps its row until it commits.
 */
function aloneWhenLocked<Entry extends { item: Item; body?: string; exchange?: Exchange | null }, Result>(
  sql: Sql,
  write: (entries: Entry[]) => Promise<Result[]>,
): (entry: Entry) => Promise<Result> {
  const sizeOf = ({ body, exchange }: Entry) => body?.length ?? exchange?.body?.length ?? 0
  const together = groupCommit(
    async (entries: Entry[]): Promise<(Result | typeof HELD)[]> => {
      try {
        return await write(entries)
      } catch (error) {
        if (!isLocked(error)) throw error
      }
      // One look tells which; looking for them by halves would wait for each lock in turn, and keep the whole stage
      // waiting.
      const held = new Set(
        await lockedItems(
          sql,
          entries.map(({ item }) => item.id),
        ),
      )
      const free = entries.filter(({ item }) => !held.has(item.id))
      const results = free.length > 0 ? await write(free) : []
      return entries.map(({ item }) => (held.has(item.id) ? HELD : (results.shift() as Result)))
    },
    { sizeOf },
  )
  return async (entry) => {
    try {
      const result = await together(entry)
      if (result !== HELD) return result
    } catch (error) {
      if (!isLocked(error)) throw error
    }
    for (;;) {
      await delay(LOCKED_RETRY_MS)
      try {
        return (await write([entry]))[0] as Result
      } catch (error) {
        if (!isLocked(error) && !isTransient(error)) throw error
      }
    }
  }
}
