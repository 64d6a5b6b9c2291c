import { describe, expect, it, vi } from 'vitest'
import type { CatalogueProduct, CatalogueSet } from '../../worker/domain/catalogue.ts'
import { storable } from '../../worker/domain/text.ts'
import { TOPIC_NAMES, type Topic } from '../../worker/domain/topics.ts'
import {
  type Answer,
  type Asked,
  askedFromJson,
  askedOf,
  finalResult,
  parseShopJson,
  readAnswer,
  readResult,
  type SyncedRow,
} from '../../worker/shop/answer.ts'
import { buildCall, isCall } from '../../worker/shop/call.ts'

const stock: Asked = {
  requestId: '481516',
  topic: 'stock',
  products: [{ productId: '1001', sellerSku: 'TEE-BLK-M', sku: 'AC123APP-9001', srcId: '9001' }],
  setSrcId: null,
}
const created = (n: number, setSrcId: string | null = null): Asked => ({
  requestId: '481516',
  topic: setSrcId === null ? 'new_product_set' : 'new_product',
  products: Array.from({ length: n }, (_, k) => ({
    productId: `100${k}`,
    sellerSku: `TEE-${k}`,
    sku: null,
    srcId: null,
  })),
  setSrcId,
})
const images: Asked = { requestId: '481516', topic: 'images', products: [], setSrcId: '33295' }

const product = {
  seller_sku: 'TEE-BLK-M',
  sku: 'AC123APP-9001',
  id: '9001',
  config_id: '700',
  updated_at: '2026-11-24 07:15:00',
}
const made = (k: number, rest: object = {}) => ({
  status: 'success',
  product: {
    seller_sku: `TEE-${k}`,
    sku: `AC-${k}`,
    id: `900${k}`,
    config_id: '700',
    updated_at: '2026-11-24 07:15:00',
    ...rest,
  },
})
const collection = { productSetSrcId: 33295, images: [{ uri: '/p/1.jpg', hash: 'a'.repeat(32), srcId: 123 }] }
const refused = { status: 'failure', error: { message: 'Stock failed to update', code: 0 } }

const syncedRow: SyncedRow = {
  productId: '1001',
  srcId: '9001',
  shopSku: 'AC123APP-9001',
  configId: '700',
  updatedAt: '2026-11-24 07:15:00',
}
const madeRow = (k: number): SyncedRow => ({
  productId: `100${k}`,
  srcId: `900${k}`,
  shopSku: `AC-${k}`,
  configId: '700',
  updatedAt: '2026-11-24 07:15:00',
})

const element = (result: unknown, rest: object = {}) => ({ api: 1, id: '481516', result, ...rest })
const read = (body: unknown, asked = stock, httpStatus = 200) =>
  readAnswer(httpStatus, typeof body === 'string' ? body : JSON.stringify(body), asked)
const success = (...rows: SyncedRow[]): Answer => ({ kind: 'success', rows })
const acknowledged: Answer = { kind: 'acknowledged' }
const unprocessable = (message: string | RegExp) => ({ kind: 'unprocessable', message: expect.stringMatching(message) })
const failed = (message: string, code: number | null = null, rows: (SyncedRow | null)[] = [null]): Answer => ({
  kind: 'failure',
  message,
  code,
  rows,
})

