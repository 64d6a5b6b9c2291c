import { describe, expect, it } from 'vitest'
import { parseCatalogue } from '../../worker/catalogue/parse.ts'

const HEADER =
  'Handle,Title,Body (HTML),Vendor,Type,Tags,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,' +
  'Variant Price,Variant Compare At Price,Variant Barcode,Image Src,Image Position'

type Cells = Partial<Record<string, string>>

/** One row; by default a plain first row of the set "cap". */
const FIRST: Cells = {
  Handle: 'cap',
  Title: 'Cap',
  Vendor: 'Hatter',
  'Variant Inventory Qty': '3',
  'Variant Price': '9.50',
}
const quoted = (value: string): string => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)
const row = (cells: Cells): string =>
  HEADER.split(',')
    .map((column) => quoted(cells[column] ?? ''))
    .join(',')
const file = (...rows: (Cells | string)[]): Buffer =>
  Buffer.from([HEADER, ...rows.map((cells) => (typeof cells === 'string' ? cells : row(cells)))].join('\n'))

const further = (url: string, position: string): Cells => ({
  Handle: 'cap',
  'Image Src': url,
  'Image Position': position,
})
const URLS = ['https://images.example/1.jpg', 'https://images.example/2.jpg', 'https://images.example/3.jpg'] as const

describe('a product', () => {
  it.each([
    [
      { 'Variant Price': '42.99', 'Variant Compare At Price': '44.99' },
      { price: '44.99', specialPrice: '42.99' },
    ],
    [
      { 'Variant Price': '42.99', 'Variant Compare At Price': '42.99' },
      { price: '42.99', specialPrice: null },
    ],
    [
      { 'Variant Price': '42.99', 'Variant Compare At Price': '30' },
      { price: '42.99', specialPrice: null },
    ],
    [{ 'Variant Price': '0' }, { price: '0', specialPrice: null }],
    [{ 'Variant Inventory Qty': '-2' }, { stock: 0 }],
    [
      { 'Variant SKU': "'00123", 'Variant Barcode': "'4006381333931" },
      { sellerSku: '00123', barcode: '4006381333931' },
    ],
    [
      { 'Option1 Name': 'Title', 'Option1 Value': 'Default Title' },
      { sellerSku: 'CAP', attributes: {} },
    ],
    [
      { 'Option1 Name': 'Size', 'Option1 Value': 'M' },
      { sellerSku: 'CAP-M', attributes: { Size: 'M' } },
    ],
  ])('%j is read as %j', (cells, product) => {
    expect(parseCatalogue(file({ ...FIRST, ...cells }))[0]!.products).toEqual([expect.objectContaining(product)])
  })
})

describe('stock', () => {
  const columns = (...named: string[]) =>
    `${HEADER.replace(',Variant Inventory Qty', '')}${named.map((name) => `,${name}`).join('')}`
  const read = (header: string, cells: Cells) => {
    const assumed: string[] = []
    const row = header.split(',').map((column) => ({ ...FIRST, ...cells })[column] ?? '')
    const [set] = parseCatalogue(Buffer.from(`${header}\n${row.join(',')}`), { assume: (what) => assumed.push(what) })
    return { stock: set!.products[0]!.stock, assumed }
  }

  it('that has no column is not known', () => {
    expect(read(columns(), {})).toEqual({ stock: null, assumed: ['stock_not_in_file'] })
  })

  it.each([
    ['shopify', '0', { stock: 0, assumed: [] }],
    ['shopify', '-4', { stock: 0, assumed: [] }],
    ['', '0', { stock: null, assumed: ['stock_not_tracked'] }],
    ['', '-4', { stock: null, assumed: ['stock_not_tracked'] }],
    ['', '', { stock: null, assumed: ['stock_not_tracked'] }],
    ['', '5', { stock: 5, assumed: ['stock_not_tracked'] }],
  ])('that is tracked by "%s" and is "%s" is read as %j', (tracker, quantity, expected) => {
    const cells = { 'Variant Inventory Tracker': tracker, 'Variant Inventory Qty': quantity }
    expect(read(columns('Variant Inventory Tracker', 'Variant Inventory Qty'), cells)).toEqual(expected)
  })
})

