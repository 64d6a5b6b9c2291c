import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase, type Database } from '../database.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const FIXTURE = join(ROOT, 'test/fixtures/catalogue.csv')
const LOADED = 'Loaded 27 products in 12 product sets with 18 images from catalogue.csv.\n'

const HEADER =
  'Handle,Title,Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price,Image Src,' +
  'Image Position'
const CAP = [
  'cap,Cap,Hatter,Size,M,,3,9.50,https://images.example/cap.jpg,1',
  'cap,,,,L,,2,9.50,https://images.example/side.jpg,2',
]

let database: Database
let folder: string

beforeAll(async () => {
  database = await createDatabase()
  folder = await mkdtemp(join(tmpdir(), 'shop-update-import-'))
})
beforeEach(() => database.sql`truncate catalog.seller, shop_update.item, shop_update.step restart identity cascade`)
afterAll(async () => {
  await database?.drop()
  await rm(folder, { recursive: true, force: true })
})

/** Runs the command itself, `node worker/import.ts …`. */
const runImport = (args: string[], url = database.url) =>
  new Promise<{ code: number; out: string; error: string }>((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, 'worker/import.ts'), ...args],
      { env: { DATABASE_URL: url }, cwd: folder },
      (failure, out, error) => resolve({ code: failure ? Number(failure.code) : 0, out, error }),
    )
  })

async function write(name: string, ...rows: string[]): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, [HEADER, ...rows].join('\n'))
  return path
}

const everything = () => database.sql`
  select r.name, r.active as seller_active, s.handle, s.src_id as set_src_id,
    s.title, s.brand, s.primary_category, s.categories, p.*,
    (select json_agg(m order by m.position) from catalog.product_image m where m.product_set_id = s.id) as images
  from catalog.seller r join catalog.product_set s on s.seller_id = r.id
  join catalog.product p on p.product_set_id = s.id
  order by p.id`

