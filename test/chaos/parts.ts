import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Cluster, freePort, startPostgres } from '../../demo/postgres.ts'
import { type RunningShop, startShop } from '../../demo/shop/shop.ts'
import { connect, isConnectionError, type Sql } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { type Cut, type Gate, openGate } from '../gate.ts'
import { ADMIN_API_KEY, startWorkerProcess, type WorkerProcess, workerEnv } from '../worker-process.ts'

/** All times are short, so that minutes cover what takes weeks elsewhere. */
export const LEASE_SECONDS = 3
/**
 * One per run: either shorter than a lease, or so long that a worker may lose an item and claim it again while its call
 * is out.
 */
const SHOP_TIMEOUTS_MS = [12_000, 1500] as const
const WORKERS = 3
/** A worker that is cut off just as it starts may wait for ever, and is killed, as an operator would do. */
const START_WITHIN_MS = 60_000
const CALLBACK_API_KEY = 'key-of-the-callbacks-in-chaos'

const WORKER_ENV = {
  LEASE_SECONDS: String(LEASE_SECONDS),
  RETRY_UNIT_SECONDS: '0.05',
  FAILED_AFTER: '4',
  MAX_RETRIES: '7',
  STOCK_WAIT_SECONDS: '2',
  FLOW_TTL_SECONDS: '0.5',
  CONCURRENCY: '60',
  LOG_ITEMS: 'false',
  CALLBACK_API_KEY,
  CALLBACK_ALLOWED_IPS: '127.0.0.1',
}

type Log = (line: string) => void

/**
 * A time in which a worker could not be heard, for whatever cause: others may have taken its items, and its calls may
 * still be out.
 */
export interface Isolation {
  worker: number
  why: string
  from: number
  to: number
}

/** A worker process that is restarted when it ends, as an operator would do, with its own path to PostgreSQL. */
export class Slot {
  readonly number: number
  readonly #env: Record<string, string>
  readonly gate: Gate
  readonly publicUrl: string
  readonly internalUrl: string
  readonly #log: Log
  process: WorkerProcess | null = null
  /** `down`: on purpose. `starting`: also while it cannot start because PostgreSQL is down. */
  state: 'up' | 'starting' | 'frozen' | 'down' = 'down'
  #starting: Promise<void> = Promise.resolve()
  #over = false
  readonly #logs: Record<string, unknown>[][] = []
  /** When one of its processes ended. */
  readonly ends: number[] = []

  constructor(number: number, gate: Gate, env: Record<string, string>, log: Log) {
    this.number = number
    this.gate = gate
    this.#env = env
    this.publicUrl = `http://127.0.0.1:${env.PUBLIC_PORT}`
    this.internalUrl = `http://127.0.0.1:${env.INTERNAL_PORT}`
    this.#log = log
  }

  /** Its log lines that should not occur, whatever is down. */
  complaints(): string[] {
    return this.#logs.flatMap((log) => log.filter(isComplaint).map((line) => JSON.stringify(line)))
  }

