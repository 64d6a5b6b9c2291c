import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { checkTimeZone, readFlow, setStockWait } from '../admin/worker-settings.ts'
import type { Config } from '../config.ts'
import { breakOff, isLocked, isSilence, type Sql } from '../database/database.ts'
import type { Flow } from '../domain/statuses.ts'
import { heldClaims, recover } from '../queue/recover.ts'
import { enterWorker, heartbeat, leaveWorker } from '../queue/worker-row.ts'
import { ByteBudget } from '../shop/byte-budget.ts'
import { createCircuit } from '../shop/circuit.ts'
import { createShopClient } from '../shop/client.ts'
import { createLine } from '../shop/line.ts'
import { createRateLimit } from '../shop/rate.ts'
import { Attempt } from '../telemetry/attempt.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { applyCallbacks } from './callbacks.ts'
import { createDesk } from './desk.ts'
import { createFollow } from './follow.ts'
import { live, resume } from './item.ts'
import { DAYS_AHEAD, startLeader } from './leader.ts'
import { claimKey, startPump } from './pump.ts'
import { retryOf } from './verdict.ts'

export interface Worker {
  readonly id: string
  /** Items may have become ready: claim at once. */
  poke(): void
  /** A callback has been recorded: give it to its item at once. */
  pokeCallbacks(): void
  /** Whether it does what must be done once. */
  leads(): boolean
  /** Unix time in seconds of the last heartbeat that was written. */
  heartbeatAt(): number
  /** How many items it has in hand. */
  inFlight(): number
  /** Whether it takes the Shop for away, and sends no more than a probe. */
  isCircuitOpen(): boolean
  /** Whether it claims: its heartbeat is fresh, claiming does not fail, and it is not stopping. */
  isReady(): boolean
  /** False when it has not been able to do its work for two leases. */
  isWorking(): boolean
  /** Claims no more, finishes or hands back what is in flight, and leaves. */
  stop(): Promise<void>
}

const HEARTBEATS_A_LEASE = 5
const CALLBACK_POLL_MS = 1000

export interface WorkerOptions {
  /** The hot path's own pool. */
  sql: Sql
  /** Heartbeat, callbacks, the leader's duties. */
  background: Sql
  config: Config
  log: Logger
  telemetry: Telemetry
  /** PostgreSQL has not said a word for a lease: all connections are to be broken off. */
  onSilence(): void
  /** For two leases, and new connections did not help: this process is of no use any more. */
  onLost(): void
}

