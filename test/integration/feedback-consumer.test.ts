import { afterAll, beforeAll, expect, it } from 'vitest'
import { FEEDBACK_TROUBLES, tryFeedback } from '../feedback.ts'
import { type Scene, startScene } from '../scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene({ settings: FEEDBACK_TROUBLES, workers: false })
})
afterAll(() => scene?.stop())

// `npm run bench -- feedback` does the same with 100,000 products.
it('a consumer that is killed, while workers are, ends with what is so: nothing missed, nothing twice', async () => {
  const tried = await tryFeedback(scene, { products: 1000 })
  expect(tried).toMatchObject({ different: 0, repeated: 0 })
  expect(tried.told).toBeGreaterThan(1000)
  expect(Object.keys(tried.states)).toEqual(expect.arrayContaining(['in_shop', 'requires_action']))
}, 300_000)
