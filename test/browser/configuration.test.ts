import { afterAll, beforeAll, expect, test } from 'vitest'
import { CALLBACK_API_KEY } from '../scene.ts'
import { type PreviewScene, startPreviewScene } from './preview.ts'

let scene: PreviewScene
beforeAll(async () => {
  scene = await startPreviewScene({})
})
afterAll(() => scene?.stop())

const answerTo = async (apiKey: string) => {
  const response = await fetch(`${scene.worker.publicUrl}/shop-update/`, {
    method: 'POST',
    headers: { 'x-api-key': apiKey },
    body: JSON.stringify({ jsonrpc: '2.0', method: 'Callback.process', params: { result: [] }, id: '1' }),
  })
  return ((await response.json()) as { error: { code: number } }).error.code
}

test('an admin sees when each key was used, and withdraws one', async () => {
  const { page, open, complaints, close } = await scene.visit({ role: 'Admin' })
  await open('/plugins/sellercenter-shopupdate-app')
  const keys = page.getByRole('table', { name: 'Valid keys' })
  await keys.getByRole('row').nth(1).waitFor()
  expect(await keys.getByRole('row').nth(1).textContent()).toContain('environment–')
  expect(await answerTo(CALLBACK_API_KEY)).toBe(-32602)

  await page.getByRole('button', { name: 'Make a new key' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Make a new key' }).click()
  await keys.getByRole('row').nth(2).waitFor()
  const made = await page.locator('code').textContent()

  await keys
    .getByRole('row')
    .nth(2)
    .getByRole('button', { name: /^Withdraw key \d+$/ })
    .click()
  await page.getByRole('dialog').getByText('it cannot be brought back').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Withdraw it' }).click()
  await keys.getByRole('row').nth(2).waitFor({ state: 'detached' })
  await expect.poll(() => answerTo(CALLBACK_API_KEY), { timeout: 30_000, interval: 100 }).toBe(-32001)
  expect(await answerTo(made ?? '')).toBe(-32602)
  expect(await page.locator('code').textContent()).toBe(made)
  expect(complaints).toEqual([])
  await close()
})

test('a Viewer sees the keys, and cannot withdraw one', async () => {
  const { page, open, close } = await scene.visit({})
  await open('/plugins/sellercenter-shopupdate-app')
  const button = page.getByRole('table', { name: 'Valid keys' }).getByRole('button').first()
  await button.waitFor()
  expect(await button.getAttribute('aria-disabled')).toBe('true')
  await close()
})
