import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../demo/postgres.ts'
import { connect } from '../../worker/database/database.ts'
import { grafanaProvisioning } from './pace.ts'
import { pagerEnvironment, startPager } from './pager.ts'
import {
  internalApi,
  PARTS,
  type Part,
  SECRETS,
  type Stack,
  type StackOptions,
  type Stops,
  WORKER_SETTINGS,
} from './parts.ts'
import { until } from './report.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const run = promisify(execFile)
const START_MS = 300_000
/** The port on which a part listens in its container, and how it shows that it is ready. */
const LISTENS: Record<Part, { port: number; ready: string | null }> = {
  otelcol: { port: 4318, ready: null },
  loki: { port: 3100, ready: '/ready' },
  tempo: { port: 3200, ready: '/ready' },
  prometheus: { port: 9090, ready: '/-/ready' },
  nginx: { port: 3100, ready: '/healthz' },
  grafana: { port: 3000, ready: '/api/health' },
}

/** This machine's name inside a container. */
const THIS_MACHINE = 'this-machine'

/** The command that talks to a container engine; null if none answers. */
export async function findCompose(): Promise<string[] | null> {
  const answers = (command: string, ...args: string[]) =>
    run(command, args, { timeout: 10_000 }).then(
      () => true,
      () => false,
    )
  if (!(await answers('docker', 'info'))) return null
  if (await answers('docker', 'compose', 'version')) return ['docker', 'compose']
  return (await answers('docker-compose', 'version')) ? ['docker-compose'] : null
}

/** What this run adds to docker-compose.yml: ports on the loopback interface, and the worker's small numbers. */
export const overrides = (provisioning: string, more: Record<string, string>) => ({
  services: {
    postgres: { ports: ['127.0.0.1::5432'] },
    worker: { ports: ['127.0.0.1::8081'], environment: { ...WORKER_SETTINGS, ...more } },
    shop: { ports: ['127.0.0.1::8090'] },
    grafana: {
      extra_hosts: [`${THIS_MACHINE}:host-gateway`], // the pager listens here
      volumes: [`${provisioning}:/etc/grafana/provisioning:ro`],
    },
    ...Object.fromEntries(
      PARTS.filter((part) => part !== 'grafana').map((part) => [part, { ports: [`127.0.0.1::${LISTENS[part].port}`] }]),
    ),
  },
  networks: { telemetry: { internal: false } }, // ports of an internal network cannot be reached from outside
})

/**
 * The whole of docker-compose.yml with the profile demo, as a separate project that is removed with its volumes at the
 * end.
 */
export async function startContainers(
  compose: readonly string[],
  stops: Stops,
  { pace, settings: more }: StackOptions,
): Promise<Stack> {
  const folder = await mkdtemp(join(tmpdir(), 'shop-update-stack-'))
  stops.push(() => rm(folder, { recursive: true, force: true }))
  const logFolder = join(folder, 'logs')
  await mkdir(logFolder)
  await chmod(folder, 0o755)
  const [publicPort, grafanaPort] = [await freePort(), await freePort()]
  const pager = await startPager('0.0.0.0')
  stops.push(pager.stop)
  const settings = {
    ...WORKER_SETTINGS,
    POSTGRES_PASSWORD: SECRETS.databasePassword,
    SHOP_URL: 'http://shop:8090/',
    CALLBACK_ALLOWED_IPS: '10.0.0.0/8,172.16.0.0/12,192.168.0.0/16',
    GRAFANA_ADMIN_USER: 'admin',
    GRAFANA_ADMIN_PASSWORD: SECRETS.grafanaAdminPassword,
    GRAFANA_SECRET_KEY: 'a-secret-key-of-the-test',
    WORKER_DB_PASSWORD: SECRETS.workerDbPassword,
    GRAFANA_DB_PASSWORD: SECRETS.grafanaDbPassword,
    LOG_FOLDER: logFolder,
    ...pagerEnvironment(`http://${THIS_MACHINE}:${pager.port}`),
    PUBLIC_PORT: publicPort,
    GRAFANA_PORT: grafanaPort,
    GRAFANA_URL: `http://127.0.0.1:${grafanaPort}/`,
  }
  const envFile = join(folder, 'env')
  const overrideFile = join(folder, 'override.yml')
  await writeFile(
    envFile,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
  // JSON is YAML
  await writeFile(overrideFile, JSON.stringify(overrides(await grafanaProvisioning(folder, pace), more)))

  const [command, ...first] = compose as [string, ...string[]]
  const project = [
    '--project-directory',
    ROOT,
    '-f',
    join(ROOT, 'docker-compose.yml'),
    '-f',
    overrideFile,
    '--env-file',
    envFile,
    '-p',
    `shop-update-stack-${process.pid}`,
    '--profile',
    'demo',
  ]
  const docker = async (...args: string[]) =>
    (await run(command, [...first, ...project, ...args], { maxBuffer: 2 ** 26 })).stdout
  stops.push(() => docker('down', '--volumes', '--timeout', '40'))
  await docker('up', '-d', '--build')
  const addressOf = async (service: string, port: number) =>
    (await docker('port', service, `${port}`)).split('\n')[0]!.replace('0.0.0.0', '127.0.0.1')
  const urls = {} as Record<Part, string>
  const missing = new Map<Part, string>()
  const broken = new Map<Part, string>()
  const deadline = Date.now() + START_MS
  for (const part of PARTS) {
    try {
      urls[part] = `http://${await addressOf(part, LISTENS[part].port)}`
      await until(deadline, () =>
        answers(`${urls[part]}${LISTENS[part].ready ?? '/'}`, LISTENS[part].ready === null ? null : 200),
      )
    } catch (error) {
      broken.set(part, `${(error as Error).message}\n${await docker('logs', '--tail', '20', part)}`)
      missing.set(part, 'did not start')
    }
  }
  const internalUrl = `http://${await addressOf('worker', 8081)}`
  await until(deadline, () => answers(`${internalUrl}/healthz`, null))
  const sql = connect(
    `postgres://shop_update:${SECRETS.databasePassword}@${await addressOf('postgres', 5432)}/shop_update`,
    {
      max: 4,
      name: 'stack',
    },
  )
  stops.push(() => sql.end({ timeout: 5 }))
  return {
    kind: 'containers',
    missing,
    broken,
    urls,
    logFolder,
    pager,
    grafanaLog: () => docker('logs', '--no-color', 'grafana'),
    app: {
      sql,
      internal: internalApi(internalUrl, missing.has('grafana') ? null : urls.grafana),
      internalUrl,
      shopUrl: `http://${await addressOf('shop', 8090)}`,
      freeze: () => docker('pause', 'worker'),
      thaw: () => docker('unpause', 'worker'),
    },
  }
}

/** @param status null if any answer will do */
async function answers(url: string, status: number | null): Promise<void> {
  const response = await fetch(url)
  if (status !== null && response.status !== status) throw new Error(`${url} answers ${response.status}`)
}