describe('the HTTP exchange (section 2)', () => {
  const rows = [{ status: 'success', product }]
  const final = success(syncedRow)
  const cases: [string, unknown, unknown][] = [
    ['a final answer', [element(rows)], final],
    ['one bare object', element(rows), final],
    ['an id as a number', [element(rows, { id: 481516 })], final],
    ['the answer to auth before it', [{ api: 1, id: 1, result: true }, element(rows)], final],
    ['the answer to auth after it', [element(rows), { api: 1, id: '1', result: [] }], final],
    ['odd elements beside it', [null, 7, 'x', [], element(rows)], final],
    ['an error elsewhere beside it', [{ id: null, error: { message: 'x' } }, element(rows)], final],
    ['an error member that is null', [element(rows, { error: null })], final],
    [
      'ids of products as numbers',
      [element([{ status: 'success', product: { ...product, id: 9001, config_id: 700 } }])],
      final,
    ],
    ['a byte order mark', `\ufeff${JSON.stringify([element(rows)])}`, final],
    ['an acknowledgment', [element([{ status: 'success' }])], acknowledged],
    ['an acknowledgment as a bare object', element([{ status: 'success' }]), acknowledged],
    ['an acknowledgment with an empty product', [element([{ status: 'success', product: null }])], acknowledged],
    [
      'an error on our element',
      [element(undefined, { error: { message: 'No such method', code: -32601 } })],
      failed('No such method', -32601),
    ],
    ['an error beside a result', [element(rows, { error: { message: 'Half done' } })], failed('Half done')],
    [
      'an error without id',
      { jsonrpc: '2.0', error: { message: 'Parse error', code: -32700 } },
      failed('Parse error', -32700),
    ],
    [
      'an error with id null',
      [{ id: null, error: { message: 'Parse error', code: -32700 } }],
      failed('Parse error', -32700),
    ],
    ['an error on auth', [{ api: 1, id: 1, error: { message: 'Wrong password' } }], failed('Wrong password')],
    ['an error that is text', { error: 'Maintenance' }, failed('Maintenance')],
    ['an error without words', { error: { code: 17 } }, failed('The Shop reported a failure without saying why.', 17)],
    ['an error with a code that is none', { error: { message: 'x', code: 'E1' } }, failed('x')],
    ['an error with a code past an integer column', { error: { message: 'x', code: 2 ** 31 } }, failed('x')],
    ['an error with text that no column takes', { error: { message: 'a\u0000b\ud800' } }, failed('a\ufffdb\ufffd')],
    ['a failed row', [element([refused])], failed('Stock failed to update', 0)],
    [
      'a failed row without a code',
      [element([{ status: 'failure', error: { message: 'Sold out' } }])],
      failed('Sold out'),
    ],
    [
      'a failed row without an error',
      [element([{ status: 'failure' }])],
      failed('The Shop reported a failure without saying why.'),
    ],
    ['a failed row that is no list', [element(refused)], failed('Stock failed to update', 0)],
    [
      'an error of somebody else',
      [{ id: '999', error: { message: 'x' } }],
      unprocessable('does not contain request 481516'),
    ],
    ['no element of ours', [element(rows, { id: '999' })], unprocessable('does not contain request 481516')],
    ['a result without id', { result: rows }, unprocessable('does not contain request 481516')],
    ['our request twice', [element(rows), element(rows)], unprocessable('twice')],
    ['an empty list', [], unprocessable('does not contain request')],
    ['JSON that is no object', '"ok"', unprocessable('does not contain request')],
    ['nothing', '', unprocessable('empty answer')],
    ['a page', '<html>It works!</html>', unprocessable('not JSON')],
    ['cut off JSON', '[{"api":1,"id":"481516","resu', unprocessable('not JSON')],
    [
      'JSON nested past the stack',
      `${'['.repeat(200_000)}1234567890123456${']'.repeat(200_000)}`,
      unprocessable('not JSON|does not contain'),
    ],
    ['no result', [{ api: 1, id: '481516' }], unprocessable('no list of results')],
    ['a success that is no list', [element({ status: 'success' })], unprocessable('no list of results')],
    ['no rows', [element([])], unprocessable('^The Shop answered 0 rows for 1 product\\.$')],
    ['a row too many', [element([...rows, ...rows])], unprocessable('^The Shop answered 2 rows for 1 product\\.$')],
    ['a row that is none', [element(['success'])], unprocessable('not an object')],
    ['a row without status', [element([{ product }])], unprocessable('neither success nor failure')],
    ['an unknown status', [element([{ status: 'Success', product }])], unprocessable('neither success nor failure')],
  ]
  it.each(cases)('%s', (_what, body, expected) => {
    expect(read(body)).toEqual(expected)
  })

  it('both flows: an acknowledgment of several products is one row all the same', () => {
    expect(read([element([{ status: 'success' }])], created(3))).toEqual(acknowledged)
    expect(read([element([{ status: 'success' }])], images)).toEqual(acknowledged)
  })

  it('one failed row turns down a call of several products', () => {
    expect(read([element([refused])], created(3))).toEqual(failed('Stock failed to update', 0, [null, null, null]))
  })
})

