import type { Logger } from 'pino'
import type { Sql } from '../database/database.ts'
import type { CatalogueSet } from '../domain/catalogue.ts'
import { type Claim, type ClaimedItem, claimKey } from '../domain/item.ts'
import { atOf, type Commit } from '../domain/step.ts'
import { createFullLooks } from '../full-looks.ts'
import { readCatalogue } from '../queue/catalogue.ts'
import { claim, wakeDue } from '../queue/claim.ts'
import { setAwake } from '../queue/worker-row.ts'
import type { Circuit } from '../shop/circuit.ts'
import type { Line } from '../shop/line.ts'
import type { RateLimit } from '../shop/rate.ts'
import type { Statements } from '../telemetry/attempt.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { Life } from './life.ts'
import type { Pacing } from './pacing.ts'
import { createPasses } from './passes.ts'
import type { Pausing } from './pausing.ts'
import { createWakefulness, type Look } from './wakefulness.ts'

/** How often to look without being called: a notification may be lost with its connection. */
const POLL_MS = 1000
/** A claim is made when this share of the room is free: 500 items per statement, not one by one as they finish. */
const ROOM_SHARE = 0.25
/**
 * When to look again at a product set that was locked: usually by a statement of some milliseconds, which has freed it.
 */
const PASSED_OVER_MS = 20
/** The most that one claim takes; a larger one keeps its first items waiting for the last. */
const MOST_A_CLAIM = 500

export interface PumpOptions {
  sql: Sql
  workerId: string
  concurrency: number
  circuit: Circuit
  line: Line
  rate: RateLimit
  pace: Pick<Pacing, 'take'>
  pausing: Pick<Pausing, 'now'>
  telemetry: Telemetry
  log: Logger
  /** False while others may take over what this worker holds: nothing is claimed that could not be sent. */
  mayClaim(): boolean
  begin(item: ClaimedItem, set: CatalogueSet | undefined, statements: Statements): Life<ClaimedItem>
  live(life: Life<ClaimedItem>, set: CatalogueSet | undefined): Promise<void>
}

export interface Pump {
  /** There may be something to claim, now or in `inSeconds`; `items`: these, however long ago they were queued. */
  poke(inSeconds?: number, items?: readonly string[]): void
  /** There is more room than before. */
  onRoom(): void
  /** Something is paused, or no longer. */
  onPause(): void
  /** The claims of this process, by `claimKey`. */
  readonly held: ReadonlySet<string>
  /** `performance.now()` since which every claim has failed; null while claiming works. */
  readonly failingSince: number | null
  /** Takes over an item that was not claimed here. */
  adopt(item: Claim, life: Promise<void>): void
  /** Stops claiming, and resolves when the last item has come to rest. */
  stop(): Promise<void>
}

/**
 * Keeps as many items in flight as room, the line to the Shop, its rate and its circuit allow; it slows down with the
 * database or the Shop.
 */
