import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { firstCredential } from '../../worker/admin/credentials.ts'
import { enterWorker } from '../../worker/queue/worker-row.ts'
import { ADMIN, type Listener, startListener } from './internal-listener.ts'

let api: Listener
beforeAll(async () => {
  api = await startListener()
})
afterAll(() => api.stop())

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const hashes = async () =>
  (await api.sql<{ key_hashes: Buffer[] }[]>`select key_hashes from shop_update.system_credential`)[0]!.key_hashes.map(
    (hash) => hash.toString('hex'),
  )

describe('the flow', () => {
  const put = (body: unknown) => api.call('PUT', '/api/flow', { key: ADMIN, body })

  it('is the wanted one beside those of the workers that are alive', async () => {
    const alive = await enterWorker(api.sql, 'alive', 'asynchronous')
    const dead = await enterWorker(api.sql, 'dead', 'synchronous')
    await api.sql`update shop_update.worker set heartbeat_at = now() - interval '16 seconds' where id = ${dead}::bigint`
    expect(await api.get('/api/flow')).toEqual({
      wanted: 'synchronous',
      workers: [{ id: alive, name: 'alive', flow: 'asynchronous' }],
    })
    expect((await api.get('/api/summary')).flow).toEqual(await api.get('/api/flow'))
  })

  it('can be changed, and who did it is recorded', async () => {
    expect(await put({ flow: 'asynchronous' })).toMatchObject({ status: 200, body: { wanted: 'asynchronous' } })
    expect(await api.sql`select value, updated_by from shop_update.setting where key = 'shop_update/flow'`).toEqual([
      { value: 'asynchronous', updated_by: 'admin (key)' },
    ])
    expect(await api.sql`select actor, action, detail from shop_update.audit order by id desc limit 1`).toEqual([
      { actor: 'admin (key)', action: 'flow', detail: { from: 'synchronous', to: 'asynchronous' } },
    ])
    expect(api.logged()).toContain('"actor":"admin (key)"},"The flow has been set to asynchronous"')
  })

  it.each([
    [{ flow: 'both' }, 'flow'],
    [{}, 'flow'],
    [{ flow: 'synchronous', workers: [] }, 'workers'],
  ])('%j names what is wrong', async (body, field) => {
    expect(await put(body)).toMatchObject({ status: 400, body: { field } })
  })
})

