import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import type { SettingsInput } from '../../demo/shop/troubles.ts'
import type { Sql } from '../../worker/database/database.ts'
import type { Status } from '../../worker/domain/statuses.ts'
import { addSet } from '../add-set.ts'

/**
 * A seller is on the telephone: why is this product not in the Shop? The admin finds it by a fragment of its SKU, reads
 * how it stands with it, copies the answer, and does what helps. One walk for each case, on the preview and in Grafana.
 */

/** What makes the cases. */
export interface Desk {
  sql: Sql
  enqueue(topic: string, subject: { product?: string; set?: string }): Promise<string>
  untilStatus(itemId: string, status: Status): Promise<unknown>
  /** Of the Shop, for each topic. */
  troubles(settings: NonNullable<SettingsInput['default']>): Promise<unknown>
  /** Asks until it does not throw. */
  until(ask: () => Promise<void>): Promise<void>
}

/** The worker's settings that the walks need. */
export const TELEPHONE_SETTINGS = {
  RETRY_UNIT_SECONDS: '3600',
  MAX_RETRIES: '27',
  FAILED_AFTER: '12',
  STOCK_WAIT_SECONDS: '0',
} as const

export interface Product {
  setId: string
  productId: string
  sku: string
}

export interface Walk {
  name: string
  /** Makes the case. */
  make(desk: Desk): Promise<Product>
  verdict: string
  answer: RegExp
  /** Who acts, as the page says. */
  acts: string
  /** What helps; afterwards the product is in the Shop, up to date. */
  help(page: Page, desk: Desk, product: Product): Promise<void>
}

