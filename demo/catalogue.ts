import type { Sql } from '../worker/database/database.ts'
import { pick, type Random, seeded, weighted } from './chance.ts'
import { inventSet } from './sets.ts'
import { INACTIVE_SELLER, SELLERS } from './words.ts'

const SETS = 1500

/** Ids that the Shop has already given. The simulated Shop counts up from 9001 and 701 and never gets near these. */
const FIRST_PRODUCT_SRC_ID = 5_000_001
const FIRST_SET_SRC_ID = 7_000_001

export interface DemoCatalogue {
  sellers: number
  productSets: number
  products: number
}

/**
 * Fills an empty catalogue with some 4,400 products in 1,500 sets of 12 sellers, always the same. A third of the sets
 * is already in the Shop (every twentieth of them with a variation that is not), one seller is inactive, and some
 * products are inactive or not approved.
 *
 * @returns what was loaded; null if there were products already, and nothing was done
 */
export const loadDemoCatalogue = (sql: Sql): Promise<DemoCatalogue | null> =>
  sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtext('catalog.import'))`
    const [is] = await tx<{ filled: boolean }[]>`select exists (select from catalog.product) as filled`
    if (is?.filled) return null

    const { sets, products, images } = inventCatalogue(seeded(2026))
    await tx`
      insert into catalog.seller (name, active)
      select x.name, x.name <> ${INACTIVE_SELLER}::text
      from unnest(${SELLERS.map(({ name }) => name)}::text[]) with ordinality x (name, n) order by x.n
      on conflict (name) do update set active = excluded.active`
    await tx`
      insert into catalog.product_set
        (seller_id, handle, src_id, title, brand, attribute_set, primary_category, categories, tax_class, shipment_type)
      select r.id, x.handle, x.src_id, x.title, r.name, x.attribute_set,
        x.category, string_to_array(x.categories, ','), 'standard', x.shipment_type
      from unnest(${sets.map(({ seller }) => seller)}::text[], ${sets.map(({ handle }) => handle)}::text[],
        ${sets.map(({ srcId }) => srcId)}::text[], ${sets.map(({ title }) => title)}::text[],
        ${sets.map(({ department }) => department.attributeSet)}::text[],
        ${sets.map(({ department }) => department.categories[0]!)}::text[],
        ${sets.map(({ department }) => department.categories.join(','))}::text[],
        ${sets.map(({ shipmentType }) => shipmentType)}::text[])
        with ordinality x (seller, handle, src_id, title, attribute_set, category, categories, shipment_type, n)
      join catalog.seller r on r.name = x.seller
      order by x.n`
    await tx`
      insert into catalog.product
        (product_set_id, seller_sku, shop_sku, src_id, src_updated_at, active, qc_status, title, description, barcode,
         price, special_price, special_from, special_to, stock, consignment_stock, attributes)
      select s.id, x.seller_sku, x.shop_sku, x.src_id,
        case when x.src_id is not null then now() - x.days * interval '1 day' end,
        x.inactive is null, x.qc_status, s.title, x.description, x.barcode, x.price, x.special_price,
        case when x.special_price is not null then current_date - x.days end,
        case when x.special_price is not null then current_date + x.days end,
        x.stock, x.consignment_stock, x.attributes::jsonb
      from unnest(${products.map(({ handle }) => handle)}::text[],
        ${products.map(({ sellerSku }) => sellerSku)}::text[],
        ${products.map(({ shopSku }) => shopSku)}::text[], ${products.map(({ srcId }) => srcId)}::text[],
        ${products.map(({ inactive }) => (inactive ? 'inactive' : null))}::text[],
        ${products.map(({ qcStatus }) => qcStatus)}::text[],
        ${products.map(({ description }) => description)}::text[], ${products.map(({ barcode }) => barcode)}::text[],
        ${products.map(({ price }) => price)}::numeric[],
        ${products.map(({ specialPrice }) => specialPrice)}::numeric[],
        ${products.map(({ stock }) => stock)}::int[],
        ${products.map(({ consignmentStock }) => consignmentStock)}::int[],
        ${products.map(({ days }) => days)}::int[],
        ${products.map(({ attributes }) => JSON.stringify(attributes))}::text[])
        with ordinality x (handle, seller_sku, shop_sku, src_id, inactive,
          qc_status, description, barcode, price, special_price, stock,
          consignment_stock, days, attributes, n)
      join catalog.product_set s on s.handle = x.handle
      order by x.n`
    await tx`
      insert into catalog.product_image (product_set_id, position, url, hash)
      select s.id, x.position, x.url, md5(x.url)
      from unnest(${images.map(({ handle }) => handle)}::text[], ${images.map(({ position }) => position)}::int[],
        ${images.map(({ url }) => url)}::text[]) x (handle, position, url)
      join catalog.product_set s on s.handle = x.handle`
    return { sellers: SELLERS.length, productSets: sets.length, products: products.length }
  })

/** The rows of the demo, in the order of their ids. */
function inventCatalogue(random: Random) {
  const sets = Array.from({ length: SETS }, (_, index) => {
    const seller = weighted(random, SELLERS, ({ share }) => share)
    return {
      ...inventSet(random, String(1001 + index)),
      seller: seller.name,
      sellerCode: seller.code,
      srcId: index % 3 === 0 ? String(FIRST_SET_SRC_ID + index) : null,
      shipmentType: random() < 0.7 ? 'own_warehouse' : 'dropshipping',
      hasNewVariation: index % 60 === 0,
    }
  })
  let products = 0
  return {
    sets,
    products: sets.flatMap((set) =>
      set.products.map((product, index) => {
        const number = products++
        const inShop = set.srcId !== null && !(set.hasNewVariation && index > 0 && index === set.products.length - 1)
        const srcId = String(FIRST_PRODUCT_SRC_ID + number)
        return {
          ...product,
          handle: set.handle,
          description: set.description,
          srcId: inShop ? srcId : null,
          shopSku: inShop ? `${set.sellerCode}${100 + (number % 900)}${set.department.code}-${srcId}` : null,
          barcode: withCheckDigit(`622${String(number).padStart(9, '0')}`),
          inactive: random() < 0.03,
          qcStatus: random() < (inShop ? 0.98 : 0.92) ? 'approved' : pick(random, ['pending', 'pending', 'rejected']),
          consignmentStock: random() < 0.15 ? Math.ceil(product.stock / 3) : 0,
          days: 1 + Math.floor(random() * 20),
        }
      }),
    ),
    images: sets.flatMap(({ handle, imageUrls }) =>
      imageUrls.map((url, index) => ({ handle, position: index + 1, url })),
    ),
  }
}

/** An EAN-13 from its first twelve digits. */
function withCheckDigit(digits: string): string {
  const sum = [...digits].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 1 : 3), 0)
  return `${digits}${(10 - (sum % 10)) % 10}`
}
