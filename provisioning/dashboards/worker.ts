import * as common from '@grafana/grafana-foundation-sdk/common'
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import * as heatmap from '@grafana/grafana-foundation-sdk/heatmap'
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus'
import * as statetimeline from '@grafana/grafana-foundation-sdk/statetimeline'
import {
  ALL_AT_ONCE,
  areas,
  bars,
  color,
  lines,
  numbers,
  OURS,
  PROMETHEUS,
  promQl,
  promQlNow,
  row,
  shopUpdateDashboard,
  statuses,
  statusesInWords,
  toItems,
  toLogs,
  topics,
  ventureAndSource,
} from './parts.ts'

const rate = (metric: string, more = '') => `rate(${metric}{${OURS}${more}}[$__rate_interval])`
const increase = (metric: string, more = '') => `increase(${metric}{${OURS}${more}}[$__rate_interval])`
/** Without measurements the result is not a number, and is left out. */
const percentile = (of: number, metric: string, by: string, more = '') =>
  `histogram_quantile(${of}, sum by (le${by && `, ${by}`}) (${rate(`${metric}_bucket`, more)})) >= 0`
const TOPIC = ', topic=~"$topic"'

const chart = (look: Parameters<typeof lines>[0]) => lines({ height: 8, ...look }).datasource(PROMETHEUS)

