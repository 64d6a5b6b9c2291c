import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runCommand } from '../../worker/command.ts'
import { UsageError } from '../../worker/usage-error.ts'
import { type ChaosReport, chaos } from './chaos.ts'
import { RULES } from './invariants.ts'

const USAGE = `npm run chaos -- [--seed N[,N…] | --seeds FIRST..LAST] [--minutes M]
                 [--without ACTION[,ACTION…]] [--log FOLDER]

  Three workers, PostgreSQL and a Shop with everything that can go wrong; the minutes are divided among the seeds.
  Prints what was found, and the report as JSON in the last line; exit code 1 where there was anything.`

function readSeeds(one: string | undefined, range: string | undefined): number[] {
  const [, first, last] = /^(\d+)\.\.(\d+)$/.exec(range ?? '') ?? []
  const seeds =
    range === undefined
      ? (one ?? String(Date.now() % 100_000)).split(',').map(Number)
      : Array.from({ length: Number(last) - Number(first) + 1 }, (_, k) => Number(first) + k)
  if (seeds.length === 0 || !seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0)) throw new UsageError(USAGE)
  return seeds
}

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      minutes: { type: 'string', default: '2' },
      without: { type: 'string', default: '' },
      log: { type: 'string', default: '.data' },
    },
  })
  const seeds = readSeeds(values.seed, values.seeds)
  const seconds = (Number(values.minutes) * 60) / seeds.length
  if (!(seconds > 0)) throw new UsageError(USAGE)
  await mkdir(values.log, { recursive: true })
  const print = (line: string) => process.stdout.write(`${line}\n`)
  const reports: ChaosReport[] = []
  const interrupted = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => interrupted.abort(new UsageError('Broken off.')))
  for (const seed of seeds) {
    const file = join(values.log, `chaos-${seed}.log`)
    const stream = createWriteStream(file)
    const report = await chaos(
      { seed, seconds, without: values.without.split(','), signal: interrupted.signal },
      (line) => stream.write(`${line}\n`),
    )
    await new Promise((resolve) => stream.end(resolve))
    reports.push(report)
    const { actions, changes, calls, restSeconds, unheard, violations } = report
    print(
      `seed ${seed}: ${actions} actions, ${changes} changes, ${calls} calls, at rest after ${restSeconds} s, ` +
        `${unheard} times a worker not heard of: ${violations.length} violations (${file})`,
    )
    for (const { rule, what } of violations.slice(0, 20)) print(`  ${RULES[rule]}\n    ${what}`)
  }
  const violations = reports.reduce((sum, report) => sum + report.violations.length, 0)
  print(
    JSON.stringify({
      name: 'chaos',
      seeds,
      secondsEach: seconds,
      violations,
      reports: reports.map(({ violations, ...rest }) => ({
        ...rest,
        violations: violations.map(({ rule, what }) => ({ rule, what })),
      })),
    }),
  )
  if (violations > 0) process.exitCode = 1
})
