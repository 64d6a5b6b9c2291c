import { isUtf8 } from 'node:buffer'
import { parse } from 'csv-parse/sync'
import { BrokenCatalogue, brokenRow } from './broken.ts'

/** The columns without which a file is no product export. All others are taken where they are there. */
const REQUIRED = [
  'Handle',
  'Title',
  'Vendor',
  'Option1 Name',
  'Option1 Value',
  'Variant SKU',
  'Variant Inventory Qty',
  'Variant Price',
  'Image Src',
  'Image Position',
] as const

const OPTIONAL = [
  'Body (HTML)',
  'Type',
  'Tags',
  'Option2 Name',
  'Option2 Value',
  'Option3 Name',
  'Option3 Value',
  'Variant Grams',
  'Variant Compare At Price',
  'Variant Barcode',
  'Variant Tax Code',
] as const

export type Column = (typeof REQUIRED)[number] | (typeof OPTIONAL)[number]

export interface Row {
  /** Where the row begins in the file; the header is line 1. A row may span many lines. */
  line: number
  /** The trimmed value; '' where the file has no such column. */
  cell(column: Column): string
}

/**
 * Reads the rows of a product CSV export, as UTF-8 with or without a byte order mark. Rows in which nothing stands are passed over.
 *
 * @param vendorRequired false when the seller is named by the command
 * @throws BrokenCatalogue for a file that is empty, is no UTF-8, is no CSV, lacks a column, or has a row of another width than its header
 */
export function readRows(file: Buffer, { vendorRequired = true }: { vendorRequired?: boolean } = {}): Row[] {
  if (!isUtf8(file))
    throw brokenRow(
      lineThat(file, (line) => !isUtf8(line)),
      '',
      'the text is no valid UTF-8',
    )
  // The one character that is valid UTF-8 and no text for PostgreSQL.
  if (file.includes(0))
    throw brokenRow(
      lineThat(file, (line) => line.includes(0)),
      '',
      'the text holds a NUL character',
    )

  const [header, ...records] = readRecords(file)
  if (!header) throw new BrokenCatalogue('the file is empty.')
  const names = header.values.map((name) => name.trim())
  const missing = REQUIRED.find((name) => !names.includes(name) && (name !== 'Vendor' || vendorRequired))
  if (missing) throw brokenRow(header.line, '', `the column "${missing}" is missing`)
  const columns = new Map<string, number>()
  for (const [index, name] of names.entries()) {
    if (columns.has(name) && isColumn(name)) throw brokenRow(header.line, '', `the column "${name}" is there twice`)
    columns.set(name, index)
  }
  if (records.length === 0) throw new BrokenCatalogue('the file has a header and no rows.')

  return records.map(({ line, values }) => {
    const cell = (column: Column): string => values[columns.get(column) ?? -1]?.trim() ?? ''
    if (values.length !== names.length)
      throw brokenRow(line, cell('Handle'), `the row has ${values.length} columns, the header ${names.length}`)
    return { line, cell }
  })
}

const isColumn = (name: string): name is Column => ([...REQUIRED, ...OPTIONAL] as string[]).includes(name)

/** Lines are counted here: the parser counts a line break of two characters twice when it stands within quotes. */
function readRecords(file: Buffer): { line: number; values: string[] }[] {
  const records: { line: number; values: string[] }[] = []
  let line = 1
  try {
    parse(file, {
      bom: true,
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

/** The number of the first line that is `wrong`. Works on bytes: no byte of a character of several bytes looks like a line feed. */
function lineThat(file: Buffer, wrong: (line: Buffer) => boolean): number {
  let start = 0
  for (let line = 1; ; line++) {
    const feed = file.indexOf(0x0a, start)
    if (feed < 0 || wrong(file.subarray(start, feed))) return line
    start = feed + 1
  }
}
