import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { freePort } from '../../demo/postgres.ts'
import { addSet } from '../scene.ts'
import { axeFaults } from './axe.ts'
import { type PreviewScene, startPreviewScene } from './preview.ts'

/**
 * A seller is on the telephone: why is this product not in the Shop? The admin finds it by a fragment of its SKU, reads
 * how it stands with it, copies the answer, and does what helps. One walk for each case.
 */
let scene: PreviewScene
beforeAll(async () => {
  scene = await startPreviewScene({
    env: { INTERNAL_PORT: String(await freePort()), RETRY_UNIT_SECONDS: '3600', MAX_RETRIES: '27' },
  })
})
afterAll(() => scene?.stop())
beforeEach(() => troubles({}))

const troubles = (settings: Record<string, number>) =>
  scene.control('/troubles', { method: 'PUT', body: { default: settings } })

interface Product {
  setId: string
  productId: string
  sku: string
}

let n = 0
async function product(options: Parameters<typeof addSet>[1] = {}): Promise<Product> {
  const seller = `Seller ${++n}`
  const { setId, productIds } = await addSet(scene.sql, { seller, ...options })
  const sku = `Walk-${String.fromCharCode(64 + n)}${n}-Linen`
  await scene.sql`update catalog.product set seller_sku = ${sku} where id = ${productIds[0]!}::bigint`
  return { setId, productId: productIds[0]!, sku }
}
/** What Seller Center does. */
const change = ({ productId }: Product, columns: { active: boolean } | { qc_status: string }) =>
  scene.sql`update catalog.product set ${scene.sql(columns)} where id = ${productId}::bigint`
const isInShop = async ({ productId }: Product) => {
  const [row] = await scene.sql<{ there: boolean }[]>`
    select src_id is not null and shop_sku is not null as there from catalog.product where id = ${productId}::bigint`
  return row!.there
}

