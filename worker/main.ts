import { firstCredential } from './admin/credentials.ts'
import { countOpenRuns } from './admin/record.ts'
import { sparing } from './api/internal/sparing.ts'
import { createInternalApi } from './api/internal.ts'
import { listen, listenError } from './api/listen.ts'
import { startPublicListener } from './api/public-listener.ts'
import { runCommand } from './command.ts'
import { readConfig, readVariable } from './config.ts'
import { breakOff, checkSession, connect } from './database/database.ts'
import { startWorker, type Worker } from './life/worker.ts'
import { checkSchema } from './migrate.ts'
import { readBlocked } from './read/blocked.ts'
import { readNewCauses } from './read/causes.ts'
import { readDatabaseHealth } from './read/database-health.ts'
import { readFeedbackBehind } from './read/feedback.ts'
import { readSituation } from './read/incidents.ts'
import { readKpis, readOverdue } from './read/kpis.ts'
import { readStatuses } from './read/summary.ts'
import { observeDatabase, observeProcess, observeQueue, observeWorker } from './telemetry/gauges.ts'
import { createLogs } from './telemetry/logs.ts'
import { startPipelines } from './telemetry/pipelines.ts'
import { createTelemetry } from './telemetry/telemetry.ts'

/** Added to the time-out of a call: the time to store its answer. */
const STOP_GRACE_MS = 5000
/** A stalled worker's transaction is ended after this fraction of its lease. */
const IDLE_A_LEASE = 3
/**
 * Also added, to send the remaining telemetry: once for spans and lines, and once for the metrics that report what was
 * lost.
 */
const FLUSH_MS = 5000

