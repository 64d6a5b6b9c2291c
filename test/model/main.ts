import { parseArgs } from 'node:util'
import { startPostgres } from '../../demo/postgres.ts'
import { runCommand } from '../../worker/command.ts'
import { connect } from '../../worker/database/database.ts'
import { migrate } from '../../worker/migrate.ts'
import { UsageError } from '../../worker/usage-error.ts'
import { model, tell } from './model.ts'

const USAGE = `npm run model -- [--seed N] [--runs M] [--path P]

  Generated events against the statements of the queue, on a PostgreSQL of its own; after each the rules must hold.
  Prints the shortest list of events that breaks one; --seed and --path of it try that one alone. Exit code 1 then.`

await runCommand(async () => {
  const { values } = parseArgs({
    options: { seed: { type: 'string' }, runs: { type: 'string', default: '1000' }, path: { type: 'string' } },
  })
  const { path } = values
  const seed = Number(values.seed ?? Date.now() % 100_000)
  const runs = Number(values.runs)
  if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(runs) || runs < 1) throw new UsageError(USAGE)
  const cluster = await startPostgres({ flags: ['fsync=off'] })
  try {
    const url = cluster.url('postgres')
    const sql = connect(url, { max: 1, name: 'model' })
    await migrate(sql)
    await sql.end({ timeout: 5 })
    const report = await model(url, { seed, runs, ...(path !== undefined && { path }) })
    process.stdout.write(`${tell(report)}\n`)
    if (report.failure) process.exitCode = 1
  } finally {
    await cluster.stop()
  }
})
