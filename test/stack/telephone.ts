import assert from 'node:assert/strict'
import { startBrowser } from '../browser/browser.ts'
import { answerSeller, type Desk, helpSeller, verdict, WALKS } from '../browser/telephone.ts'
import { shopUpdate } from './drive.ts'
import { PLUGIN_ID, type Stack } from './parts.ts'
import { type Report, until } from './report.ts'
import { ADMIN, keepScreenshot, signIn } from './session.ts'

/** The walks of the telephone, in a real Grafana, looked at in both themes. */
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
  } finally {
    await browser.close()
  }
}
