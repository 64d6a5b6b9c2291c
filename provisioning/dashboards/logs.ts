import * as common from '@grafana/grafana-foundation-sdk/common'
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import * as logsPanel from '@grafana/grafana-foundation-sdk/logs'
import * as tempo from '@grafana/grafana-foundation-sdk/tempo'
import { TOPICS } from '../../worker/domain/topics.ts'
import { bars, LOKI, logQl, row, shopUpdateDashboard, TEMPO, toItems, WIDTH, words } from './parts.ts'

export interface Search {
  venture?: string
  source?: string
  text?: string
  sku?: string
  request?: string
  /** A regular expression, like the options of the variable. */
  call?: string
  lines?: string
  item?: string
  trace?: string
}

/** Matches every line and gives Grafana nothing to highlight. */
const ANYTHING = '^'
const NOTHING_CHOSEN: Required<Omit<Search, 'venture' | 'source'>> = {
  text: '',
  sku: '',
  request: '',
  call: ANYTHING,
  lines: ANYTHING,
  item: '',
  trace: '',
}

/**
 * The dashboard with this search; what is not named means everything. Venture and source stay unless they are named.
 */
export const searchUrl = (search: Search): string =>
  `/d/shop-update-logs?${new URLSearchParams(
    Object.entries({ ...NOTHING_CHOSEN, ...search }).map(([name, value]): [string, string] => [`var-${name}`, value]),
  )}`

/**
 * User input goes into a raw string as a regular expression that matches exactly those characters. Of Grafana's formats
 * only this one keeps quotes, backslashes and all special characters intact. (`doublequote` leaves a backslash as it
 * is, and `json` does nothing to text.) A raw string cannot contain a backtick. Loki recognises a literal expression
 * and searches for it as fast as for plain text; an empty one matches every line.
 */
const typed = (variable: string) => `\${${variable}:regex}`
/**
 * Whole words only, so that 580665 does not match 5806653 and, because SKUs may contain hyphens, AB-1 does not match
 * AB-1-RED. The second ^ is for empty input. The first filter is the fast one and the one Grafana highlights. Grafana
 * reads expressions as JavaScript, which does not support this syntax for a named group, and so skips the second.
 */
const asWord = (variable: string) =>
  `|~ \`${typed(variable)}\` |~ \`(?:^|[^\\w-])(?P<word>${typed(variable)})(?:[^\\w-]|$|^)\``

/** Cheapest first: the streams, then the line, then its structured metadata. */
const search = (sku: string, besides: string[]) =>
  [
    '{venture=~"$venture", source=~"$source"}',
    `|~ \`(?i)${typed('text')}\``,
    sku,
    asWord('request'),
    '|~ `$call`',
    '|~ `$lines`',
    // the whole id; nothing can match before the ^ when it is empty
    `| item_id=~\`${typed('item')}(?:^.*)?\``,
    `| trace_id=~\`${typed('trace')}.*\``,
    ...besides,
  ].join(' ')

export const SEARCH = search(asWord('sku'), [])

const ofSku = `\`(?:.*[^\\w-])?${typed('sku')}(?:[^\\w-].*)?\``
/**
 * Lines that do not contain the SKU literally: JSON escapes quotes and backslashes, and a Shop may write é as \u00e9.
 * The SKU is then in the metadata of the line. These lines are disjoint from the others, and without a SKU there are
 * none: what the expression continues with is in every line, while Loki might drop a plain empty filter.
 */
export const SEARCH_BESIDE = search(`!~ \`${typed('sku')}(?:$|[\\s\\S])\``, [`| seller_sku=~${ofSku} or sku=~${ofSku}`])

const CALLS = [
  ...[...new Set(Object.values(TOPICS).map(({ method }) => method))].toSorted(),
  'Callback.process',
  'order_call',
  'getMarketplaceOrders',
  'createPackage',
]
const escaped = (words: string) => words.replaceAll('.', '\\.')

/** The sample searches (docs/requirements.md, "Log search"), each with its equivalent here. */
export const SAMPLES: { kibana: string; here: string; search: Search }[] = [
  {
    kibana: 'venture:"zalora" AND source:"eg/live"',
    here: 'Choose **Venture** and **Source**',
    search: { venture: 'zalora', source: 'eg/live' },
  },
  { kibana: '… AND message:"SKU420202"', here: 'Seller SKU or Shop SKU in **SKU**', search: { sku: 'SKU420202' } },
  {
    kibana: '… AND message:"SKU420202" AND message:"Product.createProducts"',
    here: '**SKU**, and the call in **API call**. The request ID is the number at the end of the line',
    search: { sku: 'SKU420202', call: escaped('Product.createProducts') },
  },
  {
    kibana: '… AND message:"5806653" AND message:"RawResponse"',
    here:
      'The number in **Request ID**, and **Lines** on *RawResponse*. In the asynchronous flow open the time range: ' +
      'the answer may be days later, and is a *Callback*',
    search: { request: '5806653', lines: 'RawResponse' },
  },
  {
    kibana: '… AND message:"45123" AND message:"order_call"',
    here: 'The OMS order item ID in **Text**, and *order_call* in **API call**',
    search: { text: '45123', call: 'order_call' },
  },
]

const SEARCHES = SAMPLES.map(
  ({ kibana, here, search }) => `| \`${kibana}\` | ${here} | [Try&nbsp;it](${searchUrl(search)}) |`,
)

