import { z } from '@hono/zod-openapi'
import type { TypedResponse } from 'hono'
import { type Actor, audit } from '../../admin/audit.ts'
import { type Sql, transaction } from '../../database/database.ts'
import { REFUSAL_SENTENCES, unmetForSending } from '../../domain/requeue.ts'
import { PRODUCTS_A_PREFIX } from '../../domain/search.ts'
import type { SellerAnswer } from '../../domain/seller-answer.ts'
import type { Topic } from '../../domain/topics.ts'
import {
  NO_SURROUNDINGS,
  readBody,
  readCalls,
  readSurroundings,
  readTransitions,
  type Surroundings,
} from '../../read/item-history.ts'
import {
  countItems,
  countTabs,
  type ItemRow,
  isCounted,
  type Located,
  listItems,
  locate,
  readItem,
} from '../../read/items.ts'
import { loggable, Problem } from '../problem.ts'
import {
  answer,
  CONFLICT,
  type InternalApiOptions,
  json,
  NOT_FOUND,
  route,
  routes,
  TOO_MANY,
  UNPROCESSABLE,
} from './context.ts'
import { csvHeader, csvLine } from './csv.ts'
import { type AskedProduct, toBlockedByItem, toCall, toItem, toSellerAnswer, toTransition } from './item-json.ts'
import { fromCursor, sortOf, toCursor } from './paging.ts'
import {
  bodyParams,
  countsQuery,
  countsSchema,
  downloadQuery,
  enqueueBody,
  enqueuedSchema,
  id,
  itemDetailSchema,
  itemsSchema,
  listQuery,
} from './schemas.ts'

/** How many rows a download reads at a time. */
const ROWS_A_READ = 1000

