import { OTLPExporterError } from '@opentelemetry/otlp-exporter-base'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type BatchesOptions, createBatches } from '../../worker/telemetry/batches.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

type Answer = { code: number; error?: Error; rejected?: number }
const DOWN: Answer = { code: 1, error: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) }

/** A receiver whose answers are given one by one, and what the batches report about the outcome. */
function setUp(options: Partial<BatchesOptions> = {}) {
  const sent: { entries: Buffer[]; answer(answer: Answer): Promise<void> }[] = []
  const told = { exported: 0, lost: {} as Record<string, number> }
  const batches = createBatches({
    exporter: {
      export: (entries, done) =>
        void sent.push({
          entries,
          async answer(answer) {
            done(answer)
            await vi.advanceTimersByTimeAsync(0)
          },
        }),
    },
    maxQueueSize: 100,
    maxQueueBytes: 10_000,
    maxBatchSize: 10,
    maxBatchBytes: 1000,
    delayMs: 500,
    onExported: (n) => {
      told.exported += n
    },
    onLost: (n, reason) => {
      told.lost[reason] = (told.lost[reason] ?? 0) + n
    },
    ...options,
  })
  const add = (count: number, bytes = 10) => {
    for (let k = 0; k < count; k++) batches.add(Buffer.alloc(bytes, k))
  }
  return { batches, sent, told, add }
}

test('a full batch leaves at once, a part of one after the delay', async () => {
  const { sent, add } = setUp()
  add(9)
  expect(sent).toHaveLength(0)
  await vi.advanceTimersByTimeAsync(500)
  expect(sent.map(({ entries }) => entries.length)).toEqual([9])
  add(10)
  expect(sent.map(({ entries }) => entries.length)).toEqual([9, 10])
})

test('four batches are under way at most; what waits follows in order', async () => {
  const { sent, add, told } = setUp()
  add(60)
  expect(sent).toHaveLength(4)
  await sent[1]!.answer({ code: 0 })
  expect(sent).toHaveLength(5)
  expect(sent[4]!.entries[0]![0]).toBe(40)
  for (const batch of [sent[0]!, sent[2]!, sent[3]!, sent[4]!]) await batch.answer({ code: 0 })
  await sent[5]!.answer({ code: 0 })
  expect(told).toEqual({ exported: 60, lost: {} })
})

test('large entries make small batches', () => {
  const { sent, add } = setUp()
  add(9, 400)
  expect(sent.map(({ entries }) => entries.length)).toEqual([2, 2, 2, 2])
})

test('a receiver that is away gets the same batch until it takes it; only what finds no room is lost', async () => {
  const { batches, sent, told, add } = setUp()
  add(10)
  await sent[0]!.answer(DOWN)
  add(120)
  expect(batches.size).toBe(100)
  expect(told).toEqual({ exported: 0, lost: { queue_full: 30 } })
  for (let again = 1; again <= 60; again++) {
    await vi.advanceTimersByTimeAsync(1000)
    expect(sent.length).toBe(1 + again)
    expect(sent.at(-1)!.entries).toBe(sent[0]!.entries)
    await sent.at(-1)!.answer(DOWN)
  }
  await vi.advanceTimersByTimeAsync(1000)
  for (let next = sent.length - 1; next < sent.length; next++) await sent[next]!.answer({ code: 0 })
  expect(told).toEqual({ exported: 100, lost: { queue_full: 30 } })
  expect(batches.size).toBe(0)
})

test('memory is bounded by bytes, too', () => {
  const { told, add } = setUp({ maxQueueBytes: 1000 })
  add(5, 300)
  expect(told.lost).toEqual({ queue_full: 2 })
})

test('what the receiver refuses is lost, whole or in part, and not sent again', async () => {
  const { batches, sent, told, add } = setUp()
  add(20)
  await sent[0]!.answer({ code: 1, error: new OTLPExporterError('Bad Request', 400) })
  await sent[1]!.answer({ code: 0, rejected: 3 })
  expect(told).toEqual({ exported: 7, lost: { rejected: 13 } })
  expect(batches.size).toBe(0)
})

test.each([429, 503])('HTTP %i is no refusal', async (code) => {
  const { sent, told, add } = setUp()
  add(10)
  await sent[0]!.answer({ code: 1, error: new OTLPExporterError('later', code) })
  await vi.advanceTimersByTimeAsync(1000)
  await sent[1]!.answer({ code: 0 })
  expect(told).toEqual({ exported: 10, lost: {} })
})

test('closing sends what is there', async () => {
  const { batches, sent, told, add } = setUp()
  add(23)
  const closed = batches.close(5000)
  for (let next = 0; next < 3; next++) await sent[next]!.answer({ code: 0 })
  await closed
  expect(told).toEqual({ exported: 23, lost: {} })
  add(1)
  expect(told.lost).toEqual({ shutdown: 1 })
})

test('closing gives up after a while, and counts what is left, each once', async () => {
  const { batches, sent, told, add } = setUp()
  add(35)
  await sent[0]!.answer({ code: 0 })
  await sent[1]!.answer(DOWN)
  const closed = batches.close(5000)
  await vi.advanceTimersByTimeAsync(5000)
  await closed
  expect(told).toEqual({ exported: 10, lost: { shutdown: 25 } })
  for (const batch of sent.slice(2)) await batch.answer({ code: 0 })
  expect(told).toEqual({ exported: 10, lost: { shutdown: 25 } })
})

test('what was counted as lost is not sent after all', async () => {
  const { batches, sent, told, add } = setUp()
  add(10)
  await sent[0]!.answer(DOWN)
  const closed = batches.close(500)
  await vi.advanceTimersByTimeAsync(500)
  await closed
  await vi.advanceTimersByTimeAsync(5000)
  expect(sent).toHaveLength(1)
  expect(told).toEqual({ exported: 0, lost: { shutdown: 10 } })
})

test.each([400, 401, 500])('HTTP %i is a refusal: it must not hold up the rest for ever', async (code) => {
  const { sent, told, add } = setUp()
  add(10)
  await sent[0]!.answer({ code: 1, error: new OTLPExporterError('no', code) })
  await vi.advanceTimersByTimeAsync(5000)
  expect(sent).toHaveLength(1)
  expect(told.lost).toEqual({ rejected: 10 })
})
