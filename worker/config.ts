import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { z } from 'zod'
import { isAllowListEntry, isOpenRange } from './allow-list.ts'
import { UsageError } from './usage-error.ts'

/** A missing or wrong value in the environment; the message is one sentence that names it. */
export class ConfigError extends UsageError {}

/** Decimal digits only: `Number` accepts more than people expect (`0x10`). */
const number = (error: string, checked: (value: number) => boolean) =>
  z
    .string()
    .trim()
    .regex(/^(\d+(\.\d+)?|\.\d+)$/, { error, abort: true })
    .transform(Number)
    .refine(checked, { error })
const integer = (low: number, high: number) =>
  number(
    `must be a whole number from ${low} to ${high}`,
    (value) => Number.isInteger(value) && value >= low && value <= high,
  )
/** A Node timer of more than 24 days fires at once. */
const MOST_SECONDS = 1_000_000
const seconds = number(
  `must be a number above 0, of at most ${MOST_SECONDS}`,
  (value) => value > 0 && value <= MOST_SECONDS,
)
/** Separated by commas. */
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
)
/** A wrong entry is reported by its position: somebody may have put a secret into this variable. */
const addresses = list.refine((entries) => entries.every(isAllowListEntry), {
  error: ({ input }) =>
    'must consist of IP addresses and ranges: entry ' +
    `${(input as string[]).findIndex((entry) => !isAllowListEntry(entry)) + 1} is neither`,
})
const POSTGRES_URL = 'must be a URL like postgres://user:password@host:5432/database'
const postgresUrl = z.string().refine(isPostgresUrl, POSTGRES_URL)
/** As allowed in a header. */
const key = z.string().regex(/^[\x21-\x7e]+$/, 'must consist of letters, digits and punctuation, without spaces')
const url = (example: string) => z.url({ protocol: /^https?$/, error: `must be a URL like ${example}`, abort: true })
const flag = (otherwise: 'true' | 'false') => z.enum(['true', 'false'], 'must be true or false').default(otherwise)
const otlpEndpoint = url('http://collector:4318').optional()
const otelExporter = z.enum(['otlp', 'none'], 'must be otlp or none').default('otlp')

/** What `live` refuses unless `ALLOW_INSECURE` names it. */
const INSECURE = ['trivial-keys', 'open-white-list', 'plain-http-shop', 'no-grafana-token'] as const
type Insecure = (typeof INSECURE)[number]
const insecure = list
  .refine((names) => names.every((name) => INSECURE.includes(name as Insecure)), {
    error: `must consist of ${INSECURE.join(', ')}, separated by commas`,
  })
  .transform((names) => names as Insecure[])

/**
 * Every setting, by subject. An empty or blank variable counts as not set. `npm run papers` generates
 * docs/configuration.md from this; `otherwise` says what applies if there is no nameable default.
 */
