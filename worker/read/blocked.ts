import type { Sql } from '../database/database.ts'
import { ADMIN_RESOLVES, AWAIT_CREATE } from '../domain/reasons.ts'
import { isComing } from '../queue/coming.ts'

type ToResolve = (typeof ADMIN_RESOLVES)[number]

export interface Blocked {
  /** Blocked for each reason that only an admin resolves; including zeros. */
  toResolve: { reason: ToResolve; n: number }[]
  /** Among those that have waited longest for a due create: its create is Failed or missing. */
  stranded: number
}

/**
 * More than anybody resolves. With a million Blocked items, 200,000 of them such, reading takes 25 ms, and 9 ms when
 * repeated.
 */
const COUNTED_UP_TO = 100_000
/** The longest waits are among the oldest items. */
const OLDEST = 500
/** How many are searched for them: items without a due create stay, and would hide the others. */
const LOOKED_AMONG = 5000

/**
 * Whether the subject of an item `i` is in the catalogue: its product, or its set if the item is about a whole set.
 * `offset 0`: each by its index, never by reading the whole catalogue.
 */
const isThere = (sql: Sql) => sql`case
  when i.product_id is null then exists (select from catalog.product_set w where w.id = i.product_set_id offset 0)
  else exists (select from catalog.product w where w.id = i.product_id offset 0) end`

/** The products of an item `i`: its own one, be it in its set or moved on already, or all of its set. */
export const productsOf = (sql: Sql) => sql`(
      select p.* from catalog.product p where p.id = i.product_id
      union all
      select p.* from catalog.product p where i.product_id is null and p.product_set_id = i.product_set_id)`

/**
 * The creates in the queue, as `c`, that a Blocked item `i` waits for (release.ts). For a product these are its own
 * create and that of its set. They are all creates of the set when another variation is in the way, when the item is
 * about a whole set, or when the product is in the Shop by now: then the item is released once nothing of its set is
 * being created any more. A create that will bring nothing keeps nobody waiting (see `isComing`). Nothing keeps an item
 * of a deleted product or set waiting: it is never released. A create keeps another waiting only while both may create
 * the same product.
 *
 * With `offset 0` the conditions are planned once, not for each half of the union: 1.1 ms instead of 1.5.
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
    offset 0
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
 * Of an item `i` that waits for no create in the queue: why none is due; null if one is. Either it has what it needs by
 * now, and is released next (after a crash in seconds; while Seller Center has it locked, when it lets go).
 * Or quality control has approved nothing that it is about (Seller Center queues a create when a product is approved,
 * and a requeue takes approved products only: decision 12). Or the product has been deleted.
 */
export const noCreate = (sql: Sql) => sql`case
  when i.status = 'blocked' and i.reason = any (${[...AWAIT_CREATE]}::text[]) and not ${isThere(sql)}
    then 'product_deleted'
  when i.status = 'blocked' and i.reason = any (${[...AWAIT_CREATE]}::text[]) and (
      select shop_update.has_what_it_awaits(i.topic, i.reason, i.product_id, w.src_id, q.src_id, q.shop_sku)
      from catalog.product_set w left join catalog.product q on q.id = i.product_id
      where w.id = i.product_set_id)
    then 'sent_next'
  when i.status = 'blocked' and i.reason = 'not_in_shop' and not shop_update.creates(i.topic) then (
    select case
      when count(*) = 0 then 'product_deleted'
      when bool_or(q.qc_status = 'approved') then null
      when bool_or(q.qc_status = 'pending') then 'qc_pending'
      else 'qc_rejected' end
    from ${productsOf(sql)} q) end`

/**
 * Blocked items that will not be released automatically. Those that wait for an admin are counted along their own
 * index. Of those that wait for a create, the oldest are examined: one is stranded if every create that could release
 * it is Failed or missing, but not if none is due.
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
        select i.* from (
          select i.*, ${noCreate(sql)} as none from (
            select * from shop_update.item
            where lane = 'blocked' and reason = any (${[...AWAIT_CREATE]}::text[])
            order by id limit ${LOOKED_AMONG}::int
          ) i
        ) i
        where none is null
          -- what has all that it needs stands still only where a create that keeps it has Failed
          or none = 'sent_next' and exists (
            select from shop_update.item f
            where f.product_set_id = i.product_set_id and shop_update.creates(f.topic) and f.lane <> 'in_flight'
              and f.status = 'failed')
        order by id limit ${OLDEST}::int
      ) i
      where not exists (select from ${createsAwaited(sql)} and c.status <> 'failed')
        and (none is null or exists (select from ${createsAwaited(sql)}))`,
  ])
  return { toResolve, stranded: row?.stranded ?? 0 }
}
