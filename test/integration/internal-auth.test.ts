import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN, type Listener, startListener, VIEWER } from './internal-listener.ts'

const GRAFANA = 'https://grafana.example/sub'
const READS = [
  '/api/items',
  '/api/items.csv',
  '/api/counts',
  '/api/items/1',
  '/api/items/1/calls/1/response',
  '/api/summary',
  '/api/kpis',
  '/api/incidents',
  '/api/causes',
  '/api/charts',
  '/api/pauses',
  '/api/search?q=abc',
  '/api/feedback',
  '/api/flow',
  '/api/credentials/bob_callback_server',
  '/api/events',
  '/api/unanswered',
  '/openapi.json',
]
const WRITES: [string, string, unknown][] = [
  ['POST', '/api/items', { topic: 'price', productId: '1' }],
  ['POST', '/api/requeue', { itemIds: ['1'] }],
  ['POST', '/api/requeue', { itemIds: ['1'], dryRun: true }],
  ['POST', '/api/items/1/resolve', { action: 'discard', reason: 'x' }],
  ['PUT', '/api/flow', { flow: 'asynchronous' }],
  ['POST', '/api/pauses', { until: '2999-01-01T00:00:00Z', reason: 'x' }],
  ['POST', '/api/pauses/1/end', undefined],
  ['POST', '/api/creations', { itemIds: ['1'] }],
  ['POST', '/api/runs', { kind: 'requeue', itemIds: ['1'] }],
  ['POST', '/api/runs/preview', { kind: 'requeue', itemIds: ['1'] }],
  ['POST', '/api/runs/1/stop', undefined],
  ['PUT', '/api/credentials/bob_callback_server', { rotateKey: true }],
]

let api: Listener
beforeAll(async () => {
  api = await startListener()
})
afterAll(() => api.stop())

/** A request with exactly this path: `fetch` would normalise it. */
async function raw(
  path: string,
  key = ADMIN,
  method = 'GET',
  url = api.url,
): Promise<{ status: number; text: string }> {
  const call = request(url, { method, path, headers: { authorization: `Bearer ${key}` } })
  call.end()
  const [response] = await once(call, 'response')
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode, text }
}

describe('keys', () => {
  it.each(READS)('GET %s needs one', async (path) => {
    for (const key of [null, 'wrong', `${VIEWER}x`, '']) {
      const { status, headers, body } = await api.call('GET', path, { key })
      expect(status).toBe(401)
      expect(headers.get('www-authenticate')).toMatch(/^Bearer/)
      expect(headers.get('content-type')).toBe('application/problem+json')
      expect(body).toMatchObject({ status: 401, title: 'Unauthorized' })
    }
  })

  it.each(WRITES)('%s %s needs the admin’s', async (method, path, body) => {
    expect((await api.call(method, path, { key: null, body })).status).toBe(401)
    expect((await api.call(method, path, { key: VIEWER, body })).status).toBe(403)
    expect((await api.call(method, path, { key: VIEWER, body: 'no json' })).status).toBe(403)
  })

  it('of the viewer changed nothing', async () => {
    expect(await api.sql`select 1 from shop_update.audit`).toHaveLength(0)
    expect(await api.get('/api/flow')).toMatchObject({ wanted: 'synchronous' })
  })

  it('only count as Bearer', async () => {
    for (const authorization of [
      `Basic ${Buffer.from(`admin:${ADMIN}`).toString('base64')}`,
      ADMIN,
      `Bearer${ADMIN}`,
      `Bearer ${ADMIN} x`,
    ]) {
      expect((await api.call('GET', '/api/flow', { key: null, headers: { authorization } })).status).toBe(401)
    }
  })

  it('are not overruled by a header that names a method', async () => {
    const { status } = await api.call('GET', '/api/flow', { headers: { 'x-http-method-override': 'PUT' } })
    expect(status).toBe(200)
    expect((await api.call('DELETE', '/api/flow')).status).toBe(403)
    expect((await api.call('HEAD', '/api/flow')).status).toBe(200)
  })

  it('the admin’s reads as well', async () => {
    expect((await api.call('GET', '/api/flow', { key: ADMIN })).status).toBe(200)
  })
})

