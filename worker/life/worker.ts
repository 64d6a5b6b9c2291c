import type { Logger } from 'pino'
import { checkTimeZone, readFlow, setStockWait } from '../admin/worker-settings.ts'
import type { Config } from '../config.ts'
import { isLocked, type Sql } from '../database/database.ts'
import type { Incident } from '../domain/incident.ts'
import { claimKey } from '../domain/item.ts'
import type { Flow } from '../domain/statuses.ts'
import { every } from '../loop.ts'
import { heldClaims, recover } from '../queue/recover.ts'
import { enterWorker, heartbeat, leaveWorker, type ToldCalls } from '../queue/worker-row.ts'
import { ByteBudget } from '../shop/byte-budget.ts'
import { createCircuit } from '../shop/circuit.ts'
import { createShopClient } from '../shop/client.ts'
import { createLimiter } from '../shop/limiter.ts'
import { createLine } from '../shop/line.ts'
import { createRateLimit } from '../shop/rate.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { startCallbacks } from './apply-callbacks.ts'
import { createDesk } from './desk.ts'
import { createFollow } from './follow.ts'
import { createHeart } from './heart.ts'
import { live, resume } from './item.ts'
import { DAYS_AHEAD, startLeader } from './leader.ts'
import { Life } from './life.ts'
import { startPacing } from './pacing.ts'
import { startPausing } from './pausing.ts'
import { startPublishing } from './publishing.ts'
import { startPump } from './pump.ts'
import { startRunning } from './running.ts'
import { retryOf } from './verdict.ts'

export interface Worker {
  readonly id: string
  /** Items may have become ready: claims at once. */
  poke(): void
  /** A callback has been recorded: applies it at once, to this item if it is known. */
  pokeCallbacks(itemId?: string | null): void
  /** Whether it is the leader. */
  leads(): boolean
  /** Unix time in seconds of the last stored heartbeat. */
  heartbeatAt(): number
  /** How many items it has in hand. */
  inFlight(): number
  /** Whether it considers the Shop unreachable and sends only a probe. */
  isCircuitOpen(): boolean
  /** Whether the Shop says "wait". */
  isShopBusy(): boolean
  /** Calls on their way, and their limit. */
  calls(): { inFlight: number; limit: number }
  /** Whether it claims: its heartbeat is fresh, claiming does not fail, and it is not stopping. */
  isReady(): boolean
  /** False when it has been unable to work for two leases. */
  isWorking(): boolean
  /** Stops claiming, finishes or hands back what is in flight, and signs off. */
  stop(): Promise<void>
}

export interface WorkerOptions {
  /** The hot path's own pool. */
  sql: Sql
  /** For the heartbeat, callbacks and the leader's duties. */
  background: Sql
  /** For runs, which may be about any selection: plans each statement anew. */
  byValues: Sql
  config: Config
  log: Logger
  telemetry: Telemetry
  /** What is wrong now with the whole. */
  incidents(): Promise<Incident[]>
  /** PostgreSQL has been silent for a lease: all connections must be closed. */
  onSilence(): void
  /** It has been silent for two leases, and new connections did not help: this process is of no use any more. */
  onLost(): void
}

