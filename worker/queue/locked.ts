import type { Sql } from '../database/database.ts'

/** Which of these items, or of their product sets, are locked right now. Takes no lock that outlives the statement. */
export async function lockedItems(sql: Sql, itemIds: readonly string[]): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    with free as materialized (
      select id from shop_update.item
      where id = any (${itemIds}::bigint[]) order by id for no key update skip locked
    ),
    lane as materialized (
      select i.id, l.product_set_id
      from shop_update.item i join shop_update.set_lane l on l.product_set_id = i.product_set_id
      where i.id = any (${itemIds}::bigint[])
    ),
    free_lane as materialized (
      select l.product_set_id from lane cross join lateral (
        select product_set_id from shop_update.set_lane
        where product_set_id = lane.product_set_id for no key update skip locked) l
    )
    select id from shop_update.item
    where id = any (${itemIds}::bigint[]) and id not in (select id from free)
    union
    select id from lane where product_set_id not in (select product_set_id from free_lane)`
  return rows.map(({ id }) => id)
}