describe('paths', () => {
  it.each([
    '/api/../api/items',
    '/api/..%2fapi/items',
    '/api/..%2Fflow',
    '/api/%2e%2e/flow',
    '/api/%2E%2E%2Fflow',
    '/api/.%2e/flow',
    '/api/..\\flow',
    '/api/..%5cflow',
    '/api/%252e%252e/flow',
    '/api/items%2f1',
    '/api/items/1%00',
    '/..',
  ])('%s is refused', async (path) => {
    const { status, text } = await raw(path)
    // the listener itself refuses a backslash, without a word
    expect(status).toBe(path.includes('\\') ? 400 : 403)
    if (!path.includes('\\')) expect(JSON.parse(text).detail).toContain('path')
  })

  it('are refused before anything is asked of the key', async () => {
    expect((await raw('/api/..%2fflow', 'wrong')).status).toBe(403)
  })

  it('may have all that in the query', async () => {
    expect((await raw('/api/items?q=..%2fA..B%5c')).status).toBe(200)
  })

  it('that nobody has: 404; with another method: 405', async () => {
    expect(await api.call('GET', '/api/nothing')).toMatchObject({ status: 404, body: { title: 'Not Found' } })
    expect(await api.call('GET', '/shop-update/1')).toMatchObject({ status: 404 })
    expect(await api.call('GET', '//api/flow')).toMatchObject({ status: 404 })
    const { status, headers, body } = await api.call('DELETE', '/api/items', { key: ADMIN })
    expect([status, headers.get('allow'), body.title]).toEqual([405, 'GET, POST', 'Method Not Allowed'])
    expect((await api.call('GET', '/api/requeue')).headers.get('allow')).toBe('POST')
    expect((await api.call('POST', '/api/items/12', { key: ADMIN, body: {} })).headers.get('allow')).toBe('GET')
    expect((await api.call('POST', '/api/itemsXcsv', { key: ADMIN, body: {} })).status).toBe(404)
  })
})

describe('bodies', () => {
  it.each([
    ['no JSON', { 'content-type': 'application/json' }, '{', 400],
    ['an empty one', { 'content-type': 'application/json' }, '', 400],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'flow=asynchronous', 415],
    ['text', { 'content-type': 'text/plain' }, '{"flow":"asynchronous"}', 415],
    ['the wrong shape', { 'content-type': 'application/json' }, 'null', 400],
    ['one too large', { 'content-type': 'application/json' }, `{"flow":"${'x'.repeat(1024 * 1024)}"}`, 413],
  ])('%s', async (_, headers, body, expected) => {
    const answer = await api.call('PUT', '/api/flow', { key: ADMIN, body, headers })
    expect(answer).toMatchObject({ status: expected, body: { status: expected } })
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
  })

  it('one without a type, or none at all', async () => {
    expect((await raw('/api/flow', ADMIN, 'PUT')).status).toBe(400)
  })

  it('one too large in chunks', async () => {
    const call = request(`${api.url}/api/flow`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
    })
    call.on('error', () => {}) // the listener may close while we are still writing
    call.end(`{"flow":"${'x'.repeat(1024 * 1024)}"}`)
    const [response] = await once(call, 'response')
    expect(response.statusCode).toBe(413)
  })
})

