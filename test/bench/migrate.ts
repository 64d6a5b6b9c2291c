import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startPostgres } from '../../demo/postgres.ts'
import { connect, type Sql } from '../../worker/database/database.ts'
import { verifyCounts } from '../../worker/queue/counts.ts'
import { runMigrate, unpackLastRelease } from '../last-release.ts'
import { startShopProcess } from '../shop-process.ts'
import { startWorkerProcess, VIEWER_API_KEY, type WorkerProcess, workerEnv } from '../worker-process.ts'
import { fillFormer, SPARE_FROM, untilRest } from './former.ts'
import { BENCH_POSTGRES, percentile } from './setting.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Each has a connection, and queues a change every `PAUSE_MS`: 200 a second together. */
const SESSIONS = 4
const PAUSE_MS = 20
const LEAD_MS = 5000
const READERS = 8
/** It is of its moment, and of the version that words it. */
const SAID = 'sellerAnswer'

/**
 * A database of the last release is brought to this schema while its worker goes on and changes are queued: how long
 * `enqueue()` waits at most, how long it takes, and whether items are told as before, to the byte.
 */
export async function migrate({ items, samples }: { items: number; samples: number }, log: (line: string) => void) {
  const before = await unpackLastRelease()
  const cluster = await startPostgres({ flags: BENCH_POSTGRES })
  const databaseUrl = cluster.url('postgres')
  const sql = connect(databaseUrl, { max: 1, name: 'bench', answerWithinMs: Number.POSITIVE_INFINITY })
  const shop = await startShopProcess({ SHOP_SETTINGS: JSON.stringify({ recordLimit: 1000 }) })
  const workers: WorkerProcess[] = []
  const started = async (worker: Promise<WorkerProcess>) => {
    workers.push(await worker)
    return workers.at(-1)!
  }
  try {
    await before.migrate(databaseUrl)
    const filled = await fillFormer(sql, { databaseUrl, shopUrl: shop.url, before, items })
    log(`The last release's worker has made ${filled.made} items; multiplied they are ${filled.finished}`)
    const ids = await sample(sql, samples, filled.made)
    const env = { STOCK_WAIT_SECONDS: '0', LOG_ITEMS: 'false' }
    const old = await started(before.startWorker(databaseUrl, shop.url, env))
    const told = await readItems(old, ids)

    const load = startLoad(databaseUrl)
    await delay(LEAD_MS)
    const began = performance.now()
    await runMigrate(ROOT, databaseUrl)
    const ended = performance.now()
    const queued = await load.stop()
    await untilRest(sql, shop.url)
    await old.stop()

    const worker = await started(startWorkerProcess({ ...workerEnv(databaseUrl, shop.url), ...env }))
    const toldAfter = await readItems(worker, ids)
    const different = ids.filter((id) => !isTheSame(told.get(id)!, toldAfter.get(id)!))
    for (const id of different.slice(0, 3)) log(`${told.get(id)}\nis now\n${toldAfter.get(id)}`)
    await worker.stop()
    const drifts = await verifyCounts(sql)
    if (drifts.length > 0) throw new Error(`The counters are wrong afterwards: ${JSON.stringify(drifts)}`)
    const waits = (from: number, to: number) =>
      queued.filter(({ at, ms }) => at + ms > from && at < to).map(({ ms }) => ms)
    const during = waits(began, ended)
    const most = (values: number[]) => Number(Math.max(...values).toFixed(1))
    return {
      name: 'migrate',
      longestEnqueueMs: most(during),
      longestEnqueueBeforeMs: most(waits(0, began)),
      enqueueP99Ms: Number(percentile(during, 0.99).toFixed(1)),
      enqueued: during.length,
      failedEnqueues: load.failures.length,
      firstFailure: load.failures[0] ?? '',
      migrateSeconds: Number(((ended - began) / 1000).toFixed(1)),
      different: different.length,
      sampled: ids.length,
      items: filled.finished,
    }
  } finally {
    await Promise.all(
      workers.map((worker) => worker.child.exitCode === null && worker.child.signalCode === null && worker.kill()),
    )
    await sql.end()
    await shop.stop()
    await cluster.stop()
    await before.remove()
  }
}

