import { type Sql, transaction } from '../database/database.ts'
import type { Refusal } from '../domain/reasons.ts'
import { NOTHING_YET, type RunKind, type RunResult, type RunState } from '../domain/run.ts'
import type { Step } from '../domain/step.ts'
import type { Topic } from '../domain/topics.ts'
import { type Actor, audit } from './audit.ts'
import { type Asked, type Candidate, readPage, type Target } from './candidates.ts'
import { putBack } from './put-back.ts'
import { addUp, type Part, readPart } from './requeue.ts'

export interface NewRun extends Asked {
  kind: RunKind
  /** The person's reason, for the record. */
  reason: string | null
  /** The numbers that the person saw before. */
  previewed: Record<string, number> | null
}

/** By topic, the requeued and the refused. */
export type ByTopic = { topic: Topic | null; result: 'requeued' | Refusal; n: number }[]

export interface Carried {
  /** Committed. */
  steps: Step[]
  byTopic: ByTopic
  /** The run has ended, by this part or before. */
  ended: boolean
}

/** Begins a run, and records who did. `carryOn` does the rest, in whichever process. */
export async function startRun(sql: Sql, run: NewRun, actor: Actor): Promise<string> {
  return transaction(sql, async (tx) => {
    const [row] = await tx<{ id: string }[]>`
      insert into shop_update.run (
        kind, target, include, reason, force, may_create_twice, previewed, created_by, created_by_sub)
      values (
        ${run.kind}::text,
        ${JSON.stringify(run.target)}::text::jsonb,
        ${[...run.include]}::text[],
        ${run.reason}::text,
        ${run.force},
        ${run.mayCreateTwice},
        ${run.previewed && JSON.stringify(run.previewed)}::text::jsonb,
        ${actor.name}::text,
        ${actor.sub}::text)
      returning id`
    const { id } = row!
    await audit(tx, actor, `${run.kind}_begun`, { run: id, ...told(run) })
    return id
  })
}

/** Runs that have not ended, the oldest first. */
export async function openRuns(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`select id from shop_update.run where state = 'running' order by id`
  return rows.map(({ id }) => id)
}

/**
 * Does the next part of a run, in one transaction: a crash costs nothing but that part, and any process may go on. The
 * row of the run is locked meanwhile, so two processes take turns.
 *
 * @param lockTimeoutMs how long it waits for a row that somebody else holds; without: as long as the connection does
 * @returns null if there is no such run
 */
export async function carryOn(sql: Sql, runId: string, lockTimeoutMs?: number): Promise<Carried | null> {
  return transaction(sql, async (tx) => {
    if (lockTimeoutMs !== undefined) await tx`select set_config('lock_timeout', ${String(lockTimeoutMs)}, true)`
    const [run] = await tx<
      (NewRun & { state: RunState; position: string; result: Partial<RunResult>; name: string; sub: string | null })[]
    >`
      select kind, target, include, reason, force, may_create_twice as "mayCreateTwice", state, position, result,
        created_by as name, created_by_sub as sub
      from shop_update.run where id = ${runId}::bigint for update`
    if (!run) return null
    if (run.state !== 'running') return { steps: [], byTopic: [], ended: true }
    const page = await readPage(tx, run, run.position)
    const part = await readPart(tx, run.kind, run, page, (ids) => handledBy(tx, runId, ids))
    const { take, skip, steps } = await act(tx, run, part)
    const result = await addUp(tx, { ...NOTHING_YET, ...run.result }, take, skip)
    await note(tx, runId, take, skip)
    const ended = part.isLast && page.next === null
    await tx`
      update shop_update.run set
        position = ${part.isLast ? (page.next ?? run.position) : run.position}::text,
        progressed_at = now(),
        result = ${JSON.stringify(result)}::text::jsonb,
        state = ${ended ? 'done' : 'running'},
        ended_at = ${ended ? tx`now()` : null}
      where id = ${runId}::bigint`
    if (ended) {
      const { target, ...rest } = run
      const about = 'filter' in target ? target : countOf(target)
      const detail = { run: runId, ...told({ ...rest, target: about }), ...numbersOf(run.kind, result) }
      await audit(tx, { name: run.name, sub: run.sub }, run.kind, detail)
    }
    return { steps, byTopic: run.kind === 'requeue' ? byTopicOf(take, skip) : [], ended }
  })
}