describe('a database that is away', () => {
  it('is a 503 that says nothing of its inside, and a line in the log without what was asked', async () => {
    const { default: postgres } = await import('postgres')
    const away = postgres('postgres://nobody:canary-password@127.0.0.1:1/none', { connect_timeout: 1, max: 1 }) as never
    const broken = await startListener({ sql: away, readSql: away })
    try {
      const { status, body, headers, text } = await broken.call('GET', '/api/items?seller=canary-seller')
      expect([status, body.title, headers.get('retry-after')]).toEqual([503, 'Service Unavailable', '5'])
      expect(text).not.toMatch(/ECONN|127\.0\.0\.1|canary/)
      expect(broken.logged()).toContain('ECONNREFUSED')
      expect(broken.logged()).not.toMatch(/canary/)
      expect((await broken.call('GET', '/api/items.csv')).status).toBe(503)
      expect((await broken.call('PUT', '/api/flow', { key: ADMIN, body: { flow: 'synchronous' } })).status).toBe(503)
    } finally {
      await broken.stop()
    }
  })
})

describe('the token of the Grafana user', () => {
  let grafana: Server
  let guarded: Listener
  let pair: Awaited<ReturnType<typeof generateKeyPair>>
  let served = 0

  beforeAll(async () => {
    pair = await generateKeyPair('ES256')
    const keys = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'id-2026-11-es256', alg: 'ES256', use: 'sig' }] }
    grafana = createServer((_, response) => {
      served++
      response.setHeader('content-type', 'application/json').end(JSON.stringify(keys))
    }).listen(0, '127.0.0.1')
    await once(grafana, 'listening')
    guarded = await startListener({
      config: {
        GRAFANA_JWKS_URL: `http://127.0.0.1:${(grafana.address() as AddressInfo).port}/api/signing-keys/keys`,
        GRAFANA_URL: GRAFANA,
      },
    })
  })
  afterAll(async () => {
    await guarded.stop()
    grafana.close()
  })

  const sign = (
    claims: JWTPayload = {},
    {
      key = pair.privateKey,
      alg = 'ES256',
      issued = '-5m',
      expires = '10m',
      audience = 'org:1',
      issuer = `${GRAFANA}/`,
    } = {},
  ) =>
    new SignJWT({ type: 'user', role: 'Admin', username: 'nadia', email: 'nadia@example.com', ...claims })
      .setProtectedHeader({ alg, kid: 'id-2026-11-es256', typ: 'jwt' })
      .setSubject('user:1')
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt(issued)
      .setExpirationTime(expires)
      .sign(key)
  const put = async (token: string | undefined, key = ADMIN) =>
    guarded.call('PUT', '/api/flow', {
      key,
      body: { flow: 'asynchronous' },
      headers: token === undefined ? {} : { 'x-grafana-id': token },
    })
  const read = async (token: string | undefined, key = VIEWER) =>
    guarded.call('GET', '/api/flow', { key, headers: token === undefined ? {} : { 'x-grafana-id': token } })

  it('lets an Admin write, and its user is the one recorded', async () => {
    expect((await put(await sign())).status).toBe(200)
    expect((await put(await sign({ username: '' }))).status).toBe(200)
    expect(await guarded.sql`select actor, actor_sub as sub from shop_update.audit order by id`).toEqual([
      { actor: 'nadia', sub: 'user:1' },
      { actor: 'nadia@example.com', sub: 'user:1' },
    ])
    await api.call('PUT', '/api/flow', { key: ADMIN, body: { flow: 'synchronous' } })
    expect(await api.sql`select actor, actor_sub as sub from shop_update.audit order by id desc limit 1`).toEqual([
      { actor: 'admin (key)', sub: null },
    ])
  })

  it('of a requeue and of a decision is recorded too', async () => {
    const headers = { 'x-grafana-id': await sign() }
    const body = { itemIds: ['1'] }
    expect((await guarded.call('POST', '/api/requeue', { key: ADMIN, body, headers })).status).toBe(200)
    expect(await guarded.sql`select action, actor_sub as sub from shop_update.audit order by id desc limit 1`).toEqual([
      { action: 'requeue', sub: 'user:1' },
    ])
  })

  it('may be a little older or younger than the clock says, and be that of the organization that is told', async () => {
    expect((await read(await sign({}, { issued: '-14m' }))).status).toBe(200)
    expect((await read(await sign({}, { issued: '20s' }))).status).toBe(200)
    const { port } = grafana.address() as AddressInfo
    const seventh = await startListener({
      config: { GRAFANA_JWKS_URL: `http://127.0.0.1:${port}/`, GRAFANA_ORG_ID: 7 },
    })
    const statusOf = async (audience: string) =>
      (await seventh.call('GET', '/api/flow', { headers: { 'x-grafana-id': await sign({}, { audience }) } })).status
    expect([await statusOf('org:7'), await statusOf('org:1'), await statusOf('org:77')]).toEqual([200, 401, 401])
    await seventh.stop()
  })

  it('lets a Viewer read, not write, whichever key comes with it', async () => {
    for (const role of ['Viewer', 'Editor', 'None', 'admin', undefined]) {
      expect((await read(await sign({ role }))).status).toBe(200)
      expect((await put(await sign({ role }))).status).toBe(403)
    }
  })

  it('is not asked of a program of Seller Center, which has the viewer’s key and reads feedback', async () => {
    expect((await guarded.call('GET', '/api/feedback')).status).toBe(200)
    expect((await guarded.call('GET', '/api/feedback', { headers: { 'x-grafana-id': 'nadia' } })).status).toBe(200)
    expect((await guarded.call('GET', '/api/feedback', { key: 'wrong' })).status).toBe(401)
    expect((await guarded.call('GET', '/api/products/1')).status).toBe(401)
  })

  it('is no key', async () => {
    expect((await put(await sign(), VIEWER)).status).toBe(403)
    expect((await read(await sign(), 'wrong')).status).toBe(401)
  })

  it.each<[string, () => Promise<string | undefined>]>([
    ['that is missing', async () => undefined],
    ['that is no token', async () => 'nadia'],
    ['that has expired', () => sign({}, { expires: '-1m' })],
    ['of a service account', () => sign({ type: 'service-account' })],
    ['of nobody in particular', () => sign({ type: 'anonymous' })],
    ['of no type', () => sign({ type: undefined })],
    ['of another organization', () => sign({}, { audience: 'org:2' })],
    ['that was issued sixteen minutes ago', () => sign({}, { issued: '-16m' })],
    [
      'that does not tell when it was issued',
      async () =>
        new SignJWT({ type: 'user', role: 'Admin' })
          .setProtectedHeader({ alg: 'ES256', kid: 'id-2026-11-es256' })
          .setSubject('user:1')
          .setIssuer(`${GRAFANA}/`)
          .setAudience('org:1')
          .setExpirationTime('10m')
          .sign(pair.privateKey),
    ],
    ['for another audience', () => sign({}, { audience: 'org:1:evil' })],
    ['of another Grafana', () => sign({}, { issuer: 'https://elsewhere.example/' })],
    ['of an issuer without the trailing slash', () => sign({}, { issuer: GRAFANA })],
    ['signed with another key', async () => sign({}, { key: (await generateKeyPair('ES256')).privateKey })],
    [
      'signed with a secret that everybody knows',
      async () =>
        sign(
          {},
          { alg: 'HS256', key: new TextEncoder().encode(JSON.stringify(await exportJWK(pair.publicKey))) as never },
        ),
    ],
    ['without a signature', async () => `${(await sign()).split('.').slice(0, 2).join('.')}.`],
    [
      'with the algorithm none',
      async () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await sign()).split('.')[1]}.`,
    ],
    [
      'whose role was changed after it was signed',
      async () => {
        const [head, claims, signature] = (await sign({ role: 'Viewer' })).split('.') as [string, string, string]
        const forged = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), role: 'Admin' }
        return `${head}.${Buffer.from(JSON.stringify(forged)).toString('base64url')}.${signature}`
      },
    ],
  ])('%s: 401', async (_, token) => {
    expect((await put(await token())).status).toBe(401)
    expect((await read(await token())).status).toBe(401)
  })

  it('does not let X-Grafana-User or X-Grafana-Context stand for it', async () => {
    const headers = { 'x-grafana-user': 'admin', 'x-grafana-context': '{"OrgRole":"Admin"}' }
    expect(
      (await guarded.call('PUT', '/api/flow', { key: ADMIN, body: { flow: 'synchronous' }, headers })).status,
    ).toBe(401)
  })

  it('is checked with keys that are fetched once and kept', () => {
    expect(served).toBe(2) // once by each of two listeners
  })

  it('cannot be checked where the keys cannot be read: 503', async () => {
    const silent = await startListener({
      config: {
        GRAFANA_JWKS_URL: 'http://127.0.0.1:1/keys',
      },
    })
    expect((await silent.call('GET', '/api/flow', { headers: { 'x-grafana-id': await sign() } })).status).toBe(503)
    await silent.stop()
  })
})

describe('a refusal', () => {
  it('is counted by its reason and logged, with who it was and no secret', async () => {
    const pair = await generateKeyPair('ES256')
    const keys = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256' }] }
    const grafana = createServer((_, response) => void response.end(JSON.stringify(keys))).listen(0, '127.0.0.1')
    await once(grafana, 'listening')
    const reasons: string[] = []
    const guarded = await startListener({
      onRefusal: (reason) => void reasons.push(reason),
      config: { GRAFANA_JWKS_URL: `http://127.0.0.1:${(grafana.address() as AddressInfo).port}/` },
    })
    const token = async ({ role = 'Admin', type = 'user', audience = 'org:1', issued = '0s' } = {}) => ({
      'x-grafana-id': await new SignJWT({ role, type })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setSubject('user:42')
        .setAudience(audience)
        .setIssuedAt(issued)
        .setExpirationTime('10m')
        .sign(pair.privateKey),
    })
    const forged = {
      'x-grafana-id': `${(await token())['x-grafana-id'].split('.').slice(0, 2).join('.')}.canary-signature`,
    }
    const refusals: [reason: string, options: Parameters<Listener['call']>[2], path?: string][] = [
      ['path', {}, '/api/canary%2fflow'],
      ['no_key', { key: null }],
      ['wrong_key', { key: 'canary-key' }],
      ['no_token', {}],
      ['wrong_token', { headers: forged }],
      ['old_token', { headers: await token({ issued: '-1h' }) }],
      ['wrong_audience', { headers: await token({ audience: 'org:9' }) }],
      ['not_a_user', { headers: await token({ type: 'service-account' }) }],
      ['read_only_key', { headers: await token(), body: { flow: 'synchronous' } }],
      ['role', { key: ADMIN, headers: await token({ role: 'Editor' }), body: { flow: 'synchronous' } }],
    ]
    for (const [reason, options, path = '/api/flow'] of refusals) {
      const { status } = await guarded.call(options?.body ? 'PUT' : 'GET', path, options)
      expect([401, 403], reason).toContain(status)
      expect(guarded.logged()).toContain(`"event.name":"internal_refused","reason":"${reason}"`)
    }
    expect(reasons).toEqual(refusals.map(([reason]) => reason))
    expect(guarded.logged()).toContain(
      '"reason":"role","method":"PUT","path":"/api/flow","remote":"127.0.0.1","sub":"user:42"',
    )
    expect(guarded.logged()).not.toMatch(/canary-key|canary-signature|eyJ/)
    for (const secret of [VIEWER, ADMIN]) expect(guarded.logged()).not.toContain(secret)
    expect((await guarded.call('GET', '/api/flow', { headers: await token() })).status).toBe(200)
    expect(reasons).toHaveLength(refusals.length)
    await guarded.stop()
    grafana.close()
  })
})

describe('a client that speaks no HTTP', () => {
  it('does no harm', async () => {
    const { hostname, port } = new URL(api.url)
    const socket = connect(Number(port), hostname)
    socket.end('GET /api/flow\r\n\r\n')
    await once(socket.resume(), 'close')
    expect((await api.call('GET', '/api/flow')).status).toBe(200)
  })
})
