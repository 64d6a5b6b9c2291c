import { once } from 'node:events'
import { Worker as Thread } from 'node:worker_threads'
import type { Config } from '../config.ts'
import type { CallbackOutcome } from '../domain/callback.ts'
import type { Pipelines } from '../telemetry/pipelines.ts'
import type { Stdout } from '../telemetry/telemetry.ts'
import { listenError } from './listen.ts'

export interface PublicListener {
  url: string
  /** Closes its connections to the database: see `breakOff`. */
  breakOff(): void
  close(): Promise<void>
}

export interface PublicListenerOptions {
  config: ThreadData['config']
  /** See `connect`. */
  idleInTransactionMs: number
  /** For the worker's own lines, and for those about items. */
  log: Stdout
  items: Stdout
  pipelines: Pick<Pipelines, 'span' | 'line'>
  /** A committed callback waits to be applied to this item. */
  onCallback(itemId: string | null): void
  /** Called once for each call by the Shop: the counter `shop_update.callbacks`. */
  onOutcome(outcome: Outcome): void
  ready(): boolean
  working(): boolean
}

type Outcome = CallbackOutcome | 'unauthorized' | 'malformed'
const LEVELS = ['info', 'warn', 'error'] as const

export interface ThreadData {
  config: Pick<
    Config,
    'DATABASE_URL' | 'PUBLIC_HOST' | 'PUBLIC_PORT' | 'TRUSTED_PROXIES' | 'SHOP_USERNAME' | 'SHOP_PASSWORD'
  >
  idleInTransactionMs: number
  /** The levels of lines about items that stdout gets. */
  itemLevels: Line['level'][]
  exports: { spans: boolean; lines: boolean }
}

export interface Line {
  level: (typeof LEVELS)[number]
  fields: object
  message: string
}

/** What has happened since the last report. Spans and lines are encoded. */
export interface Report {
  outcomes: Outcome[]
  itemIds: (string | null)[]
  spans: Uint8Array[]
  lines: Uint8Array[]
  log: Line[]
  items: Line[]
}

export type Asked = 'ready' | 'working'
export type FromThread = { url: string } | { report: Report } | { ask: Asked; id: number }
export type ToThread = 'break off' | 'close' | { id: number; isSo: boolean }

/**
 * Starts the Shop's listener (public.ts) in a thread of its own with its own connections. In a worker that drains its
 * queue at full speed a turn of the event loop takes tens of milliseconds, and a callback needs several of them: 64
 * connections had 440 callbacks a second with a p99 of 600 ms. In the thread, with two recording statements at a time,
 * they had 1,300 to 2,050 with one of 110 to 190.
 *
 * Nothing of it holds state: what it has recorded is in the database, and what it tells is applied, counted and logged
 * here. A failure that nobody has caught ends the process, as it would without a thread.
 */
export async function startPublicListener({
  config,
  idleInTransactionMs,
  log,
  items,
  pipelines,
  onCallback,
  onOutcome,
  ready,
  working,
}: PublicListenerOptions): Promise<PublicListener> {
  const { DATABASE_URL, PUBLIC_HOST, PUBLIC_PORT, TRUSTED_PROXIES, SHOP_USERNAME, SHOP_PASSWORD } = config
  const data: ThreadData = {
    config: { DATABASE_URL, PUBLIC_HOST, PUBLIC_PORT, TRUSTED_PROXIES, SHOP_USERNAME, SHOP_PASSWORD },
    idleInTransactionMs,
    itemLevels: LEVELS.filter((level) => items.isLevelEnabled(level)),
    exports: { spans: pipelines.span !== null, lines: pipelines.line !== null },
  }
  const thread = new Thread(new URL('./public-thread.ts', import.meta.url), { workerData: data })
  const post = (message: ToThread) => thread.postMessage(message)

  function take({ outcomes, itemIds, spans, lines, log: own, items: ofItems }: Report): void {
    for (const outcome of outcomes) onOutcome(outcome)
    for (const itemId of itemIds) onCallback(itemId)
    for (const { buffer } of spans) pipelines.span?.(Buffer.from(buffer))
    for (const { buffer } of lines) pipelines.line?.(Buffer.from(buffer))
    for (const { level, fields, message } of own) log[level](fields, message)
    for (const { level, fields, message } of ofItems) items[level](fields, message)
  }

  const isSo = { ready, working }
  const url = await new Promise<string>((resolve, reject) => {
    thread.on('message', (message: FromThread) => {
      if ('url' in message) resolve(message.url)
      else if ('report' in message) take(message.report)
      else post({ id: message.id, isSo: isSo[message.ask]() })
    })
    // one of listen.ts comes here without its class
    thread.once('error', (error) => reject(listenError(error, 'PUBLIC_PORT', PUBLIC_PORT)))
  })
  thread.removeAllListeners('error') // from here on one that nobody hears ends the process
  return {
    url,
    breakOff: () => post('break off'),
    async close() {
      post('close')
      await once(thread, 'exit')
    },
  }
}
