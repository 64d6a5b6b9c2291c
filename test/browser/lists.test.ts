import type { Locator } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addSet } from '../scene.ts'
import { axeFaults } from './axe.ts'
import { type PreviewScene, startPreviewScene } from './preview.ts'

/** No hyphen, and longer than a line may be. */
const LONG = `SKU${'0123456789'.repeat(9)}`
/** As long as a line may be. */
const HYPHENS = 'AB-12-CD-34-EF-56-GH-78'

let scene: PreviewScene
/** `second` waits behind `first`, which has Failed. */
const held = { first: '', second: '', sku: '', setId: '', productId: '' }
let seller: { id: string; name: string }

beforeAll(async () => {
  scene = await startPreviewScene({ env: { RETRY_UNIT_SECONDS: '3600', FAILED_AFTER: '1' } })
  const named = async (sku: string, options: Parameters<typeof addSet>[1] = {}) => {
    const set = await addSet(scene.sql, options)
    await scene.sql`update catalog.product set seller_sku = ${sku} where id = ${set.productIds[0]!}::bigint`
    return set
  }
  // what is changed while it is with the Shop is an item of its own
  const { setId, productIds } = await named('HELD-UP')
  const [product] = productIds
  await scene.control('/troubles', { method: 'PUT', body: { default: { http500: 100, latencyMs: 4000 } } })
  held.first = await scene.enqueue('price', { product: product! })
  await scene.untilStatus(held.first, 'made_request')
  held.second = await scene.enqueue('price', { product: product! })
  await scene.untilStatus(held.first, 'failed')
  Object.assign(held, { sku: 'HELD-UP', setId, productId: product! })
  await scene.control('/troubles', { method: 'PUT', body: { default: { http500: 100 } } })
  for (const sku of [LONG, HYPHENS]) {
    const { productIds: long } = await named(sku)
    await scene.untilStatus(await scene.enqueue('content', { product: long[0]! }), 'failed')
  }
  await scene.control('/troubles', { method: 'PUT', body: {} })
  const other = await named('BLOCKED-1', { inShop: false, seller: 'Suggested Textiles' })
  await scene.untilStatus(await scene.enqueue('price', { product: other.productIds[0]! }), 'blocked')
  seller = { id: other.sellerId, name: 'Suggested Textiles' }
})
afterAll(() => scene?.stop())

const query = (url: string) => Object.fromEntries(new URL(url).searchParams)
const lines = (locator: Locator) =>
  locator.evaluate((element) => {
    const range = document.createRange()
    range.selectNodeContents(element)
    return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size
  })

test('times are shown as one likes, everywhere, and the browser remembers it', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('failed')
  const first = page.getByRole('table', { name: 'Failed' }).locator('tbody time').first()
  await expect.poll(() => first.textContent()).toMatch(/ago$/)
  await page.getByRole('group', { name: 'Times' }).getByLabel('UTC').check({ force: true })
  const at = await first.getAttribute('datetime')
  await expect.poll(() => first.textContent()).toBe(at!.slice(0, 19).replace('T', '\u00a0'))
  expect(await first.getAttribute('title')).toMatch(/ago/)
  await page.reload()
  await expect.poll(() => first.textContent()).toBe(at!.slice(0, 19).replace('T', '\u00a0'))
  await open(`items/${held.first}`)
  await expect
    .poll(() => page.locator('dd time').first().textContent())
    .toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\s.*\sago$/)
  await open('overview')
  await expect
    .poll(() => page.getByRole('table', { name: 'Items by status' }).locator('time').first().textContent())
    .toMatch(/^\d{4}-/)
  await page.getByRole('group', { name: 'Times' }).getByLabel('Relative').check({ force: true })
  await expect
    .poll(() => page.getByRole('table', { name: 'Items by status' }).locator('time').first().textContent())
    .not.toMatch(/^\d{4}-/)
  expect(complaints).toEqual([])
  await close()
})