describe('the credential of the callbacks', () => {
  const path = '/api/credentials/bob_callback_server'
  const put = (body: unknown) => api.call('PUT', path, { key: ADMIN, body })
  const audited = async () => JSON.stringify(await api.sql`select * from shop_update.audit`)

  it('begins with the values of the environment, until somebody changes it', async () => {
    expect(await api.get(path)).toEqual({ allowedIps: [], apiKeySetAt: null, keys: [] })
    await firstCredential(api.sql, null, [])
    await firstCredential(api.sql, 'key-of-the-environment', ['10.0.0.1'])
    const { apiKeySetAt, ...rest } = await api.get(path)
    expect(apiKeySetAt).toMatch(/Z$/)
    expect(rest).toEqual({
      allowedIps: ['10.0.0.1'],
      keys: [{ id: expect.stringMatching(/^\d+$/), setAt: apiKeySetAt, setBy: 'environment', lastUsedAt: null }],
    })
    expect(await hashes()).toEqual([sha256('key-of-the-environment')])
    await firstCredential(api.sql, 'another-key', ['10.0.0.2'])
    expect(await hashes()).toEqual([sha256('key-of-the-environment')])
    expect((await api.get(path)).allowedIps).toEqual(['10.0.0.1'])
  })

  it('shows a new key once, and keeps the one before valid', async () => {
    const { status, body } = await put({ rotateKey: true })
    expect(status).toBe(200)
    expect(body.apiKey).toMatch(/^[\w-]{43}$/)
    expect(await hashes()).toEqual([sha256(body.apiKey), sha256('key-of-the-environment')])
    const { apiKey: _, ...shown } = body
    expect(await api.get(path)).toEqual(shown)
    expect(shown.keys).toMatchObject([{ setAt: shown.apiKeySetAt, setBy: 'admin (key)' }, { setBy: 'environment' }])
    expect(await audited()).not.toContain(body.apiKey)
    expect(api.logged()).not.toContain(body.apiKey)

    const next = await put({ rotateKey: true })
    expect(next.body.apiKey).not.toBe(body.apiKey)
    expect(await hashes()).toEqual([sha256(next.body.apiKey), sha256(body.apiKey)])
  })

  it('takes a key that the admin brings; the present one again withdraws nothing', async () => {
    const [before] = await hashes()
    expect((await put({ apiKey: 'brought-by-the-admin' })).body.apiKey).toBe('brought-by-the-admin')
    expect(await hashes()).toEqual([sha256('brought-by-the-admin'), before])
    await api.sql`update shop_update.callback_key set set_at = '2020-01-01', set_by = 'somebody'`
    const { keys } = (await put({ apiKey: 'brought-by-the-admin' })).body
    expect(await hashes()).toEqual([sha256('brought-by-the-admin'), before])
    // but shows when, and by whom
    expect(keys).toMatchObject([{ setBy: 'admin (key)' }, { setBy: 'somebody', setAt: '2020-01-01T00:00:00.000Z' }])
    expect(keys[0].setAt).not.toBe(keys[1].setAt)
    expect(await audited()).not.toContain('brought-by-the-admin')
  })

  it('loses a key that is withdrawn, and only that, whichever it is', async () => {
    const { keys: before } = await api.get(path)
    const [newest, older] = await hashes()
    const withdrawn = await put({ withdrawKey: before[0].id })
    expect(withdrawn).toMatchObject({ status: 200, body: { keys: [before[1]], apiKeySetAt: before[1].setAt } })
    expect(await hashes()).toEqual([older])
    expect(await api.sql`select detail from shop_update.audit order by id desc limit 1`).toEqual([
      { detail: { name: 'bob_callback_server', keyReplaced: false, keyWithdrawn: before[0].id } },
    ])
    expect(api.logged()).toContain(`"Key ${before[0].id} of bob_callback_server has been withdrawn"`)

    const again = await put({ withdrawKey: before[0].id, allowedIps: ['192.0.2.99'] })
    expect(again).toMatchObject({ status: 422, body: { field: 'withdrawKey' } })
    expect((await api.get(path)).allowedIps).not.toContain('192.0.2.99')

    const { body } = await put({ rotateKey: true, withdrawKey: before[1].id })
    expect(await hashes()).toEqual([sha256(body.apiKey)])
    expect(newest).not.toBe(sha256(body.apiKey))
    expect(await put({ withdrawKey: body.keys[0].id })).toMatchObject({ body: { keys: [], apiKeySetAt: null } })
    expect(await hashes()).toEqual([])
    await firstCredential(api.sql, 'key-of-the-environment', [])
    expect(await hashes()).toEqual([])
    await put({ rotateKey: true })
    await put({ rotateKey: true })
  })

  it('knows the keys that a worker of the version before has set', async () => {
    const hash = sha256('set-by-an-older-worker')
    const setBy = (name: string) => api.sql`
      update shop_update.system_credential
      set key_hashes = array[decode(${hash}, 'hex')] || key_hashes[1:1], updated_by = ${name}`
    await setBy('nadia')
    const { keys } = await api.get(path)
    expect(keys).toMatchObject([{ setBy: 'nadia', lastUsedAt: null }, { setBy: 'admin (key)' }])
    await api.sql`update shop_update.callback_key set last_used_at = now()`
    expect((await put({ withdrawKey: keys[0].id })).body.keys).toMatchObject([{ id: keys[1].id }])
    await setBy('omar') // the same key: what was recorded about it went with it
    expect((await api.get(path)).keys).toMatchObject([{ setBy: 'omar', lastUsedAt: null }, { id: keys[1].id }])
    await put({ withdrawKey: (await api.get(path)).keys[0].id })
  })

  it('for live takes no trivial key and no open white list, unless that is allowed', async () => {
    const live = await startListener({ config: { ENVIRONMENT: 'live' } })
    const lax = await startListener({
      config: { ENVIRONMENT: 'live', ALLOW_INSECURE: ['trivial-keys', 'open-white-list'] },
    })
    for (const [body, field] of [
      [{ apiKey: 'fifteen-letters' }, 'apiKey'],
      [{ allowedIps: ['10.0.0.1', '0.0.0.0/0'] }, 'allowedIps.1'],
      [{ allowedIps: ['::ffff:0:0/96'] }, 'allowedIps.0'],
    ] as const) {
      expect(await live.call('PUT', path, { key: ADMIN, body })).toMatchObject({ status: 422, body: { field } })
      for (const listener of [api, lax])
        expect((await listener.call('PUT', path, { key: ADMIN, body })).status).toBe(200)
    }
    expect((await live.get(path)).keys).toEqual([])
    await live.stop()
    await lax.stop()
  })

  it('has a white list of addresses and ranges', async () => {
    const keys = await hashes()
    const { status, body } = await put({ allowedIps: ['192.0.2.0/24', '2001:db8::7', ' 10.1.2.3 '] })
    expect([status, body.allowedIps, body.apiKey]).toEqual([
      200,
      ['192.0.2.0/24', '2001:db8::7', '10.1.2.3'],
      undefined,
    ])
    expect(await hashes()).toEqual(keys)
    expect(await api.sql`select detail from shop_update.audit order by id desc limit 1`).toEqual([
      {
        detail: {
          name: 'bob_callback_server',
          allowedIps: ['192.0.2.0/24', '2001:db8::7', '10.1.2.3'],
          keyReplaced: false,
        },
      },
    ])
    expect(api.logged()).toContain('"The white list of bob_callback_server has been changed"')
    expect((await put({ allowedIps: [] })).body.allowedIps).toEqual([])
  })

  it.each([
    [{ allowedIps: ['10.0.0.1', '10.0.0.0/33'] }, 'allowedIps.1', '"10.0.0.0/33"'],
    [{ allowedIps: ['shop.example'] }, 'allowedIps.0', '"shop.example"'],
    [{ allowedIps: '10.0.0.1' }, 'allowedIps', ''],
    [{ rotateKey: true, apiKey: 'x' }, 'apiKey', ''],
    [{ rotateKey: false }, 'rotateKey', ''],
    [{ apiKey: '' }, 'apiKey', ''],
    [{ withdrawKey: 'x' }, 'withdrawKey', ''],
    [{}, 'allowedIps', ''],
    [{ key: 'x' }, 'key', ''],
  ])('%j names what is wrong', async (body, field, named) => {
    const before = await hashes()
    const { status, body: answer } = await put(body)
    expect([status, answer.field]).toEqual([400, field])
    expect(answer.detail).toContain(named)
    expect(await hashes()).toEqual(before)
  })
})

