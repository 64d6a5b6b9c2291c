import type { Sql } from '../database/database.ts'
import type { Refusal } from '../domain/reasons.ts'
import { NOTHING_YET, type RunKind, type RunResult } from '../domain/run.ts'
import type { Topic } from '../domain/topics.ts'
import { type Asked, type Candidate, judge, type Page, readCandidates, readPage } from './candidates.ts'

/** How many product sets are named. */
export const SETS_LISTED = 20
/** Product sets are handled whole, and so many items in one transaction unless one set has more. */
const ITEMS_A_PART = 1000

/** What is to be done with a part of a page. */
export interface Part {
  take: Candidate[]
  skip: { id: string; topic: Topic | null; why: Refusal }[]
  /** Nothing of the page is left. */
  isLast: boolean
}

/**
 * Decides about the items of a page, as many as one transaction may hold.
 *
 * @param handled which of these have been dealt with already
 */
export async function readPart(
  sql: Sql,
  kind: RunKind,
  asked: Asked,
  page: Page,
  handled: (ids: readonly string[]) => Promise<ReadonlySet<string>> | ReadonlySet<string>,
): Promise<Part> {
  const { candidates, gone } = await readCandidates(sql, page, asked.include)
  const done = await handled([...candidates.map(({ id }) => id), ...gone])
  const named = new Set('itemIds' in asked.target ? asked.target.itemIds : [])
  const part: Part = { take: [], skip: [], isLast: true }
  let last: string | null = null
  for (const candidate of candidates) {
    if (done.has(candidate.id)) continue
    const { id, topic, productSetId, awaitsCreate, createComing } = candidate
    if (part.take.length + part.skip.length >= ITEMS_A_PART && last !== productSetId) {
      part.isLast = false
      return part
    }
    last = productSetId
    const why = judge(candidate, named.has(id), asked)
    if (kind === 'creations') {
      if (why === null && awaitsCreate && !createComing) part.take.push(candidate)
    } else if (why === null) part.take.push(candidate)
    else if (why !== 'silent') part.skip.push({ id, topic, why })
  }
  if (kind === 'requeue')
    part.skip.push(
      ...gone.filter((id) => !done.has(id)).map((id) => ({ id, topic: null, why: 'not_in_queue' as const })),
    )
  return part
}

/** Adds what was done with a part to the numbers so far. */
export async function addUp(
  sql: Sql,
  before: Readonly<RunResult>,
  take: readonly Candidate[],
  skip: Part['skip'],
): Promise<RunResult> {
  const sets = [...new Set(take.map(({ productSetId }) => productSetId))]
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
    uncreatedSets: before.uncreatedSets + uncreated.size,
  }
}

export interface Preview extends RunResult {
  /** The first skipped items. */
  skipped: { itemId: string; reason: Refusal }[]
}

/** How many skipped items are listed; the numbers count all. */
export const SKIPPED_LISTED = 1000

/**
 * What a requeue would do: "Reupload to Shop" (decision 12). All Failed items of the product sets in question, plus
 * what `include` asks for, would go back to Pending with a fresh retry cycle. Items that are named individually also
 * go if they are Delayed, Failed, Blocked or acknowledged. Of a filter's matches only items of the included statuses
 * count, and their whole sets with them.
 */
export async function previewRequeue(sql: Sql, asked: Asked): Promise<Preview> {
  let result: RunResult = NOTHING_YET
  const skipped: Preview['skipped'] = []
  const handled = new Set<string>()
  for (let position: string | null = '0'; position !== null; ) {
    const page: Page = await readPage(sql, asked, position)
    const { take, skip, isLast } = await readPart(sql, 'requeue', asked, page, () => handled)
    for (const { id } of [...take, ...skip]) handled.add(id)
    skipped.push(...skip.slice(0, SKIPPED_LISTED - skipped.length).map(({ id, why }) => ({ itemId: id, reason: why })))
    result = await addUp(sql, result, take, skip)
    if (isLast) position = page.next
  }
  return { ...result, skipped }
}

async function countVariations(sql: Sql, productSetIds: readonly string[]): Promise<number> {
  if (productSetIds.length === 0) return 0
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n from catalog.product p where p.product_set_id = any (${[...productSetIds]}::bigint[])`
  return row!.n
}
