import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

/** What axe finds wrong with the page as it is shown now, each with the elements that it is about. */
export async function axeFaults(page: Page): Promise<string[]> {
  // A button that has just been enabled fades in; endless animations are not waited for.
  await page.evaluate(() =>
    Promise.allSettled(
      document
        .getAnimations()
        .filter(({ effect }) => effect?.getComputedTiming().iterations !== Number.POSITIVE_INFINITY)
        .map(({ finished }) => finished),
    ),
  )
  await page.addScriptTag({ path: AXE })
  // Grafana's own refresh picker has a name that differs from its label
  const { violations } = await page.evaluate<AxeResults>(
    `axe.run(
      { exclude: ['[data-testid="data-testid RefreshPicker interval button"]'] },
      { resultTypes: ['violations'] },
    )`,
  )
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`)
}
