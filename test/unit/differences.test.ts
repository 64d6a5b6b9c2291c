import { expect, test } from 'vitest'
import { differencesOf, type Members, type Told } from '../../worker/domain/differences.ts'
import type { Topic } from '../../worker/domain/topics.ts'

const at = (minute: number) => new Date(Date.UTC(2026, 10, 24, 10, minute))
const told = (topic: Topic, minute: number, members: Members, answered = minute): Told => ({
  topic,
  members,
  sentAt: at(minute),
  at: at(answered),
})
const now = (calls: Partial<Record<Topic, Members>>) => new Map(Object.entries(calls) as [Topic, Members][])
const CONTENT = { title: 'Shirt', price: '12.90', special_price: null, stock: 3, attributes: { color: 'blue' } }

test('nothing differs where the Shop took what would be sent now', () => {
  expect(differencesOf([told('content', 1, CONTENT)], now({ content: CONTENT }))).toEqual({
    differences: [],
    unknown: [],
    known: true,
  })
})

test('a field that differs: both values, since when, and which changes bring it', () => {
  const { differences } = differencesOf(
    [told('content', 1, CONTENT), told('price', 2, { price: '12.90', price_special: '9.90' })],
    now({ content: { ...CONTENT, price: '11.90' }, price: { price: '11.90', price_special: null } }),
  )
  expect(differences).toEqual([
    { field: 'Price', there: '12.90', here: '11.90', since: at(2), topics: ['content', 'price'] },
    { field: 'Special price', there: '9.90', here: null, since: at(2), topics: ['content', 'price'] },
  ])
})

test('the call that the Shop took last counts, whatever its topic', () => {
  const calls = [told('stock', 5, { quantity: '7' }), told('content', 1, CONTENT)]
  const here = now({ content: { ...CONTENT, stock: 7 }, stock: { quantity: '7' } })
  expect(differencesOf(calls, here).differences).toEqual([])
  expect(differencesOf(calls.toReversed(), here).differences).toEqual([])
  const later = [...calls, told('content', 9, CONTENT)]
  expect(differencesOf(later, here).differences).toMatchObject([
    { field: 'Stock', there: '3', here: '7', since: at(9) },
  ])
})

test('a call that was sent first and answered last is not the newest', () => {
  const { differences } = differencesOf(
    [told('content', 0, { price: '10.00' }, 60), told('price', 5, { price: '12.00' }, 6)],
    now({ price: { price: '12.00' } }),
  )
  expect(differences).toEqual([])
})

test('without a content call nobody knows what becomes of attributes', () => {
  expect(differencesOf([told('content', 1, CONTENT)], now({ stock: { quantity: '3' } })).differences).toEqual([])
})

test('both stocks are quantities of their own', () => {
  const { differences } = differencesOf(
    [told('stock', 1, { quantity: '7' }), told('consignment_stock', 2, { quantity: '4' })],
    now({ stock: { quantity: '7' }, consignment_stock: { quantity: '5' } }),
  )
  expect(differences).toMatchObject([{ field: 'Consignment stock', there: '4', here: '5' }])
})

test('attributes one by one: changed, new, and gone', () => {
  const { differences } = differencesOf(
    [told('content', 1, { attributes: { color: 'blue', fit: 'slim', old: 'x' } }), told('content', 2, CONTENT)],
    now({ content: { ...CONTENT, attributes: { color: 'red', size: 'M' } } }),
  )
  expect(differences.map(({ field, there, here }) => [field, there, here])).toEqual([
    ['color', 'blue', 'red'],
    ['size', null, 'M'],
  ])
  const gone = differencesOf([told('content', 1, CONTENT)], now({ content: { ...CONTENT, attributes: {} } }))
  expect(gone.differences).toMatchObject([{ field: 'color', there: 'blue', here: null, topics: ['content'] }])
})

test('images by their addresses, and in their order', () => {
  const images = (...urls: string[]) => ({ images: urls.map((url) => ({ url, hash: `#${url}` })) })
  expect(
    differencesOf([told('images', 1, images('a', 'b'))], now({ images: images('b', 'a') })).differences,
  ).toMatchObject([{ field: 'Images', there: 'a\nb', here: 'b\na', topics: ['images'] }])
})

test('quality control in words; an empty text is no text', () => {
  const { differences } = differencesOf(
    [told('content', 1, { approval_status: 0, description: '' })],
    now({ content: { approval_status: 1, description: null } }),
  )
  expect(differences).toMatchObject([{ field: 'QC status', there: 'pending', here: 'approved' }])
})

test('what no call on record has is unknown, and ids and constants are never told', () => {
  expect(
    differencesOf([], now({ content: { ...CONTENT, product_id: '9', rsin: null }, stock: { quantity: '3' } })),
  ).toEqual({ differences: [], unknown: ['Title', 'Price', 'Special price', 'Stock', 'color'], known: false })
})
