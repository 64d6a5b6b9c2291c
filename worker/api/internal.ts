import { getConnInfo } from '@hono/node-server/conninfo'
import { bodyLimit } from 'hono/body-limit'
import { authorize, plainPath, Refusal } from './auth.ts'
import { actionRoutes } from './internal/actions.ts'
import { causeRoutes } from './internal/causes.ts'
import { chartRoutes } from './internal/charts.ts'
import { type InternalApiOptions, routes } from './internal/context.ts'
import { feedbackRoutes } from './internal/feedback.ts'
import { itemRoutes } from './internal/items.ts'
import { numberRoutes } from './internal/numbers.ts'
import { pauseRoutes } from './internal/pauses.ts'
import { productHistoryRoutes } from './internal/product-history.ts'
import { productRoutes } from './internal/products.ts'
import { runRoutes } from './internal/runs.ts'
import { settingRoutes } from './internal/settings.ts'
import { unansweredRoutes } from './internal/unanswered.ts'
import { answerError, Problem } from './problem.ts'

export type {
  Call,
  Cause,
  Causes,
  Charts,
  CreationsQueued,
  Credential,
  Enqueued,
  Entry,
  Feedback,
  FlowSettings,
  Incident,
  Incidents,
  Item,
  ItemDetail,
  Items,
  Kpis,
  Pause,
  Pauses,
  Product,
  ProductSet,
  Requeued,
  Resolved,
  Run,
  RunPreview,
  RunsRecord,
  SearchResult,
  Seller,
  SkusFound,
  Summary,
  Transition,
  Unanswered,
} from './internal/schemas.ts'
export type { InternalApiOptions }
export type InternalApi = ReturnType<typeof createInternalApi>

const MAX_BODY_BYTES = 1024 * 1024

export const openApi = (version = '0.1.0') => ({
  openapi: '3.1.0',
  info: {
    title: 'Shop Update',
    version,
    description: 'The queue between Seller Center and the Shop, for Grafana. Ids are strings, times ISO 8601 UTC.',
  },
})

/**
 * The internal listener, for Grafana: lists, numbers, and what admins do. Everything needs a key (see `authorize`),
 * including the OpenAPI document. Errors are RFC 9457 `application/problem+json`.
 *
 * @example
 * const api = createInternalApi({ sql, readSql: sql, config, log, onQueued: worker.poke })
 * serve({ fetch: api.fetch, port: 8081 })
 */
export function createInternalApi(options: InternalApiOptions) {
  const { config, log, version, onRefusal } = options
  const base = routes()
  base.use(plainPath, authorize(config))
  base.use(async (c, next) => {
    await next()
    c.res.headers.set('cache-control', 'no-store')
  })
  base.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: () => {
        throw new Problem(413, 'The body is larger than 1 MiB.')
      },
    }),
  )
  const app = base
    .route('/', itemRoutes(options))
    .route('/', numberRoutes(options))
    .route('/', chartRoutes(options))
    .route('/', actionRoutes(options))
    .route('/', settingRoutes(options))
    .route('/', pauseRoutes(options))
    .route('/', causeRoutes(options))
    .route('/', unansweredRoutes(options))
    .route('/', runRoutes(options))
    .route('/', productRoutes(options))
    .route('/', productHistoryRoutes(options))
    .route('/', feedbackRoutes(options))
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', { type: 'http', scheme: 'bearer' })
  app.doc31('/openapi.json', openApi(version))

  const known = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => ({
      method,
      pattern: new RegExp(`^${path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`),
    }))
  app.notFound((c) => {
    const allowed = new Set(known.filter(({ pattern }) => pattern.test(c.req.path)).map(({ method }) => method))
    if (allowed.size === 0) return new Problem(404, 'There is nothing here; see /openapi.json.').response()
    const allow = [...allowed].sort().join(', ')
    return new Problem(405, `${c.req.method} is not possible here, only ${allow}.`, { headers: { allow } }).response()
  })
  const answered = answerError(log)
  app.onError((error, c) => {
    if (error instanceof Refusal) {
      const { reason, sub } = error
      onRefusal?.(reason)
      const who = { remote: getConnInfo(c).remote.address, sub }
      log.warn(
        { 'event.name': 'internal_refused', reason, method: c.req.method, path: c.req.path.slice(0, 200), ...who },
        'A request of the internal API was refused',
      )
    }
    return answered(error, c)
  })
  return app
}
