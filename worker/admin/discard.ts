import type { Sql } from '../database/database.ts'
import { discardRefusal } from '../domain/requeue.ts'
import type { Status } from '../domain/statuses.ts'
import type { Step } from '../domain/step.ts'
import type { Topic } from '../domain/topics.ts'
import { touched } from '../queue/books.ts'
import { skusOf, stepColumns } from '../queue/skus.ts'
import { inQueue, locate, sources } from '../read/selection.ts'
import type { Asked } from './candidates.ts'
import type { Action, Counted, Done, Part, Skipped } from './part.ts'

type Found = Counted & { id: string }

const ITEMS_A_PART = 1000

/**
 * Discards what an admin has to decide about (decision 5, c to e): of named items and product sets, and of a filter's
 * matches, what is Blocked; not whole product sets with them.
 */
export const discarding: Action<Found> = {
  async read(sql, { target }, position): Promise<Part<Found>> {
    const { rows, gone, next } = await readPage(sql, target, position)
    const part: Part<Found> = { take: [], skip: gone.map(leftAlone('not_in_queue', null)), next }
    for (const { id, topic, productSetId, status, reason } of rows) {
      const why = discardRefusal({ status, reason, inQueue: true })
      if (why === null) part.take.push({ id, topic, productSetId, awaitsCreate: false, createComing: false })
      else part.skip.push(leftAlone(why, topic)(id))
    }
    return part
  },
  async act(sql, run, { take, skip }): Promise<Done> {
    if (take.length === 0) return { take, skip, steps: [] }
    const { steps, queuedAnew } = await discard(
      sql,
      take.map(({ id }) => id),
      run.reason ?? '',
      run.name,
    )
    const gone = new Set(steps.map(({ itemId }) => itemId))
    const missed = take.filter(({ id }) => !gone.has(id))
    return {
      take: take.filter(({ id }) => gone.has(id)),
      // answered or decided about since it was read
      skip: [...skip, ...missed.map(({ id, topic }) => leftAlone('not_to_decide', topic)(id))],
      steps,
      queuedAnew,
    }
  },
}

const leftAlone =
  (why: Skipped['why'], topic: Topic | null) =>
  (id: string): Skipped => ({ id, productId: null, topic, why })

interface Row {
  id: string
  topic: Topic
  productSetId: string
  status: Status
  reason: string | null
}

/** By id, so that each item is handled once. */
async function readPage(
  sql: Sql,
  target: Asked['target'],
  position: string,
): Promise<{ rows: Row[]; gone: string[]; next: string | null }> {
  const columns = sql`i.id, i.topic, i.product_set_id as "productSetId", i.status, i.reason`
  if ('itemIds' in target) {
    const ids = [...new Set(target.itemIds)]
    const end = Number(position) + ITEMS_A_PART
    const named = ids.slice(Number(position), end)
    const rows = await sql<Row[]>`
      select ${columns} from shop_update.item i where i.id = any (${named}::bigint[]) order by i.id`
    const found = new Set(rows.map(({ id }) => id))
    return { rows, gone: named.filter((id) => !found.has(id)), next: end < ids.length ? String(end) : null }
  }
  if ('productIds' in target) throw new TypeError('products are sent, not discarded')
  const located = 'filter' in target ? await locate(sql, target.filter) : null
  if (located && !sources(located).includes('queue')) return { rows: [], gone: [], next: null }
  const chosen = located
    ? inQueue(sql, located)
    : sql`i.product_set_id = any (${'productSetIds' in target ? [...target.productSetIds] : []}::bigint[])`
  const rows = await sql<Row[]>`
    select ${columns} from shop_update.item i
    where ${chosen} and i.lane = 'blocked' and i.id > ${position}::bigint
    order by i.id limit ${ITEMS_A_PART}::int`
  return { rows, gone: [], next: rows.length < ITEMS_A_PART ? null : rows.at(-1)!.id }
}

/**
 * Takes items out of the queue that an admin has to decide about: as Blocked, reason `discarded`. A change that one has
 * absorbed since it was Blocked is queued anew, because the Shop never heard of it; a create is given up.
 *
 * @param note the reason in the person's words
 * @returns the steps; items that are no longer Blocked so are left alone
 */
export async function discard(
  sql: Sql,
  ids: readonly string[],
  note: string,
  actor: string,
): Promise<{ steps: Step[]; queuedAnew: number }> {
  const rows = await sql<(Step & { absorbed: boolean })[]>`
  with gone as (
    delete from shop_update.item i
    where i.id = any (array(
        select l.id from shop_update.item l where l.id = any (${[...ids]}::bigint[]) order by l.id for update))
      and i.lane = 'blocked' and shop_update.needs_admin(i.reason)
    returning i.*, extract(epoch from now() - i.status_at)::float8 as seconds
  ),
  kept as (
    insert into shop_update.finished_item (
      id, seller_id, product_set_id, product_id, queued_at, finished_at, last_sent_at, request_id, sends, failures,
      coalesced, topic, status, flow, reason, message, trace_id)
    select id, seller_id, product_set_id, product_id, queued_at, now(), last_sent_at, request_id, sends, failures,
      coalesced, topic, status, flow, 'discarded', ${note}::text, trace_id from gone
  ),
  counted as (
    insert into shop_update.delta (kind, topic, status, cause_id, n)
    select 'status', topic, status, cause_id, -count(*) from gone group by topic, status, cause_id
  ),
  told as (${touched(sql, 'gone')}),
  noted as (
    insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason, actor, note)
    select id, now(), status, status, seconds, 'discarded', ${actor}::text, ${note}::text from gone
  )
  select
    ${stepColumns(sql, 'g')},
    g.status as "from",
    g.status as "to",
    shop_update.micros(now()) as at,
    g.seconds,
    'discarded' as reason,
    ${actor}::text as actor,
    coalesce(g.absorbed_at > g.status_at, false) and not shop_update.creates(g.topic) as absorbed
  from gone g ${skusOf(sql, 'g')}`
  const absorbed = rows.filter((row) => row.absorbed)
  // in the order of the products, as whoever queues several changes must; of what has been deleted nothing is sent
  const queued = await sql`
    select shop_update.enqueue(c.topic, c.product_id, c.product_set_id)
    from (
      select c.* from unnest(
        ${absorbed.map(({ topic }) => topic)}::text[],
        ${absorbed.map(({ productId }) => productId)}::bigint[],
        ${absorbed.map(({ productId, productSetId }) => (productId === null ? productSetId : null))}::bigint[]
      ) c (topic, product_id, product_set_id)
      where exists (select from catalog.product p where p.id = c.product_id)
        or exists (select from catalog.product_set s where s.id = c.product_set_id)
      order by c.product_id, c.product_set_id, c.topic) c`
  return { steps: rows.map(({ absorbed: _, ...step }) => step), queuedAnew: queued.length }
}