/** The lists, one item with its history, the download, and queueing by hand. */
export const itemRoutes = (options: InternalApiOptions) => {
  const { sql, readSql, downloadSql = readSql, config, log, onQueued } = options
  const oneEach = oneDownloadEach()
  return routes()
    .openapi(
      route({
        method: 'get',
        path: '/api/items',
        summary: 'A page of a list',
        request: { query: listQuery },
        responses: { 200: answer('The items, where to go on, and how many there are', itemsSchema) },
      }),
      async (c) => {
        const { sort: wanted, cursor, limit, ...selection } = c.req.valid('query')
        const sort = sortOf(selection, wanted)
        const after = cursor === undefined ? null : fromCursor(cursor, sort)
        const located = await locate(readSql, selection)
        const counting = countItems(readSql, located)
        // If the counters say that there is nothing, no index has to prove it.
        const isEmpty = isCounted(selection) && (await counting).count === 0
        const [{ rows, next }, total] = await Promise.all([
          isEmpty ? EMPTY : listItems(readSql, located, sort, after, limit),
          counting,
        ])
        return c.json(
          {
            items: rows.map((row) => toItem(row, config.MAX_RETRIES)),
            nextCursor: next && toCursor(sort, next),
            total,
            truncated: located.scope?.truncated ?? false,
          },
          200,
        )
      },
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/counts',
        summary: 'How many items of a selection each tab has',
        request: { query: countsQuery },
        responses: { 200: answer('A count for each tab', countsSchema) },
      }),
      async (c) => c.json(await countTabs(readSql, c.req.valid('query')), 200),
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/items.csv',
        summary: 'The same selection as a download',
        request: { query: downloadQuery },
        responses: {
          200: {
            description: 'RFC 4180 in UTF-8 with a byte order mark, with a header row; one at a time for each user',
            content: { 'text/csv': { schema: z.string() } },
          },
          ...TOO_MANY,
        },
      }),
      async (c) => {
        const { sort: wanted, ...selection } = c.req.valid('query')
        const sort = sortOf(selection, wanted)
        const end = oneEach(c.var.actor.sub ?? c.var.actor.name)
        // however it ends, even if nobody reads the first line
        c.env?.outgoing?.once('close', end)
        let located: Located
        let first: Awaited<ReturnType<typeof listItems>>
        try {
          located = whole(await locate(downloadSql, selection), 'q')
          first = await listItems(downloadSql, located, sort, null, ROWS_A_READ)
        } catch (error) {
          end()
          throw error
        }

        // Uses keysets like the pages, not a database cursor: a cursor would hold a connection, and keep vacuum from
        // cleaning the queue, for as long as the slowest download takes.
        async function* lines() {
          yield csvHeader()
          try {
            for (let part = first; ; part = await listItems(downloadSql, located, sort, part.next, ROWS_A_READ)) {
              yield part.rows.map((row) => csvLine(toItem(row, config.MAX_RETRIES))).join('')
              if (part.next === null) return
            }
          } catch (error) {
            // Breaks the connection: half a file must not look complete. On an error here, node-server would end the
            // response with the error's message.
            log.error(
              { err: loggable(error) },
              'A download broke off: the file is incomplete, and must be fetched again',
            )
            c.env.outgoing?.destroy()
          } finally {
            end()
          }
        }
        return new Response(ReadableStream.from(encoded(lines())), {
          headers: {
            'content-type': 'text/csv; charset=utf-8; header=present',
            'content-disposition': `attachment; filename="shop-update-${selection.tab ?? 'items'}.csv"`,
          },
        })
      },
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/items/{id}',
        summary: 'One item with its timeline and an answer for the seller',
        request: { params: z.object({ id }) },
        responses: { 200: answer('The item', itemDetailSchema), ...NOT_FOUND },
      }),
      async (c) => {
        const row = await readItem(readSql, c.req.valid('param').id)
        if (!row) throw noSuchItem(c.req.valid('param').id)
        const [transitions, calls, { surroundings, sellerAnswer }] = await Promise.all([
          readTransitions(readSql, row.id, row.queuedAt),
          readCalls(readSql, row.id, row.queuedAt),
          answerOf(options, row),
        ])
        return c.json(
          {
            ...toItem(row, config.MAX_RETRIES),
            blockedByItem: toBlockedByItem(row),
            title: surroundings.title,
            positionInSet: surroundings.positionInSet,
            sellerAnswer,
            transitions: transitions.map(toTransition),
            calls: calls.map((call) => toCall(call, row.topic)),
          },
          200,
        )
      },
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/items/{id}/calls/{requestId}/{part}',
        summary: 'One whole body: of a request, of its answer, or of its callback',
        request: { params: bodyParams },
        responses: {
          200: { description: 'As it was sent or came', content: { 'text/plain': { schema: z.string() } } },
          ...NOT_FOUND,
        },
      }),
      async (c) => {
        const { id: itemId, requestId, part } = c.req.valid('param')
        const row = await readItem(downloadSql, itemId)
        if (!row) throw noSuchItem(itemId)
        const slices = readBody(downloadSql, { itemId, queuedAt: row.queuedAt, requestId, part })
        const first = await slices.next()
        if (first.done) throw new Problem(404, `Item ${itemId} has no ${part} with the request ID ${requestId}.`)
        async function* texts() {
          yield first.value as string
          try {
            yield* slices
          } catch (error) {
            log.error(
              { err: loggable(error) },
              'A download broke off: the file is incomplete, and must be fetched again',
            )
            c.env.outgoing?.destroy()
          }
        }
        return new Response(ReadableStream.from(encoded(texts())), {
          headers: {
            'content-type': 'text/plain; charset=utf-8',
            // the Shop's page may contain anything, so it is never rendered
            'content-disposition': `attachment; filename="${part}-${requestId}.txt"`,
            'x-content-type-options': 'nosniff',
          },
        }) as Response & TypedResponse<string, 200, 'text'>
      },
    )
    .openapi(
      route({
        method: 'post',
        path: '/api/items',
        summary: 'Queue a change by hand',
        request: { body: json(enqueueBody) },
        responses: { 201: answer('The item that carries the change', enqueuedSchema), ...UNPROCESSABLE, ...CONFLICT },
      }),
      async (c) => {
        const { topic, productId = null, productSetId = null, force, reason } = c.req.valid('json')
        if (!force) await checkConditions(sql, topic, productId, productSetId)
        const change = { topic, productId, productSetId, ...(reason && { reason }), ...(force && { force }) }
        const enqueued = await enqueue(sql, change, c.var.actor)
        onQueued()
        return c.json(enqueued, 201)
      },
    )
}

/** "An answer for the seller" about an item, and what it was made from. */
export async function answerOf(
  options: InternalApiOptions,
  row: ItemRow,
): Promise<{ surroundings: Surroundings; sellerAnswer: Told }> {
  const [answer] = await answersOf(options, options.readSql, [{ row }])
  return answer!
}

/**
 * The same about several, in their order; `product` is the one that was asked about, of an item about its set.
 *
 * @param kept they are read later, too: "longer than usual" would not be said then
 * @param amongOthers see `readSurroundings`; without it only `whoActs` is what it would be
 */