describe('HTTP statuses (section 4)', () => {
  const good = [element([{ status: 'success', product }])]

  it.each([400, 401, 404, 500, 502, 503, 504, 599])('HTTP %i is a failure, whatever the body says', (status) => {
    const answer = read(good, stock, status)
    expect(answer).toMatchObject({ kind: 'failure', code: null, rows: [null] })
    expect(answer).toHaveProperty('message', expect.stringContaining(`HTTP status ${status}: [{"api":1`))
  })

  it('"wait" is none, whatever the body says', () => {
    expect(readAnswer(429, JSON.stringify(good), stock, { saysWait: true })).toEqual({
      kind: 'busy',
      message: expect.stringContaining('HTTP status 429: [{"api":1'),
    })
  })

  it.each([301, 302, 304, 101, 0, Number.NaN])('HTTP %d is a failure: the Shop did not take the call', (status) => {
    expect(read(good, stock, status)).toHaveProperty('kind', 'failure')
  })

  it.each([200, 201, 202, 299])('HTTP %i is read', (status) => {
    expect(read(good, stock, status)).toEqual(success(syncedRow))
  })

  it('the message has a short start of the body, on one line', () => {
    const answer = read(`<html>\n  <body>\u0000 Bad gateway${' padding'.repeat(100_000)}`, stock, 502)
    expect(answer).toMatchObject({
      message: expect.stringMatching(
        /^The Shop answered with HTTP status 502: <html> <body>\ufffd Bad gateway padding.*…$/,
      ),
    })
    expect((answer as { message: string }).message.length).toBeLessThan(360)
    expect(read(' \n', stock, 500)).toHaveProperty('message', 'The Shop answered with HTTP status 500.')
  })

  it('a message that is cut in the middle of a character can be stored', () => {
    const answer = read(`a${'😀'.repeat(1000)}`, stock, 500) as { message: string }
    expect(answer.message.isWellFormed()).toBe(true)
  })
})

describe('an update', () => {
  const answered = (changes: object) => read([element([{ status: 'success', product: { ...product, ...changes } }])])
  const cases: [string, object, unknown][] = [
    ['config_id null', { config_id: null }, success({ ...syncedRow, configId: null })],
    ['config_id that is none', { config_id: false }, success({ ...syncedRow, configId: null })],
    ['no sku', { sku: undefined }, success({ ...syncedRow, shopSku: null })],
    ['an empty sku', { sku: '' }, success({ ...syncedRow, shopSku: null })],
    ['no seller_sku', { seller_sku: null }, success(syncedRow)],
    ['no id', { id: undefined }, unprocessable('without a usable product ID')],
    ['id null', { id: null }, unprocessable('without a usable product ID')],
    ['an empty id', { id: '' }, unprocessable('without a usable product ID')],
    ['an id that is an object', { id: {} }, unprocessable('without a usable product ID')],
    ['an id with U+0000', { id: '90\u000001' }, unprocessable('without a usable product ID')],
    ['an id with half a character', { id: '9001\ud800' }, unprocessable('without a usable product ID')],
    ['an endless id', { id: '9'.repeat(256) }, unprocessable('without a usable product ID')],
    ['the id of another', { id: '9002' }, unprocessable('about product 9002; asked was 9001')],
    ['an id with a leading zero', { id: '09001' }, unprocessable('about product 09001')],
    ['the seller_sku of another', { seller_sku: 'TEE-BLK-L' }, unprocessable('another product than TEE-BLK-M')],
    ['a seller_sku that is an object', { seller_sku: {} }, unprocessable('another product than TEE-BLK-M')],
    ['the sku of another', { sku: 'AC123APP-9002' }, unprocessable('another Shop SKU than AC123APP-9001')],
  ]
  it.each(cases)('%s', (_what, changes, expected) => {
    expect(answered(changes)).toEqual(expected)
  })

  it.each(['x', [], 7, true])('a product that is %j', (wrong) => {
    expect(read([element([{ status: 'success', product: wrong }])])).toEqual(unprocessable('sent no product'))
  })

  it.each<[string, string, string, object, string]>([
    [
      'in other capitals',
      'TEE-BLK-M',
      'AC123APP-9001',
      { seller_sku: 'tee-blk-m' },
      'seller SKU TEE-BLK-M as "tee-blk-m"',
    ],
    ['trimmed', ' TEE-BLK-M ', 'AC123APP-9001', {}, 'seller SKU  TEE-BLK-M  as "TEE-BLK-M"'],
    [
      'with blanks',
      'TEE-BLK-M',
      'AC123APP-9001',
      { seller_sku: '\u00a0TEE-BLK-M\n' },
      'seller SKU TEE-BLK-M as "\u00a0TEE-BLK-M\\n"',
    ],
    [
      'in another normal form',
      'Caf\u00e9-Ａ',
      'AC123APP-9001',
      { seller_sku: 'Cafe\u0301-A' },
      'seller SKU Caf\u00e9-Ａ as "Cafe\u0301-A"',
    ],
    ['as a number', '007', 'AC123APP-9001', { seller_sku: 7 }, 'seller SKU 007 as 7'],
    ['as a number with decimals', '1.50', '42', { seller_sku: 1.5, sku: 42 }, 'seller SKU 1.50 as 1.5'],
    [
      'with the Shop SKU in other capitals',
      'TEE-BLK-M',
      'AC123APP-9001',
      { sku: 'ac123app-9001 ' },
      'Shop SKU AC123APP-9001 as "ac123app-9001 "',
    ],
  ])(
    'the ids decide: a SKU that comes back %s is the same, and the spelling is told',
    (_how, sellerSku, sku, changes, told) => {
      const asked: Asked = { ...stock, products: [{ ...stock.products[0]!, sellerSku, sku }] }
      const row = { ...syncedRow, shopSku: sku, spelling: `The Shop gives ${told}.` }
      expect(read([element([{ status: 'success', product: { ...product, ...changes } }])], asked)).toEqual(success(row))
      // with the id of another product it is not ours, however well it is spelled
      expect(
        read([element([{ status: 'success', product: { ...product, ...changes, id: '9002' } }])], asked),
      ).toMatchObject({
        kind: 'unprocessable',
      })
    },
  )

  it('a numeric seller SKU may come as a number', () => {
    const asked: Asked = { ...stock, products: [{ ...stock.products[0]!, sellerSku: '4006381333931' }] }
    expect(read([element([{ status: 'success', product: { ...product, seller_sku: 4006381333931 } }])], asked)).toEqual(
      success(syncedRow),
    )
  })

  it.each([
    ['2026-11-24 07:15:00', true],
    ['2028-02-29 23:59:59', true],
    ['2000-02-29 00:00:00', true],
    ['2100-02-29 00:00:00', false],
    ['2026-02-29 00:00:00', false],
    ['2026-04-31 00:00:00', false],
    ['2026-13-01 00:00:00', false],
    ['2026-00-10 00:00:00', false],
    ['2026-01-00 00:00:00', false],
    ['2026-01-01 24:00:00', false],
    ['2026-01-01 10:60:00', false],
    ['2026-01-01 10:00:60', false],
    ['0000-00-00 00:00:00', false],
    ['0000-01-01 00:00:00', false],
    ['2026-11-24T07:15:00Z', false],
    ['2026-11-24 07:15:00\n', false],
    ['2026-11-24', false],
    ['', false],
    [null, false],
    [1795504500, false],
  ])('updated_at %j is a date: %s', (updated_at, isDate) => {
    expect(answered({ updated_at })).toEqual(
      success({ ...syncedRow, updatedAt: isDate ? (updated_at as string) : null }),
    )
  })
})