describe('the OpenAPI document', () => {
  it('is 3.1, has every route of the contract with its answers, and refers to nothing that it has not', async () => {
    const document = await api.get('/openapi.json')
    expect(document.openapi).toBe('3.1.0')
    const routes = Object.entries<Record<string, object>>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(routes.sort()).toEqual([
      'GET /api/causes',
      'GET /api/charts',
      'GET /api/counts',
      'GET /api/credentials/bob_callback_server',
      'GET /api/events',
      'GET /api/feedback',
      'GET /api/flow',
      'GET /api/incidents',
      'GET /api/items',
      'GET /api/items.csv',
      'GET /api/items/{id}',
      'GET /api/items/{id}/calls/{requestId}/{part}',
      'GET /api/kpis',
      'GET /api/pauses',
      'GET /api/products/{id}',
      'GET /api/products/{id}/differences',
      'GET /api/products/{id}/timeline',
      'GET /api/runs',
      'GET /api/runs/{id}',
      'GET /api/search',
      'GET /api/sellers/{id}',
      'GET /api/summary',
      'GET /api/unanswered',
      'POST /api/creations',
      'POST /api/items',
      'POST /api/items/{id}/resolve',
      'POST /api/pauses',
      'POST /api/pauses/{id}/end',
      'POST /api/requeue',
      'POST /api/runs',
      'POST /api/runs/preview',
      'POST /api/runs/{id}/stop',
      'POST /api/search',
      'PUT /api/credentials/bob_callback_server',
      'PUT /api/flow',
    ])
    for (const methods of Object.values<Record<string, { responses: object; summary: string; security: unknown }>>(
      document.paths,
    )) {
      for (const { responses, summary, security } of Object.values(methods)) {
        expect(summary).toBeTruthy()
        expect(security).toEqual([{ apiKey: [] }])
        expect(Object.keys(responses)).toEqual(expect.arrayContaining(['400', '401', '503']))
      }
    }
    const names = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name]) => name!,
    )
    expect(new Set(names)).toContain('Item')
    for (const name of names) expect(document.components.schemas).toHaveProperty(name)
    const parameters = document.paths['/api/items'].get.parameters.map(({ name }: { name: string }) => name)
    expect(parameters).toEqual([
      'tab',
      'status',
      'reason',
      'cause',
      'topic',
      'seller',
      'set',
      'q',
      'from',
      'to',
      'sort',
      'cursor',
      'limit',
    ])
    expect(document.components.schemas.Item.required).toHaveLength(26)
  })
})
