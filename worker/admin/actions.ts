import type { Sql } from '../database/database.ts'
import type { Refusal } from '../domain/reasons.ts'
import { NOTHING_YET, type RunKind, type RunResult } from '../domain/run.ts'
import type { Asked } from './candidates.ts'
import { discarding } from './discard.ts'
import { type Action, addUp, type Part } from './part.ts'
import { creations, requeue } from './requeue.ts'
import { sending } from './send.ts'

// each takes what it has read itself
const ACTIONS = { requeue, creations, discard: discarding, send: sending } as const satisfies Record<RunKind, object>
export const actionOf = (kind: RunKind): Action => ACTIONS[kind] as unknown as Action

export interface Preview extends RunResult {
  /** The first skipped ones. */
  skipped: { itemId: string | null; productId: string | null; reason: Refusal }[]
  /** Whether all of the selection was looked at; else only the beginning of it. */
  complete: boolean
}

/** How many skipped items are listed; the numbers count all. */
export const SKIPPED_LISTED = 1000

/**
 * A preview ends after so many items, or so long: Grafana's proxy waits for half a minute, and a million items would
 * take several. What a run does with the rest it tells while it does it.
 */
export const PREVIEWED = { items: 100_000, milliseconds: 20_000 }

/** What a run would do. */
export async function previewRun(sql: Sql, kind: RunKind, asked: Asked, bounds = PREVIEWED): Promise<Preview> {
  const until = performance.now() + bounds.milliseconds
  let result: RunResult = NOTHING_YET
  const skipped: Preview['skipped'] = []
  const handled = new Set<string>()
  const sets = new Set<string>()
  const hasRoom = () => result.taken + result.skippedTotal < bounds.items && performance.now() < until
  let position: string | null = '0'
  while (position !== null && hasRoom()) {
    const part: Part = await actionOf(kind).read(sql, asked, position, () => handled)
    for (const each of [...part.take, ...part.skip])
      if ('id' in each && typeof each.id === 'string') handled.add(each.id)
    const listed = part.skip.slice(0, SKIPPED_LISTED - skipped.length)
    skipped.push(...listed.map(({ id, productId, why }) => ({ itemId: id, productId, reason: why })))
    result = await addUp(sql, result, part, () => sets)
    for (const { productSetId } of part.take) sets.add(productSetId)
    position = part.next
  }
  return { ...result, skipped, complete: position === null }
}