export const SETTINGS = {
  Database: {
    DATABASE_URL: postgresUrl.meta({
      description:
        'PostgreSQL 18 or newer. Several hosts (`postgres://user:password@one:5432,two:5432/database`): the one that ' +
        'writes is found, also after a standby has been promoted. No pooler in transaction mode.',
    }),
    DATABASE_READ_URL: postgresUrl
      .optional()
      .meta({ otherwise: '`DATABASE_URL`', description: 'A replica for lists and numbers.' }),
  },
  Shop: {
    SHOP_URL: url('https://shop.example/api')
      .refine(
        (text) => !new URL(text).username && !new URL(text).password,
        'must not hold a user name or password: use SHOP_USERNAME and SHOP_PASSWORD',
      )
      .meta({ description: "The Shop's one URL, without user name and password." }),
    SHOP_USERNAME: z.string().optional().meta({
      description: 'Where it is set, an `auth` element leads each request; that is never stored or logged.',
    }),
    SHOP_PASSWORD: z.string().optional().meta({ description: 'That of `SHOP_USERNAME`.' }),
    SHOP_TIMEOUT_MS: integer(1, 600_000).default(30_000).meta({
      unit: 'ms',
      description: 'For one call, from connecting to the last byte of the answer.',
    }),
    SHOP_RATE_PER_SECOND: number('must be a number above 0', (value) => value > 0)
      .optional()
      .meta({ unit: 'calls/s', otherwise: 'no limit', description: 'Calls of one worker, at most.' }),
    CONCURRENCY: integer(1, 20_000)
      .default(2000)
      .meta({
        unit: 'items',
        description:
          'In flight in one worker, and so connections to the Shop, at most. How many calls are on their way follows ' +
          'what the Shop takes.',
      }),
    ANSWER_BUDGET_MIB: integer(8, 1_000_000)
      .default(256)
      .meta({
        unit: 'MiB',
        description:
          "Memory for the Shop's answers that are being received or written, of those of more than 16 KiB; one " +
          'may have ' +
          '8 MiB. What finds no room waits, until the time of its call is over.',
      }),
  },
  Venture: {
    VENTURE: z.string().min(1).meta({ description: 'For one `zalora`. Logs are searched by it.' }),
    COUNTRY: z
      .string()
      .regex(/^[a-z]{2,3}$/, 'must be a country short code like eg')
      .meta({ description: 'With `ENVIRONMENT` the source of the logs: `eg/live`.' }),
    ENVIRONMENT: z.enum(['live', 'staging'], 'must be live or staging').meta({
      description: '`live` or `staging`. `live` starts with nothing that lets anybody in (below).',
    }),
    VENTURE_TIMEZONE: z
      .string()
      .refine(isTimeZone, 'must be a time zone by name, like Africa/Cairo')
      .default('UTC')
      .meta({
        description: "The zone of the Shop's `updated_at`, which names none, and of the times that sellers are told.",
      }),
  },
  Listeners: {
    PUBLIC_HOST: z.string().default('0.0.0.0').meta({ description: "The address of the Shop's listener." }),
    PUBLIC_PORT: integer(0, 65_535).default(8080).meta({ description: 'Its port.' }),
    INTERNAL_HOST: z.string().default('127.0.0.1').meta({
      description: "The address of Grafana's listener; keep it off the public network.",
    }),
    INTERNAL_PORT: integer(0, 65_535).default(8081).meta({ description: 'Its port.' }),
    TRUSTED_PROXIES: addresses.default([]).meta({
      otherwise: 'none',
      description: 'Addresses or ranges, separated by commas, whose `X-Forwarded-For` is believed.',
    }),
  },
  Queue: {
    MAX_RETRIES: integer(0, 100)
      .default(27)
      .meta({ unit: 'retries', description: 'Automatic ones of an item, at most.' }),
    FAILED_AFTER: integer(1, 101).default(12).meta({
      unit: 'failures',
      description: 'The one that makes an item Failed.',
    }),
    RETRY_UNIT_SECONDS: seconds.default(60).meta({
      unit: 's',
      description: 'Length of a "minute" of the retry table.',
    }),
    STOCK_WAIT_SECONDS: number(`must be a number from 0 to ${MOST_SECONDS}`, (value) => value <= MOST_SECONDS)
      .default(600)
      .meta({ unit: 's', description: 'A stock change waits so long after it was queued.' }),
    FLOW_TTL_SECONDS: seconds.default(5).meta({
      unit: 's',
      description: 'How long a worker may keep the flow before it looks again.',
    }),
    LEASE_SECONDS: seconds.default(15).meta({
      unit: 's',
      description: 'A worker that has not been heard of for so long is dead, and others take up its items.',
    }),
    HISTORY_DAYS: integer(1, 3_650).default(93).meta({
      unit: 'days',
      description: 'Finished items, transitions, calls and callbacks are kept so long.',
    }),
  },
  Access: {
    VIEWER_API_KEY: key.meta({ description: 'Bearer key of the internal API that reads.' }),
    ADMIN_API_KEY: key.meta({ description: 'Bearer key of the internal API that may also write; another one.' }),
    GRAFANA_JWKS_URL: url('http://grafana:3000/api/signing-keys/keys').optional().meta({
      description:
        "Where it is set, Grafana's signed `X-Grafana-Id` must be valid too; writing needs the role Admin in it.",
    }),
    GRAFANA_URL: url('https://grafana.example').optional().meta({
      description: 'The address of Grafana as people open it. Where it is set, that token must name it as its issuer.',
    }),
    GRAFANA_ORG_ID: integer(1, 2_147_483_647).default(1).meta({
      description: 'The organization of Grafana whose users that token must be of.',
    }),
    CALLBACK_API_KEY: z.string().optional().meta({
      description: 'First key of the credential `bob_callback_server`; afterwards an admin changes it.',
    }),
    CALLBACK_ALLOWED_IPS: addresses.optional().meta({
      description:
        'First white list of the same: addresses or ranges, separated by commas. An empty one allows nobody.',
    }),
    ALLOW_INSECURE: insecure.default([]).meta({
      otherwise: 'nothing',
      description:
        `What \`live\` shall start with all the same, separated by commas: ` +
        `${INSECURE.map((what) => `\`${what}\``).join(', ')}.`,
    }),
  },
  Telemetry: {
    LOG_LEVEL: z
      .enum(['trace', 'debug', 'info', 'warn', 'error'], 'must be trace, debug, info, warn or error')
      .default('info')
      .meta({ description: 'Of stdout; what goes over OTLP is never less than `info`.' }),
    LOG_ITEMS: flag('true').meta({
      description: 'Whether stdout has the lines about items too; over OTLP they go in any case.',
    }),
    WORKER_NAME: z.string().default(`${hostname()}:${process.pid}`).meta({
      otherwise: 'host and process',
      description: 'This worker in `worker` rows and in `service.instance.id`.',
    }),
    OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint.meta({
      description:
        'Where telemetry goes, over HTTP and protobuf. With none set, nothing is exported and nothing is ' +
        'complained about.',
    }),
    OTEL_BSP_MAX_QUEUE_SIZE: integer(1, 10_000_000).default(131_072).meta({
      unit: 'spans',
      description: 'Kept for a collector that is away; 128 MiB at most.',
    }),
    OTEL_BLRP_MAX_QUEUE_SIZE: integer(1, 10_000_000).default(131_072).meta({
      unit: 'log records',
      description: 'The same of log records.',
    }),
    OTEL_METRIC_EXPORT_INTERVAL: integer(100, 3_600_000).default(15_000).meta({
      unit: 'ms',
      description: 'Metrics are sent so often.',
    }),
  },
  /** As in the specification; docker-compose.yml passes none of these on. */
  OpenTelemetry: {
    OTEL_SDK_DISABLED: flag('false').meta({ description: 'No telemetry at all.' }),
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: otlpEndpoint.meta({ description: 'An address of its own for spans.' }),
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: otlpEndpoint.meta({ description: 'The same for metrics.' }),
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: otlpEndpoint.meta({ description: 'The same for log lines.' }),
    OTEL_EXPORTER_OTLP_PROTOCOL: z
      .literal('http/protobuf', 'must be http/protobuf')
      .optional()
      .meta({ otherwise: '`http/protobuf`', description: 'The only one that there is.' }),
    OTEL_TRACES_EXPORTER: otelExporter.meta({ description: '`otlp` or `none`: whether spans are sent.' }),
    OTEL_METRICS_EXPORTER: otelExporter.meta({ description: 'The same of metrics.' }),
    OTEL_LOGS_EXPORTER: otelExporter.meta({ description: 'The same of log lines.' }),
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: integer(1, 100_000).default(2048).meta({
      unit: 'spans',
      description: 'In one request, at most.',
    }),
    OTEL_BSP_SCHEDULE_DELAY: integer(1, 60_000).default(500).meta({
      unit: 'ms',
      description: 'Spans are sent so often.',
    }),
    OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: integer(1, 100_000).default(2048).meta({
      unit: 'log records',
      description: 'In one request, at most.',
    }),
    OTEL_BLRP_SCHEDULE_DELAY: integer(1, 60_000).default(500).meta({
      unit: 'ms',
      description: 'Log records are sent so often.',
    }),
  },
}

const schema = z.object({
  ...SETTINGS.Database,
  ...SETTINGS.Shop,
  ...SETTINGS.Venture,
  ...SETTINGS.Listeners,
  ...SETTINGS.Queue,
  ...SETTINGS.Access,
  ...SETTINGS.Telemetry,
  ...SETTINGS.OpenTelemetry,
})

export type Config = Readonly<z.infer<typeof schema>>

/**
 * Reads and validates the worker's environment.
 *
 * @throws ConfigError with one sentence that names the first missing or wrong variable, never its value: it may be a
 *   secret
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const config = parse(schema, env)
  if (config.VIEWER_API_KEY === config.ADMIN_API_KEY)
    throw new ConfigError('ADMIN_API_KEY must differ from VIEWER_API_KEY.')
  if (config.SHOP_USERNAME === undefined && config.SHOP_PASSWORD !== undefined)
    throw new ConfigError('SHOP_PASSWORD is set, but SHOP_USERNAME is not.')
  if (config.ENVIRONMENT === 'live') refuseInsecure(config)
  return config
}

/** The placeholder for passwords and keys in .env.example. */
const OF_THE_EXAMPLE = /change-me/i
export const SHORTEST_KEY = { VIEWER_API_KEY: 24, ADMIN_API_KEY: 24, CALLBACK_API_KEY: 16 } as const

/** @throws ConfigError for the first setting that would let anybody in, unless `ALLOW_INSECURE` permits it */
function refuseInsecure(config: Config): void {
  const refuse = (what: Insecure, message: string) => {
    if (!config.ALLOW_INSECURE.includes(what)) throw new ConfigError(message)
  }
  for (const [name, value] of Object.entries(config))
    if (OF_THE_EXAMPLE.test(String(value))) refuse('trivial-keys', ofTheExample(name))
  for (const name of Object.keys(SHORTEST_KEY) as (keyof typeof SHORTEST_KEY)[]) {
    if ((config[name] ?? '').length < SHORTEST_KEY[name] && config[name] !== undefined)
      refuse('trivial-keys', tooShort(name, SHORTEST_KEY[name]))
  }
  for (const name of ['CALLBACK_ALLOWED_IPS', 'TRUSTED_PROXIES'] as const) {
    if (config[name]?.some(isOpenRange))
      refuse(
        'open-white-list',
        `${name} has a range wider than a /8, as good as everybody: ${unless('open-white-list')}.`,
      )
  }
  if (new URL(config.SHOP_URL).protocol === 'http:')
    refuse(
      'plain-http-shop',
      `SHOP_URL is http, and the Shop's password would be readable on the way: ${unless('plain-http-shop')}.`,
    )
  if (config.GRAFANA_JWKS_URL === undefined)
    refuse(
      'no-grafana-token',
      `GRAFANA_JWKS_URL is missing, and nobody could tell who writes: ${unless('no-grafana-token')}.`,
    )
}