describe('a create', () => {
  const row = (changes: object) => [element([made(0, changes)])]
  const cases: [string, object, string | null, unknown][] = [
    ['the first product of a set', {}, null, success(madeRow(0))],
    ['a product of a set that is there', {}, '700', success(madeRow(0))],
    ['config_id as a number', { config_id: 700 }, '700', success(madeRow(0))],
    ['no config_id, the set is there', { config_id: null }, '700', success({ ...madeRow(0), configId: null })],
    ['no config_id, the set is new', { config_id: null }, null, unprocessable('no ID of its product set')],
    ['config_id of another set', { config_id: '701' }, '700', unprocessable('into product set 701; asked was 700')],
    ['config_id that cannot be one', { config_id: [] }, '700', unprocessable('product set ID that cannot be used')],
    ['config_id with U+0000', { config_id: '7\u0000' }, null, unprocessable('product set ID that cannot be used')],
    ['no id', { id: null }, null, unprocessable('without a usable product ID')],
    ['no sku', { sku: null }, null, unprocessable('no usable Shop SKU')],
    ['a sku with U+0000', { sku: 'A\u0000' }, null, unprocessable('no usable Shop SKU')],
    ['the seller_sku of another', { seller_sku: 'TEE-9' }, null, unprocessable('another product than TEE-0')],
  ]
  it.each(cases)('%s', (_what, changes, setSrcId, expected) => {
    expect(read(row(changes), created(1, setSrcId))).toEqual(expected)
  })

  const several: [string, unknown[], unknown][] = [
    ['all made', [made(0), made(1), made(2)], success(madeRow(0), madeRow(1), madeRow(2))],
    [
      'some made',
      [made(0), { status: 'failure', error: { message: 'No such brand', code: 7 } }, made(2)],
      failed('The Shop refused 1 of 3 products: No such brand', 7, [madeRow(0), null, madeRow(2)]),
    ],
    [
      'none made',
      [refused, refused, refused],
      failed('The Shop refused 3 of 3 products: Stock failed to update', 0, [null, null, null]),
    ],
    ['a row too few', [made(0), made(1)], unprocessable('^The Shop answered 2 rows for 3 products\\.$')],
    ['the rows of two exchanged', [made(1), made(0), made(2)], unprocessable('another product than TEE-0')],
    ['failed and unusable', [refused, made(1, { id: null }), made(2)], unprocessable('without a usable product ID')],
    ['one without product', [made(0), { status: 'success' }, made(2)], unprocessable('TEE-1 but sent no product')],
    ['one id for two', [made(0), made(1, { id: '9000' }), made(2)], unprocessable('same product ID, 9000')],
    ['two sets', [made(0), made(1), made(2, { config_id: '701' })], unprocessable('into two, 700 and 701')],
  ]
  it.each(several)('of three products: %s', (_what, rows, expected) => {
    expect(read([element(rows)], created(3))).toEqual(expected)
  })
})

