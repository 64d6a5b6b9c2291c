import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { RUNBOOKS } from '../../provisioning/alerts/files.ts'
import { alertRules } from '../../provisioning/alerts/rules.ts'
import { runbookOf } from '../../provisioning/alerts/runbooks.ts'
import { startBrowser } from '../browser/browser.ts'
import { asker } from './ask.ts'
import type { Stack } from './parts.ts'
import type { Report } from './report.ts'
import { keepScreenshot, signIn, VIEWER } from './session.ts'

export interface RuleState {
  uid: string
  name: string
  /** Recovering: over, and kept for `keepFiringFor`. */
  state: 'inactive' | 'pending' | 'firing' | 'recovering'
  health: 'ok' | 'error' | 'nodata'
  lastEvaluation: string
  lastError?: string
  labels: Record<string, string>
  alerts?: { state: string; labels: Record<string, string>; annotations: Record<string, string> }[]
}

/** The alert rules as Grafana has them. */
export async function ruleStates(stack: Stack): Promise<RuleState[]> {
  const { data } = await asker(stack).grafana<{ data: { groups: { rules: RuleState[] }[] } }>(
    '/api/prometheus/grafana/api/v1/rules',
  )
  return data.groups.flatMap(({ rules }) => rules)
}

const RULES = alertRules()

