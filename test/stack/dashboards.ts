import assert from 'node:assert/strict'
import { SAMPLES, type Search, searchUrl } from '../../provisioning/dashboards/logs.ts'
import { FLOWS, STATUS_NAMES } from '../../worker/domain/statuses.ts'
import { TOPIC_NAMES } from '../../worker/domain/topics.ts'
import { startBrowser } from '../browser/browser.ts'
import { asker, type Frame, OURS } from './ask.ts'
import { lastCall, ODD_SKUS, ORDER_ITEM_ID, SKU, type Story, shopUpdate, writeOrderLine } from './drive.ts'
import { SOURCE, type Stack, VENTURE } from './parts.ts'
import type { Report } from './report.ts'
import { keepScreenshot, signIn, VIEWER } from './session.ts'

const HOUR_MS = 3_600_000
/** The height of a row in Grafana's grid, and of what is above the first. */
const [CELL, HEAD] = [38, 250]
const ODD = String.raw`oms says: "C:\temp\45124" (50 %) [a|b] {y}* $x^ it's ?`

interface Target {
  refId: string
  datasource: { uid: string; type: string }
  [field: string]: unknown
}
interface Panel {
  id: number
  type: string
  title: string
  gridPos: { y: number; h: number }
  targets?: Target[]
  /** Of a collapsed row. */
  panels?: Panel[]
}
interface Dashboard {
  dashboard: { uid: string; panels: Panel[] }
  meta: { folderTitle: string; provisioned: boolean; canSave: boolean }
}

export const DASHBOARDS = ['shop-update-analytics', 'shop-update-logs', 'shop-update-worker'] as const

/**
 * The dashboards as a Viewer sees them: each query of each panel has data, the sample searches find what they should,
 * and in a browser, dark and light, no panel complains.
 */
