import { STATUS_NAMES } from '../../worker/domain/statuses.ts'

/** A series: its value at each minute; null if there is none. */
type Series = (minute: number) => number | null

export interface Case {
  /** The rule, and the aspect under test. */
  uid: string
  what: string
  /** By name and labels; all others are as on a quiet day. */
  series: Record<string, Series>
  /** By minute: its summary then, by its labels beyond venture and source; null: it does not fire. */
  expected: Record<number, { summary: string; labels?: Record<string, string> } | null>
  /** Minutes between samples; long cases have few. */
  step?: number
}

/** What pages, minute by minute. */
export interface Story {
  what: string
  series: Record<string, Series>
  pages: Record<number, string[]>
}

export const PLACE = { venture: 'zalora', source: 'eg/live' }
const labelled = (name: string, labels: Record<string, string>) =>
  `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}="${value}"`)
    .join(',')}}`
/** Values for the whole queue. */
const queue = (name: string, labels: Record<string, string> = {}) =>
  labelled(`shop_update_${name}`, { service_name: 'shop-update', ...PLACE, ...labels })
const worker = (name: string, labels: Record<string, string> = {}, instance = 'one') =>
  queue(name, { instance, ...labels })
const age = (status: string, topic = 'price') => queue('queue_oldest_age_seconds', { topic, status })
const items = (status: string, topic = 'price') => queue('queue_items', { topic, status })
const step = (from: string, to: string, topic = 'price') =>
  worker('transitions_total', { topic, from, to, flow: 'synchronous' })
const synced = (topic = 'price', flow = 'synchronous') => worker('time_to_sync_seconds_count', { topic, flow })
const syncedWithin = (le: number, topic = 'price', flow = 'synchronous') =>
  worker('time_to_sync_seconds_bucket', { topic, flow, le: String(le) })
const calls = (outcome: string) =>
  worker('calls_total', { topic: 'price', method: 'Product.updatePrices', flow: 'synchronous', outcome })
const callbacks = (outcome: string) => worker('callbacks_total', { outcome })
const lost = (what: string, reason: string) =>
  labelled(`otel_sdk_processor_${what}_processed_total`, {
    service_name: 'shop-update',
    ...PLACE,
    instance: 'one',
    error_type: reason,
  })

const collector = (name: string) =>
  labelled(`otelcol_exporter_${name}_total`, { job: 'otelcol', exporter: 'otlp_grpc/tempo' })

const HEARTBEAT = worker('worker_heartbeat_seconds')
const CIRCUIT = worker('circuit_open')
const BUSY = worker('shop_busy')
const PAUSED = queue('pauses', { scope: 'everything' })
const TAKEN_UP = step('pending', 'processing')
const ACKNOWLEDGED = step('made_request', 'got_acknowledgment')

const always =
  (value: number): Series =>
  () =>
    value
const during =
  (from: number, to: number, value: number, otherwise: number | null = 0): Series =>
  (minute) =>
    minute >= from && minute < to ? value : otherwise
const until =
  (end: number, series: Series): Series =>
  (minute) =>
    minute < end ? series(minute) : null
/** Grows by this much per minute, but by another number between `from` and `to`. */
const counting =
  (rate: number, from = Number.POSITIVE_INFINITY, to = Number.POSITIVE_INFINITY, then = 0): Series =>
  (minute) =>
    rate * minute + (then - rate) * Math.max(0, Math.min(minute, to) - from)
const now: Series = (minute) => minute * 60

/** A quiet day: ten price changes a minute, Synced at once. */
export const QUIET: Record<string, Series> = {
  [HEARTBEAT]: now,
  [CIRCUIT]: always(0),
  [BUSY]: always(0),
  [worker('in_flight')]: always(10),
  [worker('in_flight_limit')]: always(2000),
  [worker('leases_rescued_total', { status: 'made_request' })]: always(0),
  ...Object.fromEntries(STATUS_NAMES.flatMap((status) => [[items(status), always(0)]])),
  ...Object.fromEntries(STATUS_NAMES.filter((status) => status !== 'synced').map((status) => [age(status), always(0)])),
  [queue('overdue_age_seconds')]: always(0),
  [PAUSED]: always(0),
  [queue('pause_overdue_seconds')]: always(0),
  [queue('run_idle_seconds')]: always(0),
  [queue('feedback_behind_seconds')]: always(5),
  [queue('queue_stranded')]: always(0),
  ...Object.fromEntries(
    ['unprocessable_response', 'src_id_conflict', 'unknown_outcome'].map((reason) => [
      queue('queue_blocked', { reason }),
      always(0),
    ]),
  ),
  [TAKEN_UP]: counting(10),
  [step('delayed', 'processing')]: counting(1),
  [step('made_request', 'delayed')]: always(0),
  [synced()]: counting(10),
  [syncedWithin(900)]: counting(10),
  [calls('success')]: counting(10),
  [calls('failure')]: always(0),
  [callbacks('accepted')]: always(0),
  [callbacks('unauthorized')]: always(0),
  [callbacks('malformed')]: always(0),
  [lost('span', 'queue_full')]: always(0),
  [lost('log', 'queue_full')]: always(0),
  ...Object.fromEntries(
    ['otelcol', 'loki', 'tempo', 'grafana', 'prometheus'].map((job) => [
      labelled('up', { job, instance: job }),
      always(1),
    ]),
  ),
  [collector('send_failed_spans')]: always(0),
}

const WATCHDOG = 'Always fires. Whoever receives it raises the alarm when it stops coming'

export const CASES: Case[] = [
  {
    uid: 'shop-update-workers-silent',
    what: 'the only worker is frozen, and goes on',
    series: { [HEARTBEAT]: (minute) => (minute >= 10 && minute < 20 ? null : minute * 60) },
    expected: {
      9: null,
      11: null,
      13: { summary: 'No worker of zalora eg/live has been heard of for 4m 0s' },
      21: null,
    },
  },
  {
    uid: 'shop-update-workers-silent',
    what: 'one of two is gone for good',
    series: { [worker('worker_heartbeat_seconds', {}, 'two')]: until(10, now) },
    expected: { 13: null, 30: null },
  },
  {
    uid: 'shop-update-workers-silent',
    what: 'the database confirms no heartbeat: the worker tells its old one',
    series: { [HEARTBEAT]: (minute) => (minute < 10 ? minute : 10) * 60 },
    expected: { 11: null, 13: { summary: 'No worker of zalora eg/live has been heard of for 3m 0s' } },
  },
  {
    uid: 'shop-update-workers-silent',
    what: 'there never was one',
    series: { [HEARTBEAT]: () => null },
    expected: {
      5: { summary: 'No worker has been heard of for 7d 0h 0m 0s', labels: { service_name: 'shop-update' } },
    },
  },
  {
    uid: 'shop-update-workers-silent',
    what: 'over a long weekend',
    step: 30,
    series: { [HEARTBEAT]: (minute) => (minute >= 600 && minute < 5400 ? null : minute * 60) },
    expected: {
      570: null,
      5370: { summary: 'No worker of zalora eg/live has been heard of for 3d 8h 0m 0s' },
      5430: null,
    },
  },
  {
    uid: 'shop-update-shop-unreachable',
    what: 'the circuit of the only worker is open',
    series: { [CIRCUIT]: during(10, 20, 1) },
    expected: {
      11: null,
      13: {
        summary:
          'The Shop of zalora eg/live cannot be reached: each of the 1 workers sends it one probe at a time, ' +
          'and the queue waits',
      },
      23: null,
    },
  },
  {
    uid: 'shop-update-shop-unreachable',
    what: 'one of two workers is cut off: the other one sends',
    series: {
      [CIRCUIT]: during(10, 30, 1),
      [worker('circuit_open', {}, 'two')]: always(0),
      [worker('worker_heartbeat_seconds', {}, 'two')]: now,
    },
    expected: { 20: null },
  },
  {
    uid: 'shop-update-shop-unreachable',
    what: 'a worker that has gone does not vouch for the Shop with its last number',
    series: {
      [CIRCUIT]: during(10, 30, 1),
      [worker('circuit_open', {}, 'two')]: until(10, always(0)),
      [worker('worker_heartbeat_seconds', {}, 'two')]: until(10, now),
    },
    expected: {
      14: {
        summary:
          'The Shop of zalora eg/live cannot be reached: each of the 1 workers sends it one probe at a time, ' +
          'and the queue waits',
      },
    },
  },
  {
    uid: 'shop-update-pending',
    what: 'nothing is taken up',
    series: { [age('pending')]: during(10, 20, 100), [TAKEN_UP]: counting(10, 8, 20) },
    expected: {
      11: null,
      14: { summary: 'An item of zalora eg/live has been Pending for 1m 40s, and no item is taken up' },
      24: null,
    },
  },
  {
    uid: 'shop-update-pending',
    what: 'a large import: the oldest waits, and items are taken up',
    series: { [age('pending')]: during(10, 40, 600) },
    expected: { 20: null, 39: null },
  },
  {
    uid: 'shop-update-processing',
    what: 'the request cannot be stored',
    series: {
      [age('building_payload')]: during(10, 30, 300),
      [age('pending')]: during(10, 30, 300),
      [TAKEN_UP]: counting(10, 8, 30),
    },
    expected: {
      14: null,
      16: {
        summary: 'An item of zalora eg/live has been in Processing or Building payload for 5m 0s',
        labels: { status: 'building_payload' },
      },
      33: null,
    },
  },
  {
    uid: 'shop-update-made-request',
    what: 'a call without an outcome',
    series: { [age('made_request')]: during(10, 30, 300) },
    expected: {
      14: null,
      16: {
        summary:
          'An item of zalora eg/live has been in Made request for 5m 0s, longer than any call takes: ' +
          'its outcome is unknown',
      },
      33: null,
    },
  },
  {
    uid: 'shop-update-made-request',
    what: 'a Shop that takes as long as it may',
    series: { [age('made_request')]: during(10, 30, 30) },
    expected: { 20: null },
  },
  {
    uid: 'shop-update-response',
    what: 'the product is locked, and what comes after it jams',
    series: {
      [age('response_processing')]: during(10, 30, 300),
      [age('made_request')]: during(10, 30, 300),
      [age('processing')]: during(10, 30, 300),
      [age('pending')]: during(10, 30, 300),
      [TAKEN_UP]: counting(10, 8, 30),
    },
    expected: {
      14: null,
      16: {
        summary:
          'The Shop has answered, and an item of zalora eg/live has been in Got response, ' +
          'Building response payload or Response processing for 5m 0s',
        labels: { status: 'response_processing' },
      },
      33: null,
    },
  },
  {
    uid: 'shop-update-callbacks-stopped',
    what: 'steady callbacks stop, and come again',
    series: {
      [callbacks('accepted')]: counting(1, 120, 180),
      [ACKNOWLEDGED]: counting(1),
      [items('got_acknowledgment')]: during(0, 180, 40),
      [age('got_acknowledgment')]: (minute) => (minute > 120 && minute < 180 ? (minute - 120) * 60 : 60),
    },
    expected: {
      119: null,
      140: null,
      155: {
        summary:
          'The Shop of zalora eg/live has called back steadily and has not for half an hour; ' +
          '40 items wait in Got acknowledgment',
      },
      200: null,
    },
  },
  {
    uid: 'shop-update-callbacks-stopped',
    what: 'for hours',
    series: {
      [callbacks('accepted')]: counting(1, 120, 400),
      [ACKNOWLEDGED]: counting(1),
      [items('got_acknowledgment')]: always(40),
      [age('got_acknowledgment')]: (minute) => (minute > 120 && minute < 400 ? (minute - 120) * 60 : 60),
    },
    expected: Object.fromEntries([
      [149, null],
      ...[155, 175, 300, 399].map((minute) => [
        minute,
        {
          summary:
            'The Shop of zalora eg/live has called back steadily and has not for half an hour; ' +
            '40 items wait in Got acknowledgment',
        },
      ]),
      [415, null],
    ]),
  },
  {
    uid: 'shop-update-callbacks-stopped',
    what: 'over a weekend',
    step: 4,
    series: {
      [callbacks('accepted')]: counting(1, 120, 3000),
      [ACKNOWLEDGED]: counting(1),
      [items('got_acknowledgment')]: always(40),
      [age('got_acknowledgment')]: (minute) => (minute > 120 && minute < 3000 ? (minute - 120) * 60 : 60),
    },
    expected: Object.fromEntries([
      [148, null],
      ...[180, 1600, 2980].map((minute) => [
        minute,
        {
          summary:
            'The Shop of zalora eg/live has called back steadily and has not for half an hour; ' +
            '40 items wait in Got acknowledgment',
        },
      ]),
      [3040, null],
    ]),
  },
  {
    uid: 'shop-update-callbacks-stopped',
    what: 'in the evening, or after a switch to the synchronous flow, with a few left to be answered',
    series: {
      [callbacks('accepted')]: counting(1, 120),
      [ACKNOWLEDGED]: counting(1, 115),
      [items('got_acknowledgment')]: always(3),
      [age('got_acknowledgment')]: (minute) => (minute > 100 ? (minute - 100) * 60 : 60),
    },
    expected: { 135: null, 155: null, 175: null },
  },
  {
    uid: 'shop-update-callbacks-stopped',
    what: 'a Shop that calls back every two hours',
    series: {
      [ACKNOWLEDGED]: counting(1),
      [callbacks('accepted')]: (minute) => 100 * Math.floor(minute / 120),
      [items('got_acknowledgment')]: always(40),
      [age('got_acknowledgment')]: always(7000),
    },
    expected: { 119: null, 155: null, 200: null },
  },
  {
    uid: 'shop-update-callbacks-stopped',
    what: 'nothing waits for one',
    series: { [callbacks('accepted')]: counting(1, 120), [ACKNOWLEDGED]: counting(1) },
    expected: { 155: null },
  },
  {
    uid: 'shop-update-overdue',
    what: 'no retry is made',
    series: {
      [queue('overdue_age_seconds')]: during(10, 30, 400),
      [step('delayed', 'processing')]: counting(1, 5, 30),
    },
    expected: {
      14: null,
      17: {
        summary: 'A Delayed or Failed item of zalora eg/live should have been tried again 6m 40s ago, and no item is',
      },
      33: null,
    },
  },
  {
    uid: 'shop-update-overdue',
    what: 'after an outage: many are due, and are made in turn',
    series: { [queue('overdue_age_seconds')]: during(10, 30, 900) },
    expected: { 20: null },
  },
  {
    uid: 'shop-update-budget-page',
    what: 'every second change fails',
    series: { [step('made_request', 'delayed')]: counting(0, 90, 150, 10) },
    expected: {
      95: null,
      130: {
        summary:
          'The error budget of price changes of zalora eg/live is used up 20.0 times faster than it may be: ' +
          'they are late or fail',
        labels: { topic: 'price' },
      },
      200: null,
    },
  },
  {
    uid: 'shop-update-budget-page',
    what: 'every change is late',
    series: { [syncedWithin(900)]: counting(10, 90, 150) },
    expected: {
      95: null,
      150: {
        summary:
          'The error budget of price changes of zalora eg/live is used up 50.0 times faster than it may be: ' +
          'they are late or fail',
        labels: { topic: 'price' },
      },
      200: null,
    },
  },
  ...['delayed', 'failed'].map((to) => ({
    uid: 'shop-update-budget-page',
    what: `what has been refused for good is refused again in a quiet night, and is ${to} again`,
    step: 2,
    series: {
      [TAKEN_UP]: counting(10, 60, 600),
      [synced()]: counting(10, 60, 600),
      [syncedWithin(900)]: counting(10, 60, 600),
      [step('made_request', to)]: (minute: number) => (minute < 480 ? 0 : 120),
    },
    expected: { 478: null, 484: null, 500: null },
  })),
  {
    uid: 'shop-update-budget-page',
    what: 'two blips of what pages for itself excuse nothing',
    series: {
      [syncedWithin(900)]: counting(10, 90, 150),
      [age('made_request')]: (minute) => ((minute >= 125 && minute < 128) || (minute >= 140 && minute < 143) ? 100 : 0),
    },
    expected: {
      150: {
        summary:
          'The error budget of price changes of zalora eg/live is used up 50.0 times faster than it may be: ' +
          'they are late or fail',
        labels: { topic: 'price' },
      },
      200: null,
    },
  },
  {
    uid: 'shop-update-budget-page',
    what: 'what is over each time before it pages for itself excuses nothing',
    series: {
      [syncedWithin(900)]: counting(10, 90, 150),
      [age('response_processing')]: (minute) => (minute >= 90 && minute % 30 < 6.5 ? (minute % 30) * 60 : 0),
    },
    expected: {
      150: {
        summary:
          'The error budget of price changes of zalora eg/live is used up 50.0 times faster than it may be: ' +
          'they are late or fail',
        labels: { topic: 'price' },
      },
      200: null,
    },
  },
  {
    uid: 'shop-update-budget-page',
    what: 'what has paged hours before excuses nothing',
    step: 2,
    series: { [syncedWithin(900)]: counting(10, 60, 240, 7.5), [age('made_request')]: during(20, 40, 300) },
    expected: {
      230: {
        summary:
          'The error budget of price changes of zalora eg/live is used up 9.2 times faster than it may be: ' +
          'they are late or fail',
        labels: { topic: 'price' },
      },
      300: null,
    },
  },
  {
    uid: 'shop-update-budget-page',
    what: 'late for having been Blocked: their products have just been created',
    series: { [syncedWithin(900)]: counting(10, 90, 150), [step('blocked', 'pending')]: counting(0, 90, 150, 10) },
    expected: { 120: null, 150: null },
  },
  {
    uid: 'shop-update-budget-page',
    what: 'a few late ones on a quiet night',
    series: {
      [synced()]: counting(10, 60, 240, 0.5),
      [syncedWithin(900)]: counting(10, 60, 240),
    },
    expected: { 150: null, 200: null },
  },
  {
    uid: 'shop-update-budget-page',
    what: 'what had waited for an answer in the asynchronous flow for two days',
    series: {
      [synced('price', 'asynchronous')]: counting(0, 60, 120, 50),
      [syncedWithin(259_200, 'price', 'asynchronous')]: counting(0, 60, 120, 50),
      [syncedWithin(900, 'price', 'asynchronous')]: always(0),
    },
    expected: { 100: null },
  },
  {
    uid: 'shop-update-budget-ticket',
    what: 'five of a hundred fail, for days',
    step: 30,
    series: { [step('made_request', 'delayed')]: counting(0, 1440, 5760, 0.5) },
    expected: {
      1410: null,
      5700: {
        summary:
          'For three days price changes of zalora eg/live have been late or failed 2.3 times as often as they may',
        labels: { topic: 'price' },
      },
      6300: null,
    },
  },
  {
    uid: 'shop-update-pending-long',
    what: 'others are taken up',
    series: { [age('pending')]: during(10, 30, 1200) },
    expected: {
      14: null,
      16: { summary: 'An item of zalora eg/live has been Pending for 20m 0s while others are taken up' },
      36: null,
    },
  },
  {
    uid: 'shop-update-overdue-long',
    what: 'other retries are made',
    series: { [queue('overdue_age_seconds')]: during(10, 30, 7200) },
    expected: {
      14: null,
      16: {
        summary:
          'A Delayed or Failed item of zalora eg/live should have been tried again 2h 0m 0s ago, while others are',
      },
      36: null,
    },
  },
  {
    uid: 'shop-update-acknowledged',
    what: 'five hours',
    series: { [age('got_acknowledgment')]: during(10, 30, 18_000) },
    expected: {
      14: null,
      16: {
        summary: 'The Shop of zalora eg/live acknowledged a price change 5h 0m 0s ago and has not called back',
        labels: { topic: 'price' },
      },
      36: null,
    },
  },
  {
    uid: 'shop-update-acknowledged-day',
    what: 'five hours, then two days',
    series: { [age('got_acknowledgment')]: (minute) => (minute < 20 ? 18_000 : minute < 40 ? 172_800 : 0) },
    expected: {
      19: null,
      26: {
        summary: 'The Shop of zalora eg/live acknowledged a price change 2d 0h 0m 0s ago and has not called back',
        labels: { topic: 'price' },
      },
      46: null,
    },
  },
  {
    uid: 'shop-update-failed',
    what: 'three, of which one is tried again now and then',
    series: { [items('failed')]: (minute) => (minute >= 10 && minute < 60 ? (minute === 40 ? 2 : 3) : 0) },
    expected: {
      19: null,
      21: {
        summary: '3 price items of zalora eg/live are Failed: the Shop has refused them twelve times',
        labels: { topic: 'price' },
      },
      76: null,
    },
  },
  {
    uid: 'shop-update-calls-fail',
    what: 'every third',
    series: { [calls('failure')]: counting(0, 30, 90, 5) },
    expected: {
      35: null,
      60: { summary: '33.33% of the price calls to the Shop of zalora eg/live fail', labels: { topic: 'price' } },
      115: null,
    },
  },
  {
    uid: 'shop-update-calls-fail',
    what: 'one of a few',
    series: { [calls('success')]: counting(0.5), [calls('failure')]: counting(0, 30, 90, 0.5) },
    expected: { 60: null },
  },
  {
    uid: 'shop-update-src-id-conflict',
    what: 'until an admin has decided',
    series: { [queue('queue_blocked', { reason: 'src_id_conflict' })]: during(10, 40, 2) },
    expected: {
      24: null,
      26: {
        summary: '2 items of zalora eg/live are Blocked: the Shop answered with a src_id that another product has',
      },
      46: null,
    },
  },
  {
    uid: 'shop-update-blocked',
    what: 'until an admin has decided',
    series: { [queue('queue_blocked', { reason: 'unknown_outcome' })]: during(10, 40, 2) },
    expected: {
      24: null,
      26: {
        summary: '2 items of zalora eg/live are Blocked as unknown_outcome, and stay so until an admin decides',
        labels: { reason: 'unknown_outcome' },
      },
      46: null,
    },
  },
  {
    uid: 'shop-update-stranded',
    what: 'until the create is on its way again',
    series: { [queue('queue_stranded')]: during(10, 40, 7) },
    expected: {
      24: null,
      26: { summary: '7 items of zalora eg/live wait for a create that is due, but Failed or not there' },
      46: null,
    },
  },
  {
    uid: 'shop-update-callbacks-refused',
    what: 'twenty within a minute',
    series: { [callbacks('malformed')]: (minute) => (minute > 10 ? 20 : 0) },
    expected: {
      10: null,
      12: {
        summary: '20 callbacks to zalora eg/live were malformed within five minutes',
        labels: { outcome: 'malformed' },
      },
      30: null,
    },
  },
  {
    uid: 'shop-update-callbacks-refused',
    what: 'a stranger tries keys',
    series: { [callbacks('unauthorized')]: counting(0, 10, 30, 5) },
    expected: {
      12: null,
      20: {
        summary: '25 callbacks to zalora eg/live were unauthorized within five minutes',
        labels: { outcome: 'unauthorized' },
      },
      45: null,
    },
  },
  {
    uid: 'shop-update-internal-refused',
    what: 'ten at once with a wrong key, and one with another reason',
    series: {
      [worker('internal_refusals_total', { reason: 'wrong_key' })]: (minute) => (minute > 10 ? 10 : 0),
      [worker('internal_refusals_total', { reason: 'path' })]: (minute) => (minute > 10 ? 1 : 0),
    },
    expected: {
      10: null,
      12: {
        summary:
          '10 requests of the internal API of zalora eg/live were refused within a quarter of an hour: wrong_key',
        labels: { reason: 'wrong_key' },
      },
      45: null,
    },
  },
  {
    uid: 'shop-update-new-cause',
    what: 'thirty items fail as none has for a week; fifteen others do for another reason',
    series: {
      [queue('new_cause', { cause_id: '7', cause: 'No size for #', reason: 'failure' })]: during(10, 60, 30, null),
      [queue('new_cause', { cause_id: '8', cause: 'No brand', reason: 'failure' })]: during(10, 60, 15, null),
    },
    expected: {
      9: null,
      14: {
        summary: '30 items of zalora eg/live have come to a cause that was not there for a week: No size for #',
        labels: { cause_id: '7', cause: 'No size for #' },
      },
      80: null,
    },
  },
  {
    uid: 'shop-update-pause-overdue',
    what: 'a pause until minute 10 is ended in minute 20',
    series: {
      [PAUSED]: during(0, 20, 1),
      [queue('pause_overdue_seconds')]: (minute) => (minute > 10 && minute < 20 ? (minute - 10) * 60 : 0),
    },
    expected: {
      10: null,
      14: {
        summary:
          'A pause of zalora eg/live should have ended 4m 0s ago; nobody has ended it, and what it is about is not ' +
          'sent',
      },
      21: null,
    },
  },
  {
    uid: 'shop-update-run-stuck',
    what: 'a run gets on, then not from minute 10 to 30',
    series: { [queue('run_idle_seconds')]: (minute) => (minute > 10 && minute < 30 ? (minute - 10) * 60 : 1) },
    expected: {
      14: null,
      17: { summary: 'A run of zalora eg/live that somebody has begun has not got on for 7m 0s' },
      31: null,
    },
  },
  {
    uid: 'shop-update-feedback-behind',
    what: 'nothing is published from minute 10 to 30',
    series: { [queue('feedback_behind_seconds')]: (minute) => (minute > 10 && minute < 30 ? (minute - 10) * 60 : 5) },
    expected: {
      21: null,
      25: { summary: 'Seller Center has not been told what has changed with products of zalora eg/live 15m 0s ago' },
      36: null,
    },
  },
  {
    uid: 'shop-update-shop-busy',
    what: 'the Shop says "wait" for half an hour',
    series: { [BUSY]: during(10, 40, 1) },
    expected: {
      20: null,
      26: {
        summary:
          'The Shop of zalora eg/live has told its 1 workers again and again to wait: it takes less than there is ' +
          'to send',
      },
      47: null,
    },
  },
  {
    uid: 'shop-update-pending',
    what: 'nothing leaves, for the Shop has said "wait"',
    series: {
      [BUSY]: during(10, 40, 1),
      [TAKEN_UP]: counting(10, 10, 40),
      [age('pending')]: (minute) => (minute >= 10 && minute < 40 ? (minute - 10) * 60 : 0),
    },
    expected: { 20: null, 30: null },
  },
  {
    uid: 'shop-update-leases-rescued',
    what: 'a worker dies',
    series: { [worker('leases_rescued_total', { status: 'made_request' })]: (minute) => (minute >= 10 ? 4 : 0) },
    expected: {
      9: null,
      11: { summary: '4 items of zalora eg/live were taken over from a worker that had died or stood still' },
      45: null,
    },
  },
  {
    uid: 'shop-update-workers-full',
    what: 'up and down between three quarters and all that they may have',
    // the mean of it
    series: { [worker('in_flight')]: during(10, 40, 1750, 10) },
    expected: {
      24: null,
      30: {
        summary:
          'The workers of zalora eg/live have 87.5% of the items in flight that they may have: ' +
          'the Shop or the database is slower than the queue grows',
      },
      55: null,
    },
  },
  {
    uid: 'shop-update-workers-full',
    what: 'three quarters of it',
    series: { [worker('in_flight')]: always(1500) },
    expected: { 30: null },
  },
  {
    uid: 'shop-update-workers-full',
    what: 'a moment of it every five minutes',
    series: { [worker('in_flight')]: (minute) => (minute % 5 === 0 ? 2000 : 10) },
    expected: { 30: null, 60: null },
  },
  {
    uid: 'shop-update-queue-unmeasured',
    what: 'the leader cannot read the queue',
    series: Object.fromEntries(
      STATUS_NAMES.map((status) => [age(status), (minute: number) => (minute >= 10 && minute < 40 ? null : 0)]),
    ),
    expected: {
      20: null,
      26: { summary: '1 workers of zalora eg/live are there, and none tells how old the items of the queue are' },
      41: null,
    },
  },
  {
    uid: 'shop-update-telemetry-lost',
    what: 'the collector is away for too long',
    series: { [lost('log', 'queue_full')]: counting(0, 10, 20, 100) },
    expected: {
      9: null,
      20: {
        summary: 'The workers of zalora eg/live have lost 1000 log records: queue_full',
        labels: { error_type: 'queue_full', what: 'log records' },
      },
      50: null,
    },
  },
  {
    uid: 'shop-update-collector-loses',
    what: 'a store does not take it',
    series: { [collector('send_failed_spans')]: counting(0, 10, 30, 6) },
    expected: {
      9: null,
      25: {
        summary: 'The collector has lost 60 spans, log records or metric points within ten minutes',
        labels: { job: 'otelcol' },
      },
      60: null,
    },
  },
  {
    uid: 'shop-update-collector-loses',
    what: 'its queue is full, and the senders try again',
    series: { [collector('enqueue_failed_spans')]: counting(0, 10, 30, 6) },
    expected: { 25: null },
  },
  {
    uid: 'shop-update-stack-down',
    what: 'Loki is away',
    series: { [labelled('up', { job: 'loki', instance: 'loki' })]: during(10, 30, 0, 1) },
    expected: { 14: null, 16: { summary: 'Prometheus does not reach loki', labels: { job: 'loki' } }, 33: null },
  },
  {
    uid: 'shop-update-watchdog',
    what: 'always',
    series: {},
    expected: { 0: { summary: WATCHDOG }, 100: { summary: WATCHDOG } },
  },
]

export const STORIES: Story[] = [
  {
    what: 'somebody holds a product for hours; nothing is taken up, then no retry is made, then no outcome is written',
    series: {
      [age('response_processing')]: (minute) => (minute >= 10 ? (minute - 10) * 60 : 0),
      [age('pending')]: (minute) => (minute >= 60 && minute < 80 ? (minute - 60) * 60 : 0),
      [queue('overdue_age_seconds')]: (minute) => (minute >= 100 && minute < 125 ? (minute - 100) * 60 : 0),
      [age('made_request')]: (minute) => (minute >= 130 ? (minute - 130) * 60 : 0),
      [TAKEN_UP]: counting(10, 60, 80),
      [step('delayed', 'processing')]: counting(1, 100, 125),
    },
    pages: {
      18: ['shop-update-response'],
      59: ['shop-update-response'],
      65: ['shop-update-pending', 'shop-update-response'],
      90: ['shop-update-response'],
      115: ['shop-update-overdue', 'shop-update-response'],
      139: ['shop-update-made-request', 'shop-update-response'],
    },
  },
  {
    what: 'somebody holds a product for hours, which excuses nothing: every change is late',
    series: {
      [age('response_processing')]: (minute) => (minute >= 10 ? (minute - 10) * 60 : 0),
      [syncedWithin(900)]: counting(10, 150, 210),
    },
    pages: {
      148: ['shop-update-response'],
      205: ['shop-update-budget-page', 'shop-update-response'],
      300: ['shop-update-response'],
    },
  },
  {
    what: 'a large import, of which some is always Pending, and no retry is made',
    series: {
      [age('pending')]: always(600),
      [queue('overdue_age_seconds')]: (minute) => (minute >= 10 ? (minute - 10) * 60 : 0),
      [step('delayed', 'processing')]: counting(1, 10),
    },
    pages: { 9: [], 25: ['shop-update-overdue'] },
  },
  {
    what: 'the Shop hangs for an hour: the circuit opens, Pending grows, and what was late is sent afterwards',
    series: {
      [CIRCUIT]: during(61, 120, 1),
      [age('pending')]: (minute) => (minute > 60 && minute < 122 ? (minute - 60) * 60 : 0),
      [age('made_request')]: during(60, 120, 30),
      [step('made_request', 'delayed')]: (minute) => (minute < 60 ? 0 : Math.min((minute - 60) * 2, 120)),
      [TAKEN_UP]: counting(10, 60, 120, 2),
      [synced()]: (minute) =>
        minute < 60
          ? minute * 10
          : minute < 120
            ? 600
            : 600 + Math.min((minute - 120) * 300, 600) + (minute - 120) * 10,
      [syncedWithin(900)]: counting(10, 60, 120),
      [queue('overdue_age_seconds')]: (minute) => (minute > 62 && minute < 122 ? (minute - 62) * 60 : 0),
      [calls('failure')]: (minute) => (minute < 60 ? 0 : Math.min((minute - 60) * 2, 120)),
    },
    pages: {
      60: [],
      65: ['shop-update-shop-unreachable'],
      90: ['shop-update-shop-unreachable'],
      119: ['shop-update-shop-unreachable'],
      123: [],
      130: [],
      150: [],
    },
  },
  {
    what: 'everything is paused for half an hour because the Shop is away; what waited is late',
    series: {
      [CIRCUIT]: during(9, 41, 1),
      [PAUSED]: during(10, 40, 1),
      [TAKEN_UP]: counting(10, 10, 40),
      [synced()]: (minute) =>
        minute < 10 ? minute * 10 : minute < 41 ? 100 : Math.min((minute - 41) * 200 + 100, minute * 10),
      [syncedWithin(900)]: (minute) => (minute < 10 ? minute * 10 : minute < 43 ? 100 : 100 + (minute - 42) * 10),
    },
    pages: { 9: [], 20: [], 39: [], 45: [], 60: [], 90: [] },
  },
  {
    what: 'a maintenance from minute 12 to 42 that nobody ends until minute 50: its end pages, and nothing before',
    series: {
      [CIRCUIT]: during(12, 42, 1),
      [PAUSED]: during(12, 50, 1),
      [queue('pause_overdue_seconds')]: (minute) => (minute > 42 && minute < 50 ? (minute - 42) * 60 : 0),
      [TAKEN_UP]: counting(10, 12, 50),
    },
    pages: { 20: [], 41: [], 47: ['shop-update-pause-overdue'], 60: [] },
  },
  {
    what: 'the only worker is frozen for twenty minutes with items in hand: its last numbers stand for five',
    series: {
      ...Object.fromEntries(
        Object.entries({
          ...QUIET,
          [age('pending')]: always(40),
          [age('made_request')]: always(100),
          [TAKEN_UP]: always(10),
        })
          .filter(([name]) => name.startsWith('shop_update_'))
          .map(([name, series]) => [
            name,
            (minute: number) =>
              minute >= 10 && minute < 30
                ? null
                : minute < 9 || minute >= 31
                  ? (QUIET[name] ?? series)(minute)
                  : series(minute),
          ]),
      ),
      [synced()]: (minute) =>
        minute < 10 ? minute * 10 : minute < 30 ? null : 90 + Math.min((minute - 29) * 100, 200) + (minute - 29) * 10,
      [syncedWithin(900)]: (minute) =>
        minute < 10 ? minute * 10 : minute < 30 ? null : 90 + Math.min((minute - 29) * 50, 100) + (minute - 29) * 10,
    },
    pages: {
      9: [],
      13: ['shop-update-workers-silent'],
      17: ['shop-update-workers-silent'],
      29: ['shop-update-workers-silent'],
      33: [],
      45: [],
    },
  },
  {
    what: 'the database is away for twenty minutes: workers tell an old heartbeat, nobody the numbers of the queue',
    series: {
      [HEARTBEAT]: (minute) => (minute >= 10 && minute < 30 ? 600 : minute * 60),
      ...Object.fromEntries(
        Object.keys(QUIET)
          .filter((name) => !name.includes('instance'))
          .filter((name) => name.startsWith('shop_update_'))
          .map((name) => [name, (minute: number) => (minute >= 10 && minute < 30 ? null : 0)]),
      ),
      [age('pending')]: (minute) => (minute >= 10 && minute < 30 ? null : minute === 9 ? 45 : 0),
      [TAKEN_UP]: counting(10, 9, 30),
    },
    pages: { 9: [], 13: ['shop-update-workers-silent'], 20: ['shop-update-workers-silent'], 33: [], 45: [] },
  },
]
