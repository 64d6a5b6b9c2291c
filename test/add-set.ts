import type { Sql } from '../worker/database/database.ts'

/**
 * A seller with a product set that is wholly, partly or not in the Shop; ids count up over the whole database.
 *
 * @returns the ids as text
 */
export async function addSet(
  sql: Sql,
  {
    seller = 'Nile Textiles',
    inShop = true,
    products = 1,
    active = true,
  }: { seller?: string; inShop?: boolean; products?: number; active?: boolean } = {},
): Promise<{ sellerId: string; setId: string; productIds: string[] }> {
  const [row] = await sql<{ sellerId: string; setId: string; productIds: string[] }[]>`
    with seller as (
      insert into catalog.seller (name)
      values (${seller}) on conflict (name) do update set name = excluded.name returning id
    ),
    product_set as (
      insert into catalog.product_set (seller_id, title, brand, attribute_set, primary_category, categories)
      select id, 'Linen Shirt', 'Nile', 'apparel', 'Shirts', '{Shirts,Summer}' from seller returning id
    ),
    product as (
      insert into catalog.product (product_set_id, seller_sku, title, price, stock, active)
      select product_set.id, format('LINEN-%s-%s', product_set.id, g),
        'Linen Shirt ' || g, 19.90, 50, ${active}::text::boolean
      from product_set, generate_series(1, ${products}::int) g returning id
    )
    select (select id from seller) as "sellerId", (select id from product_set) as "setId",
      (select array_agg(id order by id) from product) as "productIds"`
  const { sellerId, setId, productIds } = row!
  if (inShop) {
    await sql`update catalog.product_set set src_id = (500000 + id)::text where id = ${setId}::bigint`
    await sql`
      update catalog.product set src_id = (600000 + id)::text, shop_sku = 'AC' || id || 'APP-' || id
      where product_set_id = ${setId}::bigint`
  }
  return { sellerId, setId, productIds }
}
