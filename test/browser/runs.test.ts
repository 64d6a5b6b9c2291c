import { afterAll, beforeAll, expect, test } from 'vitest'
import { addSet } from '../scene.ts'
import { type PreviewScene, startPreviewScene } from './preview.ts'

let scene: PreviewScene
beforeAll(async () => {
  scene = await startPreviewScene()
})
afterAll(async () => {
  await scene?.browser.close()
  await scene?.stop()
})

/** Items that an admin has to decide about: of each the Shop's answer could not be read. */
async function undecided(n: number): Promise<string[]> {
  await scene.control('/troubles', { method: 'PUT', body: { topics: { content: { wrongId: 100 } } } })
  const items: string[] = []
  for (let place = 0; place < n; place++) {
    const { productIds } = await addSet(scene.sql)
    items.push(await scene.enqueue('content', { product: productIds[0]! }))
  }
  for (const item of items) await scene.untilStatus(item, 'blocked')
  await scene.control('/troubles', { method: 'DELETE' })
  return items
}

test('all of a cause is discarded: what goes is shown first, and what came of it; only where it helps', async () => {
  const items = await undecided(3)
  const waits = await addSet(scene.sql, { inShop: false })
  await scene.untilStatus(await scene.enqueue('price', { product: waits.productIds[0]! }), 'blocked')
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('blocked')
  const causes = page.getByRole('table', { name: 'Causes' })
  await causes.getByRole('button', { name: /^Reupload all: Not in the Shop/ }).waitFor()
  expect(await causes.getByRole('button', { name: /^Discard all/ }).count()).toBe(1)
  await causes.getByRole('button', { name: /^Discard all/ }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByTestId('discard-preview').getByText('3 items').waitFor()
  const discard = dialog.getByRole('button', { name: 'Discard 3 items' })
  expect(await discard.isDisabled()).toBe(true)
  await dialog.getByRole('textbox', { name: /^Reason/ }).fill('settled with the Shop')
  await discard.click()
  await dialog.getByText('3 items of 3 product sets discarded').waitFor()
  await dialog.getByRole('link', { name: 'Follow it on its own page' }).click()
  await page.getByText('Reason: “settled with the Shop”').waitFor()
  await page.getByText('The preview said: 3 items of 3 product sets, 0 items left alone.').waitFor()
  expect(await page.getByLabel('What became of them').textContent()).toBe('Discarded3')
  for (const item of items) expect(await scene.item(item)).toMatchObject({ finished: true, reason: 'discarded' })
  await open('runs')
  await page.getByRole('link', { name: /: 3 items discarded, 0 left alone$/ }).waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('picked items are discarded where each is to be decided; of others it is not offered', async () => {
  await undecided(2)
  // and one that waits for its creation, about which nobody decides
  const { productIds } = await addSet(scene.sql, { inShop: false })
  await scene.untilStatus(await scene.enqueue('price', { product: productIds[0]! }), 'blocked')
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('blocked')
  const boxes = page.getByRole('table', { name: 'Blocked' }).getByRole('checkbox')
  // the newest is the one about which nobody decides
  await boxes.nth(2).check({ force: true })
  await boxes.nth(3).check({ force: true })
  await page.getByRole('button', { name: 'Discard (2)' }).waitFor()
  await boxes.nth(0).check({ force: true })
  await page.getByRole('button', { name: /^Reupload to Shop \([3-9]\)$/ }).waitFor()
  expect(await page.getByRole('button', { name: /^Discard \(/ }).count()).toBe(0)
  await open('blocked?reason=unprocessable_response')
  await page.getByRole('button', { name: 'Discard all that match' }).click()
  await page.getByRole('dialog').getByText('2 items').first().waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('topics of a pasted list are sent; what a condition refuses is told, and a reason goes past it', async () => {
  const good = await addSet(scene.sql, { products: 2 })
  const rejected = await addSet(scene.sql)
  await scene.sql`update catalog.product set qc_status = 'rejected' where id = ${rejected.productIds[0]!}::bigint`
  const rows = await scene.sql<{ sku: string }[]>`
    select seller_sku as sku from catalog.product
    where id = any (${[...good.productIds, ...rejected.productIds]}::bigint[]) order by id`
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('skus')
  await page.locator('#skus').fill(rows.map(({ sku }) => sku).join('\n'))
  await page.getByRole('button', { name: 'Look them up' }).click()
  await page.getByRole('button', { name: 'Send topics' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Content').check({ force: true })
  await dialog.getByLabel('New Product (Set)').check({ force: true })
  // content of two, and both sets
  await dialog.getByTestId('send-preview').getByText('4 changes').waitFor()
  await dialog.getByText('1 change left alone').waitFor()
  await dialog.getByRole('link', { name: rows[2]!.sku }).waitFor()
  await dialog.getByLabel('Send them all the same').check({ force: true })
  await dialog.getByRole('button', { name: 'Send 5 changes' }).waitFor()
  expect(await dialog.getByRole('button', { name: 'Send 5 changes' }).isDisabled()).toBe(true)
  await dialog.getByRole('textbox', { name: /^Reason/ }).fill('the seller asked')
  await dialog.getByRole('button', { name: 'Send 5 changes' }).click()
  await dialog.getByText('5 changes of 2 product sets queued').waitFor()
  await dialog.getByLabel('What became of them').getByText('Synced').waitFor()
  await dialog.getByRole('link', { name: 'Follow it on its own page' }).click()
  await page.getByText('Sending of Content, New Product (Set) of 3 products').waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('what the Shop acknowledged and does not answer opens Pending, by topic; one click shows its items', async () => {
  await scene.control('/troubles', { method: 'PUT', body: { default: { answersOtherFlow: 100, noCallback: 100 } } })
  const items: string[] = []
  for (let n = 0; n < 5; n++) {
    const { productIds } = await addSet(scene.sql)
    items.push(await scene.enqueue('price', { product: productIds[0]! }))
  }
  for (const item of items) await scene.untilStatus(item, 'got_acknowledgment')
  await scene.control('/troubles', { method: 'DELETE' })
  const { page, open, complaints, close } = await scene.visit({ role: 'Viewer' })
  await open('pending')
  await page.getByTestId('total').getByText('5 items').waitFor()
  expect(await page.getByRole('table', { name: 'Not answered for long' }).count()).toBe(0)
  await scene.sql`update shop_update.item set status_at = now() - interval '26 hours' where lane = 'awaiting'`
  const table = page.getByRole('table', { name: 'Not answered for long' })
  await table.getByText('Price · Product.updatePrices').waitFor()
  expect(await table.getByRole('row').nth(1).textContent()).toMatch(/^Price · Product\.updatePrices51.*1 dayThe Shop/)
  await page.getByText('The Shop has stopped calling back').waitFor()
  await table.getByRole('button', { name: 'Show what is acknowledged: Price' }).click()
  await page.getByRole('button', { name: 'Show all: Price' }).waitFor()
  expect(new URL(page.url()).search).toContain('status=got_acknowledgment')
  expect(new URL(page.url()).search).toContain('topic=price')
  await table.getByRole('link').click()
  await page.getByText('no answer of the Shop reaches us, to any change').waitFor()
  expect(complaints).toEqual([])
  await close()
})
