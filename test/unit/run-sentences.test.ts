import { expect, test } from 'vitest'
import { targetOf } from '../../plugin/src/pages/Runs/sentences.ts'

test.each([
  [{}, 'all items'],
  [{ items: 1 }, '1 item'],
  [{ filter: { tab: 'failed', seller: '7' } }, 'all items in Failed with seller 7'],
  [{ filter: { tab: 'pending' } }, 'all items in Pending / Processing'],
  [{ filter: { status: 'failed' } }, 'all items with status Failed'],
  [{ filter: { status: 'failed,delayed', topic: 'price' } }, 'all items with status Failed or Delayed, topic price'],
  [{ filter: { status: '-blocked,-pending' } }, 'all items with any status but Blocked and Pending'],
  [{ filter: { tab: 'failed', cause: '-86144' } }, 'all items in Failed with the cause -86144'],
])('%j is told as %s', (detail, words) => expect(targetOf(detail)).toBe(words))

test('a cause is told by its text', () => {
  expect(targetOf({ filter: { cause: '-86144' } }, 'No size')).toBe('all items with the cause “No size”')
  expect(targetOf({ filter: { cause: '-86144' }, cause: 'No size' })).toBe('all items with the cause “No size”')
})
