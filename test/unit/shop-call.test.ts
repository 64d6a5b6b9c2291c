import { describe, expect, it } from 'vitest'
import type { CatalogueProduct, CatalogueSet } from '../../worker/domain/catalogue.ts'
import { TOPIC_NAMES, TOPICS, type Topic } from '../../worker/domain/topics.ts'
import { AUTH_ID, authElement, buildCall, type Call, isCall } from '../../worker/shop/call.ts'

const tee: CatalogueProduct = {
  id: '1001',
  sellerSku: 'TEE-BLK-M',
  shopSku: 'AC123APP-9001',
  srcId: '9001',
  active: true,
  qcStatus: 'approved',
  title: 'Tee, black, M',
  description: 'Cotton',
  barcode: '4006381333931',
  price: '19.90',
  specialPrice: '14.50',
  specialFrom: '2026-11-24T00:00:00.000Z',
  specialTo: '2026-11-30T00:00:00.000Z',
  stock: 50,
  consignmentStock: 7,
  attributes: { '12': 'black', '13': 'M' },
}
const bare: CatalogueProduct = {
  ...tee,
  shopSku: null,
  srcId: null,
  active: false,
  qcStatus: 'pending',
  description: null,
  barcode: null,
  specialPrice: null,
  specialFrom: null,
  specialTo: null,
}
const shirts: CatalogueSet = {
  id: '500',
  sellerId: '10',
  sellerName: 'Shirts & Co',
  srcId: '700',
  title: 'Tee',
  brand: 'Plain',
  attributeSet: '4',
  primaryCategory: '31',
  categories: ['31', '32'],
  taxClass: 'default',
  shipmentType: 'own',
  products: [tee],
  images: [
    { url: 'https://img.example/1.jpg', hash: 'a'.repeat(32) },
    { url: 'https://img.example/2.jpg', hash: 'b'.repeat(32) },
  ],
}
const newSet: CatalogueSet = { ...shirts, srcId: null }

const create = {
  approval_status: 1,
  attribute_set: '4',
  attributes: { '12': 'black', '13': 'M' },
  brand: 'Plain',
  primary_category: '31',
  categories: ['31', '32'],
  config_id: '700',
  description: 'Cotton',
  platform_identifier: 'SellerCenter',
  price: '19.90',
  product_identifier: '4006381333931',
  product_set: '500',
  seller: 'Shirts & Co',
  seller_sku: 'TEE-BLK-M',
  shipment_type: 'own',
  special_price: '14.50',
  special_from_date: '2026-11-24T00:00:00.000Z',
  special_to_date: '2026-11-30T00:00:00.000Z',
  status: 'active',
  stock: 50,
  tax_class: 'default',
  title: 'Tee, black, M',
  id_catalog_product: '1001',
  shipment_matrix_template: [],
  rsin: null,
}
const update = { ...create, product_id: '9001', sku: 'AC123APP-9001' }
const stock = { product_id: '9001', seller_sku: 'TEE-BLK-M', sku: 'AC123APP-9001', quantity: '50', seller_id: '10' }
const notYet = { srcId: null, shopSku: null }

const build = (topic: Topic, set = shirts, product: CatalogueProduct | null = tee) =>
  buildCall(topic, set, product, '481516')

function sent(topic: Topic, set?: CatalogueSet, product?: CatalogueProduct | null): Call {
  const built = build(topic, set, product)
  if (!isCall(built)) throw new Error(`no call: ${JSON.stringify(built)}`)
  return built
}

