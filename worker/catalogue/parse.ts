import { createHash } from 'node:crypto'
import { brokenRow, shown } from './broken.ts'
import { type Column, type Row, readRows } from './rows.ts'
import { sellerSkus } from './seller-sku.ts'

/** A product as a file describes it. Money is text, exact to the cent. */
export interface FileProduct {
  sellerSku: string
  barcode: string | null
  /** The regular price. */
  price: string
  /** The current price, if it is lower. */
  specialPrice: string | null
  /** null if the file does not say. */
  stock: number | null
  attributes: Record<string, string>
}

export interface FileImage {
  position: number
  url: string
  /** md5 of the url: the picture itself is not fetched. */
  hash: string
}

export interface FileSet {
  seller: string
  handle: string
  title: string
  description: string | null
  brand: string | null
  primaryCategory: string | null
  categories: string[]
  products: FileProduct[]
  images: FileImage[]
}

/**
 * What a file leaves open in a row, so that a value was assumed. The importing person must be told.
 *
 * `stock_not_in_file`: there is no stock column. `stock_not_tracked`: the shop does not count the stock of the variant.
 * `other_title`: a later row of a handle has a different Title; that of the first row counts.
 */
export type Assumption = 'stock_not_in_file' | 'stock_not_tracked' | 'other_title'

interface Options {
  /** The seller of these products; without it, each set's `Vendor`. */
  seller?: string | undefined
  /** Called for each row in which a value was assumed. */
  assume?: (what: Assumption) => void
}

/** A longer name would not fit the index that finds it again; it is also Shopify's limit for a handle. */
const MAX_NAME = 255
const MAX_INT = 2_147_483_647
const MAX_PRICE = 9_999_999_999.99
const OPTIONS = [1, 2, 3] as const

/**
 * Reads a Shopify product CSV export. Rows with the same handle are one product set: the first row names it, each row
 * with variant columns is a product, and each row with an `Image Src` adds an image. One row may be both.
 *
 * @throws BrokenCatalogue at the first row that cannot be loaded
 */
export function parseCatalogue(file: Buffer, { seller, assume = () => {} }: Options = {}): FileSet[] {
  const rowsOf = new Map<string, Row[]>()
  for (const row of readRows(file, { vendorRequired: seller === undefined })) {
    const handle = name(row, 'Handle')
    if (!handle) throw brokenRow(row.line, '', `the ${row.columnName('Handle')} is missing`)
    const rows = rowsOf.get(handle)
    if (rows) rows.push(row)
    else rowsOf.set(handle, [row])
  }
  return [...rowsOf].map(([handle, rows]) => parseSet(handle, rows, seller, assume))
}

function parseSet(
  handle: string,
  rows: Row[],
  seller: string | undefined,
  assume: (what: Assumption) => void,
): FileSet {
  const first = rows[0]!
  const title = first.cell('Title')
  const vendor = name(first, 'Vendor')
  if (!title) throw brokenRow(first.line, handle, 'the first row of a handle must have a Title')
  if (!vendor && seller === undefined)
    throw brokenRow(first.line, handle, 'the Vendor is missing, and no --seller was named')

  for (const row of rows) {
    const other = name(row, 'Vendor')
    // Two shops in one file: their sets with the same handle would be merged.
    if (other && other !== vendor)
      throw brokenRow(
        row.line,
        handle,
        `the Vendor is ${shown(other)}, but the handle began with ${shown(vendor)} at line ${first.line}`,
      )
    if (row.cell('Title') && row.cell('Title') !== title) assume('other_title')
    if (!isVariant(row) && (row === first || !row.cell('Image Src')))
      throw brokenRow(row.line, handle, 'the row has neither a variant nor a further image')
  }
  return {
    seller: seller ?? vendor,
    handle,
    title,
    description: first.cell('Body (HTML)') || null,
    brand: vendor || null,
    primaryCategory: first.cell('Type') || null,
    categories: [
      ...new Set(
        first
          .cell('Tags')
          .split(',')
          .map((tag) => tag.trim())
          .filter(Boolean),
      ),
    ],
    products: parseProducts(handle, first, rows.filter(isVariant), assume),
    images: parseImages(handle, rows),
  }
}

const isVariant = (row: Row): boolean =>
  (['Variant Price', 'Variant Inventory Qty', 'Variant SKU', 'Option1 Value'] as const).some(
    (column) => row.cell(column) !== '',
  )

function parseProducts(handle: string, first: Row, rows: Row[], assume: (what: Assumption) => void): FileProduct[] {
  const options = rows.map((row) => optionsOf(first, row))
  const skus = sellerSkus(
    handle,
    rows.map((row, index) => ({ given: code(row, 'Variant SKU'), options: options[index]!.map(([, value]) => value) })),
  )
  const lineOf = new Map<string, number>()
  return rows.map((row, index) => {
    const sellerSku = skus[index]!
    const twin = lineOf.get(sellerSku)
    if (twin !== undefined) throw brokenRow(row.line, handle, `the variant is the same as that of line ${twin}`)
    lineOf.set(sellerSku, row.line)
    return {
      sellerSku,
      barcode: code(row, 'Variant Barcode') || null,
      ...prices(handle, row),
      stock: stock(handle, row, assume),
      attributes: attributes(row, options[index]!),
    }
  })
}

