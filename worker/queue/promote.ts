import { type Sql, transaction } from './database.ts'
import { holdersOf } from './holders.ts'

/**
 * Whose turn is it in these sets? Of the items that wait, behind or ready (handed back, released, due for their retry), the one that creates
 * goes first, then the oldest; one that an earlier Delayed or Failed item of its topic holds back is passed over, and so is one that Seller
 * Center's transaction has locked (a change it absorbs). Its own statement, after the one that freed the set, so that it sees what a claim put
 * behind meanwhile.
 *
 * @returns how many items may be claimed now that could not before
 */
export async function promote(sql: Sql, productSetIds: readonly string[]): Promise<number> {
  const turn = async (sets: readonly string[]) =>
    sql<{ productSetId: string; promoted: boolean; waiting: number }[]>`
      with seen as materialized (
        select product_set_id, next_id from shop_update.set_lane l
        where l.product_set_id = any (${sets}::bigint[]) and l.item_id is null
          and not exists (select from shop_update.item i where i.id = l.next_id and i.lane = 'ready')
      ),
      free as (
        -- Not where somebody (the leader, who looks for forgotten sets) has given the turn already, or has since this statement took its
        -- snapshot: it would be given once more, to the one after.
        select l.product_set_id, l.waiting from shop_update.set_lane l
        join seen on seen.product_set_id = l.product_set_id and seen.next_id is not distinct from l.next_id
        where l.item_id is null order by l.product_set_id for update of l
      ),
      turn as (
        select f.product_set_id, n.id from free f left join lateral (
          select id from (
            select * from (
              select b.id, b.topic in ('new_product_set', 'new_product') as creates from shop_update.item b
              where b.lane = 'behind' and b.product_set_id = f.product_set_id and not exists (select from ${holdersOf(sql, 'b')})
              order by (b.topic in ('new_product_set', 'new_product')) desc, b.id limit 1 for no key update skip locked) behind
            union all
            select * from (
              select r.id, r.topic in ('new_product_set', 'new_product') as creates from shop_update.item r
              where r.lane = 'ready' and r.product_set_id = f.product_set_id and not exists (select from ${holdersOf(sql, 'r')})
              order by r.id limit 1 for no key update skip locked) ready
          ) waiting order by creates desc, id limit 1) n on true
      ),
      moved as (
        update shop_update.item i set lane = 'ready' where i.id = any (array(select id from turn where id is not null)) and i.lane = 'behind'
        returning i.id
      ),
      told as (
        update shop_update.set_lane l set next_id = t.id, waiting = l.waiting - case when m.id is null then 0 else 1 end
        from turn t left join moved m on m.id = t.id where l.product_set_id = t.product_set_id
        returning l.product_set_id, t.id, l.waiting
      )
      select product_set_id as "productSetId", id is not null as promoted, waiting from told`
  if (productSetIds.length === 0) return 0
  const first = await turn(productSetIds)
  // None found though some wait: held back, or put behind after this statement had taken its snapshot. The second look decides.
  const again = first.filter(({ promoted, waiting }) => !promoted && waiting > 0).map(({ productSetId }) => productSetId)
  const second = again.length > 0 ? await turn(again) : []
  return [...first, ...second].filter(({ promoted }) => promoted).length
}

/**
 * Sets that are free though somebody waits and nobody's turn has come: what a crash between two statements left. The leader looks for them;
 * rows that nobody needs are deleted. Sets whose items are held back look the same, and there may be many: a thousand are looked at, from
 * `after` on.
 *
 * @returns the sets to promote in, and where to go on ('0': from the beginning)
 */
export async function forgottenSets(sql: Sql, after: string): Promise<{ sets: string[]; last: string }> {
  const rows = await transaction(sql, async (tx) => {
    const forgotten = await tx<{ id: string }[]>`
      select l.product_set_id as id from shop_update.set_lane l
      where l.product_set_id > ${after}::bigint and l.item_id is null
        and not exists (select from shop_update.item i where i.id = l.next_id and i.lane = 'ready')
      order by l.product_set_id limit 1000 for update skip locked`
    // Counted by a statement of its own, which sees what was put behind before the row was ours; an older count would lose the last of a set.
    return tx<{ id: string; waiting: number }[]>`
      merge into shop_update.set_lane l using (
          select x.id, (select count(*) from shop_update.item b where b.lane = 'behind' and b.product_set_id = x.id) as waiting
          from unnest(${forgotten.map(({ id }) => id)}::bigint[]) x (id)) f
        on l.product_set_id = f.id and l.item_id is null
      when matched and f.waiting = 0 then delete
      when matched then update set waiting = f.waiting
      returning l.product_set_id as id, f.waiting`
  })
  return {
    sets: rows.filter(({ waiting }) => waiting > 0).map(({ id }) => id),
    last: rows.length < 1000 ? '0' : rows.reduce((last, { id }) => (BigInt(id) > BigInt(last) ? id : last), '0'),
  }
}

/**
 * Items that are behind in a set that has no row: none should be, and nobody would ever look at them. The leader makes the row.
 *
 * @returns the sets to promote in
 */
export async function lostSets(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    insert into shop_update.set_lane (product_set_id, waiting)
    select b.product_set_id, count(*) from shop_update.item b
    where b.lane = 'behind' and not exists (select from shop_update.set_lane l where l.product_set_id = b.product_set_id)
    group by b.product_set_id limit 1000
    on conflict (product_set_id) do nothing
    returning product_set_id as id`
  return rows.map(({ id }) => id)
}
