import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { alertFiles, prometheusRules, RUNBOOKS } from '../../provisioning/alerts/files.ts'
import { IN_TIME_ASYNCHRONOUS } from '../../provisioning/alerts/promql.ts'
import { alertRules } from '../../provisioning/alerts/rules.ts'
import { runbookOf, sections } from '../../provisioning/alerts/runbooks.ts'
import { generatedFiles } from '../../provisioning/generate.ts'
import { IN_TIME } from '../../worker/domain/in-time.ts'
import { DURATIONS } from '../../worker/telemetry/instruments.ts'
import { findPromtool, promtool } from '../promtool.ts'
import { CASES, PLACE, QUIET, STORIES } from './alerts-cases.ts'

const PLUGIN = join(import.meta.dirname, '../../plugin/src/plugin.json')
const RULES = alertRules()
const severityOf = new Map<string, string>(RULES.map(({ uid, severity }) => [uid, severity]))

describe('the rules', () => {
  test('each has a uid and a title of its own that Grafana takes', () => {
    expect(new Set(RULES.map(({ uid }) => uid)).size).toBe(RULES.length)
    expect(new Set(RULES.map(({ title }) => title)).size).toBe(RULES.length)
    for (const { uid } of RULES) expect(uid).toMatch(/^shop-update-[a-z-]{1,28}$/)
  })

  test('each has a runbook: meaning, how to check, what to do, what to tell the Shop; none is left over', async () => {
    const runbooks = sections(await readFile(RUNBOOKS, 'utf8'))
    expect([...runbooks.keys()].toSorted()).toEqual(RULES.map(({ uid }) => uid).toSorted())
    for (const [uid, text] of runbooks)
      for (const part of ['Means', 'Check', 'Do', 'Tell the Shop'])
        expect(text, uid).toMatch(new RegExp(`^\\*\\*${part}\\*\\*`, 'm'))
  })

  test('each that an admin may be asked about has words for the seller; every summary has numbers and place', () => {
    for (const { uid, summary, seller, link } of RULES) {
      if (link.includes('/a/sellercenter-shopupdate-app/')) expect(seller, uid).toMatch(/\.$/)
      if (severityOf.get(uid) !== 'none' && uid !== 'shop-update-stack-down') expect(summary, uid).toContain('$value')
    }
  })

  test('each leads to a page of the plugin or to a dashboard, and to its runbook', async () => {
    const { includes } = JSON.parse(await readFile(PLUGIN, 'utf8')) as { includes: { path: string }[] }
    const dashboards = generatedFiles().flatMap(({ path }) => /^dashboards\/.*\/(.*)\.json$/.exec(path)?.[1] ?? [])
    const there = new Set([
      ...includes.map(({ path }) => path),
      ...dashboards.map((uid) => `/d/${uid}`),
      '/alerting/list',
    ])
    for (const { uid, link } of RULES)
      for (const path of [link, runbookOf(uid)]) expect(there, uid).toContain(path.split('?')[0])
  })

  test('the dashboard shows the venture that the alert is about', () => {
    for (const { uid, link, expr } of RULES)
      if (link.startsWith('/d/shop-update-worker'))
        expect(link.includes('var-venture={{'), uid).toBe(expr.includes('venture'))
  })

  test('what is over and has no number is kept as one that is low, never for longer than it takes to fire', () => {
    const { groups } = parse(alertFiles().find(({ path }) => path === 'alerting/rules.yaml')!.text)
    const secondsOf = (text: string) => Number.parseInt(text, 10) * { s: 1, m: 60, h: 3600 }[text.at(-1)!]!
    const [{ interval, rules }] = groups
    for (const { uid, for: standing, keepFiringFor, missing_series_evals_to_resolve: evaluations } of rules) {
      const [kept, most] = [(evaluations - 1) * secondsOf(interval), secondsOf(standing)]
      expect(evaluations, uid).toBeGreaterThanOrEqual(2)
      if (most > 0 && evaluations > 2) expect(kept, uid).toBeLessThan(most)
      if (most === 0) expect(kept, uid).toBeGreaterThanOrEqual(secondsOf(keepFiringFor))
    }
  })

  test('a change is late at a bound of the buckets: else chance would count it as late or as in time', () => {
    for (const seconds of [...Object.values(IN_TIME), IN_TIME_ASYNCHRONOUS]) expect(DURATIONS).toContain(seconds)
  })

  test('at another pace every time is shorter by the same factor, and nothing else differs', () => {
    const [earnest, drill] = [alertFiles(1), alertFiles(10)].map(
      (all) => all.find(({ path }) => path === 'alerting/rules.yaml')!.text,
    )
    const shape = (text: string) => text.replace(/\d+(\.\d+)?[smhd]?\b/g, 'N')
    expect(drill).not.toBe(earnest)
    expect(shape(drill!)).toBe(shape(earnest!))
  })

  test.each(RULES)('$uid is tried: it fires, it does not, and it clears', ({ uid }) => {
    const expected = CASES.filter((each) => each.uid === uid).map((each) =>
      Object.values(each.expected).map((fires) => fires !== null),
    )
    expect(expected.flat()).toContain(true)
    if (uid === 'shop-update-watchdog') return // it always fires
    expect(expected.flat()).toContain(false)
    expect(expected.some((fires) => fires.lastIndexOf(false) > fires.indexOf(true) && fires.includes(true))).toBe(true)
  })
})

