import { describe, expect, test } from 'vitest'
import { afterFailure, retriesLeft, retryDelaySeconds, retryTable } from '../../worker/domain/retry.ts'

/** Exactly the retry table (docs/requirements.md, "Retry table"): retry, minutes, additional delay, total delay. */
const SEED = `
1 1 00:00:01 00:00:01
2 8 00:00:08 00:00:09
3 27 00:00:27 00:00:36
4 64 00:01:04 00:01:40
5 125 00:02:05 00:03:45
6 216 00:03:36 00:07:21
7 343 00:05:43 00:13:04
8 480 00:08:00 00:21:04
9 480 00:08:00 01:05:04
10 480 00:08:00 01:13:04
11 480 00:08:00 01:21:04
12 480 00:08:00 02:05:04
13 480 00:08:00 02:13:04
14 480 00:08:00 02:21:04
15 480 00:08:00 03:05:04
16 480 00:08:00 03:13:04
17 480 00:08:00 03:21:04
18 480 00:08:00 04:05:04
19 480 00:08:00 04:13:04
20 480 00:08:00 04:21:04
21 480 00:08:00 05:05:04
22 480 00:08:00 05:13:04
23 480 00:08:00 05:21:04
24 480 00:08:00 06:05:04
25 480 00:08:00 06:13:04
26 480 00:08:00 06:21:04
27 480 00:08:00 07:05:04`
  .trim()
  .split('\n')

const settings = { maxRetries: 27, failedAfter: 12, unitSeconds: 60 }
const START = new Date('2026-11-24T07:15:00Z')

describe('the retry table', () => {
  test.each(SEED.map((line, index) => ({ line, index })))('row $line', ({ line, index }) => {
    const row = retryTable(27, 60)[index]!
    expect(`${row.retry} ${row.minutes} ${row.delay} ${row.total}`).toBe(line)
  })

  test('has 27 rows', () => expect(retryTable(27, 60)).toHaveLength(27))
  test('is empty without retries', () => expect(retryTable(0, 60)).toEqual([]))
  test('tells real time where a "minute" is shorter, and keeps its minutes', () =>
    expect(retryTable(8, 30)[7]).toEqual({ retry: 8, minutes: 480, delay: '00:04:00', total: '00:10:32' }))
})

test.each([
  { failures: 1, unit: 60, seconds: 60 },
  { failures: 2, unit: 60, seconds: 480 },
  { failures: 7, unit: 60, seconds: 343 * 60 },
  { failures: 8, unit: 60, seconds: 28_800 },
  { failures: 1000, unit: 60, seconds: 28_800 },
  { failures: 3, unit: 0.5, seconds: 13.5 },
])('$failures failures, a minute of $unit s: $seconds s', ({ failures, unit, seconds }) =>
  expect(retryDelaySeconds(failures, unit)).toBe(seconds),
)

test('28 failures, each as soon as its retry is due', () => {
  let at = START
  const walked: { failures: number; status: string; next: boolean; left: number }[] = []
  for (let failures = 1; failures <= 28; failures++) {
    const { status, nextAttemptAt } = afterFailure({ failures, at, ...settings })
    walked.push({ failures, status, next: nextAttemptAt !== null, left: retriesLeft(failures, 27) })
    if (nextAttemptAt) at = nextAttemptAt
  }
  expect(walked).toEqual(
    Array.from({ length: 28 }, (_, index) => ({
      failures: index + 1,
      status: index + 1 < 12 ? 'delayed' : 'failed',
      next: index + 1 <= 27,
      left: 27 - index,
    })),
  )
  // 07:05:04 after the first failure
  expect(at.toISOString()).toBe('2026-12-01T12:19:00.000Z')
})

describe('after a failure', () => {
  test('the next attempt counts from the failure', () =>
    expect(afterFailure({ failures: 3, at: START, ...settings })).toEqual({
      status: 'delayed',
      nextAttemptAt: new Date('2026-11-24T07:42:00Z'),
    }))
  test('fractions of a second are kept', () =>
    expect(afterFailure({ failures: 1, at: START, ...settings, unitSeconds: 0.05 }).nextAttemptAt).toEqual(
      new Date('2026-11-24T07:15:00.050Z'),
    ))
  test('without retries the first failure is final', () =>
    expect(afterFailure({ failures: 1, at: START, ...settings, maxRetries: 0 })).toEqual({
      status: 'failed',
      nextAttemptAt: null,
    }))
  test('with fewer retries than failures to Failed, the last one makes it Failed all the same', () => {
    expect(afterFailure({ failures: 3, at: START, ...settings, maxRetries: 3 }).status).toBe('delayed')
    expect(afterFailure({ failures: 4, at: START, ...settings, maxRetries: 3 })).toEqual({
      status: 'failed',
      nextAttemptAt: null,
    })
  })
})

test.each([
  [0, 27],
  [1, 27],
  [2, 26],
  [27, 1],
  [28, 0],
  [40, 0],
])('after %i failures %i retries are left', (failures, left) => expect(retriesLeft(failures, 27)).toBe(left))
