import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

interface Service {
  image?: string
  build?: string
  user?: string
  read_only?: boolean
  cap_drop?: string[]
  cap_add?: string[]
  security_opt?: string[]
  pids_limit?: number
  mem_limit?: string
  cpus?: number
  networks?: string[]
  network_mode?: string
  ports?: string[]
  environment?: Record<string, string>
  command?: string[]
}
const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8')
const { services, networks } = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>
  networks: Record<string, { internal?: boolean }>
}
const NAMES = Object.keys(services)

test.each(NAMES)('%s: confined, with limits, and its image by digest', (name) => {
  const { image, build, ...service } = services[name]!
  expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
  for (const limit of [service.pids_limit, service.mem_limit, service.cpus]) expect(limit).toBeTruthy()
  if (build === undefined) expect(image).toMatch(/^[\w./-]+:[\w.-]+@sha256:[\da-f]{64}$/)
  // PostgreSQL gives its folder to its own user, and another container gives the collector its folder: nothing else
  // needs capabilities
  expect(service.cap_add ?? []).toEqual(
    {
      postgres: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETGID', 'SETUID'],
      'otelcol-folder': ['CHOWN', 'DAC_READ_SEARCH'],
    }[name] ?? [],
  )
  if (name !== 'otelcol-folder') expect(service.user).not.toBe('0')
  if (name === 'otelcol') expect(service.user).toBe('10001:10001') // the user to whom otelcol-folder gives the volume
})

describe('networks', () => {
  const meet = (one: string, other: string) =>
    (services[one]!.networks ?? []).filter((name) => services[other]!.networks?.includes(name))

  test('everybody is in one or in none by name', () => {
    for (const name of NAMES) expect(services[name]!.networks ?? services[name]!.network_mode, name).toBeTruthy()
  })

  test('the Shop meets the worker alone', () => {
    expect(NAMES.filter((name) => name !== 'shop' && meet('shop', name).length > 0)).toEqual(['worker'])
  })

  test('Grafana meets neither Loki nor Tempo nor the collector, but the proxy that only reads', () => {
    expect(NAMES.filter((name) => name !== 'grafana' && meet('grafana', name).length > 0)).toEqual([
      'postgres',
      'worker',
      'nginx',
      'prometheus',
    ])
    expect(services.grafana!.environment).toMatchObject({
      LOKI_URL: 'http://nginx:3100',
      TEMPO_URL: 'http://nginx:3200',
    })
  })

  test('what only talks among itself has no way out', () => {
    expect(networks.database!.internal).toBe(true)
    expect(networks.telemetry!.internal).toBe(true)
  })

  test('two ports are open to the world', () => {
    expect(NAMES.filter((name) => services[name]!.ports)).toEqual(['worker', 'grafana'])
  })
})

test('the worker is its own login, and only migrate is the owner', () => {
  const owners = NAMES.filter((name) => JSON.stringify(services[name]!.environment ?? {}).includes('POSTGRES_PASSWORD'))
  expect(owners).toEqual(['postgres', 'migrate', 'logins'])
  expect(services.worker!.environment!.DATABASE_URL).toContain('postgres://worker:')
})

test('dashboards read a replica where one is named', () => {
  expect(services.grafana!.environment!.POSTGRES_ADDRESS).toMatch(/^\$\{POSTGRES_READ_ADDRESS:-postgres:5432\}$/)
})

test("the worker's heap is half of its memory", () => {
  const [, heap] = /--max-old-space-size=(\d+)/.exec(read('Dockerfile')) ?? []
  expect(services.worker!.mem_limit).toBe('2g')
  expect(Number(heap)).toBe(1024)
})

describe('between Grafana and the stores', () => {
  const conf = read('provisioning/nginx/read-only.conf')
  const [, loki, tempo] = conf.split('\n  server {')
  const passes = (server: string | undefined, path: string) =>
    [...(server ?? '').matchAll(/location ~ (\S+) \{/g)].some(([, pattern]) => new RegExp(pattern!).test(path))

  test('whatever passes passes with GET alone, and everything else is refused', () => {
    for (const server of [loki, tempo]) {
      expect(server!.match(/proxy_pass/g)).toHaveLength(server!.match(/limit_except GET \{ deny all; \}/g)!.length)
      expect(server).toContain('location / { return 403; }')
    }
    for (const path of [
      '/loki/api/v1/query_range',
      '/loki/api/v1/label/service_name/values',
      '/loki/api/v1/index/volume',
    ])
      expect(passes(loki, path), path).toBe(true)
    for (const path of [
      '/loki/api/v1/push',
      '/loki/api/v1/delete',
      '/flush',
      '/ingester/shutdown',
      '/config',
      '/otlp/v1/logs',
      '/loki/api/v1/query/x',
    ])
      expect(passes(loki, path), path).toBe(false)
    for (const path of [
      '/api/search',
      '/api/v2/traces/0af7651916cd43dd8448eb211c80319c',
      '/api/v2/search/tag/name/values',
    ])
      expect(passes(tempo, path), path).toBe(true)
    for (const path of ['/flush', '/shutdown', '/api/overrides', '/status/config'])
      expect(passes(tempo, path), path).toBe(false)
  })

  test('Loki deletes nothing by request', () => {
    expect(parse(read('provisioning/loki/config.yaml')).limits_config.deletion_mode).toBe('disabled')
  })
})
