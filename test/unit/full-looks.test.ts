import { expect, test } from 'vitest'
import { createFullLooks } from '../../worker/full-looks.ts'

/** With a clock that advances by what each look takes. */
function looking() {
  let at = 0
  const looks = createFullLooks(() => at)
  function look(milliseconds: number, rows = 0) {
    const full = looks.isDue()
    at += milliseconds
    looks.took(milliseconds, rows, full)
    return full
  }
  return {
    isFull: () => looks.isDue(),
    look,
    /** Enough looks to be considered slow. */
    slow(milliseconds: number, rows = 0) {
      for (let k = 0; k < 5; k++) expect(look(milliseconds, rows)).toBe(true)
    },
    pass: (milliseconds: number) => {
      at += milliseconds
    },
  }
}

test('as long as full looks are fast there are no others, however much they find', () => {
  const { look } = looking()
  for (let k = 0; k < 10; k++) expect(look(9)).toBe(true)
  for (let k = 0; k < 10; k++) expect(look(55, 500)).toBe(true)
})

test('after five slow ones the quick ones have nineteen times as long, then everything is looked at again', () => {
  const { look, pass, isFull, slow } = looking()
  slow(80)
  for (let k = 0; k < 100; k++) expect(look(3)).toBe(false)
  pass(80 * 19 - 300 - 1)
  expect(isFull()).toBe(false)
  pass(1)
  expect(look(80)).toBe(true)
  expect(look(2)).toBe(false)
})

test('slow ones between fast ones are chance', () => {
  const { look } = looking()
  for (let k = 0; k < 20; k++) expect(look(k % 5 === 0 ? 9 : 80)).toBe(true)
})

test('where a quick look is not faster by far the machine is slow: all looks are full ones', () => {
  const { look, slow } = looking()
  slow(60)
  expect(look(40)).toBe(false)
  expect(look(60)).toBe(true)
  expect(look(60)).toBe(true)
})

test('when a full look is fast again there are no others', () => {
  const { look, pass, slow } = looking()
  slow(80)
  pass(80 * 19)
  expect(look(5)).toBe(true)
  expect(look(5)).toBe(true)
})

test('what it worked on is no reason to take a look for slow', () => {
  const { look, slow } = looking()
  slow(60, 100)
  expect(look(50, 400)).toBe(false)
  expect(look(5)).toBe(false)
})
