import type { Pace } from '../../provisioning/alerts/promql.ts'
import type { Sql } from '../../worker/database/database.ts'
import type { Pager } from './pager.ts'

/** The third-party parts of the stack. */
export const PARTS = ['otelcol', 'loki', 'tempo', 'prometheus', 'nginx', 'grafana'] as const
export type Part = (typeof PARTS)[number]

export const PLUGIN_ID = 'sellercenter-shopupdate-app'

export const VENTURE = 'zalora'
export const COUNTRY = 'eg'
export const ENVIRONMENT = 'staging'
export const SOURCE = `${COUNTRY}/${ENVIRONMENT}`

/** None of these may appear anywhere in the telemetry. */
export const SECRETS = {
  shopPassword: 'canary-password-of-the-shop',
  callbackApiKey: 'canary-key-of-the-callbacks',
  adminApiKey: 'canary-key-of-the-admin',
  viewerApiKey: 'canary-key-of-the-viewer',
  databasePassword: 'canary-password-of-the-database',
  workerDbPassword: 'canary-password-of-the-worker-s-login',
  grafanaDbPassword: 'canary-password-of-grafana-s-login',
  grafanaAdminPassword: 'canary-password-of-grafana-s-admin',
} as const

/** The worker's settings beyond addresses and keys: small numbers, so that every status occurs within seconds. */
export const WORKER_SETTINGS = {
  VENTURE,
  COUNTRY,
  ENVIRONMENT,
  SHOP_USERNAME: 'seller-center',
  SHOP_PASSWORD: SECRETS.shopPassword,
  VIEWER_API_KEY: SECRETS.viewerApiKey,
  ADMIN_API_KEY: SECRETS.adminApiKey,
  CALLBACK_API_KEY: SECRETS.callbackApiKey,
  FAILED_AFTER: '2', // the first failure makes an item Delayed, the second makes it Failed
  RETRY_UNIT_SECONDS: '2',
  STOCK_WAIT_SECONDS: '1',
  FLOW_TTL_SECONDS: '0.2',
  OTEL_METRIC_EXPORT_INTERVAL: '1000',
} as const

interface Api {
  url: string
  authorization: string
}

/** Shop Update itself, wherever it runs. */
export interface App {
  sql: Sql
  /** The worker's internal API: through Grafana if it runs, signed for its Admin; otherwise on its own listener. */
  internal: Api
  /** The worker's internal listener, which only Grafana should reach. */
  internalUrl: string
  /** Of the simulated Shop. */
  shopUrl: string
  /** Sends the worker SIGSTOP, and SIGCONT. */
  freeze(): Promise<unknown>
  thaw(): Promise<unknown>
}

export interface StackOptions {
  /** Of the alert rules. */
  pace: Pace
  /** For the worker, beyond WORKER_SETTINGS. */
  settings: Record<string, string>
}

export interface Stack {
  /** `containers` or `programs`. */
  kind: string
  /** Parts that do not run, and why. */
  missing: Map<Part, string>
  /** Parts that should run and do not, with their last output. */
  broken: Map<Part, string>
  /** Base addresses; for otelcol that of the OTLP/HTTP receiver. */
  urls: Record<Part, string>
  /** Where components without OTLP write their files. */
  logFolder: string
  /** Whom Grafana calls. */
  pager: Pager
  /** Grafana's own log. */
  grafanaLog(): Promise<string>
  app: App
}

/** @param grafanaUrl null if no Grafana runs */
export const internalApi = (internalUrl: string, grafanaUrl: string | null): Api =>
  grafanaUrl === null
    ? { url: internalUrl, authorization: `Bearer ${SECRETS.adminApiKey}` }
    : {
        url: `${grafanaUrl}/api/plugin-proxy/${PLUGIN_ID}`,
        authorization: `Basic ${btoa(`admin:${SECRETS.grafanaAdminPassword}`)}`,
      }

/** What ends everything that was started, in starting order; the code that starts something adds its end at once. */
export type Stops = (() => Promise<unknown>)[]