describe('npm run import', () => {
  it('loads sellers, product sets, products and images in the order of the file', async () => {
    expect(await runImport([FIXTURE])).toEqual({ code: 0, out: LOADED, error: '' })
    const rows = await everything()
    expect(rows).toHaveLength(27)
    expect(new Set(rows.map(({ name }) => name))).toEqual(new Set(['Tidewater Clothing', 'Lumen & Oak', 'دار النيل']))
    expect(rows[0]).toMatchObject({
      seller_active: true,
      handle: 'harbour-rain-coat',
      set_src_id: null,
      title: 'Harbour Rain Coat',
      brand: 'Tidewater Clothing',
      primary_category: 'Coats',
      categories: ['coats', 'rain', 'new'],
      id: '1',
      seller_sku: 'HARBOUR-RAIN-COAT-SMALL-NAVY',
      shop_sku: null,
      src_id: null,
      active: true,
      qc_status: 'approved',
      price: '159.00',
      special_price: '129.00',
      stock: 14,
      attributes: { Size: 'Small', Colour: 'Navy', grams: '980' },
    })
    expect(rows[0]!.description).toContain('<li>Hood, 12" deep, folds away</li>\n')
    expect(rows[0]!.images.map(({ position }: { position: number }) => position)).toEqual([1, 2, 4, 5])
    expect(rows.map(({ stock }) => stock)).not.toContain(-2)
    const [queued] = await database.sql`select count(*)::int as n from shop_update.item`
    expect(queued!.n).toBe(0)
  })

  it('changes nothing when the same file is loaded again', async () => {
    await runImport([FIXTURE])
    const before = await everything()
    expect((await runImport([FIXTURE, FIXTURE])).out).toBe(LOADED + LOADED)
    expect(await everything()).toEqual(before)
  })

  it('updates known products, keeps what the Shop has given, leaves alone what is not in the file', async () => {
    await runImport([await write('cap.csv', ...CAP)])
    const { sql } = database
    await sql`update catalog.product_set set src_id = '700'`
    await sql`
      update catalog.product
      set src_id = (9000 + id)::text, shop_sku = 'AC-' || id, active = false, qc_status = 'rejected',
        special_price = 8, special_from = now(), special_to = now()`
    await sql`update catalog.seller set active = false`
    const changed = 'cap,Warm Cap,Hatter,Size,L,,7,12,https://images.example/new.jpg,5'
    expect(await runImport([await write('cap.csv', changed)])).toMatchObject({
      code: 0,
      out: 'Loaded 1 product in 1 product set with 1 image from cap.csv.\n',
    })
    const [medium, large] = await everything()
    expect(medium).toMatchObject({
      seller_sku: 'CAP-M',
      src_id: '9001',
      price: '9.50',
      active: false,
      title: 'Cap',
      set_src_id: '700',
    })
    expect(large).toMatchObject({
      seller_sku: 'CAP-L',
      src_id: '9002',
      shop_sku: 'AC-2',
      price: '12.00',
      stock: 7,
      active: true,
      qc_status: 'approved',
    })
    expect(large).toMatchObject({ seller_active: true, special_price: null, special_from: null, special_to: null })
    expect(large!.images).toEqual([expect.objectContaining({ position: 5, url: 'https://images.example/new.jpg' })])
  })

  it.each([
    [
      'of a shop with several locations, which has no stock',
      'several-locations.csv',
      'Loaded 2 products in 1 product set with 1 image from several-locations.csv. ' +
        'Stock is not in the file (2 rows): kept for known products, 0 for new ones.\n',
      [
        {
          handle: 'linen-robe',
          seller_sku: 'LR-S',
          price: '30.00',
          special_price: '25.00',
          stock: 0,
          barcode: '4012345000058',
          images: 1,
        },
        {
          handle: 'linen-robe',
          seller_sku: 'LR-M',
          price: '30.00',
          special_price: '25.00',
          stock: 0,
          barcode: '4012345000065',
          images: 1,
        },
      ],
    ],
    [
      'with the newer names of its columns',
      'newer-names.csv',
      'Loaded 2 products in 1 product set with 1 image from newer-names.csv.\n',
      [
        {
          handle: 'wool-jumper',
          seller_sku: 'WJ-S',
          price: '35.00',
          special_price: '29.99',
          stock: 10,
          barcode: null,
          images: 1,
        },
        {
          handle: 'wool-jumper',
          seller_sku: 'WJ-M',
          price: '29.99',
          special_price: null,
          stock: 4,
          barcode: null,
          images: 1,
        },
      ],
    ],
    [
      'of a shop that does not count',
      'not-tracked.csv',
      'Loaded 1 product in 1 product set with 1 image from not-tracked.csv. Stock is not tracked by the shop in 1 ' +
        'row: taken where it is more than 0, else kept for known products, 0 for new ones.\n',
      [
        {
          handle: 'signet',
          seller_sku: 'SG-1',
          price: '650000.00',
          special_price: null,
          stock: 0,
          barcode: null,
          images: 1,
        },
      ],
    ],
  ])('loads an export %s', async (_, name, out, expected) => {
    const file = join(ROOT, 'test/fixtures', name)
    expect(await runImport([file])).toEqual({ code: 0, out, error: '' })
    const picked = (rows: Awaited<ReturnType<typeof everything>>) =>
      rows.map(({ handle, seller_sku, price, special_price, stock, barcode, images }) => {
        return { handle, seller_sku, price, special_price, stock, barcode, images: images.length }
      })
    expect(picked(await everything())).toEqual(expected)

    // what the file does not contain is kept, and the rest is not
    const { sql } = database
    await sql`update catalog.product set stock = 77, price = 1`
    await runImport([file])
    expect((await everything()).map(({ stock, price }) => ({ stock, price }))).toEqual(
      expected.map(({ stock, price }) => ({ stock: stock || 77, price })),
    )
  })

  it('loads nothing of a file whose codes a spreadsheet has rounded', async () => {
    expect(await runImport([join(ROOT, 'test/fixtures/rounded.csv')])).toEqual({
      code: 1,
      out: '',
      error:
        'rounded.csv was not loaded: line 3 (apron): the Variant SKU "4.05E+12" is a number that a spreadsheet ' +
        'has rounded; its digits are lost.\n',
    })
    expect(await everything()).toEqual([])
  })

  it('puts everything under one seller with --seller, and queues it with --enqueue', async () => {
    const file = await write('cap.csv', ...CAP)
    expect((await runImport([file, '--seller', 'Shop 24', '--enqueue'])).code).toBe(0)
    expect((await everything()).map(({ name, brand }) => [name, brand])).toEqual(Array(2).fill(['Shop 24', 'Hatter']))
    const items = await database.sql`select topic, product_id, product_set_id from shop_update.item order by id`
    expect(items.map(({ topic }) => topic).toSorted()).toEqual([
      'images',
      'new_product_set',
      'price',
      'price',
      'stock',
      'stock',
    ])
  })

  it('loads nothing of a broken file, and the other files all the same', async () => {
    const broken = await write('broken.csv', ...CAP, 'hat,Hat,Hatter,,,,1,free,,')
    const good = await write('good.csv', 'scarf,Scarf,Weaver,,,,1,20,,')
    expect(await runImport([broken, good, 'missing.csv', '.'])).toEqual({
      code: 1,
      out: 'Loaded 1 product in 1 product set with 0 images from good.csv.\n',
      error: [
        'broken.csv was not loaded: line 4 (hat): the Variant Price "free" is no number.',
        'missing.csv was not loaded: there is no such file.',
        '. was not loaded: it is a folder.\n',
      ].join('\n'),
    })
    expect((await everything()).map(({ seller_sku }) => seller_sku)).toEqual(['SCARF'])
  })

  it('loads nothing when the database refuses a row', async () => {
    const { sql } = database
    await sql`alter table catalog.product add constraint refused check (seller_sku <> 'SCARF')`
    const result = await runImport([await write('both.csv', ...CAP, 'scarf,Scarf,Weaver,,,,1,20,,')])
    await sql`alter table catalog.product drop constraint refused`
    expect(result.code).toBe(1)
    expect(await sql`select from catalog.seller`).toHaveLength(0)
  })

  it.each([[[]], [['--sellr', 'X', 'a.csv']], [['a.csv', '--seller', '']]])(
    'tells how it is used: %j',
    async (args) => {
      expect(await runImport(args)).toEqual({
        code: 1,
        out: '',
        error: 'Usage: npm run import -- FILE.csv ... [--seller NAME] [--enqueue]\n',
      })
    },
  )

  it('wants a database with the schema', async () => {
    const missing = 'DATABASE_URL is missing: it must be a URL like postgres://user:password@host:5432/database.\n'
    expect(await runImport([FIXTURE], '')).toEqual({ code: 1, out: '', error: missing })
    const empty = await createDatabase({ migrated: false })
    const result = await runImport([FIXTURE], empty.url)
    await empty.drop()
    expect(result).toEqual({
      code: 1,
      out: '',
      error: 'The database has no Shop Update schema yet: run "npm run migrate".\n',
    })
  })
})
