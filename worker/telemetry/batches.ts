import { OTLPExporterError } from '@opentelemetry/otlp-exporter-base'
import { within } from '../within.ts'

export interface BatchesOptions {
  exporter: {
    /** `rejected`: how many the receiver refused while it took the others. */
    export(entries: Buffer[], done: (result: { code: number; error?: Error; rejected?: number }) => void): void
  }
  /** The most entries in memory, including those under way. */
  maxQueueSize: number
  maxQueueBytes: number
  maxBatchSize: number
  maxBatchBytes: number
  delayMs: number
  /** Called for entries that reached the receiver, and for those that never will, with the reason. */
  onExported(count: number): void
  onLost(count: number, reason: LossReason): void
}

/**
 * `queue_full`: the receiver was down or too slow. `rejected`: it refused. `shutdown`: it was down when the process
 * ended.
 */
export const LOSS_REASONS = ['queue_full', 'rejected', 'shutdown'] as const
export type LossReason = (typeof LOSS_REASONS)[number]

/**
 * Batches under way at once: the next is encoded while one is on the wire, and a receiver 100 ms away does not limit
 * the rate.
 */
const UNDER_WAY = 4
const RETRY_MS = 1000

export interface Batches {
  /** An encoded span or log record. */
  add(entry: Buffer): void
  /** How many are held, including those under way. */
  readonly size: number
  /** Sends what is left within `withinMs`. What cannot be sent, or is added later, is lost and counted. */
  close(withinMs: number): Promise<void>
}

/**
 * Sends spans or log records to the collector in batches. The SDK's batch processors give up on a batch after some
 * retries and do not count what comes after the shutdown. This one keeps entries until the receiver takes them, drops
 * only what does not fit, and counts every loss: exported plus lost equals added.
 */
export function createBatches(options: BatchesOptions): Batches {
  const { exporter, maxQueueSize, maxQueueBytes, maxBatchSize, maxBatchBytes, delayMs, onExported, onLost } = options
  let waiting: Buffer[] = []
  let first = 0 // index into `waiting`: everything before it is under way; saves copying the queue for each batch
  let waitingBytes = 0
  let bytes = 0 // of all entries held
  let held = 0
  let underWay = 0
  let failing = false
  let draining = false // stopping: the last batches need not be full
  let closed = false
  let timer: NodeJS.Timeout | undefined
  let onIdle: (() => void) | undefined

  const count = () => waiting.length - first

  function add(entry: Buffer): void {
    const size = entry.length
    if (closed || held >= maxQueueSize || bytes + size > maxQueueBytes) {
      onLost(1, closed ? 'shutdown' : 'queue_full')
      return
    }
    waiting.push(entry)
    held++
    bytes += size
    waitingBytes += size
    if (count() >= maxBatchSize || waitingBytes >= maxBatchBytes) pump()
    else wait()
  }

  /** Starts batches while there are enough entries; a failing receiver gets one batch at a time. */
  function pump(least = draining ? 1 : maxBatchSize): void {
    while (count() > 0 && underWay < (failing ? 1 : UNDER_WAY) && (count() >= least || waitingBytes >= maxBatchBytes)) {
      const { entries, size } = take()
      underWay++
      void send(entries, size)
    }
    if (count() > 0) wait()
  }

  function wait(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      pump(1)
    }, delayMs).unref()
  }

  function take(): { entries: Buffer[]; size: number } {
    let end = first
    let size = 0
    while (end < waiting.length && end - first < maxBatchSize) {
      const next = waiting[end]!.length
      if (end > first && size + next > maxBatchBytes) break
      size += next
      end++
    }
    waitingBytes -= size
    const entries = waiting.slice(first, end)
    first = end
    if (first === waiting.length) {
      waiting = []
      first = 0
    } else if (first > waiting.length / 2) {
      waiting = waiting.slice(first) // drops what is under way or sent
      first = 0
    }
    return { entries, size }
  }

  const exported = (entries: Buffer[]) =>
    new Promise<{ error: Error | null; rejected: number }>((resolve) => {
      exporter.export(entries, ({ code, error, rejected = 0 }) =>
        resolve({ error: code === 0 ? null : (error ?? new Error('The export failed')), rejected }),
      )
    })

  async function send(entries: Buffer[], size: number): Promise<void> {
    let result = await exported(entries)
    while (!closed && result.error !== null && !isRefusal(result.error)) {
      failing = true
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      if (!closed) result = await exported(entries)
    }
    if (closed) return // already counted as lost
    failing = false
    const refused = result.error === null ? result.rejected : entries.length
    onExported(entries.length - refused)
    if (refused > 0) onLost(refused, 'rejected')
    held -= entries.length
    bytes -= size
    underWay--
    pump()
    if (held === 0) onIdle?.()
  }

  return {
    add,
    get size() {
      return held
    },
    async close(withinMs: number): Promise<void> {
      clearTimeout(timer)
      timer = undefined
      draining = true
      const idle = new Promise<void>((resolve) => {
        onIdle = resolve
        pump()
        if (held === 0) resolve()
      })
      await within(withinMs, idle)
      closed = true
      if (held > 0) onLost(held, 'shutdown')
      waiting = []
    },
  }
}

/**
 * The receiver has rejected the batch for good. By the specification, all other statuses and network failures may pass.
 */
const isRefusal = (error: Error): boolean =>
  error instanceof OTLPExporterError &&
  error.code !== undefined &&
  error.code >= 400 &&
  ![408, 429, 502, 503, 504].includes(error.code)
