import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { freePort } from '../../demo/postgres.ts'
import { axeFaults } from './axe.ts'
import { type PreviewScene, startPreviewScene } from './preview.ts'
import { answerSeller, type Desk, helpSeller, TELEPHONE_SETTINGS, verdict, WALKS } from './telephone.ts'

let scene: PreviewScene
beforeAll(async () => {
  scene = await startPreviewScene({ env: { INTERNAL_PORT: String(await freePort()), ...TELEPHONE_SETTINGS } })
})
afterAll(() => scene?.stop())

beforeEach(() => desk().troubles({}))

const desk = (): Desk => ({
  ...scene,
  troubles: (settings) => scene.control('/troubles', { method: 'PUT', body: { default: settings } }),
  until: (ask) => vi.waitFor(ask, { timeout: 30_000, interval: 10 }),
})

describe.each(WALKS)('$name', (walk) => {
  test('is found, told, and helped', async () => {
    const made = await walk.make(desk())
    const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
    await open('overview')
    await answerSeller(page, walk, made)

    for (const theme of ['dark', 'light'] as const) {
      const visit = await scene.visit({ role: 'Admin', theme })
      await visit.page.goto(page.url())
      await verdict(visit.page, walk.verdict)
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

    await helpSeller(page, desk(), walk, made)
    // what was tried and is not possible
    expect(complaints.filter((complaint) => !complaint.startsWith('HTTP 409 '))).toEqual([])
    await close()
  })
})
