import * as bargauge from '@grafana/grafana-foundation-sdk/bargauge'
import * as common from '@grafana/grafana-foundation-sdk/common'
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import type { Status } from '../../worker/domain/statuses.ts'
import { AWAITING_SHOP, TO_SEND } from '../../worker/read/summary.ts'
import {
  APP,
  areas,
  bars,
  called,
  color,
  flows,
  lines,
  MIXED,
  numbers,
  OURS,
  PALETTE,
  POSTGRES,
  PROMETHEUS,
  promQl,
  promQlNow,
  row,
  rows,
  shopUpdateDashboard,
  sql,
  toItems,
  toLogs,
  topics,
  topicsInWords,
  ventureAndSource,
  words,
} from './parts.ts'

/** Each window of the Sync KPI has its own colour, the same in every panel. */
const WINDOWS = [
  ['24h', '24 hours', 'green'],
  ['7d', '7 days', 'blue'],
  ['14d', '14 days', 'purple'],
  ['30d', '30 days', 'orange'],
  ['90d', '90 days', 'red'],
] as const

/**
 * From the roll-ups: by five minutes, or by the hour when a point covers an hour or more, which reads a twelfth of the
 * rows.
 */
const CHOSEN =
  "grain = case when $__interval_ms < 3600000 then '5m' else '1h' end and $__timeFilter(slot) " +
  `and topic in (\${topic:sqlstring}) and flow in (\${flow:sqlstring})`
const SLOT = '5m'
const ROLLED_UP =
  'Counted exactly, by five minutes, and over a month or more by the hour; of the venture whose database this is, ' +
  'whichever is chosen.'

const queued = (statuses: readonly Status[]) =>
  `sum(shop_update_queue_items{${OURS}, topic=~"$topic", status=~"${statuses.join('|')}"})`

