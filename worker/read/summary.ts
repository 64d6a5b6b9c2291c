import type { Sql } from '../database/database.ts'
import type { Status } from '../domain/statuses.ts'
import { STATUS_NAMES } from '../domain/statuses.ts'
import { TOPIC_NAMES, type Topic } from '../domain/topics.ts'
import { createFullLooks } from '../full-looks.ts'
import { isHeld } from '../queue/held.ts'
import { isInForce } from '../queue/pauses.ts'

/** "Products that still have to be sent" (decision 16): not sent yet, or to be sent again, possibly by an admin. */
export const TO_SEND = [
  'pending',
  'processing',
  'building_payload',
  'delayed',
  'failed',
] as const satisfies readonly Status[]
/** "Products that wait for an acknowledgment or an answer": at the Shop, or its answer is being read. */
export const AWAITING_SHOP = [
  'made_request',
  'got_acknowledgment',
  'got_response',
  'building_response_payload',
  'response_processing',
] as const satisfies readonly Status[]

export interface Numbers {
  toSend: number
  awaitingShop: number
  blocked: number
  delayed: number
  failed: number
}

export interface QueueSummary extends Numbers {
  byStatus: { status: Status; count: number; oldestAt: Date | null; oldestSeconds: number | null }[]
  byTopic: (Numbers & { topic: Topic; count: number })[]
}

/**
 * The numbers above the queue, at a cost that does not grow with it. The counters plus what is not folded yet give
 * exact counts.
 */
export async function readSummary(sql: Sql): Promise<QueueSummary> {
  const { counts, oldest } = await readStatuses(sql)
  const of = (topic: Topic | null, statuses: readonly Status[]) =>
    counts.reduce(
      (sum, row) => sum + ((topic === null || row.topic === topic) && statuses.includes(row.status) ? row.n : 0),
      0,
    )
  const numbers = (topic: Topic | null): Numbers => ({
    toSend: of(topic, TO_SEND),
    awaitingShop: of(topic, AWAITING_SHOP),
    blocked: of(topic, ['blocked']),
    delayed: of(topic, ['delayed']),
    failed: of(topic, ['failed']),
  })
  return {
    ...numbers(null),
    byStatus: STATUS_NAMES.map((status) => {
      const first = oldest.filter((row) => row.status === status).sort((a, b) => b.seconds - a.seconds)[0]
      return { status, count: of(null, [status]), oldestAt: first?.at ?? null, oldestSeconds: first?.seconds ?? null }
    }),
    byTopic: TOPIC_NAMES.map((topic) => ({ topic, count: of(topic, IN_QUEUE), ...numbers(topic) })),
  }
}

const IN_QUEUE = STATUS_NAMES.filter((status) => status !== 'synced')

export interface Statuses {
  counts: { topic: Topic; status: Status; n: number }[]
  /**
   * Items held up by another item of their set, or paused, are separate. `stuckSeconds`: how long the one that could
   * have moved on for longest has not, which it cannot while it is paused.
   */
  oldest: { topic: Topic; status: Status; held: boolean; at: Date; seconds: number; stuckSeconds: number }[]
}

/** A call takes half a minute at most, and the other steps of an item milliseconds. */
const IN_HAND_TOO_LONG = '1 minute'

/**
 * Of an item `b` that is behind: a Delayed or Failed item of its set and topic that was queued earlier goes first
 * (decision 7), or the set's item in flight is stuck.
 */
export const isHeldUp = (sql: Sql) => sql`(
  ${isHeld(sql, 'b')}
  or exists (
    select from shop_update.set_lane l join shop_update.item f on f.id = l.item_id
    where l.product_set_id = b.product_set_id and f.status_at < now() - ${IN_HAND_TOO_LONG}::text::interval))`

/**
 * How many items are in each status, and since when the oldest is in it.
 *
 * The oldest is the item that has been in the status longest. Items in flight are few, so all are examined (`set_lane`
 * has them). For the other lanes the first 500 by id are: apart from requeues and retries, the first queued has waited
 * longest, and the partial indexes of the lanes begin with exactly those. So a mass requeue of the very oldest items
 * may make a time too young; it is never too old. If reading from the start is slow (a dump holds its snapshot, see
 * `createFullLooks`), reading resumes at the item found first before. No age is read for a topic that is not among
 * those first items. For items behind, none is read for those that are not held up once there are 500 older ones: the
 * item that they wait for is ready or in flight, and is examined there.
 */
