import { createRoute, OpenAPIHono, type RouteConfig } from '@hono/zod-openapi'
import type { Logger } from 'pino'
import type { Config } from '../../config.ts'
import type { Sql } from '../../database/database.ts'
import type { RefusalReason } from '../../domain/refusals.ts'
import type { Step } from '../../domain/step.ts'
import type { Blocked } from '../../read/blocked.ts'
import type { Situation } from '../../read/incidents.ts'
import type { CallerEnv } from '../auth.ts'
import { invalidInput } from '../problem.ts'
import { problemSchema } from './schemas.ts'

export interface InternalApiOptions {
  sql: Sql
  /** For lists and numbers; may be a replica. */
  readSql: Sql
  /** For downloads, which take long: a separate pool, so that no list waits for one. */
  downloadSql?: Sql
  /** Blocked items that will not be released automatically. */
  blocked(): Promise<Blocked>
  /** How it stands with the whole: what is wrong now. */
  situation(): Promise<Situation>
  config: Pick<
    Config,
    | 'VIEWER_API_KEY'
    | 'ADMIN_API_KEY'
    | 'MAX_RETRIES'
    | 'FAILED_AFTER'
    | 'RETRY_UNIT_SECONDS'
    | 'LEASE_SECONDS'
    | 'VENTURE_TIMEZONE'
  > &
    Partial<Pick<Config, 'GRAFANA_JWKS_URL' | 'GRAFANA_URL' | 'GRAFANA_ORG_ID' | 'ENVIRONMENT' | 'ALLOW_INSECURE'>>
  log: Logger
  /** The version of this program, for the OpenAPI document. */
  version?: string
  /** How often `/api/events` sends; 2000 by default. */
  eventsEveryMs?: number
  /** Items have become ready, and this is committed: the worker of this process claims at once. */
  onQueued(): void
  /** Committed steps that a person made items take: telemetry counts every transition. */
  onSteps?(steps: readonly Step[]): void
  /** Someone was not let in, or lacked permission: for `shop_update.internal.refusals`. */
  onRefusal?(reason: RefusalReason): void
  /** What a requeue did and what it skipped, for `shop_update.requeues`. */
  onRequeue?(results: readonly { topic: string | null; result: string; n: number }[]): void
}

/** An app for a group of routes. It refuses invalid input and names the fields. */
export const routes = () =>
  new OpenAPIHono<CallerEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidInput(result.error.issues)
    },
  })

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: problemSchema } },
})

const ALWAYS = {
  400: problem('Something in the request is wrong; `errors` names it'),
  403: problem('The API key may only read, the user has not the role Admin, or the path is not a plain one'),
  401: problem('The API key, or the token of the Grafana user, is missing or not valid'),
  503: problem('The database does not answer right now'),
}
const WRITES = {
  413: problem('The body is too large'),
  415: problem('The body is no JSON'),
}
export const NOT_FOUND = { 404: problem('There is no such item') }
export const GONE = { 410: problem('The cursor is of another database') }
export const CONFLICT = { 409: problem('The item is not one for an admin to decide') }
export const TOO_MANY = { 429: problem('The same user has a download under way') }
export const UNPROCESSABLE = { 422: problem('The product or product set does not exist') }

/** A route plus the responses that every route may give. */
export function route<const P extends string, const R extends Omit<RouteConfig, 'path'> & { path: P }>(config: R) {
  const responses = { ...config.responses, ...ALWAYS, ...(config.method === 'get' ? {} : WRITES) } as R['responses']
  return createRoute<P, R>({ security: [{ apiKey: [] }], ...config, responses })
}

/** A JSON body, with its content type required: without one the body would be ignored silently. */
export const json = <Schema>(schema: Schema) => ({
  required: true as const,
  content: { 'application/json': { schema } },
})
export const answer = <Schema>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
})
