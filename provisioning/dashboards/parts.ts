import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import * as common from '@grafana/grafana-foundation-sdk/common'
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import * as loki from '@grafana/grafana-foundation-sdk/loki'
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus'
import * as stat from '@grafana/grafana-foundation-sdk/stat'
import * as table from '@grafana/grafana-foundation-sdk/table'
import * as text from '@grafana/grafana-foundation-sdk/text'
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries'
import { STATUS_COLORS } from '../../worker/domain/colors.ts'
import { FLOWS, STATUS_NAMES, STATUSES } from '../../worker/domain/statuses.ts'
import { TOPIC_NAMES, TOPICS, type Topic } from '../../worker/domain/topics.ts'

export const PROMETHEUS = { type: 'prometheus', uid: 'shop-update-prometheus' }
export const LOKI = { type: 'loki', uid: 'shop-update-loki' }
export const TEMPO = { type: 'tempo', uid: 'shop-update-tempo' }
export const POSTGRES = { type: 'grafana-postgresql-datasource', uid: 'shop-update-postgres' }
/** For a panel whose queries use several data sources. */
export const MIXED = { type: 'datasource', uid: '-- Mixed --' }

/** The root of the app's pages; Grafana prepends its own sub path. */
export const APP = '/a/sellercenter-shopupdate-app'

/** Selects our series: every venture and source has its own workers. */
export const OURS = 'service_name="shop-update", venture="$venture", source="$source"'

export const WIDTH = 24

/** @param legend for each series, with labels as `{{label}}` */
export const promQl = (expr: string, legend: string) =>
  new prometheus.DataqueryBuilder().datasource(PROMETHEUS).expr(expr).legendFormat(legend).range()

/** The current value only. */
export const promQlNow = (expr: string, legend: string) =>
  new prometheus.DataqueryBuilder().datasource(PROMETHEUS).expr(expr).legendFormat(legend).instant()

export const logQl = (expr: string) => new loki.DataqueryBuilder().datasource(LOKI).expr(expr).queryType('range')

interface SqlQuery extends Dataquery {
  datasource: typeof POSTGRES
  rawSql: string
  format: 'time_series' | 'table'
  rawQuery: true
  editorMode: 'code'
}

/** A query to PostgreSQL, which the SDK does not cover. `time_series`: columns time, metric and value. */
export const sql = (format: SqlQuery['format'], rawSql: string): Builder<SqlQuery> => ({
  build: () => ({
    datasource: POSTGRES,
    rawSql,
    format,
    rawQuery: true,
    editorMode: 'code',
    _implementsDataqueryVariant() {},
  }),
})

interface Titled {
  title(words: string): Titled
  description(words: string): Titled
  span(columns: number): Titled
  height(cells: number): Titled
  noValue(words: string): Titled
}

interface Look {
  title: string
  /** What the panel shows, and how to read it. */
  description: string
  width: number
  height?: number
  /** Shown instead of "No data". */
  none?: string
}

function look<P extends Titled>(
  panel: P,
  { title, description, width, height = 9, none = 'Nothing in this time' }: Look,
): P {
  panel.title(title).description(description).span(width).height(height).noValue(none)
  return panel
}

/** Lines over time, with a legend that shows the requested numbers. */
export const lines = ({
  unit,
  calculations = ['lastNotNull', 'max'],
  ...rest
}: Look & { unit: string; calculations?: string[] }) => {
  const panel = look(new timeseries.PanelBuilder(), rest)
    .unit(unit)
    .min(0)
    .lineWidth(1)
    .fillOpacity(0)
    .showPoints(common.VisibilityMode.Auto)
    .colorScheme(PALETTE)
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.Table)
        .placement(rest.width >= 12 ? common.LegendPlacement.Right : common.LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(calculations),
    )
    .tooltip(ALL_AT_ONCE)
  const quiet = QUIET[unit]
  return quiet === undefined ? panel : panel.axisSoftMax(quiet)
}

/** The upper end of the axis while all values are zero: Grafana's default is a hundred. */
const QUIET: Record<string, number> = { locale: 1, reqps: 0.01, ops: 0.01 }

/** The same, stacked: for numbers that add up. */
export const areas = (look: Parameters<typeof lines>[0]) =>
  lines(look).fillOpacity(30).stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal))

/** The same as bars: what happened in each interval. */
export const bars = (look: Parameters<typeof lines>[0]) =>
  lines({ calculations: ['sum'], ...look })
    .drawStyle(common.GraphDrawStyle.Bars)
    .fillOpacity(70)
    .stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal))

/** Current numbers in large letters. */
export const numbers = ({ unit, ...rest }: Look & { unit: string }) =>
  look(new stat.PanelBuilder(), { height: 5, ...rest })
    .unit(unit)
    .colorMode(common.BigValueColorMode.None)
    .graphMode(common.BigValueGraphMode.None)
    .textMode(common.BigValueTextMode.ValueAndName)
    .text(new common.VizTextDisplayOptionsBuilder().titleSize(14).valueSize(40))
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))

export const rows = (rest: Look) => look(new table.PanelBuilder(), rest).minWidth(60)

export const words = (
  content: string,
  { width, height, title = '' }: { width: number; height: number; title?: string },
) => new text.PanelBuilder().title(title).span(width).height(height).mode(text.TextMode.Markdown).content(content)

