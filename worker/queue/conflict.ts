import type { Sql } from '../database/database.ts'
import { SECOND_ID } from '../domain/reasons.ts'

export interface NewIds {
  productSetId: string
  /** The Shop's id of the set, if the answer brought one. */
  setSrcId: string | null
  products: readonly { productId: string; srcId: string | null }[]
}

/**
 * Whether the Shop used an id that belongs to another product here (docs/requirements.md, "An id that is taken"), or
 * created a product twice, so that a second id comes for it. It is checked before anything is written: nothing is
 * overwritten (decision 17).
 *
 * @returns a sentence that names the other product or set, or null
 */
export async function findConflict(sql: Sql, { productSetId, setSrcId, products }: NewIds): Promise<string | null> {
  const seen = new Set<string>()
  for (const { srcId } of products) {
    if (srcId !== null && seen.has(srcId)) return `The Shop gave the id ${srcId} to two products of this set.`
    if (srcId !== null) seen.add(srcId)
  }
  const [row] = await sql<{ message: string }[]>`
    select format('The Shop''s product id %s already belongs to product %s (seller SKU %s).',
      p.src_id, p.id, p.seller_sku) as message
    from catalog.product p
    join unnest(
      ${products.map(({ productId }) => productId)}::bigint[],
      ${products.map(({ srcId }) => srcId)}::text[]
    ) x (product_id, src_id) on p.src_id = x.src_id and p.id <> x.product_id
    union all
    select format('The Shop''s set id %s already belongs to product set %s.', s.src_id, s.id)
    from catalog.product_set s where s.src_id = ${setSrcId}::text and s.id <> ${productSetId}::bigint
    union all
    select format('Product %s (seller SKU %s) %s %s; the answer brings %s.',
      p.id, p.seller_sku, ${SECOND_ID}::text, p.src_id, x.src_id)
    from catalog.product p
    join unnest(
      ${products.map(({ productId }) => productId)}::bigint[],
      ${products.map(({ srcId }) => srcId)}::text[]
    ) x (product_id, src_id) on p.id = x.product_id and p.src_id <> x.src_id
    union all
    select format('Product set %s %s %s; the answer brings %s.', s.id, ${SECOND_ID}::text, s.src_id, ${setSrcId}::text)
    from catalog.product_set s where s.id = ${productSetId}::bigint and s.src_id <> ${setSrcId}::text
    limit 1`
  return row?.message ?? null
}
