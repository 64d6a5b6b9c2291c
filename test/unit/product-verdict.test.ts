import { describe, expect, test } from 'vitest'
import { ANSWER_CASES, VERDICT_CASES } from '../../docs/answers.ts'
import {
  CELLS,
  cellOf,
  type OpenItem,
  type ProductFacts,
  productVerdict,
  VERDICT_LABELS,
  VERDICTS,
} from '../../worker/domain/product-verdict.ts'
import { pastedSkus, searchedWords } from '../../worker/domain/search.ts'
import { sellerAnswer } from '../../worker/domain/seller-answer.ts'
import { STATUS_NAMES } from '../../worker/domain/statuses.ts'

const NOW = new Date('2026-11-24T07:15:00Z')
const AT = new Date('2026-11-24T06:15:00Z')

const shown: ProductFacts = {
  sellerActive: true,
  active: true,
  qcStatus: 'approved',
  inShop: true,
  syncedAt: AT,
  items: [],
}
const item = (more: Partial<OpenItem>): OpenItem => ({
  id: '1',
  topic: 'price',
  status: 'pending',
  reason: null,
  message: null,
  failures: 0,
  statusAt: AT,
  nextAttemptAt: null,
  heldBy: null,
  ...more,
})
const create = (more: Partial<OpenItem>) => item({ topic: 'new_product_set', ...more })
const missing = { ...shown, inShop: false, syncedAt: null }

test.each<[string, ProductFacts, string, string]>([
  ['up to date', shown, 'up_to_date', 'In the Shop, up to date.'],
  ['one change waits', { ...shown, items: [item({})] }, 'on_its_way', 'In the Shop, 1 change on its way.'],
  [
    'price and stock wait behind a failed sibling',
    {
      ...shown,
      items: [
        item({ id: '1', topic: 'content', status: 'failed', reason: 'failure', failures: 14, message: 'No brand.' }),
        item({ id: '2' }),
        item({ id: '3', topic: 'stock' }),
      ],
    },
    'failing',
    'In the Shop, 3 changes of it are not there: Content has failed 14 times: “No brand”.',
  ],
  [
    'price and stock wait behind the same of a failed sibling',
    {
      ...shown,
      items: [
        item({ id: '2' }),
        item({
          id: '3',
          topic: 'stock',
          heldBy: { id: '9', topic: 'stock', status: 'failed', sellerSku: 'B-2', nextAttemptAt: AT },
        }),
      ],
    },
    'failing',
    'In the Shop, 2 changes of it are not there: Stock waits until Stock of B-2 (Failed) is through.',
  ],
  [
    'it is Failed itself, and waits behind another',
    {
      ...shown,
      items: [
        item({
          status: 'failed',
          reason: 'failure',
          failures: 14,
          heldBy: { id: '9', topic: 'price', status: 'delayed', sellerSku: 'B-2', nextAttemptAt: AT },
        }),
      ],
    },
    'failing',
    'In the Shop, 1 change of it is not there: Price has failed 14 times.',
  ],
  [
    'its creation waits for another one of its set',
    { ...missing, items: [create({ topic: 'new_product', status: 'blocked', reason: 'new_variation' })] },
    'being_created',
    'Not in the Shop yet: its creation waits for another one of its set.',
  ],
  [
    'its creation waits behind another',
    {
      ...missing,
      items: [
        create({
          heldBy: { id: '9', topic: 'new_product_set', status: 'delayed', sellerSku: null, nextAttemptAt: AT },
        }),
      ],
    },
    'being_created',
    'Not in the Shop yet: its creation waits until New Product (Set) of the whole set (Delayed) is through.',
  ],
  [
    'a stock change waits on purpose',
    { ...shown, items: [item({ topic: 'stock', status: 'delayed', reason: 'stock_wait' })] },
    'on_its_way',
    'In the Shop, 1 change on its way.',
  ],
  [
    'acknowledged',
    { ...shown, items: [item({ status: 'got_acknowledgment' })] },
    'on_its_way',
    'In the Shop, 1 change with the Shop: it has confirmed it, and has not answered yet.',
  ],
  [
    'acknowledged, and a stock change waits on purpose',
    {
      ...shown,
      items: [
        item({ id: '1', status: 'got_acknowledgment' }),
        item({ id: '2', topic: 'stock', status: 'delayed', reason: 'stock_wait' }),
      ],
    },
    'on_its_way',
    'In the Shop, 1 of 2 changes with the Shop: it has confirmed it, and has not answered yet.',
  ],
  [
    'waits for another variation',
    { ...shown, items: [item({ status: 'blocked', reason: 'new_variation' })] },
    'on_its_way',
    'In the Shop, 1 change waits until the Shop has created what belongs to it.',
  ],
  [
    'inactive seller',
    { ...shown, sellerActive: false },
    'hidden',
    'In the Shop, but not shown: the seller is not active. What the Shop has of it is up to date.',
  ],
  [
    'inactive product with a change on its way',
    { ...shown, active: false, items: [item({})] },
    'on_its_way',
    'In the Shop, but not shown: the product is not active. 1 change on its way.',
  ],
  [
    'its creation failed 14 times',
    { ...missing, items: [create({ status: 'failed', failures: 14, message: 'No size' })] },
    'failing',
    'Not in the Shop: its creation has failed 14 times: “No size”.',
  ],
  [
    'its creation met a conflict: nobody else is named',
    {
      ...missing,
      items: [create({ status: 'blocked', reason: 'src_id_conflict', message: 'has the id of SKU OTHER-1' })],
    },
    'undecided',
    'Not in the Shop: an admin has to decide about its creation.',
  ],
  ['never queued', missing, 'not_created', 'Not in the Shop: nobody has queued its creation.'],
  [
    'rejected, though a price waits',
    { ...missing, qcStatus: 'rejected', items: [item({ status: 'blocked', reason: 'not_in_shop' })] },
    'rejected',
    'Not in the Shop: rejected in quality control. It is created once it is corrected and approved.',
  ],
  [
    'inactive, never created',
    { ...missing, active: false },
    'hidden',
    'Not in the Shop: the product is not active, so nothing creates it.',
  ],
])('%s', (_, facts, code, text) => {
  expect(productVerdict(facts)).toMatchObject({ code, text })
})

