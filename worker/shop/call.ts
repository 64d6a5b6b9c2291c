import type { CatalogueProduct, CatalogueSet } from '../domain/catalogue.ts'
import type { ReasonCode } from '../domain/reasons.ts'
import { type Method, TOPICS, type Topic } from '../domain/topics.ts'

/**
 * The id of the `auth` element in every request. An answer element with this id is about the credentials, not about our
 * call, so a request ID must never be '1'.
 */
export const AUTH_ID = '1'

/**
 * One variation in `Product.createProducts` (docs/shop-protocol.md, section 1). Money is text with two decimals; ids
 * are text.
 */
export interface CreateInfo {
  approval_status: 0 | 1 | 2
  attribute_set: string | null
  attributes: Record<string, string>
  brand: string | null
  primary_category: string | null
  categories: string[]
  config_id: string | null
  description: string | null
  platform_identifier: 'SellerCenter'
  price: string
  product_identifier: string | null
  product_set: string
  seller: string
  seller_sku: string
  shipment_type: string | null
  special_price: string | null
  special_from_date: string | null
  special_to_date: string | null
  status: 'active' | 'inactive'
  stock: number
  tax_class: string | null
  title: string
  id_catalog_product: string
  shipment_matrix_template: []
  rsin: null
}

/** One variation in `Product.updateProducts`: the members of a create plus the Shop's two names for it. */
export interface UpdateInfo extends CreateInfo {
  product_id: string
  sku: string
}

/**
 * One variation in `Product.updatePrices`. Here the member is `price_special`; in the other two it is `special_price`.
 */
export interface PriceInfo {
  product_id: string
  config_id: string | null
  seller_sku: string
  sku: string
  price: string
  price_special: string | null
  special_from_date: string | null
  special_to_date: string | null
}

/** One variation in `Product.updateStock`; `quantity` is text. */
export interface StockInfo {
  product_id: string
  seller_sku: string
  sku: string
  quantity: string
  seller_id: string
}

export type CallParams =
  | { productsInfo: CreateInfo[]; config_id: string | null }
  | { productsInfo: (UpdateInfo | PriceInfo | StockInfo)[] }
  | { productSetSrcId: number; images: { url: string; hash: string }[] }

export interface Call {
  requestId: string
  method: Method
  params: CallParams
  /** The serialised call element, without the `auth` element: safe to store, log and show. */
  json: string
}

/**
 * Why nothing is sent. `blocked`: the item waits for another one. `nothingToSend`: it is already done. `impossible`: no
 * call can be built (a sentence; counts as a failure). `deleted`: its subject no longer exists. `buildCall` itself only
 * says `not_in_shop`; `new_variation` is found in the queue.
 */
export type NotSendable =
  | { blocked: Extract<ReasonCode, 'not_in_shop' | 'new_variation'>; message: string }
  | { nothingToSend: true }
  | { deleted: true }
  | { impossible: string }

/**
 * The protocol says that `approval_status` is an int, but not which. The numbers are ours, in the order of quality
 * control.
 */
const APPROVAL_STATUS = { pending: 0, approved: 1, rejected: 2 } as const

/**
 * numeric(12,2) as PostgreSQL prints it. NaN, or a value that was once a JavaScript number ("19.9"), must not reach a
 * shop window.
 */
const AMOUNT = /^-?\d+\.\d\d$/

/**
 * Builds the call of one item from the current catalogue (docs/shop-protocol.md, section 1). Pure; never throws.
 *
 * New Product (Set) takes every variation of `set.products` without a Shop id. So a retry after a partial success
 * neither repeats the variations that succeeded nor creates a second set: its `config_id` is that of the set. No
 * product is ever created twice.
 *
 * @param set the item's set; `products` holds all variations for New Product (Set)
 * @param product the item's product; null for topics about a whole set, or when it has been deleted
 * @param requestId new for every send
 * @example
 * const call = buildCall('stock', set, product, '481516')
 * if (isCall(call)) await shop.send(call, headers)
 */
export function buildCall(
  topic: Topic,
  set: CatalogueSet,
  product: CatalogueProduct | null,
  requestId: string,
): Call | NotSendable {
  if (topic === 'new_product_set') return createCall(topic, set, set.products, requestId)
  if (topic === 'images') return imagesCall(set, requestId)
  if (product === null) return { deleted: true }

  if (topic === 'new_product') {
    if (product.srcId === null && set.srcId === null) return SET_NOT_IN_SHOP
    return createCall(topic, set, [product], requestId)
  }

  const { srcId, shopSku } = product
  if (srcId === null || shopSku === null) return PRODUCT_NOT_IN_SHOP

  switch (topic) {
    case 'stock':
    case 'consignment_stock': {
      const quantity = String(sellable(topic === 'stock' ? product.stock : product.consignmentStock))
      const info: StockInfo = {
        product_id: srcId,
        seller_sku: product.sellerSku,
        sku: shopSku,
        quantity,
        seller_id: set.sellerId,
      }
      return serialise(topic, { productsInfo: [info] }, requestId)
    }
    case 'price': {
      const wrong = wrongAmount(product)
      if (wrong) return wrong
      const info: PriceInfo = {
        product_id: srcId,
        config_id: set.srcId,
        seller_sku: product.sellerSku,
        sku: shopSku,
        price: product.price,
        price_special: specialPrice(product),
        special_from_date: date(product.specialFrom),
        special_to_date: date(product.specialTo),
      }
      return serialise(topic, { productsInfo: [info] }, requestId)
    }
    case 'content':
    case 'status':
    case 'qc_status': {
      const wrong = wrongAmount(product)
      if (wrong) return wrong
      const info: UpdateInfo = { ...createInfo(set, product), product_id: srcId, sku: shopSku }
      return serialise(topic, { productsInfo: [info] }, requestId)
    }
  }
}

