import { type Sql, transaction } from '../database/database.ts'
import type { Status } from '../domain/statuses.ts'
import type { Step } from '../domain/step.ts'
import { findConflict } from '../queue/conflict.ts'
import { type Actor, audit } from './audit.ts'
import { putBack } from './put-back.ts'

export interface Adoption {
  itemId: string
  /** The Shop's id of the product, and its SKU there. */
  srcId: string
  shopSku: string
  /** The Shop's id of the set; null: the catalogue has it. */
  setSrcId: string | null
  /** Null: the only product that the item would create. */
  productId: string | null
  reason: string
  actor: Actor
}

export type Adopted =
  /** `missing`: seller SKUs of the item that still have no id; only without any does the item go on. */
  | { steps: Step[]; status: Status; missing: string[] }
  /** A sentence for the admin; it may name another seller's product. */
  | { conflict: string }
  | { field: 'productId' | 'setSrcId'; message: string }
  /** The item is no create that an admin could end like this. */
  | null

const UNIQUE_VIOLATION = '23505'

/**
 * The Shop has a product already that a create could not tell us of: an admin enters its ids (decision 24). Nothing is
 * overwritten. Once all products of the create have ids it goes on, finds nothing left to send, and what waits for it
 * is released.
 */
export async function adopt(
  sql: Sql,
  { itemId, srcId, shopSku, setSrcId, productId, reason, actor }: Adoption,
): Promise<Adopted> {
  try {
    return await transaction(sql, async (tx) => {
      const [item] = await tx<{ productId: string | null; productSetId: string; was: string | null; status: Status }[]>`
        select product_id as "productId", product_set_id as "productSetId", reason as was, status
        from shop_update.item
        where id = ${itemId}::bigint and shop_update.creates(topic)
          and (lane = 'blocked' and shop_update.needs_admin(reason) or lane = 'delayed' and reason = 'failure')
        for update`
      if (!item) return null
      const products = await tx<{ id: string; sellerSku: string; srcId: string | null }[]>`
        select id, seller_sku as "sellerSku", src_id as "srcId" from catalog.product
        where product_set_id = ${item.productSetId}::bigint
          and (${item.productId}::bigint is null or id = ${item.productId}::bigint)
        order by id`
      const lacking = products.filter((product) => product.srcId === null)
      const meant = productId ?? (lacking.length === 1 ? lacking[0]!.id : null)
      if (meant === null) return { field: 'productId', message: `is needed: ${lacking.length} products have no id` }
      if (!products.some(({ id }) => id === meant))
        return { field: 'productId', message: 'is no product that this item creates' }
      const conflict = await findConflict(tx, {
        productSetId: item.productSetId,
        setSrcId,
        products: [{ productId: meant, srcId }],
      })
      if (conflict !== null) return { conflict }
      const [set] = await tx<{ srcId: string | null }[]>`
        update catalog.product_set set src_id = coalesce(src_id, ${setSrcId}::text)
        where id = ${item.productSetId}::bigint returning src_id as "srcId"`
      if (set!.srcId === null) return { field: 'setSrcId', message: 'is needed: the set has no id yet' }
      await tx`
        update catalog.product set src_id = ${srcId}::text, shop_sku = ${shopSku}::text where id = ${meant}::bigint`
      const missing = lacking.filter(({ id }) => id !== meant).map(({ sellerSku }) => sellerSku)
      const steps = missing.length === 0 ? await putBack(tx, [itemId], actor.name, reason) : []
      const ids = { productId: meant, srcId, shopSku, setSrcId: set!.srcId }
      await audit(tx, actor, 'resolve', { itemId, action: 'adopt', reason, ...ids, was: item.was })
      return { steps, status: steps[0]?.to ?? item.status, missing }
    })
  } catch (error) {
    if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error
    return { conflict: 'The id was given to another product at this very moment.' }
  }
}