/** Everything that moves items: the pump, the lives, the callbacks, the heartbeat, and the leader's duties. */
export async function startWorker({
  sql,
  background,
  byValues,
  config,
  log,
  telemetry,
  incidents,
  onSilence,
  onLost,
}: WorkerOptions): Promise<Worker> {
  const now = () => performance.now()
  await checkTimeZone(background, config.VENTURE_TIMEZONE)
  try {
    await background`select shop_update.partition_days(${DAYS_AHEAD}::int, ${config.HISTORY_DAYS}::int)`
  } catch (error) {
    if (!isLocked(error)) throw error
    log.warn(
      { err: error },
      'The tables for the next days are locked and could not be created; the leader creates them',
    )
  }
  await setStockWait(background, config.STOCK_WAIT_SECONDS)
  let flow: Flow = await readFlow(background)
  let state: 'running' | 'stopping' = 'running'
  // First of all: a worker that cannot be notified of changes does not start. What arrives until then is found at the
  // start.
  const unheeded = { changes() {}, callbacks() {} }
  let onNotice = unheeded
  const notice = (of: keyof typeof onNotice) => () => onNotice[of]()
  const limiter = createLimiter({ most: config.CONCURRENCY, now: () => performance.timeOrigin + now() })
  const heart = await createHeart({
    sql,
    background,
    leaseSeconds: config.LEASE_SECONDS,
    log,
    write: () => heartbeat(sql, id, config.WORKER_NAME, flow, state, toldCalls()),
    beaten: takeUpOrphans,
    onSilence,
    onLost,
  })
  await background.listen('shop_update', notice('changes'), notice('changes'))
  await background.listen('shop_update_callback', notice('callbacks'), notice('callbacks'))
  const id = await enterWorker(background, config.WORKER_NAME, flow)
  const leaseMs = config.LEASE_SECONDS * 1000

  const circuit = createCircuit({
    now,
    onChange: (isOpen) => {
      const { host } = new URL(config.SHOP_URL)
      if (!isOpen) return log.info({ shop: host }, 'The Shop answers again: this worker sends again')
      log.warn(
        { shop: host },
        'The Shop cannot be reached: this worker sends only a probe now and then, and items wait in the queue',
      )
      shop.turnAway()
    },
  })
  const shop = createShopClient({
    url: config.SHOP_URL,
    username: config.SHOP_USERNAME ?? null,
    password: config.SHOP_PASSWORD ?? null,
    timeoutMs: config.SHOP_TIMEOUT_MS,
    limiter,
    budget: new ByteBudget(config.ANSWER_BUDGET_MIB * 1024 * 1024),
  })
  const { host: shopHost } = new URL(config.SHOP_URL)
  const pace = await startPacing({
    sql: background,
    log,
    leaseSeconds: config.LEASE_SECONDS,
    shop: shopHost,
    perSecond: limiter.inLastSecond,
    onRefusal: shop.turnAway,
    onFaster: () => pump.poke(),
  })
  const pausing = await startPausing(background, log, () => pump.onPause())
  const line = createLine({
    shop,
    circuit,
    limiter,
    pace,
    flow: () => flow,
    maySend: (since) => state === 'running' && heart.isAlive(since),
    onRoom: () => pump.onRoom(),
  })
  const retry = retryOf(config)
  const desk = createDesk({
    sql,
    config,
    log,
    telemetry,
    line,
    retry,
    onReady: (inSeconds, items) => pump.poke(inSeconds, items),
    onRest: () => callbacks.pokeIfWaiting(),
  })
  const follow = createFollow({ sql: background, telemetry, log, onReady: (items) => pump.poke(0, items) })
  const pump = startPump({
    sql,
    workerId: id,
    concurrency: config.CONCURRENCY,
    circuit,
    line,
    rate: createRateLimit({ perSecond: config.SHOP_RATE_PER_SECOND ?? null, now }),
    pace,
    pausing,
    telemetry,
    log,
    mayClaim: heart.isAlive,
    begin: (item, set, statements) => Life.begin(item, set, statements, desk),
    live: (life, set) => live(life, set, desk),
  })

  const callbacks = startCallbacks({
    sql: background,
    zone: config.VENTURE_TIMEZONE,
    retry,
    log,
    telemetry,
    follow,
    onReady: () => pump.poke(),
  })
  const leader = startLeader({
    sql: background,
    workerId: id,
    config,
    log,
    telemetry,
    isSteady: heart.isSteady,
    follow,
    incidents,
    onReady: (items) => pump.poke(0, items),
    adopt: (adopted) => pump.adopt(adopted.item, resume(adopted, desk)),
  })

  const running = startRunning({
    sql: byValues,
    leads: () => state === 'running' && leader.leads(),
    historyDays: config.HISTORY_DAYS,
    log,
    telemetry,
    onReady: (items) => pump.poke(0, items),
  })

  const publishing = startPublishing({
    sql: background,
    leads: () => state === 'running' && leader.leads(),
    log,
  })

  /** Claims that only the database knows of. Seen twice, such a claim is not one that was made just now. */
  let suspects = new Set<string>()
  async function takeUpOrphans(): Promise<void> {
    const strangers = (await heldClaims(background, id)).filter((claim) => !pump.held.has(claimKey(claim)))
    const orphans = strangers.filter((claim) => suspects.has(claimKey(claim)))
    suspects = new Set(strangers.map(claimKey))
    if (orphans.length === 0) return
    const { recovered, steps, setsWaiting, adopted } = await recover(background, id, config.LEASE_SECONDS, orphans)
    telemetry.rescued({ steps, adopted })
    log.warn({ recovered }, 'Recovered items that the database says this worker holds, but that it was not processing')
    await follow.now({ sets: setsWaiting, created: [] })
    for (const each of adopted) pump.adopt(each.item, resume(each, desk))
    pump.poke()
  }

  /** As its heartbeat tells them. */
  function toldCalls(): ToldCalls {
    const { outage, nextProbeAt } = circuit
    return {
      inFlight: limiter.inFlight,
      limit: limiter.limit,
      perSecond: limiter.inLastSecond(),
      away: outage && {
        forSeconds: (now() - outage.since) / 1000,
        nextProbeInSeconds: Math.max(0, ((nextProbeAt ?? now()) - now()) / 1000),
        why: outage.why,
      },
    }
  }

  heart.start()
  const flowLooks = every(config.FLOW_TTL_SECONDS * 1000, async () => {
    try {
      const wanted = await readFlow(background)
      if (wanted !== flow) log.info({ from: flow, to: wanted }, 'The flow has changed')
      flow = wanted
    } catch (error) {
      log.warn({ err: error }, 'The flow setting could not be read; the last one stays in force')
    }
  })

  onNotice = { changes: () => pump.poke(), callbacks: () => callbacks.poke() }
  callbacks.poke()
  return {
    id,
    poke: () => pump.poke(),
    pokeCallbacks: callbacks.poke,
    leads: () => state === 'running' && leader.leads(),
    heartbeatAt: heart.at,
    inFlight: () => pump.held.size,
    isCircuitOpen: () => circuit.state !== 'closed',
    isShopBusy: () => pace.isBusy,
    calls: () => ({ inFlight: limiter.inFlight, limit: limiter.limit }),
    isReady: () =>
      state === 'running' && heart.isAlive() && (pump.failingSince === null || now() - pump.failingSince < leaseMs / 2),
    isWorking: heart.isWorking,
    async stop() {
      state = 'stopping'
      await pump.stop()
      await desk.followUps()
      callbacks.stopPolling()
      const looks = flowLooks.stop()
      const beats = heart.stop()
      await Promise.all([leader.stop(), running.stop(), publishing.stop()])
      onNotice = unheeded
      await Promise.all([callbacks.idle(), looks, beats, pace.stop(), pausing.stop(), shop.close()])
      try {
        await leaveWorker(background, id)
      } catch (error) {
        log.warn({ err: error }, 'This worker could not sign off; others take it for dead when its lease is over')
      }
    },
  }
}