test('Blocked items are one line under Pending / Processing until they are wanted', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('pending')
  const list = page.getByRole('table', { name: 'Pending / Processing' })
  await list.getByText('HELD-UP').first().waitFor()
  expect(await list.getByText('BLOCKED-1').count()).toBe(0)
  const line = page.getByTestId('folded-blocked')
  await line.getByText('1 Blocked item is folded').waitFor()
  await line.getByRole('button', { name: 'Show' }).click()
  await list.getByText('BLOCKED-1').waitFor()
  await page.getByText('including Blocked').waitFor()
  expect(query(page.url())).toEqual({ blocked: 'shown' })
  await line.getByRole('button', { name: 'Fold' }).click()
  await list.getByText('BLOCKED-1').waitFor({ state: 'detached' })
  expect(complaints).toEqual([])
  await close()
})

test('several statuses at once, and all but some', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('pending')
  const list = page.getByRole('table', { name: 'Pending / Processing' })
  await list.getByText('HELD-UP').first().waitFor()
  await page.getByRole('combobox', { name: 'Status' }).click()
  await page.getByRole('option', { name: 'Pending' }).click()
  await page.getByRole('option', { name: 'Blocked' }).click()
  await page.keyboard.press('Escape')
  await expect.poll(() => query(page.url()).status).toBe('pending,blocked')
  await page.getByTestId('total').getByText('2 items').waitFor()
  await page.getByLabel('All but these').check({ force: true })
  await expect.poll(() => query(page.url()).status).toBe('-pending,-blocked')
  await page.getByText('No item matches').waitFor()
  await open('pending?status=-pending')
  await list.getByText('BLOCKED-1').waitFor()
  expect(await page.getByLabel('All but these').isChecked()).toBe(true)
  expect(complaints).toEqual([])
  await close()
})

test('a seller is suggested by any part of the name, and tab counts follow the filters', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('failed')
  await page
    .getByRole('tab', { name: /^Failed/ })
    .getByText('3')
    .waitFor()
  await page.getByRole('combobox', { name: 'Seller' }).fill('ested tex')
  await page.getByRole('option', { name: seller.name }).click()
  await expect.poll(() => query(page.url()).seller).toBe(seller.id)
  await page.getByText('The tabs count what matches').waitFor()
  const tab = (name: RegExp) => page.getByRole('tab', { name }).textContent()
  await expect.poll(() => tab(/^Failed/)).toBe('Failed0')
  await expect.poll(() => tab(/^Blocked/)).toBe('Blocked1')
  await expect.poll(() => tab(/^Pending/)).toBe('Pending / Processing1')
  await page.getByRole('tab', { name: /^Blocked/ }).click()
  await page.getByRole('table', { name: 'Blocked' }).getByText('BLOCKED-1').waitFor()
  // a link has the id only
  await page.reload()
  await expect.poll(() => page.getByRole('combobox', { name: 'Seller' }).inputValue()).toBe(seller.name)
  expect(complaints).toEqual([])
  await close()
})

