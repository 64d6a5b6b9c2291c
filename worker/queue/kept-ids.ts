import type { Sql } from '../database/database.ts'

/**
 * What a product `p` of the catalogue keeps of a row `w` (`src_id`, `shop_sku`, `updated_at`) of the Shop's answer. An
 * id that it has is not overwritten (decision 24); the Shop's SKU goes with the id, so one without an id is replaced.
 *
 * @param zone of the venture, for the Shop's `updated_at`
 */
export const keptIds = (sql: Sql, zone: string) => sql`
  src_id = coalesce(p.src_id, w.src_id),
  shop_sku = case
    when p.src_id is null then coalesce(w.shop_sku, p.shop_sku)
    else coalesce(p.shop_sku, w.shop_sku) end,
  src_updated_at = coalesce(w.updated_at::timestamp at time zone ${zone}::text, now())`
