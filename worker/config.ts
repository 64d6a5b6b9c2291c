import { hostname } from 'node:os'
import { z } from 'zod'
import { isAllowListEntry } from './api/allow-list.ts'
import { UsageError } from './command.ts'

/** A value of the environment that is missing or wrong; the message is one sentence that names it. */
export class ConfigError extends UsageError {}

/** In decimal digits only: `Number` would read more than people expect (`0x10`). */
const number = (error: string, checked: (value: number) => boolean) =>
  z
    .string()
    .trim()
    .regex(/^(\d+(\.\d+)?|\.\d+)$/, { error, abort: true })
    .transform(Number)
    .refine(checked, { error })
const integer = (low: number, high: number) =>
  number(`must be a whole number from ${low} to ${high}`, (value) => Number.isInteger(value) && value >= low && value <= high)
/** A timer of Node's that is told to wait for more than 24 days does not wait at all. */
const MOST_SECONDS = 1_000_000
const seconds = number(`must be a number above 0, of at most ${MOST_SECONDS}`, (value) => value > 0 && value <= MOST_SECONDS)
/** Which entry is wrong is told by its place: a secret may have been put into the wrong variable. */
const addresses = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  )
  .refine((entries) => entries.every(isAllowListEntry), {
    error: ({ input }) =>
      `must consist of IP addresses and ranges: entry ${(input as string[]).findIndex((entry) => !isAllowListEntry(entry)) + 1} is neither`,
  })
const postgresUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'must be a URL like postgres://user:password@host:5432/database' })
/** As it can stand in a header. */
const key = z.string().regex(/^[\x21-\x7e]+$/, 'must consist of letters, digits and punctuation, without spaces')
const otlpEndpoint = z.url({ protocol: /^https?$/, error: 'must be a URL like http://collector:4318' }).optional()
const otelExporter = z.enum(['otlp', 'none'], 'must be otlp or none').default('otlp')

/** What each variable means is told in the README; an empty or blank variable counts as not set. */
const schema = z.object({
  DATABASE_URL: postgresUrl,
  DATABASE_READ_URL: postgresUrl.optional(),
  SHOP_URL: z
    .url({ protocol: /^https?$/, error: 'must be a URL like https://shop.example/api', abort: true })
    .refine(
      (url) => !new URL(url).username && !new URL(url).password,
      'must not hold a user name or password: use SHOP_USERNAME and SHOP_PASSWORD',
    ),
  SHOP_USERNAME: z.string().optional(),
  SHOP_PASSWORD: z.string().optional(),
  SHOP_TIMEOUT_MS: integer(1, 600_000).default(30_000),
  SHOP_RATE_PER_SECOND: number('must be a number above 0', (value) => value > 0).optional(),
  VENTURE: z.string().min(1),
  COUNTRY: z.string().regex(/^[a-z]{2,3}$/, 'must be a country short code like eg'),
  ENVIRONMENT: z.enum(['live', 'staging']),
  VENTURE_TIMEZONE: z.string().refine(isTimeZone, 'must be a time zone by name, like Africa/Cairo').default('UTC'),
  PUBLIC_HOST: z.string().default('0.0.0.0'),
  PUBLIC_PORT: integer(0, 65_535).default(8080),
  INTERNAL_HOST: z.string().default('127.0.0.1'),
  INTERNAL_PORT: integer(0, 65_535).default(8081),
  TRUSTED_PROXIES: addresses.default([]),
  CONCURRENCY: integer(1, 20_000).default(2000),
  MAX_RETRIES: integer(0, 100).default(27),
  FAILED_AFTER: integer(1, 101).default(12),
  RETRY_UNIT_SECONDS: seconds.default(60),
  STOCK_WAIT_SECONDS: number(`must be a number from 0 to ${MOST_SECONDS}`, (value) => value <= MOST_SECONDS).default(600),
  FLOW_TTL_SECONDS: seconds.default(5),
  LEASE_SECONDS: seconds.default(15),
  HISTORY_DAYS: integer(1, 3_650).default(93),
  VIEWER_API_KEY: key,
  ADMIN_API_KEY: key,
  GRAFANA_JWKS_URL: z.url({ protocol: /^https?$/ }).optional(),
  GRAFANA_URL: z.url({ protocol: /^https?$/ }).optional(),
  CALLBACK_API_KEY: z.string().optional(),
  CALLBACK_ALLOWED_IPS: addresses.optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  LOG_ITEMS: z.enum(['true', 'false'], 'must be true or false').default('true'),
  WORKER_NAME: z.string().default(`${hostname()}:${process.pid}`),
  OTEL_SDK_DISABLED: z.enum(['true', 'false']).default('false'),
  OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: otlpEndpoint,
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: otlpEndpoint,
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: otlpEndpoint,
  OTEL_EXPORTER_OTLP_PROTOCOL: z.literal('http/protobuf', 'must be http/protobuf').optional(),
  OTEL_TRACES_EXPORTER: otelExporter,
  OTEL_METRICS_EXPORTER: otelExporter,
  OTEL_LOGS_EXPORTER: otelExporter,
  OTEL_BSP_MAX_QUEUE_SIZE: integer(1, 10_000_000).default(131_072),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: integer(1, 100_000).default(2048),
  OTEL_BSP_SCHEDULE_DELAY: integer(1, 60_000).default(500),
  OTEL_BLRP_MAX_QUEUE_SIZE: integer(1, 10_000_000).default(131_072),
  OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: integer(1, 100_000).default(2048),
  OTEL_BLRP_SCHEDULE_DELAY: integer(1, 60_000).default(500),
  OTEL_METRIC_EXPORT_INTERVAL: integer(100, 3_600_000).default(15_000),
})

