import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { isLocked, type Sql } from '../database/database.ts'
import type { Exchange, Item } from '../domain/item.ts'
import { atOf, type Commit, type Step } from '../domain/step.ts'
import { creates } from '../domain/topics.ts'
import { followCatalogue, noteMoved } from '../queue/catalog-changes.ts'
import { findConflict, type NewIds } from '../queue/conflict.ts'
import { drop } from '../queue/drop.ts'
import { type Finish, type Finished, finish, type WriteBack } from '../queue/finish.ts'
import { makeRequest, type NewRequest } from '../queue/make-request.ts'
import { recordCallback } from '../queue/record-callback.ts'
import { type Settlement, settle } from '../queue/settle.ts'
import { writeBack } from '../queue/write-back.ts'
import type { Line } from '../shop/line.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { SpanRef } from '../telemetry/trace-context.ts'
import { createFollow } from './follow.ts'
import { recordLostAnswer } from './lost-answer.ts'
import { aloneWhenLocked, untilPossible } from './patience.ts'
import type { Retry } from './verdict.ts'

/** The result of a statement for one of its entries, and the statement as a span. */
export interface Written<Result> {
  result: Result
  statement: SpanRef | null
}

/**
 * The database work of all lives, collected so that many share a statement. Each verb resolves when the database has
 * confirmed it.
 */
export interface Desk {
  line: Line
  retry: Retry
  telemetry: Telemetry
  /** Where calls go, for telemetry. */
  server: { host: string; port: number }
  makeRequest(request: NewRequest): Promise<Written<Commit | null>>
  settle(settlement: Settlement): Promise<Written<Commit | null>>
  /** If a product is locked, all entries of the batch are written once more, patiently. */
  finish(entry: Finish): Promise<Written<Finished>>
  finishPatiently(entry: Finish): Promise<Written<Finished>>
  /** Its product no longer exists: it leaves the queue. */
  drop(item: Item): Promise<Step | null>
  /** Its product has moved to another set; once nothing of it is in flight, `followCatalogue` moves the item too. */
  noteMoved(item: Item): Promise<void>
  followCatalogue(): Promise<void>
  findConflict(ids: NewIds): Promise<string | null>
  writeBack(item: Item, products: WriteBack[], setSrcId: string | null): Promise<void>
  /** Another worker has the item, but this one has the answer. */
  keepAnswer(item: Item, exchange: Exchange, traceId: string): Promise<void>
  /** Resolves when the follow-ups of all commits so far are done. */
  followUps(): Promise<void>
}

export interface DeskOptions {
  sql: Sql
  config: Config
  log: Logger
  telemetry: Telemetry
  line: Line
  retry: Retry
  /** Items have become ready, or will be in this many seconds. */
  onReady: (inSeconds: number, items?: readonly string[]) => void
  /** An item has come to rest: a callback may be waiting for it. */
  onRest: () => void
}

/** Collects the database work of many lives into one statement per stage, and does what must follow a commit. */
export function createDesk({ sql, config, log, telemetry, line, retry, onReady, onRest }: DeskOptions): Desk {
  const follow = createFollow({ sql, telemetry, log, onReady: (items) => onReady(0, items) })
  const zone = config.VENTURE_TIMEZONE

  /** A group commit whose statement is a span. */
  function stage<Entry extends { item: Item; body?: string; exchange?: Exchange | null }, Result>(
    summary: string,
    write: (entries: Entry[]) => Promise<Result[]>,
  ): (entry: Entry) => Promise<Written<Result>> {
    return aloneWhenLocked(sql, async (entries: Entry[]) => {
      const results = await write(entries)
      const commit = results.find((result) => typeof result === 'object' && result !== null) as Commit | undefined
      const statement = commit
        ? telemetry.statement(summary, entries.length, commit.now, atOf(commit, performance.now()))
        : null
      return results.map((result) => ({ result, statement }))
    })
  }

  async function settleAll(entries: Settlement[]): Promise<(Commit | null)[]> {
    const { results, setsWaiting } = await settle(sql, entries)
    // What it waits for may have been created while it was being Blocked: that create's own release did not see it.
    const waitForCreate = entries.filter(
      ({ item, reason }) => reason === 'not_in_shop' || reason === 'new_variation' || creates(item.topic),
    )
    follow.soon({ sets: setsWaiting, created: setsOf(waitForCreate) })
    const retries = entries.flatMap(({ retryInSeconds }) => retryInSeconds ?? [])
    if (retries.length > 0) onReady(Math.min(...retries))
    const handedBack = entries
      .filter(({ to, retryInSeconds }) => to === 'pending' && retryInSeconds === null)
      .map(({ item }) => item.id)
    if (handedBack.length > 0) onReady(0, handedBack)
    onRest()
    return results
  }

  async function finishAll(entries: Finish[], patient: boolean): Promise<Finished[]> {
    const { results, setsWaiting } = await finish(sql, zone, entries, patient)
    const done = entries.filter(({ item }, place) => typeof results[place] === 'object' && creates(item.topic))
    follow.soon({ sets: setsWaiting, created: setsOf(done) })
    return results
  }

  const dropTogether = aloneWhenLocked(sql, async (entries: { item: Item }[]) => {
    const items = entries.map(({ item }) => item)
    const { steps, setsWaiting } = await drop(sql, items)
    follow.soon({ sets: setsWaiting, created: setsOf(entries.filter(({ item }) => creates(item.topic))) })
    return items.map(({ id }) => steps.find(({ itemId }) => itemId === id) ?? null)
  })

  const record = recordCallback(sql, (error) =>
    log.warn(
      { err: error },
      'The workers could not be notified of an answer to an item that this one has lost; their polls find it',
    ),
  )
  const { protocol, hostname: host, port } = new URL(config.SHOP_URL)

  return {
    line,
    retry,
    telemetry,
    server: { host, port: Number(port) || (protocol === 'https:' ? 443 : 80) },
    makeRequest: stage('make_request shop_update.item', (requests) => makeRequest(sql, requests)),
    settle: stage('settle shop_update.item', settleAll),
    finish: stage('finish shop_update.item', async (entries) => {
      try {
        return await finishAll(entries, false)
      } catch (error) {
        if (!isLocked(error)) throw error
        return finishAll(entries, true)
      }
    }),
    finishPatiently: stage('finish shop_update.item', (entries) => finishAll(entries, true)),
    drop: (item) => dropTogether({ item }),
    async noteMoved(item) {
      await untilPossible(() => noteMoved(sql, item))
    },
    async followCatalogue() {
      const { steps, sets } = await untilPossible(() => followCatalogue(sql))
      telemetry.steps(steps)
      follow.soon({ sets, created: sets })
    },
    findConflict: (ids) => untilPossible(() => findConflict(sql, ids)),
    writeBack: (item, products, setSrcId) => untilPossible(() => writeBack(sql, zone, item, products, setSrcId)),
    async keepAnswer(item, exchange, traceId) {
      const kept = await untilPossible(() => recordLostAnswer(sql, record, item, exchange, traceId))
      if (!kept) return
      const { outcome } = kept
      log.warn(
        { item_id: item.id, request_id: item.requestId, outcome },
        'An answer came after another worker had taken over the item; it is recorded as a callback',
      )
    },
    followUps: follow.idle,
  }
}

const setsOf = (entries: readonly { item: Item }[]): string[] => [
  ...new Set(entries.map(({ item }) => item.productSetId)),
]
