import { Hono } from 'hono'
import { z } from 'zod'
import { TOPIC_NAMES } from '../../worker/domain/topics.ts'
import type { ReceivedCall } from './memory.ts'
import type { State } from './state.ts'

const requestsQuery = z.strictObject({
  topic: z.enum(TOPIC_NAMES).optional(),
  productId: z.string().optional(),
  requestId: z.string().optional(),
  limit: z.coerce.number().int().min(1).default(100),
})

const callbackBody = z.strictObject({
  requestId: z.string(),
  result: z.unknown().optional(),
  apiKey: z.string().nullable().optional(),
  times: z.int().min(1).default(1),
})

const targetBody = z.strictObject({ url: z.url(), apiKey: z.string() })

const sentence = ({ issues }: z.ZodError): string =>
  issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`).join('; ')

/**
 * The control API under /_shop/: causes trouble and reports what the Shop has seen. Everything is JSON; a wrong value
 * is answered with 400 and `{error}`, one sentence that names the field.
 */
export function controlApi(state: State): Hono {
  const app = new Hono().basePath('/_shop')

  app.get('/troubles', (c) => c.json(state.settings))
  app.put('/troubles', async (c) => {
    const error = state.configure(await c.req.json().catch(() => undefined))
    return error === undefined ? c.json(state.settings) : c.json({ error }, 400)
  })
  app.delete('/troubles', (c) => {
    state.unconfigure()
    return c.json(state.settings)
  })

  app.get('/requests', (c) => {
    const query = requestsQuery.safeParse(c.req.query())
    if (!query.success) return c.json({ error: sentence(query.error) }, 400)
    const { topic, productId, requestId, limit } = query.data
    const calls = state.memory.calls().filter((received) => {
      if (topic !== undefined && received.topic !== topic) return false
      if (requestId !== undefined && received.requestId !== requestId) return false
      return productId === undefined || names(state, received, productId)
    })
    return c.json(calls.slice(0, limit))
  })

  app.get('/products', (c) => c.json(state.products.list()))

  app.get('/stats', (c) => {
    const { memory, products, callbacks, limits } = state
    const { requests, byTopic, byMethod, byTrouble } = memory
    const { creates, duplicateCreates } = products
    return c.json({
      requests,
      byTopic,
      byMethod,
      byTrouble,
      creates,
      duplicateCreates,
      callbacks: callbacks.counts,
      limits: limits.counts,
    })
  })

  app.get('/callbacks', (c) => c.json(state.callbacks.list()))
  app.post('/callbacks', async (c) => {
    const body = callbackBody.safeParse(await c.req.json().catch(() => undefined))
    if (!body.success) return c.json({ error: sentence(body.error) }, 400)
    const { requestId, apiKey, times } = body.data
    const result =
      body.data.result ?? state.memory.calls().find((received) => received.requestId === requestId)?.result ?? undefined
    if (result === undefined)
      return c.json({ error: `result: request ${requestId} was not processed, so the callback needs one` }, 400)
    return c.json(await state.callbacks.sendOnce(requestId, result, times, apiKey))
  })

  app.put('/callback-target', async (c) => {
    const body = targetBody.safeParse(await c.req.json().catch(() => undefined))
    if (!body.success) return c.json({ error: sentence(body.error) }, 400)
    state.callbackTarget = body.data
    return c.json({ url: body.data.url })
  })

  app.post('/reset', async (c) => {
    await state.reset()
    return c.json({})
  })

  return app
}

/** Whether a call names the product by the Shop's id or by the worker's; an update contains only the Shop's. */
function names({ products }: State, { call }: ReceivedCall, productId: string): boolean {
  return (call.params.productsInfo ?? []).some(({ product_id, id_catalog_product }) => {
    const srcId = String(product_id)
    return (
      srcId === productId ||
      String(id_catalog_product) === productId ||
      products.get(srcId)?.idCatalogProduct === productId
    )
  })
}
