/**
 * The topics of the queue, one row each: a topic's label, event name, method and reach. Labels are those of
 * docs/requirements.md; event names and methods those of docs/shop-protocol.md, section 1. Only the event name of Stock
 * is documented there; the others follow its pattern. For SQL, sql/functions/labels.sql has labels and methods too; a
 * test compares the two.
 */
export const TOPICS = {
  content: { label: 'Content', event: 'product/contentchange', method: 'Product.updateProducts', subject: 'product' },
  images: {
    label: 'Images',
    event: 'productset/imageschange',
    method: 'Product.updateImageCollection',
    subject: 'product_set',
  },
  new_product_set: {
    label: 'New Product (Set)',
    event: 'productset/new',
    method: 'Product.createProducts',
    subject: 'product_set',
  },
  price: { label: 'Price', event: 'product/pricechange', method: 'Product.updatePrices', subject: 'product' },
  stock: { label: 'Stock', event: 'product/stockchange', method: 'Product.updateStock', subject: 'product' },
  status: { label: 'Status', event: 'product/statuschange', method: 'Product.updateProducts', subject: 'product' },
  consignment_stock: {
    label: 'Consignment Stock Change',
    event: 'product/consignmentstockchange',
    method: 'Product.updateStock',
    subject: 'product',
  },
  qc_status: {
    label: 'QC Status Change',
    event: 'product/qcstatuschange',
    method: 'Product.updateProducts',
    subject: 'product',
  },
  new_product: { label: 'New Product', event: 'product/new', method: 'Product.createProducts', subject: 'product' },
} as const satisfies Record<
  string,
  { label: string; event: string; method: string; subject: 'product' | 'product_set' }
>

export type Topic = keyof typeof TOPICS
export type Method = (typeof TOPICS)[Topic]['method']

export const TOPIC_NAMES = Object.keys(TOPICS) as Topic[]

/**
 * True for the topics whose call creates a product in the Shop. They go first in their set, and are not resent while
 * nobody knows whether the Shop has the product (decision 11). In SQL: `shop_update.creates`.
 */
export const creates = (topic: Topic): boolean => TOPICS[topic].method === 'Product.createProducts'