export async function openDashboards(report: Report, stack: Stack, story: Story, orderLines: number): Promise<void> {
  const needs = ['otelcol', 'loki', 'tempo', 'prometheus', 'grafana'] as const
  if (needs.some((part) => stack.missing.has(part))) {
    await report.check('Grafana: the dashboards', needs, async () => undefined)
    return
  }
  const { sql } = stack.app
  const { lines } = asker(stack)
  const { api } = shopUpdate(stack.app)
  const url = stack.urls.grafana
  const call = lastCall(story.synchronous)
  const browser = await startBrowser()
  try {
    const viewer = await signIn(browser, url, VIEWER)

    async function get<Body>(path: string): Promise<Body> {
      const response = await viewer.page.request.get(`${url}${path}`)
      assert.equal(response.status(), 200, `${path}: ${await response.text()}`)
      return (await response.json()) as Body
    }
    /** Sends a panel's query, as a Viewer. */
    async function ask(target: Target, chosen: Record<string, string | string[]> = {}): Promise<Frame[]> {
      const filled = Object.fromEntries(
        Object.entries(target).map(([name, value]) => [
          name,
          typeof value === 'string' ? interpolated(value, target, chosen) : value,
        ]),
      )
      const response = await viewer.page.request.post(`${url}/api/ds/query`, {
        data: {
          from: String(Date.now() - HOUR_MS),
          to: String(Date.now()),
          queries: [
            {
              maxDataPoints: 500,
              intervalMs: 15_000,
              ...filled,
              ...(target.datasource.type === 'tempo' && { queryType: 'traceId' }),
            },
          ],
        },
      })
      const { results } = (await response.json()) as { results: Record<string, { frames?: Frame[]; error?: string }> }
      const { frames = [], error } = results[target.refId] ?? {}
      assert.equal(error, undefined)
      assert.equal(response.status(), 200)
      return frames
    }
    const dashboards = await Promise.all(DASHBOARDS.map((uid) => get<Dashboard>(`/api/dashboards/uid/${uid}`)))

    for (const {
      dashboard: { uid, panels },
      meta,
    } of dashboards) {
      await report.check(`Grafana: a Viewer finds ${uid} in the folder Shop Update`, needs, async () => {
        assert.deepEqual([meta.folderTitle, meta.provisioned, meta.canSave], ['Shop Update', true, false])
        return `${panels.length} panels`
      })
      for (const { title, targets = [] } of panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]))
        for (const target of targets)
          await report.check(`Grafana: ${uid}, ${title}, ${target.refId} has data`, needs, async () => {
            // without a SKU a line has no metadata
            const chosen = String(target.expr).includes('| seller_sku=~')
              ? { sku: ODD_SKUS[0] }
              : { trace: call.traceId ?? '' }
            const frames = await ask(target, chosen)
            const values = frames.flatMap(({ data }) => data.values.at(-1) ?? []).filter((value) => value !== null)
            assert.ok(values.length > 0, 'it has none')
            return `${frames.length} frames, ${values.length} values`
          })
    }

    const panelOf = (uid: string, title: string): Target[] => {
      const panel = dashboards
        .find(({ dashboard }) => dashboard.uid === uid)
        ?.dashboard.panels.find((each) => each.title === title)
      assert.ok(panel?.targets, `${uid} has no panel ${title}`)
      return panel.targets
    }
    const table = async (uid: string, title: string): Promise<Record<string, unknown>[]> => {
      const [frame] = await ask(panelOf(uid, title)[0]!)
      const names = frame?.schema.fields.map(({ name }) => name) ?? []
      return (frame?.data.values[0] ?? []).map((_, row) =>
        Object.fromEntries(names.map((name, at) => [name, frame?.data.values[at]?.[row]])),
      )
    }
    await report.check('Grafana: the message on top of Analytics says what the summary says', needs, async () => {
      const { toSend, awaitingShop, blocked } = await api<Record<string, number>>('/api/summary')
      const shown = await Promise.all(
        panelOf('shop-update-analytics', 'Products in the queue').map(
          async (target) => (await ask(target))[0]?.data.values.at(-1)?.[0],
        ),
      )
      assert.deepEqual(shown, [toSend, awaitingShop, blocked])
      return shown.join(', ')
    })
    await report.check('Grafana: the calls in Analytics are those that were answered', needs, async () => {
      const expected = await sql<{ topic: string; calls: number; failed: number }[]>`
        select shop_update.label(i.topic) as topic, count(*)::int as calls,
          count(*) filter (where a.outcome not in ('success', 'acknowledged'))::int as failed
        from shop_update.answer a
        join (select id, topic from shop_update.item
          union all select id, topic from shop_update.finished_item) i on i.id = a.item_id group by 1 order by 1`
      const rows = await table('shop-update-analytics', 'API calls in this time')
      const shown = rows.map(({ Topic, Calls, Failed }) => ({ topic: Topic, calls: Calls, failed: Failed }))
      assert.deepEqual(
        shown.toSorted((one, other) => (String(one.topic) < String(other.topic) ? -1 : 1)),
        [...expected].toSorted((one, other) => (one.topic < other.topic ? -1 : 1)),
      )
      return JSON.stringify(shown)
    })
    await report.check('Grafana: the Sync KPI in Analytics is that of the queue', needs, async () => {
      const kpis = await api<Record<string, { ratio: number; requests: number }>>('/api/kpis')
      const rows = await table('shop-update-analytics', 'Sync KPI now')
      assert.deepEqual(
        Object.fromEntries(rows.map(({ Window, Synced, Requests }) => [Window, [Synced, Requests]])),
        Object.fromEntries(Object.entries(kpis).map(([window, { ratio, requests }]) => [window, [ratio, requests]])),
      )
      return `${rows[0]?.Synced} of ${rows[0]?.Queued}`
    })

    /** The lines that a search finds, oldest first for each query of the panel. */
    async function find(search: Search): Promise<string[]> {
      const found = await Promise.all(
        panelOf('shop-update-logs', 'Lines').map((target) => ask(target, search as Record<string, string>)),
      )
      return found.flatMap((frames) =>
        frames
          .flatMap(
            ({ schema, data }) =>
              (data.values[schema.fields.findIndex(({ name }) => name === 'Line')] ?? []) as string[],
          )
          .toReversed(),
      )
    }
    const searches: [search: Search, check: (found: string[]) => void | Promise<void>][] = [
      [
        { venture: VENTURE, source: SOURCE },
        async (found) => {
          assert.deepEqual(found.toSorted(), (await lines(OURS)).map(({ text }) => text).toSorted())
        },
      ],
      [
        { sku: SKU },
        async (found) => {
          const beside = (await lines(`${OURS} | seller_sku = "${SKU}"`)).map(({ text }) => text)
          for (const text of found) assert.ok(text.includes(SKU) || beside.includes(text), text)
          for (const word of ['Product.createProducts', 'RawResponse', 'Status'])
            assert.ok(
              found.some((text) => text.startsWith(word)),
              word,
            )
        },
      ],
      [
        { sku: SKU, call: 'Product\\.createProducts' },
        (found) => only(found, new RegExp(`^Product\\.createProducts .*"${SKU}".* ${call.requestId}$`)),
      ],
      [
        { request: call.requestId, lines: 'RawResponse' },
        (found) => only(found, new RegExp(`^RawResponse ${call.requestId} 200 [[{]`)),
      ],
      [
        { text: ORDER_ITEM_ID, call: 'order_call' },
        (found) => {
          assert.equal(found.length, orderLines, found.join('\n'))
          for (const text of found) assert.match(text, /order_call/)
        },
      ],
    ]
    for (const [place, { kibana }] of SAMPLES.entries()) {
      const [search, check] = searches[place]!
      await report.check(`Grafana: a Viewer searches as ${kibana}`, needs, async () => {
        const found = await find(search)
        assert.ok(found.length > 0, 'nothing is found')
        await check(found)
        return `${found.length} lines`
      })
    }
    await report.check(
      'Grafana: a Viewer finds the lines of an item by its id, the answers too that name no SKU',
      needs,
      async () => {
        const found = await find({ item: story.failed.id })
        for (const { requestId } of story.failed.calls)
          assert.ok(
            found.some((text) => text.startsWith(`RawResponse ${requestId} `)),
            requestId,
          )
        const requests = found.filter((text) => text.startsWith('Product.'))
        assert.equal(requests.length, story.failed.calls.length)
        return `${found.length} lines`
      },
    )
    for (const sku of ODD_SKUS) {
      await report.check(`Grafana: a Viewer finds the request and the answer of ${sku}, each once`, needs, async () => {
        for (const lines of ['^Product\\.', 'RawResponse']) {
          const found = await find({ sku, lines })
          assert.equal(found.length, 1, found.join('\n'))
          assert.deepEqual(await find({ sku: `${sku.slice(0, -1)}`, lines }), [])
        }
        return undefined
      })
    }
    await writeOrderLine(stack, ODD)
    for (const [search, expected] of [
      [{ text: ODD }, 1],
      [{ text: String.raw`"c:\TEMP\45124" (50 %)` }, 1],
      [{ text: '45124', lines: '^Status' }, 0],
      [{ request: call.requestId.slice(0, -1) }, 0],
      [{ sku: SKU.slice(0, -1) }, 0],
      [{ item: `${story.failed.id}0000` }, 0],
      [{ text: '\\', sku: '"', request: '(', trace: '[' }, 0],
    ] as [Search, number][]) {
      await report.check(`Grafana: a search for ${JSON.stringify(search)} finds ${expected}`, needs, async () => {
        assert.equal((await find(search)).length, expected)
      })
    }
    await report.check('Grafana: a Viewer makes a short link to a search, and it leads there', needs, async () => {
      const response = await viewer.page.request.post(`${url}/api/short-urls`, {
        data: { path: searchUrl({ sku: SKU }).slice(1) },
      })
      const { uid } = (await response.json()) as { uid: string }
      // It leads to the address that Grafana has for itself, which may differ from this test's.
      const { location = '' } = (
        await viewer.page.request.get(`${url}/goto/${uid}?orgId=1`, { maxRedirects: 0 })
      ).headers()
      const { pathname, search } = new URL(location, url)
      await viewer.page.goto(`${new URL(url).origin}${pathname}${search}`)
      await viewer.page
        .getByText(/^Product\.createProducts \{/)
        .first()
        .waitFor({ timeout: 20_000 })
      assert.equal(new URL(viewer.page.url()).searchParams.get('var-sku'), SKU)
      return undefined
    })

    await report.check('Grafana: a sample search leads a Viewer to its lines', needs, async () => {
      const { page } = viewer
      // the samples come last, and are rendered once they are visible
      await page.setViewportSize({ width: 1600, height: 3000 })
      await page.goto(`${url}/d/shop-update-logs`)
      await page
        .getByRole('row')
        .filter({ hasText: `message:"${SKU}"` })
        .getByRole('link')
        .first()
        .click()
      await page
        .getByText(/^Product\.createProducts \{/)
        .first()
        .waitFor({ timeout: 20_000 })
      assert.equal(new URL(page.url()).searchParams.get('var-sku'), SKU)
      return undefined
    })

    for (const theme of ['dark', 'light'] as const) {
      for (const { dashboard } of dashboards) {
        const { uid, panels } = dashboard
        await report.check(
          `Grafana: a Viewer opens ${uid} in the ${theme} theme, and no panel complains`,
          needs,
          async () => {
            const { page, complaints } = viewer
            complaints.length = 0
            // Everything visible: Grafana does not query a panel that is not.
            await page.setViewportSize({
              width: 1600,
              height: HEAD + CELL * Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h)),
            })
            await page.goto(`${url}/d/${uid}?theme=${theme}&from=now-15m&to=now`)
            for (const { title, type } of panels)
              if (type !== 'row' && title)
                await page.getByRole('heading', { name: title, exact: true }).first().waitFor({ timeout: 20_000 })
            await page.waitForLoadState('networkidle')
            await keepScreenshot(page, `${theme}-${uid}`)
            assert.deepEqual(
              await page.getByTestId('data-testid Panel status error').count(),
              0,
              'a panel has an error',
            )
            assert.deepEqual(complaints, [])
            const empty = await page.getByTestId('data-testid Panel data error message').allTextContents()
            assert.deepEqual(empty, [])
            return undefined
          },
        )
      }
    }
    await report.check(
      'Grafana: a Viewer opens a line, and finds the way to the item and to the trace',
      needs,
      async () => {
        const { page } = viewer
        await page.setViewportSize({ width: 1600, height: 1400 })
        await page.goto(`${url}${searchUrl({ sku: SKU, call: 'Product\\.createProducts' })}&from=now-1h&to=now`)
        await page
          .getByText(/^Product\.createProducts \{/)
          .first()
          .click()
        const item = page.getByRole('link', { name: /Open item/ })
        await item.waitFor({ timeout: 20_000 })
        assert.match((await item.getAttribute('href')) ?? '', new RegExp(`/items/${story.synchronous.id}$`))
        const trace = page.getByRole('link', { name: /Show trace/ })
        const href = (await trace.getAttribute('href')) ?? ''
        assert.match(href, new RegExp(`var-trace=${call.traceId}$`))
        await keepScreenshot(page, 'line')
        await page.goto(new URL(href, url).href)
        for (const word of ['Made request', 'Product.createProducts'])
          await page.getByText(word).first().waitFor({ timeout: 20_000 })
        await keepScreenshot(page, 'trace')
        return undefined
      },
    )
    await report.check("Grafana: no error of provisioning in Grafana's own log", ['grafana'], async () => {
      const log = await stack.grafanaLog()
      const provisioning = log.split('\n').filter((line) => /logger=provisioning/.test(line))
      assert.ok(provisioning.length > 0, 'the log says nothing of provisioning')
      assert.deepEqual(
        // runbooks.md is for people, and Grafana logs that it skips it
        provisioning.filter((line) => /level=(warn|error)/.test(line) && !line.includes("'runbooks.md'")),
        [],
      )
      return `${provisioning.length} lines`
    })
  } finally {
    await browser.close()
  }
}

