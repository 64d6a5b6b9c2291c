import assert from 'node:assert/strict'
import { request } from 'node:http'
import { asker } from './ask.ts'
import type { Part, Stack } from './parts.ts'
import { type Report, until } from './report.ts'
import { ADMIN, VIEWER } from './session.ts'

const now = () => `${Date.now()}000000`
const FORGED = () =>
  JSON.stringify({
    streams: [{ stream: { service_name: 'forged', venture: 'forged' }, values: [[now(), 'a line that nobody said']] }],
  })
const QUERY = `query=${encodeURIComponent('{service_name=~".+"}')}&start=1&end=${Math.round(Date.now() / 1000)}`

const FORGED_METRIC = () => {
  const dataPoints = [{ timeUnixNano: now(), asDouble: 1 }]
  return JSON.stringify({
    resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: 'forged', gauge: { dataPoints } }] }] }],
  })
}

/** A valid, empty remote write: nothing, in Snappy's encoding. */
const NO_SAMPLES = () => '\0'

/** What a Viewer may not do to the stores through Grafana's data source proxy, which forwards anything. */
const REFUSED: [
  part: Extract<Part, 'loki' | 'tempo' | 'prometheus'>,
  method: string,
  path: string,
  body?: () => string,
][] = [
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
  ['prometheus', 'POST', 'api/v1/write', NO_SAMPLES],
  ['prometheus', 'POST', 'api/v1/otlp/v1/metrics', FORGED_METRIC],
  // its list in Grafana matches prefixes
  ['prometheus', 'POST', 'api/v1/query/..%2fotlp%2fv1%2fmetrics', FORGED_METRIC],
  ['prometheus', 'POST', 'api/v1/query/../otlp/v1/metrics', FORGED_METRIC],
  ['prometheus', 'POST', 'api/v1/admin/tsdb/delete_series?match[]=up'],
  ['prometheus', 'PUT', 'api/v1/admin/tsdb/clean_tombstones'],
  ['prometheus', 'POST', '-/quit'],
]
/**
 * The same by the other way to a store: what a data source forwards as its own resource, with the path decoded and
 * normalised.
 */
const REFUSED_RESOURCES: typeof REFUSED = [
  ['loki', 'GET', '..%2f..%2f..%2fflush'],
  ['loki', 'GET', '..%2f..%2f..%2fingester%2fshutdown'],
  ['loki', 'GET', 'label/..%2f..%2f..%2f..%2fconfig/values'],
  ['loki', 'POST', 'push', FORGED],
  ['tempo', 'GET', '..%2fflush'],
  ['tempo', 'GET', '..%2fshutdown'],
  ['prometheus', 'POST', 'api/v1/write', NO_SAMPLES],
  ['prometheus', 'POST', 'api/v1/otlp/v1/metrics', FORGED_METRIC],
  ['prometheus', 'PUT', 'api/v1/otlp/v1/metrics', FORGED_METRIC],
  ['prometheus', 'POST', 'api/v1/admin/tsdb/delete_series?match[]=up'],
  ['prometheus', 'POST', '-/quit'],
  ['prometheus', 'POST', '-/reload'],
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
  const { lines, metrics } = asker(stack)
  /** Not with fetch, which normalises a path before it sends it. */
  const as = (
    { login, password }: typeof VIEWER,
    path: string,
    { method = 'GET', body }: { method?: string; body?: string } = {},
  ) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const { hostname, port, pathname } = new URL(stack.urls.grafana)
      const headers = { authorization: `Basic ${btoa(`${login}:${password}`)}`, 'content-type': 'application/json' }
      request({ hostname, port, path: `${pathname.replace(/\/$/, '')}/api/${path}`, method, headers }, (answer) => {
        answer
          .toArray()
          .then((chunks) => resolve({ status: answer.statusCode!, text: Buffer.concat(chunks).toString() }), reject)
      })
        .on('error', reject)
        .end(body)
    })
  const proxied = (part: string, path: string, init?: { method?: string; body?: string }) =>
    as(VIEWER, `datasources/proxy/uid/shop-update-${part}/${path}`, init)

  await report.check('Grafana: has a Viewer', ['grafana'], async () => {
    const made = await as(ADMIN, 'admin/users', {
      method: 'POST',
      body: JSON.stringify({ ...VIEWER, name: 'A viewer', OrgId: 1 }),
    })
    assert.ok([200, 412].includes(made.status), made.text)
  })
  for (const [part, path] of ALLOWED)
    await report.check(
      `Grafana: a Viewer reads ${path.split('?')[0]} of ${part}`,
      ['grafana', 'nginx', part],
      async () => {
        const answer = await proxied(part, path)
        assert.equal(answer.status, 200, answer.text)
      },
    )
  const resource = (part: string, path: string, init?: { method?: string; body?: string }) =>
    as(VIEWER, `datasources/uid/shop-update-${part}/resources/${path}`, init)
  for (const [way, ask, list] of [
    ['', proxied, REFUSED],
    [', as a resource', resource, REFUSED_RESOURCES],
  ] as const)
    for (const [part, method, path, body] of list)
      await report.check(
        `Grafana: a Viewer is refused ${method} ${path.split('?')[0]} of ${part}${way}`,
        ['grafana', part, ...(part === 'prometheus' ? [] : (['nginx'] as const))],
        async () => {
          const answer = await ask(part, path, { method, ...(body && { body: body() }) })
          // a redirect is to Grafana itself, below its path; a data source without resources is an error of Grafana's
          assert.ok(answer.status >= 300, `HTTP ${answer.status}: ${answer.text}`)
          return `HTTP ${answer.status}`
        },
      )
  await report.check(
    'Loki and Tempo: are there after all that, with no line that nobody said',
    ['grafana', 'nginx', 'loki', 'tempo'],
    async () => {
      for (const part of ['loki', 'tempo'] as const)
        assert.equal((await fetch(`${stack.urls[part]}/ready`)).status, 200)
      assert.deepEqual(await lines('{venture="forged"}'), [])
    },
  )
  await report.check(
    'Prometheus: is there after all that, with no sample that nobody sent',
    ['grafana', 'prometheus'],
    async () => {
      assert.deepEqual(await metrics('forged'), [])
      assert.ok((await metrics('up')).length > 0)
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
    return answer.text
  }
  await report.check(
    'Grafana: a Viewer takes no lock, makes no file and no object in PostgreSQL',
    ['grafana'],
    async () => {
      // the previous one may have spoiled the connection
      for (const statement of [
        'select count(pg_advisory_lock(i)) from generate_series(1, 200000) i',
        'begin; set transaction read write; select lo_create(0); commit',
        'begin; set transaction read write; create temporary table mine (id int); commit',
      ])
        await until(Date.now() + 5000, async () => assert.match(await sql(statement), /permission denied/))
    },
  )
}
