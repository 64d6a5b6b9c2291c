import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ConfigError, checkGrafanaSecrets, readConfig, readDatabaseUrl, readVariable } from '../../worker/config.ts'

const LEAST = {
  DATABASE_URL: 'postgres://user:canary-of-the-database@host:5432/database',
  SHOP_URL: 'https://shop.example/api',
  VENTURE: 'zalora',
  COUNTRY: 'eg',
  ENVIRONMENT: 'staging',
  VIEWER_API_KEY: 'canary-of-the-viewer',
  ADMIN_API_KEY: 'canary-of-the-admin',
}
/** Valid for `live`. */
const LIVE = {
  ...LEAST,
  ENVIRONMENT: 'live',
  VIEWER_API_KEY: 'canary-of-the-viewer-with-24',
  ADMIN_API_KEY: 'canary-of-the-admin-with-24+',
  GRAFANA_JWKS_URL: 'http://grafana:3000/api/signing-keys/keys',
}
const sentenceOf = (
  env: Record<string, string | undefined>,
  read: (env: Record<string, string | undefined>) => unknown = readConfig,
): string => {
  try {
    read(env)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    const { message } = error as Error
    expect(message).not.toMatch(/canary|\n/)
    expect(message).toMatch(/\.$/)
    return message
  }
  throw new Error('It was accepted')
}

test('the least that it needs, and every default', () => {
  expect(readConfig(LEAST)).toEqual({
    ...LEAST,
    SHOP_TIMEOUT_MS: 30_000,
    VENTURE_TIMEZONE: 'UTC',
    PUBLIC_HOST: '0.0.0.0',
    PUBLIC_PORT: 8080,
    INTERNAL_HOST: '127.0.0.1',
    INTERNAL_PORT: 8081,
    TRUSTED_PROXIES: [],
    CONCURRENCY: 2000,
    ANSWER_BUDGET_MIB: 256,
    MAX_RETRIES: 27,
    FAILED_AFTER: 12,
    RETRY_UNIT_SECONDS: 60,
    STOCK_WAIT_SECONDS: 600,
    FLOW_TTL_SECONDS: 5,
    LEASE_SECONDS: 15,
    HISTORY_DAYS: 93,
    GRAFANA_ORG_ID: 1,
    ALLOW_INSECURE: [],
    LOG_LEVEL: 'info',
    LOG_ITEMS: 'true',
    OTEL_SDK_DISABLED: 'false',
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_LOGS_EXPORTER: 'otlp',
    OTEL_BSP_MAX_QUEUE_SIZE: 131_072,
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: 2048,
    OTEL_BSP_SCHEDULE_DELAY: 500,
    OTEL_BLRP_MAX_QUEUE_SIZE: 131_072,
    OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: 2048,
    OTEL_BLRP_SCHEDULE_DELAY: 500,
    OTEL_METRIC_EXPORT_INTERVAL: 15_000,
    WORKER_NAME: expect.stringMatching(/:\d+$/),
  })
})

describe.each(Object.keys(LEAST))('%s', (name) => {
  test.each([undefined, '', ' '])('missing (%o)', (value) => {
    const example = name === 'DATABASE_URL' ? ': it must be a URL like postgres://user:password@host:5432/database' : ''
    expect(sentenceOf({ ...LEAST, [name]: value })).toBe(`${name} is missing${example}.`)
  })
})

