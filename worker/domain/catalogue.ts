/**
 * What a call is built from: the catalogue at the moment of sending, read together with the claim. Money and times are
 * strings as PostgreSQL prints them (numeric(12,2), ISO 8601 UTC) and ids are strings: nothing passes through a
 * JavaScript number, which could round it.
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
  /** EAN or another trade identifier. */
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
   * For New Product (Set) all products of the set; for Images at most the SKUs of the first four; otherwise the item's
   * one product.
   */
  products: CatalogueProduct[]
  images: { url: string; hash: string }[]
}
