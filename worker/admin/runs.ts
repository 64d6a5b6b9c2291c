import { type Sql, transaction } from '../database/database.ts'
import type { Refusal } from '../domain/reasons.ts'
import { NOTHING_YET, type RunKind, type RunResult, type RunState } from '../domain/run.ts'
import type { Step } from '../domain/step.ts'
import type { Topic } from '../domain/topics.ts'
import { actionOf } from './actions.ts'
import { type Actor, audit } from './audit.ts'
import type { Asked, Target } from './candidates.ts'
import { addUp, type Done } from './part.ts'

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
        kind, target, include, topics, reason, force, may_create_twice, previewed, created_by, created_by_sub)
      values (
        ${run.kind}::text,
        ${JSON.stringify(run.target)}::text::jsonb,
        ${[...run.include]}::text[],
        ${[...run.topics]}::text[],
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
      select
        kind, target, include, topics, reason, force, may_create_twice as "mayCreateTwice", state, position, result,
        created_by as name, created_by_sub as sub
      from shop_update.run where id = ${runId}::bigint for update`
    if (!run) return null
    if (run.state !== 'running') return { steps: [], byTopic: [], ended: true }
    const action = actionOf(run.kind)
    const handled = (ids: readonly string[]) => handledBy(tx, runId, ids)
    const part = await action.read(tx, run, run.position, handled)
    const done = await action.act(tx, run, part, handled)
    const result = await addUp(tx, { ...NOTHING_YET, ...run.result }, done, (sets) => countedBy(tx, runId, sets))
    await note(tx, runId, done)
    const ended = part.next === null
    await tx`
      update shop_update.run set
        position = ${part.next ?? run.position}::text,
        progressed_at = now(),
        result = ${JSON.stringify(result)}::text::jsonb,
        state = ${ended ? 'done' : 'running'},
        ended_at = ${ended ? tx`now()` : null}
      where id = ${runId}::bigint`
    if (ended) await audit(tx, { name: run.name, sub: run.sub }, run.kind, detailOf(runId, run, result))
    return { steps: done.steps, byTopic: run.kind === 'requeue' ? byTopicOf(done) : [], ended }
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
    const [run] = await tx<(NewRun & { result: Partial<RunResult> })[]>`
      update shop_update.run set state = 'stopped', ended_at = now(), ended_by = ${actor.name}::text
      where id = ${runId}::bigint and state = 'running'
      returning kind, target, include, topics, reason, force, may_create_twice as "mayCreateTwice", result`
    if (run) await audit(tx, actor, `${run.kind}_stopped`, detailOf(runId, run, { ...NOTHING_YET, ...run.result }))
    return run !== undefined
  })
}

/** Ids are kept once, with the run's beginning. */
function countOf(target: Exclude<Target, { filter: unknown }>) {
  if ('itemIds' in target) return { items: target.itemIds.length }
  return 'productIds' in target ? { products: target.productIds.length } : { sets: target.productSetIds.length }
}

/** What the audit keeps of what was asked. */
const told = ({
  target,
  include,
  topics,
  reason,
  force,
  mayCreateTwice,
}: Omit<Asked, 'target'> & { target: object; reason: string | null }) => ({
  ...target,
  ...(include.length > 0 && { include }),
  ...(topics.length > 0 && { topics }),
  reason,
  ...(force && { force }),
  ...(mayCreateTwice && { mayCreateTwice }),
})

/** What the record has of a run that has ended. */
function detailOf(runId: string, { target, ...rest }: NewRun, result: RunResult) {
  const about = 'filter' in target ? target : countOf(target)
  return { run: runId, ...told({ ...rest, target: about }), ...numbersOf(rest.kind, result) }
}

/** What the record calls what was done. */
const DONE: Record<Exclude<RunKind, 'creations'>, string> = { requeue: 'requeued', discard: 'discarded', send: 'sent' }

const numbersOf = (kind: RunKind, { taken, productSets, skippedTotal, skippedByReason, queuedAnew }: RunResult) =>
  kind === 'creations'
    ? { queued: productSets, waiting: taken }
    : {
        [DONE[kind]]: taken,
        productSets,
        skipped: skippedTotal,
        skippedByReason,
        ...(queuedAnew > 0 && { queuedAnew }),
      }

async function handledBy(sql: Sql, runId: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await sql<{ id: string }[]>`
    select item_id as id from shop_update.run_item
    where run_id = ${runId}::bigint and item_id = any (${[...ids]}::bigint[])`
  return new Set(rows.map(({ id }) => id))
}

/** Which of these product sets have had an item taken. */
async function countedBy(sql: Sql, runId: string, sets: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await sql<{ id: string }[]>`
    select s.id from unnest(${[...sets]}::bigint[]) s (id)
    where exists (
      select from shop_update.run_item i where i.run_id = ${runId}::bigint and i.product_set_id = s.id)`
  return new Set(rows.map(({ id }) => id))
}

async function note(sql: Sql, runId: string, { take, skip }: Done): Promise<void> {
  const items = [
    ...take.map(({ id, productSetId }) => ({ id, result: 'taken', productSetId })),
    ...skip.flatMap(({ id, why }) => (id === null ? [] : [{ id, result: why, productSetId: null }])),
  ]
  await sql`
    insert into shop_update.run_item (run_id, item_id, result, product_set_id)
    select ${runId}::bigint, * from unnest(
      ${items.map(({ id }) => id)}::bigint[],
      ${items.map(({ result }) => result)}::text[],
      ${items.map(({ productSetId }) => productSetId)}::bigint[])`
  const products = skip.flatMap(({ productId, topic, why }) => (productId === null ? [] : [{ productId, topic, why }]))
  if (products.length === 0) return
  await sql`
    insert into shop_update.run_refused (run_id, product_id, topic, result)
    select ${runId}::bigint, * from unnest(
      ${products.map(({ productId }) => productId)}::bigint[],
      ${products.map(({ topic }) => topic)}::text[],
      ${products.map(({ why }) => why)}::text[])`
}

function byTopicOf({ take, skip }: Done): ByTopic {
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
