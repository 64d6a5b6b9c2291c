import { and, conditions, DAY, EACH, EACH_TOPIC, HOUR, MINUTE, metric, oldest, type Pace, unless } from './promql.ts'

/**
 * `page` wakes somebody, `ticket` is for the next working day, `none` is shown in Grafana and sent to nobody (except
 * the watchdog, which has its own route).
 */
export type Severity = 'page' | 'ticket' | 'none'

export interface AlertRule {
  uid: `shop-update-${string}`
  title: string
  severity: Severity
  /** PromQL; returns the number that is compared and shown in the summary. */
  expr: string
  /** The alert is pending while the number is above this … */
  above: number
  /** … and fires after this many seconds. */
  for: number
  /**
   * The alert ends after this many seconds below the threshold or without the series: a number that dips for a moment
   * does not page twice.
   */
  keepFiringFor: number
  /** A Go template of Prometheus and Grafana; `$value` is the number. */
  summary: string
  /** Where to look first: a page of the plugin, or a dashboard. */
  link: string
  /** What an admin can tell a seller who asks. */
  seller?: string
  /**
   * What an empty result means. `OK`: either nothing is wrong, or another rule fires: `shop-update-workers-silent` and
   * `shop-update-queue-unmeasured` check that the worker's numbers are there.
   */
  noData: 'OK' | 'Alerting'
  /**
   * What a failed query means. `KeepLast`: Prometheus is down for all rules at once, and one of them reports it,
   * `shop-update-workers-silent`.
   */
  queryFails: 'KeepLast' | 'Alerting' | 'OK'
}

const APP = '/a/sellercenter-shopupdate-app'
const WORKER = '/d/shop-update-worker'
const ITS_WORKERS = `${WORKER}?var-venture={{ $labels.venture }}&var-source={{ $labels.source }}`
const OF = '{{ $labels.venture }} {{ $labels.source }}'
const TOPIC = '{{ $labels.topic }}'
const TIME = '{{ $value | humanizeDuration }}'
const NUMBER = '{{ $value | printf "%.0f" }}'

/**
 * One cause pages once. A cause hides its consequences, in this order: no worker is heard from; the Shop cannot be
 * reached; an item is stuck between Processing and its answer; Pending. The error budget pages for what none of these
 * detects, an increase of slow or failing changes. If several statuses are stuck, the one nearest to Synced counts as
 * the cause, for a quarter of an hour (`hasJustJammed`).
 */