export async function answersOf(
  { situation, config }: Pick<InternalApiOptions, 'situation' | 'config'>,
  sql: Sql,
  asked: readonly { row: ItemRow; product?: AskedProduct }[],
  { kept = false, amongOthers = true } = {},
): Promise<{ surroundings: Surroundings; sellerAnswer: Told }[]> {
  if (asked.length === 0) return []
  const rows = [...new Map(asked.map(({ row }) => [row.id, row])).values()]
  const [surroundingsOf, standing] = await Promise.all([readSurroundings(sql, rows, amongOthers), situation()])
  return asked.map(({ row, product }) => {
    const surroundings = surroundingsOf.get(row.id) ?? NO_SURROUNDINGS
    const facts = kept ? { ...surroundings, usualSeconds: null } : surroundings
    const { text, whoActs } = toSellerAnswer(row, facts, standing, config, product)
    return { surroundings, sellerAnswer: { text, whoActs } }
  })
}

/** What a seller is told. */
export type Told = Pick<SellerAnswer, 'text' | 'whoActs'>

const EMPTY: { rows: ItemRow[]; next: null } = { rows: [], next: null }

/**
 * A search that matches more than is looked up may be viewed, but a download or a requeue must not leave anything out.
 *
 * @param field where the words came from
 * @throws Problem that asks for longer words
 */
export function whole(located: Located, field: string): Located {
  if (!located.scope?.truncated) return located
  const message = `more than ${PRODUCTS_A_PREFIX} products begin with it; give more of the SKU`
  throw new Problem(400, `${field}: ${message}`, { errors: [{ field, message }] })
}

export const noSuchItem = (itemId: string): Problem =>
  new Problem(404, `There is no item ${itemId}.`, { errors: [{ field: 'id', message: 'is no item' }] })

/**
 * To send something by hand asks for the same conditions as a requeue (decision 25).
 *
 * @throws Problem that names `force`
 */
async function checkConditions(sql: Sql, topic: Topic, productId: string | null, productSetId: string | null) {
  const products = await sql<
    { sellerActive: boolean; active: boolean; qcStatus: 'pending' | 'approved' | 'rejected' }[]
  >`
    select r.active as "sellerActive", p.active, p.qc_status as "qcStatus"
    from catalog.product p
      join catalog.product_set s on s.id = p.product_set_id
      join catalog.seller r on r.id = s.seller_id
    where p.id = ${productId}::bigint or p.product_set_id = ${productSetId}::bigint`
  const [first] = products
  if (!first) return // what does not exist is refused by the database
  const why = unmetForSending(topic, { sellerActive: first.sellerActive, products })
  if (why === null) return
  const errors = [{ field: 'force', message: 'is needed to send it all the same' }]
  throw new Problem(409, REFUSAL_SENTENCES[why], { errors })
}

const FOREIGN_KEY_VIOLATION = '23503'

async function enqueue(
  sql: Sql,
  change: { topic: string; productId: string | null; productSetId: string | null; reason?: string; force?: boolean },
  actor: Actor,
) {
  try {
    return await transaction(sql, async (tx) => {
      const [row] = await tx<{ itemId: string; coalesced: boolean }[]>`
        select item_id as "itemId", coalesced
        from shop_update.enqueue_item(
          ${change.topic}::text, ${change.productId}::bigint, ${change.productSetId}::bigint)`
      await audit(tx, actor, 'enqueue', { ...change, ...row })
      return row!
    })
  } catch (error) {
    if ((error as { code?: string }).code !== FOREIGN_KEY_VIOLATION) throw error
    const [field, name, id] =
      change.productId === null
        ? ['productSetId', 'Product set', change.productSetId]
        : ['productId', 'Product', change.productId]
    throw new Problem(422, `${name} ${id} does not exist.`, { errors: [{ field: field!, message: 'does not exist' }] })
  }
}

/** At most one per user: a function that begins a download and returns how to end it. */
function oneDownloadEach(): (user: string) => () => void {
  const busy = new Map<string, symbol>()
  return (user) => {
    if (busy.has(user)) {
      throw new Problem(429, 'A download of yours is under way; begin the next one when it has ended.', {
        headers: { 'retry-after': '10' },
      })
    }
    const mine = Symbol(user)
    busy.set(user, mine)
    return () => void (busy.get(user) === mine && busy.delete(user))
  }
}

async function* encoded(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  for await (const text of texts) yield encoder.encode(text)
}
