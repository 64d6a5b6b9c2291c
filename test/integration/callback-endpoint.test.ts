import { request } from 'node:http'
import { connect as connectSocket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { type ServerType, serve } from '@hono/node-server'
import type { Logger } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Cluster, startPostgres } from '../../demo/postgres.ts'
import { keyHash } from '../../worker/api/callback-keys.ts'
import { createPublicApi, type PublicApiOptions } from '../../worker/api/public.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { createTallies } from '../../worker/telemetry/tallies.ts'
import { createTelemetry } from '../../worker/telemetry/telemetry.ts'
import { openGate } from '../gate.ts'

const KEY = 'the-first-key-of-the-shop'
const OTHER_KEY = 'the-second-key-of-the-shop'
const ROWS = [{ status: 'success', product: { seller_sku: 'TEE', sku: 'AC123APP-9001', id: '9001', config_id: '700' } }]
const SUCCESS = { status: 'success' }
const UNAUTHORIZED = { code: -32001, message: 'Could not authorize request' }
const MALFORMED = { code: 502, message: 'Invalid Json RPC format' }

let cluster: Cluster
let sql: Sql
const open: { close(): Promise<void> }[] = []

beforeAll(async () => {
  cluster = await startPostgres()
  sql = connect(cluster.url('postgres'), { max: 4, name: 'test' })
  await migrate(sql)
  await sql`select shop_update.partition_days(2, 93)`
})

afterAll(async () => {
  await Promise.all(open.map((each) => each.close()))
  await sql.end({ timeout: 5 })
  await cluster.stop()
})

beforeEach(() => credential(['127.0.0.1', '192.0.2.0/24', '2001:db8::/32'], [KEY, OTHER_KEY]))

const credential = (allowedIps: string[], keys: string[]) => sql`
  update shop_update.system_credential set allowed_ips = ${allowedIps}::text[],
    key_hashes = array(select decode(x, 'hex')
      from unnest(${keys.map((key) => keyHash(key).toString('hex'))}::text[]) x)
  where name = 'bob_callback_server'`

interface Listener {
  url: string
  /** Everything logged, as one text. */
  logged: () => string
  outcomes: string[]
  pokes: () => number
}

/** Its own public listener on a free port, with a fresh count of failed attempts and no cached credential. */
async function listen(options: Partial<PublicApiOptions> = {}): Promise<Listener> {
  const lines: unknown[] = []
  const outcomes: string[] = []
  let pokes = 0
  const line = (fields: object, message: string) => void lines.push([message, fields])
  const app = createPublicApi({
    sql,
    config: { TRUSTED_PROXIES: ['127.0.0.1'] },
    log: { warn: line, error: line },
    onCallback: () => void pokes++,
    onOutcome: (outcome) => void outcomes.push(outcome),
    telemetry: createTelemetry({ tallies: createTallies(false), span: null, line: null }, {
      isLevelEnabled: () => true,
      info: line,
      warn: line,
      error: line,
    } as unknown as Logger),
    ready: async () => true,
    ...options,
  })
  const { server, port } = await new Promise<{ server: ServerType; port: number }>((resolve) => {
    const started: ServerType = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, (info) =>
      resolve({ server: started, port: info.port }),
    )
  })
  open.push({ close: () => new Promise((closed) => void server.close(() => closed())) })
  return { url: `http://127.0.0.1:${port}`, logged: () => JSON.stringify(lines), outcomes, pokes: () => pokes }
}

const auth = (apiKey: unknown = KEY) => ({ jsonrpc: '2.0', method: 'auth', params: { apiKey } })
const call = (id: unknown, result: unknown = ROWS) => ({
  jsonrpc: '2.0',
  method: 'Callback.process',
  params: { result },
  id,
})
const answered = (id: unknown) => ({ jsonrpc: '2.0', result: SUCCESS, id })
const refused = (id: unknown, error: object) => ({ jsonrpc: '2.0', error, id })

/** @param body text is sent unchanged */
async function post({ url }: Listener, body: unknown, headers: Record<string, string> = {}, path = '/shop-update/') {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const response = await fetch(url + path, {
    method: 'POST',
    body: text,
    headers: { 'content-type': 'application/json', ...headers },
  })
  const answer = await response.text()
  return { status: response.status, body: answer === '' ? null : JSON.parse(answer), headers: response.headers }
}

/** Sends the beginning of a request, and resolves with the complete answer once the listener has hung up. */
async function begin({ url }: Listener, head: string, body = ''): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connectSocket(Number(port), hostname)
  socket.write(`POST /shop-update/ HTTP/1.1\r\nhost: x\r\n${head}\r\n\r\n${body}`)
  return (await socket.setEncoding('utf8').toArray()).join('')
}

async function get({ url }: Listener, path: string, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, { headers })
  return { status: response.status, body: await response.json() }
}

let made = 0
/** An item that waits for the Shop's callback or has left the queue, and its requests, oldest first. */
async function itemWithRequests(requests = 1, finished = false): Promise<{ itemId: string; ids: string[] }> {
  const product = ++made
  const [item] = await sql<{ id: string }[]>`
    insert into shop_update.item (seller_id, product_set_id, product_id,
      queued_at, entered_at, status_at, run_at, topic, status, lane, flow, fresh)
    values (1, ${product}::bigint, ${product}::bigint, now(), now(), now(),
      now(), 'stock', 'got_acknowledgment', 'awaiting', 'asynchronous', false)
    returning id`
  const itemId = item!.id
  const rows = await sql<{ id: string }[]>`
    insert into shop_update.request (request_id, item_id, sent_at, flow, body)
    select nextval('shop_update.request_id'), ${itemId}::bigint, now() - n * interval '1 minute', 'asynchronous', '{}'
    from generate_series(${requests}::int, 1, -1) n returning request_id as id`
  if (finished) await finish(itemId)
  return { itemId, ids: rows.map(({ id }) => id) }
}

const finish = (itemId: string) => sql`
  with gone as (delete from shop_update.item where id = ${itemId}::bigint returning *)
  insert into shop_update.finished_item (id, seller_id, product_set_id,
    product_id, queued_at, finished_at, sends, failures, coalesced, topic, status)
  select id, seller_id, product_set_id, product_id, queued_at,
    now(), sends, failures, coalesced, topic, 'synced' from gone`

