import { describe, expect, test } from 'vitest'
import type { Item } from '../../worker/domain/item.ts'
import { creates, TOPICS, type Topic } from '../../worker/domain/topics.ts'
import { carryOut, type Received, refused, type Verbs } from '../../worker/life/carry-out.ts'
import {
  brokenOff,
  handedBack,
  MOVED,
  orNack,
  type Retry,
  retryOf,
  unanswered,
  verdictOf,
  verdictWithoutCall,
} from '../../worker/life/verdict.ts'
import type { Answer, Asked, SyncedRow } from '../../worker/shop/answer.ts'

const ORIGINS = ['exchange', 'resumed', 'callback'] as const
const FLOWS = ['synchronous', 'asynchronous'] as const
const topics = Object.keys(TOPICS) as Topic[]
const retry: Retry = (failures) => ({ to: 'delayed', retryInSeconds: failures * 60 })

const itemOf = (topic: Topic): Item => ({
  id: '1',
  token: 3,
  topic,
  sellerId: '7',
  productSetId: '5',
  productId: topic === 'new_product_set' || topic === 'images' ? null : '42',
  requestId: '99',
  sends: 0,
  failures: 2,
  previousTraceId: null,
  queuedAt: 0,
  at: 0,
})

const ROW: SyncedRow = { productId: '42', srcId: '9001', shopSku: 'K-1', configId: '7001', updatedAt: null }
const askedOf = (topic: Topic): Asked => ({ topic, requestId: '99', setSrcId: null, products: [] }) as unknown as Asked
const ANSWERS: Record<Answer['kind'], Answer> = {
  acknowledged: { kind: 'acknowledged' },
  unprocessable: { kind: 'unprocessable', message: 'It cannot be read.' },
  busy: { kind: 'busy', message: 'Wait.' },
  failure: { kind: 'failure', message: 'No.', code: 1, rows: [ROW, null] },
  success: { kind: 'success', rows: [ROW] },
}

/** Records the database calls, in order. `conflict`: what the look-up finds; `refuses`: the error of a write. */
function recording(topic: Topic, { conflict = null, refuses, locked = false, inTransaction = false }: Scene = {}) {
  const asked: unknown[][] = []
  const said = (...what: unknown[]) => void asked.push(what)
  const refusedWrite = () => {
    if (refuses) throw refuses
  }
  const verbs: Verbs = {
    item: itemOf(topic),
    inTransaction,
    async findConflict() {
      said('findConflict')
      return conflict
    },
    async writeBack(products, setSrcId) {
      said('writeBack', products.length, setSrcId)
      refusedWrite()
    },
    async settle({ to, reason, message, retryInSeconds, exchange }) {
      said('settle', to, reason, message, retryInSeconds, exchange?.outcome ?? null)
      return { now: 0, left: 0 }
    },
    async finish({ products, setSrcId, exchange, at }) {
      said('finish', products.length, setSrcId, exchange?.outcome ?? null, at !== null)
      refusedWrite()
      return locked ? 'locked' : { now: 0, left: 0 }
    },
    async finishLater({ exchange, at }) {
      said('finishLater', exchange, at)
    },
  }
  return { asked, verbs }
}
interface Scene {
  conflict?: string | null
  refuses?: Error
  locked?: boolean
  inTransaction?: boolean
}

const RECEIVED: Received = { exchange: { httpStatus: 200, body: '[]', milliseconds: 5 }, answeredAt: 10, readAt: 11 }
const CASES = topics.flatMap((topic) =>
  ORIGINS.flatMap((origin) =>
    FLOWS.flatMap((flow) => Object.values(ANSWERS).map((answer) => ({ topic, origin, flow, answer }))),
  ),
)

describe('what an answer makes of an item', () => {
  test('all kinds, topics, flows and origins are there', () => {
    expect(CASES.length).toBe(topics.length * 3 * 2 * 5)
  })

  test.each(CASES)('$answer.kind, $topic, $flow, $origin', async ({ topic, origin, flow, answer }) => {
    const received = origin === 'exchange' ? RECEIVED : null
    const read = origin === 'exchange' ? orNack(answer, flow, '"product":') : answer
    const { asked, verbs } = recording(topic)
    await carryOut(verdictOf(read, verbs.item, askedOf(topic), retry), verbs, received)
    const outcome = received ? answer.kind : null
    const setSrcId = creates(topic) ? '7001' : null
    const look = creates(topic) ? [['findConflict']] : []
    const expected = {
      acknowledged: [['settle', 'got_acknowledgment', null, null, null, outcome]],
      unprocessable: [['settle', 'blocked', 'unprocessable_response', 'It cannot be read.', null, outcome]],
      busy: [['settle', 'pending', 'shop_busy', 'Wait.', null, outcome]],
      failure: [...look, ['writeBack', 1, setSrcId], ['settle', 'delayed', 'failure', 'No.', 180, outcome]],
      success: [...look, ['finish', 1, setSrcId, outcome, received !== null]],
    }
    expect(asked).toEqual(expected[answer.kind])
  })
})

test('told to wait twice in a row, it is put off; handed back before, or told once, it is not', () => {
  const { verbs } = recording('price')
  const judged = (sends: number, reason: string | null) =>
    verdictOf(ANSWERS.busy, { ...verbs.item, sends, before: { reason } }, askedOf('price'), retry)
  expect(judged(1, 'shop_busy')).toMatchObject({ to: 'pending', reason: 'shop_busy', retryInSeconds: 15 })
  expect(judged(0, 'shop_busy')).toMatchObject({ to: 'pending', retryInSeconds: null })
  expect(judged(1, 'failure')).toMatchObject({ to: 'pending', retryInSeconds: null })
})

