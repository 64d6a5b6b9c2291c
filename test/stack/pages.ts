import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { startBrowser } from '../browser/browser.ts'
import type { Story } from './drive.ts'
import { PLUGIN_ID, SECRETS, type Stack } from './parts.ts'
import type { Report } from './report.ts'

/** What Grafana asks of its own accord, at grafana.com for one, is not ours. */
const OURS = [`/api/plugin-proxy/${PLUGIN_ID}/`, `/public/plugins/${PLUGIN_ID}/`]
const VIEWER = { login: 'viewer', password: 'a-password-of-the-viewer' }

/**
 * Signs in to Grafana and opens each page of the plugin, in both themes, as Admin; and looks at what a Viewer may do. Screenshots go to the folder
 * that `SCREENSHOTS` names, where it is set.
 */
export async function openPages(report: Report, stack: Stack, { synchronous }: Story): Promise<void> {
  if (stack.missing.has('grafana')) {
    await report.check('Grafana: the pages of the plugin', ['grafana'], async () => undefined)
    return
  }
  const url = stack.urls.grafana
  const folder = process.env.SCREENSHOTS
  if (folder) await mkdir(folder, { recursive: true })
  const browser = await startBrowser()

  async function signedIn(user: { login: string; password: string }): Promise<{ page: Page; complaints: string[] }> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
    const signIn = await context.request.post(`${url}/login`, { data: { user: user.login, password: user.password } })
    assert.equal(signIn.status(), 200, await signIn.text())
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('response', (response) => {
      if (response.status() >= 400 && OURS.some((path) => response.url().includes(path)))
        complaints.push(`HTTP ${response.status()} ${response.url()}`)
    })
    return { page, complaints }
  }

  try {
    const admin = await signedIn({ login: 'admin', password: SECRETS.grafanaAdminPassword })
    const pages: [path: string, text: string][] = [
      ['overview', 'requests sent'],
      ['pending', 'Requeued count'],
      ['delayed', '0 items'],
      ['blocked', 'Waits for'],
      ['failed', '0 items'],
      ['synced', 'Synced at'],
      [`items/${synchronous.id}`, 'Copy the answer'],
    ]
    for (const theme of ['dark', 'light']) {
      for (const [path, text] of pages) {
        await report.check(`Grafana: the page ${path} in the ${theme} theme`, ['grafana'], () =>
          look(admin, `${url}/a/${PLUGIN_ID}/${path}?theme=${theme}`, text, `${theme}-${path.replace(/\W/g, '-')}`),
        )
      }
      await report.check(`Grafana: the configuration page in the ${theme} theme`, ['grafana'], () =>
        look(
          admin,
          `${url}/plugins/${PLUGIN_ID}?page=configuration&theme=${theme}`,
          'The key before stays valid',
          `${theme}-configuration`,
        ),
      )
    }
    await report.check('Grafana: the configuration page reaches the worker', ['grafana'], async () => {
      await admin.page.getByRole('button', { name: 'Test connection' }).click()
      await admin.page.getByText('The worker answers').waitFor({ timeout: 10_000 })
      return undefined
    })

    const made = await admin.page.request.post(`${url}/api/admin/users`, { data: { ...VIEWER, name: 'A viewer', OrgId: 1 } })
    assert.ok([200, 412].includes(made.status()), await made.text())
    const viewer = await signedIn(VIEWER)
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
    for (const [method, path] of [
      ['POST', 'api/requeue'],
      ['POST', 'api/items/1/resolve'],
      ['PUT', 'api/flow'],
      ['GET', 'api/..%2fapi%2frequeue'],
      ['GET', 'api/..%2fopenapi.json'],
      ['POST', 'api/items/..%2frequeue'],
    ] as const) {
      await report.check(`Grafana: a Viewer is refused ${method} ${path}`, ['grafana'], async () => {
        const response = await viewer.page.request.fetch(`${proxied}${path}`, { method, ...(method !== 'GET' && { data: { filter: {} } }) })
        assert.equal(response.status(), 403, await response.text())
        return undefined
      })
    }
  } finally {
    await browser.close()
  }

  async function look({ page, complaints }: { page: Page; complaints: string[] }, address: string, text: string, name: string) {
    complaints.length = 0
    await page.goto(address)
    await page.getByText(text).first().waitFor({ timeout: 20_000 })
    await page.waitForLoadState('networkidle')
    if (folder) await page.screenshot({ path: join(folder, `grafana-${name}.png`), fullPage: true })
    assert.deepEqual(complaints, [])
    return undefined
  }
}