interface Recorded {
  outcome: string
  itemId: string | null
  remote: string | null
  body: string
  waits: boolean
}

const recorded = (requestId: string) => sql<Recorded[]>`
  select outcome, item_id as "itemId", host(remote) as remote, body, applied_at is null as waits
  from shop_update.callback where request_id = ${requestId}::text order by id`

const outcomesOf = async (requestId: string) => (await recorded(requestId)).map(({ outcome }) => outcome)

describe('a callback', () => {
  it('is recorded, then answered with success', async () => {
    const listener = await listen()
    const { itemId, ids } = await itemWithRequests()
    const { status, body } = await post(listener, [auth(), call(ids[0])], {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    })
    expect({ status, body }).toEqual({ status: 200, body: [answered(ids[0])] })
    expect(await recorded(ids[0]!)).toEqual([
      { outcome: 'accepted', itemId, remote: '127.0.0.1', body: JSON.stringify(ROWS), waits: true },
    ])
    expect(listener.outcomes).toEqual(['accepted'])
    expect(listener.pokes()).toBe(1)
    expect(listener.logged()).toContain(`Callback.process ${ids[0]} [{`)
  })

  it('is recorded while Seller Center has its catalogue locked', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    await sql.begin(async (tx) => {
      await tx`lock table catalog.product, catalog.product_set in access exclusive mode`
      expect((await post(listener, [auth(), call(ids[0])])).body).toEqual([answered(ids[0])])
    })
  })

  it('is taken without the trailing slash, alone, with a key in a header, and with a number for an id', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const id = Number(ids[0])
    const { body } = await post(listener, call(id), { 'x-api-key': KEY }, '/shop-update')
    expect(body).toEqual(answered(id))
    expect(await outcomesOf(ids[0]!)).toEqual(['accepted'])
    expect((await post(listener, call(ids[0]), { authorization: `Bearer ${OTHER_KEY}` })).body).toEqual(
      answered(ids[0]),
    )
    expect(await outcomesOf(ids[0]!)).toEqual(['accepted', 'duplicate'])
  })

  it('is told to every worker by a notification, once for all that share a commit', async () => {
    const listener = await listen()
    const told: string[] = []
    const { unlisten } = await sql.listen('shop_update_callback', (payload) => void told.push(payload))
    const items = await Promise.all([itemWithRequests(), itemWithRequests(), itemWithRequests()])
    await post(listener, [auth(), ...items.map(({ ids }) => call(ids[0]))])
    await expect.poll(() => told).toEqual([''])
    await post(listener, [auth(), call(items[0].ids[0]), call('1')])
    await sql`select pg_notify('shop_update_callback', 'the end')`
    await expect.poll(() => told).toEqual(['', 'the end']) // it contained nothing new
    await unlisten()
  })

  it('that is repeated changes nothing, in any order of its members; another result is another callback', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const answers = [
      await post(listener, [auth(), call(ids[0], [{ status: 'success', product: { id: '1', sku: 'A' } }])]),
      await post(listener, [auth(), call(ids[0], [{ product: { sku: 'A', id: '1' }, status: 'success' }])]),
      await post(listener, [auth(), call(ids[0], [{ status: 'failure', error: { message: 'no' } }])]),
      await post(listener, [auth(), call(ids[0], [{ status: 'failure', error: { message: 'no' } }])]),
    ]
    for (const { body } of answers) expect(body).toEqual([answered(ids[0])])
    const rows = await recorded(ids[0]!)
    expect(rows.map(({ outcome }) => outcome)).toEqual(['accepted', 'duplicate', 'accepted', 'duplicate'])
    expect(rows.map(({ waits }) => waits)).toEqual([true, false, true, false])
    expect(listener.outcomes).toEqual(['accepted', 'duplicate', 'accepted', 'duplicate'])
  })

  it('for an older attempt is accepted', async () => {
    const listener = await listen()
    const { itemId, ids } = await itemWithRequests(3)
    expect((await post(listener, [auth(), call(ids[0])])).body).toEqual([answered(ids[0])])
    expect(await recorded(ids[0]!)).toMatchObject([{ outcome: 'accepted', itemId, waits: true }])
  })

  it.each(['made_request in_flight', 'delayed delayed', 'failed delayed', 'blocked blocked', 'pending ready'])(
    'for an item that is %s is accepted',
    async (where) => {
      const listener = await listen()
      const { itemId, ids } = await itemWithRequests()
      const [status, lane] = where.split(' ') as [string, string]
      await sql`
        update shop_update.item set status = ${status}::shop_update.status, lane = ${lane}::shop_update.lane
        where id = ${itemId}::bigint`
      expect((await post(listener, [auth(), call(ids[0])])).body).toEqual([answered(ids[0])])
      expect(await outcomesOf(ids[0]!)).toEqual(['accepted'])
    },
  )

  it('after its item has left the queue is recorded as late, and answered with success', async () => {
    const listener = await listen()
    const { itemId, ids } = await itemWithRequests(2, true)
    expect((await post(listener, [auth(), call(ids[1])])).body).toEqual([answered(ids[1])])
    expect(await recorded(ids[1]!)).toMatchObject([{ outcome: 'late', itemId, waits: false }])
    expect(listener.pokes()).toBe(0)
    await post(listener, [auth(), call(ids[1])])
    expect(await outcomesOf(ids[1]!)).toEqual(['late', 'duplicate'])
  })

  it.each([
    ['of no request', '99999999999'],
    ['that is no number', 'order-7'],
    ['with zeros before it', (id: string) => `0${id}`],
    ['with space around it', (id: string) => ` ${id}`],
    ['of 19 digits', '9999999999999999999'],
    ['that is negative', '-5'],
    ['that is empty', ''],
    ['that is SQL', "1'; drop table shop_update.callback; --"],
  ])('with an id %s is recorded, and answered with an error', async (_, unknown) => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const id = typeof unknown === 'string' ? unknown : unknown(ids[0]!)
    const { status, body } = await post(listener, [auth(), call(id)])
    expect({ status, body }).toEqual({
      status: 200,
      body: [refused(id, { code: -32602, message: 'Unknown request id' })],
    })
    expect((await recorded(id)).at(-1)).toEqual({
      outcome: 'unknown',
      itemId: null,
      remote: '127.0.0.1',
      body: JSON.stringify(ROWS),
      waits: false,
    })
    expect(await outcomesOf(ids[0]!)).toEqual([])
    expect(listener.outcomes).toEqual(['unknown'])
  })

  it('with an id that was unknown is accepted once a request has it', async () => {
    const listener = await listen()
    const { itemId } = await itemWithRequests()
    await post(listener, [auth(), call('777000777')])
    await sql`
      insert into shop_update.request (request_id, item_id, sent_at, flow, body)
      values (777000777, ${itemId}::bigint, now(), 'asynchronous', '{}')`
    expect((await post(listener, [auth(), call('777000777')])).body).toEqual([answered('777000777')])
    expect(await outcomesOf('777000777')).toEqual(['unknown', 'accepted'])
  })

  it('with an id that is a huge number keeps its digits; one of a million characters does no harm', async () => {
    const listener = await listen()
    const huge = await post(
      listener,
      `[${JSON.stringify(auth())},
        {"jsonrpc":"2.0","method":"Callback.process","params":{"result":[]},"id":12345678901234567891}]`,
    )
    expect(huge.body).toEqual([refused('12345678901234567891', { code: -32602, message: 'Unknown request id' })])
    expect(await outcomesOf('12345678901234567891')).toEqual(['unknown'])
    const long = '7'.repeat(1_000_000)
    const { body } = await post(listener, [auth(), call(long, [])])
    expect(body).toEqual([refused(long, { code: -32602, message: 'Unknown request id' })])
    expect(await outcomesOf('7'.repeat(255))).toEqual(['unknown'])
  })

  it('with NUL characters and halves of characters is stored', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const result =
      '[{"status":"failure","error":{"message":"a\\u0000b\\ud800c","code":0},"\\u0000":1,"__proto__":{"x":1}}]'
    const { body } = await post(
      listener,
      `[${JSON.stringify(auth())},
        {"jsonrpc":"2.0","method":"Callback.process","params":{"result":${result}},"id":"${ids[0]}"},
        {"jsonrpc":"2.0","method":"Callback.process","params":{"result":[]},"id":"\\u0000\\udc00"}]`,
    )
    expect(body).toMatchObject([{ result: SUCCESS }, { error: { code: -32602 } }])
    const [row] = await recorded(ids[0]!)
    expect(JSON.parse(row!.body)).toEqual(JSON.parse(result))
    expect(await outcomesOf('\ufffd\ufffd')).toEqual(['unknown'])
  })

  it('of two megabytes is stored, and read back as it was', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const result = [{ status: 'failure', error: { message: '"\\{},é'.repeat(150_000), code: 0 } }]
    expect((await post(listener, [auth(), call(ids[0], result)])).body).toEqual([answered(ids[0])])
    expect(JSON.parse((await recorded(ids[0]!))[0]!.body)).toEqual(result)
  })
})