describe('a product set', () => {
  it('is what its first row says, with the option names of that row', () => {
    const sets = parseCatalogue(
      file(
        {
          ...FIRST,
          'Body (HTML)': '<p>Two\nlines</p>',
          Type: 'Hats',
          Tags: 'wool, red ,wool',
          'Option1 Name': 'Size',
          'Option1 Value': 'M',
        },
        { Handle: 'cap', 'Option1 Value': 'L', 'Variant Inventory Qty': '1', 'Variant Price': '10' },
      ),
    )
    expect(sets).toEqual([
      {
        seller: 'Hatter',
        handle: 'cap',
        title: 'Cap',
        description: '<p>Two\nlines</p>',
        brand: 'Hatter',
        primaryCategory: 'Hats',
        categories: ['wool', 'red'],
        products: [
          { sellerSku: 'CAP-M', barcode: null, price: '9.50', specialPrice: null, stock: 3, attributes: { Size: 'M' } },
          { sellerSku: 'CAP-L', barcode: null, price: '10', specialPrice: null, stock: 1, attributes: { Size: 'L' } },
        ],
        images: [],
      },
    ])
  })

  it('belongs to the seller that was named, and keeps its brand', () => {
    expect(parseCatalogue(file(FIRST), { seller: 'Shop 24' })[0]).toMatchObject({ seller: 'Shop 24', brand: 'Hatter' })
  })

  it('has the Title of its first row, and who loads it hears of another', () => {
    const assumed: string[] = []
    const second = { ...FIRST, Title: 'Cup', 'Option1 Value': 'L' }
    const third = { ...FIRST, 'Option1 Value': 'XL' }
    const [set] = parseCatalogue(file(FIRST, second, third), { assume: (what) => assumed.push(what) })
    expect([set!.title, assumed]).toEqual(['Cap', ['other_title']])
  })

  it('has each image once, at the positions given, or after the highest', () => {
    const [set] = parseCatalogue(
      file(
        { ...FIRST, 'Image Src': URLS[0], 'Image Position': '4' },
        further(URLS[1], ''),
        further(URLS[0], '9'),
        further(URLS[2], '2'),
      ),
    )
    expect(set!.images.map(({ url, position }) => [url, position])).toEqual([
      [URLS[0], 4],
      [URLS[1], 5],
      [URLS[2], 2],
    ])
    expect(set!.images[0]!.hash).toMatch(/^[0-9a-f]{32}$/)
  })
})

describe('a file', () => {
  const text = file({ ...FIRST, 'Body (HTML)': 'a\nb' }, '', ',,,,,,,,,,,,,,').toString()

  it.each([
    ['a byte order mark', `\uFEFF${text}`],
    ['line ends of two characters', text.replaceAll('\n', '\r\n')],
    ['more columns than are known', text.replace(HEADER, `Published,${HEADER}`).replace('\ncap', '\ntrue,cap')],
    ['the columns in another order', text.replace('Handle,Title', 'Title,Handle')],
    ['other capitals and blanks in its header', text.replace('Variant Price', ' VARIANT  price')],
    ['semicolons between its columns', text.replaceAll(',', ';')],
    ['tabs between its columns', text.replaceAll(',', '\t')],
  ])('may have %s', (_, changed) => {
    expect(parseCatalogue(Buffer.from(changed))).toHaveLength(1)
  })

  it.each([
    ['in its order of bytes', (utf16: Buffer) => utf16],
    ['in the other', (utf16: Buffer) => utf16.swap16()],
  ])('may be UTF-16, %s', (_, order) => {
    const saved = order(Buffer.from(`\uFEFF${text.replaceAll(',', '\t').replace('Cap', 'Mütze')}`, 'utf16le'))
    expect(parseCatalogue(saved)[0]).toMatchObject({ title: 'Mütze', description: 'a\nb' })
  })

  it('may call each column as newer exports do', () => {
    const lines = [
      'URL handle,Title,Description,Vendor,Custom Product Type,SKU,Barcode,Option1 name,Option1 value,Price,' +
        'Compare-at price,Tax code,Inventory tracker,Inventory quantity,Weight value (grams),Product image URL,' +
        'Image position',
      `jumper,Jumper,Thick,Tidewater,Knitwear,J-S,4006381333931,Size,S,29.99,35.00,P1,shopify,10,480,${URLS[0]},1`,
      'jumper,,,,,J-M,,,M,29.99,,,,0,480,,', // its stock is not tracked
    ]
    const assumed: string[] = []
    const sets = parseCatalogue(Buffer.from(lines.join('\n')), { assume: (what) => assumed.push(what) })
    expect(sets).toMatchObject([
      {
        handle: 'jumper',
        description: 'Thick',
        primaryCategory: 'Knitwear',
        products: [
          {
            sellerSku: 'J-S',
            barcode: '4006381333931',
            price: '35.00',
            specialPrice: '29.99',
            stock: 10,
            attributes: { Size: 'S', grams: '480', tax_code: 'P1' },
          },
          { sellerSku: 'J-M', price: '29.99', stock: null },
        ],
        images: [{ url: URLS[0] }],
      },
    ])
    expect(assumed).toEqual(['stock_not_tracked'])
  })

  it('may have a column that is called as a newer export calls another: it is one of the many unknown', () => {
    const both = file({ ...FIRST, Type: '99' })
      .toString()
      .replace('Type', 'Price')
    expect(parseCatalogue(Buffer.from(both))[0]!.products).toEqual([expect.objectContaining({ price: '9.50' })])
  })

  it('may have a very long description', () => {
    const body = 'x'.repeat(2 ** 20)
    expect(parseCatalogue(file({ ...FIRST, 'Body (HTML)': body }))[0]!.description).toBe(body)
  })
})