/** All items of the queue, and so many finished ones: half of those that the worker made, half of their copies. */
async function sample(sql: Sql, samples: number, made: number): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from shop_update.item
    union all (
      select id from (
        select id, row_number() over (order by id desc) as place, count(*) over () as n from shop_update.finished_item
      ) f
      where case when place <= ${made}::int
        then place % ceil(2.0 * ${made}::int / ${samples}::int)::int = 0
        else place % (2 * n / ${samples}::int) = 0 end)`
  return rows.map(({ id }) => id)
}

/** The answers of `GET /api/items/:id`, by id. */
async function readItems({ internalUrl }: WorkerProcess, ids: readonly string[]): Promise<Map<string, string>> {
  const told = new Map<string, string>()
  const left = [...ids]
  const reader = async () => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      const answer = await fetch(`${internalUrl}/api/items/${id}`, {
        headers: { authorization: `Bearer ${VIEWER_API_KEY}` },
      })
      const text = await answer.text()
      if (answer.status !== 200) throw new Error(`GET /api/items/${id} answered ${answer.status}: ${text}`)
      told.set(id, text)
    }
  }
  await Promise.all(Array.from({ length: READERS }, reader))
  return told
}

interface Told {
  transitions: unknown[]
  calls: unknown[]
  /** Null once it has left the queue. */
  retriesLeft: number | null
}

/**
 * Whether what the last release tells of an item is still told, to the byte, and nothing more but for fields that are
 * new: of an item that has left the queue all of it, of one that is in it what it had gone through by then.
 */
function isTheSame(before: string, after: string): boolean {
  const was: Told = JSON.parse(before)
  const is: Told = JSON.parse(after)
  const [kept, told] =
    was.retriesLeft === null
      ? [without(was, SAID), without(is, SAID)]
      : [
          { transitions: was.transitions, calls: was.calls },
          {
            transitions: is.transitions.slice(0, was.transitions.length),
            calls: is.calls.slice(0, was.calls.length),
          },
        ]
  return JSON.stringify(kept) === JSON.stringify(fieldsOf(kept, told))
}

const without = (told: object, field: string) =>
  Object.fromEntries(Object.entries(told).filter(([key]) => key !== field))

/** `is` with the fields alone that `was` has. */
function fieldsOf(was: unknown, is: unknown): unknown {
  if (Array.isArray(was) && Array.isArray(is)) return is.map((each, place) => fieldsOf(was[place], each))
  if (was === null || typeof was !== 'object' || is === null || typeof is !== 'object') return is
  return Object.fromEntries(Object.entries(was).map(([key, value]) => [key, fieldsOf(value, is[key as never])]))
}

interface Queued {
  at: number
  ms: number
}

/** Changes are queued, a transaction each, until it is stopped. */
function startLoad(databaseUrl: string) {
  const sql = connect(databaseUrl, { max: SESSIONS, name: 'seller center' })
  const queued: Queued[] = []
  const failures: string[] = []
  let stopping = false
  const session = async (place: number) => {
    for (let n = place; !stopping; n += SESSIONS) {
      const at = performance.now()
      try {
        await sql`select shop_update.enqueue('price', product_id => ${SPARE_FROM + (n % SPARE_FROM)}::bigint)`
      } catch (error) {
        failures.push(String(error))
      }
      const ms = performance.now() - at
      queued.push({ at, ms })
      await delay(Math.max(0, PAUSE_MS - ms))
    }
  }
  const sessions = Promise.all(Array.from({ length: SESSIONS }, (_, place) => session(place)))
  return {
    failures,
    async stop(): Promise<readonly Queued[]> {
      stopping = true
      await sessions
      await sql.end()
      return queued
    },
  }
}
