import type { ReceivedCall } from '../../demo/shop/memory.ts'

/** The Shop's state of a product, from the calls in the order in which they took effect. */
export interface InShop {
  price: string
  specialPrice: string | null
  stock: string
  /** Null: never reported. */
  consignmentStock: string | null
  description: string | null
  status: string
  approval: number
  /** The call that set each. */
  from: Record<string, string>
}

/** A product that a call created in the Shop. */
export interface Creation {
  requestId: string
  productId: string
  srcId: string
}

export interface Ledger {
  /** By the Shop's id. */
  products: Map<string, InShop>
  /** Hashes in order, by the Shop's id of the set; and the request that brought them. */
  images: Map<string, { hashes: string[]; from: string }>
  creations: Creation[]
}

export const isCreate = ({ call }: ReceivedCall): boolean => call.method === 'Product.createProducts'

/** Replays everything that took effect. */
export function readLedger(calls: readonly ReceivedCall[]): Ledger {
  const products: Ledger['products'] = new Map()
  const images: Ledger['images'] = new Map()
  const creations: Creation[] = []
  const effects = calls.filter(({ order }) => order !== null).toSorted((a, b) => a.order! - b.order!)
  for (const { call, topic, requestId, done } of effects) {
    const { productsInfo = [], productSetSrcId, images: collection = [] } = call.params
    if (!Array.isArray(done)) {
      images.set(String(productSetSrcId), { hashes: collection.map(({ hash }) => hash), from: requestId })
      continue
    }
    done.forEach((row, k) => {
      const info = productsInfo[k]
      if (row.status !== 'success' || info === undefined) return
      const { id } = row.product
      const values = told(call.method, topic, info)
      if (call.method === 'Product.createProducts')
        creations.push({ requestId, productId: String(info.id_catalog_product), srcId: id })
      const product = products.get(id) ?? ({ consignmentStock: null, from: {} } as unknown as InShop)
      for (const name of Object.keys(values)) product.from[name] = requestId
      products.set(id, Object.assign(product, values))
    })
  }
  return { products, images, creations }
}

function told(method: string, topic: string | null, info: Record<string, unknown>): Partial<Omit<InShop, 'from'>> {
  switch (method) {
    case 'Product.updatePrices':
      return { price: String(info.price), specialPrice: info.price_special as string | null }
    case 'Product.updateStock':
      return topic === 'consignment_stock'
        ? { consignmentStock: String(info.quantity) }
        : { stock: String(info.quantity) }
    default:
      return {
        price: String(info.price),
        specialPrice: info.special_price as string | null,
        stock: String(info.stock),
        description: info.description as string | null,
        status: String(info.status),
        approval: Number(info.approval_status),
      }
  }
}