/** Everything that moves items: the pump, their lives, the callbacks, the heartbeat, and the leader's duties. */
export async function startWorker({
  sql,
  background,
  config,
  log,
  telemetry,
  onSilence,
  onLost,
}: WorkerOptions): Promise<Worker> {
  const now = () => performance.now()
  await checkTimeZone(background, config.VENTURE_TIMEZONE)
  try {
    await background`select shop_update.partition_days(${DAYS_AHEAD}::int, ${config.HISTORY_DAYS}::int)`
  } catch (error) {
    if (!isLocked(error)) throw error
    log.warn({ err: error }, 'Partitions could not be made now; the leader will make them')
  }
  await setStockWait(background, config.STOCK_WAIT_SECONDS)
  let flow: Flow = await readFlow(background)
  let state: 'running' | 'stopping' = 'running'
  // Before anything is begun: who cannot be told of changes does not start. What is told until then is found at the
  // start.
  const silent = { changes() {}, callbacks() {} }
  let told = silent
  const tell = (what: keyof typeof told) => () => told[what]()
  const echo = `shop_update_${randomUUID()}`
  let echoAt = now()
  const onEcho = () => {
    echoAt = now()
  }
  await background.listen(echo, onEcho, onEcho)
  await background.listen('shop_update', tell('changes'), tell('changes'))
  await background.listen('shop_update_callback', tell('callbacks'), tell('callbacks'))
  const id = await enterWorker(background, config.WORKER_NAME, flow)
  const leaseMs = config.LEASE_SECONDS * 1000
  let beatAt = now()

  const circuit = createCircuit({
    now,
    onChange: (isOpen) => {
      const shop = new URL(config.SHOP_URL).host
      if (isOpen)
        log.warn({ shop }, 'The Shop cannot be reached: nothing is sent but a probe now and then, and the queue waits')
      else log.info({ shop }, 'The Shop answers again')
    },
  })
  const shop = createShopClient({
    url: config.SHOP_URL,
    username: config.SHOP_USERNAME ?? null,
    password: config.SHOP_PASSWORD ?? null,
    timeoutMs: config.SHOP_TIMEOUT_MS,
    connections: config.CONCURRENCY, // a call that is made is on the wire, and waits for no other
    budget: new ByteBudget(config.ANSWER_BUDGET_MIB * 1024 * 1024),
  })
  /**
   * Half a lease without a heartbeat: others take over at a whole one, and by then nothing of ours may leave any more.
   */
  const isAlive = () => now() - beatAt < leaseMs / 2
  /** When the last heartbeat was confirmed, and since when they have come without a gap. */
  let confirmedAt = now()
  /** When PostgreSQL last said something about a heartbeat, be it that there is none to be had. */
  let heardAt = now()
  let brokenOff = false
  let steadySince = now()
  const isSteady = () => now() - confirmedAt < leaseMs / 2 && now() - steadySince >= leaseMs

  const line = createLine({
    shop,
    circuit,
    flow: () => flow,
    maySend: () => state === 'running' && isAlive(),
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
    onRest: () => callbacksInFlight > 0 && pokeCallbacks(),
  })
  const follow = createFollow({ sql: background, telemetry, log, onReady: (items) => pump.poke(0, items) })
  const pump = startPump({
    sql,
    workerId: id,
    concurrency: config.CONCURRENCY,
    circuit,
    rate: createRateLimit({ perSecond: config.SHOP_RATE_PER_SECOND ?? null, now }),
    telemetry,
    log,
    mayClaim: isAlive,
    live: (item, set, served) => live(item, set, served, desk),
    unread(item, served) {
      desk.begin(item, undefined, served)
      desk.end(item)
    },
  })

  // Callbacks: whichever worker is told first gives them to their items.
  let callbacksInFlight = 0
  let applying: Promise<void> | null = null
  let applyAgain = false
  function pokeCallbacks(): void {
    if (applying) applyAgain = true
    else {
      applying = apply().finally(() => {
        applying = null
      })
    }
  }
  async function apply(): Promise<void> {
    try {
      let after = '0'
      let [seenOfAll, inFlightOfAll] = [0, 0]
      for (;;) {
        if (after === '0') [applyAgain, seenOfAll, inFlightOfAll] = [false, 0, 0]
        const page = await applyCallbacks(background, config.VENTURE_TIMEZONE, after, retry)
        const { seen, next, inFlight, sets, created, stories, incidents, failed } = page
        seenOfAll += seen
        inFlightOfAll += inFlight
        callbacksInFlight = inFlightOfAll
        for (const story of stories) {
          const attempt = Attempt.callback(telemetry, story)
          attempt.entered(story.steps, null)
          attempt.rested()
        }
        if (failed !== null) log.warn({ err: failed }, 'A callback could not be applied; it is tried again')
        telemetry.steps(incidents)
        await follow.now({ sets, created })
        if (sets.length > 0) pump.poke() // an item may have stayed, Pending
        if (next === null && seenOfAll === 0 && !applyAgain) return
        after = next ?? '0'
      }
    } catch (error) {
      log.warn({ err: error }, 'Applying callbacks failed; it is tried again')
    }
  }
  const callbackPoll = setInterval(pokeCallbacks, CALLBACK_POLL_MS)

  const leader = startLeader({
    sql: background,
    workerId: id,
    config,
    log,
    telemetry,
    isSteady,
    follow,
    onReady: (items) => pump.poke(0, items),
    adopt: (adopted) => pump.adopt(adopted.item, resume(adopted, desk)),
  })

  // Heartbeat, and with it what may be asked now and then: the flow in force, and whether the database thinks we hold
  // what we do not.
  let suspects = new Set<string>()
  let beating: Promise<void> | null = null
  async function beat(): Promise<void> {
    const at = now()
    try {
      const gap = await heartbeat(sql, id, config.WORKER_NAME, flow, state) // the hot path's statements are short: nothing there keeps a heartbeat waiting
      beatAt = at
      if (Math.max(now() - confirmedAt, gap * 1000) > leaseMs / 2) steadySince = now()
      confirmedAt = now()
      heardAt = now()
      brokenOff = false
      await sql`select pg_notify(${echo}, '')`
      if (now() - echoAt > leaseMs) {
        log.error('Nothing is heard on the connection that is told of changes: it is opened anew')
        echoAt = now()
        breakOff(background)
      }
      const strangers = (await heldClaims(background, id)).filter((claim) => !pump.held.has(claimKey(claim)))
      const orphans = strangers.filter((claim) => suspects.has(claimKey(claim)))
      suspects = new Set(strangers.map(claimKey))
      if (orphans.length > 0) {
        const { recovered, steps, setsWaiting, adopted } = await recover(background, id, config.LEASE_SECONDS, orphans)
        telemetry.rescued({ steps, adopted })
        log.warn({ recovered }, 'Took up items of our own whose life had broken off')
        await follow.now({ sets: setsWaiting, created: [] })
        for (const each of adopted) pump.adopt(each.item, resume(each, desk))
        pump.poke()
      }
    } catch (error) {
      if (!isSilence(error)) heardAt = now()
      log.warn({ err: error, seconds: Math.round((now() - beatAt) / 1000) }, 'The heartbeat could not be written')
    }
  }
  const heart = setInterval(() => {
    beating ??= beat().finally(() => {
      beating = null
    })
  }, leaseMs / HEARTBEATS_A_LEASE)
  // Beside the heartbeat, which may be waiting for an answer that never comes.
  let lookedAt = now()
  const watch = setInterval(() => {
    if (now() - lookedAt > leaseMs / 2) heardAt = now() // it was this process that stood still
    lookedAt = now()
    const seconds = Math.round((now() - heardAt) / 1000)
    if (now() - heardAt > 2 * leaseMs) {
      log.error({ seconds }, 'PostgreSQL has not answered for two leases, on new connections neither: this worker ends')
      onLost()
    } else if (now() - heardAt > leaseMs && !brokenOff) {
      log.error({ seconds }, 'PostgreSQL has not answered for a lease: all connections are broken off and opened anew')
      brokenOff = true
      onSilence()
    }
  }, leaseMs / HEARTBEATS_A_LEASE)
  const flowPoll = setInterval(() => {
    readFlow(background).then(
      (wanted) => {
        if (wanted !== flow) log.info({ from: flow, to: wanted }, 'The flow has changed')
        flow = wanted
      },
      (error) => log.warn({ err: error }, 'The flow could not be read; the last one stays in force'),
    )
  }, config.FLOW_TTL_SECONDS * 1000)

  told = { changes: () => pump.poke(), callbacks: pokeCallbacks }
  pokeCallbacks()
  return {
    id,
    poke: () => pump.poke(),
    pokeCallbacks,
    leads: () => state === 'running' && leader.leads(),
    // by the clock on the wall: the other one stands still while the machine is suspended
    heartbeatAt: () => (Date.now() - (now() - beatAt)) / 1000,
    inFlight: () => pump.held.size,
    isCircuitOpen: () => circuit.state !== 'closed',
    isReady: () =>
      state === 'running' && isAlive() && (pump.failingSince === null || now() - pump.failingSince < leaseMs / 2),
    isWorking: () => now() - beatAt < 2 * leaseMs,
    async stop() {
      state = 'stopping'
      await pump.stop()
      await desk.followUps()
      clearInterval(callbackPoll)
      clearInterval(flowPoll)
      clearInterval(heart)
      clearInterval(watch)
      await leader.stop()
      told = silent
      await Promise.all([applying, beating, shop.close()])
      try {
        await leaveWorker(background, id)
      } catch (error) {
        log.warn({ err: error }, 'The database is away: this worker is taken for dead when its lease is over')
      }
    },
  }
}