export const verdict = (page: Page, text: string) => page.getByTestId('verdict').getByText(text).waitFor()
async function queueCreation(page: Page) {
  await page.getByRole('button', { name: 'Queue its creation' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Queue its creation' }).click()
}
async function reuploadSet(page: Page) {
  await page.getByRole('button', { name: 'Reupload the product set' }).click()
  await requeue(page)
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click()
}
/** In the dialog that is open. */
async function requeue(page: Page) {
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: /^Requeue/ }).click()
  await dialog
    .getByText(/requeued/)
    .first()
    .waitFor()
}
/** Sending it is refused, and the dialog says why. */
async function refused(page: Page, why: string) {
  await page.getByRole('button', { name: 'Send a topic' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Send it' }).click()
  await dialog.getByText(why).first().waitFor()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
}

let n = 0
async function product({ sql }: Desk, options: Parameters<typeof addSet>[1] = {}): Promise<Product> {
  const seller = `Seller ${++n}`
  const { setId, productIds } = await addSet(sql, { seller, ...options })
  const sku = `Walk-${String.fromCharCode(64 + n)}${n}-Linen`
  await sql`update catalog.product set seller_sku = ${sku} where id = ${productIds[0]!}::bigint`
  return { setId, productId: productIds[0]!, sku }
}
/** What Seller Center does. */
const change = ({ sql }: Desk, { productId }: Product, columns: { active: boolean } | { qc_status: string }) =>
  sql`update catalog.product set ${sql(columns)} where id = ${productId}::bigint`

/** Not in the Shop; approved, it is created. */
const notApproved = (qc_status: 'pending' | 'rejected'): Pick<Walk, 'make' | 'help'> => ({
  async make(desk) {
    const made = await product(desk, { inShop: false })
    await change(desk, made, { qc_status })
    return made
  },
  async help(page, desk, made) {
    await change(desk, made, { qc_status: 'approved' })
    await queueCreation(page)
  },
})

export const WALKS: Walk[] = [
  {
    name: 'never queued',
    make: (desk) => product(desk, { inShop: false }),
    verdict: 'Not in the Shop: nobody has queued its creation.',
    answer: /nobody has queued its creation\. An admin looks into it; there is nothing you need to do\.$/,
    acts: 'An admin has to act',
    help: queueCreation,
  },
  {
    name: 'the product is not active',
    make: (desk) => product(desk, { inShop: false, active: false }),
    verdict: 'Not in the Shop: the product is not active',
    answer: /the product is not active.*Please look at it in Seller Center\.$/,
    acts: 'The seller has to act',
    async help(page, desk, made) {
      await refused(page, 'The product, or one of its variations, is not active')
      await change(desk, made, { active: true })
      await queueCreation(page)
    },
  },
  {
    name: 'the seller is not active',
    async make(desk) {
      const made = await product(desk, { inShop: false })
      await desk.sql`update catalog.seller set active = false where name = ${`Seller ${n}`}`
      return made
    },
    verdict: 'Not in the Shop: the seller is not active',
    answer: /the seller is not active.*Please look at it in Seller Center\.$/,
    acts: 'The seller has to act',
    async help(page, desk) {
      await refused(page, 'The seller is not active')
      await desk.sql`update catalog.seller set active = true`
      await queueCreation(page)
    },
  },
  {
    name: 'it waits for quality control',
    ...notApproved('pending'),
    verdict: 'Not in the Shop: it waits for quality control',
    answer: /waits for quality control, and is created once it is approved\. There is nothing you need to do\.$/,
    acts: 'Nobody has to act',
  },
  {
    name: 'rejected in quality control',
    ...notApproved('rejected'),
    verdict: 'Not in the Shop: rejected in quality control',
    answer: /rejected in quality control\..*Please look at it in Seller Center\.$/,
    acts: 'The seller has to act',
  },
  {
    name: 'its creation has failed 14 times',
    async make(desk) {
      const made = await product(desk, { inShop: false })
      await desk.troubles({ failureRows: 100 })
      const itemId = await desk.enqueue('new_product_set', { set: made.setId })
      for (let failures = 1; failures <= 14; failures++) {
        await desk.until(async () => {
          const [item] = await desk.sql`select failures from shop_update.item where id = ${itemId}::bigint`
          assert.equal(item!.failures, failures)
        })
        if (failures === 14) break
        await desk.sql`
          update shop_update.item set run_at = now() where id = ${itemId}::bigint and lane = 'delayed'`
        await desk.sql`notify shop_update`
      }
      await desk.troubles({})
      return made
    },
    verdict: 'Not in the Shop: its creation has failed 14 times',
    answer: /14/,
    acts: 'Operations have to act',
    async help(page) {
      const timeline = page.getByRole('table', { name: 'Timeline' })
      await timeline.getByText('Failed 14 times').click()
      assert.equal(await timeline.getByRole('list', { name: 'Each of them' }).getByRole('listitem').count(), 14)
      await reuploadSet(page)
    },
  },
  {
    name: 'its creation is Blocked: the Shop gave it an id of another product',
    async make(desk) {
      const taken = await product(desk)
      const made = await product(desk, { inShop: false })
      const [other] = await desk.sql<{ srcId: string }[]>`
        select src_id as "srcId" from catalog.product where id = ${taken.productId}::bigint`
      await desk.troubles({ srcIdTaken: 100, takenSrcId: other!.srcId, takenConfigId: '880000' })
      await desk.untilStatus(await desk.enqueue('new_product_set', { set: made.setId }), 'blocked')
      await desk.troubles({})
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
    async make(desk) {
      const made = await product(desk, { inShop: false })
      await desk.untilStatus(await desk.enqueue('new_product_set', { set: made.setId }), 'synced')
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
    async make(desk) {
      const made = await product(desk, { products: 2 })
      const [, sibling] = (
        await desk.sql<{ id: string }[]>`
          select id from catalog.product where product_set_id = ${made.setId}::bigint order by id`
      ).map(({ id }) => id)
      await desk.troubles({ http500: 100 })
      for (const topic of ['price', 'stock']) {
        await desk.untilStatus(await desk.enqueue(topic, { product: sibling! }), 'delayed')
        await desk.enqueue(topic, { product: made.productId })
      }
      return made
    },
    verdict: 'In the Shop, 2 changes of it are not there: Price waits until Price of LINEN-',
    answer: /an earlier change of another variation \(seller SKU LINEN-.*status Delayed.*is nothing you need to do\.$/,
    acts: 'Nobody has to act',
    async help(page, desk) {
      // the same words as in the list
      const holdsUp = page.getByTestId('holds-up')
      await holdsUp.getByText('It goes on once that is through').waitFor()
      await holdsUp.getByRole('link', { name: /^Price of LINEN-\S+ \(Delayed\)$/ }).waitFor()
      await desk.troubles({})
      await reuploadSet(page)
    },
  },
  {
    name: 'acknowledged for hours',
    async make(desk) {
      const made = await product(desk)
      await desk.troubles({ answersOtherFlow: 100, noCallback: 100 })
      const itemId = await desk.enqueue('price', { product: made.productId })
      await desk.untilStatus(itemId, 'got_acknowledgment')
      await desk.sql`
        update shop_update.item set status_at = now() - interval '5 hours', last_sent_at = now() - interval '5 hours'
        where id = ${itemId}::bigint`
      await desk.troubles({})
      return made
    },
    verdict: 'In the Shop, 1 change with the Shop: it has confirmed it, and has not answered yet.',
    answer: /^The Shop confirmed on .*The Shop has to answer now/,
    acts: 'The Shop has to act',
    async help(page) {
      const back = page.url()
      await page.getByTestId('holds-up').getByRole('link').first().click()
      await page.getByRole('button', { name: 'Reupload to Shop' }).click()
      await requeue(page)
      await page.goto(back)
    },
  },
]
/** Finds the product on a page of the app, reads how it stands with it, and copies the answer. */
export async function answerSeller(page: Page, { verdict: text, answer, acts }: Walk, { sku }: Product): Promise<void> {
  // neither the beginning nor the end of it, in lower case
  await page.getByRole('combobox', { name: 'Search everything' }).fill(sku.toLowerCase().slice(2, -2))
  // by the mouse: while it is typed, others are suggested above it
  await page.getByRole('option', { name: sku }).click()
  await verdict(page, text)
  await page.getByRole('region', { name: 'How it stands' }).getByText(acts).first().waitFor()
  const told = (await page.getByTestId('seller-answer').textContent())!
  assert.ok(told.includes(sku), told)
  assert.match(told, answer)
  await page.getByRole('button', { name: 'Copy the answer' }).click()
  await page.waitForFunction(`navigator.clipboard.readText().then((text) => text === ${JSON.stringify(told)})`)
}

/** Does what helps: the product is in the Shop afterwards, on the page and in the catalogue. */
export async function helpSeller(page: Page, desk: Desk, walk: Walk, made: Product): Promise<void> {
  await walk.help(page, desk, made)
  await verdict(page, 'In the Shop, up to date.')
  const [row] = await desk.sql`select src_id, shop_sku from catalog.product where id = ${made.productId}::bigint`
  assert.ok(row!.src_id !== null && row!.shop_sku !== null)
}
