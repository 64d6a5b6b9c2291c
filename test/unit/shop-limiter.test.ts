import { expect, test } from 'vitest'
import { createLimiter } from '../../worker/shop/limiter.ts'

/** The same numbers from 0 to 1 each time. */
function draws(): () => number {
  let seed = 1
  return () => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
    return seed / 0x7fffffff
  }
}

/**
 * A Shop on its own clock: it processes this many calls at a time, each takes this long, within 30 %, and the others
 * queue. All calls that may leave do so at once; one worker's go before or after another's at random.
 */
function scene({ parallel = Number.POSITIVE_INFINITY, ms = 20, most = 2000, workers = 1 } = {}) {
  const shop = { parallel, ms, hangs: false }
  const draw = draws()
  let now = 0
  const limiters = Array.from({ length: workers }, () => createLimiter({ most, now: () => now }))
  const line: { limiter: (typeof limiters)[number]; leftAt: number }[] = []
  const working: { of: (typeof line)[number]; until: number }[] = []
  const answered = limiters.map(() => 0)

  /** One millisecond after the other. */
  function run(milliseconds: number): void {
    for (const end = now + milliseconds; now < end; now++) {
      for (let k = working.length; k-- > 0; ) {
        const { of, until } = working[k]!
        if (until > now) continue
        working[k] = working.at(-1)!
        working.pop()
        answered[limiters.indexOf(of.limiter)]! += 1
        if (shop.hangs) of.limiter.overloaded(now - of.leftAt)
        else of.limiter.answered(now - of.leftAt)
      }
      for (const limiter of limiters.toSorted(() => draw() - 0.5)) {
        for (; limiter.hasRoom(); limiter.started()) line.push({ limiter, leftAt: now })
        limiter.full()
      }
      for (; line.length > 0 && working.length < shop.parallel; )
        working.push({ of: line.shift()!, until: now + Math.round(shop.ms * (0.7 + 0.6 * draw())) })
    }
  }
  return {
    shop,
    limiters,
    limiter: limiters[0]!,
    run,
    /** Calls answered within this time, by worker. */
    answeredIn(milliseconds: number): number[] {
      const before = [...answered]
      run(milliseconds)
      return answered.map((n, k) => n - before[k]!)
    },
  }
}

test('begins gently, and doubles as long as nothing speaks against it', () => {
  const { limiter, run } = scene({ most: 200 })
  expect(limiter.limit).toBe(10)
  run(75)
  expect(limiter.limit).toBe(20)
  run(1000)
  expect(limiter.limit).toBe(200)
})

test('never more than the most', () => {
  const { limiter, run } = scene({ most: 3 })
  expect(limiter.limit).toBe(3)
  run(5000)
  expect(limiter.limit).toBe(3)
})

test('a limit that is not met does not grow', () => {
  let now = 0
  const limiter = createLimiter({ most: 2000, now: () => now })
  for (let n = 0; n < 1000; n++) {
    limiter.started()
    now += 5
    limiter.answered(5)
  }
  expect(limiter.limit).toBe(10)
})

test.each([
  { parallel: 4, ms: 20 },
  { parallel: 20, ms: 20 },
  { parallel: 50, ms: 200 },
  { parallel: 200, ms: 100 },
])('a Shop that works on $parallel calls at a time, $ms ms each: all of it is used, and the line stays short', (of) => {
  const { limiter, run, answeredIn } = scene(of)
  run(20_000)
  const [answered] = answeredIn(20_000)
  expect(answered).toBeGreaterThan(0.95 * ((of.parallel * 20_000) / of.ms))
  expect(limiter.limit).toBeLessThan(Math.max(2.5, (of.ms + 60) / of.ms) * of.parallel + 10)
})

test('eight workers settle beside each other, and none goes short', () => {
  const { run, answeredIn } = scene({ parallel: 80, ms: 100, workers: 8 })
  run(30_000)
  const answered = answeredIn(30_000)
  const all = answered.reduce((sum, n) => sum + n, 0)
  expect(all).toBeGreaterThan(0.95 * 80 * 10 * 30)
  for (const n of answered) expect(n).toBeGreaterThan(all / 8 / 2)
})

test('a Shop that has become slower for good is not taken for a full one for ever', () => {
  const { shop, limiter, run } = scene({ ms: 10, most: 100 })
  run(2000)
  expect(limiter.limit).toBe(100)
  shop.ms = 400
  run(180_000)
  expect(limiter.limit).toBe(100)
})

test('lost calls halve it once, however many were on their way; then it grows, no more by doubling', () => {
  const { shop, limiter, run } = scene({ ms: 10, most: 100 })
  run(2000)
  shop.hangs = true
  run(6)
  shop.hangs = false
  expect(limiter.limit).toBe(50)
  run(120)
  expect(limiter.limit).toBeGreaterThan(50)
  expect(limiter.limit).toBeLessThan(70)
})

test('a Shop in which everything is lost is left one call at a time', () => {
  const { shop, limiter, run } = scene({ ms: 10, most: 100 })
  shop.hangs = true
  run(5000)
  expect(limiter.limit).toBe(1)
})

test('a Shop that takes no more connections: it keeps some less, and tries one more now and then', () => {
  const { limiter, run } = scene({ ms: 20, most: 2000 })
  run(500)
  limiter.refused(50)
  expect([limiter.limit, limiter.mostConnections]).toEqual([47, 47])
  run(1000)
  expect(limiter.limit).toBeGreaterThan(48)
  expect(limiter.limit).toBeLessThan(53)
})
