import { parentPort, workerData } from 'node:worker_threads'
import { allowList } from '../allow-list.ts'
import { breakOff, connect } from '../database/database.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { limitConnections } from './connections.ts'
import { listen } from './listen.ts'
import { createPublicApi } from './public.ts'
import type { Asked, FromThread, Line, Report, ThreadData, ToThread } from './public-listener.ts'

// The thread of the public listener: public-listener.ts says why, and starts it.

const { config, idleInTransactionMs, itemLevels, exports } = workerData as ThreadData
const port = parentPort!
const post = (message: FromThread) => port.postMessage(message)

let report: Report | null = null
/** One message for all that happens in one turn of the event loop: in one turn all that share a commit are answered. */
function reporting(): Report {
  if (report !== null) return report
  setImmediate(send)
  report = { outcomes: [], itemIds: [], spans: [], lines: [], log: [], items: [] }
  return report
}
function send(): void {
  if (report !== null) post({ report })
  report = null
}

const logger = (to: 'log' | 'items') => {
  const line = (level: Line['level']) => (fields: object, message: string) =>
    void reporting()[to].push({ level, fields, message })
  return { info: line('info'), warn: line('warn'), error: line('error') }
}
const log = logger('log')

let asked = 0
const asking = new Map<number, (isSo: boolean) => void>()
const ask = (what: Asked) =>
  new Promise<boolean>((resolve) => {
    asking.set(++asked, resolve)
    post({ ask: what, id: asked })
  })

const sql = connect(config.DATABASE_URL, {
  max: 3, // one that records, one that notifies, one for the rest
  name: 'callbacks',
  lockTimeoutMs: 10_000,
  byIndex: true,
  idleInTransactionMs,
})
const api = createPublicApi({
  sql,
  config,
  log,
  onCallback: (itemId) => void reporting().itemIds.push(itemId),
  onOutcome: (outcome) => void reporting().outcomes.push(outcome),
  // Spans and lines are encoded here. Copied, or the whole buffer that they share would be sent with each.
  telemetry: createTelemetry(
    {
      tallies: { counter: () => () => {}, histogram: () => () => {} },
      span: exports.spans ? (span) => void reporting().spans.push(new Uint8Array(span)) : null,
      line: exports.lines ? (line) => void reporting().lines.push(new Uint8Array(line)) : null,
    },
    { ...logger('items'), isLevelEnabled: (level) => itemLevels.includes(level as Line['level']) },
  ),
  ready: () => ask('ready'),
  working: () => ask('working'),
})
const listening = await listen(api, config.PUBLIC_HOST, config.PUBLIC_PORT)
limitConnections(listening.server, {
  most: 1000,
  mostOfOne: 250,
  trustedProxies: allowList(config.TRUSTED_PROXIES),
  log,
})

port.on('message', async (message: ToThread) => {
  if (message === 'break off') breakOff(sql)
  else if (message === 'close') {
    await listening.close()
    await sql.end({ timeout: 5 })
    send()
    process.exit()
  } else {
    asking.get(message.id)?.(message.isSo)
    asking.delete(message.id)
  }
})
post({ url: listening.url })