describe('fifty of the same callback at once', () => {
  const verdict = { accepted: 1, duplicate: 49 }
  const counted = (outcomes: string[]) =>
    Object.fromEntries([...new Set(outcomes)].sort().map((each) => [each, outcomes.filter((o) => o === each).length]))

  it('are one accepted and 49 duplicates on one listener', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const answers = await Promise.all(Array.from({ length: 50 }, () => post(listener, [auth(), call(ids[0])])))
    for (const { body } of answers) expect(body).toEqual([answered(ids[0])])
    expect(counted(await outcomesOf(ids[0]!))).toEqual(verdict)
    expect(counted(listener.outcomes)).toEqual(verdict)
  })

  it('are one accepted and 49 duplicates in one batch', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const { body } = await post(listener, [auth(), ...Array.from({ length: 50 }, () => call(ids[0]))])
    expect(body).toEqual(Array.from({ length: 50 }, () => answered(ids[0])))
    expect(counted(await outcomesOf(ids[0]!))).toEqual(verdict)
  })

  it('are one accepted and 49 duplicates on ten listeners with a connection each, whatever their order', async () => {
    const pools = Array.from({ length: 10 }, () => connect(cluster.url('postgres'), { max: 1, name: 'test of ten' }))
    const listeners = await Promise.all(pools.map((pool) => listen({ sql: pool })))
    for (let round = 0; round < 10; round++) {
      const items = await Promise.all(Array.from({ length: 8 }, () => itemWithRequests()))
      const calls = items.map(({ ids }) => call(ids[0]))
      const bodies = Array.from({ length: 50 }, (_, n) => [auth(), ...(n % 2 ? calls : calls.toReversed())])
      const answers = await Promise.all(bodies.map((body, n) => post(listeners[n % 10]!, body)))
      for (const { status } of answers) expect(status).toBe(200)
      for (const { ids } of items) expect(counted(await outcomesOf(ids[0]!))).toEqual(verdict)
    }
    await Promise.all(pools.map((pool) => pool.end()))
  })

  it('share statements', async () => {
    const pool = connect(cluster.url('postgres'), { max: 1, name: 'test of one' })
    const listener = await listen({ sql: pool })
    const items = await Promise.all(Array.from({ length: 50 }, () => itemWithRequests()))
    const inserts = async () =>
      Number((await sql<{ n: string }[]>`select count(distinct xmin::text) as n from shop_update.callback`)[0]!.n)
    const before = await inserts()
    await Promise.all(items.map(({ ids }) => post(listener, [auth(), call(ids[0])])))
    expect((await inserts()) - before).toBeLessThan(25)
    await pool.end()
  })
})