export type Config = Readonly<z.infer<typeof schema>>

/**
 * Reads and checks the environment of the worker.
 *
 * @throws ConfigError with one sentence that names the first variable that is missing or wrong, never its value: it may be a secret
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const config = parse(schema, env)
  if (config.VIEWER_API_KEY === config.ADMIN_API_KEY) throw new ConfigError('ADMIN_API_KEY must differ from VIEWER_API_KEY.')
  if (config.SHOP_USERNAME === undefined && config.SHOP_PASSWORD !== undefined)
    throw new ConfigError('SHOP_PASSWORD is set, but SHOP_USERNAME is not.')
  if (config.ENVIRONMENT === 'live') {
    const example = Object.entries(config).find(([, value]) => String(value).includes(OF_THE_EXAMPLE))
    if (example) throw new ConfigError(`${example[0]} is still that of the example: choose one of your own for live.`)
  }
  return config
}

/** What .env.example has in place of passwords and keys. */
const OF_THE_EXAMPLE = 'change-me'

/** For the commands that need no more than the database. */
export const readDatabaseUrl = (env: NodeJS.ProcessEnv): string => parse(schema.pick({ DATABASE_URL: true }), env).DATABASE_URL

function parse<Shape extends z.ZodObject>(shape: Shape, env: NodeJS.ProcessEnv): z.infer<Shape> {
  const set = Object.fromEntries(Object.keys(shape.shape).map((name) => [name, env[name]?.trim() ? env[name] : undefined]))
  const result = shape.safeParse(set)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const name = String(issue?.path[0])
  throw new ConfigError(
    set[name] === undefined ? `${name} is missing.` : `${name} is wrong: it ${sentence(issue?.message ?? 'is not valid')}.`,
  )
}

const sentence = (message: string): string =>
  message.startsWith('must') ? message : `is not valid (${message.charAt(0).toLowerCase()}${message.slice(1)})`

/** By name only: an offset like +02:00 means the opposite to PostgreSQL, which reads it as POSIX does. */
function isTimeZone(zone: string): boolean {
  if (/^[+-]/.test(zone)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false // the only thing that the constructor refuses here is the zone
  }
}
