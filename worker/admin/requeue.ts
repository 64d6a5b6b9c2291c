import type { Sql } from '../database/database.ts'
import { type Asked, type Candidate, judge, readCandidates, readPage } from './candidates.ts'
import type { Action, Done, Handled, Part, Skipped } from './part.ts'
import { putBack } from './put-back.ts'

/** Product sets are handled whole, and so many items in one transaction unless one set has more. */
const ITEMS_A_PART = 1000

/**
 * "Reupload to Shop" (decision 12). All Failed items of the product sets in question, plus what `include` asks for, go
 * back to Pending with a fresh retry cycle. Items that are named individually also go if they are Delayed, Failed,
 * Blocked or acknowledged. Of a filter's matches only items of the included statuses count, and their whole sets with
 * them.
 */
export const requeue: Action<Candidate> = {
  read: (sql, asked, position, handled) => readPart(sql, asked, position, handled, judge),
  async act(sql, run, { take, skip }): Promise<Done> {
    if (take.length === 0) return { take, skip, steps: [] }
    const ids = take.map(({ id }) => id)
    const steps = await putBack(sql, ids, run.name, run.reason)
    const moved = new Set(steps.map(({ itemId }) => itemId))
    if (moved.size === ids.length) return { take, skip, steps }
    const missed = take.filter(({ id }) => !moved.has(id))
    const there = new Set(
      (
        await sql<{ id: string }[]>`
        select i.id from shop_update.item i where i.id = any (${missed.map(({ id }) => id)}::bigint[])`
      ).map(({ id }) => id),
    )
    const why = (id: string) => (there.has(id) ? 'in_flight' : 'not_in_queue')
    return {
      take: take.filter(({ id }) => moved.has(id)),
      skip: [...skip, ...missed.map(({ id, topic }): Skipped => ({ id, productId: null, topic, why: why(id) }))],
      steps,
    }
  },
}

/** Queues the creation of product sets that the Shop lacks and nothing creates: of what a requeue would only block. */
export const creations: Action<Candidate> = {
  async read(sql, asked, position, handled) {
    const isMissing = ({ awaitsCreate, createComing }: Candidate) => awaitsCreate && !createComing
    const part = await readPart(sql, asked, position, handled, (candidate, ...how) =>
      isMissing(candidate) && judge(candidate, ...how) === null ? null : 'silent',
    )
    return { ...part, skip: [] }
  },
  async act(sql, _run, { take, skip }): Promise<Done> {
    const sets = [...new Set(take.map(({ productSetId }) => productSetId))]
    if (sets.length > 0)
      // in one order, as whoever queues several changes must; a set that has been deleted since is left out
      await sql`
      select shop_update.enqueue('new_product_set', product_set_id => s.id)
      from (select id from catalog.product_set where id = any (${sets}::bigint[]) order by id) s`
    return { take, skip, steps: [] }
  },
}

/** Decides about the items of a page, as many as one transaction may hold. */
async function readPart(
  sql: Sql,
  asked: Asked,
  position: string,
  handled: Handled,
  decide: typeof judge,
): Promise<Part<Candidate>> {
  const page = await readPage(sql, asked, position)
  const { candidates, gone } = await readCandidates(sql, page, asked.include)
  const done = await handled([...candidates.map(({ id }) => id), ...gone])
  const named = new Set('itemIds' in asked.target ? asked.target.itemIds : [])
  const part: Part<Candidate> = { take: [], skip: [], next: page.next }
  let last: string | null = null
  for (const candidate of candidates) {
    if (done.has(candidate.id)) continue
    const { id, topic, productSetId } = candidate
    // the rest of the page comes with the next part
    if (part.take.length + part.skip.length >= ITEMS_A_PART && last !== productSetId) return { ...part, next: position }
    last = productSetId
    const why = decide(candidate, named.has(id), asked)
    if (why === null) part.take.push(candidate)
    else if (why !== 'silent') part.skip.push({ id, productId: null, topic, why })
  }
  const missing = gone.filter((id) => !done.has(id))
  part.skip.push(...missing.map((id): Skipped => ({ id, productId: null, topic: null, why: 'not_in_queue' })))
  return part
}