/** The Analytics tab of Seller Center. */
export const analytics = () =>
  shopUpdateDashboard(
    'shop-update-analytics',
    'Analytics',
    'How much is sent to the Shop, how much of it is synced, what is waiting, and how the Shop answers.',
  )
    .time({ from: 'now-24h', to: 'now' })
    .refresh('1m')
    .variables([...ventureAndSource(), topics(), flows()])
    .withPanel(
      numbers({
        title: 'Products in the queue',
        description:
          'To be sent: Pending, Processing, Building (Request) payload, Delayed and Failed. Waiting for the Shop, ' +
          'for its acknowledgment or answer: from Made request to Response processing. Blocked stands apart.',
        width: 16,
        unit: 'locale',
      })
        .datasource(PROMETHEUS)
        .targets([
          promQlNow(queued(TO_SEND), 'To be sent'),
          promQlNow(queued(AWAITING_SHOP), 'Waiting for the Shop'),
          promQlNow(queued(['blocked']), 'Blocked'),
        ])
        .links([
          toItems('Pending / Processing', 'pending'),
          toItems('Delayed', 'delayed'),
          toItems('Failed', 'failed'),
          toItems('Blocked', 'blocked'),
        ]),
    )
    .withPanel(
      words(
        `A high number of **blocked** products is normal: they have updates in the queue and have not been \
created in the Shop yet. Once they are, the rest is sent.

Lists: [Pending / Processing](${APP}/pending) · [Delayed](${APP}/delayed) · [Blocked](${APP}/blocked) · \
[Failed](${APP}/failed) · [Synced](${APP}/synced)`,
        { width: 8, height: 5 },
      ),
    )
    .withRow(row('Sync KPI'))
    .withPanel(syncKpi())
    .withPanel(
      rows({
        title: 'Sync KPI now',
        description:
          'Of the items queued within each window, how many there are, the share that is Synced by now, and how ' +
          'long it took; and the requests sent in the window. Of all topics and both flows of the venture whose ' +
          'database this is.',
        width: 11,
        height: 11,
      })
        .datasource(POSTGRES)
        .withTarget(
          sql(
            'table',
            `select "window" as "Window", ratio as "Synced", queued as "Queued", requests as "Requests", \
p50_seconds as "50 % in", p95_seconds as "95 % in"
from shop_update.kpi`,
          ),
        )
        .overrideByName('Synced', [
          { id: 'unit', value: 'percentunit' },
          { id: 'decimals', value: 1 },
        ])
        .overrideByRegexp('/Queued|Requests/', [{ id: 'unit', value: 'locale' }])
        .overrideByRegexp('/ in$/', [
          { id: 'unit', value: 's' },
          { id: 'decimals', value: 1 },
        ])
        .mappings([
          {
            type: dashboard.MappingType.ValueToText,
            options: Object.fromEntries(
              WINDOWS.map(([window, label, of], index) => [window, { text: label, color: of, index }]),
            ),
          },
        ])
        .overrideByName('Window', [{ id: 'custom.cellOptions', value: { type: 'color-text' } }])
        .links([toItems('Synced', 'synced')]),
    )
    .withRow(row('Queue size'))
    .withPanel(
      topicsInWords(
        areas({
          title: 'Queue size by topic',
          description:
            'Items that are not Synced, by topic. Of what lies in Pending / Processing, Delayed, Blocked or ' +
            'Failed see the app.',
          width: 16,
          unit: 'locale',
        }),
      )
        .datasource(PROMETHEUS)
        .withTarget(
          promQl(`sum by (topic) (shop_update_queue_items{${OURS}, topic=~"$topic", status!="synced"})`, '{{topic}}'),
        ),
    )
    .withPanel(
      topicsInWords(
        new bargauge.PanelBuilder()
          .title('Queue size now')
          .description('The same at the end of the time that is shown.')
          .span(8)
          .height(9)
          .unit('locale')
          .min(0)
          .noValue('The queue is empty')
          .orientation(common.VizOrientation.Horizontal)
          .displayMode(common.BarGaugeDisplayMode.Basic)
          .valueMode(common.BarGaugeValueMode.Text)
          .colorScheme(PALETTE)
          .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull'])),
      )
        .datasource(PROMETHEUS)
        .withTarget(
          promQlNow(
            `sort_desc(sum by (topic) (shop_update_queue_items{${OURS}, topic=~"$topic", status!="synced"}))`,
            '{{topic}}',
          ),
        ),
    )
    .withRow(row('API calls'))
    .withPanel(calls('Successful API calls', 'successful', 'answered with success, or acknowledged.'))
    .withPanel(
      calls(
        'Failed API calls',
        'not successful',
        'answered with a failure or with something that is no answer, or not answered at all.',
      ),
    )
    .withPanel(
      rows({
        title: 'API calls in this time',
        description: `All calls by topic. ${ROLLED_UP}`,
        width: 24,
        height: 11,
      })
        .datasource(POSTGRES)
        .withTarget(
          sql(
            'table',
            `select topic_label as "Topic", method as "Call", sum(calls) as "Calls", \
coalesce(sum(calls) filter (where successful), 0) as "Successful",
  coalesce(sum(calls) filter (where not successful), 0) as "Failed",
  coalesce(sum(calls) filter (where not successful), 0)::float8 / sum(calls) as "Share failed", topic::text as "topic"
from shop_update.call_durations where ${CHOSEN}
group by topic, topic_label, method order by sum(calls) desc`,
          ),
        )
        .unit('locale')
        .overrideByName('Share failed', [
          { id: 'unit', value: 'percentunit' },
          { id: 'decimals', value: 1 },
          { id: 'max', value: 1 },
          { id: 'custom.cellOptions', value: { type: 'gauge', mode: 'basic', valueDisplayMode: 'text' } },
          color('red'),
        ])
        .overrideByName('topic', [{ id: 'custom.hidden', value: true }])
        .overrideByName('Call', [{ id: 'custom.width', value: 240 }])
        .overrideByName('Topic', [
          {
            id: 'links',
            value: [{ title: 'Synced of this topic', url: `${APP}/synced?topic=\${__data.fields.topic}` }],
          },
        ])
        .overrideByName('Failed', [
          {
            id: 'links',
            value: [{ title: 'Failed of this topic', url: `${APP}/failed?topic=\${__data.fields.topic}` }],
          },
        ]),
    )
    .withRow(row('API average response time'))
    .withPanel(
      responseTime(
        'API average response time',
        'The average of all calls, successful or not; of the venture whose database this is.',
        `select $__timeGroup(slot, $__interval) as time, topic_label as metric, sum(milliseconds) / sum(calls) as value
from shop_update.call_durations where ${CHOSEN} group by 1, 2 order by 1`,
      ),
    )
    .withPanel(
      responseTime(
        'API response time, p95',
        '95 of 100 calls were answered within this time. From buckets: off by a fifth at most. Of the venture ' +
          'whose database this is.',
        `with durations as (
  select $__timeGroup(slot, $__interval) as time, topic_label as metric, bucket, sum(calls) as calls
  from shop_update.call_durations where ${CHOSEN} group by 1, 2, 3
), ranked as (
  select *, sum(calls) over (partition by time, metric order by bucket) as up_to, \
sum(calls) over (partition by time, metric) as total from durations
)
select time, metric, shop_update.bucket_seconds(min(bucket) filter (where up_to >= total * 0.95)) * 1000 as value
from ranked group by 1, 2 order by 1`,
      ),
    )
    .withPanel(
      rows({
        title: 'Slowest methods',
        description: `The calls of the Shop's interface, the slowest on average first. ${ROLLED_UP}`,
        width: 10,
      })
        .datasource(POSTGRES)
        .withTarget(
          sql(
            'table',
            `with durations as (
  select method, bucket, sum(calls) as calls, sum(milliseconds) as milliseconds, max(slowest_ms) as slowest
  from shop_update.call_durations where ${CHOSEN} group by 1, 2
), ranked as (
  select *, sum(calls) over (partition by method order by bucket) as up_to, \
sum(calls) over (partition by method) as total from durations
)
select method as "Call", sum(milliseconds) / sum(calls) as "Average",
  shop_update.bucket_seconds(min(bucket) filter (where up_to >= total * 0.95)) * 1000 as "p95", \
max(slowest) as "Slowest"
from ranked group by method order by 2 desc`,
          ),
        )
        .unit('ms')
        .decimals(0)
        .overrideByName('Call', [{ id: 'custom.width', value: 240 }])
        .links([toLogs('Answers of the Shop', '?var-lines=RawResponse')]),
    )

