import { expect, test } from 'vitest'
import { createFullRounds, createRounds } from '../../worker/life/rounds.ts'

/** A table of two parts whose `end` advances with each look. */
function rounds(milliseconds: (since: string | null) => number, parts = 2) {
  let at = 0
  let end = 0
  const asked: [after: string, since: string | null][] = []
  const next = createRounds(
    async (after, since) => {
      asked.push([after, since])
      at += milliseconds(since)
      const last = after === '0' && parts > 1 ? '7' : '0'
      return { last, seen: 0, end: `(${++end},0)`, milliseconds: milliseconds(since) }
    },
    () => at,
  )
  const pass = (time: number) => {
    at += time
  }
  return { next, asked, pass }
}

test('as long as full rounds are fast there are no others', async () => {
  const { next, asked } = rounds(() => 4)
  for (let k = 0; k < 20; k++) await next()
  expect(asked).toEqual(Array.from({ length: 20 }, (_, k) => [k % 2 ? '7' : '0', null]))
})

test('after five slow ones there are quick ones, from where the table ended as the last full one began', async () => {
  const { next, asked, pass } = rounds((since) => (since ? 1 : 40))
  for (let k = 0; k < 14; k++) await next()
  expect(asked.slice(0, 10).every(([, since]) => since === null)).toBe(true)
  expect(asked.slice(10)).toEqual(['0', '7', '0', '7'].map((after) => [after, '(9,0)']))
  pass(5000)
  await next()
  await next()
  await next()
  expect(asked.slice(14)).toEqual([
    ['0', null],
    ['7', null],
    ['0', '(15,0)'],
  ])
})

test('slow rounds without quick ones between them take a twentieth of the time, and pause 5 s at most', async () => {
  const began: number[] = []
  let at = 0
  let milliseconds = 40
  const next = createFullRounds(
    async (after) => {
      if (after === '0') began.push(at)
      at += milliseconds
      return { last: after === '0' ? '7' : '0', seen: 0, milliseconds }
    },
    () => at,
  )
  for (; at < 10_000; at += 100) await next()
  expect(began.slice(0, 6)).toEqual([0, 280, 560, 840, 1120, 2900])
  milliseconds = 4000
  const slow = at
  for (; at < slow + 60_000; at += 100) await next()
  const waits = began.filter((time) => time > slow).map((time, place, all) => time - (all[place - 1] ?? slow))
  expect(Math.max(...waits)).toBeLessThan(8200 + 5100)
  milliseconds = 4
  for (; at < slow + 100_000; at += 100) await next()
  expect(began.at(-1)! - began.at(-2)!).toBe(208)
})

test('a look that fails is made again', async () => {
  let fails = true
  const next = createRounds(async (after) => {
    if (after === '7' && fails) throw new Error('away')
    return { last: after === '0' ? '7' : '0', seen: 0, end: '(0,0)', milliseconds: 0, after }
  })
  expect(await next()).toMatchObject({ after: '0' })
  await expect(next()).rejects.toThrow('away')
  fails = false
  expect(await next()).toMatchObject({ after: '7' })
})
