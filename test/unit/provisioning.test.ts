import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard'
import { parser as logQl } from '@grafana/lezer-logql'
import { parser as promQl } from '@prometheus-io/lezer-promql'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { dashboardFiles } from '../../provisioning/dashboards/files.ts'
import { SAMPLES, SEARCH, SEARCH_BESIDE } from '../../provisioning/dashboards/logs.ts'
import { GENERATED_INTO, generatedFiles } from '../../provisioning/generate.ts'
import { SETTINGS } from '../../worker/config.ts'

/** The labels of each metric, as in Prometheus; `instance` if each worker reports its own. */
const METRICS: Record<string, string[]> = {
  shop_update_transitions_total: ['topic', 'from', 'to', 'flow', 'instance'],
  shop_update_status_duration_seconds_bucket: ['topic', 'status', 'le', 'instance'],
  shop_update_time_to_sync_seconds_bucket: ['topic', 'flow', 'le', 'instance'],
  shop_update_calls_total: ['topic', 'method', 'flow', 'outcome', 'instance'],
  shop_update_call_duration_seconds_bucket: ['topic', 'method', 'flow', 'outcome', 'le', 'instance'],
  shop_update_callbacks_total: ['outcome', 'instance'],
  shop_update_internal_refusals_total: ['reason', 'instance'],
  shop_update_requeues_total: ['topic', 'result', 'instance'],
  shop_update_leases_rescued_total: ['status', 'instance'],
  shop_update_worker_heartbeat_seconds: ['instance'],
  shop_update_in_flight: ['instance'],
  shop_update_in_flight_limit: ['instance'],
  shop_update_circuit_open: ['instance'],
  shop_update_shop_calls: ['instance'],
  shop_update_shop_calls_limit: ['instance'],
  shop_update_shop_busy: ['instance'],
  shop_update_queue_items: ['topic', 'status'],
  shop_update_queue_oldest_age_seconds: ['topic', 'status'],
  shop_update_queue_blocked: ['reason'],
  shop_update_queue_stranded: [],
  shop_update_overdue_items: [],
  shop_update_incidents: ['kind'],
  shop_update_pauses: ['scope', 'topic'],
  shop_update_runs: [],
  shop_update_feedback_behind_seconds: [],
  shop_update_kpi_synced_ratio: ['window'],
  shop_update_database_connections: ['state'],
  shop_update_database_dead_rows: ['table'],
  shop_update_database_oldest_transaction_seconds: [],
  shop_update_database_updates: ['hot'],
  db_client_operation_duration_seconds_bucket: ['db_query_summary', 'le', 'instance'],
  nodejs_eventloop_utilization_ratio: ['instance'],
  nodejs_eventloop_delay_p99_seconds: ['instance'],
  nodejs_eventloop_delay_max_seconds: ['instance'],
  v8js_memory_heap_used_bytes: ['instance'],
  process_memory_usage_bytes: ['instance'],
  otel_sdk_processor_span_processed_total: ['error_type', 'instance'],
  otel_sdk_processor_log_processed_total: ['error_type', 'instance'],
  otel_sdk_processor_span_queue_size: ['instance'],
  otel_sdk_processor_log_queue_size: ['instance'],
  otel_sdk_processor_span_queue_capacity: ['instance'],
  otel_sdk_processor_log_queue_capacity: ['instance'],
}
const EVERYWHERE = ['service_name', 'venture', 'source']
const SOURCES = ['shop-update-prometheus', 'shop-update-loki', 'shop-update-tempo', 'shop-update-postgres']
/** Panels that show no numbers. */
const WORDS = ['text', 'logs', 'traces']

interface Target {
  refId: string
  datasource: { uid: string }
  expr?: string
  rawSql?: string
}
type AnyPanel = Omit<Panel, 'targets'> & { targets?: Target[]; id: number; panels?: AnyPanel[] }
const dashboards = dashboardFiles().map(({ text }) => {
  const { uid, panels: outer } = JSON.parse(text) as { uid: string; panels: AnyPanel[] }
  return { uid, panels: outer.flatMap((panel) => [panel, ...(panel.panels ?? [])]) }
})
const panels = dashboards.flatMap(({ uid, panels: all }) =>
  all.filter(({ type }) => type !== 'row').map((panel) => ({ uid, panel, name: `${uid}, ${panel.title || 'words'}` })),
)
const targets = panels.flatMap(({ name, panel }) =>
  (panel.targets ?? []).map((target) => ({ name: `${name}, ${target.refId}`, target })),
)

/** Grafana's variables, replaced by plausible values. */
const filled = (query: string) =>
  query.replace(/\$__(rate_interval|auto|interval|range)\b/g, '1m').replace(/\$\{\w+(:\w+)?\}|\$\w+/g, 'x')