/** Starts everything in dependency order, and stops it in reverse order, however far it got. */
await runCommand(async () => {
  const stopped = new Promise<string>((resolve) => {
    process.on('SIGTERM', resolve)
    process.on('SIGINT', resolve)
  })
  const config = readConfig(process.env)
  // the exporters do not support secrets in files
  const headers = readVariable(process.env, 'OTEL_EXPORTER_OTLP_HEADERS')
  if (headers !== undefined) process.env.OTEL_EXPORTER_OTLP_HEADERS = headers
  const { log, items, exportTo } = createLogs(config)
  if (config.ENVIRONMENT === 'live' && config.ALLOW_INSECURE.length > 0)
    log.warn(
      { 'event.name': 'insecure', allowed: config.ALLOW_INSECURE },
      'ENVIRONMENT is live, and ALLOW_INSECURE turns off the security checks in "allowed"',
    )

  await using running = new AsyncDisposableStack()
  const pipelines = startPipelines(config, log)
  const telemetry = createTelemetry(pipelines, items)
  pipelines
    .begin()
    .catch((error) => log.warn({ err: error }, 'The first metrics could not be sent; the next export sends them'))
  exportTo(telemetry.ownLine)
  // Started first and stopped last, so that telemetry of the stop is sent too.
  running.defer(async () => {
    exportTo(null)
    await pipelines.stop(FLUSH_MS)
  })
  const idleInTransactionMs = (config.LEASE_SECONDS * 1000) / IDLE_A_LEASE
  const pool = (url: string, options: Parameters<typeof connect>[1]) => {
    const sql = connect(url, { idleInTransactionMs, ...options })
    running.defer(() => sql.end({ timeout: 5 }))
    return sql
  }
  const hot = pool(config.DATABASE_URL, { max: 6, name: 'queue', lockTimeoutMs: 250, byIndex: true })
  const background = pool(config.DATABASE_URL, { max: 4, name: 'background', lockTimeoutMs: 10_000, byIndex: true })
  const api = pool(config.DATABASE_URL, { max: 4, name: 'api', lockTimeoutMs: 10_000, byValues: true })
  const read = config.DATABASE_READ_URL
    ? pool(config.DATABASE_READ_URL, { max: 4, name: 'read', byValues: true, readOnly: true })
    : api

  // From the database of the lists, but a separate pool: downloads must not block the lists.
  const downloads = pool(config.DATABASE_READ_URL ?? config.DATABASE_URL, {
    max: 2,
    name: 'downloads',
    lockTimeoutMs: 10_000,
    byValues: true,
    readOnly: config.DATABASE_READ_URL !== undefined,
  })

  await checkSession(background)
  const newer = await checkSchema(background)
  if (newer) log.warn(newer)
  await firstCredential(background, config.CALLBACK_API_KEY ?? null, config.CALLBACK_ALLOWED_IPS ?? [])

  // The listeners start first and stop last: a callback is recorded whether or not this worker moves items.
  let worker: Worker | undefined
  const publicListener = await startPublicListener({
    config,
    idleInTransactionMs,
    log,
    items,
    pipelines,
    onCallback: (itemId) => worker?.pokeCallbacks(itemId),
    onOutcome: (outcome) => telemetry.instruments.callbacks([outcome]),
    ready: () => worker?.isReady() ?? false,
    working: () => worker?.isWorking() ?? true,
  })
  running.defer(publicListener.close)
  const blocked = sparing(() => readBlocked(read))
  const situation = sparing(() => readSituation(api, read, config.LEASE_SECONDS))
  const internalApi = createInternalApi({
    sql: api,
    readSql: read,
    downloadSql: downloads,
    blocked,
    situation,
    config,
    log,
    onQueued: () => worker?.poke(),
    onSteps: telemetry.steps,
    onRequeue: telemetry.requeued,
    onRefusal: (reason) => telemetry.instruments.internalRefusals([reason]),
  })
  const { INTERNAL_HOST, INTERNAL_PORT } = config
  const internalListener = await listen(internalApi, INTERNAL_HOST, INTERNAL_PORT).catch((error) => {
    throw listenError(error, 'INTERNAL_PORT', INTERNAL_PORT)
  })
  running.defer(internalListener.close)

  const incidents = async () => (await situation()).incidents
  const started = await startWorker({
    sql: hot,
    background,
    byValues: api,
    config,
    log,
    telemetry,
    incidents,
    onSilence() {
      new Set([hot, background, api, read, downloads]).forEach(breakOff)
      publicListener.breakOff()
    },
    onLost: () => process.exit(1),
  })
  worker = started
  running.defer(started.stop)
  observeProcess(pipelines.meter)
  observeWorker(pipelines.meter, { ...started, limit: config.CONCURRENCY })
  observeQueue(pipelines.queueMeter, started.leads, {
    statuses: () => readStatuses(read),
    kpis: sparing(() => readKpis(read)),
    overdue: () => readOverdue(read),
    blocked,
    incidents,
    newCauses: sparing(() => readNewCauses(read)),
    openRuns: () => countOpenRuns(api),
    // while a million products change, or a dump keeps vacuum away, there is much to walk over
    feedbackBehind: sparing(() => readFeedbackBehind(api)),
  })
  // from the primary, not a replica
  observeDatabase(pipelines.queueMeter, started.leads, () => readDatabaseHealth(api))
  log.info(
    { worker_id: started.id, public: publicListener.url, internal: internalListener.url },
    'Shop Update is running',
  )

  const signal = await stopped
  log.info({ signal }, 'Stopping: no new claims; calls in flight are finished')
  // A second signal ends the process at once. But npm passes on a Ctrl-C that the terminal has already sent us; that
  // does not count as a second one.
  const since = performance.now()
  process.on('SIGINT', () => performance.now() - since > 1000 && process.exit(1))
  // A call ends by its time-out, so anything longer means that the database is down. Other workers take over the rest
  // when our lease ends.
  const deadline = setTimeout(
    () => {
      log.error('Stopping took too long: this process exits, and other workers take over its items after a lease')
      process.exit(1)
    },
    config.SHOP_TIMEOUT_MS + STOP_GRACE_MS + 2 * FLUSH_MS,
  )
  await running.disposeAsync()
  clearTimeout(deadline)
  log.info('Stopped; nothing is in flight')
})
