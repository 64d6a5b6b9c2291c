import { expect, test } from 'vitest'
import { inParts, partTimes, queueTimes, shareOf, WINDOW_NAMES, WINDOWS } from '../../worker/domain/windows.ts'

const END = new Date('2026-11-30T17:00:00Z')
const NOW = new Date('2026-11-30T16:20:30Z')

test('what happened by the hour is summed up in parts that end with the hour under way', () => {
  const byHour = [0, 1, 5, 6, 11, 12, 167, 168, 5000].map((hoursAgo) => ({ hoursAgo, n: 1 }))
  expect(inParts('24h', byHour).slice(-13)).toEqual([1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1])
  const week = inParts('7d', byHour)
  expect([week.length, ...week.slice(-3), week[0]]).toEqual([28, 1, 2, 3, 1])
  expect(inParts('90d', [{ hoursAgo: 90 * 24, n: 1 }])).toStrictEqual(Array(90).fill(0))
})

test.each(WINDOW_NAMES)('%s: the parts fill the window, and are few', (window) => {
  const { hours, partHours, queueMinutes } = WINDOWS[window]
  expect([hours % partHours, (hours * 60) % queueMinutes]).toEqual([0, 0])
  const times = partTimes(window, END)
  expect(times.length).toBe(inParts(window, []).length)
  expect(times[0]).toEqual(new Date(END.getTime() - hours * 3_600_000))
  expect(times.at(-1)).toEqual(new Date(END.getTime() - partHours * 3_600_000))
  const points = queueTimes(window, END, NOW)
  expect(points[0]).toEqual(times[0])
  expect(points.at(-1)!.getTime()).toBeLessThanOrEqual(NOW.getTime())
  expect(points.length).toBeLessThanOrEqual(180)
  expect(points.length).toBeGreaterThan(80)
})

test('the queue is shown up to now, not to the end of the hour', () => {
  expect(queueTimes('24h', END, NOW).at(-1)).toEqual(new Date('2026-11-30T16:20:00Z'))
})

test('of nothing there is no share', () => {
  expect([shareOf(0, 0), shareOf(0, 4), shareOf(3, 4)]).toEqual([null, 0, 0.75])
})
