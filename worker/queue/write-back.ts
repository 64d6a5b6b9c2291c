import type { Sql } from '../database/database.ts'
import type { WriteBack } from './finish.ts'
import { keptIds } from './kept-ids.ts'

/**
 * Writes the successful rows of a call of which others failed (docs/shop-protocol.md, section 4). The retry covers the
 * rest, so these must be stored before the item is settled. Nothing is written for a worker that has lost the item
 * meanwhile.
 *
 * @param zone of the venture, for the Shop's `updated_at`
 */
export async function writeBack(
  sql: Sql,
  zone: string,
  item: { id: string; token: number; productSetId: string },
  products: readonly WriteBack[],
  setSrcId: string | null,
): Promise<void> {
  const ids = products.map(({ productId }) => productId)
  await sql`
    with mine as materialized (
      select from shop_update.item where id = ${item.id}::bigint and token = ${item.token}::int for no key update
    ),
    named as (
      update catalog.product_set set src_id = ${setSrcId}::text
      where id = ${item.productSetId}::bigint and src_id is null and ${setSrcId}::text is not null
        and exists (select from mine)
    )
    update catalog.product p
    set ${keptIds(sql, zone)}
    from unnest(
      ${ids}::bigint[],
      ${products.map(({ srcId }) => srcId)}::text[],
      ${products.map(({ shopSku }) => shopSku)}::text[],
      ${products.map(({ updatedAt }) => updatedAt)}::text[]
    ) w (product_id, src_id, shop_sku, updated_at)
    where p.id = w.product_id and exists (select from mine)`
}