const bin = findPromtool(process.env)
if (bin === null && !process.env.CI)
  process.stdout.write(
    'The alert rules were NOT tried: there is no promtool. PROMTOOL_BIN names one; ' +
      'Debian has it in the package prometheus.\n',
  )
else
  describe('promtool', { timeout: 600_000 }, () => {
    let folder: string
    const tool = () => {
      if (bin === null) throw new Error('There is no promtool, and in CI there must be one.')
      return bin
    }
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'shop-update-alerts-'))
    })
    afterAll(() => rm(folder, { recursive: true, force: true }))

    /** One scenario as a promtool file. */
    async function tried(name: string, scenario: Scenario): Promise<void> {
      const file = join(folder, `${name.replaceAll(/\W+/g, '-')}.yaml`)
      const rules = `${file}.rules`
      await writeFile(rules, prometheusRules(rulesOf(scenario)))
      await writeFile(file, stringify({ rule_files: [rules], ...testFile(scenario) }))
      await promtool(tool(), 'test', 'rules', file)
    }

    test('a quiet day: nothing but the watchdog', () =>
      tried('quiet', {
        series: {},
        step: 1,
        last: 180,
        firing: Object.fromEntries([1, 30, 60, 180].map((minute) => [minute, ['shop-update-watchdog']])),
      }))

    test.concurrent.each(CASES)('$uid: $what', ({ uid, what, series, expected, step = 1 }) => {
      const minutes = Object.keys(expected).map(Number)
      const pages = severityOf.get(uid) === 'page' ? [uid] : []
      return tried(`${uid} ${what}`, {
        series,
        step,
        last: Math.max(...minutes),
        alert: { uid, expected },
        pages: Object.fromEntries(minutes.map((minute) => [minute, expected[minute] ? pages : []])),
      })
    })

    test.concurrent.each(STORIES)('who is woken: $what', ({ what, series, pages }) =>
      tried(what, { series, step: 1, last: Math.max(...Object.keys(pages).map(Number)), pages }),
    )
  })

interface Scenario {
  series: Record<string, (minute: number) => number | null>
  step: number
  /** The last minute of interest. */
  last: number
  /** One rule, with its text. */
  alert?: { uid: string; expected: Record<number, { summary: string; labels?: Record<string, string> } | null> }
  /** By minute: all that fires; all that pages. */
  firing?: Record<number, string[]>
  pages?: Record<number, string[]>
}

/** All rules if all are of interest. Otherwise those that page and the one under test: windows of days are slow. */
const rulesOf = ({ firing, alert }: Scenario) =>
  firing ? RULES : RULES.filter(({ uid, severity }) => severity === 'page' || uid === alert?.uid)

function testFile({ series, step, last, alert, firing = {}, pages = {} }: Scenario): object {
  const firingAt = (by: Record<number, string[]>, matchers: string) =>
    Object.entries(by).map(([minute, uids]) => ({
      expr: `count by (alertname) (ALERTS{${matchers}})`,
      eval_time: `${minute}m`,
      exp_samples: uids.map((uid) => ({ labels: `{alertname="${uid}"}`, value: 1 })),
    }))
  return {
    evaluation_interval: `${step}m`,
    tests: [
      {
        interval: `${step}m`,
        input_series: Object.entries({ ...QUIET, ...series }).map(([name, at]) => ({
          series: name,
          values: Array.from({ length: last / step + 1 }, (_, place) => at(place * step) ?? '_').join(' '),
        })),
        alert_rule_test: Object.entries(alert?.expected ?? {}).map(([minute, fires]) => ({
          eval_time: `${minute}m`,
          alertname: alert?.uid,
          exp_alerts: fires
            ? [{ exp_labels: labelsOf(alert!.uid, fires.labels), exp_annotations: { summary: fires.summary } }]
            : [],
        })),
        promql_expr_test: [
          ...firingAt(firing, 'alertstate="firing"'),
          ...firingAt(pages, 'alertstate="firing", severity="page"'),
        ],
      },
    ],
  }
}

/** Venture and source, unless the rule is about something that has neither. */
function labelsOf(uid: string, labels: Record<string, string> = {}): Record<string, string> {
  const hasPlace = !('job' in labels || 'service_name' in labels || uid === 'shop-update-watchdog')
  return { severity: severityOf.get(uid)!, ...(hasPlace && PLACE), ...labels }
}