/** True when there is a call to send, false when `built` says why there is none. */
export const isCall = (built: Call | NotSendable): built is Call => 'json' in built

/**
 * The serialised `auth` element that goes first in a request's body. It must never reach a log line, a span, a database
 * row or a screen (docs/shop-protocol.md, section 1), so it is not part of a `Call`.
 */
export const authElement = (username: string, password: string): string =>
  JSON.stringify({ api: 1, method: 'auth', params: { username, password }, id: Number(AUTH_ID) })

const PRODUCT_NOT_IN_SHOP: NotSendable = {
  blocked: 'not_in_shop',
  message: 'The Shop has no ID or no SKU for this product yet.',
}
const SET_NOT_IN_SHOP: NotSendable = { blocked: 'not_in_shop', message: 'The Shop has no ID for this product set yet.' }

function createCall(
  topic: Topic,
  set: CatalogueSet,
  products: CatalogueProduct[],
  requestId: string,
): Call | NotSendable {
  const productsInfo: CreateInfo[] = []
  for (const product of products) {
    if (product.srcId !== null) continue
    const wrong = wrongAmount(product)
    if (wrong) return wrong
    productsInfo.push(createInfo(set, product))
  }
  if (productsInfo.length === 0) return products.length === 0 ? { deleted: true } : { nothingToSend: true }
  return serialise(topic, { productsInfo, config_id: set.srcId }, requestId)
}

const noWholeNumber = (srcId: string): string =>
  `The Shop's ID of the product set, ${srcId}, is no whole number, and images can be sent for no other.`

function imagesCall(set: CatalogueSet, requestId: string): Call | NotSendable {
  if (set.srcId === null) return SET_NOT_IN_SHOP
  const productSetSrcId = Number(set.srcId)
  // The only id that is a number in docs/shop-protocol.md, section 1. Beyond 2^53, or with a leading zero, the number
  // would name another set.
  if (!Number.isSafeInteger(productSetSrcId) || String(productSetSrcId) !== set.srcId) {
    return { impossible: noWholeNumber(set.srcId) }
  }
  return serialise('images', { productSetSrcId, images: set.images.map(({ url, hash }) => ({ url, hash })) }, requestId)
}

/**
 * The seller is sent by name, which is how the Shop's admins know them; `seller_id` of a stock update is our id. Dates
 * are sent unchanged.
 */
function createInfo(set: CatalogueSet, product: CatalogueProduct): CreateInfo {
  return {
    approval_status: APPROVAL_STATUS[product.qcStatus],
    attribute_set: set.attributeSet,
    attributes: product.attributes,
    brand: set.brand,
    primary_category: set.primaryCategory,
    categories: set.categories,
    config_id: set.srcId,
    description: product.description,
    platform_identifier: 'SellerCenter',
    price: product.price,
    product_identifier: product.barcode,
    product_set: set.id,
    seller: set.sellerName,
    seller_sku: product.sellerSku,
    shipment_type: set.shipmentType,
    special_price: specialPrice(product),
    special_from_date: date(product.specialFrom),
    special_to_date: date(product.specialTo),
    status: product.active ? 'active' : 'inactive',
    stock: sellable(product.stock),
    tax_class: set.taxClass,
    title: product.title,
    id_catalog_product: product.id,
    shipment_matrix_template: [],
    rsin: null,
  }
}

/** Why an amount cannot be sent, or null. */
function wrongAmount({ sellerSku, price, specialPrice }: CatalogueProduct): NotSendable | null {
  const amounts = [price, ...(specialPrice === null ? [] : [specialPrice])]
  const listed = amounts.join(', ')
  if (!amounts.every((amount) => AMOUNT.test(amount))) {
    return { impossible: `A price of ${sellerSku} is no amount with two decimals: ${listed}.` }
  }
  return amounts.some((amount) => amount.startsWith('-'))
    ? { impossible: `A price of ${sellerSku} is below zero: ${listed}.` }
    : null
}

/** More has been sold than there is in stock: nothing is left to sell. */
const sellable = (stock: number): number => Math.max(stock, 0)

/** Only PostgreSQL knows infinite dates. */
const date = (text: string | null): string | null => (text === 'infinity' || text === '-infinity' ? null : text)

/** A special price that never begins or ended infinitely long ago would lose its dates, and so apply at once. */
const specialPrice = ({ specialPrice, specialFrom, specialTo }: CatalogueProduct): string | null =>
  specialFrom === 'infinity' || specialTo === '-infinity' ? null : specialPrice

function serialise(topic: Topic, params: CallParams, requestId: string): Call {
  const { method } = TOPICS[topic]
  const json = `{"api":1,"method":"${method}","params":${JSON.stringify(params)},"id":${JSON.stringify(requestId)}}`
  return { requestId, method, params, json }
}