describe('what stands in the way', () => {
  const success = (topic: Topic) => verdictOf(ANSWERS.success, itemOf(topic), askedOf(topic), retry)

  test('an id of another product Blocks a create before anything is written', async () => {
    const { asked, verbs } = recording('new_product', { conflict: 'It belongs to S-2.' })
    await carryOut(success('new_product'), verbs, RECEIVED)
    expect(asked).toEqual([
      ['findConflict'],
      ['settle', 'blocked', 'src_id_conflict', 'It belongs to S-2.', null, 'unprocessable'],
    ])
  })

  test('what the catalogue refuses Blocks the item, with its answer', async () => {
    const refuses = Object.assign(new Error('no such thing'), { code: '23514' })
    const { asked, verbs } = recording('price', { refuses })
    await carryOut(success('price'), verbs, RECEIVED)
    expect(asked.at(-1)).toEqual([
      'settle',
      'blocked',
      'unprocessable_response',
      expect.stringContaining('no such thing'),
      null,
      'unprocessable',
    ])
  })

  test('in a transaction of many it is thrown: the transaction is over', async () => {
    const refuses = Object.assign(new Error('no such thing'), { code: '23514' })
    const { asked, verbs } = recording('price', { refuses, inTransaction: true })
    await expect(carryOut(success('price'), verbs)).rejects.toBe(refuses)
    expect(asked).toEqual([['finish', 1, null, null, false]])
  })

  test("where the id is another product's by now, that is what the item says", async () => {
    const taken = Object.assign(new Error('duplicate key'), { code: '23505' })
    const ids = { productSetId: '5', setSrcId: null, products: [] }
    const conflict = { to: 'blocked', reason: 'src_id_conflict' }
    expect(await refused(taken, ids, recording('price', { conflict: 'It belongs to S-2.' }).verbs)).toMatchObject(
      conflict,
    )
    expect(await refused(taken, ids, recording('price').verbs)).toMatchObject({ reason: 'unprocessable_response' })
  })

  test('without an answer there is nothing that the catalogue could refuse: it is thrown', async () => {
    const refuses = Object.assign(new Error('no partition'), { code: '23514' })
    const { asked, verbs } = recording('price', { refuses })
    const nothing = verdictWithoutCall({ nothingToSend: true }, itemOf('price'), retry)!
    await expect(carryOut(nothing, verbs)).rejects.toBe(refuses)
    expect(asked.map(([verb]) => verb)).toEqual(['finish'])
  })

  test('a locked product stores the answer first, and finishes when it is free', async () => {
    const { asked, verbs } = recording('price', { locked: true })
    await carryOut(success('price'), verbs, RECEIVED)
    expect(asked).toEqual([
      ['finish', 1, null, 'success', true],
      ['settle', 'response_processing', null, null, null, 'success'],
      ['finishLater', null, null],
    ])
  })

  test('what was stored before is not stored again', async () => {
    const { asked, verbs } = recording('price', { locked: true })
    await carryOut(success('price'), verbs, null)
    expect(asked.map(([verb]) => verb)).toEqual(['finish', 'finishLater'])
  })
})

describe('without an answer', () => {
  test.each(topics)('what broke off, %s: a create is not repeated blindly', (topic) => {
    expect(brokenOff('TypeError: x', itemOf(topic), retry)).toMatchObject(
      creates(topic) ? { to: 'blocked', reason: 'unknown_outcome' } : { to: 'delayed', reason: 'failure' },
    )
  })

  test.each([
    [{ nothingToSend: true } as const, { to: 'synced', outcome: null }],
    [{ blocked: 'not_in_shop', message: 'm' } as const, { to: 'blocked', reason: 'not_in_shop', outcome: null }],
    [{ impossible: 'TypeError: x' }, { to: 'delayed', reason: 'failure', message: 'TypeError: x' }],
    [{ deleted: true } as const, null],
  ])('no call: %j', (call, verdict) => {
    const got = verdictWithoutCall(call, itemOf('price'), retry)
    if (verdict === null) expect(got).toBeNull()
    else expect(got).toMatchObject(verdict)
  })

  test.each([
    ['price', true, null, 'pending', 'shop_busy'],
    ['price', true, 'shop_busy', 'delayed', 'failure'],
    ['price', false, null, 'delayed', 'failure'],
    ['new_product_set', true, null, 'delayed', 'failure'],
  ] as const)('no answer, %s, turned away %s, after %s: %s, %s', (topic, turnedAway, before, to, reason) => {
    const item = { ...itemOf(topic), before: { reason: before } }
    expect(unanswered({ message: 'No.', turnedAway }, item, retry)).toMatchObject({
      to,
      reason,
      outcome: 'unreachable',
    })
  })

  test('handed back and moved rest Pending without a failure', () => {
    for (const reason of ['worker_stopped', 'shop_away', 'shop_busy'] as const)
      expect(handedBack(reason)).toMatchObject({ to: 'pending', reason, outcome: null })
    expect(MOVED).toMatchObject({ to: 'pending', reason: 'product_moved', retryInSeconds: 1, outcome: null })
  })

  test.each([
    ['synchronous', '<h1>', 'unprocessable'],
    ['asynchronous', '<h1>', 'failure'],
    ['asynchronous', '[{"product":1}]', 'unprocessable'],
  ] as const)('%s, %s: %s', (flow, body, kind) => expect(orNack(ANSWERS.unprocessable, flow, body).kind).toBe(kind))

  test('the retry table as it is set: the twelfth failure is Failed, the last has no retry', () => {
    const by = retryOf({ MAX_RETRIES: 27, FAILED_AFTER: 12, RETRY_UNIT_SECONDS: 60 })
    expect(by(11).to).toBe('delayed')
    expect(by(12).to).toBe('failed')
    expect(by(28)).toEqual({ to: 'failed', retryInSeconds: null })
  })
})
