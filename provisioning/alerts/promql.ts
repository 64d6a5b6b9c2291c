import type { Topic } from '../../worker/domain/topics.ts'

/**
 * How much shorter every time of the rules is than in earnest: thresholds in seconds, windows, `for`. 1, but for the
 * drill (test/stack/drill.ts), which shall not take a day. What cannot be shortened is named where it stands.
 */
export type Pace = number

export const MINUTE = 60
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** A duration as Prometheus and Grafana write it. */
export function duration(seconds: number): string {
  for (const [unit, length] of [
    ['d', DAY],
    ['h', HOUR],
    ['m', MINUTE],
  ] as const) {
    if (seconds > 0 && seconds % length === 0) return `${seconds / length}${unit}`
  }
  return `${seconds}s`
}

/**
 * Where a change is late, by topic: in seconds from when it was queued, and on a bound of the buckets
 * (worker/telemetry/instruments.ts).
 */
export const IN_TIME: Record<Topic, number> = {
  price: 15 * MINUTE,
  stock: 15 * MINUTE, // of which it waits for ten
  consignment_stock: 15 * MINUTE,
  status: 15 * MINUTE,
  qc_status: HOUR,
  content: HOUR,
  images: HOUR,
  new_product_set: 4 * HOUR,
  new_product: 4 * HOUR,
}
/** In the asynchronous flow the Shop answers "hours or even days later". */
export const IN_TIME_ASYNCHRONOUS = 3 * DAY
/** Two of a hundred may be late or fail. */
export const BUDGET = 0.02

const OURS = 'service_name="shop-update"'
/** A sum or maximum over workers and what else there is, of each venture and source. */
export const EACH = 'by (venture, source)'
export const EACH_TOPIC = 'by (venture, source, topic)'
const EACH_STATUS = 'by (venture, source, status)'
const SAME = 'on (venture, source)'

export const metric = (name: string, matchers = ''): string =>
  `shop_update_${name}{${[OURS, matchers].filter(Boolean).join(', ')}}`
export const and = (...conditions: string[]): string =>
  conditions.map((condition) => `\nand ${SAME} (${condition})`).join('')
export const unless = (...conditions: string[]): string =>
  conditions.map((condition) => `\nunless ${SAME} (${condition})`).join('')

/** Age of the oldest item in one of these statuses. The leader alone tells it, without its own name. */
export const oldest = (...statuses: string[]): string =>
  `max ${EACH} (${metric('queue_oldest_age_seconds', statusIs(statuses))})`
/** The same for each of them: who is sent to the list has to know in which one it is. */
const oldestOfEach = (...statuses: string[]): string =>
  `max ${EACH_STATUS} (${metric('queue_oldest_age_seconds', statusIs(statuses))})`
const statusIs = (statuses: string[]): string =>
  statuses.length === 1 ? `status="${statuses[0]}"` : `status=~"${statuses.join('|')}"`

const ON_THE_WAY_OUT = ['processing', 'building_payload']
const ON_THE_WAY_BACK = ['got_response', 'building_response_payload', 'response_processing']

/** Seconds after which a status is stuck: the words of docs/requirements.md, "Statuses", made numbers. */
const STUCK = {
  /** "Not more than a few milliseconds." */
  pending: 30,
  /** "At most a few seconds." */
  processing: MINUTE,
  /** SHOP_TIMEOUT_MS is 30 s; a minute to write down what the call brought. Who sets a longer one raises this. */
  madeRequest: 30 + MINUTE,
  response: MINUTE,
}

/** Age of the oldest, in seconds from when it is stuck, and for how many more seconds before somebody is woken. */
interface Stuck {
  age: string
  above: number
  for: number
}

