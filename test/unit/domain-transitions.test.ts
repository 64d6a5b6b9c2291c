import { describe, expect, test } from 'vitest'
import { STATUS_NAMES, type Status } from '../../worker/domain/statuses.ts'
import { isAllowed, NEXT } from '../../worker/domain/transitions.ts'
import { PATHS } from '../paths.ts'

const WALKS: Record<string, Status[]> = {
  'synchronous flow': PATHS.synchronous,
  'asynchronous flow': PATHS.asynchronous,
  'stock wait': ['pending', 'delayed', 'processing'],
  'failure and retry': ['made_request', 'delayed', 'processing'],
  'Failed, and retries go on': ['made_request', 'failed', 'processing', 'building_payload', 'made_request', 'failed'],
  'an exception while building': ['processing', 'delayed'],
  'an exception, the twelfth time': ['processing', 'failed'],
  'not in the Shop, or a new variation, and released': ['processing', 'blocked', 'pending'],
  'nothing to send': ['pending', 'processing', 'synced'],
  'unprocessable response': ['made_request', 'got_response', 'blocked', 'pending'],
  'ID already taken': ['response_processing', 'blocked'],
  'a create of unknown outcome, settled by its callback': ['made_request', 'blocked', 'got_response'],
  'some rows failed': ['made_request', 'got_response', 'delayed'],
  'a failure row in a callback': ['got_acknowledgment', 'got_response', 'failed'],
  'acknowledged, requeued by an admin': ['got_acknowledgment', 'pending'],
  'callback while Delayed': ['delayed', 'got_response'],
  'callback while Failed': ['failed', 'got_response'],
  'callback while Pending': ['pending', 'got_response'],
  'worker lost while Processing': ['processing', 'pending'],
  'worker lost after Made request': ['made_request', 'pending'],
  'requeued from Failed': ['failed', 'pending'],
  discarded: ['blocked', 'blocked'],
  'an answer to a request from before the last change': [
    'delayed',
    'got_response',
    'building_response_payload',
    'response_processing',
    'pending',
  ],
  'told to wait by the Shop': ['made_request', 'got_response', 'pending', 'processing'],
  'a second id of the Shop, after the item had left': ['pending', 'blocked'],
}

test.each(Object.entries(WALKS))('%s', (_, walk) => {
  const steps = walk.slice(1).map((to, index) => [walk[index]!, to] as const)
  expect(steps.filter(([from, to]) => !isAllowed(from, to))).toEqual([])
})

describe('never', () => {
  const never: [Status | null, Status, string][] = [
    ['pending', 'made_request', 'a call without a payload'],
    ['processing', 'made_request', 'a call without a payload'],
    ['pending', 'failed', 'a failure without an attempt'],
    ['processing', 'got_response', 'a callback for an item in flight, which comes to rest first'],
    ['made_request', 'synced', 'Synced without an answer that was read'],
    ['got_acknowledgment', 'synced', 'Synced by an acknowledgment'],
    ['got_acknowledgment', 'processing', 'resent by itself'],
    ['got_acknowledgment', 'delayed', 'resent by itself'],
    ['building_response_payload', 'pending', 'sent again although the answer is here'],
    ['blocked', 'processing', 'claimed while Blocked'],
    ['failed', 'delayed', 'back from Failed to Delayed without an attempt'],
    ['got_response', 'got_acknowledgment', 'an acknowledgment after the answer'],
    [null, 'processing', 'an item that was never queued'],
    [null, 'synced', 'an item that was never queued'],
  ]
  test.each(never)('%s -> %s: %s', (from, to) => expect(isAllowed(from, to)).toBe(false))

  const leaving: Status[] = ['pending', 'processing', 'got_acknowledgment', 'delayed', 'blocked', 'failed']
  test.each(STATUS_NAMES.filter((status) => !leaving.includes(status)))('%s to itself', (status) =>
    expect(isAllowed(status, status)).toBe(false),
  )
})

test('an item begins as Pending and as nothing else', () =>
  expect(STATUS_NAMES.filter((status) => isAllowed(null, status))).toEqual(['pending']))

test('every status can be reached from Pending', () => {
  const reached = new Set<Status>(['pending'])
  for (const status of reached) for (const next of NEXT[status]) reached.add(next)
  expect([...reached].sort()).toEqual([...STATUS_NAMES].sort())
})

test('there is no way out of Synced', () => {
  expect(NEXT.synced).toEqual([])
  expect(STATUS_NAMES.filter((status) => isAllowed('synced', status))).toEqual([])
})

test('Synced can be reached from every other status', () => {
  const reaches = new Set<Status>(['synced'])
  for (const to of reaches) for (const from of STATUS_NAMES) if (isAllowed(from, to)) reaches.add(from)
  expect([...reaches].sort()).toEqual([...STATUS_NAMES].sort())
})

test.each(STATUS_NAMES)('no step is listed twice from %s', (status) =>
  expect(new Set(NEXT[status]).size).toBe(NEXT[status].length),
)
