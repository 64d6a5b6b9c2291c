import { expect, test } from 'vitest'
import { targetOf } from '../../plugin/src/pages/Runs/sentences.ts'

test.each([
  [{}, 'all items'],
  [{ items: 1 }, '1 item'],
  [{ filter: { tab: 'failed', seller: '7' } }, 'all items with tab failed, seller 7'],
  [{ filter: { status: 'failed' } }, 'all items with status Failed'],
  [{ filter: { status: 'failed,delayed', topic: 'price' } }, 'all items with status Failed or Delayed, topic price'],
  [{ filter: { status: '-blocked,-pending' } }, 'all items with any status but Blocked and Pending'],
  [{ filter: { tab: 'failed', cause: '-86144' } }, 'all items with tab failed, the cause -86144'],
])('%j is told as %s', (detail, words) => expect(targetOf(detail)).toBe(words))

test('a cause is told by its text', () => {
  expect(targetOf({ filter: { cause: '-86144' } }, 'No size')).toBe('all items with the cause “No size”')
  expect(targetOf({ filter: { cause: '-86144' }, cause: 'No size' })).toBe('all items with the cause “No size”')
})