export function alertRules(pace: Pace = 1): AlertRule[] {
  const {
    at,
    window,
    heartbeat,
    silentAfter,
    alive,
    ofTheLiving,
    unreachable,
    busy,
    stuck,
    hasJustJammed,
    pendingMoves,
    nothingLeavesPending,
    retriesMove,
    pagedFor,
    burning,
  } = conditions(pace)
  const increased = (name: string, matchers: string, over: number) =>
    `increase(${metric(name, matchers)}[${window(over)}])`
  const usual = { noData: 'OK', queryFails: 'KeepLast' } as const
  const shopIsThere = unless(`${unreachable} > 0`, `${busy} > 0`)

  const overdue = `max ${EACH} (${metric('overdue_age_seconds')})`
  /** These jam what comes after: first the workers' room, then Pending and the retries. */
  const heldUp = [stuck.response, stuck.madeRequest, stuck.processing].map(hasJustJammed)
  const measured = `count ${EACH} (${metric('queue_oldest_age_seconds')})`
  const calledBack = `sum ${EACH} (${increased('callbacks_total', GENUINE, 30 * MINUTE)})`

  return [
    {
      ...usual,
      uid: 'shop-update-workers-silent',
      title: 'Shop Update: no worker is heard of',
      severity: 'page',
      // The most recent heartbeat: `shop-update-leases-rescued` reports a single lost worker. The query looks back a
      // week, because Prometheus forgets a series after five minutes, and a silence of a long weekend is still a
      // silence. If no heartbeat was ever seen there is no number, hence the second line.
      expr:
        `time() - max ${EACH} (last_over_time(${heartbeat}[${window(7 * DAY)}]))\n` +
        `or absent_over_time(${heartbeat}[${window(7 * DAY)}]) * ${at(7 * DAY)}`,
      above: silentAfter,
      for: at(MINUTE),
      keepFiringFor: 0,
      summary:
        'No worker {{ with $labels.venture }}of {{ . }} {{ $labels.source }} {{ end }}' +
        `has been heard of for ${TIME}`,
      link: `${WORKER}?{{ with $labels.venture }}var-venture={{ . }}&var-source={{ $labels.source }}{{ end }}`,
      seller: 'Changes are kept and will be sent; at the moment none is.',
      noData: 'Alerting', // the second line always returns something
      queryFails: 'Alerting', // this rule reports that Prometheus is down
    },
    {
      ...usual,
      uid: 'shop-update-shop-unreachable',
      title: 'Shop Update: the Shop cannot be reached',
      severity: 'page',
      expr: unreachable,
      above: 0,
      for: at(2 * MINUTE),
      keepFiringFor: at(2 * MINUTE), // a Shop that answers one call in between is not healthy
      summary:
        `The Shop of ${OF} cannot be reached: each of the ${NUMBER} workers sends it one probe at a time, and the ` +
        'queue waits',
      link: `${APP}/pending`,
      seller: 'The Shop cannot be reached at the moment. Changes are kept and will be sent as soon as it answers.',
    },
    {
      ...usual,
      uid: 'shop-update-pending',
      title: 'Shop Update: nothing leaves Pending',
      severity: 'page',
      expr: stuck.pending.age + and(alive) + shopIsThere + unless(...heldUp, pendingMoves),
      above: stuck.pending.above,
      for: stuck.pending.for,
      keepFiringFor: at(MINUTE),
      summary: `An item of ${OF} has been Pending for ${TIME}, and no item is taken up`,
      link: `${APP}/pending?status=pending`,
      seller: 'Changes are held up before they are sent; we are at it.',
    },
    {
      ...usual,
      uid: 'shop-update-processing',
      title: 'Shop Update: stuck in Processing or Building payload',
      severity: 'page',
      expr: stuck.processing.age + and(alive) + unless(hasJustJammed(stuck.response), hasJustJammed(stuck.madeRequest)),
      above: stuck.processing.above,
      for: stuck.processing.for,
      keepFiringFor: at(MINUTE),
      summary: `An item of ${OF} has been in Processing or Building payload for ${TIME}`,
      link: `${APP}/pending?status={{ $labels.status }}`,
      seller: 'Your change is held up before it is sent; we are at it.',
    },
    {
      ...usual,
      uid: 'shop-update-made-request',
      title: 'Shop Update: stuck in Made request',
      severity: 'page',
      // Not caused by a Shop that hangs: its calls time out and open the circuit.
      expr: stuck.madeRequest.age + and(alive) + unless(hasJustJammed(stuck.response)),
      above: stuck.madeRequest.above,
      for: stuck.madeRequest.for,
      keepFiringFor: at(MINUTE),
      summary:
        `An item of ${OF} has been in Made request for ${TIME}, longer than any call takes: ` +
        'its outcome is unknown',
      link: `${APP}/pending?status=made_request`,
      seller: 'Your change has been sent to the Shop; whether it arrived is being looked into.',
    },
    {
      ...usual,
      uid: 'shop-update-response',
      title: 'Shop Update: an answer is not taken in',
      severity: 'page',
      expr: stuck.response.age + and(alive),
      above: stuck.response.above,
      for: stuck.response.for,
      keepFiringFor: at(MINUTE),
      summary:
        `The Shop has answered, and an item of ${OF} has been in Got response, Building response payload or ` +
        `Response processing for ${TIME}`,
      link: `${APP}/pending?status={{ $labels.status }}`,
      seller: 'The Shop has taken your change; it is still to be noted here.',
    },
    {
      ...usual,
      uid: 'shop-update-callbacks-stopped',
      title: 'Shop Update: the callbacks have stopped',
      severity: 'page',
      // Answers may take hours, so a change in their rate counts: none for half an hour, although within three days (a
      // fault of Friday evening still pages on Monday) there was an hour in which each half hour had more than ten. And
      // there must be something to answer, unlike in the evening or after a switch of the flow: in this half hour the
      // Shop has acknowledged at least half as many.
      expr:
        `sum ${EACH} (${metric('queue_items', 'status="got_acknowledgment"')})` +
        and(
          `${oldest('got_acknowledgment')} > ${at(30 * MINUTE)}`,
          `max_over_time(min_over_time((${calledBack})[${window(HOUR)}:${window(5 * MINUTE)}])` +
            `[${window(3 * DAY)}:${window(30 * MINUTE)}]) > 10`,
          `sum ${EACH} (${increased('transitions_total', 'to="got_acknowledgment"', 30 * MINUTE)}) > 5`,
          alive,
        ) +
        unless(`${calledBack} > 0`),
      above: 0,
      for: at(MINUTE),
      keepFiringFor: at(10 * MINUTE),
      summary:
        `The Shop of ${OF} has called back steadily and has not for half an hour; ${NUMBER} items wait in Got ` +
        'acknowledgment',
      link: `${APP}/pending?status=got_acknowledgment`,
      seller: 'The Shop has acknowledged your change and has not told its result yet; we have asked.',
    },
    {
      ...usual,
      uid: 'shop-update-pause-overdue',
      title: 'Shop Update: a pause lasts longer than planned',
      severity: 'page',
      expr: `max ${EACH} (${metric('pause_overdue_seconds')})`,
      above: at(MINUTE),
      for: at(MINUTE),
      keepFiringFor: 0,
      summary: `A pause of ${OF} should have ended ${TIME} ago; nobody has ended it, and what it is about is not sent`,
      link: `${APP}/pauses`,
      seller: 'Sending is paused for longer than planned; your change is kept and sent afterwards.',
    },
    {
      ...usual,
      uid: 'shop-update-overdue',
      title: 'Shop Update: retries are not made',
      severity: 'page',
      expr: overdue + and(alive) + shopIsThere + unless(...heldUp, nothingLeavesPending, retriesMove),
      above: at(5 * MINUTE),
      for: at(5 * MINUTE),
      keepFiringFor: at(MINUTE),
      summary: `A Delayed or Failed item of ${OF} should have been tried again ${TIME} ago, and no item is`,
      link: `${APP}/delayed?sort=nextAttemptAt`,
      seller: 'The next attempt is late; we are at it.',
    },
    {
      ...usual,
      uid: 'shop-update-budget-page',
      title: 'Shop Update: changes are late or fail, fast',
      severity: 'page',
      // Two pairs in one rule: with a rule each, the second would page for what the first has paged for.
      expr: [
        { long: HOUR, short: 5 * MINUTE, factor: 14.4, events: 50 },
        { long: 6 * HOUR, short: 30 * MINUTE, factor: FAST_BURN, events: 100 },
      ]
        .map((pair) => `(\n${burning(pair)}${unless(pagedFor(pair.short))}\n)`)
        .join('\nor\n'),
      above: FAST_BURN,
      for: at(2 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary:
        `The error budget of ${TOPIC} changes of ${OF} is used up {{ $value | printf "%.1f" }} times faster than it ` +
        'may be: they are late or fail',
      link: `${ITS_WORKERS}&var-topic=${TOPIC}`,
      seller: 'Changes take longer than usual at the moment; we are at it.',
    },
    {
      ...usual,
      uid: 'shop-update-budget-ticket',
      title: 'Shop Update: changes are late or fail, slowly',
      severity: 'ticket',
      expr: burning({ long: 3 * DAY, short: 6 * HOUR, factor: 1, events: 200 }),
      above: 1,
      for: at(15 * MINUTE),
      keepFiringFor: at(HOUR),
      summary:
        `For three days ${TOPIC} changes of ${OF} have been late or failed {{ $value | printf "%.1f" }} times as ` +
        'often as they may',
      link: `${ITS_WORKERS}&var-topic=${TOPIC}`,
    },
    {
      ...usual,
      uid: 'shop-update-pending-long',
      title: 'Shop Update: Pending for long while others pass',
      severity: 'ticket',
      // The other half of `shop-update-pending`.
      expr: stuck.pending.age + and(alive, pendingMoves) + shopIsThere,
      above: at(15 * MINUTE),
      for: at(5 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary: `An item of ${OF} has been Pending for ${TIME} while others are taken up`,
      link: `${APP}/pending?status=pending`,
      seller: 'Many changes are in line before yours; it will be sent in its turn.',
    },
    {
      ...usual,
      uid: 'shop-update-overdue-long',
      title: 'Shop Update: a retry is late while others are made',
      severity: 'ticket',
      // The other half of `shop-update-overdue`.
      expr: `${overdue}${and(alive, retriesMove)}${shopIsThere}`,
      above: at(HOUR),
      for: at(5 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary: `A Delayed or Failed item of ${OF} should have been tried again ${TIME} ago, while others are`,
      link: `${APP}/delayed?sort=nextAttemptAt`,
      seller: 'The next attempt is late; many others are made before it.',
    },
    {
      ...usual,
      uid: 'shop-update-acknowledged',
      title: 'Shop Update: acknowledged for hours',
      severity: 'none', // answers "can come hours or even days later"
      expr: `max ${EACH_TOPIC} (${metric('queue_oldest_age_seconds', 'status="got_acknowledgment"')})`,
      above: at(4 * HOUR),
      for: at(5 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary: `The Shop of ${OF} acknowledged a ${TOPIC} change ${TIME} ago and has not called back`,
      link: `${APP}/pending?status=got_acknowledgment&topic=${TOPIC}`,
      seller: 'The Shop has acknowledged your change and has not told its result yet.',
    },
    {
      ...usual,
      uid: 'shop-update-acknowledged-day',
      title: 'Shop Update: acknowledged for more than a day',
      severity: 'ticket',
      expr: `max ${EACH_TOPIC} (${metric('queue_oldest_age_seconds', 'status="got_acknowledgment"')})`,
      above: at(DAY),
      for: at(5 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary: `The Shop of ${OF} acknowledged a ${TOPIC} change ${TIME} ago and has not called back`,
      link: `${APP}/pending?status=got_acknowledgment&topic=${TOPIC}`,
      seller: 'The Shop has acknowledged your change and has not told its result yet; we have asked.',
    },
    {
      ...usual,
      uid: 'shop-update-failed',
      title: 'Shop Update: items are Failed',
      severity: 'ticket',
      expr: `sum ${EACH_TOPIC} (${metric('queue_items', 'status="failed"')})`,
      above: 0,
      for: at(10 * MINUTE),
      keepFiringFor: at(15 * MINUTE), // a Failed item leaves the status for the moment of a retry
      summary: `${NUMBER} ${TOPIC} items of ${OF} are Failed: the Shop has refused them twelve times`,
      link: `${APP}/failed?topic=${TOPIC}`,
      seller: 'The Shop has refused your change twelve times; somebody has to look at its answer.',
    },
    {
      ...usual,
      uid: 'shop-update-new-cause',
      title: 'Shop Update: many items fail for a new reason',
      severity: 'ticket',
      expr: `max by (venture, source, cause_id, cause) (${metric('new_cause')})`,
      above: 20,
      for: at(2 * MINUTE),
      keepFiringFor: at(15 * MINUTE),
      summary: `${NUMBER} items of ${OF} have come to a cause that was not there for a week: {{ $labels.cause }}`,
      link: `${APP}/delayed?cause={{ $labels.cause_id }}`,
      seller: 'Changes like yours fail for a reason that is new; we are at it.',
    },
    {
      ...usual,
      uid: 'shop-update-run-stuck',
      title: 'Shop Update: a run does not get on',
      severity: 'ticket',
      expr: `max ${EACH} (${metric('run_idle_seconds')})`,
      above: at(2 * MINUTE),
      for: at(3 * MINUTE),
      keepFiringFor: 0,
      summary: `A run of ${OF} that somebody has begun has not got on for ${TIME}`,
      link: `${APP}/runs`,
      seller: 'Your change is to be sent again with many others; we are at it.',
    },
    {
      ...usual,
      uid: 'shop-update-feedback-behind',
      title: 'Shop Update: feedback to Seller Center is behind',
      severity: 'ticket',
      expr: `max ${EACH} (${metric('feedback_behind_seconds')})`,
      above: at(10 * MINUTE),
      for: at(2 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary: `Seller Center has not been told what has changed with products of ${OF} ${TIME} ago`,
      link: ITS_WORKERS,
    },
    {
      ...usual,
      uid: 'shop-update-calls-fail',
      title: 'Shop Update: many calls fail',
      severity: 'ticket',
      expr:
        `sum ${EACH_TOPIC} ` +
        `(${increased('calls_total', 'outcome=~"failure|unprocessable|unreachable"', 15 * MINUTE)})\n` +
        `/ (sum ${EACH_TOPIC} (${increased('calls_total', '', 15 * MINUTE)}) >= 20)` +
        shopIsThere,
      above: 0.2,
      for: at(10 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary: `{{ $value | humanizePercentage }} of the ${TOPIC} calls to the Shop of ${OF} fail`,
      link: `${APP}/delayed?topic=${TOPIC}`,
      seller: 'The Shop refuses many changes at the moment; yours is tried again.',
    },
    {
      ...usual,
      uid: 'shop-update-src-id-conflict',
      title: 'Shop Update: the Shop gave an id that another product has',
      severity: 'ticket',
      expr: `sum ${EACH} (${metric('queue_blocked', 'reason="src_id_conflict"')})`,
      above: 0,
      for: at(15 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary: `${NUMBER} items of ${OF} are Blocked: the Shop answered with a src_id that another product has`,
      link: `${APP}/blocked?reason=src_id_conflict`,
      seller: 'The Shop has mixed your product up with another one; we have told it.',
    },
    {
      ...usual,
      uid: 'shop-update-blocked',
      title: 'Shop Update: Blocked until an admin decides',
      severity: 'ticket',
      expr: `sum by (venture, source, reason) (${metric('queue_blocked', 'reason!="src_id_conflict"')})`,
      above: 0,
      for: at(15 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary: `${NUMBER} items of ${OF} are Blocked as {{ $labels.reason }}, and stay so until an admin decides`,
      link: `${APP}/blocked?reason={{ $labels.reason }}`,
      seller: 'The Shop gave an answer that cannot be used; somebody has to look at it.',
    },
    {
      ...usual,
      uid: 'shop-update-stranded',
      title: 'Shop Update: Blocked by a create that will not come',
      severity: 'ticket',
      expr: `max ${EACH} (${metric('queue_stranded')})`,
      above: 0,
      for: at(15 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary: `${NUMBER} items of ${OF} wait for a create that is due, but Failed or not there`,
      link: `${APP}/blocked?sort=queuedAt`, // only the oldest are examined
      seller: 'Your product could not be created in the Shop yet; its other changes wait for that.',
    },
    {
      ...usual,
      uid: 'shop-update-callbacks-refused',
      title: 'Shop Update: callbacks are refused',
      severity: 'ticket',
      expr:
        'sum by (venture, source, outcome) ' +
        `(${increased('callbacks_total', 'outcome=~"unauthorized|malformed"', 5 * MINUTE)})`,
      above: 10,
      for: 0, // it has happened: a burst of one minute counts too
      keepFiringFor: at(10 * MINUTE),
      summary: `${NUMBER} callbacks to ${OF} were {{ $labels.outcome }} within five minutes`,
      link: ITS_WORKERS,
    },
    {
      ...usual,
      uid: 'shop-update-internal-refused',
      title: 'Shop Update: the internal API refuses requests',
      severity: 'ticket',
      // Grafana only forwards permitted requests. A few refusals are somebody trying by hand; more are a wrong key, or
      // a stranger in the network.
      expr: `sum by (venture, source, reason) (${increased('internal_refusals_total', '', 15 * MINUTE)})`,
      above: 5,
      for: 0, // it has happened
      keepFiringFor: at(10 * MINUTE),
      summary:
        `${NUMBER} requests of the internal API of ${OF} were refused within a quarter of an hour: ` +
        '{{ $labels.reason }}',
      link: ITS_WORKERS,
    },
    {
      ...usual,
      uid: 'shop-update-shop-busy',
      title: 'Shop Update: the Shop says "wait"',
      severity: 'ticket',
      expr: busy,
      above: 0,
      for: at(15 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary:
        `The Shop of ${OF} has told its ${NUMBER} workers again and again to wait: it takes less than ` +
        'there is to send',
      link: ITS_WORKERS,
    },
    {
      ...usual,
      uid: 'shop-update-leases-rescued',
      title: 'Shop Update: a worker was lost',
      severity: 'ticket',
      expr: `sum ${EACH} (${increased('leases_rescued_total', '', 15 * MINUTE)})`,
      above: 0,
      for: 0, // it has happened
      keepFiringFor: at(15 * MINUTE),
      summary: `${NUMBER} items of ${OF} were taken over from a worker that had died or stood still`,
      link: ITS_WORKERS,
    },
    {
      ...usual,
      uid: 'shop-update-workers-full',
      title: 'Shop Update: the workers are full',
      severity: 'ticket',
      // The mean of five minutes: a worker claims when a quarter of its room is free (worker/life/pump.ts), so a full
      // one varies between 75 and 100 %.
      expr:
        `sum ${EACH} (${ofTheLiving(`avg_over_time(${metric('in_flight')}[${window(5 * MINUTE)}])`)})\n` +
        `/ sum ${EACH} (${ofTheLiving(metric('in_flight_limit'))})${shopIsThere}`,
      above: 0.8,
      for: at(15 * MINUTE),
      keepFiringFor: at(5 * MINUTE),
      summary:
        `The workers of ${OF} have {{ $value | humanizePercentage }} of the items in flight that they may have: the ` +
        'Shop or the database is slower than the queue grows',
      link: ITS_WORKERS,
    },
    {
      ...usual,
      uid: 'shop-update-queue-unmeasured',
      title: 'Shop Update: nobody measures the queue',
      severity: 'ticket',
      // Without the leader's numbers the rules about statuses are blind.
      expr: `count ${EACH} (${heartbeat})${and(alive)}${unless(measured)}`,
      above: 0,
      for: at(10 * MINUTE),
      keepFiringFor: 0,
      summary: `${NUMBER} workers of ${OF} are there, and none tells how old the items of the queue are`,
      link: ITS_WORKERS,
    },
    {
      ...usual,
      uid: 'shop-update-telemetry-lost',
      title: 'Shop Update: telemetry is lost',
      severity: 'ticket',
      // Two metrics with the same labels: without one to tell them apart the second would be dropped.
      expr: `sum by (venture, source, error_type, what) (\n${Object.entries({ span: 'spans', log: 'log records' })
        .map(([name, what]) => {
          const lost = `otel_sdk_processor_${name}_processed_total{service_name="shop-update", error_type!=""}`
          return `label_replace(increase(${lost}[${window(10 * MINUTE)}]), "what", "${what}", "", "")`
        })
        .join('\nor ')}\n)`,
      above: 0,
      for: 0, // it has happened
      keepFiringFor: at(15 * MINUTE),
      summary: `The workers of ${OF} have lost ${NUMBER} {{ $labels.what }}: {{ $labels.error_type }}`,
      link: ITS_WORKERS,
    },
    {
      ...usual,
      uid: 'shop-update-collector-loses',
      title: 'Shop Update: the collector loses telemetry',
      severity: 'ticket',
      // Entries refused because the queue is full are sent again. A difference, because increase() does not take
      // metrics of several names. Each series begins with its first loss, and all begin anew with the collector.
      expr:
        `clamp_min(sum by (job) (${COLLECTOR_LOST}) - ` +
        `(sum by (job) (${COLLECTOR_LOST} offset ${window(10 * MINUTE)}) or sum by (job) (${COLLECTOR_LOST}) * 0), 0)`,
      above: 0,
      for: 0, // it has happened
      keepFiringFor: at(15 * MINUTE),
      summary: `The collector has lost ${NUMBER} spans, log records or metric points within ten minutes`,
      link: WORKER,
    },
    {
      ...usual,
      uid: 'shop-update-stack-down',
      title: 'Shop Update: a part of the stack is down',
      severity: 'ticket',
      // `shop-update-workers-silent` also notices when Prometheus itself or the collector is down.
      expr: '1 - min by (job) (up{job=~"otelcol|loki|tempo|grafana|prometheus"})',
      above: 0,
      for: at(5 * MINUTE),
      keepFiringFor: at(2 * MINUTE),
      summary: 'Prometheus does not reach {{ $labels.job }}',
      link: WORKER,
    },
    {
      ...usual,
      uid: 'shop-update-watchdog',
      title: 'Shop Update: watchdog',
      severity: 'none',
      expr: 'vector(1)',
      above: 0,
      for: 0,
      keepFiringFor: 0,
      summary: 'Always fires. Whoever receives it raises the alarm when it stops coming',
      link: '/alerting/list',
      queryFails: 'OK', // without Prometheus it must fall silent
    },
  ]
}

const COLLECTOR_LOST = '{__name__=~"otelcol_exporter_send_failed_(spans|log_records|metric_points)(_total)?"}'
/** The burn rate from which the budget pages. */
const FAST_BURN = 6
/** Callbacks of the Shop, not of strangers. */
const GENUINE = 'outcome=~"accepted|duplicate|late"'
