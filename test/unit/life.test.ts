import { expect, test } from 'vitest'
import { type Adopted, type ClaimedItem, claimKey, type Exchange } from '../../worker/domain/item.ts'
import type { Desk } from '../../worker/life/desk.ts'
import { Life } from '../../worker/life/life.ts'
import { createTallies } from '../../worker/telemetry/tallies.ts'
import { createTelemetry } from '../../worker/telemetry/telemetry.ts'

const COMMIT = { now: 5_000_000, left: 0 }
const EXCHANGE: Exchange = { httpStatus: 200, body: '[]', milliseconds: 5, outcome: 'success' }
const ITEM: ClaimedItem = {
  id: '1',
  token: 3,
  topic: 'price',
  sellerId: '7',
  productSetId: '5',
  productId: '42',
  requestId: '99',
  sends: 0,
  failures: 0,
  previousTraceId: null,
  queuedAt: 1_000_000,
  at: 2_000_000,
  enteredAtNs: '1000000000',
  variationComing: false,
  before: { status: 'pending', since: 1_000_000, reason: null, fresh: true, coalesced: null },
}
const PAYLOAD = { flow: 'synchronous', body: '{}', builtAt: 0 } as const
const FAILED = { to: 'delayed', reason: 'failure', message: 'No.', retryInSeconds: 60, answeredAt: null } as const
const FINAL = { exchange: EXCHANGE, at: { response: 1, payload: 2, processing: 3 }, products: [], setSrcId: null }

/** A desk on which the claims in `lost` no longer belong to this worker. */
function deskOf(...lost: string[]) {
  const [lines, written, kept]: [string[], unknown[], unknown[]] = [[], [], []]
  const log = (_fields: unknown, line: string) => void lines.push(line)
  const stdout = { isLevelEnabled: () => true, info: log, warn: log, error: log }
  const telemetry = createTelemetry({ tallies: createTallies(false), span: null, line: null }, stdout as never)
  const stage =
    <Refusal>(refusal: Refusal) =>
    async (entry: { item: ClaimedItem; traceId?: string }) => {
      written.push({ claim: claimKey(entry.item), traceId: entry.traceId })
      return { result: lost.includes(claimKey(entry.item)) ? refusal : COMMIT, statement: null }
    }
  const desk = {
    line: { flow: () => 'synchronous', maySend: () => true },
    telemetry,
    server: { host: 'shop.example', port: 443 },
    makeRequest: stage(null),
    settle: stage(null),
    finish: stage('lost' as const),
    keepAnswer: async (item: ClaimedItem, _exchange: Exchange, traceId: string) =>
      void kept.push({ claim: claimKey(item), traceId }),
  } as unknown as Desk
  const begin = (item: ClaimedItem = ITEM) => {
    const life = Life.begin(item, undefined, { claim: null, catalogue: null }, desk)
    lines.length = 0
    return life
  }
  return { desk, begin, lines, written, kept }
}

test('a life knows where its item is, and tells each step once', async () => {
  const { begin, lines } = deskOf()
  const life = begin()
  expect(life).toMatchObject({ status: 'processing', since: 2_000_000 })
  expect(await life.makeRequest(PAYLOAD)).toBe(true)
  expect(life).toMatchObject({ status: 'made_request', since: 5_000_000 })
  await life.finish(FINAL)
  expect(life.status).toBe('synced')
  expect(lines.filter((line) => line.startsWith('Status'))).toEqual([
    'Status processing -> building_payload - 99',
    'Status building_payload -> made_request - 99',
    'Status made_request -> got_response - 99',
    'Status got_response -> building_response_payload - 99',
    'Status building_response_payload -> response_processing - 99',
    'Status response_processing -> synced - 99',
  ])
})

test('the item keeps the trace id where no request carries it', async () => {
  const { begin, written } = deskOf()
  const unsent = begin()
  await unsent.settle({ ...FAILED, exchange: null })
  const sent = begin()
  await sent.makeRequest(PAYLOAD)
  await sent.settle({ ...FAILED, exchange: EXCHANGE })
  const [unsentTrace, sentTrace] = [unsent.attempt.traceId, sent.attempt.traceId]
  expect(written).toMatchObject([{ traceId: unsentTrace }, { traceId: sentTrace }, { traceId: undefined }])
})

test('what is lost ends without a word, and an answer to it is kept', async () => {
  const { begin, lines, kept } = deskOf('1:3')
  const life = begin()
  expect(await life.makeRequest(PAYLOAD)).toBe(false)
  expect(await life.settle({ ...FAILED, exchange: null })).toBe(null)
  expect(kept).toEqual([])
  expect(await life.settle({ ...FAILED, exchange: EXCHANGE })).toBe(null)
  expect(await life.finish(FINAL)).toBe('lost')
  const answer = { claim: '1:3', traceId: life.attempt.traceId }
  expect(kept).toEqual([answer, answer])
  expect(lines).toEqual([])
  expect(life).toMatchObject({ status: 'processing', since: 2_000_000 })
})

test('two claims of one item are two lives', async () => {
  const { begin, kept } = deskOf('1:3')
  const [frozen, again] = [begin(), begin({ ...ITEM, token: 5 })]
  await again.makeRequest(PAYLOAD)
  await frozen.finish(FINAL)
  expect(again.status).toBe('made_request')
  expect(kept).toEqual([{ claim: '1:3', traceId: frozen.attempt.traceId }])
  expect(again.attempt.traceId).not.toBe(frozen.attempt.traceId)
})

test('a stored answer goes on in the trace of its attempt', async () => {
  const { desk } = deskOf()
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const adopted: Adopted = {
    item: { ...ITEM, previousTraceId: traceId },
    request: '{}',
    httpStatus: 200,
    body: '[]',
    flow: 'synchronous',
    sellerSku: 'S-1',
    sku: null,
  }
  const life = Life.resume(adopted, desk)
  expect(life).toMatchObject({ status: 'response_processing', since: 2_000_000 })
  expect(life.attempt.traceId).toBe(traceId)
})
