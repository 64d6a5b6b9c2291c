import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { checkComplete, readComplete } from '../bench/complete.ts'
import { addSet, type Scene, startScene } from '../scene.ts'

let scene: Scene

beforeAll(async () => {
  scene = await startScene()
  for (const flow of ['synchronous', 'asynchronous']) {
    await scene.api('/api/flow', { method: 'PUT', body: { flow } })
    await vi.waitFor(async () => expect((await scene.api('/api/flow')).body).toMatchObject({ workers: [{ flow }] }), {
      timeout: 30_000,
    })
    const { productIds } = await addSet(scene.sql)
    await scene.untilStatus(await scene.enqueue('stock', { product: productIds[0]! }), 'synced')
  }
  const flows = await scene.sql`select flow from shop_update.finished_item order by id`
  expect(flows.map(({ flow }) => flow)).toEqual(['synchronous', 'asynchronous'])
})
afterAll(() => scene?.stop())

it('a figure counts when history, calls and products are complete', async () => {
  expect(await checkComplete(scene.sql, 2)).toEqual({ failedCalls: 0, done: 2, missing: [] })
})

it.each([
  ['delete from shop_update.finished_item where flow = $$synchronous$$', '1 items are not Synced'],
  [
    'update shop_update.answer set payload_at = null, processing_at = null where outcome = $$success$$',
    '1 have a gap in their history',
  ],
  ['delete from shop_update.request', '2 have not as many requests and answers as they were sent'],
  ['update shop_update.callback set applied_at = null', '1 have no callback'],
  ['update catalog.product set src_updated_at = null', '2 were not written back'],
])('a figure does not count after %s', async (take, said) => {
  const undo = new Error('for the next one')
  const taken = scene.sql.begin(async (sql) => {
    await sql.unsafe(take)
    expect((await readComplete(sql as never, 2)).missing).toContain(said)
    throw undo
  })
  await expect(taken).rejects.toBe(undo)
})