describe('a broken file is told in one sentence', () => {
  const long: Cells = { ...FIRST, Handle: 'coat', 'Body (HTML)': 'three\r\nlines\r\nlong' }
  const next = { Handle: 'cap', 'Variant Inventory Qty': '1', 'Variant Price': '1' }

  it.each<[string, Buffer, string]>([
    ['empty', Buffer.from(''), 'the file is empty.'],
    ['nothing but lines', Buffer.from('\n \n\n'), 'the file is empty.'],
    ['no rows', file(), 'the file has a header and no rows.'],
    [
      'no UTF-8',
      Buffer.concat([file(FIRST), Buffer.from('\ncap,M\xfctze', 'latin1')]),
      'line 3: the text is no valid UTF-8.',
    ],
    ['a NUL', file(FIRST, { ...FIRST, Title: 'C\0p' }), 'line 3: the text holds a NUL character.'],
    [
      'a missing column',
      Buffer.from(file(FIRST).toString().replace('Variant Price', 'Cost')),
      'line 1: the column "Variant Price" is missing.',
    ],
    [
      'a column missing under its newer name',
      Buffer.from(file(FIRST).toString().replace('Variant Price', 'Cost').replace('Handle', 'URL handle')),
      'line 1: the column "Price" is missing.',
    ],
    [
      'a column twice, in other capitals',
      Buffer.from(file(FIRST).toString().replace('Type', 'TITLE')),
      'line 1: the column "TITLE" is there twice.',
    ],
    [
      'a price in words under its newer name',
      Buffer.from(
        file({ ...FIRST, 'Variant Price': 'ten' })
          .toString()
          .replace('Variant Price', 'Price'),
      ),
      'line 2 (cap): the Price "ten" is no number.',
    ],
    ...['4.05E+12', '3,65275e+11', '4E+12'].flatMap((value): [string, Buffer, string][] =>
      ['Variant SKU', 'Variant Barcode'].map((column) => [
        `a ${column} of ${value}`,
        file(long, { ...FIRST, [column]: value }),
        `line 5 (cap): the ${column} "${value}" is a number that a spreadsheet has rounded; its digits are lost.`,
      ]),
    ),
    [
      'an SKU of #N/A',
      file({ ...FIRST, 'Variant SKU': '#N/A' }),
      'line 2 (cap): the Variant SKU "#N/A" is an error of a spreadsheet.',
    ],
    ['half of UTF-16', Buffer.from([0xff, 0xfe, 0x48]), 'the text is no valid UTF-16.'],
    [
      'a column twice',
      Buffer.from(file(FIRST).toString().replace('Type', 'Title')),
      'line 1: the column "Title" is there twice.',
    ],
    ['a short row', file(FIRST, 'cap,Cap,'), 'line 3 (cap): the row has 3 columns, the header 15.'],
    ['a long row', file(`${row(FIRST)},`), 'line 2 (cap): the row has 16 columns, the header 15.'],
    ['open quotes', file(FIRST, long, 'cap,"Cap,,', FIRST), 'line 6: the row opens quotes that are never closed.'],
    ['quotes inside', file('cap,Ca"p'), 'line 2: there are quotes inside a value that does not begin with them.'],
    ['no Handle', file(long, { ...FIRST, Handle: ' ' }), 'line 5: the Handle is missing.'],
    ['no Title', file({ ...FIRST, Title: '' }), 'line 2 (cap): the first row of a handle must have a Title.'],
    ['no Vendor', file({ ...FIRST, Vendor: '' }), 'line 2 (cap): the Vendor is missing, and no --seller was named.'],
    [
      'another Vendor',
      file(FIRST, { ...next, Vendor: 'Milliner' }),
      'line 3 (cap): the Vendor is "Milliner", but the handle began with "Hatter" at line 2.',
    ],
    [
      'a set without products',
      file({ Handle: 'cap', Title: 'Cap', Vendor: 'Hatter' }),
      'line 2 (cap): the row has neither a variant nor a further image.',
    ],
    [
      'a row of nothing',
      file(FIRST, { Handle: 'cap' }),
      'line 3 (cap): the row has neither a variant nor a further image.',
    ],
    ['no price', file({ ...FIRST, 'Variant Price': '' }), 'line 2 (cap): the Variant Price is missing.'],
    [
      'a price in words',
      file(long, { ...FIRST, 'Variant Price': 'ten' }),
      'line 5 (cap): the Variant Price "ten" is no number.',
    ],
    [
      'a price with a comma',
      file({ ...FIRST, 'Variant Price': '1,50' }),
      'line 2 (cap): the Variant Price "1,50" is no number.',
    ],
    [
      'a price of NaN',
      file({ ...FIRST, 'Variant Price': 'NaN' }),
      'line 2 (cap): the Variant Price "NaN" is no number.',
    ],
    [
      'a negative price',
      file({ ...FIRST, 'Variant Price': '-1' }),
      'line 2 (cap): the Variant Price "-1" is negative.',
    ],
    [
      'a fine price',
      file({ ...FIRST, 'Variant Price': '1.005' }),
      'line 2 (cap): the Variant Price "1.005" has more than two decimals.',
    ],
    [
      'a huge price',
      file({ ...FIRST, 'Variant Price': '1'.repeat(12) }),
      'line 2 (cap): the Variant Price "111111111111" is too high.',
    ],
    [
      'a bad compare at price',
      file({ ...FIRST, 'Variant Compare At Price': 'x' }),
      'line 2 (cap): the Variant Compare At Price "x" is no number.',
    ],
    [
      'no quantity',
      file({ ...FIRST, 'Variant Inventory Qty': '' }),
      'line 2 (cap): the Variant Inventory Qty is missing.',
    ],
    [
      'an unknown quantity',
      file({ ...FIRST, 'Variant Inventory Qty': 'many' }),
      'line 2 (cap): the Variant Inventory Qty "many" is no quantity.',
    ],
    [
      'half a piece',
      file({ ...FIRST, 'Variant Inventory Qty': '1.5' }),
      'line 2 (cap): the Variant Inventory Qty "1.5" is no quantity.',
    ],
    ['the same variant twice', file(FIRST, next), 'line 3 (cap): the variant is the same as that of line 2.'],
    ['a position of zero', file(FIRST, further(URLS[0], '0')), 'line 3 (cap): the Image Position "0" is no position.'],
    [
      'a position in words',
      file(FIRST, further(URLS[0], 'first')),
      'line 3 (cap): the Image Position "first" is no position.',
    ],
    [
      'a position twice',
      file(FIRST, further(URLS[0], '1'), further(URLS[1], '1')),
      'line 4 (cap): the Image Position 1 is taken by the image of line 3.',
    ],
    [
      'no web address',
      file(FIRST, further('c:/cap.jpg', '1')),
      'line 3 (cap): the Image Src "c:/cap.jpg" is no web address.',
    ],
    [
      'a handle without end',
      file({ ...FIRST, Handle: 'x'.repeat(256) }),
      'line 2: the Handle has more than 255 characters.',
    ],
  ])('%s', (_, broken, message) => {
    expect(() => parseCatalogue(broken)).toThrow(new Error(message))
  })
})