interface Node {
  name: string
  text: string
  parents: string[]
}
function nodes(parser: typeof promQl, query: string): Node[] {
  const found: Node[] = []
  const parents: string[] = []
  parser.parse(query).iterate({
    enter({ type, name, from, to }) {
      expect(type.isError, `${query}: ${query.slice(0, from)} ⚠`).toBe(false)
      found.push({ name, text: query.slice(from, to), parents: [...parents] })
      parents.push(name)
    },
    leave: () => void parents.pop(),
  })
  return found
}

describe('the files in git', () => {
  test.each(generatedFiles().map((file) => [file.path, file] as const))(
    '%s is what `npm run provisioning` makes',
    (path, { text }) => {
      expect(
        readFileSync(join(GENERATED_INTO, path), 'utf8') === text,
        `${path} differs: run npm run provisioning`,
      ).toBe(true)
    },
  )

  test('no dashboard is there that nothing makes', () => {
    const folder = 'dashboards/Shop Update'
    expect(readdirSync(join(GENERATED_INTO, folder)).map((name) => `${folder}/${name}`)).toEqual(
      generatedFiles()
        .map(({ path }) => path)
        .filter((path) => path.startsWith(folder))
        .toSorted(),
    )
  })
})

test('the three dashboards, each panel with a number of its own', () => {
  expect(dashboards.map(({ uid }) => uid)).toEqual(['shop-update-analytics', 'shop-update-logs', 'shop-update-worker'])
  for (const { panels: all } of dashboards) expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
})

test.each(dashboards.map(({ uid, panels: all }) => [uid, all] as const))(
  '%s: no gap between panels, and none on another',
  (_, all) => {
    const lines = Map.groupBy(
      all.map(({ gridPos }) => gridPos!),
      ({ y }) => y,
    )
    let below = 0
    for (const [y, line] of [...lines].toSorted(([a], [b]) => a - b)) {
      expect(y, `line ${y}`).toBe(below)
      let right = 0
      for (const { x, w, h } of line.toSorted((a, b) => a.x - b.x)) {
        expect({ x, h }, `line ${y}`).toEqual({ x: right, h: line[0]!.h })
        right += w
      }
      expect(right, `line ${y}`).toBe(24)
      below += line[0]!.h
    }
  },
)

test.each(panels.map(({ name, panel }) => [name, panel] as const))(
  '%s: description, unit, words for nothing',
  (_, { type, description, fieldConfig, targets: asked }) => {
    if (type === 'text') return
    expect(description).toMatch(/\.$/)
    expect(asked?.length).toBeGreaterThan(0)
    if (WORDS.includes(type)) return
    expect(fieldConfig?.defaults.noValue).toBeTruthy()
    const units = [
      fieldConfig?.defaults.unit,
      ...(fieldConfig?.overrides ?? []).flatMap(({ properties }) =>
        properties.map(({ id, value }) => (id === 'unit' ? value : undefined)),
      ),
    ]
    expect(units.some((unit) => unit !== undefined)).toBe(true)
  },
)

test.each(targets.map(({ name, target }) => [name, target] as const))(
  '%s asks one of our data sources',
  (_, { datasource }) => {
    expect(SOURCES).toContain(datasource.uid)
  },
)

describe('PromQL', () => {
  const queries = targets.filter(({ target }) => target.datasource.uid === 'shop-update-prometheus')
  test.each(queries.map(({ name, target }) => [name, target.expr ?? ''] as const))(
    '%s parses, and names metrics and labels that there are',
    (_, expr) => {
      const tree = nodes(promQl, filled(expr))
      const metrics = tree
        .filter(({ name, parents }) => name === 'Identifier' && parents.at(-1) === 'VectorSelector')
        .map(({ text }) => text)
      expect(Object.keys(METRICS)).toEqual(expect.arrayContaining(metrics))
      const labels = tree.filter(({ name }) => name === 'LabelName').map(({ text }) => text)
      expect([...EVERYWHERE, ...metrics.flatMap((metric) => METRICS[metric] ?? [])]).toEqual(
        expect.arrayContaining(labels),
      )
      // checks each selector: another program's metrics may have the same name
      const selectors = tree.filter(({ name }) => name === 'VectorSelector').map(({ text }) => text)
      expect(selectors.length).toBeGreaterThan(0)
      for (const selector of selectors)
        expect(selector).toContain('service_name="shop-update", venture="x", source="x"')
    },
  )
})

