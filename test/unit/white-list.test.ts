import { expect, test } from 'vitest'
import { letsIn } from '../../worker/domain/white-list.ts'

test.each([
  [[], 'nobody'],
  [['0.0.0.0/0'], 'everybody'],
  [['10.0.0.1', '::/0'], 'everybody'],
  [['::/00'], 'everybody'],
  [['10.0.0.1'], 'some'],
  [['10.0.0.0/8', '2001:db8::/32'], 'some'],
  [['10.0.0.0/10'], 'some'],
  [['0.0.0.0'], 'some'],
])('%j lets in %s', (entries, whom) => expect(letsIn(entries)).toBe(whom))
