import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import { checkComplete } from './complete.ts'
import type { Load, Loaded } from './load.ts'
import { measureWorker } from './measure.ts'
import {
  beginStatements,
  CALLBACK_API_KEY,
  fillCatalogue,
  printStatements,
  queueStock,
  type Rig,
  setFlow,
  startRig,
  untilStatus,
} from './rig.ts'
import { median, percentile } from './setting.ts'

export interface CallbacksOptions {
  /** How many go through each flow. */
  items: number
  /** The most to the endpoint alone, in each way. */
  callbacks: number
  /** And the longest time for that. */
  seconds: number
  /** Items that drain meanwhile. */
  drain: number
  /** How many are in one request, when they come in batches. */
  batch: number
  rounds: number
}

const FLOWS = ['synchronous', 'oneByOne', 'inBatches'] as const

/** Load on the endpoint: connections that each send a request as soon as the previous one is answered. */
const ENDPOINT = [
  { name: 'endpoint64', connections: 64, isBatch: false },
  { name: 'endpoint512', connections: 512, isBatch: false },
  { name: 'endpointInBatches', connections: 16, isBatch: true },
] as const

/**
 * The asynchronous flow. Items go through all of it, compared with the synchronous flow, while the Shop calls back one
 * by one or in batches. Then the endpoint alone: acknowledged requests are called back as fast as it takes them while
 * other items drain.
 */
export async function callbacks(options: CallbacksOptions, log: (line: string) => void) {
  const { items, batch, rounds } = options
  const rates = { synchronous: [] as number[], oneByOne: [] as number[], inBatches: [] as number[] }
  const refused = { synchronous: 0, oneByOne: 0, inBatches: 0 }
  const endpoint = ENDPOINT.map((way) => ({
    ...way,
    perSecond: [] as number[],
    p50Ms: [] as number[],
    p99Ms: [] as number[],
  }))
  for (let round = 1; round <= rounds; round++) {
    for (const flow of FLOWS) {
      const { itemsPerSecond, shop } = await measureWorker({
        items,
        flow: flow === 'synchronous' ? 'synchronous' : 'asynchronous',
        settings: flow === 'inBatches' ? inBatchesOf(batch) : {},
      })
      rates[flow].push(itemsPerSecond)
      refused[flow] += shop.callbacks.refused
    }
    const [synchronous, oneByOne, inBatches] = FLOWS.map((flow) => Math.round(rates[flow].at(-1)!))
    log(
      `Round ${round}: synchronous ${synchronous}, asynchronous ${oneByOne} one by one and ${inBatches} in batches ` +
        `of ${batch} items a second; callbacks refused ${refused.oneByOne} and ${refused.inBatches}`,
    )
    for (const way of endpoint) {
      const seen = await measureEndpoint(options, way)
      way.perSecond.push(seen.perSecond)
      way.p50Ms.push(seen.p50Ms)
      way.p99Ms.push(seen.p99Ms)
      log(
        `  endpoint, ${way.connections} connections, ${way.isBatch ? `batches of ${batch}` : 'one by one'}: ` +
          `${Math.round(seen.perSecond)} callbacks a second, p50 ${seen.p50Ms.toFixed(1)} and p99 ` +
          `${seen.p99Ms.toFixed(1)} ms`,
      )
    }
  }
  const synchronous = median(rates.synchronous)
  const ratio = (rate: number) => Number((rate / synchronous).toFixed(3))
  return {
    name: 'callbacks',
    synchronousPerSecond: Math.round(synchronous),
    oneByOnePerSecond: Math.round(median(rates.oneByOne)),
    oneByOneRatio: ratio(median(rates.oneByOne)),
    oneByOneRefused: refused.oneByOne,
    inBatchesPerSecond: Math.round(median(rates.inBatches)),
    inBatchesRatio: ratio(median(rates.inBatches)),
    inBatchesRefused: refused.inBatches,
    ...Object.fromEntries(
      endpoint.flatMap(({ name, perSecond, p50Ms, p99Ms }) => [
        [`${name}PerSecond`, Math.round(median(perSecond))],
        [`${name}P50Ms`, Number(median(p50Ms).toFixed(1))],
        [`${name}P99Ms`, Number(median(p99Ms).toFixed(1))],
      ]),
    ),
    ...options,
  }
}

