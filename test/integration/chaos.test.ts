import { expect, test } from 'vitest'
import { chaos } from '../chaos/chaos.ts'

/** Half a minute of `npm run chaos`; slower faults are for the long run. */
test('half a minute of chaos breaks no rule', { timeout: 600_000 }, async ({ signal }) => {
  const log: string[] = []
  const { actions, violations } = await chaos({ seed: 3, seconds: 30, signal }, (line) => log.push(line))
  expect(violations, log.join('\n')).toEqual([])
  expect(actions, log.join('\n')).toBeGreaterThan(0)
})