describe('a batch', () => {
  it('gets an answer for each call, by its order', async () => {
    const listener = await listen()
    const [live, late, old] = await Promise.all([itemWithRequests(), itemWithRequests(1, true), itemWithRequests(2)])
    const { status, body } = await post(listener, [
      auth(),
      call(live.ids[0]),
      call(live.ids[0]),
      call(late.ids[0]),
      call('31'),
      { jsonrpc: '2.0', method: 'Callback.vanish', id: 'x' },
      { jsonrpc: '2.0', method: 'Callback.vanish' },
      call(old.ids[0], undefined),
      { jsonrpc: '2.0', method: 'Callback.process', id: old.ids[0] },
      17,
      { api: 1, method: 'Callback.process', id: 'y' },
    ])
    expect(status).toBe(200)
    expect(body).toMatchObject([
      answered(live.ids[0]),
      answered(live.ids[0]),
      answered(late.ids[0]),
      { error: { code: -32602, message: 'Unknown request id' }, id: '31' },
      { error: { code: -32601 }, id: 'x' },
      answered(old.ids[0]),
      { error: { code: -32602 }, id: old.ids[0] },
      { error: MALFORMED, id: null },
      { error: MALFORMED, id: 'y' },
    ])
    expect(listener.outcomes.toSorted()).toEqual([
      'accepted',
      'accepted',
      'duplicate',
      'late',
      ...Array(5).fill('malformed'),
      'unknown',
    ])
  })

  it.each([
    ['no params', { jsonrpc: '2.0', method: 'Callback.process' }],
    ['params in a list', { jsonrpc: '2.0', method: 'Callback.process', params: [ROWS] }],
    ['no result', { jsonrpc: '2.0', method: 'Callback.process', params: {} }],
    ['null for a result', { jsonrpc: '2.0', method: 'Callback.process', params: { result: null } }],
    ['text for a result', { jsonrpc: '2.0', method: 'Callback.process', params: { result: 'success' } }],
  ])('refuses a callback with %s', async (_, malformed) => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    expect((await post(listener, [auth(), { ...malformed, id: ids[0] }])).body).toMatchObject([
      { error: { code: -32602 }, id: ids[0] },
    ])
    expect(await outcomesOf(ids[0]!)).toEqual([])
    expect(listener.outcomes).toEqual(['malformed'])
  })

  it.each([
    ['no id', undefined],
    ['null for an id', null],
    ['true for an id', true],
    ['a list for an id', ['1']],
  ])('refuses a callback with %s: nobody could find it again, and no answer could pass for success', async (_, id) => {
    const listener = await listen()
    expect((await post(listener, [auth(), call(id)])).body).toMatchObject([{ error: { code: -32602 }, id: null }])
  })

  it('takes the object that answers for images', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const result = { productSetSrcId: 33295, images: [{ uri: '/p/1.jpg', hash: 'a', srcId: 123 }] }
    expect((await post(listener, [auth(), call(ids[0], result)])).body).toEqual([answered(ids[0])])
  })

  it('of notifications alone is answered with nothing, whether the key was right or wrong', async () => {
    const listener = await listen()
    for (const body of [auth(), [auth()], [auth('wrong')], auth('wrong')]) {
      expect(await post(listener, body)).toMatchObject({ status: 204, body: null })
    }
  })

  it('may hold a hundred calls beside one auth, and not one more', async () => {
    const listener = await listen()
    const calls = Array.from({ length: 100 }, (_, n) => call(String(n + 1)))
    expect((await post(listener, [auth(), ...calls])).body).toHaveLength(100)
    for (const batch of [
      [auth(), ...calls, call('101')],
      [auth(), auth(), ...calls.slice(1), call('101')],
    ]) {
      const { status, body } = await post(listener, batch)
      expect(status).toBe(200)
      expect(body).toMatchObject(refused(null, MALFORMED))
    }
    expect(await outcomesOf('101')).toEqual([])
  })
})

describe('what is no JSON-RPC', () => {
  it.each([
    ['nothing', ''],
    ['no JSON', 'hello'],
    ['JSON cut off', '[{"jsonrpc":"2.0"'],
    ['an empty batch', '[]'],
    ['a number', '17'],
    ['a string', '"auth"'],
    ['null', 'null'],
    ['an empty object', '{}'],
    ['a call to the Shop', '{"api":1,"method":"Callback.process","params":{"result":[]}}'],
    ['an older JSON-RPC', '{"jsonrpc":"1.0","method":"Callback.process","params":{"result":[]}}'],
    ['no method', '{"jsonrpc":"2.0","params":{"result":[]}}'],
    ['an answer', '{"jsonrpc":"2.0","result":{"status":"success"}}'],
    ['a form', 'jsonrpc=2.0&method=auth'],
    ['lists nested a million deep', '['.repeat(1_000_000) + ']'.repeat(1_000_000)],
    ['objects nested deep, and not closed', '{"a":'.repeat(300_000)],
  ])('%s: gets code 502', async (_, text) => {
    const listener = await listen()
    const { status, body } = await post(listener, text, { 'x-api-key': KEY })
    expect(status).toBe(200)
    expect(Array.isArray(body) ? body : [body]).toEqual([refused(null, MALFORMED)])
    expect(listener.outcomes).toEqual(['malformed'])
  })

  it.each([
    ['lists', `${'['.repeat(500_000)}${']'.repeat(500_000)}`],
    ['objects', `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`],
    ['lists of huge numbers', `${'['.repeat(500_000)}12345678901234567891${']'.repeat(500_000)}`],
  ])('%s nested deep in a result crash nothing', async (_, nested) => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const { status, body } = await post(
      listener,
      `{"jsonrpc":"2.0","method":"Callback.process","params":{"result":${nested}},"id":"${ids[0]}"}`,
      { 'x-api-key': KEY },
    )
    expect(status).toBe(200)
    expect([-32602, 502]).toContain(body.error.code)
    expect(await outcomesOf(ids[0]!)).toEqual([])
    expect((await post(listener, [auth(), call(ids[0])])).body).toEqual([answered(ids[0])])
  })

  it('a body of more than 2 MiB gets 413, with its length told and without', async () => {
    const listener = await listen()
    const large = JSON.stringify([auth(), call('1', [{ x: 'x'.repeat(2 * 1024 * 1024) }])])
    const told = await post(listener, large)
    expect({ status: told.status, body: told.body }).toMatchObject({
      status: 413,
      body: { error: { code: -32000 }, id: null },
    })
    const stream = new ReadableStream({
      start(controller) {
        for (let at = 0; at < large.length; at += 65_536)
          controller.enqueue(new TextEncoder().encode(large.slice(at, at + 65_536)))
        controller.close()
      },
    })
    const untold = await fetch(`${listener.url}/shop-update/`, { method: 'POST', body: stream, duplex: 'half' })
    expect(untold.status).toBe(413)
    expect((await post(listener, [auth(), call('1')])).status).toBe(200)
  })
})

