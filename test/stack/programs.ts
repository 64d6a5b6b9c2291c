import { type ChildProcess, spawn } from 'node:child_process'
import { copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startPostgres } from '../../demo/postgres.ts'
import { startShop } from '../../demo/shop/shop.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { provisionLogin } from '../provisioned-login.ts'
import { startWorkerProcess } from '../worker-process.ts'
import { grafanaProvisioning } from './pace.ts'
import { pagerEnvironment, startPager } from './pager.ts'
import {
  COUNTRY,
  ENVIRONMENT,
  internalApi,
  PARTS,
  type Part,
  PLUGIN_ID,
  SECRETS,
  type Stack,
  type StackOptions,
  type Stops,
  VENTURE,
  WORKER_SETTINGS,
} from './parts.ts'
import { until } from './report.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const PROVISIONING = join(ROOT, 'provisioning')
/** Loki reports that it is ready fifteen seconds after it is. */
const START_MS = 90_000
const STOP_MS = 15_000

interface Program {
  args: string[]
  env: Record<string, string>
  /** Answers 200 once it is ready. */
  ready: string
}

/** The parts of the stack that the environment names; all others say so in `missing`. */
export function namedPrograms(env: NodeJS.ProcessEnv): { bins: Map<Part, string>; missing: Map<Part, string> } {
  const bins = new Map<Part, string>()
  const missing = new Map<Part, string>()
  for (const part of PARTS) {
    const bin = env[`${part.toUpperCase()}_BIN`]
    if (!bin) missing.set(part, `no container engine, and ${part.toUpperCase()}_BIN is not set`)
    else if (part === 'grafana' && !env.GRAFANA_HOME) missing.set(part, 'GRAFANA_HOME is not set')
    else bins.set(part, bin)
  }
  return { bins, missing }
}

/**
 * The stack as plain programs on free loopback ports, with the files of provisioning/, and all their data in one
 * temporary folder.
 */