const HELP = `| In Kibana it was | Here | |
|---|---|---|
${SEARCHES.join('\n')}

All fields must fit (AND); an empty one fits everything. **Text** is searched for as it stands, in any case of \
letters and anywhere in the line, only a backtick cannot be; **SKU** and **Request ID** as whole words (a SKU also \
where it stands beside the line: in JSON, one with a quote, a backslash or an é may be spelled otherwise); \
**Item** is the id of one, and finds all of its lines.

Drag over the histogram to narrow the time. Click a line to open it: the whole call, and the links **Open item** \
and **Show trace**.

**To share a search** use *Share* at the top right: the link it copies is a short one, with the time and every \
field in it. (One that nobody opens within seven days is forgotten.)

Lines are kept for 93 days.`

const textBox = (name: string, label: string, description: string) =>
  new dashboard.TextBoxVariableBuilder(name).label(label).description(description).defaultValue('')

const choice = (name: string, label: string, options: readonly (readonly [label: string, pattern: string])[]) =>
  new dashboard.CustomVariableBuilder(name)
    .label(label)
    .values(options.map(([words, pattern]) => `${words} : ${pattern}`).join(', '))
    .allowCustomValue(true)
    .current({ text: options[0]?.[0] ?? '', value: options[0]?.[1] ?? '' })

const label = (name: string, title: string, stream: string) =>
  new dashboard.QueryVariableBuilder(name)
    .label(title)
    .datasource(LOKI)
    .query({ type: 1, label: name, stream, refId: 'A' })
    .definition(name)
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .sort(dashboard.VariableSort.AlphabeticalAsc)
    .includeAll(true)
    .allValue('.+')
    .multi(true)
    .current({ text: 'All', value: '$__all' })

/** What was searched for in Kibana. */
export const logs = () =>
  shopUpdateDashboard(
    'shop-update-logs',
    'Logs',
    'Searches the lines of Shop Update and of every other component of Seller Center that sends its own: what ' +
      'Kibana was used for.',
  )
    .time({ from: 'now-24h', to: 'now' })
    .variables([
      label('venture', 'Venture', ''),
      label('source', 'Source', '{venture=~"$venture"}'),
      textBox('text', 'Text', 'Anything that is in the line'),
      textBox('sku', 'SKU', 'Seller SKU or Shop SKU'),
      choice('call', 'API call', [['Any', ANYTHING], ...CALLS.map((call) => [call, escaped(call)] as const)]),
      textBox('request', 'Request ID', 'The number at the end of a request'),
      choice('lines', 'Lines', [
        ['All', ANYTHING],
        ['Only RawResponse', 'RawResponse'],
        ['Only Callback', '^Callback\\.process'],
        ['Only Status', '^Status'],
      ]),
      textBox('item', 'Item', 'The id of an item: all of its lines, those too that name no SKU'),
      textBox('trace', 'Trace ID', 'As the link Show trace sets it'),
    ])
    .withPanel(
      bars({
        title: 'Hits',
        description: 'How many lines fit, over the time. Drag over it to narrow the time.',
        width: WIDTH,
        height: 6,
        unit: 'locale',
        none: 'No line fits: open the time range, or leave a field empty',
      })
        .datasource(LOKI)
        .overrideByName('Hits', [{ id: 'color', value: { mode: 'fixed', fixedColor: 'blue' } }])
        .legend(
          new common.VizLegendOptionsBuilder()
            .displayMode(common.LegendDisplayMode.List)
            .placement(common.LegendPlacement.Bottom)
            .showLegend(true)
            .calcs(['sum']),
        )
        .withTarget(logQl(`sum(count_over_time(${SEARCH} [$__auto]))`).legendFormat('Hits').refId('A'))
        .withTarget(
          logQl(`sum(count_over_time(${SEARCH_BESIDE} [$__auto]))`)
            .legendFormat('Hits: the SKU stands beside the line')
            .refId('B'),
        ),
    )
    .withPanel(
      new logsPanel.PanelBuilder()
        .title('Lines')
        .description(
          'The newest first, a thousand at a time. Click one to open it: the whole call, and the links to the ' +
            'item and to the trace.',
        )
        .span(WIDTH)
        .height(17)
        .noValue('No line fits: open the time range, or leave a field empty')
        .datasource(LOKI)
        .showTime(true)
        .wrapLogMessage(true)
        .enableLogDetails(true)
        .enableInfiniteScrolling(true)
        .sortOrder(common.LogsSortOrder.Descending)
        .dedupStrategy(common.LogsDedupStrategy.None)
        .links([toItems('Search the items', 'overview')])
        .withTarget(logQl(SEARCH).maxLines(1000).refId('A'))
        .withTarget(logQl(SEARCH_BESIDE).maxLines(1000).refId('B')),
    )
    .withPanel(words(HELP, { width: WIDTH, height: 12, title: 'How to search, and how to share it' }))
    .withRow(
      // Collapsed: without a trace ID there is nothing to query. The link Show trace leads to the panel itself.
      row('Trace')
        .collapsed(true)
        .withPanel(
          new dashboard.PanelBuilder()
            .type('traces')
            .title('Trace')
            .description(
              'The statuses of one attempt with the time spent in each, and the call to the Shop. The link Show ' +
                'trace in a line leads here.',
            )
            .span(WIDTH)
            .height(18)
            .datasource(TEMPO)
            .links([toItems('Search the items', 'overview')])
            .withTarget(new tempo.DataqueryBuilder().datasource(TEMPO).queryType('traceql').query('$trace')),
        ),
    )
