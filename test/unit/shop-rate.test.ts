import { beforeEach, describe, expect, it } from 'vitest'
import { createRateLimit } from '../../worker/shop/rate.ts'

let clock = 0
const now = () => clock
const limit = (perSecond: number | null) => createRateLimit({ perSecond, now })

beforeEach(() => {
  clock = 5000
})

describe('rate limit', () => {
  it('null is no limit', () => {
    const rate = limit(null)
    rate.take(1_000_000)
    expect(rate.available()).toBe(Number.POSITIVE_INFINITY)
    expect(rate.msUntilNext()).toBe(0)
  })

  it.each([0, -1, Number.NaN])('%d is refused', (perSecond) => {
    expect(() => limit(perSecond)).toThrow(RangeError)
  })

  it.each([
    [1000, 100],
    [25, 2],
    [10, 1],
    [0.5, 1],
  ])('at %d a second the burst is %i, however long it was idle', (perSecond, burst) => {
    const rate = limit(perSecond)
    expect(rate.available()).toBe(burst)
    clock += 3_600_000
    expect(rate.available()).toBe(burst)
  })

  it('tells when the next token comes', () => {
    const rate = limit(2)
    rate.take(1)
    expect(rate.available()).toBe(0)
    expect(rate.msUntilNext()).toBe(500)
    clock += 499
    expect(rate.available()).toBe(0)
    expect(rate.msUntilNext()).toBe(1)
    clock += 1
    expect(rate.available()).toBe(1)
    expect(rate.msUntilNext()).toBe(0)
  })

  it('a debt is paid by later tokens', () => {
    const rate = limit(10)
    rate.take(4)
    expect(rate.available()).toBe(0)
    expect(rate.msUntilNext()).toBe(400)
    clock += 400
    expect(rate.available()).toBe(1)
  })

  it.each([3, 7, 10, 333])('whoever waits msUntilNext gets %d a second, and never waits for nothing', (perSecond) => {
    const rate = limit(perSecond)
    rate.take(rate.available())
    const start = clock
    let taken = 0
    while (clock - start < 60_000) {
      const wait = rate.msUntilNext()
      expect(wait > 0).toBe(rate.available() === 0)
      clock += wait
      const n = rate.available()
      rate.take(n)
      taken += n
    }
    expect(taken / 60).toBeGreaterThan(perSecond * 0.97)
    expect(taken / 60).toBeLessThanOrEqual(perSecond * 1.01)
  })
})