describe('images', () => {
  const cases: [string, unknown, unknown][] = [
    ['the collection', collection, success()],
    ['the set as text', { ...collection, productSetSrcId: '33295' }, success()],
    ['an empty collection', { ...collection, images: [] }, success()],
    ['the collection as the only row', [{ status: 'success', ...collection }], success()],
    ['another set', { ...collection, productSetSrcId: 33296 }, unprocessable('product set 33296; asked was 33295')],
    ['no set', { images: [] }, unprocessable('without the ID of its product set')],
    ['no images', { productSetSrcId: 33295 }, unprocessable('without its images')],
    ['an unknown status', { ...collection, status: 'maybe' }, unprocessable('neither success nor failure')],
    ['a failed row', [refused], failed('Stock failed to update', 0, [])],
    ['a failure', { ...collection, ...refused }, failed('Stock failed to update', 0, [])],
    ['no rows', [], unprocessable('no image collection')],
    ['rows of products', [made(0), made(1)], unprocessable('no image collection')],
    ['text', 'ok', unprocessable('no image collection')],
  ]
  it.each(cases)('%s', (_what, result, expected) => {
    expect(read([element(result)], images)).toEqual(expected)
  })
})

describe('the result of a callback (section 3)', () => {
  const cases: [string, unknown, Asked, unknown][] = [
    ['a final answer', [{ status: 'success', product }], stock, success(syncedRow)],
    ['a failure', [refused], stock, failed('Stock failed to update', 0)],
    ['a failure of the whole call', refused, created(2), failed('Stock failed to update', 0, [null, null])],
    [
      'some of a set',
      [made(0), refused],
      created(2),
      failed('The Shop refused 1 of 2 products: Stock failed to update', 0, [madeRow(0), null]),
    ],
    ['an acknowledgment', [{ status: 'success' }], stock, unprocessable('sent no product')],
    ['an acknowledgment of several', [{ status: 'success' }], created(2), unprocessable('1 row for 2 products')],
    ['a lone failed row for several', [refused], created(2), unprocessable('1 row for 2 products')],
    ['images', collection, images, success()],
    ['an acknowledgment of images', [{ status: 'success' }], images, unprocessable('without its images')],
    ['failed images', [refused], images, failed('Stock failed to update', 0, [])],
    ['nothing', undefined, stock, unprocessable('no list of results')],
    ['null', null, images, unprocessable('no image collection')],
    [
      'an id that has been rounded',
      [{ status: 'success', product: { ...product, id: 2 ** 53 } }],
      stock,
      unprocessable('without a usable product ID'),
    ],
  ]
  it.each(cases)('%s', (_what, result, asked, expected) => {
    expect(readResult(result, asked, 'callback')).toEqual(expected)
  })
})

