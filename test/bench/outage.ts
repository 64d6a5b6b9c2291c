import { setTimeout as delay } from 'node:timers/promises'
import { type ReceiverProcess, startReceiverProcess } from '../otlp/receiver-process.ts'
import { readMade } from './made.ts'
import { measureWorker } from './measure.ts'

const SIGNALS = { spans: 'otel.sdk.processor.span.processed', logs: 'otel.sdk.processor.log.processed' } as const

/**
 * The worker under load while its telemetry receiver is down for some seconds; then it is stopped under load. What was
 * made, by the history in the database, minus what arrived, must equal what the worker's metrics report as lost.
 *
 * @param items the length of the run; some more are in the queue when the worker is stopped
 * @param seconds how long the receiver is down
 */
export async function outage({ items, seconds }: { items: number; seconds: number }, log: (line: string) => void) {
  let receiver: ReceiverProcess = await startReceiverProcess()
  const { url } = receiver
  const came = { spans: 0, logs: 0 }
  const stopReceiver = async () => {
    const { spans, logs } = await receiver.stop()
    came.spans += spans
    came.logs += logs
  }
  let unaccounted = 0
  const lost = { spans: 0, logs: 0 }
  const { itemsPerSecond } = await measureWorker({
    items,
    backlog: items + 50_000,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_METRIC_EXPORT_INTERVAL: '1000' },
    async during() {
      await stopReceiver()
      log(`The receiver is away for ${seconds} s`)
      await delay(seconds * 1000) // the outage itself is measured; this waits for nothing
      receiver = await startReceiverProcess(Number(new URL(url).port))
    },
    async after(sql, ownLines) {
      const { points } = await receiver.read()
      await stopReceiver()
      const made = await readMade(sql, points, ownLines)
      for (const signal of ['spans', 'logs'] as const) {
        const told = points.filter(
          ({ name, attributes }) => name === SIGNALS[signal] && attributes['error.type'] !== undefined,
        )
        lost[signal] = told.reduce((sum, { value }) => sum + value, 0)
        const reasons = told
          .filter(({ value }) => value > 0)
          .map(({ value, attributes }) => `${attributes['error.type']} ${value}`)
        log(
          `  ${signal}: ${made[signal]} made, ${came[signal]} came; ` +
            `the metrics say ${lost[signal]} lost (${reasons.join(', ') || 'none'})`,
        )
        unaccounted += Math.abs(made[signal] - came[signal] - lost[signal])
      }
    },
  })
  return {
    name: 'outage',
    unaccounted,
    spansLost: lost.spans,
    logRecordsLost: lost.logs,
    itemsPerSecond: Math.round(itemsPerSecond),
    items,
    seconds,
  }
}
