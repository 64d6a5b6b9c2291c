import { readFile } from 'node:fs/promises'
import type { Locator } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../demo/postgres.ts'
import { addSet, holdItem } from '../scene.ts'
import { axeFaults } from './axe.ts'
import { APP, type PreviewScene, startPreviewScene } from './preview.ts'

let scene: PreviewScene
let failed: { itemId: string; productIds: string[]; setId: string }

beforeAll(async () => {
  const INTERNAL_PORT = String(await freePort())
  scene = await startPreviewScene({ env: { INTERNAL_PORT, RETRY_UNIT_SECONDS: '3600', FAILED_AFTER: '1' } })
  // one that fails at its first attempt and stays Failed
  const set = await addSet(scene.sql, { products: 2 })
  await scene.control('/troubles', { method: 'PUT', body: { default: { http500: 100 } } })
  const itemId = await scene.enqueue('price', { product: set.productIds[0]! })
  await scene.untilStatus(itemId, 'failed')
  await scene.control('/troubles', { method: 'PUT', body: {} })
  failed = { itemId, productIds: set.productIds, setId: set.setId }
})
afterAll(() => scene?.stop())

const isRed = (button: Locator) =>
  button.evaluate((element) => {
    const [red = 0, , blue = 0] = getComputedStyle(element).backgroundColor.match(/\d+/g)?.map(Number) ?? []
    return red > blue
  })

const skuOf = async (productId: string): Promise<string> => {
  const [row] = await scene.sql<
    { sku: string }[]
  >`select seller_sku as sku from catalog.product where id = ${productId}::bigint`
  return row!.sku
}

/** An item that is Blocked until an admin decides. */
async function addUndecided(): Promise<{ itemId: string; productId: string }> {
  const { productIds } = await addSet(scene.sql)
  await scene.control('/troubles', { method: 'PUT', body: { default: { wrongId: 100 } } })
  const itemId = await scene.enqueue('price', { product: productIds[0]! })
  await scene.untilStatus(itemId, 'blocked')
  await scene.control('/troubles', { method: 'PUT', body: {} })
  return { itemId, productId: productIds[0]! }
}

/** A run as it is in its middle. */
async function addRun(
  state: 'running' | 'stopped',
  target: object = { filter: { seller: 'Nobody' } },
): Promise<string> {
  const [row] = await scene.sql<{ id: string }[]>`
    insert into shop_update.run (kind, target, include, created_by, result, previewed, state)
    values ('requeue', ${JSON.stringify(target)}::text::jsonb, '{failed}', 'Mona',
      '{"taken": 500, "productSets": 40, "variations": 80, "skippedTotal": 3, "skippedByReason": {"in_flight": 3}}',
      '{"taken": 12000, "productSets": 900, "skippedTotal": 5}', ${state})
    returning id`
  return row!.id
}

test('an item is found by its seller SKU, and the answer for the seller is copied', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('overview')
  const sku = await skuOf(failed.productIds[0]!)
  await page.getByLabel('Search everything').fill(sku)
  await page.getByLabel('Search everything').press('Enter')
  await page.getByRole('table', { name: 'Found', exact: true }).getByRole('link', { name: sku }).click()
  const answer = await page.getByTestId('seller-answer').textContent()
  expect(answer).toMatch(/Shop/)
  await page.getByRole('button', { name: 'Copy the answer' }).click()
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(answer)
  expect(page.url()).toContain(`${APP}/items/${failed.itemId}`)
  expect(complaints).toEqual([])
  await close()
})

