import { once } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createHandlers, IN_FLIGHT } from './handlers.ts'

/** Another queue with its handlers, as a process of its own: `QUEUE` is its name, `PEERS` the folder it is in. */
const { QUEUE, PEERS, DATABASE_URL, SHOP_URL } = process.env as Record<string, string>
const ITEMS = Number(process.env.ITEMS)

/** Jobs per call that queues them. */
const AT_A_TIME = 5000

interface Queue {
  add(ids: readonly string[]): Promise<unknown>
  start(): Promise<unknown>
  stop(): Promise<unknown>
}

const load = async (name: string) =>
  import(pathToFileURL(createRequire(join(PEERS!, 'package.json')).resolve(name)).href)

const handlers = createHandlers(DATABASE_URL!, SHOP_URL!)
let began = 0
let done = 0
const finished = Promise.withResolvers<void>()

/** Counts handled items, and notes when the first began. */
async function counted(items: number, handled: () => Promise<void>): Promise<void> {
  began ||= performance.now()
  await handled()
  done += items
  if (done === ITEMS) finished.resolve()
}

/** With its settings for throughput: a local queue, and completions that are written together. */
async function graphileWorker(): Promise<Queue> {
  const { run, runMigrations, makeWorkerUtils, Logger } = await load('graphile-worker')
  const logger = new Logger(() => (level: string, message: string) => {
    // it warns of fewer connections than jobs: the handlers have connections of their own
    if (level === 'error') process.stderr.write(`${message}\n`)
  })
  const connectionString = DATABASE_URL
  await runMigrations({ connectionString, logger })
  const utils = await makeWorkerUtils({ connectionString, logger })
  let runner: { stop(): Promise<void> }
  return {
    add: (ids) => utils.addJobs(ids.map((id) => ({ identifier: 'stock', payload: { id } }))),
    async start() {
      runner = await run({
        preset: {
          worker: {
            connectionString,
            concurrentJobs: IN_FLIGHT,
            maxPoolSize: 25,
            localQueue: { size: IN_FLIGHT, refetchDelay: { durationMs: 10 } },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
            logger,
          },
        },
        noHandleSignals: true,
        taskList: { stock: (payload: { id: string }) => counted(1, () => handlers.one(payload.id)) },
      })
    },
    async stop() {
      await runner.stop()
      await utils.release()
    },
  }
}

/** With its settings for throughput: several batches at a time, and a table of its own for the queue. */
async function pgBoss(): Promise<Queue> {
  const { PgBoss } = await load('pg-boss')
  const boss = new PgBoss({ connectionString: DATABASE_URL, max: 10, schedule: false })
  boss.on('error', (error: Error) => process.stderr.write(`${error}\n`))
  await boss.start()
  await boss.createQueue('stock', { partition: true })
  return {
    add: (ids) =>
      boss.insert(
        'stock',
        ids.map((id) => ({ data: { id } })),
      ),
    start: () =>
      boss.work(
        'stock',
        { batchSize: 500, localConcurrency: IN_FLIGHT / 500, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true },
        (jobs: { data: { id: string } }[]) =>
          counted(jobs.length, () => handlers.batch(jobs.map(({ data }) => data.id))),
      ),
    stop: () => boss.stop({ graceful: true, timeout: 30_000 }),
  }
}

const queue = await { 'graphile-worker': graphileWorker, 'pg-boss': pgBoss }[QUEUE as 'pg-boss']()
for (let from = 1; from <= ITEMS; from += AT_A_TIME) {
  const length = Math.min(AT_A_TIME, ITEMS - from + 1)
  await queue.add(Array.from({ length }, (_, k) => String(from + k)))
}
process.send!('filled')
await once(process, 'message')
await queue.start()
await finished.promise
const seconds = (performance.now() - began) / 1000
await queue.stop()
await handlers.close()
process.send!({ itemsPerSecond: ITEMS / seconds })
process.disconnect()
