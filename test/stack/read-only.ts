import assert from 'node:assert/strict'
import { asker } from './ask.ts'
import type { Part, Stack } from './parts.ts'
import type { Report } from './report.ts'
import { ADMIN, VIEWER } from './session.ts'

const now = () => `${Date.now()}000000`
const FORGED = () =>
  JSON.stringify({ streams: [{ stream: { service_name: 'forged', venture: 'forged' }, values: [[now(), 'a line that nobody said']] }] })
const QUERY = `query=${encodeURIComponent('{service_name=~".+"}')}&start=1&end=${Math.round(Date.now() / 1000)}`

/** What a Viewer may not do to the stores by way of Grafana's data source proxy, which passes on whatever it is sent. */
const REFUSED: [part: Extract<Part, 'loki' | 'tempo' | 'prometheus'>, method: string, path: string, body?: () => string][] = [
  ['loki', 'POST', 'loki/api/v1/push', FORGED],
  ['loki', 'POST', 'api/prom/push', FORGED],
  ['loki', 'POST', 'otlp/v1/logs', () => JSON.stringify({ resourceLogs: [] })],
  ['loki', 'POST', `loki/api/v1/delete?${QUERY}`],
  ['loki', 'PUT', `loki/api/v1/delete?${QUERY}`],
  ['loki', 'DELETE', 'loki/api/v1/delete?request_id=1'],
  ['loki', 'POST', 'loki/api/v1/rules/forged', () => 'name: forged'],
  ['loki', 'POST', 'flush'],
  ['loki', 'GET', 'flush'],
  ['loki', 'POST', 'ingester/flush_shutdown'],
  ['loki', 'GET', 'ingester/shutdown'],
  ['loki', 'POST', 'ingester/shutdown'],
  ['loki', 'POST', 'ingester/prepare_shutdown'],
  ['loki', 'POST', 'log_level?log_level=error'],
  ['loki', 'GET', 'config'],
  ['loki', 'POST', 'loki/api/v1/query', () => QUERY],
  ['loki', 'GET', 'loki/api/v1/label/..%2f..%2f..%2f..%2fingester%2fshutdown/values'],
  ['loki', 'GET', 'loki/api/v1/label/%2e%2e/%2e%2e/%2e%2e/flush'],
  ['tempo', 'GET', 'flush'],
  ['tempo', 'POST', 'flush'],
  ['tempo', 'GET', 'shutdown'],
  ['tempo', 'POST', 'shutdown'],
  ['tempo', 'POST', 'api/overrides', () => '{}'],
  ['tempo', 'DELETE', 'api/overrides'],
  ['tempo', 'GET', 'status/config'],
  ['tempo', 'GET', 'api/traces/..%2f..%2fshutdown'],
  ['prometheus', 'POST', 'api/v1/write', () => ''],
  ['prometheus', 'POST', 'api/v1/otlp/v1/metrics', () => '{}'],
  ['prometheus', 'POST', 'api/v1/admin/tsdb/delete_series?match[]=up'],
  ['prometheus', 'PUT', 'api/v1/admin/tsdb/clean_tombstones'],
  ['prometheus', 'POST', '-/quit'],
]
const ALLOWED: [part: 'loki' | 'tempo', path: string][] = [
  ['loki', 'loki/api/v1/labels'],
  ['loki', 'loki/api/v1/label/service_name/values'],
  ['loki', `loki/api/v1/series?match[]=${encodeURIComponent('{service_name=~".+"}')}`],
  ['loki', `loki/api/v1/query?query=${encodeURIComponent('vector(1)')}`],
  ['tempo', 'api/echo'],
  ['tempo', 'api/v2/search/tags'],
  ['tempo', 'api/v2/search/tag/resource.service.name/values'],
]

export async function askReadOnly(report: Report, stack: Stack): Promise<void> {
  const { lines } = asker(stack)
  const as = ({ login, password }: typeof VIEWER, path: string, init: RequestInit = {}) =>
    fetch(`${stack.urls.grafana}/api/${path}`, {
      ...init,
      headers: { authorization: `Basic ${btoa(`${login}:${password}`)}`, 'content-type': 'application/json' },
    })
  const proxied = (part: string, path: string, init?: RequestInit) => as(VIEWER, `datasources/proxy/uid/shop-update-${part}/${path}`, init)

  await report.check('Grafana: has a Viewer', ['grafana'], async () => {
    const made = await as(ADMIN, 'admin/users', { method: 'POST', body: JSON.stringify({ ...VIEWER, name: 'A viewer', OrgId: 1 }) })
    assert.ok([200, 412].includes(made.status), await made.text())
  })
  for (const [part, path] of ALLOWED)
    await report.check(`Grafana: a Viewer reads ${path.split('?')[0]} of ${part}`, ['grafana', 'nginx', part], async () => {
      const answer = await proxied(part, path)
      assert.equal(answer.status, 200, await answer.text())
    })
  for (const [part, method, path, body] of REFUSED)
    await report.check(
      `Grafana: a Viewer is refused ${method} ${path.split('?')[0]} of ${part}`,
      ['grafana', part, ...(part === 'prometheus' ? [] : (['nginx'] as const))],
      async () => {
        const answer = await proxied(part, path, { method, ...(body && { body: body() }) })
        assert.ok(answer.status >= 400 && answer.status < 500, `HTTP ${answer.status}: ${await answer.text()}`)
        return `HTTP ${answer.status}`
      },
    )
  await report.check(
    'Loki and Tempo: are there after all that, with no line that nobody said',
    ['grafana', 'nginx', 'loki', 'tempo'],
    async () => {
      for (const part of ['loki', 'tempo'] as const) assert.equal((await fetch(`${stack.urls[part]}/ready`)).status, 200)
      assert.deepEqual(await lines('{venture="forged"}'), [])
    },
  )
  await report.check('Loki: deletes nothing by request, even past Grafana', ['loki'], async () => {
    const answer = await fetch(`${stack.urls.loki}/loki/api/v1/delete?${QUERY}`, { method: 'POST' })
    assert.ok(answer.status >= 400, `HTTP ${answer.status}`)
    return `HTTP ${answer.status}`
  })
  const sql = async (rawSql: string) => {
    const answer = await as(VIEWER, 'ds/query', {
      method: 'POST',
      body: JSON.stringify({
        queries: [{ refId: 'A', datasource: { uid: 'shop-update-postgres' }, rawSql, format: 'table', rawQuery: true }],
      }),
    })
    return answer.text()
  }
  await report.check('Grafana: a Viewer takes no lock, makes no file and no object in PostgreSQL', ['grafana'], async () => {
    for (const statement of [
      'select count(pg_advisory_lock(i)) from generate_series(1, 200000) i',
      'set default_transaction_read_only = off; select lo_create(0)',
      'set default_transaction_read_only = off; create temporary table mine (id int)',
    ])
      assert.match(await sql(statement), /permission denied/)
  })
}
