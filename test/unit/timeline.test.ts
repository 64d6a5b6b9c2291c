import { expect, test } from 'vitest'
import { foldSteps, type TimelineStep } from '../../worker/domain/timeline.ts'

type Of = Partial<Omit<TimelineStep, 'at'>>
const steps = (...of: [TimelineStep['to'], Of?][]): TimelineStep<number>[] =>
  of.map(([to, rest], at) => ({ to, at, reason: null, actor: null, note: null, ...rest }))
const told = (...of: [TimelineStep['to'], Of?][]) => foldSteps(steps(...of)).map(({ to, at }) => `${to} x${at.length}`)

const ATTEMPT = ['processing', 'building_payload', 'made_request', 'got_response'] as const
const attempt = (to: TimelineStep['to'], of: Of = {}): [TimelineStep['to'], Of?][] => [
  ...ATTEMPT.map((each): [TimelineStep['to']] => [each]),
  [to, of],
]
const FAILURE = { reason: 'failure' } as const

test('fourteen failures are one line, and what they came to is its name', () => {
  const failures = Array.from({ length: 14 }, (_, n) => attempt(n < 11 ? 'delayed' : 'failed', FAILURE)).flat()
  expect(told(['pending'], ...failures, ...attempt('synced'))).toEqual(['pending x1', 'failed x14', 'synced x1'])
})

test('an acknowledgment is on the way, unless the item stands there now', () => {
  const acknowledged = [...ATTEMPT.slice(0, 3).map((each): [TimelineStep['to']] => [each]), ['got_acknowledgment']] as [
    TimelineStep['to'],
  ][]
  expect(told(['pending'], ...acknowledged, ['got_response'], ['delayed', FAILURE], ...acknowledged)).toEqual([
    'pending x1',
    'delayed x1',
    'got_acknowledgment x1',
  ])
  expect(told(['pending'], ['processing'])).toEqual(['pending x1', 'processing x1'])
})

test.each<[string, ...[TimelineStep['to'], Of?][]]>([
  ['another reason', ['delayed', FAILURE], ['delayed', { reason: 'stock_wait' }]],
  ['a person', ['pending', { actor: 'Ada', reason: 'requeued' }], ['pending', { actor: 'Ada', reason: 'requeued' }]],
  ['a note', ['delayed', { ...FAILURE, note: 'a' }], ['delayed', { ...FAILURE, note: 'b' }]],
  ['another status without a failure', ['blocked', { reason: 'not_in_shop' }], ['pending', { reason: 'not_in_shop' }]],
  ['something between', ['delayed', FAILURE], ['pending', { reason: 'requeued' }]],
])('%s keeps lines apart', (_, ...of) => {
  expect(told(...of)).toHaveLength(of.length)
})

test('each line has its times, the oldest first', () => {
  expect(
    foldSteps(steps(['pending'], ['processing'], ['delayed', FAILURE], ['processing'], ['failed', FAILURE])),
  ).toEqual([
    { to: 'pending', reason: null, actor: null, note: null, at: [0] },
    { to: 'failed', reason: 'failure', actor: null, note: null, at: [2, 4] },
  ])
  expect(foldSteps([])).toEqual([])
})
