import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Preview, startPreview } from '../plugin/preview/server.ts'
import { runCommand } from '../worker/command.ts'
import { connect, type Sql } from '../worker/database/database.ts'
import { migrate } from '../worker/migrate.ts'
import { UsageError } from '../worker/usage-error.ts'
import { loadDemoCatalogue } from './catalogue.ts'
import { CHANGES_PER_SECOND, streamChanges } from './changes.ts'
import { makeUpHistory } from './history.ts'
import { endLeftovers, noteProcesses, writeWhole } from './leftovers.ts'
import { type Cluster, freePort, startPostgres } from './postgres.ts'

const ROOT = join(import.meta.dirname, '..')
const DATA = process.env.DATA_FOLDER || join(ROOT, '.data')
/** Enough to show in every tab, and rare enough for most items to succeed. */
const TROUBLES = {
  default: {
    latencyMs: { min: 20, max: 300 },
    http500: 2,
    failureRows: 2,
    callbackDelayMs: { min: 1000, max: 20_000 },
    callbackTwice: 5,
    noCallback: 1,
  },
  topics: {
    content: { latencyMs: { min: 20, max: 300 }, http500: 25, garbage: 1, callbackDelayMs: { min: 1000, max: 20_000 } },
  },
}

/** Everything on one machine; a second start continues with the data of the first. */
await runCommand(async () => {
  await mkdir(DATA, { recursive: true })
  await chmod(DATA, 0o755) // as root, PostgreSQL runs as another user, which must be able to enter
  if (process.getuid?.() === 0) for (const folder of [ROOT, DATA]) await checkPassable(folder)
  await endLeftovers(DATA)
  const keys = await readKeys()
  const ports = {
    public: port('PUBLIC_PORT', 8080),
    internal: port('INTERNAL_PORT', 8081),
    shop: port('SHOP_PORT', 8090),
    preview: port('PREVIEW_PORT', 3000),
  }
  const stopped = new AbortController()
  process.on('SIGTERM', () => stopped.abort())
  process.on('disconnect', () => stopped.abort()) // the process in the terminal is gone
  stopped.signal.addEventListener('abort', () => say('\nStopping …'), { once: true })

  await noteProcesses(DATA, [process])
  say('Starting PostgreSQL …')
  const children: ChildProcess[] = []
  let cluster: Cluster | undefined
  let sql: Sql | undefined
  let preview: Preview | undefined
  try {
    cluster = await startPostgres({ folder: DATA, port: await freePort() })
    const database = await demoDatabase(cluster.url)
    sql = connect(database, { max: 4, name: 'demo' })
    await migrate(sql)
    await loadDemoCatalogue(sql)
    await makeUpHistory(sql)
    if (stopped.signal.aborted) return

    const shop = await startChild('demo/shop/main.ts', {
      SHOP_PORT: String(ports.shop),
      SHOP_USERNAME: 'seller-center',
      SHOP_PASSWORD: keys.shopPassword,
      CALLBACK_URL: `http://127.0.0.1:${ports.public}/shop-update/`,
      CALLBACK_API_KEY: keys.callback,
      SHOP_SETTINGS: JSON.stringify(TROUBLES),
      ...(await nextShopIds(sql)),
    })
    children.push(shop)
    if (stopped.signal.aborted) return

    const workerEnv = {
      // some of the demo's items fail on purpose: a terminal only needs the worker's own lines
      LOG_ITEMS: 'false',
      VENTURE: 'zalora',
      COUNTRY: 'eg',
      ENVIRONMENT: 'staging',
      PUBLIC_HOST: '127.0.0.1',
      RETRY_UNIT_SECONDS: '5',
      FAILED_AFTER: '3',
      STOCK_WAIT_SECONDS: '30',
      ...process.env,
      // The demo's own settings, whatever the shell has set: nothing may reach another Shop or another database.
      DATABASE_URL: database,
      DATABASE_READ_URL: undefined,
      SHOP_URL: `http://127.0.0.1:${ports.shop}/`,
      SHOP_USERNAME: 'seller-center',
      SHOP_PASSWORD: keys.shopPassword,
      VIEWER_API_KEY: keys.viewer,
      ADMIN_API_KEY: keys.admin,
      CALLBACK_API_KEY: keys.callback,
      CALLBACK_ALLOWED_IPS: '127.0.0.1,::1',
      PUBLIC_PORT: String(ports.public),
      INTERNAL_PORT: String(ports.internal),
    }
    // A worker that dies is restarted, as by an orchestrator: `kill -9` it and watch that nothing is lost.
    let first = true
    const keepWorker = async (): Promise<void> => {
      const worker = await startChild('worker/main.ts', workerEnv)
      children.push(worker)
      await noteProcesses(DATA, [process, ...children])
      if (!first) say(`The worker runs again, as process ${worker.pid}.`)
      first = false
      worker.once('exit', (code, signal) => {
        if (stopped.signal.aborted) return
        say(`The worker ended (${signal ?? `code ${code}`}); it is started again.`)
        keepWorker().catch((error: Error) => {
          say(error.message)
          stopped.abort()
        })
      })
    }
    await keepWorker()
    preview = await startPreview({
      port: ports.preview,
      apiUrl: `http://127.0.0.1:${ports.internal}`,
      viewerKey: keys.viewer,
      adminKey: keys.admin,
    }).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EADDRINUSE'
        ? new UsageError(
            `PREVIEW_PORT: port ${ports.preview} is in use already; set it to another one, or stop what uses it.`,
          )
        : error
    })

    const changes = streamChanges(sql, { perSecond: CHANGES_PER_SECOND, signal: stopped.signal })
    say(welcome({ ports, keys, database, worker: children.at(-1)?.pid }))
    await new Promise((resolve) =>
      stopped.signal.aborted ? resolve(null) : stopped.signal.addEventListener('abort', resolve),
    )
    await changes
  } finally {
    stopped.abort()
    await preview?.stop()
    for (const child of children.toReversed()) await stopChild(child)
    await sql?.end({ timeout: 5 })
    await cluster?.stop()
    await noteProcesses(DATA, [])
    if (process.connected) process.disconnect()
  }
  say('Everything has stopped; "npm start" goes on with the same data.')
})