export function conditions(pace: Pace) {
  const at = (seconds: number) => seconds / pace
  const window = (seconds: number) => duration(at(seconds))
  const heartbeat = metric('worker_heartbeat_seconds')
  const silentAfter = at(MINUTE)

  /**
   * A worker that is gone leaves its last numbers behind: OTLP has no end of a series, and Prometheus shows the last
   * sample for five minutes. So what workers say counts while their heartbeat is fresh. It is the database that
   * confirms a heartbeat: where that is away, none is.
   */
  const alive = `time() - max ${EACH} (${heartbeat}) <= ${silentAfter}`
  const ofTheLiving = (series: string) =>
    `${series} and on (venture, source, instance) (time() - ${heartbeat} <= ${silentAfter})`
  const circuit = ofTheLiving(metric('circuit_open'))
  /**
   * How many workers there are if the circuit of each one is open, else 0: one that is cut off leaves the Shop to the
   * others.
   */
  const unreachable = `sum ${EACH} (${circuit}) * min ${EACH} (${circuit})`

  /** How many workers the Shop tells to wait: what is slow is so for that. */
  const busy = `sum ${EACH} (${ofTheLiving(metric('shop_busy'))})`

  const stuck = {
    processing: { age: oldestOfEach(...ON_THE_WAY_OUT), above: at(STUCK.processing), for: at(5 * MINUTE) },
    madeRequest: { age: oldest('made_request'), above: at(STUCK.madeRequest), for: at(5 * MINUTE) },
    response: { age: oldestOfEach(...ON_THE_WAY_BACK), above: at(STUCK.response), for: at(5 * MINUTE) },
    pending: { age: oldest('pending'), above: at(STUCK.pending), for: at(2 * MINUTE) },
  }
  const isStuck = ({ age, above }: Stuck) => `${age} > ${above}`
  /**
   * What is stuck explains what else is, for ten minutes beyond its own page. No longer: one item may stay for days,
   * for somebody holds its product, and have nothing to do with the rest.
   */
  const hasJustJammed = ({ age, above, for: standing }: Stuck) =>
    `(${age} > ${above}) < ${above + standing + at(10 * MINUTE)}`
  const left = (from: string, over: number) =>
    `sum ${EACH} (increase(${metric('transitions_total', from)}[${window(over)}])) > 0`
  /**
   * Some item was taken from Pending: the oldest one waits for its turn, behind a large import or behind another item
   * of its set.
   */
  const pendingMoves = left('from="pending", to="processing"', 2 * MINUTE)
  const retriesMove = left('from=~"delayed|failed", to="processing"', 5 * MINUTE)
  const nothingLeavesPending = `${isStuck(stuck.pending)} unless ${SAME} (${pendingMoves})`

  /**
   * What has paged for itself: it stood for its `for`, which is five minutes at most and here four samples on end (six
   * minutes), within the window or in the half hour before it: what has piled up meanwhile is late, and is sent when it
   * is over.
   */
  const pagedFor = (over: number) => {
    const jammed = [stuck.madeRequest, stuck.response, stuck.processing].map((each) => `(${hasJustJammed(each)})`)
    const causes = [
      // for a day, since the series of a worker that has gone is readable for five minutes only
      `time() - max ${EACH} (last_over_time(${heartbeat}[${window(DAY)}])) > ${silentAfter}`,
      `${unreachable} > 0`,
      `max ${EACH} (${jammed.join(' or ')})`,
      nothingLeavesPending,
    ]
    const anyCause = causes.map((cause) => `(${cause})`).join(' or ')
    const standing = `count_over_time((${anyCause})[${window(8 * MINUTE)}:${window(2 * MINUTE)}])`
    return `max_over_time((${standing})[${window(over + 30 * MINUTE)}:${window(2 * MINUTE)}]) >= 4`
  }

  /** Changes that were late or failed, as a share of all, by topic. */
  function badShare(over: number): { share: string; asMany(n: number): string } {
    const increase = (name: string, matchers: string) => `increase(${metric(name, matchers)}[${window(over)}])`
    const bounds = [...new Set(Object.values(IN_TIME))].map((seconds) => {
      const topics = Object.keys(IN_TIME).filter((topic) => IN_TIME[topic as Topic] === seconds)
      return increase(
        'time_to_sync_seconds_bucket',
        `flow!="asynchronous", topic=~"${topics.join('|')}", ${le(seconds)}`,
      )
    })
    const inTime = `sum ${EACH_TOPIC} (${[
      ...bounds,
      increase('time_to_sync_seconds_bucket', `flow="asynchronous", ${le(IN_TIME_ASYNCHRONOUS)}`),
    ].join('\n or ')})`
    const synced = increase('time_to_sync_seconds_count', '')
    // What had been sent and came back as a failure. Each attempt counts: an item that fails for ever would else be
    // counted once, days later. But not those of what is Failed already: `shop-update-failed` tells of it, and it would
    // go on for a week, every eight hours.
    const failures = increase(
      'transitions_total',
      `from=~"made_request|got_acknowledgment|${ON_THE_WAY_BACK.join('|')}", to=~"delayed|blocked"`,
    )
    // It is late for having been Blocked, which is normal until the product is created, or Failed, which has been
    // counted.
    const resumed = increase('transitions_total', 'from=~"blocked|failed", to=~"pending|processing"')
    const excused = `sum ${EACH_TOPIC} (${resumed})`
    const late = `sum ${EACH_TOPIC} (${synced}) - ${inTime}`
    const events = `sum ${EACH_TOPIC} (${synced} or ${failures})`
    // Retries come at set times, without jitter: what was refused together is refused together again, seven times after
    // a wait of an hour and more before it is Failed. On a quiet night that is all there is, and no news: as many must
    // have been Synced, or have been taken up anew.
    // delayed: a Stock item, to wait for its ten minutes
    const anew = increase('transitions_total', 'from="pending", to=~"processing|delayed"')
    return {
      share: `sum ${EACH_TOPIC} (${failures}\n or clamp_min((${late} - ${excused}) or (${late}), 0))\n/ ${events}`,
      asMany: (n) =>
        `(${events} >= ${n})\nand (sum ${EACH_TOPIC} (${synced}) >= ${n} or sum ${EACH_TOPIC} (${anew}) >= ${n})`,
    }
  }

  /**
   * How many times faster than allowed the budget is used up in both windows: the long one says that it matters, the
   * short one that it still goes on.
   */
  function burning({
    long,
    short,
    factor,
    events,
  }: {
    long: number
    short: number
    factor: number
    events: number
  }): string {
    const over = (seconds: number) => `(${badShare(seconds).share})\n/ ${BUDGET}`
    return `(${over(long)} > ${factor})\nand (${over(short)} > ${factor})\nand ${badShare(long).asMany(events)}`
  }

  return {
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
  }
}

/** Prometheus writes a bound of 900 as 900 or as 900.0, by version and by the way it came in. */
const le = (seconds: number): string => `le=~"${seconds}([.]0)?"`
