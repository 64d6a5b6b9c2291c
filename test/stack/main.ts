import { STATUS_NAMES } from '../../worker/domain/statuses.ts'
import { TELEPHONE_SETTINGS } from '../browser/telephone.ts'
import { askAlerts } from './alerts.ts'
import { findCompose, startContainers } from './containers.ts'
import { openDashboards } from './dashboards.ts'
import { DRILL_PACE, DRILL_SETTINGS, drill } from './drill.ts'
import { drive, writeOrderLines } from './drive.ts'
import { openPages } from './pages.ts'
import { PARTS, type Stack, type StackOptions, type Stops } from './parts.ts'
import { namedPrograms, startPrograms } from './programs.ts'
import { askGrafana, askLoki, askPrometheus, askTempo } from './questions.ts'
import { askReadOnly } from './read-only.ts'
import { interruption, Report, say } from './report.ts'
import { answerTelephone } from './telephone.ts'

/** Time after the last item has come to rest: export, scrape and Tempo's span metrics have intervals of up to 15 s. */
const UNDER_WAY_MS = 60_000

/** `npm run test:stack -- --drill`: only the alerts; takes a quarter of an hour. */
const isDrill = process.argv.includes('--drill')
/** `npm run test:stack -- --telephone`: only the walks of an admin with a seller on the telephone. */
const isTelephone = process.argv.includes('--telephone')
const options: StackOptions = isDrill
  ? { pace: DRILL_PACE, settings: DRILL_SETTINGS }
  : { pace: 1, settings: isTelephone ? TELEPHONE_SETTINGS : {} }

const compose = await findCompose()
if (!compose && namedPrograms(process.env).bins.size === 0) {
  for (const [part, why] of namedPrograms(process.env).missing) say(`not run: ${part} (${why})`)
  say('Nothing of the stack is here: nothing was run.')
} else {
  await runStack((stops) =>
    compose ? startContainers(compose, stops, options) : startPrograms(process.env, stops, options),
  )
}

async function runStack(start: (stops: Stops) => Promise<Stack>): Promise<void> {
  const began = Date.now()
  const stops: Stops = []
  const stop = async () => {
    for (const each of stops.splice(0).toReversed())
      await each().catch((error: Error) => say(`Not stopped: ${error.message}`))
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort())

  try {
    const stack = await start(stops)
    interruption.signal.throwIfAborted()
    const report = new Report(stack.missing)
    await ask(stack, report)
    const { ok, failed, notRun } = report
    const seconds = Math.round((Date.now() - began) / 1000)
    say(`\n${ok} ok, ${failed} failed, ${notRun} not run; as ${stack.kind}, in ${seconds} s`)
    if (failed > 0) process.exitCode = 1
  } catch (error) {
    if (!interruption.signal.aborted) throw error
    say('Interrupted.')
    process.exitCode = 1
  } finally {
    await stop()
  }
}

async function ask(stack: Stack, report: Report): Promise<void> {
  try {
    for (const part of PARTS) {
      const why = stack.broken.get(part)
      if (why !== undefined) report.fail(`${part} starts`, why)
      else await report.check(`${part} starts`, [part], async () => {})
    }
    if (isDrill) return await drill(report, stack)
    if (isTelephone) return await answerTelephone(report, stack)
    const orderLines = stack.missing.has('otelcol') ? 0 : await writeOrderLines(stack)
    const story = await drive(stack)
    await report.check('Shop Update: items have been in every status', [], async () => {
      const rows = await stack.app.sql<
        { status: string }[]
      >`select distinct to_status::text as status from shop_update.transition`
      const lacking = STATUS_NAMES.filter((status) => !rows.some((row) => row.status === status))
      if (lacking.length > 0) throw new Error(`None has been in ${lacking.join(', ')}`)
      return `${rows.length} statuses`
    })
    report.deadline = Date.now() + UNDER_WAY_MS
    await askPrometheus(report, stack)
    await askLoki(report, stack, story, orderLines)
    await askTempo(report, stack, story)
    await askGrafana(report, stack, story)
    await askReadOnly(report, stack)
    await askAlerts(report, stack)
    await openPages(report, stack, story)
    await openDashboards(report, stack, story, orderLines)
  } catch (error) {
    interruption.signal.throwIfAborted()
    report.fail('Shop Update: takes items through every status', (error as Error).stack ?? String(error))
  }
}