interface Keys {
  viewer: string
  admin: string
  callback: string
  shopPassword: string
}

/** Keys are created at the first start and kept for later ones. */
async function readKeys(): Promise<Keys> {
  const file = join(DATA, 'keys.json')
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    const key = () => randomBytes(18).toString('base64url')
    const keys: Keys = { viewer: key(), admin: key(), callback: key(), shopPassword: key() }
    await writeWhole(file, JSON.stringify(keys, null, 2))
    return keys
  }
}

function port(name: string, standard: number): number {
  const value = Number(process.env[name] || standard)
  if (!Number.isInteger(value) || value < 1 || value > 65_535)
    throw new UsageError(`${name} is wrong: it must be a whole number from 1 to 65535.`)
  return value
}

/** PostgreSQL does not run as root, so the user that it runs as must be able to enter each folder of the path. */
async function checkPassable(folder: string): Promise<void> {
  const { mode } = await stat(folder)
  if (!(mode & 0o001)) {
    throw new UsageError(
      `PostgreSQL does not run as root, and its own user cannot enter ${folder}: ` +
        'clone to a folder that others may enter, or start as another user.',
    )
  }
  if (dirname(folder) !== folder) await checkPassable(dirname(folder))
}

async function demoDatabase(url: (name: string) => string): Promise<string> {
  const server = connect(url('postgres'), { max: 1, name: 'demo' })
  const [there] = await server`select from pg_database where datname = 'shop_update'`
  if (!there) await server`create database shop_update`
  await server.end({ timeout: 5 })
  return url('shop_update')
}

/**
 * The simulated Shop forgets everything when it stops. It must not reuse an id that the catalogue has from an earlier
 * run.
 */