/**
 * A run that is carried out by its caller, who waits for it; if the caller dies, the leader goes on.
 *
 * @param onPart called with each part as soon as it is committed
 */
export async function runToEnd(
  sql: Sql,
  run: NewRun,
  actor: Actor,
  onPart: (part: Carried) => void = () => {},
): Promise<string> {
  const id = await startRun(sql, run, actor)
  for (let ended = false; !ended; ) {
    const part = await carryOn(sql, id)
    if (!part) break
    onPart(part)
    ended = part.ended
  }
  return id
}

/**
 * Stops a run between two parts; what it has done stays done.
 *
 * @returns false if it has ended, or there is none
 */
export async function stopRun(sql: Sql, runId: string, actor: Actor): Promise<boolean> {
  return transaction(sql, async (tx) => {
    const [run] = await tx<{ kind: RunKind; result: Partial<RunResult> }[]>`
      update shop_update.run set state = 'stopped', ended_at = now(), ended_by = ${actor.name}::text
      where id = ${runId}::bigint and state = 'running'
      returning kind, result`
    if (run)
      await audit(tx, actor, `${run.kind}_stopped`, {
        run: runId,
        ...numbersOf(run.kind, { ...NOTHING_YET, ...run.result }),
      })
    return run !== undefined
  })
}

/** Ids are kept once, with the run's beginning. */
const countOf = (target: Exclude<Target, { filter: unknown }>) =>
  'itemIds' in target ? { items: target.itemIds.length } : { sets: target.productSetIds.length }

/** What the audit keeps of what was asked. */
const told = ({
  target,
  include,
  reason,
  force,
  mayCreateTwice,
}: Omit<Asked, 'target'> & { target: object; reason: string | null }) => ({
  ...target,
  include,
  reason,
  ...(force && { force }),
  ...(mayCreateTwice && { mayCreateTwice }),
})

const numbersOf = (kind: RunKind, { taken, productSets, skippedTotal, skippedByReason }: RunResult) =>
  kind === 'creations'
    ? { queued: productSets, waiting: taken }
    : { requeued: taken, productSets, skipped: skippedTotal, skippedByReason }

async function handledBy(sql: Sql, runId: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await sql<{ id: string }[]>`
    select item_id as id from shop_update.run_item
    where run_id = ${runId}::bigint and item_id = any (${[...ids]}::bigint[])`
  return new Set(rows.map(({ id }) => id))
}

/** @returns what was really taken and skipped: since it was read, a worker may have claimed or finished it */
async function act(sql: Sql, run: NewRun & { name: string }, { take, skip }: Part) {
  if (take.length === 0) return { take, skip, steps: [] }
  if (run.kind === 'creations') {
    const sets = [...new Set(take.map(({ productSetId }) => productSetId))]
    // in one order, as whoever queues several changes must; a set that has been deleted since is left out
    await sql`
      select shop_update.enqueue('new_product_set', product_set_id => s.id)
      from (select id from catalog.product_set where id = any (${sets}::bigint[]) order by id) s`
    return { take, skip, steps: [] }
  }
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
  return {
    take: take.filter(({ id }) => moved.has(id)),
    skip: [
      ...skip,
      ...missed.map(({ id, topic }) => ({
        id,
        topic,
        why: there.has(id) ? ('in_flight' as const) : ('not_in_queue' as const),
      })),
    ],
    steps,
  }
}

async function note(sql: Sql, runId: string, take: readonly Candidate[], skip: Part['skip']): Promise<void> {
  await sql`
    insert into shop_update.run_item (run_id, item_id, result)
    select ${runId}::bigint, * from unnest(
      ${[...take, ...skip].map(({ id }) => id)}::bigint[],
      ${[...take.map(() => 'taken'), ...skip.map(({ why }) => why)]}::text[])`
}

function byTopicOf(take: readonly Candidate[], skip: Part['skip']): ByTopic {
  const rows: ByTopic = []
  const count = (topic: Topic | null, result: 'requeued' | Refusal) => {
    const row = rows.find((each) => each.topic === topic && each.result === result)
    if (row) row.n++
    else rows.push({ topic, result, n: 1 })
  }
  for (const { topic } of take) count(topic, 'requeued')
  for (const { topic, why } of skip) count(topic, why)
  return rows
}
