import { expect, test } from 'vitest'
import { oneClaimAnItem } from '../../worker/life/patience.ts'

const entry = (id: string, token: number) => ({ item: { id, token } })

/** Statements of a queue in which item 1 is in its fifth claim and every other item in its first. */
function queue() {
  const statements: string[][] = []
  const write = oneClaimAnItem(async (entries: ReturnType<typeof entry>[]) => {
    statements.push(entries.map(({ item: { id, token } }) => `${id}:${token}`))
    const moved = new Set(entries.flatMap(({ item: { id, token } }) => (token === (id === '1' ? 5 : 1) ? [id] : [])))
    return entries.map(({ item }) => moved.has(item.id))
  })
  return { statements, write }
}

test('what is written for one claim of an item is not said of another', async () => {
  const { statements, write } = queue()
  const entries = [entry('1', 3), entry('2', 1), entry('1', 5), entry('3', 1), entry('1', 4)]
  expect(await write(entries)).toEqual([false, true, true, true, false])
  expect(statements).toEqual([['1:4', '2:1', '3:1'], ['1:5'], ['1:3']])
})

test('claims of different items share a statement', async () => {
  const { statements, write } = queue()
  expect(await write([entry('1', 5), entry('2', 1)])).toEqual([true, true])
  expect(statements).toEqual([['1:5', '2:1']])
})