const unless = (what: Insecure) => `not for live, unless ALLOW_INSECURE has ${what}`
const ofTheExample = (name: string) => `${name} is still that of the example: choose one of your own for live.`
const tooShort = (name: string, least: number) =>
  `${name} has fewer than ${least} characters: ${unless('trivial-keys')}.`

/** For commands that only need the database. */
export const readDatabaseUrl = (env: NodeJS.ProcessEnv): string =>
  parse(schema.pick({ DATABASE_URL: true }), env).DATABASE_URL

/**
 * Checks the secrets that Grafana starts with; Grafana itself does not check them.
 *
 * @throws ConfigError with one sentence that names the first secret that is missing or, for live, unsafe
 */
export function checkGrafanaSecrets(env: NodeJS.ProcessEnv): void {
  const { ENVIRONMENT, ALLOW_INSECURE, ...secrets } = parse(grafanaSchema, env)
  if (ENVIRONMENT !== 'live' || ALLOW_INSECURE.includes('trivial-keys')) return
  for (const [name, value] of Object.entries(secrets) as [keyof typeof secrets, string][]) {
    if (OF_THE_EXAMPLE.test(value)) throw new ConfigError(ofTheExample(name))
    if (value.length < SHORTEST_OF_GRAFANA[name]) throw new ConfigError(tooShort(name, SHORTEST_OF_GRAFANA[name]))
  }
}

