import { type ParseArgsConfig, parseArgs } from 'node:util'
import { runCommand } from '../../worker/command.ts'
import { UsageError } from '../../worker/usage-error.ts'
import { callbacks } from './callbacks.ts'
import { drained } from './drained.ts'
import { fair } from './fair.ts'
import { feedback } from './feedback.ts'
import { gentle } from './gentle.ts'
import { growth } from './growth.ts'
import { held } from './held.ts'
import { latency } from './latency.ts'
import { lists } from './lists.ts'
import { migrate } from './migrate.ts'
import { notify } from './notify.ts'
import { outage } from './outage.ts'
import { peers } from './peers.ts'
import { search } from './search.ts'
import { soak } from './soak.ts'
import { telemetry } from './telemetry.ts'
import { throughput } from './throughput.ts'
import { workers } from './workers.ts'

type Options = Record<string, number | string>

interface Benchmark {
  about: string
  /** Its options with their defaults: whole numbers and texts. */
  options: Options
  run(options: Options, print: (line: string) => void): Promise<Record<string, unknown>>
}

/** The compiler checks that `run` only uses existing options. */
const benchmark = <Known extends Options>(
  about: string,
  options: Known,
  run: (options: Known, print: (line: string) => void) => Promise<Record<string, unknown>>,
): Benchmark => ({ about, options, run: run as Benchmark['run'] })

const BENCHMARKS: Record<string, Benchmark> = {
  throughput: benchmark(
    'a backlog of stock changes through the worker, and the bare loop in turn with it',
    { items: 100_000, rounds: 3, backlog: 0, history: 0 },
    throughput,
  ),
  callbacks: benchmark(
    'the asynchronous flow against the synchronous one, the Shop calling back one by one and in batches; then the ' +
      'endpoint alone, called back on 64 and on 512 connections and in batches, for --seconds or until all ' +
      '--callbacks have come, while --drain items pass',
    { items: 40_000, callbacks: 40_000, seconds: 10, drain: 100_000, batch: 100, rounds: 3 },
    callbacks,
  ),
  workers: benchmark(
    'one, two, four and eight workers on a Shop that answers at once, in turn',
    { items: 60_000, rounds: 3 },
    workers,
  ),
  gentle: benchmark(
    'Shops that do not take everything (connections, latency, 429, idle connections): the throughput against what ' +
      'each takes, and what failed',
    { workers: 1, seconds: 20 },
    gentle,
  ),
  latency: benchmark(
    'from enqueue() to the commit of Processing, at 200 items a second',
    { seconds: 20 },
    ({ seconds }) => latency(seconds),
  ),
  held: benchmark(
    'while a dump keeps its snapshot: the throughput against that without, then the pick-up and the reading of the ' +
      'numbers',
    { items: 200_000, rounds: 3, seconds: 10 },
    held,
  ),
  drained: benchmark(
    'on a queue that has drained before, with new statistics and with those from when it was empty, in turn with one ' +
      'that has not',
    { items: 100_000, rounds: 3 },
    drained,
  ),
  fair: benchmark(
    "from enqueue() of other sellers' changes, 200 a second, to the commit of Processing, while a backlog of one " +
      'seller drains',
    { items: 180_000, seconds: 10 },
    fair,
  ),
  growth: benchmark('a large backlog: throughput and time of a claim by tenths of it', { items: 300_000 }, growth),
  soak: benchmark(
    'changes at half of full speed: latency, dead rows, sizes and memory by the minute',
    { minutes: 60 },
    soak,
  ),
  peers: benchmark(
    'the same changes through the worker and through grouped handlers on graphile-worker and pg-boss, in turn; these ' +
      'are installed in the folder --peers (npm i --prefix DIR graphile-worker@0.18 pg-boss@12)',
    { items: 60_000, rounds: 3, peers: '' },
    peers,
  ),
  search: benchmark(
    'the search for a fragment of a SKU or title among --products, and what its indexes cost',
    { products: 1_000_000 },
    search,
  ),
  feedback: benchmark(
    'how products stand, told to a consumer that is killed at random, like the workers, while all of them change: ' +
      'does it end with what is so?',
    { products: 100_000, seed: 7 },
    feedback,
  ),
  lists: benchmark(
    'every list that a page offers, over HTTP, with so many items in the queue and as many in the history',
    { items: 1_000_000 },
    lists,
  ),
  migrate: benchmark(
    'a database of the last release with so many finished items, migrated while changes are queued: how long these ' +
      'wait, how long it takes, and whether so many items are told as before, to the byte',
    { items: 1_000_000, samples: 1_000 },
    migrate,
  ),
  notify: benchmark(
    'what 16 sessions commit while a worker is busy: woken at each commit, as it is, and never woken, in turn',
    { seconds: 3, rounds: 5 },
    notify,
  ),
  telemetry: benchmark(
    'the throughput with all signals exported against that without; what came is held against the history',
    { items: 40_000, rounds: 3 },
    telemetry,
  ),
  outage: benchmark(
    'the telemetry receiver away for a while under load, then the worker stopped under load: is every loss counted?',
    { items: 400_000, seconds: 60 },
    outage,
  ),
}

const INDENT = 13

function usage(): string {
  const lines = Object.entries(BENCHMARKS).flatMap(([name, { about, options }]) => [
    `  ${name.padEnd(INDENT - 2)}${Object.entries(options)
      .map(([option, otherwise]) => `[--${option} ${otherwise === '' ? 'DIR' : otherwise}]`)
      .join(' ')}`,
    ...(about.match(/.{1,100}(?= |$)/g) ?? []).map((line) => `${' '.repeat(INDENT)}${line.trim()}`),
  ])
  return ['npm run bench -- NAME [--json] [options]', '', ...lines].join('\n')
}

function parse<const Config extends ParseArgsConfig>(config: Config) {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${usage()}`)
  }
}

function wholeNumber(name: string, value: unknown): number {
  if (!/^\d+$/.test(String(value))) throw new UsageError(`--${name} takes a whole number.`)
  return Number(value)
}

/** `npm run bench -- NAME`: prints the results; with `--json` the last line is one JSON object. */
await runCommand(async () => {
  const [name, ...args] = process.argv.slice(2)
  if (name === undefined) throw new UsageError(usage())
  const chosen = BENCHMARKS[name]
  if (!chosen) throw new UsageError(`There is no benchmark "${name}".\n\n${usage()}`)
  const { values } = parse({
    args,
    options: {
      json: { type: 'boolean', default: false },
      ...Object.fromEntries(Object.keys(chosen.options).map((option) => [option, { type: 'string' } as const])),
    },
  })
  const given: Record<string, unknown> = values
  const options = Object.fromEntries(
    Object.entries(chosen.options).map(([option, otherwise]) => [
      option,
      typeof otherwise === 'number'
        ? wholeNumber(option, given[option] ?? otherwise)
        : String(given[option] ?? otherwise),
    ]),
  )
  const print = (line: string) => process.stdout.write(`${line}\n`)
  const result = await chosen.run(options, print)
  if (values.json) print(JSON.stringify(result))
  else
    for (const [key, value] of Object.entries(result)) if (typeof value !== 'object') print(`${key.padEnd(24)}${value}`)
})
