import type { Sql } from '../database/database.ts'
import type { Refusal } from '../domain/reasons.ts'
import type { RunResult } from '../domain/run.ts'
import type { Step } from '../domain/step.ts'
import { creates, type Topic } from '../domain/topics.ts'
import type { Asked } from './candidates.ts'

/** What a run would take, for its numbers. */
export interface Counted {
  topic: Topic
  productSetId: string
  /** The Shop does not have its product or set yet: sent, it is Blocked. */
  awaitsCreate: boolean
  /** Something in the queue creates it. */
  createComing: boolean
}

/** What a run leaves alone: an item, or a topic of a product of which there is none. */
export type Skipped = { topic: Topic | null; why: Refusal } & (
  | { id: string; productId: null }
  | { id: null; productId: string }
)

/** What is to be done next, as much as one transaction may hold. */
export interface Part<Take extends Counted = Counted> {
  take: Take[]
  skip: Skipped[]
  /** Where the next part begins; null: this is the last one. The first position is '0'. */
  next: string | null
}

/** What has been done with a part: since it was read, a worker may have claimed or finished something. */
export interface Done {
  take: (Counted & { id: string })[]
  skip: Skipped[]
  steps: Step[]
  queuedAnew?: number
}

/** Who wants it, and why. */
export interface Wanted extends Asked {
  name: string
  /** The person's reason, for the record. */
  reason: string | null
}

/** Which of these, items or product sets, the run has dealt with already. */
export type Handled = (ids: readonly string[]) => Promise<ReadonlySet<string>> | ReadonlySet<string>

/** One kind of run. */
export interface Action<Take extends Counted = Counted> {
  /** Reads and decides; changes nothing. */
  read(sql: Sql, asked: Asked, position: string, handled: Handled): Promise<Part<Take>>
  act(sql: Sql, run: Wanted, part: Part<Take>, handled: Handled): Promise<Done>
}

/** How many product sets are named. */
export const SETS_LISTED = 20

/**
 * Adds what was done with a part to the numbers so far.
 *
 * @param counted which of these product sets are in the numbers already: items of a set may come in several parts
 */
export async function addUp(
  sql: Sql,
  before: Readonly<RunResult>,
  { take, skip, queuedAnew = 0 }: { take: readonly Counted[]; skip: readonly Skipped[]; queuedAnew?: number },
  counted: Handled,
): Promise<RunResult> {
  const concerned = [...new Set(take.map(({ productSetId }) => productSetId))]
  const known = await counted(concerned)
  const sets = concerned.filter((set) => !known.has(set))
  const waiting = take.filter(({ awaitsCreate }) => awaitsCreate)
  const uncreated = new Set(waiting.filter(({ createComing }) => !createComing).map((each) => each.productSetId))
  const skippedByReason = { ...before.skippedByReason }
  for (const { why } of skip) skippedByReason[why] = (skippedByReason[why] ?? 0) + 1
  return {
    taken: before.taken + take.length,
    productSets: before.productSets + sets.length,
    variations: before.variations + (await countVariations(sql, sets)),
    firstProductSets: [...new Set([...before.firstProductSets, ...sets])].slice(0, SETS_LISTED),
    skippedTotal: before.skippedTotal + skip.length,
    skippedByReason,
    blockedAgain: before.blockedAgain + waiting.length,
    uncreatedSets: before.uncreatedSets + sets.filter((set) => uncreated.has(set)).length,
    creates: before.creates + take.filter(({ topic }) => creates(topic)).length,
    queuedAnew: before.queuedAnew + queuedAnew,
  }
}

async function countVariations(sql: Sql, productSetIds: readonly string[]): Promise<number> {
  if (productSetIds.length === 0) return 0
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n from catalog.product p where p.product_set_id = any (${[...productSetIds]}::bigint[])`
  return row!.n
}
