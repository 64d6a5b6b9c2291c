import type { Refusal } from './reasons.ts'

/** What a run does: requeue items, or queue the creations that items wait for (decision 27). */
export const RUN_KINDS = ['requeue', 'creations'] as const
export type RunKind = (typeof RUN_KINDS)[number]

export const RUN_STATES = ['running', 'done', 'stopped'] as const
export type RunState = (typeof RUN_STATES)[number]

/** What became of an item that a run has taken. */
export const OUTCOMES = ['synced', 'on_its_way', 'failed_again', 'blocked_again', 'ended'] as const
export type Outcome = (typeof OUTCOMES)[number]

export const OUTCOME_LABELS: Record<Outcome, string> = {
  synced: 'Synced',
  on_its_way: 'On its way',
  failed_again: 'Failed again',
  blocked_again: 'Blocked again',
  ended: 'Ended without a sync',
}

/** Numbers of what a run has done, or, in a preview, would do. */
export interface RunResult {
  /** Items that were put back, or whose creation was queued. */
  taken: number
  /** How many product sets they are in; of creations, how many were queued. */
  productSets: number
  /** How many variations those sets have: an update of one concerns all of them at the Shop. */
  variations: number
  /** The first of those product sets. */
  firstProductSets: string[]
  skippedTotal: number
  skippedByReason: Partial<Record<Refusal, number>>
  /** Of the requeued, those that are only Blocked again: the Shop does not have their product. */
  blockedAgain: number
  /** Of the product sets of those, the ones that nothing in the queue creates. */
  uncreatedSets: number
}

export const NOTHING_YET: Readonly<RunResult> = {
  taken: 0,
  productSets: 0,
  variations: 0,
  firstProductSets: [],
  skippedTotal: 0,
  skippedByReason: {},
  blockedAgain: 0,
  uncreatedSets: 0,
}
