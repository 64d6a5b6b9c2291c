import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDatabase, type Database } from '../database.ts'
import { model, tell } from '../model/model.ts'
import { World } from '../model/world.ts'

let database: Database
let world: World
beforeAll(async () => {
  database = await createDatabase()
  world = await World.open(database.url)
})
beforeEach(() => world.begin())
afterAll(async () => {
  await world.close()
  await database.drop()
})

test('a request that was written before others took its item over does not leave after that', async () => {
  const [first, second] = world.workers
  await world.change('price', 0)
  await first!.claim(1)
  first!.freeze(1)
  await first!.work()
  await world.leasePasses()
  await second!.takeOver()
  await second!.claim(1)
  await second!.work()
  await first!.thaw(true)
  await world.look()
  expect(world.calls.map(({ worker }) => worker.name)).toEqual(['worker 2'])
})

test('what a create absorbed when it had been sent is told of a product, too, that has been moved since', async () => {
  const [worker] = world.workers
  await world.change('new_product_set', 2)
  await worker!.claim(1)
  await worker!.work()
  await world.look()
  const [call] = world.calls
  await world.answer(call!, 'unprocessable')
  await world.look()
  await world.change('new_product_set', 2)
  await world.move(3)
  await world.callBack(call!, 'success')
  await worker!.applyCallbacks()
  await world.look()
  await world.heal()
})

/** As much of `npm run model` as the other tests leave time for, always with the same events. */
test('generated events break no rule', { timeout: 600_000 }, async ({ signal }) => {
  const report = await model(database.url, { seed: 1, runs: 100, signal })
  expect(report.failure, tell(report)).toBeNull()
  expect(report.calls).toBeGreaterThan(100)
})
