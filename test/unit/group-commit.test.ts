import { expect, test } from 'vitest'
import { groupCommit } from '../../worker/queue/group-commit.ts'

/** A database that writes numbers, each batch on command. */
function gated() {
  const batches: number[][] = []
  let commit: () => void = () => {}
  const write = async (entries: number[]) => {
    batches.push(entries)
    await new Promise<void>((resolve) => {
      commit = resolve
    })
    return entries.map((entry) => entry * 10)
  }
  return { batches, write, commit: () => commit() }
}

/** A database that refuses whole batches, as `refuses` says. */
function refusing(refuses: (entries: number[], statement: number) => object | undefined) {
  const batches: number[][] = []
  const write = async (entries: number[]) => {
    batches.push(entries)
    const error = refuses(entries, batches.length)
    if (error) throw Object.assign(new Error('refused'), error)
    return entries.map((entry) => entry * 10)
  }
  return { batches, write }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, k) => from + k)
const TRANSIENT = [
  '40P01',
  '40001',
  '57P01',
  '08006',
  '53300',
  'CONNECTION_CLOSED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'EPIPE',
]

test('what one turn of the event loop brings is one statement', async () => {
  const { batches, write } = refusing(() => undefined)
  const group = groupCommit(write)
  expect(await Promise.all(numbers(1, 5).map(group))).toEqual([10, 20, 30, 40, 50])
  expect(batches).toEqual([[1, 2, 3, 4, 5]])
})

test('gathers while a statement runs, in the order of the calls', async () => {
  const database = gated()
  const group = groupCommit(database.write)
  const first = group(1)
  await Promise.resolve()
  const settled: number[] = []
  const rest = numbers(2, 4).map((entry) => group(entry).then((result) => settled.push(result)))
  expect(database.batches).toEqual([[1]])
  database.commit()
  expect(await first).toBe(10)
  expect(settled).toEqual([])
  await expect.poll(() => database.batches).toEqual([[1], [2, 3, 4]])
  database.commit()
  await Promise.all(rest)
  expect(settled).toEqual([20, 30, 40])
})

test('starts again after it was idle', async () => {
  const { batches, write } = refusing(() => undefined)
  const group = groupCommit(write)
  expect(await group(1)).toBe(10)
  expect(await group(2)).toBe(20)
  expect(batches).toEqual([[1], [2]])
})

test('no statement has more than the most entries', async () => {
  const { batches, write } = refusing(() => undefined)
  const group = groupCommit(write, { most: 3 })
  expect(await Promise.all(numbers(1, 8).map(group))).toEqual(numbers(1, 8).map((entry) => entry * 10))
  expect(batches).toEqual([
    [1, 2, 3],
    [4, 5, 6],
    [7, 8],
  ])
})

test('one bad entry is found by halves and fails alone', async () => {
  const { batches, write } = refusing((entries) => (entries.includes(3) ? { code: '22P05' } : undefined))
  const group = groupCommit(write)
  const results = await Promise.allSettled(numbers(1, 8).map(group))
  expect(results.map(({ status }) => status)).toEqual(
    numbers(1, 8).map((entry) => (entry === 3 ? 'rejected' : 'fulfilled')),
  )
  expect(results[2]).toMatchObject({ reason: { code: '22P05' } })
  expect(results[7]).toMatchObject({ value: 80 })
  expect(batches).toEqual([numbers(1, 8), [1, 2, 3, 4], [1, 2], [3, 4], [3], [4], [5, 6, 7, 8]])
})

test('rejects all that fail, and goes on with those that come later', async () => {
  const { write } = refusing((entries) => (entries.some((entry) => entry < 5) ? { code: '23505' } : undefined))
  const group = groupCommit(write)
  const results = await Promise.allSettled(numbers(1, 6).map(group))
  expect(results.map(({ status }) => status)).toEqual([...Array(4).fill('rejected'), 'fulfilled', 'fulfilled'])
  expect(await group(7)).toBe(70)
})

test.each(TRANSIENT)('%s passes: the same statement is sent again, and nothing is lost', async (code) => {
  const { batches, write } = refusing((_, statement) => (statement <= 3 ? { code } : undefined))
  const group = groupCommit(write, { retryMs: 1 })
  const early = numbers(1, 3).map(group)
  await expect.poll(() => batches.length, { interval: 1 }).toBeGreaterThan(0)
  const late = group(4)
  expect(await Promise.all(early)).toEqual([10, 20, 30])
  expect(await late).toBe(40)
  expect(batches).toEqual([...Array(4).fill([1, 2, 3]), [4]])
})

test('a transient error while halving does not reject the good ones', async () => {
  const { write } = refusing((entries, statement) =>
    statement === 2 ? { code: '40P01' } : entries.includes(2) ? { code: '22P05' } : undefined,
  )
  const group = groupCommit(write, { retryMs: 1 })
  const results = await Promise.allSettled(numbers(1, 4).map(group))
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
})

test('a statement has bodies of 8 MiB at most, or one body', async () => {
  const { batches, write } = refusing(() => undefined)
  const MIB = 1024 * 1024
  const group = groupCommit(write, { sizeOf: (entry) => entry * MIB })
  expect(await Promise.all([3, 4, 2, 6, 2, 9, 1].map(group))).toEqual([30, 40, 20, 60, 20, 90, 10])
  expect(batches).toEqual([[3, 4], [2, 6], [2], [9], [1]])
})