test.each<[name: string, ...wrong: string[]]>([
  ['DATABASE_URL', 'canary', 'mysql://user:canary@host/database', 'https://canary'],
  ['DATABASE_READ_URL', 'canary', 'mysql://user:canary@host/database'],
  [
    'SHOP_URL',
    'canary',
    'ftp://canary',
    'https://canary:canary@shop.example',
    'https://canary@shop.example',
    'https://:canary@shop.example',
  ],
  ['SHOP_TIMEOUT_MS', 'canary', '0', '1.5', '600001', '0x10', '1e3', '1.'],
  ['SHOP_RATE_PER_SECOND', 'canary', '0', '-1', 'Infinity'],
  ['COUNTRY', 'canary', 'e', 'EG'],
  ['ENVIRONMENT', 'canary', 'production'],
  ['VENTURE_TIMEZONE', 'Africa/Canary', 'canary', '+02:00', '-0300'],
  ['PUBLIC_PORT', 'canary', '-1', '65536'],
  ['INTERNAL_PORT', 'canary', '-1', '65536'],
  ['CONCURRENCY', 'canary', '0', '20001', '1.5'],
  ['ANSWER_BUDGET_MIB', 'canary', '7', '1.5'],
  ['MAX_RETRIES', 'canary', '-1', '101'],
  ['FAILED_AFTER', 'canary', '0', '102'],
  ['RETRY_UNIT_SECONDS', 'canary', '0', '-1', 'Infinity'],
  ['STOCK_WAIT_SECONDS', 'canary', '-1', 'Infinity', '1e300', '1000001'],
  ['FLOW_TTL_SECONDS', 'canary', '0', '-1', 'Infinity', '99999999'],
  ['LEASE_SECONDS', 'canary', '0', '-1', 'Infinity', '99999999'],
  ['HISTORY_DAYS', 'canary', '0', '3651'],
  ['VIEWER_API_KEY', 'a canary', 'canary\n', 'cañary'],
  ['ADMIN_API_KEY', ' canary'],
  ['TRUSTED_PROXIES', 'canary', '10.0.0.0/8,canary-balancer'],
  ['CALLBACK_ALLOWED_IPS', 'canary', '10.0.0.0/33', '127.0.0.1,canary'],
  ['GRAFANA_JWKS_URL', 'canary', 'file:///canary'],
  ['GRAFANA_URL', 'canary', 'file:///canary'],
  ['GRAFANA_ORG_ID', 'canary', '0', '1.5'],
  ['ALLOW_INSECURE', 'canary', 'all', 'trivial-keys canary'],
  ['LOG_ITEMS', 'canary', 'yes'],
  ['OTEL_SDK_DISABLED', 'canary'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'canary', 'ftp://canary'],
  ['OTEL_EXPORTER_OTLP_LOGS_ENDPOINT', 'canary'],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'canary', 'grpc'],
  ['OTEL_TRACES_EXPORTER', 'canary', 'console'],
  ['OTEL_BSP_MAX_QUEUE_SIZE', 'canary', '0'],
  ['OTEL_METRIC_EXPORT_INTERVAL', 'canary', '10'],
  ['LOG_LEVEL', 'canary', 'INFO'],
])('%s is wrong', (name, ...wrong) => {
  for (const value of wrong) {
    const sentence = sentenceOf({ ...LEAST, [name]: value })
    expect(sentence).toMatch(new RegExp(`^${name} is wrong: it must `))
    expect(sentence).not.toContain(value.length > 8 ? value : 'canary')
  }
})

test.each<[name: string, value: string, read: unknown]>([
  ['DATABASE_URL', 'postgresql://host/database', 'postgresql://host/database'],
  ['DATABASE_URL', 'postgres://user:a,b@one:5432,two/database', 'postgres://user:a,b@one:5432,two/database'],
  ['DATABASE_READ_URL', 'postgres://replica/database', 'postgres://replica/database'],
  ['SHOP_URL', 'http://127.0.0.1:9000', 'http://127.0.0.1:9000'],
  ['SHOP_USERNAME', 'sc', 'sc'],
  ['SHOP_TIMEOUT_MS', ' 1\n', 1],
  ['SHOP_RATE_PER_SECOND', '0.5', 0.5],
  ['SHOP_RATE_PER_SECOND', '.5', 0.5],
  ['COUNTRY', 'egy', 'egy'],
  ['VENTURE_TIMEZONE', 'Africa/Cairo', 'Africa/Cairo'],
  ['PUBLIC_HOST', '::', '::'],
  ['PUBLIC_PORT', '0', 0],
  ['INTERNAL_HOST', '0.0.0.0', '0.0.0.0'],
  ['INTERNAL_PORT', '65535', 65_535],
  ['TRUSTED_PROXIES', ' 10.0.0.1 ,, 10.1.0.0/16,', ['10.0.0.1', '10.1.0.0/16']],
  ['CONCURRENCY', '20000', 20_000],
  ['ANSWER_BUDGET_MIB', '8', 8],
  ['MAX_RETRIES', '0', 0],
  ['FAILED_AFTER', '101', 101],
  ['RETRY_UNIT_SECONDS', '0.01', 0.01],
  ['STOCK_WAIT_SECONDS', '0', 0],
  ['FLOW_TTL_SECONDS', '0.2', 0.2],
  ['LEASE_SECONDS', '2', 2],
  ['HISTORY_DAYS', '1', 1],
  ['GRAFANA_JWKS_URL', 'http://grafana/api/signing-keys/keys', 'http://grafana/api/signing-keys/keys'],
  ['GRAFANA_URL', 'https://grafana.example', 'https://grafana.example'],
  ['CALLBACK_API_KEY', 'canary', 'canary'],
  ['CALLBACK_ALLOWED_IPS', '127.0.0.1, ::1', ['127.0.0.1', '::1']],
  ['GRAFANA_ORG_ID', '7', 7],
  ['ALLOW_INSECURE', 'no-grafana-token, trivial-keys', ['no-grafana-token', 'trivial-keys']],
  ['LOG_LEVEL', 'error', 'error'],
  ['WORKER_NAME', 'one', 'one'],
])('%s=%s', (name, value, read) => {
  expect(readConfig({ ...LEAST, [name]: value })).toHaveProperty(name, read)
})