/** By their names in .env. A password that a person types may be shorter than a key. */
export const SHORTEST_OF_GRAFANA = {
  GRAFANA_ADMIN_PASSWORD: 12,
  GRAFANA_SECRET_KEY: 24,
  GRAFANA_DB_PASSWORD: 12,
} as const
const grafanaSchema = schema.pick({ ENVIRONMENT: true, ALLOW_INSECURE: true }).extend({
  GRAFANA_ADMIN_PASSWORD: z.string(),
  GRAFANA_SECRET_KEY: z.string(),
  GRAFANA_DB_PASSWORD: z.string(),
})

/** Each may also be in a file, named by the variable with the suffix `_FILE`. */
export const SECRETS = [
  'DATABASE_URL',
  'DATABASE_READ_URL',
  'SHOP_PASSWORD',
  'VIEWER_API_KEY',
  'ADMIN_API_KEY',
  'CALLBACK_API_KEY',
  'GRAFANA_ADMIN_PASSWORD',
  'GRAFANA_SECRET_KEY',
  'GRAFANA_DB_PASSWORD',
  'OTEL_EXPORTER_OTLP_HEADERS',
]

/**
 * The value of a variable; undefined if empty or blank. A secret may come from the file that `…_FILE` names, without
 * its line end.
 *
 * @throws ConfigError if both are set or the file cannot be read
 */
