import type { Sql } from '../database/database.ts'
import { isHeld } from './held.ts'
import { endOf, type Looked, writtenSince } from './look.ts'

/**
 * Gives the next item of each of these sets its turn. Of the waiting items, behind or ready (handed back, released, due
 * for a retry), creates go first, then the oldest. It skips items of a paused topic, items held back by an earlier
 * Delayed or Failed item of their topic, and items locked by a transaction of Seller Center (absorbing a change). It is
 * a statement of its own after the one that freed the set, so that it sees what a claim moved behind meanwhile.
 *
 * @returns the items that have become claimable
 */
export async function promote(sql: Sql, productSetIds: readonly string[]): Promise<string[]> {
  const turn = async (sets: readonly string[], patient: boolean) =>
    sql<{ productSetId: string; id: string | null; waiting: number }[]>`
      with seen as materialized (
        select product_set_id, next_id from shop_update.set_lane l
        where l.product_set_id = any (${sets}::bigint[]) and l.item_id is null
          and not coalesce((select i.lane = 'ready' from shop_update.item i where i.id = l.next_id), false)
      ),
      free as (
        -- Unless another worker (the leader, looking for forgotten sets) has already given the turn, or has since this
        -- statement took its snapshot: otherwise the item after would get it too.
        select l.product_set_id, l.waiting
        from shop_update.set_lane l
        join seen on seen.product_set_id = l.product_set_id and seen.next_id is not distinct from l.next_id
        where l.item_id is null
        order by l.product_set_id for update of l ${patient ? sql`` : sql`skip locked`}
      ),
      turn as (
        select f.product_set_id, n.id from free f left join lateral (
          select id from (
            select * from (
              select b.id, shop_update.creates(b.topic) as creates from shop_update.item b
              where b.lane = 'behind' and b.product_set_id = f.product_set_id
                and b.topic <> all (array(select unnest(shop_update.paused_topics())))
                and not ${isHeld(sql, 'b')}
              order by shop_update.creates(b.topic) desc, b.id
              limit 1 for no key update skip locked) behind
            union all
            select * from (
              select r.id, shop_update.creates(r.topic) as creates from shop_update.item r
              where r.lane = 'ready' and r.product_set_id = f.product_set_id
                and r.topic <> all (array(select unnest(shop_update.paused_topics())))
                and not ${isHeld(sql, 'r')}
              order by r.id limit 1 for no key update skip locked) ready
          ) waiting order by creates desc, id limit 1) n on true
      ),
      moved as (
        update shop_update.item i set lane = 'ready'
        where i.id = any (array(select id from turn where id is not null)) and i.lane = 'behind'
        returning i.id
      ),
      given as (
        update shop_update.set_lane l
        set
          next_id = t.id,
          waiting = l.waiting - case when m.id is null then 0 else 1 end
        from turn t left join moved m on m.id = t.id
        where l.product_set_id = t.product_set_id
        returning l.product_set_id, t.id, l.waiting
      )
      select product_set_id as "productSetId", id, waiting from given`
  if (productSetIds.length === 0) return []
  const first = await turn(productSetIds, false)
  // No item was found although some wait: they are held back, or were moved behind after this statement had taken its
  // snapshot. The second look decides; it waits only for the rows that were locked.
  const decided = new Set(
    first.filter(({ id, waiting }) => id !== null || waiting === 0).map(({ productSetId }) => productSetId),
  )
  const again = productSetIds.filter((id) => !decided.has(id))
  const second = again.length > 0 ? await turn(again, true) : []
  return [...first, ...second].flatMap(({ id }) => id ?? [])
}

/** How many product sets one look of the leader takes. */
const SETS_A_LOOK = 1000

/**
 * Free sets in which items wait and none has got its turn: the remains of a crash between two statements. The leader
 * looks for them, and deletes obsolete rows. Sets whose items are held back look the same, and there may be many, so it
 * looks at a thousand, starting after `after`. One statement, so that nothing stays locked if its worker stops halfway.
 *
 * The waiting items are counted anew. The count is right for a row that has not changed since the statement took its
 * snapshot, because moving an item behind writes that row in the same statement. Other rows are left for the next look.
 *
 * @param since null: all of them, see `Looked`
 * @returns the sets to promote in
 */
export async function forgottenSets(
  sql: Sql,
  after: string,
  since: string | null = null,
): Promise<{ sets: string[] } & Looked> {
  const [row] = await sql<({ sets: string[] | null } & Looked)[]>`
    with seen as materialized (
      select l.product_set_id as id, l.place from ${writtenSince(sql, 'set_lane', since)} l
      where l.item_id is null and l.product_set_id > ${after}::bigint
        and not coalesce((select i.lane = 'ready' from shop_update.item i where i.id = l.next_id), false)
      order by l.product_set_id limit ${SETS_A_LOOK}::int
    ),
    free as materialized (
      select
        l.product_set_id as id,
        (select count(*) from shop_update.item b
          where b.lane = 'behind' and b.product_set_id = l.product_set_id) as waiting
      from seen cross join lateral (
        select product_set_id from shop_update.set_lane
        where product_set_id = seen.id and ctid = seen.place for update skip locked) l
    ),
    counted as (
      merge into shop_update.set_lane l using free f on l.product_set_id = f.id
      when matched and f.waiting = 0 then delete
      when matched then update set waiting = f.waiting
    )
    select
      (select array_agg(id) from free where waiting > 0) as sets,
      count(*)::int as seen,
      max(id)::text as last,
      ${endOf(sql, 'set_lane')} as end,
      date_part('epoch', clock_timestamp() - statement_timestamp()) * 1000 as milliseconds
    from seen`
  const { sets, last, ...looked } = row!
  return { sets: sets ?? [], last: looked.seen < SETS_A_LOOK ? '0' : last, ...looked }
}

/**
 * Items that are behind in a set without a row: there should be none, and nothing else would ever find them. The leader
 * creates the row. It looks at a thousand sets with items behind, starting after `after`, however many items that are;
 * while somebody holds a snapshot, it also walks over all that have been behind since.
 *
 * @returns the sets to promote in, and the set after which to go on
 */
export async function lostSets(sql: Sql, after: string): Promise<{ sets: string[] } & Omit<Looked, 'end'>> {
  const [row] = await sql<({ sets: string[] | null } & Omit<Looked, 'end'>)[]>`
    with recursive seen (id, n) as (
      (select product_set_id, 1 from shop_update.item
        where lane = 'behind' and product_set_id > ${after}::bigint
        order by product_set_id limit 1)
      union all
      select next.product_set_id, seen.n + 1 from seen cross join lateral (
        select i.product_set_id from shop_update.item i
        where i.lane = 'behind' and i.product_set_id > seen.id order by i.product_set_id limit 1) next
      where seen.n < ${SETS_A_LOOK}::int
    ),
    made as (
      insert into shop_update.set_lane (product_set_id, waiting)
      select
        seen.id,
        (select count(*) from shop_update.item b where b.lane = 'behind' and b.product_set_id = seen.id)
      from seen where not exists (select from shop_update.set_lane l where l.product_set_id = seen.id offset 0)
      on conflict (product_set_id) do nothing
      returning product_set_id as id
    )
    select
      (select array_agg(id) from made) as sets,
      count(*)::int as seen,
      max(id)::text as last,
      date_part('epoch', clock_timestamp() - statement_timestamp()) * 1000 as milliseconds
    from seen`
  const { sets, last, ...looked } = row!
  return { sets: sets ?? [], last: looked.seen < SETS_A_LOOK ? '0' : last, ...looked }
}