const LEGEND_LIST = new common.VizLegendOptionsBuilder()
  .displayMode(common.LegendDisplayMode.List)
  .placement(common.LegendPlacement.Bottom)
  .showLegend(true)

/** Requests sent as bars; above them, for each window, the share that was Synced at each moment. */
function syncKpi() {
  const panel = lines({
    title: 'Sync KPI',
    description:
      'Bars: requests sent to the Shop. Lines: of the items queued in the last 24 hours, 7, 14, 30 and 90 days, ' +
      'the share that was Synced at that moment. Topic and flow choose requests, which are of the venture whose ' +
      'database this is; the shares are of everything.',
    width: 13,
    height: 11,
    unit: 'percentunit',
    calculations: ['lastNotNull'],
  })
    .datasource(MIXED)
    .interval(SLOT)
    .max(1)
    .lineWidth(2)
    .legend(LEGEND_LIST)
    .axisLabel('Synced')
    .axisPlacement(common.AxisPlacement.Right)
    .withTarget(
      sql(
        'time_series',
        `select $__timeGroup(slot, $__interval) as time, sum(calls) as "Requests sent"
from shop_update.call_durations where ${CHOSEN} group by 1 order by 1`,
      ),
    )
    .overrideByName('Requests sent', [
      color('text'),
      { id: 'unit', value: 'locale' },
      { id: 'max', value: null },
      { id: 'custom.drawStyle', value: 'bars' },
      { id: 'custom.fillOpacity', value: 25 },
      { id: 'custom.lineWidth', value: 0 },
      { id: 'custom.axisPlacement', value: 'left' },
      { id: 'custom.axisLabel', value: 'Requests' },
    ])
    .links([toItems('Synced', 'synced')])
  for (const [window, label, of] of WINDOWS)
    panel
      .withTarget(promQl(`max(shop_update_kpi_synced_ratio{${OURS}, window="${window}"})`, window))
      .overrideByName(window, [called(`Synced, ${label}`), color(of)])
  return panel
}

const calls = (title: string, which: 'successful' | 'not successful', means: string) => {
  // Failed: after each of the first eleven failures an item is Delayed.
  const [label, list] = which === 'successful' ? ['Synced', 'synced'] : ['Delayed', 'delayed?reason=failure']
  return topicsInWords(
    bars({
      title,
      description: `By topic: ${means} ${ROLLED_UP}`,
      width: 12,
      unit: 'locale',
      none: 'None in this time',
    }),
    list,
  )
    .datasource(POSTGRES)
    .interval(SLOT)
    .withTarget(
      sql(
        'time_series',
        `select $__timeGroup(slot, $__interval) as time, topic_label as metric, sum(calls) as value
from shop_update.call_durations where ${CHOSEN} and ${which} group by 1, 2 order by 1`,
      ),
    )
    .links([toItems(label, list)])
}

const responseTime = (title: string, description: string, rawSql: string) =>
  topicsInWords(lines({ title, description, width: 7, unit: 'ms', calculations: ['mean', 'max'] }), 'synced')
    .datasource(POSTGRES)
    .interval(SLOT)
    .withTarget(sql('time_series', rawSql))
    .links([toItems('Synced', 'synced')])
