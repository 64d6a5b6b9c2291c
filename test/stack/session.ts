import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { PLUGIN_ID, SECRETS } from './parts.ts'

interface User {
  login: string
  password: string
}
export const ADMIN: User = { login: 'admin', password: SECRETS.grafanaAdminPassword }
export const VIEWER: User = { login: 'viewer', password: 'a-password-of-the-viewer' }

/** Requests that Grafana makes on its own, to grafana.com for example, are not ours. */
const OURS = [
  `/api/plugin-proxy/${PLUGIN_ID}/`,
  `/public/plugins/${PLUGIN_ID}/`,
  '/api/ds/query',
  '/api/datasources/uid/shop-update-',
]

export interface Session {
  page: Page
  /** What went wrong in the page: errors, and refusals by our own parts. */
  complaints: string[]
}

/** A separate browser for a user; creates the Viewer if there is none. */
export async function signIn(browser: Browser, url: string, user: User): Promise<Session> {
  // with LANG=C Chromium reports en-US@posix, which Grafana's front end does not accept as a language, and it does not
  // start
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    locale: 'en-US',
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  if (user === VIEWER) {
    const made = await context.request.post(`${url}/api/admin/users`, {
      data: { ...VIEWER, name: 'A viewer', OrgId: 1 },
      headers: { authorization: `Basic ${btoa(`${ADMIN.login}:${ADMIN.password}`)}` },
    })
    assert.ok([200, 412].includes(made.status()), await made.text())
  }
  const answer = await context.request.post(`${url}/login`, { data: { user: user.login, password: user.password } })
  assert.equal(answer.status(), 200, await answer.text())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('response', (response) => {
    if (response.status() >= 400 && OURS.some((path) => response.url().includes(path)))
      complaints.push(`HTTP ${response.status()} ${response.url()}`)
  })
  return { page, complaints }
}

/** In the folder named by `SCREENSHOTS`, if set. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS
  if (!folder) return
  await mkdir(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `grafana-${name}.png`), fullPage: true })
}
