import { z } from '@hono/zod-openapi'
import type { Sql } from '../../database/database.ts'
import {
  cellOf,
  first,
  justChanged,
  productVerdict,
  type VerdictCode,
  verdictToSeller,
} from '../../domain/product-verdict.ts'
import { isFragment, searchedWords } from '../../domain/search.ts'
import { TOPIC_NAMES, TOPICS, type Topic } from '../../domain/topics.ts'
import { readQueued } from '../../read/items.ts'
import {
  findSkus,
  type ProductRow,
  productsOfSet,
  readProducts,
  readSyncedTopics,
  type SyncedTopic,
  search,
} from '../../read/products.ts'
import { readSeller } from '../../read/sellers.ts'
import { Problem } from '../problem.ts'
import { answer, type InternalApiOptions, json, NOT_FOUND, route, routes } from './context.ts'
import { answersOf, type Told } from './items.ts'
import {
  id,
  type Product,
  type ProductSet,
  productQuery,
  productSetSchema,
  searchQuery,
  searchSchema,
  sellerSchema,
  skusBody,
  skusSchema,
} from './schemas.ts'

/** The catalogue, and how it stands with each product: in the Shop, on its way, or why not. */
export const productRoutes = (options: InternalApiOptions) => {
  const { readSql } = options
  return routes()
    .openapi(
      route({
        method: 'get',
        path: '/api/search',
        summary: 'Products, sellers and items by a fragment of a SKU or title, by name, or by an id',
        request: { query: searchQuery },
        responses: { 200: answer('What was found', searchSchema) },
      }),
      async (c) => {
        const words = searchedWords(c.req.valid('query').q)
        if (words === '') return c.json({ ...NOTHING, tooShort: true }, 200)
        const { productIds, ...found } = await search(readSql, words)
        const products = await productsToJson(options, await readProducts(readSql, productIds))
        return c.json({ ...found, products, tooShort: !isFragment(words) }, 200)
      },
    )
    .openapi(
      route({
        method: 'post',
        path: '/api/search',
        summary: 'How it stands with each of many SKUs. Changes nothing, so the viewer may ask',
        request: { body: json(skusBody) },
        responses: { 200: answer('A row for each', skusSchema) },
      }),
      async (c) => {
        const found = await findSkus(readSql, c.req.valid('json').skus)
        const products = await readProducts(readSql, [...new Set(found.flatMap(({ productIds }) => productIds))])
        const byId = new Map((await productsToJson(options, products)).map((product) => [product.id, product]))
        const rows = found.map(({ sku, productIds }) => ({
          sku,
          products: productIds.flatMap((productId) => byId.get(productId) ?? []),
        }))
        return c.json({ rows }, 200)
      },
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/products/{id}',
        summary: 'A product set: each variation and topic, how it stands, and an answer for the seller',
        request: { params: z.object({ id }), query: productQuery },
        responses: { 200: answer('The set', productSetSchema), ...NOT_FOUND },
      }),
      async (c) => {
        const { id: setId } = c.req.valid('param')
        const { product: asked } = c.req.valid('query')
        const [products, synced] = await Promise.all([
          productsOfSet(readSql, setId).then((ids) => readProducts(readSql, ids)),
          readSyncedTopics(readSql, setId),
        ])
        const [any] = products
        if (!any) throw noSet(setId)
        const of = products.length === 1 ? any : products.find((product) => product.id === asked)
        const [told, acts] = await Promise.all([
          productAnswers(options, readSql, of ? [of] : []),
          productAnswers(
            options,
            readSql,
            products.filter((product) => product !== of),
            { amongOthers: false },
          ),
        ])
        const { title, sellerId, sellerName, sellerActive, setSrcId } = any
        const ofSet = topicsOf('product_set').map((topic) => cell(topic, any, synced.get(null)))
        return c.json(
          {
            productSetId: setId,
            title,
            sellerId,
            sellerName,
            sellerActive,
            srcId: setSrcId,
            cells: ofSet,
            products: products.map((product) => ({
              ...productToJson(product, told.get(product.id) ?? acts.get(product.id)),
              answer: told.get(product.id) ?? null,
              srcId: product.srcId,
              price: product.price,
              stock: product.stock,
              cells: topicsOf('product').map((topic) => cell(topic, product, synced.get(product.id))),
            })),
          },
          200,
        )
      },
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/sellers/{id}',
        summary: 'A seller: how many products and items, since when, and why they stand still',
        request: { params: z.object({ id }) },
        responses: { 200: answer('The seller', sellerSchema), ...NOT_FOUND },
      }),
      async (c) => {
        const { id: sellerId } = c.req.valid('param')
        const seller = await readSeller(readSql, sellerId)
        if (!seller)
          throw new Problem(404, `There is no seller ${sellerId}.`, {
            errors: [{ field: 'id', message: 'is no seller' }],
          })
        const byStatus = seller.byStatus.map(({ oldestAt, ...row }) => ({ ...row, oldestAt: oldestAt.toISOString() }))
        return c.json({ ...seller, byStatus }, 200)
      },
    )
}

