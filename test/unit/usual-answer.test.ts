import { expect, test } from 'vitest'
import { type Acknowledged, KNOWN_FROM, usualSeconds } from '../../worker/domain/usual-answer.ts'

const HOUR = 3600
/** So many calls, of this age, answered after so long or not yet. */
const calls = (n: number, age: number, answeredAfter: number | null): Acknowledged[] =>
  Array.from({ length: n }, () => ({ age, answeredAfter }))

test.each<[string, Acknowledged[], number | null]>([
  ['none', [], null],
  ['too few', calls(KNOWN_FROM - 1, HOUR, 5), null],
  ['enough', calls(KNOWN_FROM, HOUR, 5), 5],
  ['one of twenty is slow', [...calls(19, HOUR, 5), ...calls(1, HOUR, 900)], 5],
  ['two of twenty are', [...calls(18, HOUR, 5), ...calls(2, HOUR, 900)], 900],
  ['one of twenty is lost', [...calls(19, HOUR, 5), ...calls(1, HOUR, null)], 5],
  ['two of twenty are: nobody may say 95 %', [...calls(18, HOUR, 5), ...calls(2, HOUR, null)], null],
  ['nobody has answered', calls(100, HOUR, null), null],
  ['those who are too young to be late say nothing', [...calls(20, HOUR, 60), ...calls(500, 30, null)], 60],
  // of the answered ones alone it would be 5 s: of a busy minute only the fast ones are answered yet
  [
    'the fast ones of those who are too young do not count either',
    [...calls(20, HOUR, 600), ...calls(400, 60, 5), ...calls(100, 60, null)],
    600,
  ],
  ['too few are old enough', [...calls(19, HOUR, 600), ...calls(80, 60, 5), ...calls(20, 60, null)], null],
])('%s', (_, sample, seconds) => expect(usualSeconds(sample)).toBe(seconds))

test('it is what its words say, for any sample', () => {
  let seed = 7
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
  let known = 0
  for (let n = 0; n < 200; n++) {
    const sample = Array.from({ length: 60 }, () => {
      const age = random() * 1000
      const after = -Math.log(random()) * 100
      return { age, answeredAfter: after < age && random() < 0.99 ? after : null }
    })
    /** Among those that are as old: enough, and 95 % of them answered within that time. */
    const isSo = (seconds: number) => {
      const old = sample.filter(({ age }) => age >= seconds)
      const fast = old.filter(({ answeredAfter }) => answeredAfter !== null && answeredAfter <= seconds)
      return old.length >= KNOWN_FROM && fast.length >= 0.95 * old.length
    }
    const times = sample.flatMap(({ answeredAfter }) => answeredAfter ?? []).toSorted((a, b) => a - b)
    const shortest = times.find(isSo) ?? null
    expect(usualSeconds(sample)).toBe(shortest)
    if (shortest !== null) known++
  }
  expect(known).toBeGreaterThan(20)
  expect(known).toBeLessThan(200)
})