describe('auth', () => {
  it('must come before the calls it is for', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests(2)
    const { body } = await post(listener, [call(ids[0]), auth(), call(ids[1])])
    expect(body).toEqual([refused(ids[0], UNAUTHORIZED), answered(ids[1])])
    expect(await outcomesOf(ids[0]!)).toEqual([])
    expect(listener.outcomes).toEqual(['unauthorized', 'accepted'])
  })

  it.each([
    ['none', []],
    ['a wrong one', [auth('wrong')]],
    ['an empty one', [auth('')]],
    ['one that is no text', [auth(12345)]],
    ['one in a list', [auth([KEY])]],
    ['the hash of a right one', [auth(keyHash(KEY).toString('hex'))]],
    ['no params', [{ jsonrpc: '2.0', method: 'auth' }]],
    ['params in a list', [{ jsonrpc: '2.0', method: 'auth', params: [KEY] }]],
    ['a wrong one after the right one', [auth(), auth('wrong')]],
    ['the right one after a wrong one', [auth('wrong'), auth()]],
  ])('with %s: each call is refused, known or not, and nothing recorded', async (_, first) => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const { status, body } = await post(listener, [
      ...first,
      call(ids[0]),
      call('no-such-id'),
      { jsonrpc: '2.0', method: 'x', id: 3 },
      call(undefined),
    ])
    expect(status).toBe(200)
    expect(body).toEqual([ids[0], 'no-such-id', 3, null].map((id) => refused(id, UNAUTHORIZED)))
    expect(await outcomesOf(ids[0]!)).toEqual([])
    expect(listener.outcomes).toEqual(Array(4).fill('unauthorized'))
  })

  it('is right with either of two keys while the Shop changes over', async () => {
    const listener = await listen()
    for (const key of [KEY, OTHER_KEY]) {
      const { ids } = await itemWithRequests()
      expect((await post(listener, [auth(key), call(ids[0])])).body).toEqual([answered(ids[0])])
    }
  })

  it('is answered where it has an id', async () => {
    const listener = await listen()
    expect((await post(listener, { ...auth(), id: 1 })).body).toEqual(answered(1))
    expect((await post(listener, { ...auth('wrong'), id: 1 })).body).toEqual(refused(1, UNAUTHORIZED))
  })

  it('counts though a header for others holds another key; a wrong auth call, though the header is right', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    expect((await post(listener, [auth('wrong'), call(ids[0])], { 'x-api-key': KEY })).body).toEqual([
      refused(ids[0], UNAUTHORIZED),
    ])
    expect((await post(listener, [auth(), call(ids[0])], { authorization: 'Bearer of-a-gateway' })).body).toEqual([
      answered(ids[0]),
    ])
  })

  // The machine may be busy: the test is about whether it follows, not about the last tenth of a second.
  const WITHIN_TWO_SECONDS = { timeout: 6_000, interval: 100 }
  it('follows the admin within two seconds', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const answer = async (key: string) => (await post(listener, [auth(key), call(ids[0])])).body
    expect(await answer(KEY)).toEqual([answered(ids[0])])
    await credential(['127.0.0.1'], ['a-new-key-of-the-shop'])
    await expect.poll(() => answer(KEY), WITHIN_TWO_SECONDS).toEqual([refused(ids[0], UNAUTHORIZED)])
    expect(await answer('a-new-key-of-the-shop')).toEqual([answered(ids[0])])
    await credential([], ['a-new-key-of-the-shop'])
    await expect
      .poll(() => answer('a-new-key-of-the-shop'), WITHIN_TWO_SECONDS)
      .toEqual([refused(ids[0], UNAUTHORIZED)])
  })

  it('leaves no key in a log or a row', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    await post(listener, [auth(), call(ids[0]), auth('a-wrong-secret'), call(ids[0])], {
      'x-api-key': OTHER_KEY,
      cookie: 'session=secret',
    })
    await post(listener, call(ids[0]), { authorization: 'Bearer a-wrong-secret' })
    const [row] = await sql<{ text: string }[]>`select string_agg(c::text, '') as text from shop_update.callback c`
    for (const text of [listener.logged(), row!.text]) {
      for (const secret of [KEY, OTHER_KEY, 'secret']) expect(text).not.toContain(secret)
    }
    expect(listener.logged()).toContain('Could not authorize')
  })
})

describe('when a key was used last', () => {
  const uses = async () =>
    Object.fromEntries(
      (
        await sql<
          { hash: string; at: Date | null }[]
        >`select encode(hash, 'hex') as hash, last_used_at as at from shop_update.callback_key`
      ).map(({ hash, at }) => [hash, at]),
    )
  const of = (key: string) => keyHash(key).toString('hex')

  it('is noted, of the key that was right and from where it may come', async () => {
    await credential(['192.0.2.0/24'], [])
    await credential(['192.0.2.0/24'], [KEY, OTHER_KEY])
    const listener = await listen()
    await post(listener, [auth(OTHER_KEY), call('1')], { 'x-forwarded-for': '203.0.113.1' })
    await post(listener, [auth('wrong'), call('1')], { 'x-forwarded-for': '192.0.2.1' })
    await post(listener, [auth(), call('1')], { 'x-forwarded-for': '192.0.2.1' })
    await expect.poll(async () => (await uses())[of(KEY)]).toBeInstanceOf(Date)
    expect((await uses())[of(OTHER_KEY)]).toBeNull()
    await get(listener, '/shop-update/1', { 'x-api-key': OTHER_KEY, 'x-forwarded-for': '192.0.2.1' })
    await expect.poll(async () => (await uses())[of(OTHER_KEY)]).toBeInstanceOf(Date)
  })

  it('is written once a minute at most, and holds no callback up', async () => {
    await credential(['127.0.0.1'], [])
    await credential(['127.0.0.1'], [KEY])
    const pool = connect(cluster.url('postgres'), { max: 1, name: 'test of uses' })
    const listener = await listen({ sql: pool })
    await sql.begin(async (tx) => {
      await tx`select from shop_update.callback_key for update`
      // its only connection is free for the callback: a locked row is not waited for
      expect((await post(listener, [auth(), call('1')])).status).toBe(200)
    })
    expect((await uses())[of(KEY)]).toBeNull()
    expect((await post(listener, [auth(), call('1')])).status).toBe(200)
    await pool.end() // whatever had to be written has been written
    expect((await uses())[of(KEY)]).toBeNull()
  })
})

