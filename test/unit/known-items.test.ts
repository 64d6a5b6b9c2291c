import { expect, test } from 'vitest'
import { createKnownItems } from '../../worker/life/known-items.ts'

/** Waiting callbacks: looking at everything takes 80 ms, at items by name 1 ms. */
function looking() {
  let at = 0
  const known = createKnownItems(() => at)
  const waiting = new Set<string>()
  const asked: (readonly string[] | null)[] = []
  return {
    ...known,
    waiting,
    asked,
    async look(meanwhile = () => {}) {
      asked.length = 0
      await known.look(async (after, named) => {
        asked.push(named)
        const milliseconds = named ? 1 : 80
        at += milliseconds
        const found = [...waiting].filter((id) => (named?.includes(id) ?? true) && id > after)
        meanwhile()
        return { next: found.length > 2 ? found[1]! : null, itemIds: found.slice(0, 2), milliseconds }
      })
    },
    /** Often enough to be considered slow. */
    async slow() {
      for (let k = 0; k < 5; k++) await this.look()
      expect(asked).toEqual([null])
    },
    pass: (milliseconds: number) => {
      at += milliseconds
    },
  }
}

test('where full looks are slow, in between only items are asked for that are known, or nothing', async () => {
  const looks = looking()
  await looks.slow()
  looks.waiting.add('1').add('2')
  looks.name('2')
  await looks.look()
  expect(looks.asked).toEqual([['2']])
  looks.waiting.delete('2')
  await looks.look()
  expect(looks.asked).toEqual([['2']]) // it was waiting when last seen
  await looks.look()
  expect(looks.asked).toEqual([])
  looks.pass(5000)
  await looks.look()
  expect(looks.asked).toEqual([null])
  await looks.look()
  expect(looks.asked).toEqual([['1']])
})

test('it goes on from page to page, and knows of all that it has seen', async () => {
  const looks = looking()
  for (const id of ['1', '2', '3', '4', '5']) looks.waiting.add(id)
  for (let k = 0; k < 5; k++) await looks.look()
  expect(looks.asked).toEqual([null, null, null])
  await looks.look()
  expect(looks.asked).toEqual(Array(3).fill(['1', '2', '3', '4', '5']))
})

test('who is named while a look goes on is asked for by the next, and after one that failed all are', async () => {
  const looks = looking()
  await looks.slow()
  looks.name('1')
  await looks.look(() => looks.name('1'))
  await expect(
    looks.look(() => {
      throw new Error('away')
    }),
  ).rejects.toThrow('away')
  await looks.look()
  expect(looks.asked).toEqual([['1']])
})