describe('whole numbers past 2^53', () => {
  it('keep their digits', () => {
    const body =
      '[{"api":1,"id":481516,"result":[{"status":"success","product":{"id":9007199254740993,' +
      '"sku":18446744073709551615,"config_id":-9007199254740993}}]}]'
    expect(read(body, created(1))).toMatchObject({
      kind: 'success',
      rows: [{ srcId: '9007199254740993', shopSku: '18446744073709551615', configId: '-9007199254740993' }],
    })
  })

  it('as a request ID', () => {
    const asked: Asked = { ...stock, requestId: '9007199254740993' }
    expect(read('{"id":9007199254740993,"result":[{"status":"success"}]}', asked)).toEqual(acknowledged)
    expect(read('{"id":9007199254740992,"result":[{"status":"success"}]}', asked)).toHaveProperty(
      'kind',
      'unprocessable',
    )
  })

  it.each(['9007199254740993.0', '1e20', '1.5'])('%s is no id', (id) => {
    expect(read(`{"id":"481516","result":[{"status":"success","product":{"id":${id}}}]}`)).toEqual(
      unprocessable('without a usable product ID'),
    )
  })

  it('parseShopJson touches nothing else', () => {
    expect(
      parseShopJson('[1, 1.5, "9007199254740993", 9007199254740991, 9007199254740993, 0.1234567890123456]'),
    ).toEqual([1, 1.5, '9007199254740993', 9007199254740991, '9007199254740993', 0.1234567890123456])
    expect(() => parseShopJson('{')).toThrow(SyntaxError)
  })

  const LONG = '90071992547409931'
  it.each([
    [`{"a":${LONG} , "b":-${LONG}}`, { a: LONG, b: `-${LONG}` }],
    [LONG, LONG],
    [`[${LONG}.0,${LONG}e2,1e-${LONG},0.${LONG}]`, [Number(LONG), Number(`${LONG}e2`), 0, Number(`0.${LONG}`)]],
    [`["${LONG}","a\\\\",${LONG},"\\"${LONG}\\\\\\"${LONG}",${LONG}]`, [LONG, 'a\\', LONG, `"${LONG}\\"${LONG}`, LONG]],
    [`[${'1'.repeat(50)},-9007199254740991,1234567890123456]`, ['1'.repeat(50), -9007199254740991, 1234567890123456]],
  ])('parseShopJson keeps the digits in %s', (json, value) => {
    expect(parseShopJson(json)).toEqual(value)
  })

  it.each([
    `{${LONG}:1}`,
    `{${LONG} :1}`,
    `[0${LONG}]`,
    `[--${LONG}]`,
    `[+${LONG}]`,
    `[${LONG}x]`,
    `["a"${LONG}]`,
    `["${LONG}]`,
    `[${LONG} ${LONG}]`,
  ])('parseShopJson makes no JSON of %s', (text) => {
    expect(() => parseShopJson(text)).toThrow(SyntaxError)
  })

  // The time-out is a guard: each takes a fraction of a second, or tens of seconds if part of the text is read again
  // and again.
  it.each([
    ['short strings', '"a",'],
    ['small values', '[[],{},1],'],
    ['long numbers', `${LONG},`],
    ['backslashes', `"${'\\\\'.repeat(500)}",`],
    ['digits', `${'1'.repeat(1024 * 1024)},`],
  ])(
    '4 MiB of %s with a long number are gone over once, and parsed without a reviver',
    { timeout: 8000 },
    (_what, piece) => {
      const text = `[${piece.repeat((4 * 1024 * 1024) / piece.length)}"${LONG}",${LONG}]`
      const parse = vi.spyOn(JSON, 'parse')
      expect((parseShopJson(text) as unknown[]).slice(-2)).toEqual([LONG, LONG])
      expect(parse.mock.calls).toEqual([[expect.any(String)]])
      parse.mockRestore()
    },
  )
})

