import { expect, test } from 'vitest'
import {
  inWords,
  newest,
  type Series,
  shown,
  stacked,
  withSomething,
} from '../../plugin/src/components/charts/series.ts'

const of = (name: string, ...values: (number | null)[]): Series => ({ name, color: 'green', values })
const format = (n: number) => `${n}`

test('the newest value is the last that any series has', () => {
  expect(newest([of('a', 1, 2, null), of('b', null, 3, null)])).toBe(1)
  expect(newest([of('a', null, null)])).toBeNull()
  expect(newest([])).toBeNull()
})

test('what was nought all the time is left out', () => {
  expect(withSomething([of('a', 0, 0, null), of('b', null, 1), of('c', null)]).map(({ name }) => name)).toEqual(['b'])
})

test('what is stacked stands on what is below it; a gap stays one', () => {
  expect(stacked([of('a', 1, 2, null), of('b', 10, null, 5)]).map(({ values }) => values)).toEqual([
    [1, 2, null],
    [11, null, 5],
  ])
})

test('a chart in words: each series now, its least and its most', () => {
  expect(inWords([of('Failed', 4, 1, null, 2, null), of('Blocked', null)], format)).toBe(
    'Failed: last 2, from 1 to 4; Blocked: nothing',
  )
})

test('no value is a dash', () => {
  expect([shown(null, format), shown(undefined, format), shown(0, format)]).toEqual(['–', '–', '0'])
})