export const noSet = (setId: string) =>
  new Problem(404, `There is no product set ${setId} with products.`, {
    errors: [{ field: 'id', message: 'is no product set' }],
  })

const NOTHING = { products: [], truncated: false, sellers: [], itemIds: [] }

const topicsOf = (subject: 'product' | 'product_set'): Topic[] =>
  TOPIC_NAMES.filter((topic) => TOPICS[topic].subject === subject)

function cell(
  topic: Topic,
  { items, inShop }: ProductRow,
  synced: readonly SyncedTopic[] | undefined,
): ProductSet['cells'][number] {
  const item = first(items.filter((each) => each.topic === topic))
  const last = synced?.find((each) => each.topic === topic)
  return {
    topic,
    // what is in the Shop has all that it was created with, however long ago
    cell: cellOf(item?.status ?? null, last !== undefined || inShop),
    itemId: item?.id ?? last?.itemId ?? null,
    at: (item?.statusAt ?? last?.at)?.toISOString() ?? null,
  }
}

async function productsToJson(
  options: Pick<InternalApiOptions, 'situation' | 'config' | 'readSql'>,
  rows: readonly ProductRow[],
): Promise<Product[]> {
  const acts = await productAnswers(options, options.readSql, rows, { amongOthers: false })
  return rows.map((row) => productToJson(row, acts.get(row.id)))
}

/**
 * @param answer it knows how late its item is, and what keeps everything from being sent, so it says who acts. Only
 *   what nobody has queued is the admin's, whatever waits for it
 */
function productToJson(row: ProductRow, answer: Pick<Told, 'whoActs'> | undefined): Product {
  const { items, srcId: _, setSrcId: __, price: ___, stock: ____, syncedAt, ...product } = row
  const { since, next, heldBy, ...verdict } = productVerdict(row)
  return {
    ...product,
    syncedAt: syncedAt?.toISOString() ?? null,
    openItems: items.length,
    verdict: {
      ...verdict,
      whoActs: answer && verdict.code !== 'not_created' ? answer.whoActs : verdict.whoActs,
      since: since?.toISOString() ?? null,
      next: next?.toISOString() ?? null,
      heldBy: heldBy && { ...heldBy, nextAttemptAt: heldBy.nextAttemptAt.toISOString() },
    },
  }
}

/** Verdicts that no item explains better. */
const OF_THE_CATALOGUE: readonly VerdictCode[] = ['rejected', 'in_quality_control', 'hidden']

/**
 * What the sellers are told of products, by their ids: the answer about the item that holds one up, or how it stands.
 *
 * @param how see `answersOf`
 */
export async function productAnswers(
  options: Pick<InternalApiOptions, 'situation' | 'config'>,
  sql: Sql,
  products: readonly ProductRow[],
  how: Parameters<typeof answersOf>[3] = {},
): Promise<Map<string, Told>> {
  const stand = products.map((product) => {
    const verdict = productVerdict(product)
    return { product, verdict, itemId: OF_THE_CATALOGUE.includes(verdict.code) ? null : verdict.itemId }
  })
  const rows = await readQueued(sql, [...new Set(stand.flatMap(({ itemId }) => itemId ?? []))])
  const items = new Map(rows.map((row) => [row.id, row]))
  const held = stand.flatMap(({ product, itemId }) => {
    const row = itemId === null ? undefined : items.get(itemId)
    return row ? { row, product } : []
  })
  const answers = await answersOf(options, sql, held, how)
  const answerOf = new Map(held.map(({ product }, place) => [product.id, answers[place]!.sellerAnswer]))
  return new Map(
    stand.map(({ product: { id, title, sellerSku }, verdict, itemId }) => [
      id,
      itemId === null
        ? verdictToSeller(title, sellerSku, verdict)
        : // else it has just left the queue
          (answerOf.get(id) ?? justChanged(title, sellerSku)),
    ]),
  )
}
