import type { Sql } from '../database/database.ts'
import { ADMIN_RESOLVES, AWAIT_CREATE } from '../domain/reasons.ts'
import { isComing } from '../queue/coming.ts'

type ToResolve = (typeof ADMIN_RESOLVES)[number]

export interface Blocked {
  /** Blocked for each reason that only an admin resolves; 0 is said too. */
  toResolve: { reason: ToResolve; n: number }[]
  /** Of those that have waited for longest for a create that is due: it is Failed or not there. */
  stranded: number
}

/**
 * More than anybody resolves: with a million items in Blocked, of which 200,000 are such, reading takes 25 ms, and 9
 * when it is done again.
 */
const COUNTED_UP_TO = 100_000
/** Who waits for longest is among the oldest. */
const OLDEST = 500
/** They are looked for among so many: those of which no create is due stay, and would hide them. */
const LOOKED_AMONG = 5000

/** What an item `i` is about is in the catalogue: its product, or, of an item of a whole set, the set. */
const isThere = (sql: Sql) => sql`case
  when i.product_id is null then exists (select from catalog.product_set w where w.id = i.product_set_id)
  else exists (select from catalog.product w where w.id = i.product_id) end`

/**
 * The creates in the queue, as `c`, that an item `i` waits for which is Blocked until there is one (release.ts): of a
 * product those of itself and of its set. All of the set, where another variation is in the way, or the item is of a
 * whole set, or the product is in the Shop by now: it is released when nothing of its set is being created any more. A
 * create that brings nothing more keeps nobody waiting (see `isComing`), nor does anything keep an item of a product or
 * set that has been deleted: it is never released. One create keeps another waiting only while it may have made the
 * same product.
 */
export const createsAwaited = (sql: Sql) => sql`(
    select m.id, m.topic, m.status, m.product_set_id, m.product_id, m.lane, m.reason, m.sends
    from shop_update.item m
    where m.product_set_id = i.product_set_id
      and shop_update.creates(m.topic) and m.lane <> 'in_flight'
    union all
    select m.id, m.topic, m.status, m.product_set_id, m.product_id, m.lane, m.reason, m.sends
    from shop_update.set_lane l join shop_update.item m on m.id = l.item_id
    where l.product_set_id = i.product_set_id and shop_update.creates(m.topic)
  ) c
  where i.status = 'blocked' and i.reason = any (${[...AWAIT_CREATE]}::text[]) and c.id <> i.id
    and (i.reason = 'new_variation'
      or i.product_id is null
      or c.product_id is null
      or c.product_id = i.product_id
      or exists (
        select from catalog.product q join catalog.product_set s on s.id = q.product_set_id
        where q.id = i.product_id and q.src_id is not null and q.shop_sku is not null and s.src_id is not null))
    and ${isComing(sql, 'c')}
    and ${isThere(sql)}
    and (i.reason <> 'new_variation'
      or shop_update.keeps_waiting(c.lane, c.reason, c.product_id, i.topic, i.product_id))`

/**
 * Of a change `i` whose product is not in the Shop: why no create of that is due, else null. The quality control has
 * approved nothing that the change is about (Seller Center queues a create when its product is approved, and a requeue
 * takes approved products only: decision 12), or it has been deleted.
 */
export const noCreate = (sql: Sql) => sql`case
  when i.status = 'blocked' and i.reason = any (${[...AWAIT_CREATE]}::text[]) and not ${isThere(sql)}
    then 'product_deleted'
  when i.status = 'blocked' and i.reason = 'not_in_shop' and not shop_update.creates(i.topic) then (
    select case
      when count(*) = 0 then 'product_deleted'
      when bool_or(q.qc_status = 'approved') then null
      when bool_or(q.qc_status = 'pending') then 'qc_pending'
      else 'qc_rejected' end
    from catalog.product q
    where q.product_set_id = i.product_set_id and (i.product_id is null or q.id = i.product_id)) end`

/**
 * What is Blocked and will not be released by itself. The items that wait for an admin are counted along an index of
 * their own; of those that wait for a create, the oldest are looked at: each is stranded where every create that could
 * release it is Failed, or none is there; but not where none is due.
 */
export async function readBlocked(sql: Sql): Promise<Blocked> {
  const [toResolve, [row]] = await Promise.all([
    sql<Blocked['toResolve']>`
      select r.reason, (
        select count(*)::int from (
          select from shop_update.item i
          -- the predicate of the index item_to_resolve
          where i.lane = 'blocked' and shop_update.needs_admin(i.reason) and i.reason = r.reason
          limit ${COUNTED_UP_TO}::int) counted
      ) as n
      from unnest(${[...ADMIN_RESOLVES]}::text[]) r (reason)`,
    sql<{ stranded: number }[]>`
      select count(*)::int as stranded
      from (
        select * from (
          select * from shop_update.item
          where lane = 'blocked' and reason = any (${[...AWAIT_CREATE]}::text[])
          order by id limit ${LOOKED_AMONG}::int
        ) i
        where ${noCreate(sql)} is null order by id limit ${OLDEST}::int
      ) i
      where not exists (select from ${createsAwaited(sql)} and c.status <> 'failed')`,
  ])
  return { toResolve, stranded: row?.stranded ?? 0 }
}