const inBatchesOf = (callbackBatch: number): SettingsInput => ({
  default: { callbackShuffle: 100, callbackBatch, callbackHoldMs: 100 },
})

/**
 * The Shop acknowledges this many requests and does not call back. Then the flow is switched to synchronous, other
 * items drain, and the callbacks come meanwhile.
 */
async function measureEndpoint(
  { callbacks, seconds, drain, batch }: CallbacksOptions,
  { connections, isBatch }: { connections: number; isBatch: boolean },
) {
  const rig = await startRig({ settings: { default: { noCallback: 100 } } })
  const { sql } = rig
  try {
    await setFlow(sql, 'asynchronous')
    await fillCatalogue(sql, callbacks + drain)
    await queueStock(sql, 1, callbacks)
    await sql`vacuum analyze`
    const worker = await rig.startWorker({
      FLOW_TTL_SECONDS: '0.2',
      TRUSTED_PROXIES: '127.0.0.1', // any other address may have 250 connections
    })
    await untilStatus(rig, 'got_acknowledgment', callbacks)
    const calls = await readCalls(rig)
    await changeFlow(rig)
    await queueStock(sql, callbacks + 1)
    await untilStatus(rig, 'synced', Math.ceil(drain / 50))

    const size = isBatch ? batch : 1
    const bodies = Array.from({ length: Math.ceil(calls.length / size) }, (_, k) =>
      JSON.stringify(isBatch ? calls.slice(k * size, (k + 1) * size) : calls[k]),
    )
    await beginStatements(sql)
    const { milliseconds, seconds: took } = await callBack(rig.callbackUrl, bodies, connections, seconds)
    const sent = Math.min(calls.length, milliseconds.length * size)
    const [left] = await sql<{ ready: number }[]>`
      select count(*)::int as ready from shop_update.item where lane = 'ready'`
    if (left!.ready === 0)
      throw new Error('The queue had drained while callbacks came: it takes a larger --drain, or fewer --seconds.')
    await untilStatus(rig, 'synced', sent + drain)
    await worker.stop()
    await printStatements(sql)
    await checkComplete(sql, sent + drain)
    return {
      perSecond: sent / took,
      p50Ms: percentile(milliseconds, 0.5),
      p99Ms: percentile(milliseconds, 0.99),
    }
  } finally {
    await rig.stop()
  }
}

/** A call to the endpoint for each acknowledged request. */
async function readCalls({ sql }: Rig): Promise<object[]> {
  const rows = await sql<{ id: string; product: object }[]>`
    select
      i.request_id::text as id,
      json_build_object(
        'seller_sku', p.seller_sku, 'sku', p.shop_sku, 'id', p.src_id, 'config_id', s.src_id,
        'updated_at', to_char(now() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
      ) as product
    from shop_update.item i
    join catalog.product p on p.id = i.product_id
    join catalog.product_set s on s.id = p.product_set_id
    where i.status = 'got_acknowledgment'`
  return rows.map(({ id, product }) => ({
    jsonrpc: '2.0',
    method: 'Callback.process',
    params: { result: [{ status: 'success', product }] },
    id,
  }))
}

/** Resolves once the worker sends in the synchronous flow. */
async function changeFlow({ sql }: Rig): Promise<void> {
  await setFlow(sql, 'synchronous')
  for (;;) {
    const [worker] = await sql<{ flow: string }[]>`select flow from shop_update.worker`
    if (worker!.flow === 'synchronous') return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/**
 * @param seconds after these no more requests begin
 * @throws if one is not accepted: refusals are answered faster
 */
async function callBack(url: string, bodies: string[], connections: number, seconds: number): Promise<Loaded> {
  const child = fork(join(import.meta.dirname, 'load.ts'))
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${CALLBACK_API_KEY}` }
  child.send({ url, headers, bodies, connections, seconds } satisfies Load)
  const loaded = await new Promise<Loaded>((resolve, reject) => {
    child.once('message', (message: Loaded) => {
      resolve(message)
      child.disconnect() // it ends
    })
    child.once('exit', () => reject(new Error('The load has ended without a figure.')))
  })
  if (loaded.failed !== null) throw new Error(`A callback was refused: ${loaded.failed.slice(0, 300)}`)
  return loaded
}
