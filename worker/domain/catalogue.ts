/**
 * What a call is built from: the catalogue as it stands when the item is sent, read together with the claim. Money and
 * times are strings as PostgreSQL prints them (numeric(12,2), ISO 8601 UTC), ids are strings: nothing here passes
 * through a JavaScript number that could round it.
 */
export interface CatalogueProduct {
  id: string
  sellerSku: string
  /** The Shop's SKU; null until the product has been created there. */
  shopSku: string | null
  /** The Shop's id of the product; null until it has been created there. */
  srcId: string | null
  active: boolean
  qcStatus: 'pending' | 'approved' | 'rejected'
  title: string
  description: string | null
  /** EAN or another identifier of the trade. */
  barcode: string | null
  price: string
  specialPrice: string | null
  specialFrom: string | null
  specialTo: string | null
  stock: number
  consignmentStock: number
  attributes: Record<string, string>
}

export interface CatalogueSet {
  id: string
  sellerId: string
  sellerName: string
  srcId: string | null
  title: string
  brand: string | null
  attributeSet: string | null
  primaryCategory: string | null
  categories: string[]
  taxClass: string | null
  shipmentType: string | null
  /**
   * All products of the set for New Product (Set), for Images no more than the SKUs of the first four, else the one
   * product of the item.
   */
  products: CatalogueProduct[]
  images: { url: string; hash: string }[]
}