export function startPump({
  sql,
  workerId,
  concurrency,
  circuit,
  line,
  rate,
  pace,
  pausing,
  telemetry,
  log,
  mayClaim,
  begin,
  live,
}: PumpOptions): Pump {
  const held = new Set<string>()
  let running = false
  let failingSince: number | null = null
  let round: Promise<void> = Promise.resolve()
  let again = false
  let hungry = false // it stopped for lack of room, not of items
  let stopped = false
  let dueAt = 0
  let timer: NodeJS.Timeout | undefined
  let timerAt = Number.POSITIVE_INFINITY
  let onIdle: (() => void) | undefined

  const passes = createPasses((...where) => claim(sql, workerId, ...where, pausing.now))
  const wakings = createFullLooks()
  let wokenUpTo = '-infinity'

  const wakefulness = createWakefulness((awake) => setAwake(sql, workerId, awake))

  const poll = setInterval(() => poke(), POLL_MS)

  function poke(inSeconds = 0, items: readonly string[] = []): void {
    if (stopped) return
    passes.ready(items)
    if (inSeconds > 0) {
      const at = performance.now() + inSeconds * 1000
      dueAt = Math.min(dueAt, at)
      wakeAt(at)
    } else if (running) again = true
    else round = run()
  }

  function wakeAt(at: number): void {
    if (at >= timerAt || stopped) return
    clearTimeout(timer)
    timerAt = at
    timer = setTimeout(
      () => {
        timerAt = Number.POSITIVE_INFINITY
        poke()
      },
      Math.max(1, at - performance.now()),
    )
  }

  async function run(): Promise<void> {
    running = true
    try {
      do {
        again = false
        await wake()
        const look = await fill()
        failingSince = null
        if (look === null) continue
        const inMs = await wakefulness.after(look, again)
        if (inMs === 0) again = true
        else if (inMs !== null) wakeAt(performance.now() + inMs)
      } while (again && !stopped)
    } catch (error) {
      failingSince ??= performance.now()
      log.warn({ err: error }, 'Claiming failed; the next poll tries again')
      wakeAt(performance.now() + POLL_MS)
    }
    running = false
  }

  /** Wakes Delayed and Failed items whose time has come. Delays set by other workers are noticed within a second. */
  async function wake(): Promise<void> {
    const now = performance.now()
    if (now < dueAt) return wakeAt(dueAt) // a Node timer may fire some milliseconds early
    dueAt = now + POLL_MS
    const all = wakings.isDue()
    const { woken, nextInSeconds, upTo } = await wakeDue(sql, all ? undefined : wokenUpTo)
    wakings.took(performance.now() - now, woken.length, all)
    if (!pausing.now.everything) passes.ready(woken) // after a pause everything is looked at
    wokenUpTo = upTo
    if (woken.length > 0) dueAt = 0
    if (nextInSeconds !== null) poke(Math.max(nextInSeconds, 0.001))
  }

  /** @returns what it saw; null if it may not claim at all */
  async function fill(): Promise<Look | null> {
    let look: Look = 'nothing'
    let fromFirst = false // what has been seen since the first seller is everything
    for (;;) {
      hungry = !isRoomy()
      if (stopped || !mayClaim() || pausing.now.everything) return null
      if (hungry) return 'no room'
      const room = Math.min(concurrency - held.size, line.room(), MOST_A_CLAIM, circuit.allowance(), rate.available())
      if (room < 1) {
        if (circuit.nextProbeAt !== null) wakeAt(circuit.nextProbeAt)
        else wakeAt(performance.now() + rate.msUntilNext())
        return 'no room'
      }
      const { calls: most, nextInSeconds, said, giveBack } = await pace.take(room)
      if (most < 1) {
        wakeAt(performance.now() + nextInSeconds * 1000)
        return 'no room'
      }
      const left = performance.now()
      fromFirst ||= passes.isAtFirst()
      const { items, candidates, passedOver, all } = await passes.claim(most)
      for (const item of items) {
        held.add(claimKey(item))
        line.claimed(item, said)
      }
      rate.take(items.length)
      if (passedOver) wakeAt(performance.now() + PASSED_OVER_MS)
      if (items.length > 0) {
        look = 'found'
        void start(items, { now: items[0]!.at, left })
      }
      await giveBack(most - items.length)
      if (all && fromFirst) return look
      if (candidates > 0) fromFirst = false // 0 although there are some: those of these sellers are locked
    }
  }

  async function start(items: ClaimedItem[], claimed: Commit): Promise<void> {
    const readFrom = atOf(claimed, performance.now())
    const claimSpan = telemetry.statement('claim shop_update.item', items.length, claimed.now, readFrom)
    let sets: Map<string, CatalogueSet>
    try {
      sets = await readCatalogue(sql, items)
    } catch (error) {
      log.warn({ err: error }, 'The catalogue could not be read; the claimed items go back to the queue')
      for (const item of items) {
        begin(item, undefined, { claim: claimSpan, catalogue: null })
        line.notSent(item)
        rest(item)
      }
      return
    }
    const catalogue = telemetry.statement(
      'select catalog.product',
      items.length,
      readFrom,
      atOf(claimed, performance.now()),
    )
    for (const item of items) {
      const set = sets.get(item.id)
      adopt(item, live(begin(item, set, { claim: claimSpan, catalogue }), set))
    }
  }

  function adopt(item: Claim, life: Promise<void>): void {
    held.add(claimKey(item))
    life.then(
      () => rest(item),
      (error) => {
        // The sweep for orphans finds what it left, because `held` no longer has it.
        log.error(
          { err: error, item_id: item.id },
          'Processing an item failed unexpectedly; it is recovered within two heartbeats',
        )
        rest(item)
      },
    )
  }

  function rest(item: Claim): void {
    held.delete(claimKey(item))
    onRoom()
    if (held.size === 0) onIdle?.()
  }

  /** One claim for many items, not one for each that comes to rest. */
  const isRoomy = () =>
    concurrency - held.size >= Math.max(1, concurrency * ROOM_SHARE) &&
    line.room() >= Math.max(1, line.most() * ROOM_SHARE)

  function onRoom(): void {
    if (!hungry || !isRoomy()) return
    hungry = false
    poke()
  }

  poke()
  return {
    poke,
    onRoom,
    onPause() {
      passes.forget()
      poke()
    },
    held,
    get failingSince() {
      return failingSince
    },
    adopt,
    async stop() {
      stopped = true
      clearInterval(poll)
      clearTimeout(timer)
      await round
      if (held.size > 0) {
        await new Promise<void>((resolve) => {
          onIdle = resolve
        })
      }
    },
  }
}
