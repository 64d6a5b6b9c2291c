import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import type { Flow, Status } from '../../worker/domain/statuses.ts'
import { type App, SOURCE, type Stack, VENTURE } from './parts.ts'
import { until } from './report.ts'

const ITEM_MS = 60_000
export const ORDER_ITEM_ID = '45123'
export const SKU = 'SKU420202'
/** Their spelling differs in JSON of the worker, or of a Shop that escapes non-ASCII. */
export const ODD_SKUS = [String.raw`26" Natural \ Cab`, 'Café 3/4'] as const

export interface Call {
  requestId: string
  method: string
  flow: Flow
  outcome: string | null
  traceId: string | null
}

export interface Item {
  id: string
  productSetId: string
  sellerId: string
  status: Status
  sellerSku: string | null
  transitions: { from: Status | null; to: Status; at: string; reason: string | null; actor: string | null }[]
  calls: Call[]
}

/** What has happened, for the questions. */
export interface Story {
  synchronous: Item
  asynchronous: Item
  /** Delayed, Failed, requeued, Synced. */
  failed: Item
  /** Blocked until its product was created. */
  blocked: Item
}

/** The last call of an item. */
export const lastCall = ({ calls }: Item) =>
  calls.toSorted((one, other) => Number(BigInt(one.requestId) - BigInt(other.requestId))).at(-1)!

export function shopUpdate({ sql, internal, shopUrl }: App) {
  async function api<Body>(path: string, method = 'GET', body?: unknown): Promise<Body> {
    const response = await fetch(`${internal.url}${path}`, {
      method,
      headers: { authorization: internal.authorization, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path} answers ${response.status}: ${await response.text()}`)
    return (await response.json()) as Body
  }
  const item = (id: string) => api<Item>(`/api/items/${id}`)
  return {
    api,
    item,
    /** Resolves with the item once it has the status. */
    untilStatus: (id: string, wanted: Status) =>
      until(Date.now() + ITEM_MS, async () => {
        const found = await item(id)
        if (found.status !== wanted)
          throw new Error(
            `Item ${id} is ${found.status} after ${found.transitions.map(({ to }) => to).join(', ')}; ` +
              `expected ${wanted}`,
          )
        return found
      }),
    async enqueue(topic: string, subject: { product?: string; set?: string }): Promise<string> {
      const [row] = await sql<{ id: string }[]>`
        select shop_update.enqueue(${topic}, ${subject.product ?? null}::bigint, ${subject.set ?? null}::bigint) as id`
      return row!.id
    },
    async switchFlow(flow: Flow): Promise<void> {
      await api('/api/flow', 'PUT', { flow })
      await until(Date.now() + ITEM_MS, async () => {
        const { workers } = await api<{ workers: { flow: Flow }[] }>('/api/flow')
        if (workers.length === 0 || workers.some((worker) => worker.flow !== flow))
          throw new Error(`The flow is not ${flow} yet`)
      })
    },
    async troubles(settings: SettingsInput): Promise<void> {
      const response = await fetch(`${shopUrl}/_shop/troubles`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(settings),
      })
      if (!response.ok) throw new Error(await response.text())
    },
    /** A product set of one product that is not in the Shop yet. */
    async addSet(sellerSku: string): Promise<{ set: string; product: string }> {
      const [row] = await sql<{ set: string; product: string }[]>`
        with seller as (
          insert into catalog.seller (name)
          values ('Nile Textiles') on conflict (name) do update set name = excluded.name returning id
        ),
        product_set as (
          insert into catalog.product_set (seller_id, title, brand, attribute_set, primary_category, categories)
          select id, 'Linen Shirt', 'Nile', 'apparel', 'Shirts', '{Shirts,Summer}' from seller returning id
        )
        insert into catalog.product (product_set_id, seller_sku, title, price, stock)
        select id, ${sellerSku}, 'Linen Shirt', 19.90, 50 from product_set
        returning product_set_id as "set", id as product`
      return row!
    },
  }
}

/**
 * Takes items through every status in both flows. Two remain at rest: one in Blocked, one in Got acknowledgment. One
 * topic remains paused.
 */
export async function drive(stack: Stack): Promise<Story> {
  const { api, untilStatus, enqueue, switchFlow, troubles, addSet } = shopUpdate(stack.app)
  await troubles({ default: { latencyMs: 20, callbackDelayMs: 300 } })

  await switchFlow('synchronous')
  const first = await addSet(SKU)
  const synchronous = await untilStatus(await enqueue('new_product_set', { set: first.set }), 'synced')
  await untilStatus(await enqueue('stock', { product: first.product }), 'synced') // Delayed for a second before

  await troubles({ default: { latencyMs: 20 }, escapesJson: true })
  for (const sku of ODD_SKUS)
    await untilStatus(await enqueue('new_product_set', { set: (await addSet(sku)).set }), 'synced')

  await troubles({ topics: { content: { http500: 100 } } })
  const failing = await enqueue('content', { product: first.product })
  await untilStatus(failing, 'failed')
  await troubles({ default: { latencyMs: 20, callbackDelayMs: 300 } })
  await api('/api/requeue', 'POST', { itemIds: [failing], reason: 'The Shop is well again' })
  const failed = await untilStatus(failing, 'synced')

  const second = await addSet('SKU-BLOCKED')
  const waiting = await enqueue('price', { product: second.product })
  await untilStatus(waiting, 'blocked')
  await enqueue('new_product_set', { set: second.set })
  const blocked = await untilStatus(waiting, 'synced')
  const third = await addSet('SKU-STAYS-BLOCKED')
  await untilStatus(await enqueue('price', { product: third.product }), 'blocked')

  await switchFlow('asynchronous')
  const fourth = await addSet('SKU-ASYNCHRONOUS')
  const asynchronous = await untilStatus(await enqueue('new_product_set', { set: fourth.set }), 'synced')
  await troubles({ default: { noCallback: 100 } })
  await untilStatus(await enqueue('price', { product: fourth.product }), 'got_acknowledgment')

  // an incident, for the banner and the panel
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString()
  await api('/api/pauses', 'POST', { topic: 'images', until: inAnHour, reason: 'The picture server moves' })

  return { synchronous, asynchronous, failed, blocked }
}

/** A line of the order system, which is not ours, over OTLP. */
export async function writeOrderLine(stack: Stack, line: string): Promise<void> {
  const text = (key: string, value: string) => ({ key, value: { stringValue: value } })
  const response = await fetch(`${stack.urls.otelcol}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      resourceLogs: [
        {
          resource: { attributes: [text('service.name', 'oms'), text('venture', VENTURE), text('source', SOURCE)] },
          scopeLogs: [
            {
              logRecords: [{ timeUnixNano: `${Date.now()}000000`, severityText: 'INFO', body: { stringValue: line } }],
            },
          ],
        },
      ],
    }),
  })
  if (!response.ok) throw new Error(`The collector answers ${response.status}: ${await response.text()}`)
}

/** Calls of the order system: over OTLP, and in its file as plain text and as JSON. */
export async function writeOrderLines(stack: Stack): Promise<number> {
  const words = (what: string) => `order_call ${what} {"order_item_ids":[${ORDER_ITEM_ID}],"status":"ready_to_ship"}`
  await writeOrderLine(stack, words('setStatus'))
  const line = { time: Date.now(), level: 30, venture: VENTURE, source: SOURCE, msg: words('setStatus') }
  await appendFile(join(stack.logFolder, 'oms.log'), `${words('getMarketplaceOrders')}\n${JSON.stringify(line)}\n`)
  return 3
}
