import type { Sql } from './database.ts'

/** Which of these items somebody else holds this moment. Takes no lock that outlives the statement. */
export async function lockedItems(sql: Sql, itemIds: readonly string[]): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    with free as materialized (
      select id from shop_update.item where id = any (${itemIds}::bigint[]) order by id for no key update skip locked
    )
    select id from shop_update.item where id = any (${itemIds}::bigint[]) and id not in (select id from free)`
  return rows.map(({ id }) => id)
}
