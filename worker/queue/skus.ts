import type { Sql } from '../database/database.ts'

/** As `"sellerSku"` and `sku` (the Shop's); needs `skusOf` among the joins. */
export const skuColumns = (sql: Sql) =>
  sql`coalesce(p.seller_sku, v.seller_skus) as "sellerSku", coalesce(p.shop_sku, v.shop_skus) as sku`

/**
 * The joins for the SKUs that represent an item: those of its product; for a whole product set those of its first three
 * variations, joined by ", ".
 *
 * @param item alias of the row that has `product_id` and `product_set_id`
 */
export const skusOf = (sql: Sql, item: string) => sql`
  left join catalog.product p on p.id = ${sql(item)}.product_id
  left join lateral (
    select
      string_agg(w.seller_sku, ', ' order by w.id) filter (where w.place <= 3)
        || case when count(*) > 3 then ', …' else '' end as seller_skus,
      string_agg(w.shop_sku, ', ' order by w.id) filter (where w.place <= 3)
        || case when count(w.shop_sku) filter (where w.place > 3) > 0 then ', …' else '' end as shop_skus
    from (
      select x.id, x.seller_sku, x.shop_sku, row_number() over (order by x.id) as place
      from catalog.product x
      where x.product_set_id = ${sql(item)}.product_set_id and ${sql(item)}.product_id is null
      order by x.id limit 4) w
  ) v on true`

/**
 * The columns of a `Step` about its item; needs `skusOf` among the joins.
 *
 * @param item alias of the row of the item
 */
export const stepColumns = (sql: Sql, item: string) => {
  const i = sql(item)
  return sql`
    ${i}.id as "itemId",
    ${i}.seller_id as "sellerId",
    ${i}.product_set_id as "productSetId",
    ${i}.product_id as "productId",
    ${skuColumns(sql)},
    ${i}.topic,
    ${i}.flow,
    ${i}.request_id::text as "requestId",
    ${i}.trace_id as "traceId",
    ${i}.sends`
}