/** Only the first row has the names. "Title: Default Title" is how Shopify says that a product has no options. */
function optionsOf(first: Row, row: Row): [name: string, value: string][] {
  const options: [string, string][] = []
  for (const n of OPTIONS) {
    const value = row.cell(`Option${n} Value`).normalize('NFC')
    if (value && value !== 'Default Title') options.push([first.cell(`Option${n} Name`) || `Option${n}`, value])
  }
  return options
}

function attributes(row: Row, options: [string, string][]): Record<string, string> {
  const facts: [string, string][] = [
    ['grams', row.cell('Variant Grams')],
    ['tax_code', row.cell('Variant Tax Code')],
  ]
  return Object.fromEntries([...facts.filter(([, value]) => value !== '' && Number(value) !== 0), ...options])
}

/** Shopify's price is what the product costs now; a higher "compare at" price is the regular one. */
function prices(handle: string, row: Row): { price: string; specialPrice: string | null } {
  const now = amount(handle, row, 'Variant Price')
  if (now === null) throw brokenRow(row.line, handle, `the ${row.columnName('Variant Price')} is missing`)
  const regular = amount(handle, row, 'Variant Compare At Price')
  return regular !== null && Number(regular) > Number(now)
    ? { price: regular, specialPrice: now }
    : { price: now, specialPrice: null }
}

function amount(handle: string, row: Row, column: Column): string | null {
  const text = row.cell(column)
  if (!text) return null
  const broken = (why: string) => brokenRow(row.line, handle, `the ${row.columnName(column)} ${shown(text)} ${why}`)
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw broken('is no number')
  if (text.startsWith('-')) throw broken('is negative')
  if (/\.\d\d\d*[1-9]/.test(text)) throw broken('has more than two decimals')
  if (Number(text) > MAX_PRICE) throw broken('is too high')
  return text
}

/**
 * Shopify counts below zero when more has been sold than was in stock: nothing is left to sell. If it does not track
 * stock, zero says nothing.
 */
function stock(handle: string, row: Row, assume: (what: Assumption) => void): number | null {
  const column = row.columnName('Variant Inventory Qty')
  if (column === undefined) {
    assume('stock_not_in_file')
    return null
  }
  const tracked =
    row.columnName('Variant Inventory Tracker') === undefined || row.cell('Variant Inventory Tracker') !== ''
  const text = row.cell('Variant Inventory Qty')
  if (!text && tracked) throw brokenRow(row.line, handle, `the ${column} is missing`)
  if (!/^(-?\d+)?$/.test(text) || Number(text) > MAX_INT)
    throw brokenRow(row.line, handle, `the ${column} ${shown(text)} is no quantity`)
  const quantity = Math.max(0, Number(text))
  if (tracked) return quantity
  assume('stock_not_tracked')
  return quantity || null
}

/** Positions as given; an image without one follows the highest so far. A repeated url is the same image. */
function parseImages(handle: string, rows: Row[]): FileImage[] {
  const images = new Map<string, FileImage>()
  const lineOf = new Map<number, number>()
  let highest = 0
  for (const row of rows) {
    const url = row.cell('Image Src')
    if (!url) continue
    const text = row.cell('Image Position')
    const position = text ? Number(text) : highest + 1
    if (!/^\d*$/.test(text) || position < 1 || position > MAX_INT)
      throw brokenRow(row.line, handle, `the ${row.columnName('Image Position')} ${shown(text)} is no position`)
    if (!/^https?:/i.test(url) || !URL.canParse(url))
      throw brokenRow(row.line, handle, `the ${row.columnName('Image Src')} ${shown(url)} is no web address`)
    if (images.has(url)) continue
    const taken = lineOf.get(position)
    if (taken !== undefined)
      throw brokenRow(
        row.line,
        handle,
        `the ${row.columnName('Image Position')} ${position} is taken by the image of line ${taken}`,
      )
    lineOf.set(position, row.line)
    highest = Math.max(highest, position)
    images.set(url, { position, url, hash: createHash('md5').update(url).digest('hex') })
  }
  return [...images.values()]
}

/** Names by which rows are found again: one Unicode spelling of each letter, and short enough for an index. */
function name(row: Row, column: Column): string {
  const text = row.cell(column).normalize('NFC')
  const broken = (why: string) =>
    brokenRow(row.line, column === 'Handle' ? '' : name(row, 'Handle'), `the ${row.columnName(column)} ${why}`)
  if (text.length > MAX_NAME) throw broken(`has more than ${MAX_NAME} characters`)
  if (ROUNDED.test(text)) throw broken(`${shown(text)} is a number that a spreadsheet has rounded; its digits are lost`)
  if (SPREADSHEET_ERROR.test(text)) throw broken(`${shown(text)} is an error of a spreadsheet`)
  return text
}

/** How spreadsheets write a long numeric code that they took for a number: 4.05E+12. */
const ROUNDED = /^\d([.,]\d+)?E\+\d\d+$/i
const SPREADSHEET_ERROR = /^#(N\/A|REF!|VALUE!|NAME\?|NUM!|NULL!|DIV\/0!)$/i

/** Spreadsheets and Shopify put an apostrophe before a numeric code to keep it a text. */
const code = (row: Row, column: 'Variant SKU' | 'Variant Barcode'): string => name(row, column).replace(/^'(?=\d)/, '')
