import type { Logger } from 'pino'
import { resolveBlocked } from '../../worker/admin/resolve.ts'
import { runToEnd } from '../../worker/admin/runs.ts'
import { setStockWait } from '../../worker/admin/worker-settings.ts'
import { type Config, readConfig } from '../../worker/config.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import type { CatalogueSet } from '../../worker/domain/catalogue.ts'
import type { ClaimedItem } from '../../worker/domain/item.ts'
import { REQUEUE_INCLUDES } from '../../worker/domain/requeue.ts'
import type { Flow } from '../../worker/domain/statuses.ts'
import { applyCallbacks } from '../../worker/life/callbacks.ts'
import { createDesk, type Desk } from '../../worker/life/desk.ts'
import { createFollow, type Follow } from '../../worker/life/follow.ts'
import { live, resume } from '../../worker/life/item.ts'
import { Life } from '../../worker/life/life.ts'
import { retryOf } from '../../worker/life/verdict.ts'
import { followCatalogue } from '../../worker/queue/catalog-changes.ts'
import { readCatalogue } from '../../worker/queue/catalogue.ts'
import { claim, wakeDue } from '../../worker/queue/claim.ts'
import { foldCounts } from '../../worker/queue/counts.ts'
import { publishTouched } from '../../worker/queue/feedback.ts'
import { queueOwed } from '../../worker/queue/owed.ts'
import { forgottenSets, lostSets } from '../../worker/queue/promote.ts'
import { digestOf, recordCallback } from '../../worker/queue/record-callback.ts'
import { recover } from '../../worker/queue/recover.ts'
import { blockedSets, releaseOwed } from '../../worker/queue/release.ts'
import { enterWorker, heartbeat } from '../../worker/queue/worker-row.ts'
import type { Call } from '../../worker/shop/call.ts'
import type { Line, Sent } from '../../worker/shop/line.ts'
import { createTallies } from '../../worker/telemetry/tallies.ts'
import { createTelemetry } from '../../worker/telemetry/telemetry.ts'
import { workerEnv } from '../worker-process.ts'
import { Gate } from './gate.ts'

/**
 * The model's hands: every worker verb that the model uses is called here, and nowhere else in this folder. What a
 * process does on its own, by timers and signals, happens here when the model says so.
 */

const LEASE_SECONDS = 15
const ADMIN = { name: 'admin', sub: null }

/** A call that has left. */
export interface Out {
  itemId: string
  call: Call
  worker: ModelWorker
  /** What the worker hears, once it hears. */
  answer(sent: Sent): Promise<void>
}

interface Claimed {
  item: ClaimedItem
  set: CatalogueSet | undefined
}

export interface Rig {
  /** Not a worker's: for reading, and for Seller Center. */
  sql: Sql
  flow: Flow
  /** An empty catalogue and an empty queue. */
  clear(): Promise<void>
  enter(name: string): Promise<ModelWorker>
  enqueue(tx: Sql, topic: string, subject: { productId?: string; setId?: string }): Promise<string>
  /** The Shop calls back. */
  callBack(requestId: string, result: unknown): Promise<void>
  requeue(itemId: string): Promise<number>
  resolve(itemId: string, action: 'resend' | 'discard'): Promise<number>
  /** Everything Delayed or Failed that will be retried is due. */
  becomeDue(): Promise<number>
  /** A lease passes in which only these workers have given a sign of life. */
  leasePasses(heard: readonly ModelWorker[]): Promise<void>
  /** Sets in which items wait, and nothing is there for them to wait for. */
  stuckSets(): Promise<string[]>
  stop(): Promise<void>
}

/** The leader's duties, by name. */
export const DUTIES = {
  catalogue: 'follows the catalogue',
  owed: 'queues what is owed',
  release: 'releases what is noted',
  forgottenSets: 'gives forgotten turns',
  blocked: 'looks through what is Blocked',
  fold: 'folds the counters',
  feedback: 'publishes how products stand',
} as const
export type Duty = keyof typeof DUTIES

interface Means {
  sql: Sql
  config: Config
  complain(error: unknown): void
  onSent(out: Out): void
  flow(): Flow
}

/** One worker process: its claims, and what it does with them as far as its gate lets it. */
export class ModelWorker {
  readonly id: string
  readonly name: string
  readonly gate: Gate
  readonly claimed: Claimed[] = []
  /** Its heartbeats arrive, as far as it knows: it may send. */
  isAlive = true
  #aliveSince = performance.now()
  readonly #means: Means
  readonly #desk: Desk
  readonly #follow: Follow
  readonly #retry
  /** Items on their way: neither finished nor waiting for the Shop. */
  #moving = 0
  #stopped = Promise.withResolvers<void>()