  /** Items whose processing broke off: nobody has what it held. */
  brokenOff(): Set<string> {
    return new Set(this.#logs.flatMap((log) => log.filter(isBrokenOff).map(({ item_id }) => String(item_id))))
  }

  /** Starts it, repeatedly if it cannot start. Resolves when it runs or is no longer wanted. */
  start(): Promise<void> {
    if (this.state === 'down') {
      this.state = 'starting'
      this.#starting = this.#startUntilItRuns()
    }
    return this.#starting
  }

  async #startUntilItRuns(): Promise<void> {
    while (this.state === 'starting' && !this.#over) {
      try {
        const started = await startWorkerProcess(this.#env, { signal: AbortSignal.timeout(START_WITHIN_MS) })
        this.process = started
        this.state = 'up'
        this.#logs.push(started.log)
        started.child.once('exit', (code) => {
          this.ends.push(Date.now())
          if (this.process !== started) return
          this.process = null
          if (this.state !== 'up' && this.state !== 'frozen') return
          this.state = 'down'
          this.#log(`worker ${this.number} ended by itself with code ${code}: ${started.printed.at(-1)?.slice(0, 300)}`)
          setTimeout(() => this.start(), 300)
        })
      } catch {
        await delay(300) // PostgreSQL, or the path to it, is down: it said so, and ended
      }
    }
  }

  async kill(): Promise<void> {
    const was = this.process
    this.state = 'down'
    this.process = null
    await was?.kill()
  }

  /** As a deployment does. It is killed if it does not end in time. */
  async stop(): Promise<number | null> {
    const was = this.process
    this.state = 'down'
    this.process = null
    if (!was) return null
    const guard = setTimeout(() => was.child.kill('SIGKILL'), 25_000)
    const code = await was.stop()
    clearTimeout(guard)
    return code
  }

  freeze(): void {
    this.state = 'frozen'
    this.process?.child.kill('SIGSTOP')
  }

  thaw(): void {
    this.process?.child.kill('SIGCONT')
    if (this.state === 'frozen') this.state = 'up'
  }

  async end(): Promise<void> {
    this.#over = true
    this.thaw()
    await this.stop()
    await this.#starting
    await this.process?.kill() // a process that had just been started
    await this.gate.close()
  }
}

/**
 * It may complain about a lost connection. But an item's processing breaks off because of it only if nobody knows the
 * outcome.
 */
const isComplaint = (line: Record<string, unknown>): boolean =>
  /counter did not match the queue/.test(String(line.msg)) || (isBrokenOff(line) && !isConnectionError(line.err))
const isBrokenOff = ({ msg }: Record<string, unknown>): boolean => /^Processing an item failed/.test(String(msg))

/** Writes that the catalogue refuses: a trigger of Seller Center stands between the Shop's answer and a product. */
async function prepareRefusals(sql: Sql): Promise<void> {
  await sql`create schema chaos`
  await sql`create table chaos.refused (product_id bigint)`
  await sql`
    create function chaos.refuse() returns trigger language plpgsql as $$
    begin
      if exists (select from chaos.refused where product_id = new.id)
      then raise exception 'product % is not to be touched now', new.id; end if;
      return new;
    end $$`
  // Only for products in the Shop: an admin may resend a create whose answer was refused, and nobody would know of the
  // first id.
  await sql`
    create trigger chaos_refuse before update of src_updated_at on catalog.product
    for each row when (old.src_id is not null) execute function chaos.refuse()`
}

/** What admins are told about ids: a decision removes the message. */
async function keepIncidents(sql: Sql): Promise<void> {
  await sql`create table chaos.incident (at timestamptz not null, message text not null)`
  await sql`
    create function chaos.keep_incident() returns trigger language plpgsql security definer as $$
    begin
      insert into chaos.incident values (clock_timestamp(), new.message);
      return null;
    end $$`
  await sql`
    create trigger chaos_keep after insert or update of reason on shop_update.item
    for each row when (new.reason = 'src_id_conflict') execute function chaos.keep_incident()`
}

export type Parts = Awaited<ReturnType<typeof startParts>>

/**
 * PostgreSQL that can be stopped, workers each behind a gate, and the simulated Shop.
 *
 * @param seed of the Shop's draws
 */
export async function startParts(seed: number, log: Log) {
  const folder = await mkdtemp(join(tmpdir(), 'shop-update-chaos-'))
  await chmod(folder, 0o755)
  const port = await freePort()
  const startDatabase = () => startPostgres({ folder, port, flags: ['fsync=off', 'max_connections=150'] })
  let cluster: Cluster | null = await startDatabase()
  const databaseUrl = cluster.url('postgres')
  const sql: Sql = connect(databaseUrl, { max: 12, name: 'chaos', lockTimeoutMs: 5000 })
  await migrate(sql)
  await prepareRefusals(sql)
  await keepIncidents(sql)
  const shopTimeoutMs = SHOP_TIMEOUTS_MS[seed % SHOP_TIMEOUTS_MS.length]!
  const shop: RunningShop = await startShop({
    port: await freePort(),
    credentials: { username: 'sc', password: 'canary-password-of-the-shop' },
    settings: { seed, lenient: false, recordLimit: 1_000_000, callbackTries: 1000, dropsAbandoned: true },
  })

  const slots: Slot[] = []
  for (let number = 1; number <= WORKERS; number++) {
    const gate = await openGate(databaseUrl)
    const env = {
      ...workerEnv(gate.url, `${shop.url}/worker-${number}`),
      ...WORKER_ENV,
      SHOP_TIMEOUT_MS: String(shopTimeoutMs),
      WORKER_NAME: `chaos-${number}`,
      PUBLIC_PORT: String(await freePort()),
      INTERNAL_PORT: String(await freePort()),
    }
    slots.push(new Slot(number, gate, env, log))
  }

  const isolations: Isolation[] = []
  let databaseUpSince = Date.now()
  const beats = new Map<string, number>()

  const isolated = (worker: number, why: string): Isolation => {
    const isolation = { worker, why, from: Date.now(), to: Number.POSITIVE_INFINITY }
    isolations.push(isolation)
    return isolation
  }

  /** An overloaded machine freezes workers too: the heartbeats show freezes that nobody caused. */
  async function watchHeartbeats(): Promise<void> {
    const heard = await sql<{ id: string; worker: number; at: number }[]>`
      select distinct on (name) id, right(name, 1)::int as worker, extract(epoch from heartbeat_at)::float8 * 1000 as at
      from shop_update.worker order by name, id desc`
    const now = Date.now()
    for (const { id, worker, at } of heard) {
      const slot = slots.find(({ number }) => number === worker)
      const before = beats.get(id) ?? at
      beats.set(id, at)
      const isKnown = (since: number) => isolations.some((one) => one.worker === worker && one.to >= since)
      // No worker could be heard while PostgreSQL was down: that is nobody's fault, and no leader may treat it as one.
      const last = Math.max(before, databaseUpSince)
      const from = at - last > LEASE_SECONDS * 1000 ? last : Math.max(at, databaseUpSince)
      const to = from === last && at > last ? at : now
      if (to - from <= LEASE_SECONDS * 1000 || slot?.state !== 'up' || isKnown(from)) continue
      isolations.push({ worker, why: 'not heard of', from, to: to + 1000 })
      log(
        `worker ${worker} has not been heard of for ${((to - from) / 1000).toFixed(1)} s, ` +
          'and nobody did anything to it',
      )
    }
  }
  const watch = setInterval(() => {
    if (!cluster) return
    watchHeartbeats().catch((error) => {
      // PostgreSQL may stop while it is asked, and is then asked again; any other error would excuse what nobody has
      // seen
      if (!isConnectionError(error)) throw error
    })
  }, 300)

  return {
    sql,
    shop,
    shopTimeoutMs,
    slots,
    isolations,
    isolated,
    up: () => slots.filter(({ state }) => state === 'up'),
    isDatabaseUp: () => cluster !== null,
    /** One after the other: to stop it, wait until it runs. */
    async database(how: 'stops' | 'crashes', awayMs: number): Promise<void> {
      if (!cluster) return
      const was = cluster
      cluster = null
      if (how === 'crashes')
        process.kill(
          Number((await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]),
          'SIGQUIT',
        )
      await was.stop()
      await delay(awayMs)
      cluster = await startDatabase()
      databaseUpSince = Date.now()
    },
    /** The Shop reaches the workers as through a balancer that knows which are up. */
    balance(): void {
      const slot = slots.find(({ state }) => state === 'up')
      if (slot) shop.callbackTo({ url: `${slot.publicUrl}/shop-update/`, apiKey: CALLBACK_API_KEY })
    },
    async api(
      slot: Slot,
      path: string,
      method: string,
      body?: unknown,
    ): Promise<{ status: number; body: Record<string, unknown> }> {
      const response = await fetch(`${slot.internalUrl}${path}`, {
        method,
        headers: { authorization: `Bearer ${ADMIN_API_KEY}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(10_000),
      })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    },
    async control(path: string, method: string, body: unknown): Promise<void> {
      const response = await fetch(`${shop.url}/_shop${path}`, {
        method,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      if (!response.ok) throw new Error(`The Shop refused ${path}: ${await response.text()}`)
    },
    cut: (slot: Slot, how: Cut) => slot.gate.cut(how),
    async stop(): Promise<void> {
      clearInterval(watch)
      await Promise.all(slots.map((slot) => slot.end()))
      await shop.stop()
      await sql.end({ timeout: 2 })
      await cluster?.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