/** For on-call: whether the workers work, where items wait, and what holds them up. */
export const worker = () =>
  shopUpdateDashboard(
    'shop-update-worker',
    'Worker',
    'Whether the workers work, where items stay, and what holds them up.',
  )
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
    .variables([...ventureAndSource(), topics(), statuses()])
    .withPanel(
      numbers({
        title: 'Needs somebody',
        description:
          'Overdue: Delayed or Failed, past their time. To be decided: Blocked until an admin decides. Stranded: ' +
          'of the 500 items that have waited for longest for a create that is due, those of which it is Failed or ' +
          'not there.',
        width: 12,
        unit: 'locale',
      })
        .datasource(PROMETHEUS)
        .colorMode(common.BigValueColorMode.Value)
        .thresholds(
          new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps([
            { value: null, color: 'text' },
            { value: 1, color: 'orange' },
          ]),
        )
        .targets([
          promQlNow(`sum(shop_update_queue_items{${OURS}, status="failed"})`, 'Failed'),
          promQlNow(`sum(shop_update_overdue_items{${OURS}})`, 'Overdue'),
          promQlNow(`sum(shop_update_queue_blocked{${OURS}})`, 'To be decided'),
          promQlNow(`sum(shop_update_queue_stranded{${OURS}})`, 'Stranded'),
        ])
        .links([toItems('Failed', 'failed'), toItems('Blocked', 'blocked'), toItems('Delayed', 'delayed')]),
    )
    .withPanel(
      numbers({
        title: 'Workers',
        description:
          'Workers that have told of a heartbeat within the last minute, the oldest of their heartbeats, how many ' +
          'take the Shop for away, or have been told by it to wait; how many pauses are in force and runs under way.',
        width: 12,
        unit: 'short',
        none: 'No worker tells anything',
      })
        .datasource(PROMETHEUS)
        .targets([
          promQlNow(`count(time() - shop_update_worker_heartbeat_seconds{${OURS}} < 60)`, 'Alive'),
          promQlNow(`max(time() - shop_update_worker_heartbeat_seconds{${OURS}})`, 'Oldest heartbeat'),
          promQlNow(`sum(shop_update_circuit_open{${OURS}})`, 'Circuits open'),
          promQlNow(`sum(shop_update_shop_busy{${OURS}})`, 'Told to wait'),
          promQlNow(`sum(shop_update_pauses{${OURS}})`, 'Pauses'),
          promQlNow(`sum(shop_update_runs{${OURS}})`, 'Runs'),
        ])
        .overrideByName('Oldest heartbeat', [
          { id: 'unit', value: 's' },
          { id: 'decimals', value: 0 },
        ]),
    )
    .withRow(row('Items'))
    .withPanel(
      chart({
        title: 'Throughput',
        description: 'Items a second, by the transition that they make.',
        width: 8,
        height: 10,
        unit: 'ops',
        calculations: ['mean', 'max'],
      })
        .withTarget(
          promQl(`sum by (from, to) (${rate('shop_update_transitions_total', TOPIC)}) > 0`, '{{from}} → {{to}}'),
        )
        .links([toItems('Synced', 'synced')]),
    )
    .withPanel(
      statusesInWords(
        chart({
          title: 'Time in each status, p95',
          description: 'Of the items that left a status: 95 of 100 had spent this time in it, or less.',
          width: 8,
          height: 10,
          unit: 's',
          calculations: ['mean', 'max'],
        }),
      )
        .scaleDistribution(LOGARITHMIC)
        .withTarget(
          promQl(
            percentile(0.95, 'shop_update_status_duration_seconds', 'status', `${TOPIC}, status=~"$status"`),
            '{{status}}',
          ),
        )
        .links([toItems('Pending / Processing', 'pending')]),
    )
    .withPanel(
      new heatmap.PanelBuilder()
        .title('Time in each status')
        .description(
          'How many items left the chosen statuses (the variable Status), by the time that they had spent in them.',
        )
        .span(8)
        .height(10)
        .unit('s')
        .noValue('No item left a status in this time')
        .datasource(PROMETHEUS)
        .calculate(false)
        .color(new heatmap.HeatmapColorOptionsBuilder().mode(heatmap.HeatmapColorMode.Scheme).scheme('Blues').steps(64))
        .cellGap(1)
        .filterValues(new heatmap.FilterValueRangeBuilder().le(1e-9))
        .yAxis(new heatmap.YAxisConfigBuilder().unit('s'))
        .tooltip(
          new heatmap.HeatmapTooltipBuilder()
            .mode(common.TooltipDisplayMode.Single)
            .yHistogram(false)
            .showColorScale(true),
        )
        .withTarget(
          promQl(
            `sum by (le) (${increase('shop_update_status_duration_seconds_bucket', `${TOPIC}, status=~"$status"`)})`,
            '{{le}}',
          ).format(prometheus.PromQueryFormat.Heatmap),
        ),
    )
    .withPanel(
      statusesInWords(
        chart({
          title: 'Age of the oldest item, by status',
          description:
            'How long the item that has been in a status for longest has been in it. The alerts stand on this.',
          width: 8,
          height: 10,
          unit: 's',
        }),
      )
        .scaleDistribution(LOGARITHMIC)
        .withTarget(
          promQl(
            `max by (status) (shop_update_queue_oldest_age_seconds{${OURS}${TOPIC}, status=~"$status"}) > 0`,
            '{{status}}',
          ),
        ),
    )
    .withPanel(
      statusesInWords(
        chart({
          title: 'Items by status',
          description: 'How many items are in each status.',
          width: 8,
          height: 10,
          unit: 'locale',
        }),
      ).withTarget(
        promQl(`sum by (status) (shop_update_queue_items{${OURS}${TOPIC}, status=~"$status"}) > 0`, '{{status}}'),
      ),
    )
    .withPanel(
      chart({
        title: 'From queued to Synced',
        description: 'Of the items that became Synced, by flow: half of them, and 95 of 100, within this time.',
        width: 8,
        height: 10,
        unit: 's',
        calculations: ['mean', 'max'],
      })
        .scaleDistribution(LOGARITHMIC)
        .targets([
          promQl(percentile(0.5, 'shop_update_time_to_sync_seconds', 'flow', TOPIC), '{{flow}}, half'),
          promQl(percentile(0.95, 'shop_update_time_to_sync_seconds', 'flow', TOPIC), '{{flow}}, p95'),
        ])
        .links([toItems('Synced', 'synced')]),
    )
    .withRow(row('The Shop'))
    .withPanel(
      byOutcome(
        chart({
          title: 'Calls',
          description: 'Calls to the Shop a second, by what came of them.',
          width: 8,
          unit: 'reqps',
          calculations: ['mean', 'max'],
        }),
      )
        .withTarget(promQl(`sum by (outcome) (${rate('shop_update_calls_total', TOPIC)})`, '{{outcome}}'))
        .links([toLogs('Answers of the Shop', '?var-lines=RawResponse')]),
    )
    .withPanel(
      chart({
        title: 'Response time of the Shop, p95',
        description: '95 of 100 calls of each method were answered within this time.',
        width: 8,
        unit: 's',
        calculations: ['mean', 'max'],
      })
        .withTarget(promQl(percentile(0.95, 'shop_update_call_duration_seconds', 'method', TOPIC), '{{method}}'))
        .links([toLogs('Answers of the Shop', '?var-lines=RawResponse')]),
    )
    .withPanel(
      chart({
        title: 'Callbacks',
        description:
          'Calls of the Shop a second, by what became of them. Unauthorized: a wrong key or an address that is ' +
          'not allowed; malformed: not JSON-RPC; unknown: a request ID that nobody has sent.',
        width: 8,
        unit: 'reqps',
        calculations: ['mean', 'max'],
      })
        .withTarget(promQl(`sum by (outcome) (${rate('shop_update_callbacks_total')})`, '{{outcome}}'))
        .links([toLogs('Callbacks', '?var-lines=%5ECallback%5C.process')]),
    )
    .withPanel(
      chart({
        title: 'Refused by the internal API',
        description:
          'Requests a second that were refused for who sent them, by the reason. Grafana asks only for who may: ' +
          'it is a key or a setting that does not fit, or a stranger.',
        width: 12,
        unit: 'reqps',
        calculations: ['mean', 'max'],
      })
        .withTarget(promQl(`sum by (reason) (${rate('shop_update_internal_refusals_total')})`, '{{reason}}'))
        .links([toLogs('Refusals', '?var-lines=internal%20API%20was%20refused')]),
    )
    .withPanel(
      chart({
        title: 'Back-pressure: items in hand',
        description:
          'How many items each worker has in hand, and the most that it takes. At the limit it claims no more ' +
          'until the Shop or the database is faster.',
        width: 12,
        unit: 'locale',
      })
        .targets([
          promQl(`shop_update_in_flight{${OURS}}`, '{{instance}}'),
          promQl(`max(shop_update_in_flight_limit{${OURS}})`, 'Limit of a worker'),
        ])
        .overrideByName('Limit of a worker', [
          color('red'),
          { id: 'custom.lineStyle', value: { fill: 'dash', dash: [10, 10] } },
          { id: 'custom.fillOpacity', value: 0 },
        ]),
    )
    .withPanel(
      chart({
        title: 'Calls on their way',
        description:
          'How many calls each worker has on their way to the Shop, and as many as it may: it begins with ten, and ' +
          'follows the latency of the Shop and the calls that are lost or turned away.',
        width: 12,
        unit: 'locale',
      }).targets([
        promQl(`shop_update_shop_calls{${OURS}}`, '{{instance}}'),
        promQl(`shop_update_shop_calls_limit{${OURS}}`, '{{instance}}, as many as may be'),
      ]),
    )
    .withPanel(
      chart({
        title: 'The Shop says "wait"',
        description:
          '1 while it does (HTTP 429, or 503 with Retry-After), and for a minute after: all workers slow down ' +
          'together, and no item counts a failure.',
        width: 12,
        unit: 'short',
      })
        .max(1)
        .withTarget(promQl(`max(shop_update_shop_busy{${OURS}})`, 'Told to wait'))
        .links([toLogs('What the workers say of it', '?var-text=the+Shop')]),
    )
    .withPanel(
      new statetimeline.PanelBuilder()
        .title('Circuit')
        .description(
          'Open: this worker takes the Shop for away, and sends no more than a probe now and then. The queue ' +
            'waits; nothing is lost.',
        )
        .span(12)
        .height(8)
        .unit('short')
        .noValue('No worker tells anything')
        .datasource(PROMETHEUS)
        .mappings([
          {
            type: dashboard.MappingType.ValueToText,
            options: { 0: { text: 'Closed', color: 'green', index: 0 }, 1: { text: 'Open', color: 'red', index: 1 } },
          },
        ])
        .showValue(common.VisibilityMode.Never)
        .disablePagination()
        .tooltip(ALL_AT_ONCE)
        .withTarget(promQl(`shop_update_circuit_open{${OURS}}`, '{{instance}}'))
        .links([toLogs('What the workers say of it', '?var-text=the+Shop')]),
    )
    .withPanel(
      chart({
        title: 'Incidents',
        description: 'What was wrong with the whole or much of it, by kind; each begins and ends with an annotation.',
        width: 12,
        height: 8,
        unit: 'locale',
        none: 'None in this time',
      }).withTarget(promQl(`sum by (kind) (shop_update_incidents{${OURS}}) > 0`, '{{kind}}')),
    )
    .withPanel(
      statusesInWords(
        bars({
          title: 'Leases rescued, items requeued',
          description:
            'Items whose worker was gone, by the status in which it left them; and items that people requeued, by ' +
            'what became of it.',
          width: 12,
          height: 8,
          unit: 'locale',
          none: 'None in this time',
        }).datasource(PROMETHEUS),
      )
        .targets([
          promQl(`sum by (status) (${increase('shop_update_leases_rescued_total')})`, '{{status}}'),
          promQl(`sum by (result) (${increase('shop_update_requeues_total', TOPIC)})`, 'Requeue: {{result}}'),
        ])
        .links([toItems('Pending / Processing', 'pending')]),
    )
    .withPanel(
      chart({
        title: 'Feedback behind',
        description:
          'How long the oldest change that feedback to Seller Center does not tell of yet has waited. Five to seven ' +
          'seconds are meant; more while the queue drains at full speed, or very many products change at once.',
        width: 12,
        height: 8,
        unit: 's',
      }).withTarget(promQl(`max(shop_update_feedback_behind_seconds{${OURS}})`, 'Feedback')),
    )
    .withRow(row('Processes'))
    .withPanel(
      chart({
        title: 'Event loop, utilization',
        description:
          'The share of the time in which the one thread of a worker was busy. Near 100 % another worker is wanted.',
        width: 8,
        unit: 'percentunit',
      })
        .max(1)
        .withTarget(promQl(`nodejs_eventloop_utilization_ratio{${OURS}}`, '{{instance}}')),
    )
    .withPanel(
      chart({
        title: 'Event loop, delay',
        description: 'How late timers came: 99 of 100 within this time, and the latest.',
        width: 8,
        unit: 's',
      }).targets([
        promQl(`nodejs_eventloop_delay_p99_seconds{${OURS}}`, '{{instance}}, p99'),
        promQl(`nodejs_eventloop_delay_max_seconds{${OURS}}`, '{{instance}}, latest'),
      ]),
    )
    .withPanel(
      chart({
        title: 'Memory',
        description: 'Physical memory of each worker, and what of it is JavaScript’s heap in use.',
        width: 8,
        unit: 'bytes',
      }).targets([
        promQl(`process_memory_usage_bytes{${OURS}}`, '{{instance}}'),
        promQl(`sum by (instance) (v8js_memory_heap_used_bytes{${OURS}})`, '{{instance}}, heap'),
      ]),
    )
    .withRow(row('PostgreSQL'))
    .withPanel(
      chart({
        title: 'Statements, p95',
        description: 'The statements that move items: 95 of 100 took this time or less, of hundreds of items at once.',
        width: 8,
        unit: 's',
        calculations: ['mean', 'max'],
      }).withTarget(
        promQl(percentile(0.95, 'db_client_operation_duration_seconds', 'db_query_summary'), '{{db_query_summary}}'),
      ),
    )
    .withPanel(
      areas({
        height: 8,
        title: 'Connections',
        description:
          'Sessions in this database, by state. Of the sessions of other logins only their number is known ' +
          '(other_login).',
        width: 8,
        unit: 'locale',
      })
        .datasource(PROMETHEUS)
        .withTarget(promQl(`sum by (state) (shop_update_database_connections{${OURS}})`, '{{state}}')),
    )
    .withPanel(
      chart({
        title: 'Oldest transaction',
        description:
          'How long the oldest transaction of the workers has been open. One that stays open keeps vacuum from ' +
          'cleaning up, and the queue becomes slow.',
        width: 8,
        unit: 's',
      }).withTarget(promQl(`max(shop_update_database_oldest_transaction_seconds{${OURS}})`, 'Oldest transaction')),
    )
    .withPanel(
      chart({
        title: 'Dead rows',
        description:
          'Row versions that wait for vacuum. Autovacuum begins at some thousands; a number that only grows means ' +
          'that it does not come, or is held up.',
        width: 12,
        unit: 'locale',
      }).withTarget(promQl(`sum by (table) (shop_update_database_dead_rows{${OURS}})`, '{{table}}')),
    )
    .withPanel(
      chart({
        title: 'HOT updates of items',
        description:
          'The share of the updates that wrote no index. A change of hands writes some, the steps in between ' +
          'write none: a third is usual, and a fall means more work for the disk and for vacuum.',
        width: 12,
        unit: 'percentunit',
        calculations: ['mean', 'min'],
      })
        .max(1)
        .withTarget(
          promQl(
            `sum(${rate('shop_update_database_updates', ', hot="true"')}) / ` +
              `(sum(${rate('shop_update_database_updates')}) > 0)`,
            'HOT',
          ),
        ),
    )
    .withRow(row('Telemetry'))
    .withPanel(
      bars({
        title: 'Telemetry lost',
        description:
          'Spans and log records that no collector took: the queue was full, they were refused, or the worker ' +
          'ended before.',
        width: 12,
        height: 8,
        unit: 'locale',
      })
        .datasource(PROMETHEUS)
        .targets([
          promQl(
            `sum by (error_type) (${increase('otel_sdk_processor_span_processed_total', ', error_type!=""')})`,
            'Spans: {{error_type}}',
          ),
          promQl(
            `sum by (error_type) (${increase('otel_sdk_processor_log_processed_total', ', error_type!=""')})`,
            'Lines: {{error_type}}',
          ),
        ]),
    )
    .withPanel(
      chart({
        title: 'Telemetry waiting',
        description: 'How full the queues for the collector are. At 100 % what comes next is lost.',
        width: 12,
        unit: 'percentunit',
      })
        .max(1)
        .targets([
          promQl(
            `max(otel_sdk_processor_span_queue_size{${OURS}} / otel_sdk_processor_span_queue_capacity{${OURS}})`,
            'Spans',
          ),
          promQl(
            `max(otel_sdk_processor_log_queue_size{${OURS}} / otel_sdk_processor_log_queue_capacity{${OURS}})`,
            'Lines',
          ),
        ]),
    )

/** From milliseconds to days. */
const LOGARITHMIC = new common.ScaleDistributionConfigBuilder().type(common.ScaleDistribution.Log).log(10)

const OUTCOMES = {
  success: 'green',
  acknowledged: 'blue',
  failure: 'orange',
  unprocessable: 'purple',
  unreachable: 'red',
  busy: 'yellow',
}

function byOutcome<P extends ReturnType<typeof chart>>(panel: P): P {
  for (const [outcome, of] of Object.entries(OUTCOMES)) panel.overrideByName(outcome, [color(of)])
  return panel
}