test('a product is found from any page by a fragment, and its page says how it stands with it', async () => {
  const { setId, productIds } = await addSet(scene.sql, { inShop: false, products: 2 })
  await scene.sql`
    update catalog.product set seller_sku = 'Blue-Jeans-' || id, title = 'Jeans “Cairo”'
    where product_set_id = ${setId}::bigint`
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('failed')
  await page.getByRole('table', { name: 'Failed' }).waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type(`blue-jeans-${productIds[0]!}`)
  const suggestion = page.getByRole('option', { name: `Blue-Jeans-${productIds[0]!}` })
  await suggestion.getByText('Not in the Shop, nothing creates it').waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Jeans “Cairo”' }).waitFor()
  expect(new URL(page.url()).pathname).toBe(`${APP}/products/${setId}`)
  expect(await page.getByTestId('verdict').textContent()).toBe('Not in the Shop: nobody has queued its creation.')
  const answer = await page.getByTestId('seller-answer').textContent()
  expect(answer).toContain(`(seller SKU Blue-Jeans-${productIds[0]!}): Not in the Shop`)
  await page.getByRole('button', { name: 'Copy the answer' }).click()
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(answer)
  await page.getByRole('button', { name: 'Queue its creation' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Queue its creation' }).click()
  await page.getByTestId('verdict').getByText('In the Shop, up to date.').waitFor()
  const grid = page.getByRole('table', { name: 'Topics of each variation' })
  await grid.getByRole('button', { name: `Blue-Jeans-${productIds[1]!}` }).click()
  await expect.poll(() => new URL(page.url()).searchParams.get('product')).toBe(productIds[1])
  // any topic of a product that is up to date
  await page.getByRole('button', { name: 'Send a topic' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Send it' }).click()
  await page.getByRole('dialog').getByText('It is queued').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click()
  await grid
    .getByRole('row')
    .filter({ hasText: `Blue-Jeans-${productIds[1]!}` })
    .getByRole('link', { name: 'Up to date' })
    .waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('a pasted column of SKUs gets a row for each, and its CSV; more than 500 are cut, and that is said', async () => {
  const { productIds } = await addSet(scene.sql, { products: 300 })
  const skus = await Promise.all(productIds.map(skuOf))
  const { page, open, complaints, close } = await scene.visit({})
  await open('overview')
  const paste = (text: string) =>
    page.getByRole('combobox', { name: 'Search everything' }).evaluate((input, pasted) => {
      const clipboardData = new DataTransfer()
      clipboardData.setData('text', pasted)
      input.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))
    }, text)
  await paste([...skus, ` ${skus[0]} `, '"no such thing"', ''].join('\r\n'))
  await page.getByRole('heading', { name: '301 SKUs, 1 of them unknown' }).waitFor()
  const table = page.getByRole('table', { name: 'SKUs' })
  expect(await table.getByRole('row').count()).toBe(302)
  await table.getByRole('cell', { name: 'There is no such SKU' }).waitFor()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'CSV' }).click(),
  ])
  const csv = await readFile(await download.path(), 'utf8')
  expect(csv.split('\r\n')).toHaveLength(303)
  expect(csv).toContain('no such thing,,,,,,There is no such SKU')
  await paste(Array.from({ length: 60_000 }, (_, k) => `NONE-${k}`).join('\n'))
  await page.getByText('The first 500 of 60,000 SKUs').waitFor()
  await page.getByRole('heading', { name: '500 SKUs, 500 of them unknown' }).waitFor()
  expect(complaints).toEqual([])
  await close()
})

test.each([
  'products/999999999',
  'products/x',
  'products/50%25',
  'products/%E0%A4%A',
  'sellers/999999999',
  'runs/999999999',
])('%s: a sentence, no blank page', async (path) => {
  const { page, open, close } = await scene.visit({ role: 'Admin' })
  await open(path)
  await page.getByText(/There is no such (product|page|seller|run)/).waitFor()
  await close()
})

test('the product of an item has its timeline and what differs; a search found says by which field', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open(`items/${failed.itemId}`)
  await page.getByRole('link', { name: 'Its product' }).click()
  const timeline = page.getByRole('table', { name: 'Timeline' })
  await timeline.getByRole('link', { name: 'Price' }).waitFor()
  expect(await timeline.getByRole('row').count()).toBe(2)
  await page.getByText('No call on record has Title, Description, Price').waitFor()
  await page.getByLabel('Search everything').fill(failed.itemId)
  await page.getByLabel('Search everything').press('Enter')
  await page
    .getByRole('row')
    .filter({ has: page.getByRole('cell', { name: /\bItem\b/ }) })
    .getByRole('link', { name: await skuOf(failed.productIds[0]!) })
    .waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('an item is followed from Pending to Synced without reloading', async () => {
  const { productIds } = await addSet(scene.sql)
  // acknowledged, and nothing more until the test says so
  await scene.control('/troubles', { method: 'PUT', body: { default: { answersOtherFlow: 100, noCallback: 100 } } })
  const itemId = await scene.enqueue('price', { product: productIds[0]! })
  const { requestId } = await scene.untilStatus(itemId, 'got_acknowledgment')
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open(`items/${itemId}`)
  const status = page.getByRole('region', { name: 'Status' })
  await status.getByText('Got acknowledgment').first().waitFor()
  // resending warns that it is among what is sent
  await page.getByRole('button', { name: 'Reupload to Shop' }).click()
  await page.getByRole('dialog').getByText('1 item that you picked has Got acknowledgment').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
  await page.evaluate(() => Object.assign(window, { notReloaded: true }))
  await scene.control('/troubles', { method: 'PUT', body: {} })
  await scene.control('/callbacks', { method: 'POST', body: { requestId } })
  await status.getByText('Synced').first().waitFor()
  expect(await page.evaluate(() => 'notReloaded' in window)).toBe(true)
  await page.getByRole('region', { name: 'Timeline' }).getByText('Building (Request) payload').waitFor()
  await page.getByRole('region', { name: 'Calls to the Shop' }).getByText('Product.updatePrices').first().waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('a long body is shown in part; the whole of it on demand, or as a download', async () => {
  const { productIds } = await addSet(scene.sql)
  const itemId = await scene.enqueue('price', { product: productIds[0]! })
  await scene.untilStatus(itemId, 'synced')
  await scene.sql`
    update shop_update.answer set body = ${`${'a'.repeat(20_000)} the end`} where item_id = ${itemId}::bigint`
  await scene.sql`
    update shop_update.request set body = ${'b'.repeat(3 * 1024 * 1024)} where item_id = ${itemId}::bigint`
  const { page, open, complaints, close } = await scene.visit({})
  await open(`items/${itemId}`)
  const calls = page.getByRole('region', { name: 'Calls to the Shop' })
  await calls.getByRole('button', { name: 'Show all (20 KiB)' }).click()
  await calls.getByText('the end').waitFor()
  const link = calls.getByRole('link', { name: 'Download (3 MiB)' })
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()])
  expect((await readFile(await download.path(), 'utf8')).length).toBe(3 * 1024 * 1024)
  expect(complaints).toEqual([])
  await close()
})

test('what the list shows is downloaded as CSV, and a search may hold what no path may', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('failed')
  await page.getByRole('table', { name: 'Failed' }).waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'CSV' }).click()])
  expect(download.suggestedFilename()).toMatch(/\.csv$/)
  await page.getByRole('textbox', { name: 'Search' }).fill('COTTON-100% ..B')
  await page.getByText('No item matches').waitFor()
  expect(complaints).toEqual([])
  await close()
})