describe('the call of each topic (section 1)', () => {
  const toCreate = { ...tee, ...notYet }
  const other = { ...toCreate, id: '1002', sellerSku: 'TEE-BLK-L' }
  const cases: Record<Topic, { set?: CatalogueSet; product?: CatalogueProduct | null; params: unknown }> = {
    new_product_set: {
      set: { ...newSet, products: [toCreate, other] },
      product: null,
      params: {
        productsInfo: [
          { ...create, config_id: null },
          { ...create, config_id: null, id_catalog_product: '1002', seller_sku: 'TEE-BLK-L' },
        ],
        config_id: null,
      },
    },
    new_product: { product: toCreate, params: { productsInfo: [create], config_id: '700' } },
    content: { params: { productsInfo: [update] } },
    status: { params: { productsInfo: [update] } },
    qc_status: { params: { productsInfo: [update] } },
    price: {
      params: {
        productsInfo: [
          {
            product_id: '9001',
            config_id: '700',
            seller_sku: 'TEE-BLK-M',
            sku: 'AC123APP-9001',
            price: '19.90',
            price_special: '14.50',
            special_from_date: '2026-11-24T00:00:00.000Z',
            special_to_date: '2026-11-30T00:00:00.000Z',
          },
        ],
      },
    },
    stock: { params: { productsInfo: [stock] } },
    consignment_stock: { params: { productsInfo: [{ ...stock, quantity: '7' }] } },
    images: { product: null, params: { productSetSrcId: 700, images: shirts.images } },
  }

  it.each(TOPIC_NAMES)('%s', (topic) => {
    const { set, product, params } = cases[topic]
    const call = sent(topic, set, product)
    expect(call.requestId).toBe('481516')
    expect(call.method).toBe(TOPICS[topic].method)
    expect(call.params).toStrictEqual(params)
    expect(JSON.parse(call.json)).toStrictEqual({ api: 1, method: TOPICS[topic].method, params, id: '481516' })
  })
})

describe('fields', () => {
  const info = (product: CatalogueProduct) => {
    const { params } = sent('content', shirts, product)
    return 'productsInfo' in params ? params.productsInfo[0] : undefined
  }

  it.each([
    ['pending', 0],
    ['approved', 1],
    ['rejected', 2],
  ] as const)('approval_status of %s is %i', (qcStatus, number) => {
    expect(info({ ...tee, qcStatus })).toMatchObject({ approval_status: number })
  })

  it('null stands for what a product does not have', () => {
    expect(info({ ...bare, srcId: '9001', shopSku: 'S' })).toMatchObject({
      description: null,
      product_identifier: null,
      special_price: null,
      special_from_date: null,
      special_to_date: null,
      status: 'inactive',
    })
  })

  it('a request ID and a lone surrogate leave as valid JSON', () => {
    const call = buildCall('content', shirts, { ...tee, title: 'a\ud800"\u0000' }, 'r"1')
    expect(isCall(call) && JSON.parse(call.json)).toMatchObject({
      id: 'r"1',
      params: { productsInfo: [{ title: 'a\ud800"\u0000' }] },
    })
    expect(isCall(call) && call.json.isWellFormed()).toBe(true)
  })

  it.each(['NaN', '19.9', '19', '19.900', ''])('a price of "%s" is not sent', (price) => {
    for (const topic of ['price', 'content'] as const)
      expect(build(topic, shirts, { ...tee, price })).toHaveProperty('impossible')
    expect(build('price', shirts, { ...tee, specialPrice: price })).toHaveProperty('impossible')
    expect(build('new_product', shirts, { ...tee, ...notYet, price })).toHaveProperty('impossible')
    expect(isCall(build('stock', shirts, { ...tee, price }))).toBe(true)
  })
})

