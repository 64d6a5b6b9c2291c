import { serve } from '@hono/node-server'
import { pino } from 'pino'
import { isAllowListEntry } from './api/allow-list.ts'
import { createInternalApi } from './api/internal.ts'
import { createPublicApi } from './api/public.ts'
import { runCommand } from './command.ts'
import { ConfigError, readConfig } from './config.ts'
import { checkSchema } from './migrate.ts'
import { firstCredential } from './queue/credentials.ts'
import { connect } from './queue/database.ts'
import { startWorker } from './worker.ts'

/** Starts everything in the order in which it depends on each other, and stops it in the opposite one. */
await runCommand(async () => {
  const stopped = new Promise<string>((resolve) => {
    process.on('SIGTERM', resolve)
    process.on('SIGINT', resolve)
  })
  const config = readConfig(process.env)
  const odd = config.CALLBACK_ALLOWED_IPS?.find((entry) => !isAllowListEntry(entry))
  if (odd !== undefined) throw new ConfigError(`CALLBACK_ALLOWED_IPS is wrong: ${odd} is neither an IP address nor a range.`)
  const log = pino({ level: config.LOG_LEVEL, base: { venture: config.VENTURE, source: `${config.COUNTRY}/${config.ENVIRONMENT}` } })

  const hot = connect(config.DATABASE_URL, { max: 6, name: 'queue', lockTimeoutMs: 250, byIndex: true })
  const background = connect(config.DATABASE_URL, { max: 4, name: 'background', lockTimeoutMs: 10_000, byIndex: true })
  const callbacks = connect(config.DATABASE_URL, { max: 2, name: 'callbacks', lockTimeoutMs: 10_000, byIndex: true })
  const api = connect(config.DATABASE_URL, { max: 4, name: 'api', lockTimeoutMs: 10_000 })
  const read = config.DATABASE_READ_URL ? connect(config.DATABASE_READ_URL, { max: 4, name: 'read' }) : api
  const pools = [...new Set([hot, background, callbacks, api, read])]

  try {
    await checkSchema(background)
    await firstCredential(background, config.CALLBACK_API_KEY ?? null, config.CALLBACK_ALLOWED_IPS ?? [])
    const worker = await startWorker({ sql: hot, background, config, log })
    const publicListener = await listen(
      createPublicApi({ sql: callbacks, config, log, onCallback: worker.pokeCallbacks, ready: async () => worker.isAlive() }),
      config.PUBLIC_HOST,
      config.PUBLIC_PORT,
    )
    const internalListener = await listen(
      createInternalApi({ sql: api, readSql: read, config, log, onQueued: worker.poke }),
      config.INTERNAL_HOST,
      config.INTERNAL_PORT,
    )
    log.info({ worker_id: worker.id, public: publicListener.url, internal: internalListener.url }, 'Shop Update is running')

    const signal = await stopped
    log.info({ signal }, 'Stopping: no new claims; calls in flight are finished')
    // Who asks again does not want to wait. npm passes a Ctrl-C on that the terminal has sent us already: that is not asking twice.
    const since = performance.now()
    process.on('SIGINT', () => performance.now() - since > 1000 && process.exit(1))
    await Promise.all([publicListener.close(), internalListener.close()])
    await worker.stop()
    log.info('Stopped; nothing is in flight')
  } finally {
    await Promise.all(pools.map((pool) => pool.end({ timeout: 5 })))
  }
})

async function listen(app: { fetch: Parameters<typeof serve>[0]['fetch'] }, hostname: string, port: number) {
  return new Promise<{ url: string; close(): Promise<void> }>((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname, port }, ({ port: bound }) =>
      resolve({
        url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${bound}`,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            if ('closeAllConnections' in server) setTimeout(() => server.closeAllConnections(), 2000).unref()
          }),
      }),
    )
    server.once('error', reject)
  })
}
