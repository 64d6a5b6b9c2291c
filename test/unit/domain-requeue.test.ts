import { describe, expect, test } from 'vitest'
import { ADMIN_RESOLVES, REASONS, REFUSALS, type Refusal } from '../../worker/domain/reasons.ts'
import {
  discardRefusal,
  REFUSAL_SENTENCES,
  type RequeueCandidate,
  type RequeueInclude,
  refusal,
  requeueIncludes,
  unmetForSending,
} from '../../worker/domain/requeue.ts'
import { STATUS_NAMES, type Status } from '../../worker/domain/statuses.ts'
import { TOPIC_NAMES } from '../../worker/domain/topics.ts'

const good = { active: true, qcStatus: 'approved' } as const
const failed: RequeueCandidate = {
  topic: 'price',
  status: 'failed',
  inQueue: true,
  sellerActive: true,
  products: [good],
  reason: null,
}

const REFUSED_BY_STATUS: Record<Status, Refusal | null> = {
  pending: 'in_flight',
  processing: 'in_flight',
  building_payload: 'in_flight',
  made_request: 'in_flight',
  got_acknowledgment: null,
  got_response: 'in_flight',
  building_response_payload: 'in_flight',
  response_processing: 'in_flight',
  synced: 'not_in_queue',
  delayed: null,
  blocked: null,
  failed: null,
}
test.each(Object.entries(REFUSED_BY_STATUS) as [Status, Refusal | null][])('an item in %s: %s', (status, refused) =>
  expect(refusal({ ...failed, status })).toBe(refused),
)

test.each(TOPIC_NAMES)('a Failed item of the topic %s', (topic) =>
  expect(refusal({ ...failed, topic })).toBe(topic === 'images' ? 'images_not_requeueable' : null),
)

test('a set whose products have all been deleted', () =>
  expect(refusal({ ...failed, topic: 'new_product_set', products: [] })).toBe('product_deleted'))

test.each<[string, Partial<RequeueCandidate>, Refusal]>([
  ['has left the queue', { inQueue: false }, 'not_in_queue'],
  ['the seller is not active', { sellerActive: false }, 'seller_inactive'],
  ['the product is not active', { products: [{ ...good, active: false }] }, 'product_inactive'],
  ['the last variation is not active', { products: [good, good, { ...good, active: false }] }, 'product_inactive'],
  ['the product has been deleted', { products: [] }, 'product_deleted'],
  ['quality control is pending', { products: [{ ...good, qcStatus: 'pending' }] }, 'not_qc_approved'],
  ['quality control rejected a variation', { products: [good, { ...good, qcStatus: 'rejected' }] }, 'not_qc_approved'],
])('%s', (_, change, refused) => expect(refusal({ ...failed, ...change })).toBe(refused))

test.each<[Partial<RequeueCandidate>, Refusal | null, Refusal | null]>([
  [{ sellerActive: false }, null, 'seller_inactive'],
  [{ products: [{ active: false, qcStatus: 'rejected' }] }, null, 'product_inactive'],
  [{ products: [] }, 'product_deleted', 'product_deleted'],
  [{ status: 'pending' }, 'in_flight', 'in_flight'],
  [{ topic: 'new_product', reason: 'unknown_outcome' }, 'may_create_twice', null],
  [{ topic: 'price', reason: 'unknown_outcome' }, null, null],
])('%j: with force %s, where it may be created twice %s', (change, forced, twice) => {
  expect(refusal({ ...failed, ...change }, { force: true, mayCreateTwice: false })).toBe(forced)
  expect(refusal({ ...failed, ...change }, { force: false, mayCreateTwice: true })).toBe(twice)
})

describe('the first reason that holds is told', () => {
  // Every fault at once, then repaired one by one in the documented order.
  const repairs: [Refusal, Partial<RequeueCandidate>][] = [
    ['not_in_queue', { inQueue: true }],
    ['in_flight', { status: 'failed' }],
    ['images_not_requeueable', { topic: 'new_product' }],
    [
      'product_deleted',
      {
        products: [
          { active: true, qcStatus: 'rejected' },
          { ...good, active: false },
        ],
      },
    ],
    ['seller_inactive', { sellerActive: true }],
    ['product_inactive', { products: [good, { active: true, qcStatus: 'rejected' }] }],
    ['not_qc_approved', { products: [good] }],
    ['may_create_twice', { reason: null }],
  ]
  let item: RequeueCandidate = {
    topic: 'images',
    status: 'processing',
    inQueue: false,
    sellerActive: false,
    products: [],
    reason: 'unknown_outcome',
  }
  const steps = repairs.map(([refused, repair]) => {
    const before = item
    item = { ...item, ...repair }
    return { refused, before }
  })
  test.each(steps)('$refused', ({ refused, before }) => expect(refusal(before)).toBe(refused))
  test('nothing once all is repaired', () => expect(refusal(item)).toBeNull())
  test('no refusal is left out but that of a discard', () =>
    expect([...repairs.map(([refused]) => refused), 'not_to_decide'].sort()).toEqual([...REFUSALS].sort()))
})

describe('discarded is', () => {
  test.each(REASONS)('what is Blocked as %s, if an admin has to decide', (reason) =>
    expect(discardRefusal({ status: 'blocked', reason, inQueue: true })).toBe(
      (ADMIN_RESOLVES as readonly string[]).includes(reason) ? null : 'not_to_decide',
    ),
  )
  test.each([
    [{ status: 'failed' }, 'not_to_decide'],
    [{ status: 'made_request' }, 'not_to_decide'],
    [{ status: 'synced' }, 'not_in_queue'],
    [{ inQueue: false }, 'not_in_queue'],
  ] as const)('not %j: %s', (change, refused) =>
    expect(discardRefusal({ status: 'blocked', reason: 'unknown_outcome', inQueue: true, ...change })).toBe(refused),
  )
})

test.each(TOPIC_NAMES)(
  '%s of an inactive product is sent by hand only where it tells the Shop so, or creates',
  (topic) => {
    const products = [{ active: false, qcStatus: 'approved' as const }]
    const tells = ['status', 'qc_status', 'new_product_set', 'new_product'].includes(topic)
    expect(unmetForSending(topic, { sellerActive: true, products })).toBe(tells ? null : 'product_inactive')
    expect(unmetForSending(topic, { sellerActive: false, products })).toBe(tells ? null : 'seller_inactive')
  },
)

test.each(REFUSALS)('%s has a sentence', (refused) => expect(REFUSAL_SENTENCES[refused]).toMatch(/^[A-Z].+\.$/))

test.each<[RequeueInclude[] | undefined, Status[]]>([
  [undefined, ['failed']],
  [['failed'], ['failed']],
  [
    ['failed', 'delayed'],
    ['delayed', 'failed'],
  ],
  [
    ['failed', 'delayed', 'blocked'],
    ['delayed', 'blocked', 'failed'],
  ],
  [['blocked'], ['blocked']],
  [[], []],
])('include %j takes in %j', (include, statuses) =>
  expect(STATUS_NAMES.filter((status) => requeueIncludes(status, include))).toEqual(statuses),
)