  constructor(id: string, name: string, gate: Gate, means: Means) {
    this.id = id
    this.name = name
    this.gate = gate
    this.#means = means
    const { config, complain } = means
    const say = (said: { err?: unknown }) => {
      if (said.err) complain(said.err)
    }
    const log = { warn: say, error: say, info: say, isLevelEnabled: () => false } as unknown as Logger
    const telemetry = createTelemetry({ tallies: createTallies(false), span: null, line: null }, log)
    const sql = gate.sql
    this.#retry = retryOf(config)
    this.#desk = createDesk({
      sql,
      config,
      log,
      telemetry,
      line: this.#line(),
      retry: this.#retry,
      onReady() {},
      onRest() {},
    })
    this.#follow = createFollow({ sql, telemetry, log, onReady() {} })
  }

  #line(): Line {
    return {
      flow: this.#means.flow,
      maySend: (since = Number.POSITIVE_INFINITY) => this.isAlive && this.#aliveSince <= since,
      most: () => Number.POSITIVE_INFINITY,
      room: () => Number.POSITIVE_INFINITY,
      claimed() {},
      turn: async () => null,
      notSent() {},
      send: async ({ id: itemId }, call) => {
        const heard = Promise.withResolvers<Sent>()
        this.#means.onSent({
          itemId,
          call,
          worker: this,
          answer: async (sent) => {
            if (this.gate.state === 'dead') return
            this.#moving++
            heard.resolve(sent)
            await this.#quiet()
          },
        })
        this.#rests()
        const sent = await heard.promise
        await this.gate.awake()
        return sent
      },
    }
  }

  #rests(): void {
    this.#moving--
    this.#stopped.resolve()
    this.#stopped = Promise.withResolvers()
  }

  /** Resolves when nothing moves any more, or nothing can. */
  async #quiet(): Promise<void> {
    const still = async () => {
      while (this.#moving > 0) await this.#stopped.promise
      await this.#desk.followUps()
    }
    await Promise.race([still(), this.gate.closed()])
  }

  #begin(work: () => Promise<unknown>): void {
    this.#moving++
    work()
      .catch((error) => this.#means.complain(error))
      .finally(() => this.#rests())
  }

  async #act(work: () => Promise<unknown>): Promise<void> {
    this.#begin(work)
    await this.#quiet()
  }

  claim(most: number): Promise<void> {
    return this.#act(async () => {
      const { items } = await claim(this.gate.sql, this.id, most, '0')
      const sets = await readCatalogue(this.gate.sql, items)
      this.claimed.push(...items.map((item) => ({ item, set: sets.get(item.id) })))
    })
  }

  /** Continues with its claims, one or all, until the Shop is asked or the item rests. */
  async work(which?: number): Promise<void> {
    const chosen = which === undefined ? this.claimed.splice(0) : this.claimed.splice(which, 1)
    for (const { item, set } of chosen)
      await this.#act(() => live(Life.begin(item, set, { claim: null, catalogue: null }, this.#desk), set, this.#desk))
  }

  applyCallbacks(): Promise<void> {
    return this.#act(async () => {
      for (let seen = 1; seen > 0; ) {
        const applied = await applyCallbacks(this.gate.sql, this.#means.config.VENTURE_TIMEZONE, '0', this.#retry)
        seen = applied.seen
        if (applied.failed !== null) this.#means.complain(applied.failed)
        await this.#follow.now(applied)
      }
    })
  }

  takeOver(): Promise<void> {
    return this.#act(async () => {
      const { setsWaiting, adopted } = await recover(this.gate.sql, this.id, LEASE_SECONDS, null)
      await this.#follow.now({ sets: setsWaiting, created: [] })
      for (const each of adopted) this.#begin(() => resume(each, this.#desk))
    })
  }

  do(duty: Duty): Promise<void> {
    const sql = this.gate.sql
    return this.#act(async () => {
      switch (duty) {
        case 'catalogue': {
          const { sets } = await followCatalogue(sql)
          return this.#follow.now({ sets, created: sets })
        }
        case 'owed':
          return queueOwed(sql)
        case 'release':
          return releaseOwed(sql, '0')
        case 'forgottenSets': {
          const [forgotten, lost] = [await forgottenSets(sql, '0'), await lostSets(sql, '0')]
          return this.#follow.now({ sets: [...forgotten.sets, ...lost.sets], created: [] })
        }
        case 'blocked':
          return this.#follow.now({ sets: [], created: (await blockedSets(sql, '0')).sets })
        case 'fold':
          return foldCounts(sql)
        case 'feedback':
          return publishTouched(sql, '0')
      }
    })
  }

  freeze(after: number): void {
    this.gate.close('frozen', after)
  }

  kill(after: number): void {
    this.gate.close('dead', after)
  }

  /** @param beatsFirst its heartbeat is answered before its earlier statements */
  async thaw(beatsFirst = false): Promise<void> {
    const beat = async () => {
      const calls = { inFlight: 0, limit: 1, perSecond: 0, away: null }
      await heartbeat(this.#means.sql, this.id, this.name, this.#means.flow(), 'running', calls)
      if (!this.isAlive) this.#aliveSince = performance.now()
      this.isAlive = true
    }
    if (beatsFirst) await beat()
    this.gate.open()
    await this.#quiet()
    if (!beatsFirst) await beat()
  }
}

