import { describe, expect, test } from 'vitest'
import { patternOf, whoActs } from '../../worker/domain/cause.ts'

describe('what varies from one item to the next is no part of a cause', () => {
  test.each([
    [null, ''],
    ['', ''],
    ['No brand', 'No brand'],
    ['HTTP 503', 'HTTP 503'],
    ['SKU "A-1" has no brand (request 100231)', 'SKU … has no brand (request #)'],
    ['SKU “ÅÄ 1” fehlt', 'SKU … fehlt'],
    ["Attribute 'size' is missing", 'Attribute … is missing'],
    ["It can't be sold", "It can't be sold"],
    ['Product 9001 of seller 12 is unknown', 'Product # of seller # is unknown'],
    ['LINEN-42-M: price 19.90 is below 20', '#: price # is below #'],
    ['at 2026-11-24T07:15:00.123Z on 10.0.0.1:8080', 'at # on #'],
    ['connect ECONNREFUSED 127.0.0.1:19352', 'connect ECONNREFUSED #'],
    ['see https://shop.example/errors?id=7 or ask ops@shop.example', 'see … or ask …'],
    ['ids 1, 2, 3 and 4', 'ids # and #'],
    ['a\n\n  b\t c', 'a b c'],
    ['HTTP status 500: <h1>Internal Server Error</h1>', 'HTTP status 500: Internal Server Error'],
    ['ขนาด 12 ไม่ถูกต้อง', 'ขนาด # ไม่ถูกต้อง'],
  ])('%j: %j', (message, pattern) => {
    expect(patternOf(message)).toBe(pattern)
  })

  test('two messages that differ in ids alone are one cause', () => {
    expect(patternOf('Variation 17 of config 3 has no size')).toBe(
      patternOf('Variation 99812 of config 44 has no size'),
    )
  })

  test('a page as a message is read in part, and quickly', () => {
    const began = performance.now()
    expect(patternOf('a'.repeat(10_000_000)).length).toBe(300)
    expect(patternOf('<p> no '.repeat(10_000)).length).toBeLessThanOrEqual(300)
    expect(performance.now() - began).toBeLessThan(5000) // a guard against patterns that go back and forth
  })
})

test.each([
  ['failure', 0, 'shop'],
  ['failure', null, 'admin'],
  ['failure', 503, 'shop'],
  ['failure', 404, 'sre'],
  ['failure', 200, 'admin'],
  ['not_in_shop', null, 'nobody'],
  ['new_variation', null, 'nobody'],
  ['unknown_outcome', null, 'admin'],
  ['src_id_conflict', 200, 'admin'],
] as const)('%s with HTTP status %j: %s acts', (reason, httpStatus, who) => {
  expect(whoActs({ reason, httpStatus })).toBe(who)
})