describe('the white list', () => {
  const from = async (listener: Listener, client: string) => {
    const { ids } = await itemWithRequests()
    const { status, body } = await post(listener, [auth(), call(ids[0])], { 'x-forwarded-for': client })
    expect(status).toBe(200)
    const isIn = body[0].error === undefined
    expect(body).toEqual([isIn ? answered(ids[0]) : refused(ids[0], UNAUTHORIZED)])
    expect(await recorded(ids[0]!)).toHaveLength(isIn ? 1 : 0)
    return isIn ? (await recorded(ids[0]!))[0]!.remote : null
  }

  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['2001:DB8:0::7', '2001:db8::7'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['192.0.3.7', null],
    ['192.0.2.07', '127.0.0.1'], // ambiguous: the proxy itself counts
    ['2001:db9::7', null],
    ['::1', null],
  ])('with 127.0.0.1, 192.0.2.0/24 and 2001:db8::/32: %s calls as %s', async (client, remote) => {
    expect(await from(await listen(), client)).toBe(remote)
  })

  it.each(['::ffff:7f00:1', '::ffff:127.0.0.1', '127.0.0.0/8', '::ffff:127.0.0.0/104'])(
    'lets 127.0.0.1 in by %s',
    async (entry) => {
      await credential([entry], [KEY])
      const listener = await listen({ config: { TRUSTED_PROXIES: [] } })
      expect((await post(listener, [auth(), call('1')])).body).toMatchObject([{ error: { code: -32602 } }])
    },
  )

  it.each([[[]], [['::1']], [['127.0.0.01']], [['not an address']], [['0.0.0.0/0/0']]])(
    'does not let 127.0.0.1 in by %j',
    async (entries) => {
      await credential(entries, [KEY])
      const listener = await listen({ config: { TRUSTED_PROXIES: [] } })
      expect((await post(listener, [auth(), call('1')])).body).toEqual([refused('1', UNAUTHORIZED)])
    },
  )

  it('gives a client that is not on it the very answer of a wrong key', async () => {
    const listener = await listen()
    const stranger = await post(listener, [auth(), call('1')], { 'x-forwarded-for': '203.0.113.1' })
    const wrongKey = await post(listener, [auth('wrong'), call('1')], { 'x-forwarded-for': '192.0.2.1' })
    expect([stranger.status, stranger.body]).toEqual([wrongKey.status, wrongKey.body])
    expect([...stranger.headers.keys()]).toEqual([...wrongKey.headers.keys()])
    expect(await get(listener, '/shop-update/1', { 'x-api-key': KEY, 'x-forwarded-for': '203.0.113.1' })).toEqual(
      await get(listener, '/shop-update/1', { 'x-api-key': 'wrong', 'x-forwarded-for': '192.0.2.1' }),
    )
  })

  it('cannot be passed by a forged X-Forwarded-For, in one header or in several', async () => {
    const listener = await listen()
    expect(await from(listener, '192.0.2.7, 203.0.113.1')).toBeNull()
    expect(await from(listener, '192.0.2.7,203.0.113.1,127.0.0.1')).toBeNull()
    const body = JSON.stringify([auth(), call('1')])
    const send = (forwarded: string[]) =>
      new Promise<string>((resolve, reject) => {
        const sent = request(
          `${listener.url}/shop-update/`,
          { method: 'POST', headers: { 'x-forwarded-for': forwarded } },
          async (response) => {
            resolve((await response.toArray()).join(''))
          },
        )
        sent.once('error', reject)
        sent.end(body)
      })
    expect(await send(['192.0.2.7', '203.0.113.1'])).toContain('-32001')
    expect(await send(['203.0.113.1', '192.0.2.7'])).toContain('-32602')
    const untrusting = await listen({ config: { TRUSTED_PROXIES: [] } })
    await credential(['192.0.2.7'], [KEY])
    expect(await from(untrusting, '192.0.2.7')).toBeNull()
  })
})