/** Tables of the schema that are not part of the queue. */
const KEPT = ['setting', 'folded', 'feedback_head', 'system_credential', 'leader', 'migration']

/** Keeps the tables of today and tomorrow: a read of the history would go through every day's. */
async function dropDays(sql: Sql): Promise<void> {
  const days = await sql<{ name: string }[]>`
    select oid::regclass::text as name from pg_class
    where relispartition and relkind = 'r' and relnamespace = 'shop_update'::regnamespace
      and to_date(right(relname, 8), 'YYYYMMDD') not between (now() at time zone 'UTC')::date
        and (now() at time zone 'UTC')::date + 1`
  if (days.length > 0) await sql.unsafe(`drop table ${days.map(({ name }) => name).join(', ')}`)
}

/**
 * @param onSent a call has left
 * @param complain something went wrong that must not
 */
export async function openRig(
  databaseUrl: string,
  { onSent, complain }: Pick<Means, 'onSent' | 'complain'>,
): Promise<Rig> {
  const config = readConfig({
    ...workerEnv(databaseUrl, 'http://shop.invalid'),
    FAILED_AFTER: '2',
    MAX_RETRIES: '2',
    RETRY_UNIT_SECONDS: '3600',
  })
  const sql = connect(databaseUrl, { max: 1, name: 'model', lockTimeoutMs: 2000 })
  // One connection each, set up like a worker's pool: statements that are sent together arrive in order.
  const hot = connect(databaseUrl, { max: 1, name: 'model worker', lockTimeoutMs: 2000, byIndex: true })
  await setStockWait(sql, 600)
  await dropDays(sql)
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('shop_update', 'catalog') and c.relkind in ('r', 'p') and not c.relispartition
      and c.relname <> all (${KEPT}::text[])
    order by array_position(array['product_image', 'product', 'product_set', 'seller']::name[], c.relname)`
  const clear = tables.map(({ name }) => `delete from ${name};`).join('\n')
  const record = recordCallback(sql, complain)
  const means: Means = { sql, config, complain, onSent, flow: () => rig.flow }

  const rig: Rig = {
    sql,
    flow: 'asynchronous',
    async clear() {
      await sql.unsafe(clear)
      rig.flow = 'asynchronous'
    },
    async enter(name) {
      return new ModelWorker(await enterWorker(sql, name, rig.flow), name, new Gate(hot), means)
    },
    async enqueue(tx, topic, { productId = null, setId = null }: { productId?: string | null; setId?: string | null }) {
      const [row] = await tx<{ id: string }[]>`
        select shop_update.enqueue(${topic}::text, ${productId}::bigint, ${setId}::bigint) as id`
      return row!.id
    },
    async callBack(requestId, result) {
      const body = JSON.stringify(result)
      await record({ requestId, digest: digestOf(result), body, remote: null, traceId: '0'.repeat(32) })
    },
    async requeue(itemId) {
      let taken = 0
      await runToEnd(
        sql,
        {
          kind: 'requeue',
          target: { itemIds: [itemId] },
          include: REQUEUE_INCLUDES,
          topics: [],
          force: false,
          mayCreateTwice: true,
          reason: null,
          previewed: null,
        },
        ADMIN,
        ({ steps }) => {
          taken += steps.length
        },
      )
      return taken
    },
    async resolve(itemId, action) {
      const decision = { action, reason: 'decided', force: true, mayCreateTwice: true, actor: ADMIN }
      const resolved = await resolveBlocked(sql, { itemId, ...decision })
      return 'steps' in resolved ? resolved.steps.length : 0
    },
    async becomeDue() {
      await sql`update shop_update.item set run_at = now() where lane = 'delayed' and run_at < 'infinity'`
      return (await wakeDue(sql)).woken.length
    },
    async leasePasses(heard) {
      await sql`
        update shop_update.worker set
          heartbeat_at = case when id = any (${heard.map(({ id }) => id)}::bigint[]) then now()
            else now() - ${2 * LEASE_SECONDS}::int * interval '1 second' end`
    },
    async stuckSets() {
      const rows = await sql<{ id: string }[]>`
        select distinct b.product_set_id as id from shop_update.item b
        where b.lane = 'behind' and not exists (
            select from shop_update.item d where d.product_set_id = b.product_set_id
              and shop_update.goes_before(d.lane, d.run_at, d.topic, d.id, b.topic, b.id))
          and not exists (
            select from shop_update.item o
            where o.product_set_id = b.product_set_id and o.lane in ('ready', 'in_flight'))`
      return rows.map(({ id }) => id)
    },
    async stop() {
      await Promise.all([sql.end({ timeout: 2 }), hot.end({ timeout: 2 })])
    },
  }
  return rig
}
