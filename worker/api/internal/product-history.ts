import { z } from '@hono/zod-openapi'
import { differencesOf, type Members } from '../../domain/differences.ts'
import type { ReasonCode } from '../../domain/reasons.ts'
import { foldSteps } from '../../domain/timeline.ts'
import { TOPICS, type Topic } from '../../domain/topics.ts'
import { readCatalogue } from '../../queue/catalogue.ts'
import { readAcceptedCalls } from '../../read/accepted-calls.ts'
import { type ProductRow, productsOfSet, readProducts } from '../../read/products.ts'
import { type ChangeRow, readSetChanges, readSteps } from '../../read/set-changes.ts'
import { buildCall, isCall } from '../../shop/call.ts'
import { Problem } from '../problem.ts'
import { answer, type InternalApiOptions, NOT_FOUND, route, routes } from './context.ts'
import { fromChangeCursor, toChangeCursor } from './paging.ts'
import { noSet } from './products.ts'
import {
  type Differences,
  differencesQuery,
  differencesSchema,
  id,
  type Timeline,
  timelineQuery,
  timelineSchema,
} from './schemas.ts'

/** What has become of a product set: what the Shop has of it, and what happened. */
export const productHistoryRoutes = ({ readSql }: InternalApiOptions) =>
  routes()
    .openapi(
      route({
        method: 'get',
        path: '/api/products/{id}/differences',
        summary: 'What the Shop has of a product against what it would be sent now, field by field',
        request: { params: z.object({ id }), query: differencesQuery },
        responses: { 200: answer('The differences', differencesSchema), ...NOT_FOUND },
      }),
      async (c) => {
        const { id: setId } = c.req.valid('param')
        const { product: productId } = c.req.valid('query')
        const [product] = await readProducts(readSql, [productId])
        if (product?.productSetId !== setId)
          throw new Problem(404, `Product set ${setId} has no product ${productId}.`, {
            errors: [{ field: 'product', message: 'is no product of the set' }],
          })
        return c.json(product.inShop ? await differencesTo(readSql, product) : NOT_THERE, 200)
      },
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/products/{id}/timeline',
        summary: 'The changes of a product set: what is in the queue, then what left it, the newest first',
        request: { params: z.object({ id }), query: timelineQuery },
        responses: { 200: answer('A page of changes, each with its story', timelineSchema), ...NOT_FOUND },
      }),
      async (c) => {
        const { id: setId } = c.req.valid('param')
        const { cursor, limit } = c.req.valid('query')
        const after = cursor === undefined ? null : fromChangeCursor(cursor)
        const [products, { rows, next }] = await Promise.all([
          productsOfSet(readSql, setId),
          readSetChanges(readSql, setId, after, limit),
        ])
        if (products.length === 0) throw noSet(setId)
        const changes = await Promise.all(rows.map(async (row) => toChange(row, await readSteps(readSql, row))))
        return c.json({ changes, nextCursor: next && toChangeCursor(next) }, 200)
      },
    )

const NOT_THERE: Differences = { inShop: false, differences: [], unknown: [], known: false, impossible: null }

/** One call of each kind: together they carry all that the Shop is told of a product. */
const ASKED = ['content', 'price', 'stock', 'consignment_stock', 'images'] as const satisfies readonly Topic[]

async function differencesTo(readSql: InternalApiOptions['readSql'], product: ProductRow): Promise<Differences> {
  const { id: productId, productSetId } = product
  const [told, now] = await Promise.all([
    readAcceptedCalls(readSql, product),
    readCatalogue(
      readSql,
      ASKED.map((topic, place) => ({
        id: String(place),
        topic,
        productSetId,
        productId: topic === 'images' ? null : productId,
      })),
    ),
  ])
  const members = new Map<Topic, Members>()
  let impossible: string | null = null
  for (const [place, topic] of ASKED.entries()) {
    const set = now.get(String(place))
    const built = set && buildCall(topic, set, set.products[0] ?? null, '')
    if (!built) continue
    if (isCall(built)) members.set(topic, 'images' in built.params ? built.params : { ...built.params.productsInfo[0] })
    else if ('impossible' in built) impossible = built.impossible
  }
  const { differences, ...rest } = differencesOf(told, members)
  return {
    inShop: true,
    ...rest,
    differences: differences.map(({ topics, since, ...difference }) => ({
      ...difference,
      since: since.toISOString(),
      itemId:
        product.items.find(({ topic }) => topics.includes(topic) || (isWhole(topic) && topics.includes('content')))
          ?.id ?? null,
    })),
    impossible,
  }
}

/** Their calls carry all that a content change does. */
const isWhole = (topic: Topic): boolean => TOPICS[topic].method === TOPICS.content.method

/** More of a line than a page can use. */
const TIMES_LISTED = 100

const toChange = (
  { queuedAt, endedAt, endedValue: _, reason, message, ...row }: ChangeRow,
  steps: Awaited<ReturnType<typeof readSteps>>,
): Timeline['changes'][number] => ({
  ...row,
  reason: reason === null ? null : { code: reason, message },
  queuedAt: queuedAt.toISOString(),
  endedAt: endedAt?.toISOString() ?? null,
  steps: foldSteps(steps).map(({ at, reason: why, ...step }) => ({
    ...step,
    reason: why as ReasonCode | null,
    times: at.length,
    firstAt: at[0]!.toISOString(),
    lastAt: at.at(-1)!.toISOString(),
    at: at.slice(-TIMES_LISTED).map((each) => each.toISOString()),
  })),
})