export async function askAlerts(report: Report, stack: Stack): Promise<void> {
  const { grafana, metrics, lines, dataSource } = asker(stack)
  const needs = ['grafana', 'prometheus', 'otelcol'] as const

  await report.check('Grafana: every alert rule is there, as it is written', ['grafana'], async () => {
    const provisioned = await grafana<
      { uid: string; title: string; data: { model: { expr?: string } }[]; provenance: string }[]
    >('/api/v1/provisioning/alert-rules')
    const found = Object.fromEntries(
      provisioned.map(({ uid, title, data }) => [uid, { title, expr: data[0]?.model.expr }]),
    )
    assert.deepEqual(found, Object.fromEntries(RULES.map(({ uid, title, expr }) => [uid, { title, expr }])))
    return `${provisioned.length} rules`
  })
  await report.check(
    'Grafana: every rule has been evaluated, without an error, and nothing has fired that wakes somebody',
    needs,
    async () => {
      const states = await ruleStates(stack)
      assert.equal(states.length, RULES.length)
      for (const { uid, health, lastError, lastEvaluation, state } of states) {
        assert.ok(Date.parse(lastEvaluation) > 0, `${uid} has not been evaluated`)
        assert.equal(health, 'ok', `${uid}: ${lastError}`)
        if (RULES.find((rule) => rule.uid === uid)?.severity === 'page')
          assert.notEqual(state, 'firing', `${uid} fires`)
      }
      return `${states.length} rules; firing: ${states.filter(({ state }) => state === 'firing').map(({ uid }) => uid)}`
    },
  )
  await report.check('Prometheus: what the rules ask for is there, each metric with each label', needs, async () => {
    const selectors = new Map(
      RULES.flatMap(({ expr }) =>
        [...expr.matchAll(SELECTOR)].map(([all, name, matchers]) => [all, { name, matchers }]),
      ),
    )
    const lacking: string[] = []
    for (const { name = '', matchers = '' } of selectors.values()) {
      const labels = [...matchers.matchAll(/([a-z_]+)[=!]/g)].map(([, label]) => `${label}!=""`)
      const asked = name === '' ? `{${matchers}}` : `${name}{${labels.join(', ')}}`
      if (!COMES_LATER.test(asked) && (await metrics(`count(${asked})`)).length === 0) lacking.push(asked)
    }
    assert.deepEqual(lacking, [])
    return `${selectors.size} selectors`
  })
  await report.check('Grafana: the watchdog comes to its receiver, in our words', ['grafana'], async () => {
    const [first] = stack.pager.received.watchdog
    assert.ok(first, 'nothing has come')
    assert.equal(first.title, 'Shop Update: watchdog')
    assert.match(
      first.message,
      new RegExp(
        '^Always fires\\. .*\nLook: http://\\S+/alerting/list\n' +
          'Do: http://\\S+/d/shop-update-runbooks\\?viewPanel=panel-\\d+\n$',
      ),
    )
    return first.message.trim().replaceAll('\n', ' | ')
  })
  await report.check('Grafana: a runbook is where the alerts say', ['grafana'], async () => {
    const { dashboard } = await grafana<{ dashboard: { panels: { id: number; title: string }[] } }>(
      '/api/dashboards/uid/shop-update-runbooks',
    )
    assert.deepEqual(
      dashboard.panels.map(({ title }) => /\((\S+)\)$/.exec(title)?.[1]),
      RULES.map(({ uid }) => uid),
    )
    return `${dashboard.panels.length} sections`
  })
  await report.check(
    'Grafana: the link of an alert shows a Viewer its runbook, and no other',
    ['grafana'],
    async () => {
      const browser = await startBrowser()
      try {
        const { page } = await signIn(browser, stack.urls.grafana, VIEWER)
        await page.goto(`${stack.urls.grafana}${runbookOf('shop-update-shop-unreachable')}`)
        await page.getByText('Calls of five different items').waitFor({ timeout: 20_000 })
        await keepScreenshot(page, 'runbook')
        assert.equal(await page.getByText('No worker has had a heartbeat').count(), 0)
        return runbookOf('shop-update-shop-unreachable')
      } finally {
        await browser.close()
      }
    },
  )
  await report.check(
    'Grafana: every query of the runbooks runs, as the login that Grafana has',
    [...needs, 'loki'],
    async () => {
      const text = await readFile(RUNBOOKS, 'utf8')
      const sql = [...text.matchAll(/```sql\n(.*?)```/gs)].map(([, query = '']) => query)
      const code = [...text.matchAll(/`([^`\n]+)`/g)].map(([, words = '']) => words)
      const logs = code.filter((words) => words.startsWith('{service_name='))
      const numbers = code.filter((words) => /^up\{|shop_update_|otel\w*_|_seconds|_bytes/.test(words))
      for (const query of sql)
        await dataSource('shop-update-postgres', { rawSql: query, format: 'table', rawQuery: true })
      for (const query of logs) await lines(query)
      for (const query of numbers) assert.ok((await metrics(query)).length > 0, `${query} brings nothing`)
      assert.ok(sql.length > 5 && logs.length > 5 && numbers.length > 5)
      return `${sql.length} of SQL, ${logs.length} of LogQL, ${numbers.length} of PromQL`
    },
  )
  await report.check(
    'Grafana: pages go to the pager, tickets to where tickets are made, and the rest to nobody',
    ['grafana'],
    async () => {
      const { receiver, routes } = await grafana<Route>('/api/v1/provisioning/policies')
      const of = (severity: string) =>
        routes?.find((route) =>
          route.object_matchers?.some(([label, , value]) => label === 'severity' && value === severity),
        )
      assert.equal(receiver, 'Shop Update tickets')
      assert.equal(of('page')?.receiver, 'Shop Update pager')
      assert.deepEqual(of('none')?.mute_time_intervals, ['Shop Update always'])
      assert.deepEqual(
        stack.pager.received.pager.map(({ title }) => title),
        [],
      )
      return `${stack.pager.received.tickets.length} tickets so far`
    },
  )
  await report.check('Grafana: its log has no error of alerting', ['grafana'], async () => {
    const log = await stack.grafanaLog()
    const bad = log.split('\n').filter((line) => /level=error/.test(line) && /alert/.test(line))
    assert.deepEqual(bad, [])
    return `${log.split('\n').length} lines`
  })
}

interface Route {
  receiver: string
  routes?: Route[]
  object_matchers?: [string, string, string][]
  mute_time_intervals?: string[]
}

/** A name with matchers, as written in the rules; without a name if it is among the matchers. */
const SELECTOR = /([a-z_]*)\{([a-z_]+(?:=|!)[^{}]*)\}/g
/** The collector reports losses from the first one on. On the first day, when every cause is new, none is called so. */
const COMES_LATER = /otelcol_exporter|shop_update_new_cause/