describe('what an answer is held against', () => {
  const tee: CatalogueProduct = {
    id: '1001',
    sellerSku: 'TEE-BLK-M',
    shopSku: 'AC123APP-9001',
    srcId: '9001',
    active: true,
    qcStatus: 'approved',
    title: 'Tee',
    description: null,
    barcode: null,
    price: '19.90',
    specialPrice: null,
    specialFrom: null,
    specialTo: null,
    stock: 50,
    consignmentStock: 7,
    attributes: {},
  }
  const set: CatalogueSet = {
    id: '500',
    sellerId: '10',
    sellerName: 'Shirts',
    srcId: '700',
    title: 'Tee',
    brand: null,
    attributeSet: null,
    primaryCategory: null,
    categories: [],
    taxClass: null,
    shipmentType: null,
    products: [tee, { ...tee, id: '1002', sellerSku: 'TEE-BLK-L' }].map((product) => ({
      ...product,
      srcId: null,
      shopSku: null,
    })),
    images: [],
  }
  const known = { productId: '1001', sellerSku: 'TEE-BLK-M', sku: 'AC123APP-9001', srcId: '9001' }
  const unknown = { ...known, sku: null, srcId: null }
  const expected: Record<Topic, Omit<Asked, 'requestId' | 'topic'>> = {
    new_product_set: { products: [unknown, { ...unknown, productId: '1002', sellerSku: 'TEE-BLK-L' }], setSrcId: null },
    new_product: { products: [unknown], setSrcId: '700' },
    content: { products: [known], setSrcId: '700' },
    status: { products: [known], setSrcId: '700' },
    qc_status: { products: [known], setSrcId: '700' },
    price: { products: [known], setSrcId: '700' },
    stock: { products: [known], setSrcId: null },
    consignment_stock: { products: [known], setSrcId: null },
    images: { products: [], setSrcId: '700' },
  }

  it.each(TOPIC_NAMES)('%s, from the call and from its stored JSON', (topic) => {
    const product = topic === 'new_product' ? { ...tee, srcId: null, shopSku: null } : tee
    const call = buildCall(topic, topic === 'new_product_set' ? { ...set, srcId: null } : set, product, '481516')
    if (!isCall(call)) throw new Error(JSON.stringify(call))
    const asked = { requestId: '481516', topic, ...expected[topic] }
    const productIdOfItem = topic === 'new_product_set' || topic === 'images' ? null : '1001'
    expect(askedOf(topic, call, productIdOfItem)).toStrictEqual(asked)
    expect(askedFromJson(topic, productIdOfItem, call.json)).toStrictEqual(asked)
  })

  it('a stock call by itself does not know our product', () => {
    const call = buildCall('stock', set, tee, '1')
    expect(isCall(call) && askedOf('stock', call).products).toEqual([{ ...known, productId: null }])
  })

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"id":"1"}',
    '{"id":"1","params":{}}',
    '{"id":"1","params":{"productsInfo":[]}}',
    '{"id":"1","params":{"productsInfo":[{}]}}',
    '{"id":1,"params":{"productSetSrcId":1,"productsInfo":[{"seller_sku":"a","product_id":"b"}]}}',
  ])('a stored text that is no call: %s', (json) => {
    for (const topic of TOPIC_NAMES) expect(askedFromJson(topic, '1001', json)).toBeNull()
  })
})

describe('storable', () => {
  it.each([
    ['Grüße 😀', 'Grüße 😀'],
    ['a\u0000b\u0000', 'a\ufffdb\ufffd'],
    ['\ud83d', '\ufffd'],
    ['\ude00\ud83d', '\ufffd\ufffd'],
    ['', ''],
  ])('%j', (text, expected) => {
    expect(storable(text)).toBe(expected)
  })
})