async function nextShopIds(sql: Sql): Promise<Record<string, string>> {
  const [row] = await sql<{ product: string; config: string }[]>`
    select coalesce(max(src_id::bigint) filter (where src_id::bigint < 5000000), 9000) + 1 as product,
      (select coalesce(max(src_id::bigint) filter (where src_id::bigint < 5000000), 700) + 1 from catalog.product_set
        where src_id ~ '^[0-9]{1,15}$') as config
    from catalog.product where src_id ~ '^[0-9]{1,15}$'`
  return { SHOP_FIRST_PRODUCT_ID: row!.product, SHOP_FIRST_CONFIG_ID: row!.config }
}

/**
 * Starts one of our programs in its own process group (we pass on Ctrl-C ourselves) and resolves with its first line of
 * output.
 */
function startChild(entry: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(ROOT, entry)], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const last: string[] = []
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream! }).on('line', (line) => {
        last.push(line)
        if (last.length > 20) last.shift()
        const entryOfLog = line.startsWith('{')
          ? (JSON.parse(line) as { level?: number; msg?: string; listening?: string })
          : { level: 50, msg: line }
        if (entryOfLog.listening || entryOfLog.msg === 'Shop Update is running') resolve(child)
        else if ((entryOfLog.level ?? 0) >= 40) say(`${entry}: ${line}`)
      })
    }
    child.once('exit', () => reject(new UsageError(`${entry} did not start: ${last.join('\n')}`)))
  })
}

function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

interface Welcome {
  ports: { public: number; internal: number; shop: number; preview: number }
  keys: Keys
  database: string
  worker: number | undefined
}

function welcome({ ports, keys, database, worker }: Welcome): string {
  return `
Shop Update is running. About ${CHANGES_PER_SECOND} changes a second are queued, and the simulated Shop makes
some trouble. A "minute" of the retry table lasts 5 s here, and a stock change waits 30 s.

  The pages      http://127.0.0.1:${ports.preview}/   (as in Grafana; seen as Viewer or Admin, dark or light)
  Internal API   http://127.0.0.1:${ports.internal}   (Grafana's side; described at /openapi.json, with a key)
  Callbacks      http://127.0.0.1:${ports.public}/shop-update/   (the Shop's side)
  Simulated Shop http://127.0.0.1:${ports.shop}   (told what to do at /_shop/troubles)
  PostgreSQL     ${database}

  Viewer key     ${keys.viewer}
  Admin key      ${keys.admin}
  Callback key   ${keys.callback}

Try:

  # what is in the queue, and what has been synced
  curl -H 'Authorization: Bearer ${keys.viewer}' http://127.0.0.1:${ports.internal}/api/summary
  curl -H 'Authorization: Bearer ${keys.viewer}' 'http://127.0.0.1:${ports.internal}/api/items?tab=synced&limit=5'

  # the asynchronous flow: the Shop acknowledges, and calls back up to 20 s later
  curl -X PUT -H 'Authorization: Bearer ${keys.admin}' -H 'content-type: application/json' \\
    -d '{"flow":"asynchronous"}' http://127.0.0.1:${ports.internal}/api/flow

  # a catalogue of your own, from a Shopify product CSV export; what is new in it is queued
  DATABASE_URL='${database}' npm run import -- test/fixtures/catalogue.csv --enqueue

  # what a program of Seller Center is told of its products, for their own pages (demo/feedback.ts)
  DATABASE_URL='${database}' API_URL=http://127.0.0.1:${ports.internal} \\
    VIEWER_API_KEY=${keys.viewer} npm run feedback

  # a callback, as the Shop sends it, of a request that nobody made
  curl -H 'content-type: application/json' -d '${JSON.stringify([
    { jsonrpc: '2.0', method: 'auth', params: { apiKey: keys.callback } },
    { jsonrpc: '2.0', method: 'Callback.process', params: { result: [{ status: 'success', product: {} }] }, id: '1' },
  ])}' http://127.0.0.1:${ports.public}/shop-update/

  # a worker that dies: it is started again, and everything ends all the same
  kill -9 ${worker}

Ctrl-C stops all of it.`
}
