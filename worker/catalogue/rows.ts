import { isUtf8 } from 'node:buffer'
import { parse } from 'csv-parse/sync'
import { BrokenCatalogue, brokenRow } from './broken.ts'

/**
 * Shopify's columns by their classic names, each with its names in exports of other years. Case and blanks do not
 * matter.
 */
const COLUMNS = {
  Handle: ['URL handle'],
  Title: [],
  Vendor: [],
  'Option1 Name': [],
  'Option1 Value': [],
  'Variant SKU': ['SKU'],
  'Variant Price': ['Price'],
  'Image Src': ['Product image URL'],
  'Image Position': [],
  'Body (HTML)': ['Description'],
  Type: ['Custom Product Type'],
  Tags: [],
  'Option2 Name': [],
  'Option2 Value': [],
  'Option3 Name': [],
  'Option3 Value': [],
  'Variant Grams': ['Weight value (grams)'],
  'Variant Inventory Tracker': ['Inventory tracker'],
  'Variant Inventory Qty': ['Inventory quantity'],
  'Variant Compare At Price': ['Compare-at price'],
  'Variant Barcode': ['Barcode'],
  'Variant Tax Code': ['Tax code'],
} as const

export type Column = keyof typeof COLUMNS

/**
 * Without these columns a file is not a product export. All others are optional: for example, a shop with several
 * locations exports no stock.
 */
const REQUIRED: readonly Column[] = [
  'Handle',
  'Title',
  'Vendor',
  'Option1 Name',
  'Option1 Value',
  'Variant SKU',
  'Variant Price',
  'Image Src',
  'Image Position',
]

export interface Row {
  /** Where the row begins in the file; the header is line 1. One row may span many lines. */
  line: number
  /** The trimmed value; '' if the file has no such column. */
  cell(column: Column): string
  /** The file's own name for the column; undefined if it has no such column. */
  columnName(column: Column): string | undefined
}

/**
 * Reads the rows of a product CSV export: UTF-8 with or without a byte order mark, or as saved by a spreadsheet:
 * UTF-16, or with semicolons or tabs between the columns. Empty rows are skipped.
 *
 * @param vendorRequired false if the command names the seller
 * @throws BrokenCatalogue if the file is empty, is not UTF-8 or not CSV, lacks a column, or has a row with another
 *   width than its header
 */
export function readRows(file: Buffer, { vendorRequired = true }: { vendorRequired?: boolean } = {}): Row[] {
  file = inUtf8(file)
  if (!isUtf8(file))
    throw brokenRow(
      lineThat(file, (line) => !isUtf8(line)),
      '',
      'the text is no valid UTF-8',
    )
  // The only character that is valid UTF-8 but not valid PostgreSQL text.
  if (file.includes(0))
    throw brokenRow(
      lineThat(file, (line) => line.includes(0)),
      '',
      'the text holds a NUL character',
    )

  const [header, ...records] = readRecords(file)
  if (!header) throw new BrokenCatalogue('the file is empty.')
  const names = header.values.map((name) => name.trim())
  const columns = findColumns(names, header.line)
  const missing = REQUIRED.find((column) => !columns.has(column) && (column !== 'Vendor' || vendorRequired))
  if (missing) {
    const newer = columns.has('Handle') && !names.some((name) => normal(name) === 'handle')
    throw brokenRow(header.line, '', `the column "${(newer && COLUMNS[missing][0]) || missing}" is missing`)
  }
  if (records.length === 0) throw new BrokenCatalogue('the file has a header and no rows.')

  return records.map(({ line, values }) => {
    const cell = (column: Column): string => values[columns.get(column) ?? -1]?.trim() ?? ''
    if (values.length !== names.length)
      throw brokenRow(line, cell('Handle'), `the row has ${values.length} columns, the header ${names.length}`)
    return { line, cell, columnName: (column) => names[columns.get(column) ?? -1] }
  })
}

/**
 * Where each column is. An alternative name counts only if the classic one is missing; beside it, it is just another
 * unknown column.
 */
function findColumns(names: string[], line: number): Map<Column, number> {
  const columns = new Map<Column, number>()
  const normalNames = names.map(normal)
  for (const column of Object.keys(COLUMNS) as Column[]) {
    const wanted = [column, ...COLUMNS[column]].map(normal).find((name) => normalNames.includes(name))
    if (wanted === undefined) continue
    const index = normalNames.indexOf(wanted)
    const again = normalNames.indexOf(wanted, index + 1)
    if (again >= 0) throw brokenRow(line, '', `the column "${names[again]}" is there twice`)
    columns.set(column, index)
  }
  return columns
}

const normal = (name: string): string => name.toLowerCase().replace(/\s+/g, ' ')

/** A spreadsheet's "Unicode text" begins with the byte order mark of UTF-16. */
function inUtf8(file: Buffer): Buffer {
  const encoding = file.subarray(0, 2).toString('hex')
  if (encoding !== 'fffe' && encoding !== 'feff') return file
  try {
    return Buffer.from(new TextDecoder(encoding === 'fffe' ? 'utf-16le' : 'utf-16be', { fatal: true }).decode(file))
  } catch {
    throw new BrokenCatalogue('the text is no valid UTF-16.')
  }
}

/** The separator between columns: of the three in use, the most frequent one in the header. */
function separator(file: Buffer): string {
  const [header = ''] = file
    .subarray(0, 65_536)
    .toString()
    .trimStart()
    .split(/[\r\n]/, 1)
  const times = (mark: string): number => header.split(mark).length
  return [',', ';', '\t'].reduce((most, mark) => (times(mark) > times(most) ? mark : most))
}

/** Lines are counted here, because the parser counts a two-character line break inside quotes twice. */
function readRecords(file: Buffer): { line: number; values: string[] }[] {
  const records: { line: number; values: string[] }[] = []
  let line = 1
  try {
    parse(file, {
      bom: true,
      delimiter: separator(file),
      raw: true,
      record_delimiter: ['\r\n', '\n', '\r'],
      relax_column_count: true,
      on_record(entry) {
        const { record, raw } = entry as unknown as { record: string[]; raw: string }
        if (record.some((value) => value.trim() !== '')) records.push({ line, values: record })
        line += raw.match(/\r\n|\n|\r/g)?.length ?? 0
        return null
      },
    })
  } catch (error) {
    const why = CSV_ERRORS[(error as { code?: string }).code ?? '']
    if (!why) throw error
    throw brokenRow(line, '', why)
  }
  return records
}

const CSV_ERRORS: Record<string, string> = {
  CSV_QUOTE_NOT_CLOSED: 'the row opens quotes that are never closed',
  CSV_INVALID_CLOSING_QUOTE: 'something follows directly on closing quotes (quotes within a value are written twice)',
  INVALID_OPENING_QUOTE: 'there are quotes inside a value that does not begin with them',
}

/**
 * The number of the first line that is `wrong`. Works on bytes: no byte of a multi-byte character looks like a line
 * feed.
 */
function lineThat(file: Buffer, wrong: (line: Buffer) => boolean): number {
  let start = 0
  for (let line = 1; ; line++) {
    const feed = file.indexOf(0x0a, start)
    if (feed < 0 || wrong(file.subarray(start, feed))) return line
    start = feed + 1
  }
}
