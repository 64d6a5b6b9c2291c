import { expect, test } from 'vitest'
import { busyAt, HOUR, isAsynchronous, isAway, pileAt } from '../../demo/rhythm.ts'

const UNTIL = new Date('2026-11-30T16:20:00Z') // a Monday
const hours = Array.from({ length: 90 * 24 }, (_, place) => new Date(UNTIL.getTime() - place * HOUR))
const ofDay = (day: string) =>
  hours.filter((time) => time.toISOString().startsWith(day)).reduce((sum, time) => sum + busyAt(time), 0)

test('the afternoon is busier than the night, a weekday than the weekend', () => {
  expect(busyAt(new Date('2026-11-24T14:00:00Z'))).toBeGreaterThan(4 * busyAt(new Date('2026-11-24T03:00:00Z')))
  expect(ofDay('2026-11-24')).toBeGreaterThan(1.5 * ofDay('2026-11-27'))
})

test('the Shop was away once, for three hours, and what waited is sent soon after', () => {
  const away = hours.filter((time) => isAway(time, UNTIL)).map((time) => time.toISOString().slice(0, 13))
  expect(away).toEqual(['2026-11-25T14', '2026-11-25T13', '2026-11-25T12'])
  expect(pileAt(new Date('2026-11-25T12:00:00Z'), UNTIL)).toBe(0)
  expect(pileAt(new Date('2026-11-25T15:00:00Z'), UNTIL)).toBe(1)
  expect(pileAt(new Date('2026-11-25T15:45:00Z'), UNTIL)).toBe(0.5)
  expect(pileAt(new Date('2026-11-25T17:00:00Z'), UNTIL)).toBe(0)
})

test('both flows were in use, the synchronous one of late', () => {
  expect(hours.map((time) => isAsynchronous(time, UNTIL)).lastIndexOf(false)).toBe(30 * 24)
})