export function readVariable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name]?.trim() ? env[name] : undefined
  const file = SECRETS.includes(name) ? env[`${name}_FILE`]?.trim() : undefined
  if (!file) return value
  if (value !== undefined) throw new ConfigError(`${name} and ${name}_FILE are both set: one of them only.`)
  let text: string
  try {
    text = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new ConfigError(`${name}_FILE: its file cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
  if (text.trim() === '') throw new ConfigError(`${name}_FILE: its file is empty.`)
  return text
}

function parse<Shape extends z.ZodObject>(shape: Shape, env: NodeJS.ProcessEnv): z.infer<Shape> {
  const set = Object.fromEntries(Object.keys(shape.shape).map((name) => [name, readVariable(env, name)]))
  const result = shape.safeParse(set)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const name = String(issue?.path[0])
  if (set[name] !== undefined) throw new ConfigError(`${name} is wrong: it ${issue?.message}.`)
  throw new ConfigError(name === 'DATABASE_URL' ? `${name} is missing: it ${POSTGRES_URL}.` : `${name} is missing.`)
}

/** With one host or several (`one:5432,two:5432`), which `URL` does not support. */
function isPostgresUrl(text: string): boolean {
  const [, before, hosts, after] = /^(postgres(?:ql)?:\/\/(?:[^/@]*@)?)([^/?]+)(.*)$/.exec(text) ?? []
  return hosts?.split(',').every((host) => host !== '' && URL.canParse(`${before}${host}${after}`)) ?? false
}

/** By name only: PostgreSQL reads an offset like +02:00 as POSIX does, with the opposite sign. */
function isTimeZone(zone: string): boolean {
  if (/^[+-]/.test(zone)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false // the constructor can only refuse the zone here
  }
}