export async function readStatuses(sql: Sql): Promise<Statuses> {
  const { looks, from } = ofPool(sql)
  const full = looks.isDue()
  const began = performance.now()
  const [counts, oldest] = await Promise.all([
    sql<{ topic: Topic; status: Status; n: number }[]>`
      select topic, status, sum(n)::float8 as n from (
        select topic, status, n from shop_update.status_count
        union all select topic, status, n from shop_update.unfolded() where kind = 'status') c
      group by topic, status`,
    readOldest(sql, full ? FROM_FIRST : from),
  ])
  const { ready, awaiting, last } = oldest.find(({ topic }) => topic === null)!
  Object.assign(from, { ready: ready ?? last ?? from.ready, awaiting: awaiting ?? last ?? from.awaiting })
  looks.took(performance.now() - began, 0, full)
  return { counts, oldest: oldest.filter(({ topic }) => topic !== null) }
}

const FROM_FIRST = { ready: '0', awaiting: '0' }

/** Per pool: the item at which reading of the busiest lanes begins, when reading from the start is slow. */
const POOLS = new WeakMap<Sql, { looks: ReturnType<typeof createFullLooks>; from: typeof FROM_FIRST }>()

function ofPool(sql: Sql) {
  const known = POOLS.get(sql) ?? { looks: createFullLooks(), from: { ...FROM_FIRST } }
  POOLS.set(sql, known)
  return known
}

/**
 * Pauses that are in force, or whose end may be what items count from (`until`): what had waited through a pause of
 * hours is not stuck when that ends.
 */
export const recentPauses = (sql: Sql) => sql`
  select p.topic, p.seller_id, case when ${isInForce(sql)} then 'infinity' else p.ended_at end as until
  from shop_update.pause p
  where p.ended_at is null and ${isInForce(sql)} or p.ended_at > now() - interval '1 day'`

/** Of an item in one of these lanes, `i`: the end of the last pause that concerned it; null: there was none. */
export const pausedUntil = (sql: Sql, i: string) => sql`(
    select max(p.until) from pauses p
    where coalesce(p.topic = ${sql(i)}.topic, true) and coalesce(p.seller_id = ${sql(i)}.seller_id, true))`

/**
 * By topic, status and `held`, plus one row without a topic: the first items of the lanes, and the last item of all.
 */
const readOldest = (sql: Sql, from: typeof FROM_FIRST) => sql<
  (Statuses['oldest'][number] & { ready: string | null; awaiting: string | null; last: string | null })[]
>`
  with pauses as materialized (${recentPauses(sql)})
  select
    topic,
    status,
    held,
    min(status_at) as at,
    greatest(extract(epoch from now() - min(status_at)), 0)::float8 as seconds,
    greatest(extract(epoch from now() - min(greatest(status_at, nullif(until, 'infinity')))), 0)::float8
      as "stuckSeconds",
    min(ready) as ready,
    min(awaiting) as awaiting,
    case when grouping(topic) = 1 then pg_sequence_last_value('shop_update.item_id_seq') end as last
  from (
    select
      topic,
      status,
      held or until is not distinct from 'infinity' as held,
      status_at,
      ready,
      awaiting,
      until
    from (
    (select seller_id, topic, status, status_at, false as held, id as ready, null::bigint as awaiting
      from shop_update.item
      where lane = 'ready' and status = 'pending' and id >= ${from.ready}::bigint order by id limit 500)
    union all
    (select b.seller_id, b.topic, b.status, b.status_at, ${isHeldUp(sql)}, null, null
      from shop_update.item b where b.lane = 'behind' and b.status = 'pending' order by b.id limit 500)
    union all
    select i.seller_id, i.topic, i.status, i.status_at, false, null, null
    from shop_update.set_lane l cross join lateral (
      select * from shop_update.item where id = l.item_id offset 0) i
    where i.lane = 'in_flight'
    union all
    -- what the end of a pause has left behind
    select i.seller_id, i.topic, i.status, i.status_at, false, null, null
    from unnest(enum_range(null::shop_update.topic)) t (topic) cross join lateral (
      select * from shop_update.item
      where lane = 'paused' and topic = t.topic and status = 'pending' order by id limit 100) i
    union all
    (select seller_id, topic, status, status_at, false, null, id from shop_update.item
      where lane = 'awaiting' and id >= ${from.awaiting}::bigint order by id limit 500)
    union all
    (select seller_id, topic, status, status_at, false, null, null from shop_update.item
      where lane = 'blocked' order by id limit 500)
    union all
    (select seller_id, topic, status, status_at, false, null, null from shop_update.item
      where reason in ('failure', 'stock_wait') and status = 'delayed' order by id limit 500)
    union all
    (select seller_id, topic, status, status_at, false, null, null from shop_update.item
      where reason in ('failure', 'stock_wait') and status = 'failed' order by id limit 500)
    ) i
    cross join lateral (select case when status in ('pending', 'delayed', 'failed') then ${pausedUntil(sql, 'i')} end
      as until) paused
  ) first group by grouping sets ((topic, status, held), ())`