describe('what the catalogue may hold and no Shop understands', () => {
  it('dates without end are none', () => {
    const always = { ...tee, specialFrom: '-infinity', specialTo: 'infinity' }
    const none = { special_from_date: null, special_to_date: null }
    expect(sent('price', shirts, always).params).toEqual({
      productsInfo: [expect.objectContaining({ ...none, price_special: '14.50' })],
    })
    expect(sent('content', shirts, always).params).toEqual({
      productsInfo: [expect.objectContaining({ ...none, special_price: '14.50' })],
    })
  })

  it.each([{ specialFrom: 'infinity' }, { specialTo: '-infinity' }])(
    'a special price that never holds is none: %j',
    (dates) => {
      const [price] = (sent('price', shirts, { ...tee, ...dates }).params as { productsInfo: object[] }).productsInfo
      expect(price).toMatchObject({ price_special: null })
      const [create] = (
        sent('new_product', shirts, { ...tee, ...notYet, ...dates }).params as { productsInfo: object[] }
      ).productsInfo
      expect(create).toMatchObject({ special_price: null })
    },
  )

  it('less than nothing in stock is nothing', () => {
    const sold = { ...tee, stock: -3, consignmentStock: -1 }
    for (const topic of ['stock', 'consignment_stock'] as const)
      expect(sent(topic, shirts, sold).params).toEqual({ productsInfo: [expect.objectContaining({ quantity: '0' })] })
    expect(sent('content', shirts, sold).params).toEqual({ productsInfo: [expect.objectContaining({ stock: 0 })] })
  })

  it('a price below zero is not sent, and told', () => {
    const told = { impossible: 'A price of TEE-BLK-M is below zero: -19.90, 14.50.' }
    for (const topic of ['price', 'content', 'status'] as const)
      expect(build(topic, shirts, { ...tee, price: '-19.90' })).toEqual(told)
    expect(build('new_product', shirts, { ...tee, ...notYet, price: '-19.90' })).toEqual(told)
    expect(build('price', shirts, { ...tee, specialPrice: '-0.01' })).toHaveProperty(
      'impossible',
      expect.stringContaining('below zero'),
    )
  })
})

describe('what is not sent', () => {
  const updates = TOPIC_NAMES.filter((topic) => TOPICS[topic].subject === 'product' && topic !== 'new_product')
  const blocked = { blocked: 'not_in_shop', message: expect.any(String) }

  it.each(updates)('%s of a product that is not in the Shop is blocked', (topic) => {
    expect(build(topic, shirts, { ...tee, srcId: null })).toEqual(blocked)
    expect(build(topic, shirts, { ...tee, shopSku: null })).toEqual(blocked)
  })

  it.each(updates)('%s needs no ID of the set', (topic) => {
    expect(isCall(build(topic, newSet))).toBe(true)
  })

  it('images and a new product of a set that is not in the Shop are blocked', () => {
    expect(build('images', newSet, null)).toEqual(blocked)
    expect(build('new_product', newSet, { ...tee, ...notYet })).toEqual(blocked)
  })

  it.each([...updates, 'new_product'] as const)('%s of a deleted product', (topic) => {
    expect(build(topic, shirts, null)).toEqual({ deleted: true })
  })

  it('nothing is created twice', () => {
    expect(build('new_product')).toEqual({ nothingToSend: true })
    expect(build('new_product', newSet)).toEqual({ nothingToSend: true })
    expect(build('new_product_set', shirts, null)).toEqual({ nothingToSend: true })
    expect(build('new_product_set', { ...newSet, products: [] }, null)).toEqual({ deleted: true })
  })

  it('the retry of a set creates the rest, in the set that the first call made', () => {
    const rest = { ...tee, ...notYet, id: '1002', sellerSku: 'TEE-BLK-L' }
    const call = sent('new_product_set', { ...shirts, products: [tee, rest] }, null)
    expect(call.params).toMatchObject({
      config_id: '700',
      productsInfo: [{ id_catalog_product: '1002', config_id: '700' }],
    })
    expect((call.params as { productsInfo: unknown[] }).productsInfo).toHaveLength(1)
  })

  it.each(['AC-700', '7.5', '0700', '9007199254740993', '1e3', ''])(
    'images of a set with the ID "%s" are impossible',
    (srcId) => {
      expect(build('images', { ...shirts, srcId }, null)).toEqual({
        impossible: expect.stringContaining(`ID of the product set, ${srcId},`),
      })
    },
  )
})

it('the auth element is no part of a call', () => {
  expect(JSON.parse(authElement('sc', 's"3'))).toEqual({
    api: 1,
    method: 'auth',
    params: { username: 'sc', password: 's"3' },
    id: 1,
  })
  expect(AUTH_ID).toBe('1')
  expect(sent('stock').json).not.toContain('auth')
})
