import { describe, expect, test } from 'vitest'
import {
  readStatusFilter,
  STATUS_NAMES,
  statusesOf,
  statusesOfTab,
  TABS,
  writeStatusFilter,
} from '../../worker/domain/statuses.ts'

describe('a filter by status', () => {
  test.each([
    ['failed', { names: ['failed'], allBut: false }],
    ['failed,delayed', { names: ['failed', 'delayed'], allBut: false }],
    [' failed , delayed ', { names: ['failed', 'delayed'], allBut: false }],
    ['failed,failed', { names: ['failed'], allBut: false }],
    ['-blocked', { names: ['blocked'], allBut: true }],
    ['-blocked,-got_acknowledgment', { names: ['blocked', 'got_acknowledgment'], allBut: true }],
    ['stuck', '“stuck” is no status'],
    ['', '“” is no status'],
    ['toString', '“toString” is no status'],
    ['failed,-blocked', 'a minus is before each name or before none'],
  ])('%j', (text, read) => expect(readStatusFilter(text)).toEqual(read))

  test('is read as it was written', () => {
    for (const allBut of [false, true]) {
      const filter = { names: ['failed', 'made_request'] as const, allBut }
      expect(readStatusFilter(writeStatusFilter({ ...filter, names: [...filter.names] })!)).toEqual(filter)
    }
    expect(writeStatusFilter({ names: [], allBut: true })).toBeUndefined()
  })
})

describe('the statuses of a list', () => {
  test.each([
    [{ tab: 'failed' }, ['failed']],
    [{ tab: 'failed', status: 'failed,delayed' }, ['failed']],
    [{ tab: 'failed', status: 'delayed' }, []],
    [{ tab: 'delayed', status: '-delayed' }, []],
    [{ status: 'failed,synced' }, ['synced', 'failed']],
    [{ tab: 'pending', status: 'blocked' }, ['blocked']],
  ] as const)('%j', (list, statuses) => expect(statusesOf(list)).toEqual(statuses))

  test('are all of the queue without a tab, less those that are left out', () => {
    expect(statusesOf({})).toEqual(STATUS_NAMES.filter((name) => name !== 'synced'))
    expect(statusesOf({ status: '-blocked' })).toEqual(
      STATUS_NAMES.filter((name) => name !== 'synced' && name !== 'blocked'),
    )
  })

  test('are in some tab, and Blocked ones in two', () => {
    const counted = TABS.flatMap(statusesOfTab)
    for (const name of STATUS_NAMES)
      expect([name, counted.filter((other) => other === name)]).toEqual([
        name,
        name === 'blocked' ? ['blocked', 'blocked'] : [name],
      ])
  })
})