describe('LogQL', () => {
  const queries = targets.filter(({ target }) => target.datasource.uid === 'shop-update-loki')
  test.each(queries.map(({ name, target }) => [name, target.expr ?? ''] as const))('%s parses', (_, expr) => {
    nodes(logQl, filled(expr))
  })

  test('whatever is typed stays what it is', () => {
    const typed = String.raw`a "quoted" \ (back|slash) {}[]*+?.^$ 'it' é`
    const escaped = typed.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&') // Grafana's format `regex`
    const query = SEARCH.replace(/\$\{\w+:regex\}/g, () => escaped).replace(/\$\w+/g, '^')
    const expressions = nodes(logQl, query)
      .filter(({ name, parents }) => name === 'String' && parents.includes('LineFilter'))
      .map(({ text }) => text.slice(1, -1))
    expect(expressions).toContain(`(?i)${escaped}`)
    expect(new RegExp(`^${escaped}$`).test(typed)).toBe(true)
  })

  test('a line that spells the SKU otherwise is found by what stands beside it, and once', () => {
    const regex = (typed: string) => typed.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&') // Grafana's format `regex`
    const filled = (typed: string) =>
      SEARCH_BESIDE.replaceAll(/\$\{sku:regex\}/g, () => regex(typed)).replace(/\$\{?\w+(:regex)?\}?/g, '^')
    const found = (typed: string, line: string, labels: { seller_sku?: string; sku?: string }) => {
      nodes(logQl, filled(typed))
      const [, absent = ''] = /!~ `(.*?)`/.exec(filled(typed)) ?? []
      const beside = [...filled(typed).matchAll(/\b(seller_sku|sku)=~`(.*?)`/g)]
      expect(beside.map(([, name]) => name)).toEqual(['seller_sku', 'sku'])
      const fits = beside.some(([, name, expression]) =>
        new RegExp(`^(?:${expression})$`).test(labels[name as 'sku'] ?? ''),
      )
      return !new RegExp(absent).test(line) && fits
    }
    for (const sku of ['26" Natural Cab', 'a\\b', 'Café', 'A/B?`'.slice(0, 4)]) {
      const line = `RawResponse 42 200 ${JSON.stringify([{ seller_sku: sku }]).replace('é', '\\u00e9')}`
      expect(found(sku, line, { seller_sku: sku }), sku).toBe(!line.includes(sku))
      expect(found(sku, 'RawResponse 42 500 {}', { sku: `X-1, ${sku}, …` }), sku).toBe(true)
      expect(found(sku, 'RawResponse 42 500 {}', { seller_sku: `${sku}-RED` }), sku).toBe(false)
      expect(found(sku, `Status ${sku}`, { seller_sku: sku }), sku).toBe(false) // the other search finds it
    }
    expect(found('', 'RawResponse 42 500 {}', { seller_sku: 'AB-1' })).toBe(false)
  })

  test('an item is searched for by its whole id, and everything without one', () => {
    const [, expression = ''] = /item_id=~`(.*?)`/.exec(SEARCH) ?? []
    const fits = (typed: string, label: string) =>
      new RegExp(`^(?:${expression.replace(/\$\{item:regex\}/, typed)})$`).test(label)
    expect(['42', '421', '142', ''].map((label) => fits('42', label))).toEqual([true, false, false, false])
    expect(['42', ''].map((label) => fits('', label))).toEqual([true, true])
  })

  test('the sample searches of the requirements are all there', () => {
    expect(SAMPLES).toHaveLength(5)
  })
})

describe('docker-compose.yml', () => {
  const root = join(import.meta.dirname, '../..')
  const { services } = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
    services: Record<
      string,
      { environment: Record<string, string>; depends_on: Record<string, object>; command: string[] }
    >
  }
  /** The addresses are those of the containers, and each worker has its own name. */
  const fixed = [
    'DATABASE_URL',
    'PUBLIC_HOST',
    'PUBLIC_PORT',
    'INTERNAL_HOST',
    'INTERNAL_PORT',
    'WORKER_NAME',
    'OTEL_EXPORTER_OTLP_ENDPOINT',
  ]

  test('the worker is handed each setting but those of the OpenTelemetry specification', () => {
    const { OpenTelemetry: _, ...groups } = SETTINGS
    for (const name of Object.values(groups)
      .flatMap(Object.keys)
      .filter((each) => !fixed.includes(each)))
      expect(services.worker!.environment[name], name).toContain(`\${${name}`)
  })

  test('Grafana waits until its secrets have been looked at', () => {
    const { 'grafana-secrets': check, grafana } = services
    expect(grafana!.depends_on['grafana-secrets']).toEqual({ condition: 'service_completed_successfully' })
    expect(check!.command).toEqual(['node', 'worker/check-grafana.ts'])
    expect(check!.environment).toMatchObject({
      GRAFANA_ADMIN_PASSWORD: grafana!.environment.GF_SECURITY_ADMIN_PASSWORD,
      GRAFANA_SECRET_KEY: grafana!.environment.GF_SECURITY_SECRET_KEY,
    })
    expect(check!.environment.GRAFANA_DB_PASSWORD).toContain('${GRAFANA_DB_PASSWORD')
  })
})