test('an empty variable counts as not set', () => {
  expect(readConfig({ ...LEAST, CONCURRENCY: '', SHOP_USERNAME: '', WORKER_NAME: '' })).toEqual(readConfig(LEAST))
})

test('the keys of viewer and admin must differ', () => {
  expect(sentenceOf({ ...LEAST, ADMIN_API_KEY: LEAST.VIEWER_API_KEY })).toBe(
    'ADMIN_API_KEY must differ from VIEWER_API_KEY.',
  )
})

test.each(['DATABASE_URL', 'SHOP_PASSWORD', 'VIEWER_API_KEY', 'ADMIN_API_KEY', 'CALLBACK_API_KEY'])(
  'live is refused with the %s of the example',
  (name) => {
    const value = name === 'DATABASE_URL' ? 'postgres://user:change-me@host/database' : 'change-me'
    const env = { ...LEAST, SHOP_USERNAME: 'sc', [name]: value }
    expect(readConfig(env)).toHaveProperty(name)
    expect(sentenceOf({ ...env, ENVIRONMENT: 'live' })).toBe(
      `${name} is still that of the example: choose one of your own for live.`,
    )
  },
)

describe('live', () => {
  test('starts with what is fit for it', () => {
    const env = {
      ...LIVE,
      CALLBACK_API_KEY: 'sixteen-of-them!',
      CALLBACK_ALLOWED_IPS: '10.0.0.0/8,2001:db8::/32',
      TRUSTED_PROXIES: '10.0.0.0/8',
    }
    expect(readConfig(env)).toMatchObject({ ENVIRONMENT: 'live', ALLOW_INSECURE: [] })
  })

  test.each<[what: string, env: Record<string, string | undefined>, named: string]>([
    ['trivial-keys', { VIEWER_API_KEY: 'canary-of-23-characters' }, 'VIEWER_API_KEY'],
    ['trivial-keys', { ADMIN_API_KEY: 'a' }, 'ADMIN_API_KEY'],
    ['trivial-keys', { CALLBACK_API_KEY: 'canary-of-15-ch' }, 'CALLBACK_API_KEY'],
    ['open-white-list', { CALLBACK_ALLOWED_IPS: '127.0.0.1,0.0.0.0/0' }, 'CALLBACK_ALLOWED_IPS'],
    ['open-white-list', { CALLBACK_ALLOWED_IPS: '::/0' }, 'CALLBACK_ALLOWED_IPS'],
    ['open-white-list', { CALLBACK_ALLOWED_IPS: '0.0.0.0/1,128.0.0.0/1' }, 'CALLBACK_ALLOWED_IPS'],
    ['open-white-list', { TRUSTED_PROXIES: '::ffff:0:0/96' }, 'TRUSTED_PROXIES'],
    ['plain-http-shop', { SHOP_URL: 'http://shop.example/api' }, 'SHOP_URL'],
    ['no-grafana-token', { GRAFANA_JWKS_URL: '' }, 'GRAFANA_JWKS_URL'],
  ])('is refused (%s): %j', (what, env, named) => {
    const sentence = sentenceOf({ ...LIVE, ...env })
    expect(sentence).toMatch(new RegExp(`^${named} .*: not for live, unless ALLOW_INSECURE has ${what}\\.$`))
    const others = ['trivial-keys', 'open-white-list', 'plain-http-shop', 'no-grafana-token'].filter(
      (each) => each !== what,
    )
    expect(sentenceOf({ ...LIVE, ...env, ALLOW_INSECURE: others.join(',') })).toBe(sentence)
    expect(readConfig({ ...LIVE, ...env, ALLOW_INSECURE: what })).toHaveProperty('ALLOW_INSECURE', [what])
    expect(readConfig({ ...LIVE, ...env, ENVIRONMENT: 'staging' })).toHaveProperty('ALLOW_INSECURE', [])
  })
})

