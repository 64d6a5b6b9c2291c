import { expect, test } from 'vitest'
import { createDatabase } from '../database.ts'
import { model, tell } from '../model/model.ts'

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