/** The only line, which contains this. */
function only(found: string[], expected: RegExp): void {
  assert.equal(found.length, 1, found.join('\n'))
  assert.match(found[0] ?? '', expected)
}

/** Variables as the front end fills them in: everything, except for what is chosen. */
function interpolated(text: string, { datasource }: Target, chosen: Record<string, string | string[]>): string {
  const all: Record<string, string | string[]> = {
    ...(datasource.type === 'loki'
      ? { venture: '.+', source: '.+', text: '', sku: '', request: '', call: '^', lines: '^', item: '', trace: '' }
      : { venture: VENTURE, source: SOURCE }),
    topic: TOPIC_NAMES,
    status: STATUS_NAMES,
    flow: [...FLOWS],
    ...chosen,
  }
  return text.replace(/\$(?:\{(\w+)(?::(\w+))?\}|(\w+))/g, (whole, inBraces, format, bare) => {
    const value = all[inBraces ?? bare]
    if (value === undefined) return whole // Grafana's own, for its server
    const list = [value].flat()
    if (format === 'sqlstring') return list.map((each) => `'${each}'`).join(',')
    if (format === 'regex') return list.map((each) => each.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&')).join('|')
    return list.length > 1 ? `(${list.join('|')})` : (list[0] ?? '')
  })
}
