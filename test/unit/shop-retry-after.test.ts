import { expect, test } from 'vitest'
import { readRetryAfter } from '../../worker/shop/client.ts'

const NOW = Date.parse('Sun, 06 Nov 1994 08:49:07 GMT')

test.each([
  ['120', 120],
  [' 2.5 ', 2.5],
  ['0', 0],
  ['99999999', 3600],
  ['Sun, 06 Nov 1994 08:49:37 GMT', 30],
  ['Sunday, 06-Nov-94 08:49:37 GMT', 30],
  ['Sun Nov  6 08:49:37 1994 GMT', 30],
  ['Sat, 05 Nov 1994 08:49:37 GMT', 0],
  ['', null],
  ['-5', null],
  ['in 5', null],
  ['5, 10', null],
  ['soon', null],
])('Retry-After: %j is a wait of %j seconds', (value, seconds) => {
  expect(readRetryAfter(value, NOW)).toBe(seconds)
})