describe('before there is an address and a key', () => {
  const MIB = 1024 * 1024
  const refusal = JSON.stringify(refused(null, UNAUTHORIZED))

  it('nothing is read of a large body from an address that is on no list', async () => {
    const listener = await listen()
    const answer = await begin(listener, `x-forwarded-for: 203.0.113.1\r\nx-api-key: ${KEY}\r\ncontent-length: ${MIB}`)
    expect(answer).toMatch(/^HTTP\/1.1 200 OK/)
    expect(answer).toContain(refusal)
    expect(listener.outcomes).toEqual(['unauthorized'])
  })

  it.each([
    ['without a key', ''],
    ['with a wrong key first', JSON.stringify(auth('wrong')).slice(0, -1)],
    ['with the right key, but not first', `${JSON.stringify(call('1'))},${JSON.stringify(auth())},`],
    ['with the right key after more than 4 KiB', `${' '.repeat(4096)}${JSON.stringify(auth())},`],
    ['that is no JSON', '}'.repeat(4097)],
    ['that begins with a text of 4 KiB', `"${'x'.repeat(4096)}`],
  ])('no more than 4 KiB are read of one %s', async (_, start) => {
    const listener = await listen()
    const body = `[${start}`.padEnd(4097, ' ')
    expect(await begin(listener, `content-length: ${MIB}`, body)).toContain(refusal)
    expect(await begin(listener, 'transfer-encoding: chunked', `${body.length.toString(16)}\r\n${body}\r\n`)).toContain(
      refusal,
    )
    expect(listener.outcomes).toEqual(['unauthorized', 'unauthorized'])
  })

  it.each([
    ['an auth call that leads', `  [ ${JSON.stringify({ ...auth(), x: '{"}\\"' })} ,${JSON.stringify(call('1'))}]`, {}],
    ['a header', JSON.stringify([call('1')]), { 'x-api-key': KEY }],
  ])('a large body is read with the right key in %s', async (_, start, headers) => {
    const { status, body } = await post(await listen(), start.padEnd(MIB, ' '), headers)
    expect({ status, body }).toMatchObject({ status: 200, body: [{ error: { code: -32602 }, id: '1' }] })
  })

  it('what is no JSON-RPC counts as a guess, and so does a body that stops', async () => {
    const listener = await listen({ bodyWithinMs: 50 })
    for (const body of ['hello', '[]', '[17]', '{}', '{"jsonrpc":"1.0"}', '[', 'null', '"auth"', ''])
      expect(JSON.stringify((await post(listener, body)).body)).toContain('502')
    expect(await begin(listener, 'content-length: 100', '[')).toMatch(/^HTTP\/1.1 408 /)
    expect((await post(listener, 'hello')).status).toBe(429)
    expect(await begin(listener, `content-length: ${MIB}`, ' '.repeat(4097))).toMatch(/^HTTP\/1.1 429 /)
    expect((await post(listener, 'hello', { 'x-api-key': KEY })).body).toEqual(refused(null, MALFORMED))
  })

  it.each([
    ['with the right key', `x-api-key: ${KEY}`],
    ['without', 'x: y'],
  ])('a body that stops is let go, %s', async (_, header) => {
    const answer = await begin(await listen({ bodyWithinMs: 50 }), `${header}\r\ncontent-length: ${MIB}`, '[ ')
    expect(answer).toMatch(/^HTTP\/1.1 408 /)
    expect(answer).toContain('"error"')
  })

  it('a compressed body is refused, and it is said what is taken', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const response = await fetch(`${listener.url}/shop-update/`, {
      method: 'POST',
      headers: { 'content-encoding': 'gzip', 'x-api-key': KEY },
      body: gzipSync(JSON.stringify([auth(), call(ids[0])])),
    })
    expect([response.status, response.headers.get('accept-encoding')]).toEqual([415, 'identity'])
    expect(await response.json()).toMatchObject({ error: { code: -32000 }, id: null })
    expect(await outcomesOf(ids[0]!)).toEqual([])
    expect((await post(listener, [auth(), call(ids[0])], { 'content-encoding': 'identity' })).body).toEqual([
      answered(ids[0]),
    ])
  })
})

describe('failed attempts', () => {
  it('are ten a minute; the right key passes all the same, and other clients are not concerned', async () => {
    const listener = await listen()
    const as = (client: string) => ({ 'x-forwarded-for': client })
    const { ids } = await itemWithRequests()
    for (let attempt = 0; attempt < 10; attempt++) {
      expect((await post(listener, [auth('wrong'), call('1')], as('192.0.2.1'))).status).toBe(200)
    }
    const { status, body, headers } = await post(listener, [auth('wrong'), call('1')], as('192.0.2.1'))
    expect(status).toBe(429)
    expect(body).toMatchObject({ jsonrpc: '2.0', error: { code: -32000 }, id: null })
    expect(Number(headers.get('retry-after'))).toSatisfy((seconds: number) => seconds >= 1 && seconds <= 60)
    expect((await get(listener, '/shop-update/1', { ...as('192.0.2.1'), 'x-api-key': 'wrong' })).status).toBe(429)
    expect(listener.outcomes.filter((outcome) => outcome === 'unauthorized')).toHaveLength(11)

    expect((await post(listener, [auth(), call(ids[0])], as('192.0.2.1'))).body).toEqual([answered(ids[0])])
    expect((await post(listener, call(ids[0]), { ...as('192.0.2.1'), 'x-api-key': OTHER_KEY })).body).toEqual(
      answered(ids[0]),
    )
    expect((await get(listener, `/shop-update/${ids[0]}`, { ...as('192.0.2.1'), 'x-api-key': KEY })).status).toBe(200)
    expect((await post(listener, [auth('wrong'), call('1')], as('192.0.2.1'))).status).toBe(429)
    expect((await post(listener, [auth('wrong'), call('1')], as('192.0.2.2'))).status).toBe(200)
  })

  it('of a client that is not on the white list count too, and all addresses of one IPv6 host together', async () => {
    const listener = await listen()
    for (let attempt = 0; attempt < 10; attempt++)
      await post(listener, [auth(), call('1')], { 'x-forwarded-for': `2001:db9:1:2::${attempt}` })
    expect((await post(listener, [auth(), call('1')], { 'x-forwarded-for': '2001:db9:1:2:ffff::' })).status).toBe(429)
    expect((await post(listener, [auth(), call('1')], { 'x-forwarded-for': '2001:db9:1:3::' })).status).toBe(200)
  })

  it('are not made by a hundred calls in one batch, which are one', async () => {
    const listener = await listen()
    for (let batch = 0; batch < 9; batch++)
      await post(listener, [...Array.from({ length: 30 }, (_, n) => auth(`guess ${n}`)), call('1')])
    expect((await post(listener, [auth('wrong'), call('1')])).status).toBe(200)
    expect((await post(listener, [auth('wrong'), call('1')])).status).toBe(429)
  })
})

describe('X-Forwarded-For', () => {
  it('that nobody reads is told once', async () => {
    const listener = await listen({ config: { TRUSTED_PROXIES: [] } })
    await post(listener, [auth(), call('1')])
    expect(listener.logged()).not.toContain('TRUSTED_PROXIES')
    for (let n = 0; n < 3; n++) await post(listener, [auth(), call('1')], { 'x-forwarded-for': '192.0.2.7' })
    expect(listener.logged().match(/TRUSTED_PROXIES is empty/g)).toHaveLength(1)
    const trusting = await listen()
    await post(trusting, [auth(), call('1')], { 'x-forwarded-for': '192.0.2.7' })
    expect(trusting.logged()).not.toContain('TRUSTED_PROXIES')
  })
})

