import fc from 'fast-check'
import { anyEvents, type Event } from './events.ts'
import { Violation, World } from './world.ts'

export interface ModelOptions {
  seed: number
  runs: number
  /** Of a failure that was found: tries only that one. */
  path?: string
  signal?: AbortSignal
}

export interface ModelReport {
  seed: number
  runs: number
  /** Of all runs. */
  events: number
  calls: number
  failure: { path: string; shrunk: number; events: string[]; why: string } | null
}

/** Runs generated events against a database; for a failure it reports the shortest list of events that still fails. */
export async function model(databaseUrl: string, { seed, runs, path, signal }: ModelOptions): Promise<ModelReport> {
  const world = await World.open(databaseUrl)
  const report: ModelReport = { seed, runs: 0, events: 0, calls: 0, failure: null }
  let last: { events: string[]; why: string } = { events: [], why: '' }
  try {
    const property = fc.asyncProperty(anyEvents, async (events) => {
      signal?.throwIfAborted()
      const happened: string[] = []
      try {
        await world.begin()
        await run(world, events, happened)
      } catch (error) {
        last = { events: happened, why: error instanceof Violation ? error.message : String((error as Error).stack) }
        throw error
      } finally {
        report.events += happened.length
        report.calls += world.calls.length
      }
    })
    const result = await fc.check(property, { seed, numRuns: runs, ...(path !== undefined && { path }) })
    signal?.throwIfAborted()
    report.runs = result.numRuns
    if (result.failed) report.failure = { path: result.counterexamplePath ?? '', shrunk: result.numShrinks, ...last }
    return report
  } finally {
    await world.close()
  }
}

async function run(world: World, events: readonly Event[], happened: string[]): Promise<void> {
  await world.look()
  for (const event of events) {
    const said = await event(world)
    if (said === null) continue
    happened.push(said)
    await world.look()
  }
  happened.push('all goes well from now on')
  await world.heal()
}

/** For people. */
export function tell({ seed, runs, events, calls, failure }: ModelReport): string {
  if (!failure) return `seed ${seed}: ${runs} runs, ${events} events, ${calls} calls: no rule is broken`
  return [
    `seed ${seed}, path ${failure.path}: a rule is broken (${failure.shrunk} times shrunk)`,
    ...failure.events.map((line, place) => `${String(place + 1).padStart(4)} ${line}`),
    ...failure.why.split('\n').map((line) => `     ${line}`),
  ].join('\n')
}
