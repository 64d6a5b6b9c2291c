import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createBusy } from '../../worker/life/publishing.ts'

it('a process that only computes is busy, one that waits is not', async () => {
  const isBusy = createBusy()
  const compute = () => {
    for (const until = performance.now() + 20; performance.now() < until; );
  }
  compute()
  expect(isBusy()).toBe(true)
  await delay(300)
  expect(isBusy()).toBe(false)
  compute()
  expect(isBusy()).toBe(true) // since it was asked, not since it began
})
