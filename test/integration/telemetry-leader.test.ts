import pino from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { readConfig } from '../../worker/config.ts'
import { observeQueue, type QueueReadings } from '../../worker/telemetry/gauges.ts'
import { type Pipelines, startPipelines } from '../../worker/telemetry/pipelines.ts'
import { type Receiver, startReceiver } from '../otlp/receiver.ts'

/** What the leader reports about the whole queue ends with its lead; then another one continues the same series. */
const IN_TIME = { timeout: 20_000 }
let receiver: Receiver
let pipelines: Pipelines
let leads: boolean
let away: boolean

beforeEach(async () => {
  receiver = await startReceiver()
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.url)
  pipelines = startPipelines(
    readConfig({
      DATABASE_URL: 'postgres://nobody@127.0.0.1/none',
      SHOP_URL: 'http://127.0.0.1:1',
      VENTURE: 'zalora',
      COUNTRY: 'eg',
      ENVIRONMENT: 'staging',
      VIEWER_API_KEY: 'viewer',
      ADMIN_API_KEY: 'admin',
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_METRIC_EXPORT_INTERVAL: '100',
    }),
    pino({ level: 'silent' }),
  )
  leads = true
  away = false
  const readings: QueueReadings = {
    async statuses() {
      if (away) throw new Error('The database is away')
      return { counts: [{ topic: 'price', status: 'pending', n: 7 }], oldest: [] }
    },
    kpis: async () => [],
    overdue: async () => ({ items: 3, seconds: 60 }),
    blocked: async () => ({ toResolve: [], stranded: 2 }),
    incidents: async () => [],
    newCauses: async () => [],
    openRuns: async () => ({ runs: 1, idleSeconds: 2 }),
    feedbackBehind: async () => 4,
  }
  observeQueue(pipelines.queueMeter, () => leads, readings)
  // Reported whether it leads or not: the proof that an export was made.
  pipelines.queueMeter.createObservableGauge('asked').addCallback((result) => result.observe(1))
})
afterEach(async () => {
  await pipelines.stop(1000)
  await receiver.stop()
  vi.unstubAllEnvs()
})

const told = () =>
  [...receiver.received.points.values()].map(({ name }) => name).filter((name) => name.startsWith('shop_update.'))
const nextExport = async () => {
  receiver.received.points.clear()
  await vi.waitFor(
    () => expect([...receiver.received.points.values()].map(({ name }) => name)).toContain('asked'),
    IN_TIME,
  )
}

test.each([
  ['it leads no more', () => (leads = false)],
  ['its reading fails', () => (away = true)],
])('nothing is told of the queue once %s, and all of it when that is over', async (_, end) => {
  await vi.waitFor(
    () => expect(told()).toEqual(expect.arrayContaining(['shop_update.queue.items', 'shop_update.queue.stranded'])),
    IN_TIME,
  )
  end()
  await nextExport() // may have been read before
  await nextExport()
  expect(told()).toEqual([])
  leads = true
  away = false
  await vi.waitFor(() => expect(told()).toContain('shop_update.queue.items'), IN_TIME)
})
