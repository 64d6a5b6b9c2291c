import type { Refusal } from './reasons.ts'

/**
 * What a run does: requeue items, queue the creations that items wait for, discard items that an admin has to decide
 * about, or send topics of products (decision 27).
 */
export const RUN_KINDS = ['requeue', 'creations', 'discard', 'send'] as const
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
  /** Items that were put back or discarded, that carry what is sent, or whose creation was queued. */
  taken: number
  /** How many product sets they are in; of creations, how many were queued. */
  productSets: number
  /** How many variations those sets have: an update of one concerns all of them at the Shop. */
  variations: number
  /** The first of those product sets. */
  firstProductSets: string[]
  skippedTotal: number
  skippedByReason: Partial<Record<Refusal, number>>
  /** Of what is sent, that which is only Blocked, or again: the Shop does not have its product. */
  blockedAgain: number
  /** Of the product sets of those, the ones that nothing in the queue creates. */
  uncreatedSets: number
  /** Of the items taken, those that create a product. */
  creates: number
  /** Changes that came since a discarded item was Blocked: the Shop has not heard of them, so they are queued anew. */
  queuedAnew: number
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
  creates: 0,
  queuedAnew: 0,
}
