import { type Sql, transaction } from '../../database/database.ts'
import { productDeletedToSeller, stateToSeller } from '../../domain/product-verdict.ts'
import { type FeedbackHead, type FeedbackRow, readFeedback, readFeedbackHead } from '../../read/feedback.ts'
import { readProducts } from '../../read/products.ts'
import { Problem } from '../problem.ts'
import { answer, GONE, type InternalApiOptions, route, routes } from './context.ts'
import type { Told } from './items.ts'
import { productAnswers } from './products.ts'
import { feedbackQuery, feedbackSchema, type ProductFeedback } from './schemas.ts'

/** Feedback to Seller Center (docs/decisions.md, decision 29), for a program that keeps it: see `demo/feedback.ts`. */
export const feedbackRoutes = (options: InternalApiOptions) =>
  routes().openapi(
    route({
      method: 'get',
      path: '/api/feedback',
      summary: 'What has become of products since the last time: how each stands, for its own page in Seller Center',
      description:
        'Read on with `nextCursor` in `after`, and keep it together with what you have read: whatever breaks off, ' +
        'nothing is missed, and a product comes again only when it has changed again. Each product comes once, as it ' +
        'stands last. When `more` is false, ask again after a second or more. The texts are of the moment in which ' +
        'they are read. The viewer’s key suffices, also where users are Grafana’s.',
      request: { query: feedbackQuery },
      responses: { 200: answer('Products in the order in which they changed', feedbackSchema), ...GONE },
    }),
    async (c) => {
      const { after, limit } = c.req.valid('query')
      // first: whoever holds a connection must not wait for another one
      const standing = await options.situation()
      // From the primary, and all of one moment: a replica may be behind the cursor that another has given.
      const page = await transaction(options.sql, async (tx) => {
        await tx`set transaction isolation level repeatable read, read only`
        const head = await readFeedbackHead(tx)
        const rows = await readFeedback(tx, positionOf(after, head), limit)
        const texts = await textsOf({ ...options, situation: async () => standing }, tx, rows)
        return { head, rows, texts }
      })
      const last = page.rows.at(-1)?.position
      return c.json(
        {
          products: page.rows.map((row) => toFeedback(row, page.texts.get(row.productId)!)),
          nextCursor: last === undefined ? (after ?? null) : `${page.head.epoch}-${last}`,
          more: page.rows.length === limit,
        },
        200,
      )
    },
  )

/** @throws Problem where the cursor is none of this feed */
function positionOf(cursor: string | undefined, head: FeedbackHead): string {
  if (cursor === undefined) return '0'
  const [epoch, position = ''] = cursor.split('-')
  if (epoch === head.epoch && BigInt(position) <= BigInt(head.position)) return position
  const message =
    'is of another database, or of this one before it was restored: forget what you have, and begin without it'
  throw new Problem(410, `after: ${message}`, { errors: [{ field: 'after', message }] })
}

/** What a seller is told of each: what the product's page says, as long as it is as it was published. */
async function textsOf(
  options: Pick<InternalApiOptions, 'situation' | 'config'>,
  tx: Sql,
  rows: readonly FeedbackRow[],
): Promise<Map<string, Told>> {
  const products = await readProducts(
    tx,
    rows.filter(({ isSo }) => isSo).map(({ productId }) => productId),
  )
  const answers = await productAnswers(options, tx, products, { kept: true })
  return new Map(
    rows.map((row) => [
      row.productId,
      row.deleted
        ? productDeletedToSeller
        : (answers.get(row.productId) ?? stateToSeller(row.title, row.sellerSku, row.state, row.whoActs)),
    ]),
  )
}

const toFeedback = (row: FeedbackRow, { text, whoActs }: Told): ProductFeedback => ({
  productId: row.productId,
  productSetId: row.productSetId,
  sellerId: row.sellerId,
  sellerSku: row.sellerSku,
  sku: row.sku,
  state: row.state,
  text,
  whoActs,
  since: row.since?.toISOString() ?? null,
  expectedAt: row.expectedAt?.toISOString() ?? null,
  publishedAt: row.publishedAt.toISOString(),
  deleted: row.deleted,
})