describe('a secret in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shop-update-secrets-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const file = (text: string) => {
    const path = join(folder, `secret-${text.length}`)
    writeFileSync(path, text)
    return path
  }

  test.each([
    'DATABASE_URL',
    'DATABASE_READ_URL',
    'SHOP_PASSWORD',
    'VIEWER_API_KEY',
    'ADMIN_API_KEY',
    'CALLBACK_API_KEY',
  ])('%s', (name) => {
    const value = name.endsWith('URL') ? 'postgres://canary@host/database' : 'canary-in-a-file'
    const env = { ...LEAST, SHOP_USERNAME: 'sc', [name]: '', [`${name}_FILE`]: file(`${value}\n`) }
    expect(readConfig(env)).toHaveProperty(name, value)
    expect(sentenceOf({ ...env, [name]: value })).toBe(`${name} and ${name}_FILE are both set: one of them only.`)
    expect(sentenceOf({ ...env, [`${name}_FILE`]: join(folder, 'none') })).toBe(
      `${name}_FILE: its file cannot be read (ENOENT).`,
    )
    expect(sentenceOf({ ...env, [`${name}_FILE`]: file('\n') })).toBe(`${name}_FILE: its file is empty.`)
  })

  test('of a command that needs only the database; and of the exporters', () => {
    expect(readDatabaseUrl({ DATABASE_URL_FILE: file(LEAST.DATABASE_URL) })).toBe(LEAST.DATABASE_URL)
    expect(
      readVariable({ OTEL_EXPORTER_OTLP_HEADERS_FILE: file('authorization=x\r\n') }, 'OTEL_EXPORTER_OTLP_HEADERS'),
    ).toBe('authorization=x')
  })

  test('is one only where there is a secret', () => {
    expect(sentenceOf({ ...LEAST, VENTURE: '', VENTURE_FILE: file('zalora') })).toBe('VENTURE is missing.')
  })
})

describe('the secrets of Grafana', () => {
  const GRAFANA = {
    ENVIRONMENT: 'live',
    GRAFANA_ADMIN_PASSWORD: 'canary-twelve',
    GRAFANA_SECRET_KEY: 'canary-of-twenty-four-ch',
    GRAFANA_DB_PASSWORD: 'canary-twelve',
  }
  test.each<[name: string, ...wrong: string[]]>([
    ['GRAFANA_ADMIN_PASSWORD', 'change-me', 'admin'],
    ['GRAFANA_SECRET_KEY', 'change-me', 'Change-Me-and-be-long-enough', 'canary-of-23-characters'],
    ['GRAFANA_DB_PASSWORD', 'change-me-of-the-reader'],
  ])('%s', (name, ...wrong) => {
    checkGrafanaSecrets(GRAFANA)
    for (const value of wrong) {
      expect(sentenceOf({ ...GRAFANA, [name]: value }, checkGrafanaSecrets)).toMatch(
        new RegExp(`^${name} (is still that of the example|has fewer than)`),
      )
      checkGrafanaSecrets({ ...GRAFANA, [name]: value, ENVIRONMENT: 'staging' })
      checkGrafanaSecrets({ ...GRAFANA, [name]: value, ALLOW_INSECURE: 'trivial-keys' })
    }
    expect(sentenceOf({ ...GRAFANA, [name]: '' }, checkGrafanaSecrets)).toBe(`${name} is missing.`)
  })
})

test('a password of the Shop without a user name', () => {
  expect(sentenceOf({ ...LEAST, SHOP_PASSWORD: 'canary' })).toBe('SHOP_PASSWORD is set, but SHOP_USERNAME is not.')
  expect(readConfig({ ...LEAST, SHOP_USERNAME: 'sc', SHOP_PASSWORD: 'canary' })).toHaveProperty(
    'SHOP_PASSWORD',
    'canary',
  )
})

test('a command that needs only the database asks for nothing else', () => {
  expect(readDatabaseUrl({ DATABASE_URL: LEAST.DATABASE_URL })).toBe(LEAST.DATABASE_URL)
  expect(() => readDatabaseUrl({})).toThrow('DATABASE_URL is missing: it must be a URL like postgres:')
})