test('what waits behind another change says behind which, in the list and on its page', async () => {
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('pending')
  const row = page.getByRole('table', { name: 'Pending / Processing' }).getByRole('row').filter({ hasText: held.sku })
  await row.getByText('behind').waitFor()
  await row.getByRole('link', { name: `Price of ${held.sku} (Failed)` }).click()
  await expect.poll(() => page.url()).toMatch(new RegExp(`items/${held.first}$`))
  await open(`items/${held.second}`)
  const status = page.getByRole('region', { name: 'Status' })
  await status.getByText('at once with “Reupload to Shop” on its page').waitFor()
  await status.getByRole('link', { name: `Price of ${held.sku} (Failed)` }).click()
  await expect.poll(() => page.url()).toMatch(new RegExp(`items/${held.first}$`))
  await open(`products/${held.setId}?product=${held.productId}`)
  const first = page.getByTestId('holds-up')
  await first.getByText('What waits behind it goes on').waitFor()
  await first.getByRole('link', { name: `Price (Failed), item ${held.first}` }).waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('a list says of when it is, and that it is stale once nobody answers', async () => {
  const { page, open, close } = await scene.visit({})
  await open('failed')
  const asOf = page.getByRole('status', { name: 'As of' })
  await asOf.getByText(/^As of \d\d:\d\d:\d\d$/).waitFor()
  expect(await asOf.getByText('Stale').count()).toBe(0)
  const answers = Promise.withResolvers<void>()
  await page.route(/\/api\/items\?/, async (route) => {
    await answers.promise
    await route.continue()
  })
  await asOf.getByText('Stale: the worker does not answer').waitFor()
  await page.getByRole('table', { name: 'Failed' }).getByText(held.sku).waitFor()
  answers.resolve()
  await asOf.getByText('Stale').waitFor({ state: 'detached' })
  await close()
})

test('a list and its tab counts keep what they show of the last hour when the next poll fails', async () => {
  const { page, open, close } = await scene.visit({})
  const ranges: (string | null)[] = []
  let isDown = false
  await page.route(/\/api\/(items|counts)\?/, (route) => {
    const { pathname, searchParams } = new URL(route.request().url())
    if (pathname.endsWith('/items')) ranges.push(searchParams.get('from'))
    return isDown ? route.fulfill({ status: 502 }) : route.continue()
  })
  await open('failed?from=now-1h&to=now&refresh=2s')
  const row = page.getByRole('table', { name: 'Failed' }).getByText(held.sku)
  await row.waitFor()
  const tab = page.getByRole('tab', { name: /^Failed/ })
  await tab.getByText('3').waitFor()
  isDown = true
  const seen = ranges.length
  const asOf = page.getByRole('status', { name: 'As of' })
  await asOf.getByText('Stale: the worker does not answer').waitFor()
  // asked of later times, it was the same question
  await expect.poll(() => ranges.slice(seen).some((from) => from! > ranges[seen - 1]!)).toBe(true)
  await asOf.getByText('Stale: the worker does not answer').waitFor()
  expect(await row.isVisible()).toBe(true)
  await expect.poll(() => asOf.textContent()).toMatch(/^As of \d\d:\d\d:\d\d Stale/)
  expect(await tab.textContent()).toBe('Failed3')
  isDown = false
  await asOf.getByText('Stale').waitFor({ state: 'detached' })
  await close()
})

test('a count leads to the list of its status, on the Overview and for a seller', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  const follow = async (from: string, name: string) => {
    await open(from)
    await page.getByRole('table', { name: 'Items by status' }).getByRole('link', { name }).click()
    await page.getByRole('search', { name: 'Filters' }).waitFor()
    return page.url().replace(/.*-app\//, '')
  }
  expect(await follow('overview', '3 items: Failed')).toBe('failed')
  // that list has others, too
  expect(await follow('overview', '1 item: Pending')).toBe('pending?status=pending')
  expect(await follow(`sellers/${seller.id}`, '1 item: Blocked')).toBe(`blocked?seller=${seller.id}`)
  expect(complaints).toEqual([])
  await close()
})

test('headers say what they mean, by keyboard, too', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('failed')
  const about = page.getByRole('table', { name: 'Failed' }).getByRole('button', { name: 'About Topic' })
  await about.focus()
  await page.keyboard.press('Enter')
  await page.getByText('A product has become active or inactive.').waitFor()
  await page.keyboard.press('Escape')
  await page.getByText('A product has become active or inactive.').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'About Failed at' }).click()
  await page.getByText('When it was last tried to send it to the Shop.').waitFor()
  expect(complaints).toEqual([])
  await close()
})