describe('requeue', () => {
  test('a viewer sees the button disabled; proxy and worker refuse him whatever path he takes', async () => {
    const { page, open, close } = await scene.visit({ role: 'Viewer' })
    await open('failed')
    await page.getByRole('table', { name: 'Failed' }).waitFor()
    await page.getByLabel(`Select ${await skuOf(failed.productIds[0]!)}`).check({ force: true })
    const button = page.getByRole('button', { name: /^Reupload to Shop/ })
    expect(await button.getAttribute('aria-disabled')).toBe('true')
    await button.hover()
    await page.getByText('Only users with the role Admin may do this.').waitFor()
    const refused = (method: string, path: string) =>
      page.evaluate(
        async ([verb, url]) =>
          (
            await fetch(url!, {
              method: verb!,
              ...(verb === 'POST' && { body: '{"filter":{}}', headers: { 'content-type': 'application/json' } }),
            })
          ).status,
        [method, `/api/plugin-proxy/sellercenter-shopupdate-app/${path}`],
      )
    expect(await refused('POST', 'api/requeue')).toBe(403)
    expect(await refused('POST', 'api/items')).toBe(403)
    expect(await refused('GET', 'api/..%2fapi%2frequeue')).toBe(403)
    expect(await refused('GET', 'api/items%2f..%2frequeue')).toBe(403)
    await close()
  })

  test('an admin sees first what it will do, and then what it did', async () => {
    const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
    await open('failed')
    await page.getByLabel(`Select ${await skuOf(failed.productIds[0]!)}`).check({ force: true })
    await page.getByRole('button', { name: 'Reupload to Shop (1)' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByTestId('requeue-preview').getByText('will be requeued').waitFor()
    expect(await dialog.getByTestId('requeue-preview').textContent()).toMatch(
      /1 item of 1 product set will be requeued\.Product set \d+, with 2 variations\./,
    )
    expect((await scene.item(failed.itemId)).status).toBe('failed')
    await dialog.getByLabel('Reason').fill('the Shop is well again')
    await dialog.getByRole('button', { name: 'Requeue 1 item' }).click()
    await dialog.getByText('1 item of 1 product set requeued').waitFor()
    await scene.untilStatus(failed.itemId, 'synced')
    const [audit] = await scene.sql<
      { detail: { reason: string } }[]
    >`select detail from shop_update.audit where action = 'requeue' order by id desc limit 1`
    expect(audit?.detail.reason).toBe('the Shop is well again')
    expect(complaints).toEqual([])
    await close()
  })
})

test.each([
  ['a set that is not in the Shop', false],
  ['a variation that is not in the Shop', true],
])('what nothing in the queue creates is a dead end no more: %s', async (_, setIsInShop) => {
  const { setId, productIds } = await addSet(scene.sql, { inShop: false })
  if (setIsInShop)
    await scene.sql`update catalog.product_set set src_id = ${`SET-${setId}`} where id = ${setId}::bigint`
  const itemId = await scene.enqueue('price', { product: productIds[0]! })
  await scene.untilStatus(itemId, 'blocked')
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open(`items/${itemId}`)
  await page.getByRole('button', { name: 'Reupload to Shop' }).click()
  await page.getByRole('dialog').getByText('This changes nothing: 1 item will be Blocked again').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
  await page.getByRole('button', { name: 'Queue its creation' }).click()
  expect(await isRed(page.getByRole('dialog').getByRole('button', { name: 'Queue its creation' }))).toBe(false)
  await page.getByRole('dialog').getByRole('button', { name: 'Queue its creation' }).click()
  await page.getByText('Its creation is queued').waitFor()
  await page.getByRole('region', { name: 'Status' }).getByText('Synced').first().waitFor()
  expect((await scene.item(itemId)).status).toBe('synced')
  expect(complaints).toEqual([])
  await close()
})

test('what an admin has to decide is told apart on the Overview, leads to its list, tells who decided', async () => {
  const { productId } = await addUndecided()
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('overview')
  await page.getByRole('link', { name: '1 as Unprocessable response' }).click()
  await page.getByTestId('total').getByText('1 item').waitFor()
  expect(new URL(page.url()).search).toBe('?reason=unprocessable_response')
  expect(await page.getByRole('combobox', { name: 'Reason' }).inputValue()).toBe('Unprocessable response')
  await page.getByRole('link', { name: await skuOf(productId) }).click()
  await page.getByRole('button', { name: 'Send it again' }).click()
  await page.getByRole('dialog').getByLabel('Reason').fill('the Shop is mended')
  await page.getByRole('dialog').getByRole('button', { name: 'Send it again' }).click()
  await page.getByRole('region', { name: 'Timeline' }).getByText('“the Shop is mended”').waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('a dry run over a filter that matches 50,000 items tells its numbers', async () => {
  const { sellerId } = await addSet(scene.sql, { seller: 'Big Seller' })
  await scene.sql`
    insert into catalog.product_set (seller_id, title, src_id)
    select ${sellerId}::bigint, 'Many ' || g, 'MANY-SET-' || g from generate_series(1, 50000) g`
  // else the set of each product is looked for as it is planned for the few sets that there were
  await scene.sql`analyze catalog.product_set`
  await scene.sql`
    with products as (
      insert into catalog.product (product_set_id, seller_sku, shop_sku, src_id)
      select id, 'MANY-' || id, 'SHOP-MANY-' || id, 'MANY-' || id from catalog.product_set
      where src_id like 'MANY-SET-%' returning id, product_set_id
    ),
    many as (
      insert into shop_update.item (seller_id, product_set_id, product_id, queued_at, entered_at,
        status_at, run_at, failed_at, topic, status, lane, fresh, reason, failures, sends)
      select ${sellerId}::bigint, product_set_id, id, now(), now(), now(), 'infinity',
        now(), 'content', 'failed', 'delayed', false, 'failure', 28, 28 from products
      returning topic
    )
    insert into shop_update.delta (kind, topic, status, n)
    select 'status', topic, 'failed', count(*) from many group by topic`
  await scene.sql`analyze` // otherwise it depends on when autovacuum runs
  const { page, open, close } = await scene.visit({ role: 'Admin' })
  await open('failed?seller=Big%20Seller&topic=content')
  await page.getByTestId('total').getByText('items').waitFor()
  await page.getByRole('button', { name: 'Reupload all that match' }).click()
  await page.getByTestId('requeue-preview').getByText('will be requeued').waitFor()
  expect(await page.getByTestId('requeue-preview').textContent()).toMatch(
    // a machine that needs more than 20 seconds for them says of how many this is
    /50,000 items of 50,000 product sets.* and 49,980 more, with 50,000 variations\.|Of the first (\d+,\d00): \1 items/,
  )
  await close()
})

test('a search that finds more than it shows offers the rest', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('overview?q=Big%20Seller')
  await page.getByText('The newest 20 are shown.').waitFor()
  await page.getByRole('button', { name: 'Show more' }).click()
  await page.getByText('The newest 100 are shown.').waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('a page that was turned is a step back in the browser, and the next list keeps what is looked for', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('failed?seller=Big%20Seller&topic=content')
  const table = page.getByRole('table', { name: 'Failed' })
  const firstRow = () => table.getByRole('row').nth(1).getByRole('link').first().textContent()
  const top = await firstRow()
  const turn = async (by: () => Promise<unknown>) => {
    const before = await firstRow()
    await by()
    await expect.poll(firstRow).not.toBe(before)
    return { cursor: new URL(page.url()).searchParams.get('cursor'), top: await firstRow() }
  }
  const next = () => turn(() => page.getByRole('button', { name: 'Next' }).click())
  const first = { cursor: null, top }
  const second = await next()
  const third = await next()
  expect(new Set([null, second.cursor, third.cursor]).size).toBe(3)
  expect(await turn(() => page.getByRole('button', { name: 'Previous' }).click())).toEqual(second)
  expect(await turn(() => page.goBack())).toEqual(third)
  expect(await turn(() => page.goBack())).toEqual(second)
  expect(await turn(() => page.goBack())).toEqual(first)
  expect(await page.getByRole('button', { name: 'First page' }).isDisabled()).toBe(true)
  await page.getByRole('tab', { name: 'Delayed' }).click()
  await page.getByText('No item matches').waitFor()
  expect(new URL(page.url()).search).toBe('?topic=content&seller=Big+Seller')
  expect(complaints).toEqual([])
  await close()
})

test('what begins with the words and is too much is told, not taken for nothing, and not for all', async () => {
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  const said = 'More than 200 products begin with this'
  await open('failed?q=MANY-')
  await page.getByRole('alert').getByText(said).waitFor()
  expect(await page.getByRole('link', { name: 'CSV' }).getAttribute('aria-disabled')).toBe('true')
  expect(await page.getByRole('button', { name: 'Reupload all that match' }).getAttribute('aria-disabled')).toBe('true')
  await open('delayed?q=MANY-')
  await page.getByRole('alert').getByText(said).waitFor()
  expect(await page.getByText('No item matches').count()).toBe(0)
  await open('overview?q=MANY-')
  await page.getByRole('alert').getByText(said).waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('what was discarded waits for nothing any more', async () => {
  const { itemId } = await addUndecided()
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open(`items/${itemId}`)
  await page.getByRole('button', { name: 'Discard it' }).click()
  await page.getByRole('dialog').getByLabel('Reason').fill('sold out')
  await page.getByRole('dialog').getByRole('button', { name: 'Discard it' }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.getByRole('region', { name: 'Status' }).getByText('Discarded').waitFor()
  expect(await page.getByRole('button', { name: 'Queue its creation' }).count()).toBe(0)
  expect(await page.getByText('Nothing in the queue creates what it waits for').count()).toBe(0)
  expect(complaints).toEqual([])
  await close()
})

test('a row that is requeued by itself leaves the others picked', async () => {
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('failed?seller=Big%20Seller&topic=content')
  const boxes = page
    .getByRole('table', { name: 'Failed' })
    .getByRole('row')
    .getByLabel(/^Select MANY/)
  for (const place of [0, 1, 2]) await boxes.nth(place).check({ force: true })
  await page
    .getByRole('table', { name: 'Failed' })
    .getByRole('row')
    .nth(1)
    .getByRole('button', { name: /^Reupload/ })
    .click()
  await page.getByRole('dialog').getByRole('button', { name: 'Requeue 1 item' }).click()
  await page.getByRole('dialog').getByText('1 item of 1 product set requeued').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click()
  await page.getByRole('button', { name: 'Reupload to Shop (2)' }).waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('the requeue button of a row stays in sight where the table is wider than the page', async () => {
  await addUndecided()
  const { page, open, close } = await scene.visit({ role: 'Admin' })
  const columns =
    'sellerSku.sku.topic.queuedAt.status.requeuedCount.lastRequeuedAt.failedAt.' +
    'statusAt.nextAttemptAt.reason.seller.requestId'
  await open(`blocked?columns=${columns}`)
  const table = page.getByRole('table', { name: 'Blocked' })
  const button = table
    .getByRole('row')
    .nth(1)
    .getByRole('button', { name: /^Reupload/ })
  await button.waitFor()
  const right = async (of: Locator) => of.evaluate((element) => element.getBoundingClientRect().right)
  expect(await right(table)).toBeGreaterThan(1280)
  expect(await right(button)).toBeLessThanOrEqual(1280)
  await close()
})

test('a stock change that waits on purpose says so', async () => {
  const wait = (seconds: string) =>
    scene.sql`
      update shop_update.setting set value = ${seconds}::text::jsonb where key = 'shop_update/stock_wait_seconds'`
  const { productIds } = await addSet(scene.sql)
  await wait('3600')
  const itemId = await scene.enqueue('stock', { product: productIds[0]! })
  await wait('0')
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('delayed?reason=stock_wait')
  await page.getByRole('cell', { name: 'Delayed is sent in an hour' }).waitFor()
  await page.getByRole('button', { name: 'Retry logic' }).click()
  await page.getByRole('dialog').getByText('From failure 1 on it is listed as Failed; its retries go on.').waitFor()
  expect(await page.getByRole('table', { name: 'Retry table' }).getByRole('row').count()).toBe(28)
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
  await page
    .getByRole('row')
    .getByRole('button', { name: /^Reupload/ })
    .click()
  await page.getByTestId('requeue-preview').getByText('It waits on purpose and is sent by itself.').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
  await open(`items/${itemId}`)
  await page.getByRole('region', { name: 'Status' }).getByText('A stock change waits after it was queued').waitFor()
  expect(await page.getByRole('region', { name: 'Status' }).textContent()).not.toContain('10 minutes')
  await page.getByRole('button', { name: 'Reupload to Shop' }).hover()
  await page.getByText('It waits on purpose and is sent by itself.').waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('a filter that is none is told in a sentence, and what only Grafana has is not taken for a page', async () => {
  const { page, open, close } = await scene.visit({})
  await open('failed?topic=colour')
  await page.getByText('There is no such topic.').waitFor()
  await open('/explore?schemaVersion=1')
  await page.getByRole('heading', { name: 'This opens in Grafana' }).waitFor()
  await close()
})

test.each([
  ['items/50%25', '50%'],
  ['items/%E0%A4%A', '%E0%A4%A'],
  ['items/999999999', '999999999'],
])('%s is no item, which is said', async (path, id) => {
  const { page, open, complaints, close } = await scene.visit({})
  await open(path)
  await page.getByText('There is no such item').waitFor()
  await page.getByRole('link', { name: `Search everything for “${id}”` }).click()
  await page.getByText('No item in the queue or among what was Synced matches').waitFor()
  expect(complaints.filter((complaint) => !complaint.startsWith('HTTP 404 '))).toEqual([])
  await close()
})

test.each([
  'items/1/2',
  'failed/50%25',
  'failed?q=%E0%A4%A',
  'failed?q=%00',
  'failed?from=now-xyz&to=now',
  'failed?from=2026-99-99&to=yesterday',
  'failed?from=now-999999999y',
  'failed?topic=constructor&status=constructor&reason=constructor',
  'failed?sort=constructor&cursor=constructor',
  'failed?refresh=constructor',
  'failed?columns=sellerSku.sellerSku.constructor',
  'overview?set=constructor',
])('%s is a page all the same', async (path) => {
  const { page, open, complaints, close } = await scene.visit({})
  await open(path)
  await page.getByRole('heading', { level: 1 }).waitFor()
  await page.getByRole('tab', { name: 'Overview' }).waitFor()
  await page.waitForLoadState('networkidle')
  await page
    .getByText(/There is no such page|No item matches|items?$|This could not be loaded/)
    .first()
    .waitFor()
  expect(complaints.filter((complaint) => !complaint.startsWith('HTTP 400 '))).toEqual([])
  await close()
})

describe.each([1280, 1000, 720])('at %i pixels', (width) => {
  test.each(['pending', 'failed'])('%s: the quick ranges are in sight, wherever their button stands', async (tab) => {
    const { page, open, complaints, close } = await scene.visit({})
    await page.setViewportSize({ width, height: 900 })
    await open(tab)
    await page.getByRole('button', { name: 'Queued at any time' }).click()
    const picker = await page.locator('#TimePickerContent').boundingBox()
    expect(picker!.x).toBeGreaterThanOrEqual(0)
    expect(picker!.x + picker!.width).toBeLessThanOrEqual(width)
    await page.getByText('Last 6 hours').click()
    await expect.poll(() => new URL(page.url()).search).toBe('?from=now-6h&to=now')
    expect(complaints).toEqual([])
    await close()
  })
})

test('what is harmless is not confirmed with a red button', async () => {
  const { page, open, close } = await scene.visit({ role: 'Admin' })
  await open('/plugins/sellercenter-shopupdate-app')
  await page.getByRole('button', { name: 'Make a new key' }).click()
  expect(await isRed(page.getByRole('dialog').getByRole('button', { name: 'Make a new key' }))).toBe(false)
  await close()
})

test('a list opens with its causes; one shows its items, and they are requeued together', async () => {
  const { productIds } = await addSet(scene.sql)
  await scene.control('/troubles', { method: 'PUT', body: { default: { failureRows: 100 } } })
  await scene.untilStatus(await scene.enqueue('status', { product: productIds[0]! }), 'failed')
  await scene.control('/troubles', { method: 'PUT', body: {} })
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('failed')
  const causes = page.getByRole('table', { name: 'Causes' })
  const cause = causes.getByRole('row').filter({ hasText: 'Product.updateProducts' })
  await cause.getByRole('button', { name: /^Show its items/ }).click()
  await expect.poll(() => new URL(page.url()).searchParams.get('cause')).toMatch(/^-?\d+$/)
  await page.getByTestId('total').getByText('1 item').waitFor()
  await page
    .getByRole('table', { name: 'Failed' })
    .getByText(await skuOf(productIds[0]!))
    .waitFor()
  await cause.getByRole('button', { name: /^Reupload all/ }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Requeue 1 item' }).waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
  await cause.getByRole('button', { name: /^Show all/ }).click()
  await expect.poll(() => new URL(page.url()).searchParams.get('cause')).toBeNull()
  expect(complaints).toEqual([])
  await close()
})

test('a requeue is a run: it says what came of it, has a page to share, and is on the record of admins', async () => {
  const { productIds } = await addSet(scene.sql)
  await scene.control('/troubles', { method: 'PUT', body: { default: { http404: 100 } } })
  const itemId = await scene.enqueue('status', { product: productIds[0]! })
  await scene.untilStatus(itemId, 'failed')
  await scene.control('/troubles', { method: 'PUT', body: {} })
  await scene.sql`update catalog.product set active = false where id = ${productIds[0]!}::bigint`
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open(`items/${itemId}`)
  await page.getByRole('button', { name: 'Reupload to Shop' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('1: The product, or one of its variations, is not active.').waitFor()
  expect(await dialog.getByRole('button', { name: 'Requeue 0 items' }).isDisabled()).toBe(true)
  await dialog.getByLabel('Send them all the same').check({ force: true })
  await dialog.getByRole('button', { name: 'Requeue 1 item' }).waitFor()
  expect(await dialog.getByRole('button', { name: 'Requeue 1 item' }).isDisabled()).toBe(true)
  await dialog.getByRole('textbox', { name: 'Reason' }).fill('the Shop asked for it')
  await dialog.getByRole('button', { name: 'Requeue 1 item' }).click()
  await dialog.getByText('1 item of 1 product set requeued').waitFor()
  await scene.untilStatus(itemId, 'synced')
  await dialog.getByRole('link', { name: 'Follow it on its own page' }).click()
  const outcome = page.getByRole('region', { name: 'What came of it' })
  await outcome.getByText('Synced').waitFor()
  await page.getByText('Reason: “the Shop asked for it”').waitFor()
  await page.getByText('The preview said: 1 item of 1 product set, 0 items left alone.').waitFor()
  const [, runId] = /runs\/(\d+)$/.exec(page.url())!
  await open('runs?action=requeue')
  const record = page.getByRole('table', { name: 'What was done by hand' })
  const row = record.getByRole('row').filter({ hasText: 'the Shop asked for it' })
  await row.getByRole('link', { name: '1 item: 1 item requeued, 0 left alone' }).click()
  await page.getByRole('heading', { name: `Run ${runId}` }).waitFor()
  expect(complaints).toEqual([])
  await close()
  const viewer = await scene.visit({ role: 'Viewer' })
  await viewer.open(`runs/${runId}`)
  await viewer.page.getByText('Reason: “the Shop asked for it”').waitFor()
  await viewer.open('runs')
  await viewer.page.getByText('Only users with the role Admin see the record of all that was done by hand.').waitFor()
  expect(viewer.complaints).toEqual([])
  await viewer.close()
})

test('a run that is under way says how far it is, and is stopped', async () => {
  const { productIds } = await addSet(scene.sql)
  await scene.control('/troubles', { method: 'PUT', body: { default: { http404: 100 } } })
  const itemId = await scene.enqueue('status', { product: productIds[0]! })
  await scene.untilStatus(itemId, 'failed')
  await scene.control('/troubles', { method: 'PUT', body: {} })
  const letGo = await holdItem(scene.sql, itemId)
  const runId = await addRun('running', { itemIds: [itemId] })
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('overview')
  await page.getByRole('link', { name: 'Runs' }).click()
  await page.getByRole('table', { name: 'Runs under way' }).getByRole('link').first().click()
  await page.getByRole('heading', { name: `Run ${runId}` }).waitFor()
  await page.getByText('503 of 12,005 items looked at').waitFor()
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByText('stopped it; what was done stays done').waitFor()
  await letGo()
  expect(complaints).toEqual([])
  await close()
})

test('a requeue that would change nothing says so, and queues the creation instead', async () => {
  const { productIds } = await addSet(scene.sql, { inShop: false })
  const itemId = await scene.enqueue('price', { product: productIds[0]! })
  await scene.untilStatus(itemId, 'blocked')
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('blocked?reason=not_in_shop')
  await page
    .getByRole('button', { name: `Reupload ${await skuOf(productIds[0]!)} and its product set to Shop` })
    .click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('This changes nothing: 1 item will be Blocked again').waitFor()
  await dialog.getByRole('button', { name: 'Queue 1 creation' }).click()
  await dialog.getByText('1 creation queued').waitFor()
  await dialog.getByRole('button', { name: 'Close' }).last().click()
  await scene.untilStatus(itemId, 'synced')
  expect(complaints).toEqual([])
  await close()
})

test('the Shop goes away with 2,000 changes waiting: pages and answer say so; it comes back, all is sent', async () => {
  const { sellerId } = await addSet(scene.sql, { seller: 'Drilled' })
  await scene.sql`
    with sets as (
      insert into catalog.product_set (seller_id, title, src_id)
      select ${sellerId}::bigint, 'Drill', 'DRILL-SET-' || g from generate_series(1, 2000) g returning id
    )
    insert into catalog.product (product_set_id, seller_sku, shop_sku, src_id, price)
    select id, 'DRILL-' || id, 'SHOP-DRILL-' || id, 'DRILL-' || id, 10 from sets`
  await scene.control('/troubles', { method: 'PUT', body: { default: { dropBefore: 100 } } })
  const rows = await scene.sql<{ id: string }[]>`
    select shop_update.enqueue('price', product_id => id) as id from catalog.product
    where seller_sku like 'DRILL-%' order by id`
  const ids = rows.map(({ id }) => id)
  expect(ids).toHaveLength(2000)
  const { page, open, close } = await scene.visit({})
  await open('pending')
  const banner = page.getByRole('alert', { name: /^The Shop cannot be reached/ })
  await banner.getByText(/items wait/).waitFor()
  const [waiting] = await scene.sql<{ id: string }[]>`
    select id from shop_update.item where status = 'pending' and id = any (${ids}::bigint[]) order by id desc limit 1`
  await open(`items/${waiting!.id}`)
  await banner.waitFor()
  expect(await page.getByTestId('seller-answer').textContent()).toMatch(/^Since .* the Shop cannot be reached/)
  for (const path of ['overview', 'pending', 'delayed', 'blocked', 'failed', 'synced', 'runs', 'pauses']) {
    await open(path)
    await banner.waitFor()
  }
  await scene.control('/troubles', { method: 'PUT', body: {} })
  await banner.waitFor({ state: 'detached', timeout: 60_000 }) // it is probed every half minute
  // what opened the circuit, what was on its way then, and the probes wait for their retry, an hour here
  const [row] = await scene.sql<{ failed: number }[]>`
    select count(*)::int as failed from shop_update.item where id = any (${ids}::bigint[]) and failures > 0`
  expect(row!.failed).toBeLessThan(60)
  await expect
    .poll(
      async () => {
        const [row] = await scene.sql<{ n: number }[]>`
        select count(*)::int as n from shop_update.item where id = any (${ids}::bigint[]) and failures = 0`
        return row!.n
      },
      { timeout: 90_000 },
    )
    .toBe(0)
  await close()
}, 300_000)

test('an admin pauses a topic, each page says so, and ends it', async () => {
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('overview')
  await page.getByRole('link', { name: 'Pauses' }).click()
  await page.getByText('Nothing is paused or planned to be').waitFor()
  await page.getByRole('button', { name: 'Pause sending' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('radio', { name: 'A topic' }).check()
  await dialog.getByLabel('Topic', { exact: true }).click()
  await page.getByRole('option', { name: 'Images' }).click()
  await dialog.getByLabel('Reason').fill('The picture server moves')
  await dialog.getByRole('button', { name: 'Pause sending' }).click()
  const pauses = page.getByRole('table', { name: 'Pauses in force and planned' })
  await pauses.getByText('The picture server moves').waitFor()
  const banner = page.getByRole('alert', { name: /^Sending is paused for Images/ })
  await banner.waitFor()
  await open('failed')
  await banner.getByText('Reason: The picture server moves').waitFor()
  await banner.getByRole('link', { name: 'Pauses' }).click()
  await page.getByRole('button', { name: 'End now: Images' }).click()
  await page.getByRole('button', { name: 'End the pause', exact: true }).click()
  await page.getByRole('table', { name: 'Ended pauses' }).getByText('The picture server moves').waitFor()
  await banner.waitFor({ state: 'detached' })
  expect(complaints).toEqual([])
  await close()
})

test('who may only read sees the pauses, and sets none', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('pauses')
  await page.getByRole('button', { name: 'Pause sending' }).waitFor()
  expect(await page.getByRole('button', { name: 'Pause sending' }).isDisabled()).toBe(true)
  expect(complaints).toEqual([])
  await close()
})

test('the worker goes down and comes back: the page says so, and goes on by itself', async () => {
  const { page, open, close } = await scene.visit({})
  await open('overview')
  await page.getByRole('table', { name: 'Items by status' }).waitFor()
  await page.waitForLoadState('networkidle') // after a failure it is requested again only after a minute
  await scene.worker.kill()
  await page.getByText('The worker cannot be reached').first().waitFor()
  await scene.startWorker()
  await page.getByText('The worker cannot be reached').first().waitFor({ state: 'detached' })
  await close()
})

describe.each([
  ['dark', 1280],
  ['light', 1280],
  ['dark', 720], // below 770 pixels Grafana hides the text of its toolbar buttons
] as const)('in the %s theme at %i pixels', (theme, width) => {
  let runId: string
  // the banner is on every page
  beforeAll(async () => {
    runId = await addRun('stopped')
    await scene.sql`
      insert into shop_update.pause (topic, from_at, until_at, ends_itself, reason, created_by)
      values ('images', now(), now() + interval '1 hour', true, 'The picture server moves', 'test')`
  })
  afterAll(() => scene.sql`update shop_update.pause set ended_at = now()`)

  test.each([
    'overview',
    'pending',
    'delayed',
    'blocked',
    'failed',
    'synced',
    'pauses',
    'runs',
    'run',
    'product',
    'seller',
    'skus',
    'overview?q=linen',
    'item',
    '/plugins/sellercenter-shopupdate-app',
  ])('%s has no fault that axe finds, fits, and leaves the console silent', async (path) => {
    const { page, open, complaints, close } = await scene.visit({ role: 'Admin', theme })
    await page.setViewportSize({ width, height: 900 })
    const paths: Record<string, string> = {
      item: `items/${failed.itemId}`,
      run: `runs/${runId}`,
      product: `products/${failed.setId}?product=${failed.productIds[0]}`,
      seller: 'sellers/1',
    }
    await open(paths[path] ?? path)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.waitForLoadState('networkidle')
    expect(await axeFaults(page)).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width)
    expect(complaints).toEqual([])
    if (process.env.SCREENSHOTS)
      await page.screenshot({
        path: `${process.env.SCREENSHOTS}/${theme}-${width}-${path.replace(/\W/g, '')}.png`,
        fullPage: true,
      })
    await close()
  })
})
