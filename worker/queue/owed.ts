import { isLocked, type Sql, transaction } from '../database/database.ts'

/**
 * Queues the changes that answers have made necessary (`shop_update.owed_change`), each on its own: one that must wait
 * for a transaction of Seller Center holds up no other, and is queued when that has ended. Nothing is owed for a
 * product or set that no longer exists; for a set without products it waits until there is one.
 */
export async function queueOwed(sql: Sql): Promise<void> {
  const owed = await sql<{ id: string }[]>`
    select id from shop_update.owed_change o
    where product_id is not null or exists (select from catalog.product p where p.product_set_id = o.product_set_id)
      or not exists (select from catalog.product_set s where s.id = o.product_set_id)
    order by id limit 1000`
  for (const { id } of owed) {
    try {
      await transaction(sql, async (tx) => {
        await tx`set local lock_timeout = '100ms'`
        await tx`
          with taken as (delete from shop_update.owed_change where id = ${id}::bigint returning *)
          select shop_update.enqueue(t.topic::text, t.product_id, t.product_set_id) from taken t
          where exists (select from catalog.product p where p.id = t.product_id)
            or exists (select from catalog.product_set s where s.id = t.product_set_id)`
      })
    } catch (error) {
      if (!isLocked(error)) throw error
    }
  }
}