describe.each(['dark', 'light'] as const)('the dialog of a requeue in the %s theme', (theme) => {
  test('names its conditions, has no fault that axe finds, and its button is two steps away', async () => {
    const { page, open, complaints, close } = await scene.visit({ role: 'Admin', theme })
    await page.setViewportSize({ width: 720, height: 900 })
    await open('failed')
    await page.getByRole('button', { name: `Reupload ${HYPHENS} and its product set to Shop` }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('its seller is active, its product is active').waitFor()
    await dialog.getByText('Images are never sent again').waitFor()
    const requeue = dialog.getByRole('button', { name: 'Requeue 1 item' })
    await expect.poll(() => requeue.isEnabled()).toBe(true)
    expect(await axeFaults(page)).toEqual([])
    if (process.env.SCREENSHOTS)
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/${theme}-720-requeue.png`, fullPage: true })
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    expect(await requeue.evaluate((element) => element === document.activeElement)).toBe(true)
    expect(complaints).toEqual([])
    await close()
  })
})

test('a white list that lets everybody in, or nobody, is asked about first', async () => {
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('/plugins/sellercenter-shopupdate-app')
  const list = page.getByLabel('White list')
  await expect.poll(() => list.inputValue()).toBe('127.0.0.1')
  for (const [text, question] of [
    ['10.0.0.0/8\n0.0.0.0/0', 'Let everybody in?'],
    ['::/0', 'Let everybody in?'],
    ['', 'Let nobody in?'],
  ] as const) {
    await list.fill(text)
    await page.getByRole('button', { name: 'Save the white list' }).click()
    const dialog = page.getByRole('dialog', { name: question })
    await dialog.waitFor()
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await dialog.waitFor({ state: 'detached' })
  }
  const kept = () => scene.api<{ allowedIps: string[] }>('/api/credentials/bob_callback_server')
  expect((await kept()).body.allowedIps).toEqual(['127.0.0.1'])
  await list.fill('127.0.0.1 10.1.0.0/16')
  await page.getByRole('button', { name: 'Save the white list' }).click()
  await expect.poll(async () => (await kept()).body.allowedIps).toEqual(['127.0.0.1', '10.1.0.0/16'])
  await list.fill('')
  await page.getByRole('button', { name: 'Save the white list' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Let nobody in' }).click()
  await expect.poll(async () => (await kept()).body.allowedIps).toEqual([])
  expect(complaints).toEqual([])
  await close()
})

describe.each([1280, 720])('at %i pixels', (width) => {
  test('a long SKU breaks, a usual one does not, and no page scrolls sideways', async () => {
    const { page, open, close } = await scene.visit({ role: 'Admin' })
    await page.setViewportSize({ width, height: 900 })
    await open('failed')
    const table = page.getByRole('table', { name: 'Failed' })
    expect(await lines(table.getByText(HYPHENS))).toBe(1)
    expect(await lines(table.getByText(LONG))).toBeGreaterThan(2)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width)
    await close()
  })
})

// 1280 pixels at 200 % zoom
describe('at 640 pixels', () => {
  test.each([
    'overview',
    'overview?q=HELD',
    'pending?seller=1&status=pending,blocked',
    'pending?blocked=shown',
    'delayed',
    'blocked',
    'failed',
    'synced',
    'pauses',
    'runs',
    'skus',
    'sellers/1',
    'item',
    'product',
    '/plugins/sellercenter-shopupdate-app',
  ])('%s does not scroll sideways, and axe finds no fault', async (path) => {
    const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
    await page.setViewportSize({ width: 640, height: 450 })
    await open(
      { item: `items/${held.first}`, product: `products/${held.setId}?product=${held.productId}` }[path] ?? path,
    )
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.waitForLoadState('networkidle')
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(640)
    expect(await axeFaults(page)).toEqual([])
    expect(complaints).toEqual([])
    if (process.env.SCREENSHOTS)
      await page.screenshot({
        path: `${process.env.SCREENSHOTS}/dark-640-${path.replace(/\W/g, '')}.png`,
        fullPage: true,
      })
    await close()
  })
})
