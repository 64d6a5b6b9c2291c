import assert from 'node:assert/strict'
import { startBrowser } from '../browser/browser.ts'
import type { Story } from './drive.ts'
import { PLUGIN_ID, type Stack } from './parts.ts'
import type { Report } from './report.ts'
import { ADMIN, keepScreenshot, type Session, signIn, VIEWER } from './session.ts'

/**
 * Signs in to Grafana as Admin and opens each page of the plugin in both themes; also checks what a Viewer may do.
 * Screenshots go to the folder named by `SCREENSHOTS`, if set.
 */
export async function openPages(report: Report, stack: Stack, { synchronous }: Story): Promise<void> {
  if (stack.missing.has('grafana')) {
    await report.check('Grafana: the pages of the plugin', ['grafana'], async () => undefined)
    return
  }
  const url = stack.urls.grafana
  const browser = await startBrowser()

  try {
    const admin = await signIn(browser, url, ADMIN)
    const pages: [path: string, ...texts: string[]][] = [
      ['overview', 'Sending is paused for Images', 'requests sent'],
      ['pending', 'Requeued count'],
      ['delayed', '0 items'],
      ['blocked', 'Waits for'],
      ['failed', '0 items'],
      ['synced', 'Synced at'],
      [`items/${synchronous.id}`, 'Copy the answer'],
      ['pauses', 'Pause sending'],
      ['runs', 'The Shop is well again'],
      ['runs/1', 'What came of it'],
      [`products/${synchronous.productSetId}`, 'In the Shop'],
      [`sellers/${synchronous.sellerId}`, 'within the last day'],
      ['skus', 'Look them up'],
    ]
    for (const theme of ['dark', 'light']) {
      for (const [path, ...texts] of pages) {
        await report.check(`Grafana: the page ${path} in the ${theme} theme`, ['grafana'], () =>
          look(admin, `${url}/a/${PLUGIN_ID}/${path}?theme=${theme}`, texts, `${theme}-${path.replace(/\W/g, '-')}`),
        )
      }
      await report.check(`Grafana: the configuration page in the ${theme} theme`, ['grafana'], () =>
        look(
          admin,
          `${url}/plugins/${PLUGIN_ID}?page=configuration&theme=${theme}`,
          ['The key before the newest stays valid'],
          `${theme}-configuration`,
        ),
      )
    }
    await report.check('Grafana: the configuration page reaches the worker', ['grafana'], async () => {
      await admin.page.getByRole('button', { name: 'Test connection' }).click()
      await admin.page.getByText('The worker answers').waitFor({ timeout: 10_000 })
      return undefined
    })

    await report.check(
      'Grafana: a product by a fragment, why it is not in the Shop, and it is created',
      ['grafana'],
      () => findAndCreate(admin, url),
    )

    const viewer = await signIn(browser, url, VIEWER)
    const proxied = `${url}/api/plugin-proxy/${PLUGIN_ID}/`
    await report.check('Grafana: a Viewer reads', ['grafana'], async () => {
      assert.equal((await viewer.page.request.get(`${proxied}api/summary`)).status(), 200)
      return undefined
    })
    await report.check('Grafana: a Viewer sees the requeue button disabled', ['grafana'], async () => {
      await viewer.page.goto(`${url}/a/${PLUGIN_ID}/failed`)
      const button = viewer.page.getByRole('button', { name: /^Reupload to Shop/ })
      await button.waitFor()
      assert.equal(await button.getAttribute('aria-disabled'), 'true')
      return undefined
    })
    await report.check('Grafana: a Viewer asks for many SKUs', ['grafana'], async () => {
      const data = { skus: ['sku-blocked', 'no such thing'] }
      const response = await viewer.page.request.post(`${proxied}api/search`, { data })
      assert.equal(response.status(), 200, await response.text())
      const { rows } = (await response.json()) as { rows: { products: unknown[] }[] }
      assert.deepEqual(
        rows.map(({ products }) => products.length),
        [1, 0],
      )
      return undefined
    })
    for (const [method, path] of [
      ['GET', 'api/runs'],
      ['POST', 'api/runs'],
      ['POST', 'api/runs/1/stop'],
      ['POST', 'api/creations'],
      ['POST', 'api/pauses'],
      ['POST', 'api/requeue'],
      ['POST', 'api/items/1/resolve'],
      ['PUT', 'api/flow'],
      ['GET', 'api/..%2fapi%2frequeue'],
      ['GET', 'api/..%2fopenapi.json'],
      ['POST', 'api/items/..%2frequeue'],
    ] as const) {
      await report.check(`Grafana: a Viewer is refused ${method} ${path}`, ['grafana'], async () => {
        const response = await viewer.page.request.fetch(`${proxied}${path}`, {
          method,
          ...(method !== 'GET' && { data: { filter: {} } }),
        })
        assert.equal(response.status(), 403, await response.text())
        return undefined
      })
    }
  } finally {
    await browser.close()
  }

  /** As an admin on the telephone does it. */
  async function findAndCreate({ page, complaints }: Session, root: string) {
    complaints.length = 0
    await page.goto(`${root}/a/${PLUGIN_ID}/failed`)
    const box = page.getByRole('combobox', { name: 'Search everything' })
    await box.waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('stays-blo')
    await page.getByRole('option', { name: /SKU-STAYS-BLOCKED/ }).click()
    await page.getByTestId('verdict').getByText('Not in the Shop: nobody has queued its creation.').waitFor()
    await keepScreenshot(page, 'product-not-created')
    await page.getByRole('button', { name: 'Queue its creation' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Queue its creation' }).click()
    // no callback comes
    await page.getByText('the Shop has confirmed that it has its creation').waitFor()
    await page.getByRole('button', { name: 'Reupload the product set' }).click()
    await page.getByTestId('requeue-preview').getByText('will be requeued').waitFor()
    await keepScreenshot(page, 'requeue-dialog')
    assert.deepEqual(complaints, [])
    return undefined
  }

  async function look({ page, complaints }: Session, address: string, texts: string[], name: string) {
    complaints.length = 0
    await page.goto(address)
    for (const text of texts) await page.getByText(text).first().waitFor({ timeout: 20_000 })
    await page.waitForLoadState('networkidle')
    await keepScreenshot(page, name)
    assert.deepEqual(complaints, [])
    return undefined
  }
}
