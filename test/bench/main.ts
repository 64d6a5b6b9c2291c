import { type ParseArgsConfig, parseArgs } from 'node:util'
import { runCommand } from '../../worker/command.ts'
import { UsageError } from '../../worker/usage-error.ts'
import { gentle, workers } from './gentle.ts'
import { held } from './held.ts'
import { latency } from './latency.ts'
import { lists } from './lists.ts'
import { notify } from './notify.ts'
import { outage } from './outage.ts'
import { telemetry } from './telemetry.ts'
import { throughput } from './throughput.ts'

const USAGE = `npm run bench -- NAME [--json] [options]

  throughput [--items 100000] [--rounds 3] [--backlog N] [--history N] [--drained]
             a backlog of stock changes through the worker, and the bare loop in turn with it;
             --drained: on a queue that has drained before
  latency    [--seconds 20]
             from enqueue() to the commit of Processing, at 200 items a second
  held       [--items 200000] [--rounds 3] [--seconds 10]
             while a dump keeps its snapshot: the throughput against that without,
             then the pick-up and the reading of the numbers
  gentle     [--workers 1] [--seconds 20]
             Shops that do not take everything (connections, latency, 429, idle connections):
             the throughput against what each takes, and what failed
  workers    [--items 20000] [--rounds 1]
             one, two, four and eight workers on a Shop that answers at once
  lists      [--items 1000000]
             every list that a page offers, over HTTP, with so many items in the queue and as many in the history
  notify     [--seconds 3] [--rounds 5]
             what 16 sessions commit while a worker is busy: woken at each commit, as it is, and never woken, in turn
  telemetry  [--items 40000] [--rounds 3]
             the throughput with all signals exported against that without; what came is held against the history
  outage     [--items 400000] [--seconds 60]
             the telemetry receiver away for a while under load, then the worker stopped under load:
             is every loss counted?`

function parse<const Config extends ParseArgsConfig>(config: Config) {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`)
  }
}

/** `npm run bench -- NAME`: prints the results; with `--json` the last line is one JSON object. */
await runCommand(async () => {
  const { values, positionals } = parse({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      items: { type: 'string' },
      rounds: { type: 'string' },
      backlog: { type: 'string', default: '0' },
      history: { type: 'string', default: '0' },
      seconds: { type: 'string' },
      workers: { type: 'string' },
      drained: { type: 'boolean', default: false },
    },
  })
  const number = (name: 'items' | 'rounds' | 'backlog' | 'history' | 'seconds' | 'workers', otherwise = 0): number => {
    const value = Number(values[name] ?? otherwise)
    if (!Number.isInteger(value) || value < 0) throw new UsageError(`--${name} takes a whole number.`)
    return value
  }
  const print = (line: string) => process.stdout.write(`${line}\n`)
  const [name] = positionals
  let result: Record<string, unknown>
  if (name === 'throughput') {
    result = await throughput(
      {
        items: number('items', 100_000),
        rounds: number('rounds', 3),
        backlog: number('backlog'),
        history: number('history'),
        drained: values.drained,
      },
      print,
    )
  } else if (name === 'telemetry')
    result = await telemetry({ items: number('items', 40_000), rounds: number('rounds', 3) }, print)
  else if (name === 'outage')
    result = await outage({ items: number('items', 400_000), seconds: number('seconds', 60) }, print)
  else if (name === 'lists') result = await lists({ items: number('items', 1_000_000) }, print)
  else if (name === 'notify')
    result = await notify({ seconds: number('seconds', 3), rounds: number('rounds', 5) }, print)
  else if (name === 'held')
    result = await held(
      { items: number('items', 200_000), rounds: number('rounds', 3), seconds: number('seconds', 10) },
      print,
    )
  else if (name === 'gentle')
    result = await gentle({ workers: number('workers', 1), seconds: number('seconds', 20) }, print)
  else if (name === 'workers')
    result = await workers({ items: number('items', 20_000), rounds: number('rounds', 1) }, print)
  else if (name === 'latency') result = await latency(number('seconds', 20))
  else throw new UsageError(name === undefined ? USAGE : `There is no benchmark "${name}".\n\n${USAGE}`)
  if (values.json) print(JSON.stringify(result))
  else
    for (const [key, value] of Object.entries(result)) if (typeof value !== 'object') print(`${key.padEnd(24)}${value}`)
})
