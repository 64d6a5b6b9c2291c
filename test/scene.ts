import { vi } from 'vitest'
import { freePort } from '../demo/postgres.ts'
import { type RunningShop, startShop } from '../demo/shop/shop.ts'
import type { SettingsInput } from '../demo/shop/troubles.ts'
import type { Sql } from '../worker/database/database.ts'
import type { Status } from '../worker/domain/statuses.ts'
import { createDatabase } from './database.ts'
import { ADMIN_API_KEY, startWorkerProcess, type WorkerProcess, workerEnv } from './worker-process.ts'

export { addSet } from './add-set.ts'

export const CALLBACK_API_KEY = 'canary-key-of-the-callbacks'

export interface Scene {
  sql: Sql
  shop: RunningShop
  /** For the owner: a worker's login may do less. */
  databaseUrl: string
  /** The first worker; null before `startWorker`. */
  worker: WorkerProcess
  /** One more worker process, with further environment. */
  startWorker(env?: Record<string, string>): Promise<WorkerProcess>
  /** Calls the internal API as admin; resolves with status and parsed body. */
  api<Body = Record<string, unknown>>(
    path: string,
    init?: { method?: string; body?: unknown; key?: string },
  ): Promise<{ status: number; body: Body }>
  /** Calls the Shop's control API. */
  control<Body = Record<string, unknown>>(path: string, init?: { method?: string; body?: unknown }): Promise<Body>
  enqueue(topic: string, subject: { product?: number | string; set?: number | string }): Promise<string>
  /** Resolves with the item once it has one of these statuses, in the queue or in the history. */
  untilStatus(itemId: string, ...statuses: Status[]): Promise<StoredItem>
  item(itemId: string): Promise<StoredItem>
  /** The statuses of an item, in order. */
  statuses(itemId: string): Promise<string[]>
  stop(): Promise<void>
}

export interface StoredItem {
  id: string
  status: Status
  reason: string | null
  message: string | null
  failures: number
  sends: number
  coalesced: number
  requestId: string | null
  runAt: Date | string | null
  finished: boolean
}

/**
 * The real thing in small: a database, the simulated Shop, and a real worker process between them.
 *
 * @param env further environment for the worker
 * @param settings of the Shop, as for `PUT /_shop/troubles`
 * @param workers false: no worker yet; `startWorker` starts the first
 * @param prepare what the database has before the first worker
 */
export async function startScene({
  env = {},
  settings = {},
  workers = true,
  prepare,
}: {
  env?: Record<string, string>
  settings?: SettingsInput
  workers?: boolean
  prepare?(sql: Sql): Promise<unknown>
} = {}): Promise<Scene> {
  const database = await createDatabase()
  const { sql } = database
  await prepare?.(sql)
  const shop = await startShop({
    port: await freePort(),
    settings,
    credentials: { username: 'sc', password: 'canary-password-of-the-shop' },
  })
  const running: WorkerProcess[] = []

  async function startWorker(more: Record<string, string> = {}): Promise<WorkerProcess> {
    const worker = await startWorkerProcess({
      ...workerEnv(database.workerUrl, shop.url),
      STOCK_WAIT_SECONDS: '0',
      CALLBACK_API_KEY,
      CALLBACK_ALLOWED_IPS: '127.0.0.1',
      FLOW_TTL_SECONDS: '0.2',
      ...env,
      ...more,
    })
    running.push(worker)
    if (running.length === 1) {
      scene.worker = worker
    }
    shop.callbackTo({ url: `${worker.publicUrl}/shop-update/`, apiKey: CALLBACK_API_KEY })
    return worker
  }

  const stored = async (itemId: string): Promise<StoredItem | undefined> => {
    const [row] = await sql<StoredItem[]>`
      select id, status, reason, message, failures, sends, coalesced,
        request_id::text as "requestId", run_at as "runAt", false as finished
        from shop_update.item where id = ${itemId}::bigint
      union all
      select id, status, reason, message, failures, sends, coalesced, request_id::text, null, true
      from shop_update.finished_item where id = ${itemId}::bigint`
    return row
  }

  const scene: Scene = {
    sql,
    shop,
    databaseUrl: database.url,
    worker: undefined as unknown as WorkerProcess,
    startWorker,
    async api(path, { method = 'GET', body, key = ADMIN_API_KEY } = {}) {
      const response = await fetch(`${scene.worker.internalUrl}${path}`, {
        method,
        headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      return { status: response.status, body: (await response.json()) as never }
    },
    async control(path, { method = 'GET', body } = {}) {
      const response = await fetch(`${shop.url}/_shop${path}`, {
        method,
        ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      })
      const text = await response.text()
      if (!response.ok) throw new Error(text)
      return (text === '' ? {} : JSON.parse(text)) as never
    },
    async enqueue(
      topic,
      { product = null, set = null }: { product?: number | string | null; set?: number | string | null },
    ) {
      const [row] = await sql<
        { id: string }[]
      >`select shop_update.enqueue(${topic}, ${product}::bigint, ${set}::bigint) as id`
      return row!.id
    },
    untilStatus: (itemId, ...wanted) =>
      vi.waitFor(
        async () => {
          const item = await stored(itemId)
          if (!item || !wanted.includes(item.status))
            throw new Error(`Item ${itemId} is ${JSON.stringify(item)}, not ${wanted.join(' or ')}`)
          return item
        },
        { timeout: 30_000, interval: 10 }, // a guard, like that of expect.poll
      ),
    async item(itemId) {
      const item = await stored(itemId)
      if (!item) throw new Error(`There is no item ${itemId}`)
      return item
    },
    async statuses(itemId) {
      const rows = await sql<
        { status: string }[]
      >`select to_status as status from shop_update.transition where item_id = ${itemId}::bigint order by at, to_status`
      return rows.map(({ status }) => status)
    },
    async stop() {
      await Promise.all(
        running.map((worker) => worker.child.exitCode === null && worker.child.signalCode === null && worker.stop()),
      )
      await shop.stop()
      await database.drop()
    },
  }
  if (workers) await startWorker()
  return scene
}

/** Holds an item's row, as a transaction of somebody's would. @returns how to let it go */
export async function holdItem(sql: Sql, itemId: string): Promise<() => Promise<void>> {
  const held = Promise.withResolvers<void>()
  const letGo = Promise.withResolvers<void>()
  const ended = sql.begin(async (tx) => {
    await tx`select from shop_update.item where id = ${itemId}::bigint for update`
    held.resolve()
    await letGo.promise
  })
  await held.promise
  return async () => {
    letGo.resolve()
    await ended
  }
}

/** Counts the notifications of changes from now until it is called. */
export async function listen(sql: Sql): Promise<() => Promise<number>> {
  const end = Promise.withResolvers<void>()
  let n = 0
  const { unlisten } = await sql.listen('shop_update', (payload) => {
    if (payload === 'end of the test') end.resolve()
    else n++
  })
  return async () => {
    await sql`select pg_notify('shop_update', 'end of the test')`
    await end.promise
    await unlisten()
    return n
  }
}
