import { afterAll, beforeAll, expect, it } from 'vitest'
import { answersOf, type Document } from '../openapi.ts'
import { addSet, holdItem, type Scene, startScene } from '../scene.ts'
import { ADMIN_API_KEY } from '../worker-process.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene({ env: { RETRY_UNIT_SECONDS: '3600' } })
})
afterAll(() => scene?.stop())

/** Causes trouble at the Shop, queues a price, and waits until the item has that status. */
async function troubled(troubles: object, status: 'delayed' | 'blocked'): Promise<string> {
  const { productIds } = await addSet(scene.sql)
  await scene.control('/troubles', { method: 'PUT', body: { default: troubles } })
  const itemId = await scene.enqueue('price', { product: productIds[0]! })
  await scene.untilStatus(itemId, status)
  await scene.control('/troubles', { method: 'PUT', body: {} })
  return itemId
}

it('every route answers as openapi.json says, and what is null may be null', async () => {
  const { body: document } = await scene.api<Document>('/openapi.json')
  const answers = answersOf(document)
  const ask = async (method: string, path: string, body?: unknown, expected = 200) => {
    const answer = await scene.api(path, { method, body })
    expect(`${method} ${path} ${answer.status}`).toBe(`${method} ${path} ${expected}`)
    answers.check(method, path, answer.status, answer.body)
    return answer.body
  }

  // a queue with one of each kind: not sent, sent and answered, failed, to be decided, about a product, about a set
  const { setId, productIds } = await addSet(scene.sql, { products: 2 })
  const synced = await scene.enqueue('price', { product: productIds[0]! })
  await scene.untilStatus(synced, 'synced')
  const delayed = await troubled({ http500: 100 }, 'delayed')
  const blocked = await troubled({ wrongId: 100 }, 'blocked')
  const stranger = await addSet(scene.sql, { inShop: false })
  const stranded = await scene.enqueue('images', { set: stranger.setId })
  await scene.untilStatus(stranded, 'blocked')

  await ask('GET', '/api/items')
  await ask('GET', `/api/items?set=${setId}`)
  for (const itemId of [synced, delayed, blocked, stranded]) await ask('GET', `/api/items/${itemId}`)
  await ask('GET', '/api/items/999999999', undefined, 404)
  await ask('GET', '/api/items?topic=colour', undefined, 400)
  await ask('GET', '/api/summary')
  await ask('GET', '/api/kpis')
  await ask('GET', '/api/charts')
  await ask('GET', '/api/charts?window=90d')
  await ask('GET', '/api/charts?window=1y', undefined, 400)
  await ask('POST', '/api/items', { topic: 'price', productId: productIds[1] }, 201)
  await ask('POST', '/api/items', { topic: 'price', productId: '999999999' }, 422)
  await ask('POST', '/api/requeue', { itemIds: [delayed, synced], include: ['delayed'], dryRun: true })
  await ask('POST', '/api/requeue', { itemIds: [delayed], include: ['delayed'] })
  // held before its creation is queued: sent meanwhile, its run would have ended before it is stopped
  const letGo = await holdItem(scene.sql, stranded)
  await ask('POST', '/api/creations', { productSetIds: [setId] })
  await ask('GET', '/api/search?q=linen')
  await ask('GET', '/api/feedback?limit=2')
  await ask('GET', '/api/feedback?limit=none', undefined, 400)
  await ask('GET', '/api/feedback?after=00000000-1', undefined, 410)
  await ask('GET', '/api/sellers/1')
  await ask('GET', '/api/sellers/999999999', undefined, 404)
  await ask('POST', '/api/search', { skus: ['LINEN-1'] })
  await ask('GET', `/api/products/${setId}`)
  await ask('GET', '/api/products/999999999', undefined, 404)
  await ask('GET', `/api/products/${setId}/differences?product=${productIds[0]}`)
  await ask('GET', `/api/products/${setId}/differences?product=999999999`, undefined, 404)
  await ask('GET', `/api/products/${setId}/differences`, undefined, 400)
  await ask('GET', `/api/products/${setId}/timeline?limit=2`)
  await ask('GET', `/api/products/${setId}/timeline?cursor=x`, undefined, 400)
  await ask('GET', '/api/products/999999999/timeline', undefined, 404)
  const run = (await ask('POST', '/api/runs', { kind: 'requeue', itemIds: [stranded], reason: 'tried' })) as {
    id: string
  }
  await ask('GET', `/api/runs/${run.id}`)
  await ask('POST', `/api/runs/${run.id}/stop`)
  await ask('POST', `/api/runs/${run.id}/stop`, undefined, 409)
  await letGo()
  await ask('POST', '/api/runs/preview', { kind: 'discard', itemIds: [blocked] })
  const send = { kind: 'send', topics: ['price'], productIds: [productIds[0], '999999999'] }
  await ask('POST', '/api/runs/preview', send)
  const sent = (await ask('POST', '/api/runs', send)) as { id: string }
  await ask('GET', `/api/runs/${sent.id}`)
  await ask('GET', '/api/runs')
  await ask('GET', '/api/runs/999999999', undefined, 404)
  await ask('POST', `/api/items/${blocked}/resolve`, { action: 'discard', reason: 'tried' })
  await ask('GET', `/api/items/${blocked}`)
  await ask('POST', `/api/items/${synced}/resolve`, { action: 'discard', reason: 'tried' }, 409)
  const until = new Date(Date.now() + 3_600_000).toISOString()
  const pause = (await ask('POST', '/api/pauses', { seller: 'Nile Textiles', until, reason: 'tried' })) as {
    id: string
  }
  await ask('POST', '/api/pauses', { until: '2020-01-01T00:00:00Z', reason: 'tried' }, 422)
  await ask('GET', '/api/pauses')
  await ask('GET', '/api/incidents')
  await ask('GET', '/api/counts?topic=price')
  await ask('GET', '/api/causes')
  await ask('GET', '/api/unanswered')
  await ask('GET', '/api/causes?tab=delayed&q=http')
  await ask('POST', `/api/pauses/${pause.id}/end`)
  await ask('POST', `/api/pauses/${pause.id}/end`, undefined, 409)
  await ask('GET', '/api/pauses')
  await ask('GET', '/api/flow')
  await ask('PUT', '/api/flow', { flow: 'synchronous' })
  await ask('GET', '/api/credentials/bob_callback_server')
  await ask('PUT', '/api/credentials/bob_callback_server', { rotateKey: true })

  // responses that are not JSON, or not JSON as a whole
  const get = (path: string, signal?: AbortSignal) =>
    fetch(`${scene.worker.internalUrl}${path}`, {
      headers: { authorization: `Bearer ${ADMIN_API_KEY}` },
      ...(signal && { signal }),
    })
  const bodyPath = `/api/items/${synced}/calls/${(await scene.untilStatus(synced, 'synced')).requestId}/response`
  const body = await get(bodyPath)
  answers.check('GET', bodyPath, body.status, await body.text())
  const download = await get('/api/items.csv')
  answers.check('GET', '/api/items.csv', download.status, await download.text())
  // on separate connections, so that no list waits for them
  expect(
    await scene.sql`
      select from pg_stat_activity
      where datname = current_database() and application_name = 'shop-update downloads'`,
  ).not.toHaveLength(0)
  const leave = new AbortController()
  const events = await get('/api/events', leave.signal)
  answers.check('GET', '/api/events', events.status, null)
  let told = ''
  for await (const part of events.body!.pipeThrough(new TextDecoderStream())) {
    told += part
    if (told.includes('\n\n')) break
  }
  leave.abort()
  answers.checkComponent('Summary', JSON.parse(/^data: (.*)$/m.exec(told)![1]!))

  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect([...answers.succeeded].sort()).toEqual(described.sort())
})

it('an answer that the document does not allow is noticed', () => {
  const answers = answersOf({
    paths: {
      '/x/{id}': {
        get: {
          responses: { 200: { content: { 'application/json': { schema: { $ref: '#/components/schemas/X' } } } } },
        },
      },
    },
    components: { schemas: { X: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] } } },
  })
  answers.check('GET', '/x/1', 200, { a: '' })
  expect(() => answers.check('GET', '/x/1', 200, { a: null })).toThrow('expected string, received null')
  expect(() => answers.check('GET', '/x/1', 200, {})).toThrow('expected string, received undefined')
  expect(() => answers.check('GET', '/x/1', 200, { a: '', b: 1 })).toThrow('Unrecognized key: "b"')
  expect(() => answers.check('GET', '/x/1', 418, {})).toThrow('answered 418')
})
