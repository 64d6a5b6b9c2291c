import type { Browser, Page } from 'playwright-core'
import { startPreview } from '../../plugin/preview/server.ts'
import { type Scene, startScene } from '../scene.ts'
import { ADMIN_API_KEY, VIEWER_API_KEY } from '../worker-process.ts'
import { startBrowser } from './browser.ts'

export interface Visit {
  page: Page
  /** Errors and warnings of the console, and exceptions, so far. */
  complaints: string[]
  /** Opens a page below the root of the app. */
  open(path: string): Promise<void>
  close(): Promise<void>
}

export interface PreviewScene extends Scene {
  url: string
  browser: Browser
  visit(as: { role?: 'Viewer' | 'Admin'; theme?: 'dark' | 'light' }): Promise<Visit>
}

export const APP = '/a/sellercenter-shopupdate-app'

/** A database, the simulated Shop, the real worker, the preview in front of it, and a browser. */
export async function startPreviewScene(options: Parameters<typeof startScene>[0] = {}): Promise<PreviewScene> {
  const scene = await startScene(options)
  const preview = await startPreview({
    port: 0,
    apiUrl: scene.worker.internalUrl,
    viewerKey: VIEWER_API_KEY,
    adminKey: ADMIN_API_KEY,
  })
  const browser = await startBrowser()
  const { url } = preview
  return {
    ...scene,
    url,
    browser,
    async visit({ role = 'Viewer', theme = 'dark' }) {
      const context = await browser.newContext({
        viewport: { width: 1280, height: 900 },
        reducedMotion: 'reduce',
        permissions: ['clipboard-read', 'clipboard-write'],
      })
      await context.addCookies([
        { name: 'shop-update-preview-role', value: role, url },
        { name: 'shop-update-preview-theme', value: theme, url },
      ])
      const page = await context.newPage()
      page.setDefaultTimeout(30_000)
      const complaints: string[] = []
      page.on('console', (message) => {
        const isComplaint =
          ['error', 'warning'].includes(message.type()) && !message.text().startsWith('Failed to load resource')
        if (isComplaint) complaints.push(message.text())
      })
      // the console only says that something was not found
      page.on('response', (response) => {
        if (response.status() >= 400) complaints.push(`HTTP ${response.status()} ${response.url()}`)
      })
      page.on('pageerror', (error) => complaints.push(String(error)))
      return {
        page,
        complaints,
        async open(path) {
          await page.goto(`${url}${path.startsWith('/') ? path : `${APP}/${path}`}`)
        },
        close: () => context.close(),
      }
    },
    async stop() {
      await browser.close()
      await preview.stop()
      await scene.stop()
    },
  }
}
