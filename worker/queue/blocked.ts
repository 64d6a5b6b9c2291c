import { ADMIN_RESOLVES } from '../domain/reasons.ts'
import type { Sql } from './database.ts'

type ToResolve = (typeof ADMIN_RESOLVES)[number]

export interface Blocked {
  /** Blocked for each reason that only an admin resolves; 0 is said too. */
  toResolve: { reason: ToResolve; n: number }[]
  /** Blocked until something is created that nothing in the queue is going to create. */
  stranded: number
}

/** More than anybody resolves: with a million items in Blocked, of which 200,000 are such, reading takes 25 ms, and 9 when it is done again. */
const COUNTED_UP_TO = 100_000
/** Of the lane the oldest: whoever waits for longest is among them. */
const OLDEST = 500

/**
 * What is Blocked and will not be released by itself. The items that wait for an admin are counted along an index of their own; of those that
 * wait for a create, the oldest of the lane are looked at: each is stranded where every create that could release it is Failed, or none is there.
 */
export async function readBlocked(sql: Sql): Promise<Blocked> {
  const [toResolve, [row]] = await Promise.all([
    sql<Blocked['toResolve']>`
      select r.reason, (
        select count(*)::int from (
          select from shop_update.item i
          where i.lane = 'blocked' and i.reason in ('unprocessable_response', 'src_id_conflict', 'unknown_outcome') and i.reason = r.reason
          limit ${COUNTED_UP_TO}::int) counted
      ) as n
      from unnest(${[...ADMIN_RESOLVES]}::text[]) r (reason)`,
    sql<{ stranded: number }[]>`
      select count(*)::int as stranded
      from (select * from shop_update.item where lane = 'blocked' order by id limit ${OLDEST}::int) b
      where b.reason in ('not_in_shop', 'new_variation')
        and not exists (
          select from (
            select m.id, m.product_id, m.status from shop_update.item m
            where m.product_set_id = b.product_set_id and m.topic in ('new_product_set', 'new_product') and m.lane <> 'in_flight'
            union all
            select m.id, m.product_id, m.status from shop_update.set_lane l join shop_update.item m on m.id = l.item_id
            where l.product_set_id = b.product_set_id and m.topic in ('new_product_set', 'new_product')
          ) c
          where c.id <> b.id and c.status <> 'failed'
            and (c.product_id is null or b.product_id is null or c.product_id = b.product_id or b.reason = 'new_variation'))`,
  ])
  return { toResolve, stranded: row?.stranded ?? 0 }
}
