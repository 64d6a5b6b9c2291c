import { type CallError, failureRow, type ImagesResult, type Result, type Row, updatedAt } from './answers.ts'
import type { Call, ImageInfo, ProductInfo } from './calls.ts'

/** A product in the Shop. `id` and `configId` are the src ids of the product and of its set. */
export interface Product {
  id: string
  configId: string
  sku: string
  sellerSku: string
  /** The worker's product id; null if the create named none. */
  idCatalogProduct: string | null
  updatedAt: string
  /** The members of the create, overlaid with those of every update; null if records are not kept. */
  fields: ProductInfo | null
}

/** The first src ids: a Shop that starts beside a filled catalogue must not reuse an id. */
export interface FirstIds {
  product: number
  config: number
}

/** Whether the row at `position` of `count` rows must fail. */
export type Fails = (position: number, count: number) => boolean

const FAILURE_MESSAGES: Record<string, string> = {
  'Product.createProducts': 'Product failed to be created',
  'Product.updateProducts': 'Product failed to update',
  'Product.updatePrices': 'Price failed to update',
  'Product.updateStock': 'Stock failed to update',
  'Product.updateImageCollection': 'Images failed to update',
}

const INVALID_PARAMS: CallError = { message: 'Invalid params', code: -32602 }
const UNKNOWN_METHOD: CallError = { message: 'Method not found', code: -32601 }

const text = (value: unknown): string | null => (value === undefined || value === null ? null : String(value))

/** The products and pictures of the Shop, and the effects of the five methods of section 1. */
export class Products {
  readonly #ids: FirstIds
  readonly #byId = new Map<string, Product>()
  readonly #createdCounts = new Map<string, number>()
  /**
   * For each set's src id, the src ids of its pictures by hash: a picture that stays in the collection keeps its id.
   */
  readonly #images = new Map<string, Map<string, number>>()
  #nextImageId = 1
  creates = 0
  duplicateCreates = 0

  constructor(ids: FirstIds) {
    this.#ids = ids
  }

  /**
   * Performs the call, except for the rows that `fails` picks, and returns the result for the final answer. `lenient`
   * accepts updates of products that were not created here; `keepFields` keeps all members of a product.
   */
  process(
    call: Call,
    fails: Fails,
    { lenient, keepFields }: { lenient: boolean; keepFields: boolean },
  ): { result: Result } | { error: CallError } {
    const failureMessage = FAILURE_MESSAGES[call.method]
    if (failureMessage === undefined) return { error: UNKNOWN_METHOD }
    const { productsInfo, images, productSetSrcId } = call.params

    if (call.method === 'Product.updateImageCollection') {
      if (!Array.isArray(images) || productSetSrcId === undefined) return { error: INVALID_PARAMS }
      return { result: fails(0, 1) ? [failureRow(failureMessage)] : this.#replaceImages(productSetSrcId, images) }
    }

    if (!Array.isArray(productsInfo)) return { error: INVALID_PARAMS }
    const count = productsInfo.length
    if (call.method !== 'Product.createProducts') {
      return {
        result: productsInfo.map((row, k) =>
          fails(k, count) ? failureRow(failureMessage) : this.#update(row, lenient),
        ),
      }
    }
    // Taken only once a row succeeds: a set in which every product failed leaves nothing behind.
    let configId = text(call.params.config_id)
    return {
      result: productsInfo.map((row, k) => {
        if (fails(k, count)) return failureRow(failureMessage)
        configId ??= String(this.#ids.config++)
        return this.#create(row, configId, keepFields)
      }),
    }
  }

  /** All products that were created here, each with how often its `id_catalog_product` was created. */
  list(): (Product & { createdCount: number })[] {
    return [...this.#byId.values()].map((product) => ({
      ...product,
      createdCount: this.#createdCounts.get(product.idCatalogProduct ?? '') ?? 1,
    }))
  }

  get(id: string): Product | undefined {
    return this.#byId.get(id)
  }

  /**
   * A naive Shop: it does not notice that it already has the product and creates a second one. Tests need to see that.
   */
  #create(row: ProductInfo, configId: string, keepFields: boolean): Row {
    const id = String(this.#ids.product++)
    const idCatalogProduct = text(row.id_catalog_product)
    const product: Product = {
      id,
      configId,
      sku: `AC${id}APP-${id}`,
      sellerSku: row.seller_sku ?? '',
      idCatalogProduct,
      updatedAt: updatedAt(),
      fields: keepFields ? { ...row } : null,
    }
    this.#byId.set(id, product)
    this.creates += 1
    if (idCatalogProduct !== null) {
      const createdCount = (this.#createdCounts.get(idCatalogProduct) ?? 0) + 1
      this.#createdCounts.set(idCatalogProduct, createdCount)
      if (createdCount === 2) this.duplicateCreates += 1
    }
    return this.#success(product)
  }

  #update(row: ProductInfo, lenient: boolean): Row {
    const id = text(row.product_id)
    const product = id === null ? undefined : this.#byId.get(id)
    if (product !== undefined) {
      product.sellerSku = row.seller_sku ?? product.sellerSku
      product.updatedAt = updatedAt()
      if (product.fields !== null) Object.assign(product.fields, row)
      return this.#success(product)
    }
    if (id === null || !lenient) return failureRow('Product not found')
    const sku = row.sku ?? `AC${id}APP-${id}`
    return {
      status: 'success',
      product: { seller_sku: row.seller_sku ?? '', sku, id, config_id: text(row.config_id), updated_at: updatedAt() },
    }
  }

  #success({ sellerSku, sku, id, configId, updatedAt }: Product): Row {
    return {
      status: 'success',
      product: { seller_sku: sellerSku, sku, id, config_id: configId, updated_at: updatedAt },
    }
  }

  /** The call contains the whole collection: new pictures get an id, absent ones are forgotten. */
  #replaceImages(productSetSrcId: string | number, images: ImageInfo[]): ImagesResult {
    const before = this.#images.get(String(productSetSrcId))
    const after = new Map<string, number>()
    for (const { hash } of images) after.set(hash, after.get(hash) ?? before?.get(hash) ?? this.#nextImageId++)
    this.#images.set(String(productSetSrcId), after)
    return {
      productSetSrcId: Number(productSetSrcId),
      images: images.map(({ hash }) => ({ uri: `/p/${after.get(hash)}.jpg`, hash, srcId: after.get(hash)! })),
    }
  }
}