describe('anything at all', () => {
  /** mulberry32: the same odd values in every run. */
  const randomFrom = (seed: number) => () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const random = randomFrom(20261124)
  const oneOf = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!
  const KEYS = [
    'id',
    'result',
    'error',
    'status',
    'product',
    'images',
    'productSetSrcId',
    'seller_sku',
    'sku',
    'config_id',
    'updated_at',
    'message',
    'code',
    '__proto__',
    'constructor',
    'length',
  ]
  const ATOMS = [
    null,
    true,
    false,
    0,
    -0,
    1,
    -1,
    1.5,
    9001,
    2 ** 53,
    1e308,
    481516,
    33295,
    '',
    '1',
    'success',
    'failure',
    '481516',
    '9001',
    '9000',
    'TEE-0',
    'TEE-BLK-M',
    '700',
    '33295',
    '\u0000',
    '\ud800',
    '😀'.repeat(200),
    '2026-02-30 00:00:00',
    '2026-11-24 07:15:00',
  ]

  function odd(depth: number): unknown {
    const dice = random()
    if (depth <= 0 || dice < 0.5) return oneOf(ATOMS)
    if (dice < 0.7) return Array.from({ length: Math.floor(random() * 4) }, () => odd(depth - 1))
    return Object.fromEntries(Array.from({ length: Math.floor(random() * 5) }, () => [oneOf(KEYS), odd(depth - 1)]))
  }
  /** Real shapes with a part replaced, dropped or added here and there reach deeper into the parser than noise does. */
  function spoilt(value: unknown): unknown {
    const dice = random()
    if (dice < 0.02) return odd(3)
    if (Array.isArray(value))
      return value.flatMap((part) => (random() < 0.03 ? oneOf([[], [part, part]]) : [part])).map(spoilt)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).filter(() => random() > 0.02)
    if (random() < 0.03) entries.push([oneOf(KEYS), odd(2)])
    return Object.fromEntries(entries.map(([key, part]) => [key, spoilt(part)]))
  }
  const RESULTS: [Asked, unknown][] = [
    [stock, [{ status: 'success', product }]],
    [stock, [{ status: 'success' }]],
    [stock, [refused]],
    [created(1), [made(0)]],
    [created(3), [made(0), made(1), made(2)]],
    [created(3), [made(0), refused, made(2)]],
    [created(1, '700'), [made(0)]],
    [images, collection],
  ]
  const mangled = (text: string): string => {
    const at = Math.floor(random() * text.length)
    return (
      text.slice(0, at) +
      oneOf(['', '"', '\\', '\u0000', '99999999999999999999', ',', text.slice(0, 20)]) +
      text.slice(at + Math.floor(random() * 3))
    )
  }

  const isText = (value: string | null) =>
    value === null || (value !== '' && value.length <= 255 && value.isWellFormed() && !value.includes('\u0000'))
  function check(answer: Answer, asked: Asked) {
    if (answer.kind === 'acknowledged') return
    if (answer.kind !== 'success') {
      expect(answer.message).not.toBe('')
      expect(answer.message).toBe(storable(answer.message))
      expect(answer.message.length).toBeLessThan(1500)
    }
    if (answer.kind === 'unprocessable' || answer.kind === 'busy') return
    expect(answer.rows).toHaveLength(asked.products.length)
    for (const [k, row] of answer.rows.entries()) {
      if (row === null) {
        expect(answer.kind).toBe('failure')
        continue
      }
      expect(row.productId).toBe(asked.products[k]!.productId)
      expect(row.srcId).not.toBeNull()
      expect([row.srcId, row.shopSku, row.configId, row.updatedAt].every(isText)).toBe(true)
    }
  }

  it('is read without a throw, and what comes out can be stored', () => {
    const kinds = new Map<string, number>()
    const count = (answer: Answer, asked: Asked) => {
      check(answer, asked)
      kinds.set(answer.kind, (kinds.get(answer.kind) ?? 0) + 1)
    }
    for (let n = 0; n < 3000; n++) {
      const [asked, usual] = oneOf(RESULTS)
      const result = random() < 0.2 ? odd(5) : spoilt(usual)
      const body = JSON.stringify(spoilt([element(result)]))
      count(readResult(result, asked, oneOf(['exchange', 'callback'])), asked)
      count(readAnswer(oneOf([200, 200, 200, 500]), body, asked), asked)
      count(readAnswer(200, mangled(body), asked), asked)
      askedFromJson(oneOf(TOPIC_NAMES), null, mangled(body))
    }
    expect([...kinds.keys()].sort()).toEqual(['acknowledged', 'failure', 'success', 'unprocessable'])
    for (const times of kinds.values()) expect(times).toBeGreaterThan(300)
  })
})

describe('finalResult: what a callback would have brought', () => {
  const success = [{ status: 'success', product: { id: '9001' } }]
  const failure = [{ status: 'failure', error: { message: 'no' } }]
  const images = { productSetSrcId: 1, images: [] }
  it.each<[name: string, httpStatus: number, answer: unknown, result: unknown]>([
    ['a success', 200, [{ id: '1', result: success }], success],
    ['of a bare object', 200, { id: 1, result: success }, success],
    [
      'a failure',
      200,
      [
        { id: 'auth', result: [] },
        { id: '1', result: failure },
      ],
      failure,
    ],
    ['images', 200, [{ id: '1', result: images }], images],
    ['an acknowledgment', 200, [{ id: '1', result: [{ status: 'success' }] }], undefined],
    ['an error', 200, [{ id: '1', error: { message: 'no' } }], undefined],
    ['another request', 200, [{ id: '2', result: success }], undefined],
    ['answered twice', 200, [1, 2].map(() => ({ id: '1', result: success })), undefined],
    ['an HTTP error', 500, [{ id: '1', result: success }], undefined],
    ['nothing', 200, null, undefined],
  ])('%s', (_, httpStatus, answer, result) => {
    expect(finalResult(httpStatus, JSON.stringify(answer), '1')).toEqual(result)
  })
  it('no JSON', () => expect(finalResult(200, '<html>', '1')).toBeUndefined())
})