describe('GET /shop-update/{requestId}', () => {
  it('tells whether the callback has arrived', async () => {
    const listener = await listen()
    const { itemId, ids } = await itemWithRequests(2)
    const ask = () => get(listener, `/shop-update/${ids[0]}`, { 'x-api-key': KEY })
    expect(await ask()).toEqual({
      status: 200,
      body: { requestId: ids[0], received: false, status: 'got_acknowledgment' },
    })
    await post(listener, [auth(), call(ids[0])])
    expect(await ask()).toEqual({
      status: 200,
      body: { requestId: ids[0], received: true, status: 'got_acknowledgment' },
    })
    await finish(itemId)
    expect(await ask()).toEqual({ status: 200, body: { requestId: ids[0], received: true, status: 'synced' } })
    expect(await get(listener, `/shop-update/${ids[1]}`, { authorization: `Bearer ${OTHER_KEY}` })).toEqual({
      status: 200,
      body: { requestId: ids[1], received: false, status: 'synced' },
    })
  })

  it.each(['99999999999', 'x', '1%27', '00', '9'.repeat(30), '%00'])('does not know %s', async (id) => {
    expect((await get(await listen(), `/shop-update/${id}`, { 'x-api-key': KEY })).status).toBe(404)
  })

  it('wants the credential', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    const path = `/shop-update/${ids[0]}`
    expect((await get(listener, path)).status).toBe(401)
    expect((await get(listener, path, { 'x-api-key': 'wrong' })).status).toBe(401)
    expect((await get(listener, path, { authorization: `Basic ${KEY}` })).status).toBe(401)
    expect((await get(listener, path, { 'x-api-key': KEY, 'x-forwarded-for': '203.0.113.1' })).status).toBe(401)
    expect((await get(listener, path, { 'x-api-key': KEY, 'x-forwarded-for': '192.0.2.1' })).status).toBe(200)
  })
})

describe('the rest', () => {
  it('has health checks', async () => {
    let isReady = true
    const listener = await listen({ ready: async () => isReady })
    expect(await get(listener, '/healthz')).toMatchObject({ status: 200 })
    expect(await get(listener, '/readyz')).toMatchObject({ status: 200 })
    isReady = false
    expect(await get(listener, '/readyz')).toMatchObject({ status: 503 })
    expect(await get(listener, '/healthz')).toMatchObject({ status: 200 })
    const failing = await listen({ ready: () => Promise.reject(new Error('no database')) })
    expect(await get(failing, '/readyz')).toMatchObject({ status: 503 })
    const hanging = await listen({ ready: () => new Promise(() => {}), answerWithinMs: 50 })
    expect(await get(hanging, '/readyz')).toMatchObject({ status: 503 })
  })

  it.each([
    'GET /',
    'GET /shop-update',
    'GET /shop-update/',
    'GET /shop-update/1/2',
    'PUT /shop-update/',
    'DELETE /shop-update/1',
    'POST /shop-update/1',
    'POST /',
    'GET /metrics',
    'GET /api/items',
    'POST /healthz',
    'OPTIONS /shop-update/',
  ])('knows no %s', async (what) => {
    const [method, path] = what.split(' ') as [string, string]
    const { url } = await listen()
    const response = await fetch(url + path, { method, headers: { 'x-api-key': KEY } })
    expect(response.status).toBe(404)
    await response.body?.cancel()
  })
})

describe('without a database there is no success', () => {
  /** A pool on a path to PostgreSQL that can be cut or go silent. */
  async function wire() {
    const gate = await openGate(cluster.url('postgres'))
    const pool = connect(gate.url, { max: 2, name: 'test of the wire' })
    open.push({ close: async () => void (await Promise.all([pool.end({ timeout: 0 }), gate.close()])) })
    return { pool, cut: gate.close, hush: gate.hush }
  }

  it('when it has never been there', async () => {
    const { pool, cut } = await wire()
    await cut()
    const listener = await listen({ sql: pool })
    expect(await post(listener, [auth(), call('1')])).toMatchObject({
      status: 503,
      body: refused(null, { code: -32000, message: 'Try again' }),
    })
    expect((await get(listener, '/shop-update/1', { 'x-api-key': KEY })).status).toBe(503)
    expect((await get(listener, '/healthz')).status).toBe(200)
    expect(listener.outcomes).toEqual([])
    expect(listener.logged()).not.toContain(KEY)
  })

  it('when it goes away; the Shop sends again, and that counts', async () => {
    const { pool, cut } = await wire()
    const listener = await listen({ sql: pool })
    const { ids } = await itemWithRequests(2)
    expect((await post(listener, [auth(), call(ids[0])])).status).toBe(200)
    await cut()
    const { status, body } = await post(listener, [
      auth(),
      call(ids[1]),
      call(ids[0]),
      { jsonrpc: '2.0', method: 'x', id: 1 },
    ])
    expect(status).toBe(503)
    expect(body).toMatchObject([
      refused(ids[1], { code: -32000, message: 'Try again' }),
      { error: { code: -32000 } },
      { error: { code: -32601 } },
    ])
    expect(await outcomesOf(ids[1]!)).toEqual([])
    expect((await post(await listen(), [auth(), call(ids[1])])).body).toEqual([answered(ids[1])])
  })

  it('when it does not answer', async () => {
    const { pool, hush } = await wire()
    const listener = await listen({ sql: pool, answerWithinMs: 5000 })
    const { ids } = await itemWithRequests(2)
    expect((await post(listener, [auth(), call(ids[0])])).status).toBe(200)
    hush()
    expect(await post(listener, [auth(), call(ids[1])])).toMatchObject({
      status: 503,
      body: [{ error: { code: -32000 } }],
    })
    expect(listener.outcomes).toEqual(['accepted'])
  })

  it('when the table cannot take it', async () => {
    const listener = await listen()
    const { ids } = await itemWithRequests()
    await sql`
      alter table shop_update.callback
      add constraint broken check (request_id <> ${sql.unsafe(`'${ids[0]}'`)}) not valid`
    try {
      const { status, body } = await post(listener, [auth(), call('41'), call(ids[0]), call('42')])
      expect(status).toBe(503)
      expect(body).toMatchObject([
        { error: { code: -32602 }, id: '41' },
        { error: { code: -32000 }, id: ids[0] },
        { error: { code: -32602 }, id: '42' },
      ])
    } finally {
      await sql`alter table shop_update.callback drop constraint broken`
    }
    expect((await post(listener, [auth(), call(ids[0])])).body).toEqual([answered(ids[0])])
  })
})
