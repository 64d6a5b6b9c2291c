import { serve } from '@hono/node-server'
import { pino } from 'pino'
import { createPublicApi } from './api/public.ts'
import { runCommand } from './command.ts'
import { readConfig } from './config.ts'
import { checkSchema } from './migrate.ts'
import { connect } from './queue/database.ts'
import { startWorker } from './worker.ts'

/** Starts everything in the order in which it depends on each other, and stops it in the opposite one. */
await runCommand(async () => {
  const config = readConfig(process.env)
  const log = pino({ level: config.LOG_LEVEL, base: { venture: config.VENTURE, source: `${config.COUNTRY}/${config.ENVIRONMENT}` } })

  const hot = connect(config.DATABASE_URL, { max: 6, name: 'queue', lockTimeoutMs: 250, byIndex: true })
  const background = connect(config.DATABASE_URL, { max: 4, name: 'background', lockTimeoutMs: 10_000, byIndex: true })
  const api = connect(config.DATABASE_URL, { max: 4, name: 'api', lockTimeoutMs: 10_000 })
  const read = config.DATABASE_READ_URL ? connect(config.DATABASE_READ_URL, { max: 4, name: 'read' }) : api
  const pools = [...new Set([hot, background, api, read])]

  try {
    await checkSchema(background)
    const { createHash } = await import('node:crypto')
    if (config.CALLBACK_API_KEY)
      await background`update shop_update.system_credential set allowed_ips = ${config.CALLBACK_ALLOWED_IPS ?? []}::text[], key_hashes = array[${createHash('sha256').update(config.CALLBACK_API_KEY).digest()}]::bytea[]`
    const worker = await startWorker({ sql: hot, background, config, log })
    const publicListener = await listen(
      createPublicApi({ sql: api, config, log, onCallback: worker.pokeCallbacks, ready: async () => worker.isAlive() }),
      config.PUBLIC_HOST,
      config.PUBLIC_PORT,
    )
    const internalListener = { url: '', close: async () => {} }
    void read
    log.info({ worker_id: worker.id, public: publicListener.url, internal: internalListener.url }, 'Shop Update is running')

    const signal = await new Promise<string>((resolve) => {
      process.once('SIGTERM', resolve)
      process.once('SIGINT', resolve)
    })
    log.info({ signal }, 'Stopping: no new claims; calls in flight are finished')
    process.once('SIGINT', () => process.exit(1)) // who asks twice does not want to wait
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
