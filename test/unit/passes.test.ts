import { expect, test } from 'vitest'
import { createPasses } from '../../worker/life/passes.ts'
import type { Claimed, Quick } from '../../worker/queue/claim.ts'

const MOST = 10

/** Passes over a queue that gives the prescribed answers, on a clock that advances by what each claim takes. */
function passing() {
  let at = 0
  const asked: { after: string; quick: Quick | null; withMarks: boolean }[] = []
  const answers: (Partial<Claimed> & { meanwhile?: () => void })[] = []
  const passes = createPasses(
    async (_most, after, quick, withMarks) => {
      asked.push({ after, quick: quick && { ...quick, marks: new Map(quick.marks) }, withMarks })
      const { milliseconds = 1, meanwhile, ...answer } = answers.shift() ?? {}
      at += milliseconds
      meanwhile?.()
      return {
        items: [],
        candidates: 0,
        passedOver: false,
        all: true,
        next: '0',
        last: null,
        marks: [],
        again: [],
        now: `at ${at}`,
        milliseconds,
        ...answer,
      }
    },
    () => at,
  )
  return {
    passes,
    asked,
    /** The next claim gets this answer. */
    async claim(answer: (typeof answers)[number] = {}) {
      answers.push(answer)
      await passes.claim(MOST)
      return asked.at(-1)!
    },
    /** Enough full passes to be considered slow. */
    async slow() {
      for (let k = 0; k < 5; k++) expect((await this.claim({ milliseconds: 80 })).quick).toBeNull()
    },
  }
}

test('a pass with more than one claim goes on where the last one ended, and is full or quick as a whole', async () => {
  const { claim, slow } = passing()
  await slow.call({ claim })
  expect((await claim({ candidates: MOST, last: '7' })).quick).not.toBeNull()
  expect(await claim({ candidates: 3, next: '207' })).toMatchObject({ after: '7', quick: {} })
  expect(await claim({ candidates: 0, next: '0' })).toMatchObject({ after: '207', quick: {} })
  expect((await claim()).after).toBe('0')
})

test('a backlog: the last claim of a pass, which finds nobody, does not make a slow pass a fast one', async () => {
  const { claim } = passing()
  for (let k = 0; k < 5; k++) {
    expect((await claim({ candidates: MOST, last: '7', milliseconds: 80 })).quick).toBeNull()
    expect((await claim({ milliseconds: 1 })).quick).toBeNull()
  }
  for (let k = 0; k < 10; k++) expect((await claim({ milliseconds: 3 })).quick).not.toBeNull()
})

test('a quick pass looks at what is new since the one before began, however long ago that was', async () => {
  const { claim, slow } = passing()
  await slow.call({ claim })
  await claim({ now: 'noon', candidates: MOST, last: '7' })
  await claim({ now: 'later', next: '0' })
  expect((await claim({ now: 'even later' })).quick?.since).toBe('noon')
  expect((await claim()).quick?.since).toBe('even later')
})

test('marks: of a seller who had more, until he has no more', async () => {
  const { claim, slow } = passing()
  await slow.call({ claim })
  await claim({ marks: [['7', 'x']] })
  expect((await claim({ marks: [['7', null]] })).quick?.marks).toEqual(new Map([['7', 'x']]))
  expect((await claim()).quick?.marks).toEqual(new Map())
})

test('what has become ready is asked for once, and again where it was locked', async () => {
  const { claim, slow, passes } = passing()
  await slow.call({ claim })
  passes.ready(['1', '2'])
  expect((await claim({ again: ['2'] })).quick?.turns).toEqual(['1', '2'])
  expect((await claim()).quick?.turns).toEqual(['2'])
  expect((await claim()).quick?.turns).toEqual([])
})

test('what becomes ready while a claim is under way is asked for by the next one', async () => {
  const { claim, slow, passes } = passing()
  await slow.call({ claim })
  passes.ready(['1'])
  await claim({ meanwhile: () => passes.ready(['1', '2']) })
  const { quick } = await claim()
  expect(quick?.turns).toContain('2')
})

test('what has become ready before a full pass began is seen by that', async () => {
  const { claim, slow, passes } = passing()
  passes.ready(['1'])
  await slow.call({ claim })
  expect((await claim()).quick?.turns).toEqual([])
})

test('marks are asked for where a quick claim may come next', async () => {
  const { claim } = passing()
  for (const withMarks of [false, false, false, false, true])
    expect(await claim({ milliseconds: 80 })).toMatchObject({ withMarks, quick: null })
  expect(await claim()).toMatchObject({ withMarks: true, quick: {} })
})
