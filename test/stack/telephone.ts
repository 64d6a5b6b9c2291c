import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { addSet } from '../add-set.ts'
import { startBrowser } from '../browser/browser.ts'
import { answerSeller, type Desk, helpSeller, verdict, WALKS } from '../browser/telephone.ts'
import { shopUpdate } from './drive.ts'
import { PLUGIN_ID, type Stack } from './parts.ts'
import { type Report, until } from './report.ts'
import { ADMIN, keepScreenshot, signIn } from './session.ts'

/** The walks of the telephone in a real Grafana, and an outage: its banner, its causes, and the run that mends it. */
export async function answerTelephone(report: Report, stack: Stack): Promise<void> {
  const { enqueue, untilStatus, troubles, switchFlow } = shopUpdate(stack.app)
  const desk: Desk = {
    sql: stack.app.sql,
    enqueue,
    untilStatus,
    troubles: (settings) => troubles({ default: settings }),
    until: (ask) => until(Date.now() + 10_000, ask),
  }
  await switchFlow('synchronous')
  const browser = await startBrowser()
  try {
    const { page, complaints } = await signIn(browser, stack.urls.grafana, ADMIN)
    for (const [n, walk] of WALKS.entries()) {
      await report.check(`Grafana: the telephone: ${walk.name}`, ['grafana'], async () => {
        complaints.length = 0
        const made = await walk.make(desk)
        await page.goto(`${stack.urls.grafana}/a/${PLUGIN_ID}/overview`)
        await answerSeller(page, walk, made)
        const address = new URL(page.url())
        for (const theme of ['light', 'dark']) {
          address.searchParams.set('theme', theme)
          await page.goto(address.href)
          await verdict(page, walk.verdict)
          await page.waitForLoadState('networkidle')
          await keepScreenshot(page, `telephone-${n + 1}-${theme}`)
        }
        await helpSeller(page, desk, walk, made)
        // what was tried and is not possible
        assert.deepEqual(
          complaints.filter((complaint) => !complaint.startsWith('HTTP 409 ')),
          [],
        )
        return undefined
      })
      await desk.troubles({})
    }
    await report.check('Grafana: the Shop goes away and comes back: banner, causes, a run', ['grafana'], async () => {
      complaints.length = 0
      await goAway(page)
      assert.deepEqual(complaints, [])
      return undefined
    })
  } finally {
    await browser.close()
  }

  async function goAway(page: Page) {
    const open = (path: string) => page.goto(`${stack.urls.grafana}/a/${PLUGIN_ID}/${path}`)
    const { sellerId, productIds } = await addSet(desk.sql, { seller: 'Drilled', products: 20 })
    await desk.troubles({ dropBefore: 100 })
    // each a set of its own, or they would wait for each other
    await desk.sql`
      with moved as (
        insert into catalog.product_set (seller_id, title, src_id)
        select ${sellerId}::bigint, 'Away ' || id, 'AWAY-' || id from unnest(${productIds}::bigint[]) p (id)
        returning id, title
      )
      update catalog.product p set product_set_id = moved.id from moved where moved.title = 'Away ' || p.id`
    for (const product of productIds) await desk.enqueue('price', { product })
    await open('pending')
    const banner = page.getByRole('alert', { name: /^The Shop cannot be reached/ })
    await banner.getByText(/wait/).first().waitFor()
    await keepScreenshot(page, 'away-banner')
    await open('overview')
    await banner.waitFor()
    await keepScreenshot(page, 'away-overview')
    await desk.troubles({})
    // it is probed every half minute
    await banner.waitFor({ state: 'detached', timeout: 60_000 })
    await open('delayed')
    await page
      .getByRole('table', { name: 'Causes' })
      .getByRole('button', { name: /^Reupload all/ })
      .first()
      .click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('will be requeued').waitFor()
    await keepScreenshot(page, 'away-requeue')
    await dialog.getByRole('button', { name: /^Requeue/ }).click()
    await dialog.getByRole('link', { name: 'Follow it on its own page' }).click()
    await page.getByLabel('What became of them').getByText('Synced').waitFor()
    await keepScreenshot(page, 'away-run')
  }
}
