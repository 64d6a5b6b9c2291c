import { setTimeout as delay } from 'node:timers/promises'
import { between, seeded, weighted } from '../../demo/chance.ts'
import { ACTIONS, type Done, type Stage } from './actions.ts'
import { addSet } from './changes.ts'
import { heal } from './heal.ts'
import { findViolations, type Violation } from './invariants.ts'
import { startParts } from './parts.ts'

export interface ChaosReport {
  seed: number
  seconds: number
  actions: number
  /** How often each action began. */
  byAction: Record<string, number>
  /** Changes whose commit was confirmed. */
  changes: number
  calls: number
  items: number
  /** How long it took until nothing moved any more, once all was well. */
  restSeconds: number
  /**
   * How often a worker was silent although nobody had done anything to it: the machine was overloaded, or there is a
   * fault.
   */
  unheard: number
  violations: Violation[]
}

/** The most actions at once; lasting ones would pile up. */
const MOST_AT_ONCE = 12

/**
 * Runs Seller Center, workers, PostgreSQL, the Shop and its admins with everything that can go wrong, for some time.
 * Then everything is put right, and the invariants must hold.
 *
 * The seed gives the schedule: which action comes when, and what it draws. It does not give the interleaving: three
 * processes, a database and their clocks decide what an action meets. So a seed that has found something finds it again
 * often, but not always.
 *
 * @param without names of actions to leave out
 * @param signal aborts the run; everything that was started is stopped
 * @param log receives a line for each action, with the seconds since the beginning
 */
export async function chaos(
  {
    seed,
    seconds,
    without = [],
    signal,
  }: { seed: number; seconds: number; without?: readonly string[]; signal?: AbortSignal },
  log: (line: string) => void,
): Promise<ChaosReport> {
  const began = performance.now()
  const tell = (line: string) => log(`${((performance.now() - began) / 1000).toFixed(3).padStart(9)} ${line}`)
  const random = seeded(seed)
  const actions = ACTIONS.filter(({ name }) => !without.includes(name))
  const parts = await startParts(seed, tell)
  const done: Done = { changes: [], repaired: new Map(), deleted: new Map(), lent: new Set() }
  const over = new AbortController()
  signal?.addEventListener('abort', () => over.abort())
  const stage: Stage = {
    parts,
    done,
    // only the end of the run rejects it
    pause: (ms) => delay(ms, undefined, { signal: over.signal }).catch(unlessAborted),
  }
  try {
    tell(`seed ${seed}, ${seconds} s`)
    // A catalogue that the Shop has, as far as the first seconds bring it there.
    for (let k = 0; k < 20; k++) done.changes.push(...(await parts.sql.begin((tx) => addSet(tx, random))))
    await Promise.race([Promise.all(parts.slots.map((slot) => slot.start())), stage.pause(2 ** 31 - 1)])
    parts.balance()
    tell(`20 sets, ${parts.slots.length} workers`)

    const byAction: Record<string, number> = {}
    const running = new Set<Promise<void>>()
    const end = performance.now() + seconds * 1000
    let number = 0
    while (performance.now() < end && !over.signal.aborted) {
      await delay(between(random, 20, 300))
      parts.balance()
      const action = weighted(random, actions, ({ weight }) => weight)
      const own = seeded(between(random, 0, 2 ** 31))
      if (running.size >= MOST_AT_ONCE) await Promise.race(running)
      const name = `#${++number} ${action.name}`
      byAction[action.name] = (byAction[action.name] ?? 0) + 1
      const life = act(name, () => action.act(stage, own))
      running.add(life)
      void life.finally(() => running.delete(life))
    }
    over.abort()
    await Promise.all(running)
    async function act(name: string, what: () => Promise<string>): Promise<void> {
      const at = performance.now()
      tell(`${name} …`)
      try {
        const did = await what()
        tell(`${name} (${Math.round(performance.now() - at)} ms) ${did}`)
      } catch (error) {
        // PostgreSQL or a worker is down, or two transactions were in each other's way: that happens to everybody.
        tell(
          `${name} (${Math.round(performance.now() - at)} ms) failed: ` +
            `${(error as { code?: string }).code ?? ''} ${(error as Error).message}`,
        )
      }
    }

    signal?.throwIfAborted()
    tell('all is well again')
    const healing = performance.now()
    const unrest = await heal(stage, tell, signal)
    const restSeconds = (performance.now() - healing) / 1000
    tell(unrest.length === 0 ? `at rest after ${restSeconds.toFixed(1)} s` : `no rest: ${unrest.join('; ')}`)
    const violations = await findViolations(stage, unrest)
    for (const { rule, what, story } of violations) {
      tell(`VIOLATION of "${rule}": ${what}`)
      for (const line of story) log(`            ${line}`)
    }
    return {
      seed,
      seconds,
      actions: number,
      byAction,
      changes: done.changes.length,
      calls: parts.shop.calls().length,
      items: new Set(done.changes.map(({ itemId }) => itemId)).size,
      restSeconds: Number(restSeconds.toFixed(1)),
      unheard: parts.isolations.filter(({ why }) => why === 'not heard of').length,
      violations,
    }
  } finally {
    over.abort()
    await parts.stop()
  }
}

/** An aborted pause has simply ended. */
function unlessAborted(error: Error): void {
  if (error.name !== 'AbortError') throw error
}