export async function startPrograms(
  env: NodeJS.ProcessEnv,
  stops: Stops,
  { pace, settings }: StackOptions,
): Promise<Stack> {
  const { bins, missing } = namedPrograms(env)
  const broken = new Map<Part, string>()
  const folder = await mkdtemp(join(tmpdir(), 'shop-update-stack-'))
  stops.push(() => rm(folder, { recursive: true, force: true }))
  const [
    prometheus,
    loki,
    lokiGrpc,
    tempo,
    tempoGrpc,
    tempoOtlp,
    grafana,
    otlpGrpc,
    otlpHttp,
    health,
    metrics,
    internal,
    readLoki,
    readTempo,
  ] = await freePorts(14)
  const at = (port: number | undefined) => `127.0.0.1:${port}`
  const urls = {
    otelcol: `http://${at(otlpHttp)}`,
    loki: `http://${at(loki)}`,
    tempo: `http://${at(tempo)}`,
    prometheus: `http://${at(prometheus)}`,
    nginx: `http://${at(readLoki)}`,
    grafana: `http://${at(grafana)}/grafana`,
  }
  const logFolder = join(folder, 'logs')
  await mkdir(logFolder)

  const cluster = await startPostgres({ flags: ['fsync=off'] })
  stops.push(() => cluster.stop())
  const databaseUrl = cluster.url('shop_update')
  const sql = await migratedDatabase(cluster.url('postgres'), databaseUrl)
  stops.push(() => sql.end({ timeout: 5 }))

  const pager = await startPager('127.0.0.1')
  stops.push(pager.stop)
  const addresses = { PROMETHEUS_URL: urls.prometheus, LOKI_URL: urls.loki, TEMPO_URL: urls.tempo }
  const readOnly = await readOnlyProxy(folder, { loki, tempo, readLoki, readTempo })
  const prometheusFolder = await prometheusFiles(folder, { prometheus, loki, tempo, grafana, otelcol: metrics })
  const programs: Record<Part, Program> = {
    loki: {
      args: [`-config.file=${join(PROVISIONING, 'loki/config.yaml')}`, '-config.expand-env=true'],
      env: {
        LOKI_HOST: '127.0.0.1',
        LOKI_PORT: `${loki}`,
        LOKI_GRPC_PORT: `${lokiGrpc}`,
        LOKI_FOLDER: join(folder, 'loki'),
      },
      ready: `${urls.loki}/ready`,
    },
    tempo: {
      args: [`-config.file=${join(PROVISIONING, 'tempo/config.yaml')}`, '-config.expand-env=true'],
      env: {
        ...addresses,
        TEMPO_HOST: '127.0.0.1',
        TEMPO_PORT: `${tempo}`,
        TEMPO_GRPC_PORT: `${tempoGrpc}`,
        TEMPO_OTLP: at(tempoOtlp),
        TEMPO_FOLDER: join(folder, 'tempo'),
      },
      ready: `${urls.tempo}/ready`,
    },
    prometheus: {
      args: [
        ...(await composeFlags('prometheus')).filter((flag) => !/^--(config\.file|storage\.tsdb\.path)=/.test(flag)),
        `--config.file=${join(prometheusFolder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'prometheus')}`,
        `--web.listen-address=${at(prometheus)}`,
      ],
      env: {},
      ready: `${urls.prometheus}/-/ready`,
    },
    otelcol: {
      args: [`--config=${join(PROVISIONING, 'otelcol/config.yaml')}`],
      env: {
        ...addresses,
        VENTURE,
        COUNTRY,
        ENVIRONMENT,
        TEMPO_OTLP: at(tempoOtlp),
        OTELCOL_GRPC: at(otlpGrpc),
        OTELCOL_HTTP: at(otlpHttp),
        OTELCOL_HEALTH: at(health),
        OTELCOL_METRICS_HOST: '127.0.0.1',
        OTELCOL_METRICS_PORT: `${metrics}`,
        OTELCOL_STORAGE: join(folder, 'otelcol'),
        LOG_FOLDER: logFolder,
      },
      ready: `http://${at(health)}/`,
    },
    nginx: {
      args: ['-p', readOnly, '-c', join(readOnly, 'read-only.conf')],
      env: {},
      ready: `http://${at(readLoki)}/healthz`,
    },
    grafana: {
      args: ['server', '--homepath', env.GRAFANA_HOME ?? '', '--config', '/dev/null'],
      env: {
        ...(await composeEnvironment('grafana')),
        ...addresses,
        ...(bins.has('nginx') && { LOKI_URL: urls.nginx, TEMPO_URL: `http://${at(readTempo)}` }),
        GF_SECURITY_ADMIN_PASSWORD: SECRETS.grafanaAdminPassword,
        GF_SERVER_HTTP_ADDR: '127.0.0.1',
        GF_SERVER_HTTP_PORT: `${grafana}`,
        GF_SERVER_ROOT_URL: `${urls.grafana}/`,
        // under a path, as behind a proxy for more than Grafana: this exposes links to its root
        GF_SERVER_SERVE_FROM_SUB_PATH: 'true',
        GF_PATHS_DATA: join(folder, 'grafana'),
        GF_PATHS_LOGS: join(folder, 'grafana/log'),
        GF_PATHS_PLUGINS: join(folder, 'grafana/plugins'),
        GF_PATHS_PROVISIONING: await grafanaProvisioning(folder, pace),
        POSTGRES_ADDRESS: new URL(databaseUrl).host,
        POSTGRES_DATABASE: 'shop_update',
        POSTGRES_SSLMODE: 'disable',
        GRAFANA_DB_PASSWORD: SECRETS.grafanaDbPassword,
        WORKER_INTERNAL_URL: `http://${at(internal)}`,
        VIEWER_API_KEY: SECRETS.viewerApiKey,
        ADMIN_API_KEY: SECRETS.adminApiKey,
        ...pagerEnvironment(`http://${at(pager.port)}`),
      },
      ready: `${urls.grafana}/api/health`,
    },
  }
  if (bins.has('grafana')) await installPlugin(join(folder, 'grafana/plugins'))
  await Promise.all(
    [...bins].map(async ([part, bin]) => {
      const running = startProgram(bin, programs[part], folder)
      stops.push(running.stop)
      await running.ready.catch((error: Error) => {
        broken.set(part, error.message)
        missing.set(part, 'did not start')
      })
    }),
  )

  const shop = await startShop({
    credentials: { username: WORKER_SETTINGS.SHOP_USERNAME, password: SECRETS.shopPassword },
  })
  stops.push(() => shop.stop())
  const worker = await startWorkerProcess({
    ...WORKER_SETTINGS,
    ...settings,
    DATABASE_URL: databaseUrl.replace('postgres:postgres@', `worker:${SECRETS.workerDbPassword}@`),
    SHOP_URL: shop.url,
    PUBLIC_HOST: '127.0.0.1',
    PUBLIC_PORT: '0',
    INTERNAL_PORT: `${internal}`,
    CALLBACK_ALLOWED_IPS: '127.0.0.1',
    ...(!missing.has('grafana') && {
      GRAFANA_JWKS_URL: `${urls.grafana}/api/signing-keys/keys`,
      GRAFANA_URL: urls.grafana,
    }),
    ...(!missing.has('otelcol') && { OTEL_EXPORTER_OTLP_ENDPOINT: urls.otelcol }),
  })
  stops.push(() => worker.stop())
  shop.callbackTo({ url: `${worker.publicUrl}/shop-update/`, apiKey: SECRETS.callbackApiKey })

  return {
    kind: 'programs',
    missing,
    broken,
    urls,
    logFolder,
    pager,
    grafanaLog: () => readFile(join(folder, 'grafana/log/grafana.log'), 'utf8'),
    app: {
      sql,
      internal: internalApi(worker.internalUrl, missing.has('grafana') ? null : urls.grafana),
      internalUrl: worker.internalUrl,
      shopUrl: shop.url,
      freeze: async () => worker.child.kill('SIGSTOP'),
      thaw: async () => worker.child.kill('SIGCONT'),
    },
  }
}