const verdict = (page: Page, text: string) => page.getByTestId('verdict').getByText(text).waitFor()
const upToDate = (page: Page) => verdict(page, 'In the Shop, up to date.')
async function queueCreation(page: Page) {
  await page.getByRole('button', { name: 'Queue its creation' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Queue its creation' }).click()
}
async function reuploadSet(page: Page) {
  await page.getByRole('button', { name: 'Reupload the product set' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: /^Requeue/ }).click()
  await dialog
    .getByText(/requeued/)
    .first()
    .waitFor()
  await dialog.getByRole('button', { name: 'Close' }).last().click()
}
/** Sending it is refused, and the dialog says why. */
async function refused(page: Page, why: string) {
  await page.getByRole('button', { name: 'Send a topic' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Send it' }).click()
  await dialog.getByText(why).first().waitFor()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
}

interface Walk {
  name: string
  /** Makes the case. */
  make(): Promise<Product>
  verdict: string
  answer: RegExp
  /** Who acts, as the page says. */
  acts: string
  /** What helps; afterwards the product is in the Shop, up to date. */
  help(page: Page, product: Product): Promise<void>
}

const WALKS: Walk[] = [
  {
    name: 'never queued',
    make: () => product({ inShop: false }),
    verdict: 'Not in the Shop: nobody has queued its creation.',
    answer: /nobody has queued its creation\. An admin looks into it; there is nothing you need to do\.$/,
    acts: 'An admin has to act',
    help: queueCreation,
  },
  {
    name: 'the product is not active',
    make: () => product({ inShop: false, active: false }),
    verdict: 'Not in the Shop: the product is not active',
    answer: /the product is not active.*Please look at it in Seller Center\.$/,
    acts: 'The seller has to act',
    async help(page, made) {
      await refused(page, 'The product, or one of its variations, is not active')
      await change(made, { active: true })
      await queueCreation(page)
    },
  },
  {
    name: 'the seller is not active',
    async make() {
      const made = await product({ inShop: false })
      await scene.sql`update catalog.seller set active = false where name = ${`Seller ${n}`}`
      return made
    },
    verdict: 'Not in the Shop: the seller is not active',
    answer: /the seller is not active.*Please look at it in Seller Center\.$/,
    acts: 'The seller has to act',
    async help(page) {
      await refused(page, 'The seller is not active')
      await scene.sql`update catalog.seller set active = true`
      await queueCreation(page)
    },
  },
  {
    name: 'it waits for quality control',
    async make() {
      const made = await product({ inShop: false })
      await change(made, { qc_status: 'pending' })
      return made
    },
    verdict: 'Not in the Shop: it waits for quality control',
    answer: /waits for quality control, and is created once it is approved\. There is nothing you need to do\.$/,
    acts: 'Nobody has to act',
    async help(page, made) {
      await change(made, { qc_status: 'approved' })
      await queueCreation(page)
    },
  },
  {
    name: 'rejected in quality control',
    async make() {
      const made = await product({ inShop: false })
      await change(made, { qc_status: 'rejected' })
      return made
    },
    verdict: 'Not in the Shop: rejected in quality control',
    answer: /rejected in quality control\..*Please look at it in Seller Center\.$/,
    acts: 'The seller has to act',
    async help(page, made) {
      await change(made, { qc_status: 'approved' })
      await queueCreation(page)
    },
  },
  {
    name: 'its creation has failed 14 times',
    async make() {
      const made = await product({ inShop: false })
      await troubles({ failureRows: 100 })
      const itemId = await scene.enqueue('new_product_set', { set: made.setId })
      for (let failures = 1; failures <= 14; failures++) {
        await vi.waitFor(async () => expect((await scene.item(itemId)).failures).toBe(failures), {
          timeout: 10_000,
          interval: 10,
        })
        if (failures === 14) break
        await scene.sql`
          update shop_update.item set run_at = now() where id = ${itemId}::bigint and lane = 'delayed'`
        await scene.sql`notify shop_update`
      }
      await troubles({})
      return made
    },
    verdict: 'Not in the Shop: its creation has failed 14 times',
    answer: /14/,
    acts: 'Operations have to act',
    async help(page) {
      const timeline = page.getByRole('table', { name: 'Timeline' })
      await timeline.getByText('Failed 14 times').click()
      expect(await timeline.getByRole('list', { name: 'Each of them' }).getByRole('listitem').count()).toBe(14)
      await reuploadSet(page)
    },
  },
  {
    name: 'its creation is Blocked: the Shop gave it an id of another product',
    async make() {
      const taken = await product()
      const made = await product({ inShop: false })
      const [other] = await scene.sql<{ srcId: string }[]>`
        select src_id as "srcId" from catalog.product where id = ${taken.productId}::bigint`
      await scene.control('/troubles', {
        method: 'PUT',
        body: { default: { srcIdTaken: 100, takenSrcId: other!.srcId, takenConfigId: '880000' } },
      })
      await scene.untilStatus(await scene.enqueue('new_product_set', { set: made.setId }), 'blocked')
      await troubles({})
      return made
    },
    verdict: 'Not in the Shop: an admin has to decide about its creation.',
    answer: /with an ID that already belongs to another product\. .*An admin has to sort this out/,
    acts: 'An admin has to act',
    async help(page) {
      const back = page.url()
      await page.getByTestId('holds-up').getByRole('link').first().click()
      await page.getByRole('button', { name: "Enter the Shop's ids" }).click()
      const dialog = page.getByRole('dialog')
      await dialog.locator('#adopt-set').fill('880001')
      await dialog.locator('#adopt-id').fill('881001')
      await dialog.locator('#adopt-sku').fill('BY-HAND-1')
      await dialog.locator('#adopt-reason').fill('The Shop has looked it up')
      await dialog.getByRole('button', { name: 'Note them' }).click()
      await page.getByRole('region', { name: 'Status' }).getByText('Synced').first().waitFor()
      await page.goto(back)
    },
  },
  {
    name: 'in the Shop and up to date',
    async make() {
      const made = await product({ inShop: false })
      await scene.untilStatus(await scene.enqueue('new_product_set', { set: made.setId }), 'synced')
      return made
    },
    verdict: 'In the Shop, up to date.',
    answer: /In the Shop, up to date\. There is nothing you need to do\.$/,
    acts: 'Nobody has to act',
    async help(page) {
      await page.getByText('Of what the calls on record say, nothing differs.').waitFor()
    },
  },
  {
    name: 'price and stock wait behind a failed sibling',
    async make() {
      const made = await product({ products: 2 })
      const [, sibling] = (
        await scene.sql<{ id: string }[]>`
          select id from catalog.product where product_set_id = ${made.setId}::bigint order by id`
      ).map(({ id }) => id)
      await troubles({ http500: 100 })
      for (const topic of ['price', 'stock']) {
        await scene.untilStatus(await scene.enqueue(topic, { product: sibling! }), 'delayed')
        await scene.enqueue(topic, { product: made.productId })
      }
      return made
    },
    verdict: 'In the Shop, 2 changes of it are not there: Price waits behind the same change of LINEN-',
    answer: /is sent after an earlier change of the same product.*status Delayed.*There is nothing you need to do\.$/,
    acts: 'Nobody has to act',
    async help(page) {
      await page.getByText('What goes first: item').waitFor()
      await troubles({})
      await reuploadSet(page)
    },
  },
  {
    name: 'acknowledged for hours',
    async make() {
      const made = await product()
      await troubles({ answersOtherFlow: 100, noCallback: 100 })
      const itemId = await scene.enqueue('price', { product: made.productId })
      await scene.untilStatus(itemId, 'got_acknowledgment')
      await scene.sql`
        update shop_update.item set status_at = now() - interval '5 hours', last_sent_at = now() - interval '5 hours'
        where id = ${itemId}::bigint`
      await troubles({})
      return made
    },
    verdict: 'In the Shop, 1 change with the Shop: it has confirmed it, and has not answered yet.',
    answer: /^The Shop confirmed on .*The Shop has to answer now/,
    acts: 'The Shop has to act',
    async help(page) {
      const back = page.url()
      await page.getByTestId('holds-up').getByRole('link').first().click()
      await page.getByRole('button', { name: 'Reupload to Shop' }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByRole('button', { name: /^Requeue/ }).click()
      await dialog
        .getByText(/requeued/)
        .first()
        .waitFor()
      await page.goto(back)
    },
  },
]

describe.each(WALKS)('$name', ({ make, verdict: text, answer, acts, help }) => {
  test('is found, told, and helped', async () => {
    const made = await make()
    const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
    await open('overview')
    // neither the beginning nor the end of it, in lower case
    await page.getByRole('combobox', { name: 'Search everything' }).fill(made.sku.toLowerCase().slice(2, -2))
    // by the mouse: while it is typed, others are suggested above it
    await page.getByRole('option', { name: made.sku }).click()
    await verdict(page, text)
    await page.getByRole('region', { name: 'How it stands' }).getByText(acts).first().waitFor()
    const told = (await page.getByTestId('seller-answer').textContent())!
    expect(told).toContain(made.sku)
    expect(told).toMatch(answer)
    await page.getByRole('button', { name: 'Copy the answer' }).click()
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(told)

    for (const theme of ['dark', 'light'] as const) {
      const visit = await scene.visit({ role: 'Admin', theme })
      await visit.page.goto(page.url())
      await verdict(visit.page, text)
      for (const width of [1440, 1280, 720]) {
        await visit.page.setViewportSize({ width, height: 900 })
        await visit.page.waitForLoadState('networkidle')
        expect(await axeFaults(visit.page), `${theme} ${width}`).toEqual([])
        expect(await visit.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width)
      }
      if (process.env.SCREENSHOTS)
        await visit.page.screenshot({
          path: `${process.env.SCREENSHOTS}/walk-${theme}-${made.sku}.png`,
          fullPage: true,
        })
      expect(visit.complaints).toEqual([])
      await visit.close()
    }

    await help(page, made)
    await upToDate(page)
    expect(await isInShop(made)).toBe(true)
    // what was tried and is not possible
    expect(complaints.filter((complaint) => !complaint.startsWith('HTTP 409 '))).toEqual([])
    await close()
  })
})
