import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadDemoCatalogue } from '../../demo/catalogue.ts'
import { MADE_UP, makeUpHistory } from '../../demo/history.ts'
import { axeFaults } from './axe.ts'
import { APP, type PreviewScene, startPreviewScene } from './preview.ts'

const CHARTS = ['Queue by status', 'Share that is Synced', 'Calls to the Shop']

let scene: PreviewScene
beforeAll(async () => {
  scene = await startPreviewScene({
    prepare: async (sql) => {
      await loadDemoCatalogue(sql)
      await makeUpHistory(sql)
    },
  })
})
afterAll(() => scene?.stop())

const chartOf = (page: Page, title: string) => page.getByRole('img', { name: new RegExp(`^${title}\\. `) })
/** Whether anything but the background has been drawn. */
const isDrawn = (page: Page, title: string) =>
  chartOf(page, title)
    .locator('canvas')
    .evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height)
      return data.some((byte) => byte > 0)
    })

describe.each([
  ['dark', 1280],
  ['light', 1280],
  ['light', 720],
] as const)('in the %s theme at %i pixels', (theme, width) => {
  test('the charts are drawn, named and not cut, and axe finds no fault', async () => {
    const { page, open, complaints, close } = await scene.visit({ theme })
    await page.setViewportSize({ width, height: 900 })
    await open('overview?window=7d')
    for (const title of CHARTS) {
      await chartOf(page, title).waitFor()
      await expect.poll(() => isDrawn(page, title)).toBe(true)
    }
    // the outage is in the name of the chart, for whoever does not see it
    expect(await chartOf(page, 'Queue by status').getAttribute('aria-label')).toMatch(
      /Pending: last [\d,]+, from \d+ to [\d],\d{3}; .*Failed: /,
    )
    for (const window of ['24 hours', '7 days', '14 days', '30 days', '90 days'])
      await page.getByRole('img', { name: new RegExp(`^The share over ${window}, from `) }).waitFor()
    const legends = page.getByRole('figure').getByRole('listitem')
    expect(await legends.allTextContents()).toEqual(
      expect.arrayContaining([expect.stringMatching(/^Blocked [\d,]+$/), expect.stringMatching(/^Failed [\d,]+$/)]),
    )
    for (const legend of await legends.all()) {
      const box = await legend.boundingBox()
      expect(box!.x + box!.width).toBeLessThanOrEqual(width)
    }
    await page.getByText('As a table').first().click()
    const table = page.getByRole('table', { name: 'Queue by status: values' })
    expect(await table.getByRole('row').count()).toBeGreaterThan(160)
    expect(await axeFaults(page)).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width)
    expect(complaints).toEqual([])
    if (process.env.SCREENSHOTS) {
      await page.getByText('As a table').first().click()
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/charts-${theme}-${width}.png`, fullPage: true })
    }
    await close()
  })
})

test('another window changes the charts and the address; the legend shows what is under the pointer', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('overview')
  const queue = page.getByRole('figure', { name: 'Queue by status' })
  await queue.getByText('for each 10 minutes').waitFor()
  const now = await queue.getByText(/^from 20/).textContent()
  const plot = chartOf(page, 'Queue by status')
  await expect.poll(() => isDrawn(page, 'Queue by status')).toBe(true)
  await plot.hover({ position: { x: 300, y: 100 } })
  await expect.poll(() => queue.getByText(/^from 20/).textContent()).not.toBe(now)
  await page.mouse.move(0, 0)
  await expect.poll(() => queue.getByText(/^from 20/).textContent()).toBe(now)

  await page.getByRole('radio', { name: '90 days' }).click()
  await queue.getByText('for each 24 hours').waitFor()
  expect(new URL(page.url()).search).toBe('?window=90d')
  // only in the first two months was the flow asynchronous
  await queue.getByRole('listitem').filter({ hasText: 'Got acknowledgment' }).waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('what is made up says so: on the Overview, in Synced, on the pages of an item and its product', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('overview')
  await page.getByText(MADE_UP).waitFor()
  await open('synced')
  await page.getByRole('table', { name: 'Synced' }).getByRole('link').first().click()
  await page.getByText('This never happened').waitFor()
  await page.getByRole('link', { name: 'Its product' }).click()
  await page.getByText(MADE_UP).waitFor()
  expect(complaints).toEqual([])
  await close()
})

test('Analytics is a tab; without a Grafana its page says what it is, and leads back', async () => {
  const { page, open, complaints, close } = await scene.visit({})
  await open('failed')
  await page.getByRole('tab', { name: 'Analytics' }).click()
  await page.getByRole('heading', { name: 'This opens in Grafana' }).waitFor()
  expect(new URL(page.url()).pathname).toBe('/d/shop-update-analytics')
  await page.getByRole('link', { name: 'Back to the Overview' }).click()
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  expect(new URL(page.url()).pathname).toBe(`${APP}/overview`)
  expect(complaints).toEqual([])
  await close()
})

test('without a history there are words instead of charts', async () => {
  const empty = await startPreviewScene()
  try {
    const { page, open, complaints, close } = await empty.visit({})
    await open('overview')
    await page.getByText('Nothing was queued in this time.').waitFor()
    await page.getByText('No call was made in this time.').waitFor()
    expect(await page.getByText(MADE_UP).count()).toBe(0)
    expect(complaints).toEqual([])
    await close()
  } finally {
    await empty.stop()
  }
})
