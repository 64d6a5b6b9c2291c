import type { Logger } from 'pino'
import type { Sql } from '../database/database.ts'
import { createLoop } from '../loop.ts'
import { Attempt } from '../telemetry/attempt.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { applyCallbacks } from './callbacks.ts'
import type { Follow } from './follow.ts'
import { createKnownItems } from './known-items.ts'
import type { Retry } from './verdict.ts'

export interface CallbackLoop {
  /** A callback has been recorded: apply it at once, to this item if it is known. */
  poke(itemId?: string | null): void
  /** An item has come to rest: a callback may be waiting for it. */
  pokeIfWaiting(): void
  /** Stops the periodic looks. */
  stopPolling(): void
  idle(): Promise<void>
}

export interface CallbackLoopOptions {
  sql: Sql
  /** The venture's zone, for the Shop's `updated_at`. */
  zone: string
  retry: Retry
  log: Logger
  telemetry: Telemetry
  follow: Follow
  /** An item may have stayed in the queue, Pending. */
  onReady(): void
}

const POLL_MS = 1000

/** Applies recorded callbacks to their items: the worker that is told first does it, and every worker polls. */
export function startCallbacks(options: CallbackLoopOptions): CallbackLoop {
  const { sql, zone, retry, log, telemetry, follow, onReady } = options
  const known = createKnownItems()
  let inFlight = 0

  /** @returns how many were handled on all pages */
  async function applyAll(): Promise<number> {
    let [seen, waiting] = [0, 0]
    await known.look(async (after, named) => {
      const page = await applyCallbacks(sql, zone, after, retry, named)
      seen += page.seen
      waiting += page.inFlight
      inFlight = waiting
      for (const story of page.stories) Attempt.callback(telemetry, story)
      if (page.failed !== null) log.warn({ err: page.failed }, 'A callback could not be applied; it is retried')
      telemetry.steps(page.incidents)
      await follow.now({ sets: page.sets, created: page.created })
      if (page.sets.length > 0) onReady()
      return page
    })
    return seen
  }

  const loop = createLoop(async () => {
    try {
      while ((await applyAll()) > 0);
    } catch (error) {
      log.warn({ err: error }, 'Applying callbacks failed; the next poll tries again')
    }
  })
  const poll = setInterval(loop.poke, POLL_MS)

  return {
    poke(itemId) {
      if (itemId != null) known.name(itemId)
      loop.poke()
    },
    pokeIfWaiting() {
      if (inFlight > 0) loop.poke()
    },
    stopPolling: () => clearInterval(poll),
    idle: loop.idle,
  }
}
