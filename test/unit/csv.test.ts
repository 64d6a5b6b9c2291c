import { parse } from 'csv-parse/sync'
import { expect, it } from 'vitest'
import { csvHeader, csvLine } from '../../worker/api/internal/csv.ts'
import type { Item } from '../../worker/api/internal/schemas.ts'

const cellOf = (message: string): { raw: string; cell: string } => {
  const item = { topic: 'price', status: 'failed', reason: { code: 'failure', message } } as unknown as Item
  const raw = csvHeader() + csvLine(item)
  const [row] = parse(raw, { bom: true, columns: true, record_delimiter: '\r\n' }) as Record<string, string>[]
  return { raw, cell: row!.Message! }
}

it.each([
  ['=1+2', "'=1+2"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['+1', "'+1"],
  ['-1', "'-1"],
  [' =1', "' =1"],
  ['\n=1', "'\n'=1"],
  ['\t=1', "'\t'=1"],
  ['\r=1', "'\r'=1"],
  ['\u00a0=1', "'\u00a0=1"],
  ['\u200b=1', "'\u200b=1"],
  ['\ufeff=1', "'\ufeff=1"],
  ['＝1', "'＝1"],
  ['＋1', "'＋1"],
  ['－1', "'－1"],
  ['＠SUM(A1)', "'＠SUM(A1)"],
  ['a;=1', "a;'=1"],
  ['a; =1;＝2', "a;' =1;'＝2"],
  ['a\t=1', "a\t'=1"],
  ['a\n=1', "a\n'=1"],
  ['a\r\n+1', "a\r'\n'+1"],
])('%j is no formula to a spreadsheet', (message, cell) => {
  expect(cellOf(message).cell).toBe(cell)
})

it.each(['a', '', 'a-b', 'a, -5', 'a;b', 'price = 5', '5', "'=1", '"quoted"', 'two\r\nlines'])(
  '%j stays as it is',
  (message) => {
    expect(cellOf(message).cell).toBe(message)
  },
)

it('begins with a byte order mark', () => {
  expect(csvHeader().charCodeAt(0)).toBe(0xfeff)
})