/** Puts the plugin, as built by `npm run build`, where Grafana looks for plugins. */
async function installPlugin(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await cp(join(ROOT, 'plugin/dist'), join(folder, PLUGIN_ID), { recursive: true })
}

function startProgram(
  bin: string,
  { args, env, ready }: Program,
  cwd: string,
): { ready: Promise<void>; stop(): Promise<void> } {
  const child: ChildProcess = spawn(bin, args, {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (text) => (printed = `${printed}${text}`.slice(-4000)))
  let ended: string | null = null
  const exited = new Promise<void>((resolve) => {
    const end = (how: string) => {
      ended ??= how
      resolve()
    }
    child.once('error', (error) => end(error.message))
    child.once('exit', (code, signal) => end(`ended (${signal ?? `code ${code}`})`))
  })
  return {
    ready: until(Date.now() + START_MS, async () => {
      if (ended !== null) return
      const why = await fetch(ready).then(
        ({ status }) => (status === 200 ? null : `HTTP ${status}`),
        ({ message }: Error) => message,
      )
      if (why !== null) throw new Error(`is not ready: ${why}\n${printed}`)
    }).then(() => {
      if (ended !== null) throw new Error(`${ended}\n${printed}`)
    }),
    async stop() {
      if (ended === null) child.kill('SIGTERM')
      const giveUp = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await exited
      clearTimeout(giveUp)
    },
  }
}

async function freePorts(n: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < n) ports.add(await freePort())
  return [...ports]
}

/** A database as the services `migrate` and `logins` leave it. */
async function migratedDatabase(server: string, url: string): Promise<Sql> {
  const admin = connect(server, { max: 1, name: 'stack' })
  await admin`create database shop_update`
  await admin.end()
  const sql = connect(url, { max: 4, name: 'stack' })
  await migrate(sql)
  await provisionLogin(sql, 'worker', SECRETS.workerDbPassword)
  await provisionLogin(sql, 'grafana', SECRETS.grafanaDbPassword)
  return sql
}

/** The file of provisioning/ with the ports of this run, and a folder for its temporary files. */
async function readOnlyProxy(
  folder: string,
  ports: Record<'loki' | 'tempo' | 'readLoki' | 'readTempo', number | undefined>,
): Promise<string> {
  const to = join(folder, 'nginx')
  await mkdir(to)
  const text = await readFile(join(PROVISIONING, 'nginx/read-only.conf'), 'utf8')
  await writeFile(
    join(to, 'read-only.conf'),
    text
      .replace('listen 3100', `listen 127.0.0.1:${ports.readLoki}`)
      .replace('listen 3200', `listen 127.0.0.1:${ports.readTempo}`)
      .replace('http://loki:3100', `http://127.0.0.1:${ports.loki}`)
      .replace('http://tempo:3200', `http://127.0.0.1:${ports.tempo}`),
  )
  return to
}

/** The file of provisioning/ unchanged, with this run's addresses of all scrape targets beside it. */
async function prometheusFiles(
  folder: string,
  ports: Record<Exclude<Part, 'nginx'>, number | undefined>,
): Promise<string> {
  const to = join(folder, 'prometheus-config')
  await mkdir(to)
  await copyFile(join(PROVISIONING, 'prometheus/prometheus.yml'), join(to, 'prometheus.yml'))
  const targets = Object.entries(ports).map(([part, port]) => ({ labels: { part }, targets: [`127.0.0.1:${port}`] }))
  await writeFile(join(to, 'targets.yaml'), JSON.stringify(targets)) // JSON is YAML
  return to
}

/** The lines of a service in docker-compose.yml: programs start with the same values as containers. */
async function composeLines(service: string): Promise<string[]> {
  const text = await readFile(join(ROOT, 'docker-compose.yml'), 'utf8')
  const lines = text
    .split(`\n  ${service}:\n`)[1]
    ?.split(/\n {0,2}\S/)[0]
    ?.split('\n')
  if (!lines) throw new Error(`docker-compose.yml has no service ${service}`)
  return lines
}

const composeFlags = async (service: string): Promise<string[]> =>
  (await composeLines(service)).flatMap((line) => line.match(/^ {6}- (--\S+)$/)?.[1] ?? [])

/** Only what does not come from .env. */
const composeEnvironment = async (service: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await composeLines(service)).flatMap((line) => {
      const [, name, value] = line.match(/^ {6}([A-Z_]+): '?([^'$#\n]+?)'?(?: +#.*)?$/) ?? []
      return name && value ? [[name, value]] : []
    }),
  )