describe('all cases, as docs/answers.md has them', () => {
  test.each(VERDICT_CASES)('$about', ({ facts }) => {
    const { code, text, whoActs, since, next } = productVerdict(facts)
    expect(VERDICT_LABELS[code]).toBeTruthy()
    expect(text).toMatch(/^(In the Shop|Not in the Shop).*\.$/)
    expect(text.startsWith('In the Shop')).toBe(facts.inShop)
    if (facts.items.length === 0) expect(next).toBeNull()
    else expect(since === null && facts.items[0]!.status !== 'pending').toBe(false)
    if (code === 'up_to_date') expect(whoActs).toBe('nobody')
  })

  test.each(ANSWER_CASES)('$facts.status, $about', ({ facts }) => {
    const { text, whoActs, sentences } = sellerAnswer(facts, NOW, 'Asia/Singapore')
    expect(sentences.length).toBeGreaterThan(1)
    // who has to do something is never told that there is nothing to do, nor the other way round
    expect(/nothing you need to do/.test(text)).toBe(whoActs !== 'seller')
    expect(text).not.toMatch(/UTC|undefined|null|Invalid/)
  })

  test('each verdict is among them', () => {
    const seen = new Set(VERDICT_CASES.map(({ facts }) => productVerdict(facts).code))
    expect([...seen].sort()).toEqual([...VERDICTS].sort())
  })
})

test('the times are those of the venture, in summer and in winter, and on the other day', () => {
  const told = (zone: string, now: string) => {
    const facts = { ...ANSWER_CASES[0]!.facts, queuedAt: new Date(now), statusAt: new Date(now) }
    return sellerAnswer(facts, new Date(now), zone).text
  }
  expect(told('Africa/Cairo', '2026-07-31T22:30:00Z')).toContain('1 Aug 2026, 01:30 Cairo time (just now)')
  expect(told('Africa/Cairo', '2026-12-31T22:30:00Z')).toContain('1 Jan 2027, 00:30 Cairo time (just now)')
  expect(told('Asia/Ho_Chi_Minh', '2026-12-01T00:00:00Z')).toContain('1 Dec 2026, 07:00 Ho Chi Minh time')
  expect(told('UTC', '2026-12-01T00:00:00Z')).toContain('1 Dec 2026, 00:00 UTC')
  expect(told('Etc/GMT+8', '2026-12-01T12:00:00Z')).toContain('1 Dec 2026, 04:00 Etc/GMT+8 (')
})

test.each(STATUS_NAMES)('a cell of the grid: %s', (status) => expect(CELLS).toContain(cellOf(status, false)))
test('a cell without an item', () => {
  expect([cellOf(null, true), cellOf(null, false)]).toEqual(['up_to_date', 'never_sent'])
})

test.each([
  ['  "LINEN-M" ', 'LINEN-M'],
  ['“Linen Shirt”', 'Linen Shirt'],
  ['26" Natural Cab', '26" Natural Cab'],
  ['SKU-1,', 'SKU-1'],
  [' \u00a0\t', ''],
  ['50%_\\', '50%_\\'],
])('%j is searched as %j', (text, words) => expect(searchedWords(text)).toBe(words))

test('a pasted column: each SKU once, in its order, blanks and quotes gone', () => {
  expect(pastedSkus('A-1\r\n"A-2"\n\n  A-1 \nB 3;C-4,\tD-5')).toEqual(['A-1', 'A-2', 'B 3', 'C-4', 'D-5'])
  expect(pastedSkus(' \n,;')).toEqual([])
})