export const PALETTE = new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.PaletteClassic)
export const ALL_AT_ONCE = new common.VizTooltipOptionsBuilder()
  .mode(common.TooltipDisplayMode.Multi)
  .sort(common.SortOrder.Descending)

export const color = (name: string) => ({ id: 'color', value: { mode: 'fixed', fixedColor: name } })
export const called = (name: string) => ({ id: 'displayName', value: name })

type Overridable = {
  withOverride(override: { matcher: dashboard.MatcherConfig; properties: dashboard.DynamicConfigValue[] }): unknown
}

/** Each topic has its colour, the same in every panel; of a status see `STATUS_COLORS`. */
const TOPIC_COLORS: Record<Topic, string> = {
  content: 'blue',
  images: 'purple',
  new_product_set: 'green',
  price: 'orange',
  stock: 'yellow',
  status: 'red',
  consignment_stock: 'dark-yellow',
  qc_status: 'super-light-purple',
  new_product: 'dark-green',
}

/** Names the series by the labels of topics, each with a link to its list in the app. */
export function topicsInWords<P extends Overridable>(panel: P, list = 'pending'): P {
  const of = list.includes('?') ? `${list}&topic=` : `${list}?topic=`
  for (const topic of TOPIC_NAMES) inWords(panel, topic, TOPICS[topic].label, TOPIC_COLORS[topic], of + topic)
  return panel
}

/** The same for statuses. */
export function statusesInWords<P extends Overridable>(panel: P): P {
  for (const status of STATUS_NAMES) {
    const { label, tab } = STATUSES[status]
    inWords(panel, status, label, STATUS_COLORS[status], tab === 'pending' ? `pending?status=${status}` : tab)
  }
  return panel
}

/** @param name as in Prometheus; SQL already returns the label */
function inWords(panel: Overridable, name: string, label: string, of: string, list: string): void {
  const links = [{ title: `${label} in Shop Update`, url: `${APP}/${list}` }]
  panel.withOverride({
    matcher: { id: 'byRegexp', options: `/^(${name}|${label.replace(/[()]/g, '\\$&')})$/` },
    properties: [called(label), color(of), { id: 'links', value: links }],
  })
}

export const link = (title: string, url: string) =>
  new dashboard.DashboardLinkBuilder(title).type(dashboard.DashboardLinkType.Link).url(url)

/** A link from the corner of a panel to a list of the app, or to the log lines. */
export const toItems = (title: string, page: string) => link(title, `${APP}/${page}`)
export const toLogs = (title: string, query = '') => link(title, `/d/shop-update-logs${query}`)

const labelValues = (name: string, metric: string, label: string) =>
  new dashboard.QueryVariableBuilder(name)
    .datasource(PROMETHEUS)
    .query({ qryType: 1, query: `label_values(${metric}, ${label})`, refId: 'A' })
    .definition(`label_values(${metric}, ${label})`)
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .sort(dashboard.VariableSort.AlphabeticalAsc)

/** Venture and source, as reported by the workers. Single choice, because their numbers do not add up. */
export const ventureAndSource = () => [
  labelValues('venture', 'shop_update_queue_items{service_name="shop-update"}', 'venture').label('Venture'),
  labelValues('source', 'shop_update_queue_items{service_name="shop-update", venture="$venture"}', 'source').label(
    'Source',
  ),
]

/** A multiple choice by label; everything unless something is chosen. */
const several = (name: string, options: readonly (readonly [value: string, label: string])[]) =>
  new dashboard.CustomVariableBuilder(name)
    .values(options.map(([value, label]) => `${label} : ${value}`).join(', '))
    .multi(true)
    .includeAll(true)
    .allowCustomValue(false)
    .current({ text: 'All', value: '$__all' })

export const topics = () =>
  several(
    'topic',
    TOPIC_NAMES.map((topic) => [topic, TOPICS[topic].label]),
  ).label('Topic')
export const statuses = () =>
  several(
    'status',
    STATUS_NAMES.filter((status) => status !== 'synced').map((status) => [status, STATUSES[status].label]),
  ).label('Status')
export const flows = () =>
  several(
    'flow',
    FLOWS.map((flow) => [flow, flow === 'synchronous' ? 'Synchronous' : 'Asynchronous']),
  ).label('Flow')

/** All three dashboards have the same head: their folder, and links to the others and to the app. */
export const shopUpdateDashboard = (uid: string, title: string, description: string) =>
  new dashboard.DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['shop-update'])
    .timezone('') // the viewer's time zone, as in the app
    .readonly()
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .link(
      new dashboard.DashboardLinkBuilder('Dashboards')
        .type(dashboard.DashboardLinkType.Dashboards)
        .tags(['shop-update'])
        .asDropdown(true)
        .keepTime(true),
    )
    .link(link('Shop Update', `${APP}/overview`))
    .annotation(
      new dashboard.AnnotationQueryBuilder()
        .name('Incidents')
        .datasource(LOKI)
        .enable(true)
        .iconColor('red')
        .expr(`{${OURS}} | event_name="shop_update.incident"`)
        .titleFormat('Shop Update'),
    )

export const row = (title: string) => new dashboard.RowBuilder(title)
