import { expect, test } from 'vitest'
import { createDatabase } from '../database.ts'
import { model, tell } from '../model/model.ts'
import { World } from '../model/world.ts'

test('a request that was written before others took its item over does not leave after that', async () => {
  const database = await createDatabase()
  const world = await World.open(database.url)
  try {
    await world.begin()
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
  } finally {
    await world.close()
    await database.drop()
  }
})

/** As much of `npm run model` as all other tests leave time for: always the same events. */
test('generated events break no rule', { timeout: 600_000 }, async ({ signal }) => {
  const database = await createDatabase()
  try {
    const report = await model(database.url, { seed: 1, runs: 100, signal })
    expect(report.failure, tell(report)).toBeNull()
    expect(report.calls).toBeGreaterThan(100)
  } finally {
    await database.drop()
  }
})
