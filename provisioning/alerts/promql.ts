import { IN_TIME } from '../../worker/domain/in-time.ts'
import type { Topic } from '../../worker/domain/topics.ts'

/**
 * The factor by which every time in the rules is shortened: thresholds in seconds, windows, `for`. It is 1, except for
 * the drill (test/stack/drill.ts), which must not take a day. What cannot be shortened says so.
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

/** In the asynchronous flow the Shop answers "hours or even days later". */
export const IN_TIME_ASYNCHRONOUS = 3 * DAY
/** Two in a hundred may be late or fail. */
export const BUDGET = 0.02

const OURS = 'service_name="shop-update"'
/** Sums or takes the maximum over workers and everything else, for each venture and source. */
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

/** The age of the oldest item in one of these statuses. Only the leader reports it, without its own name. */
export const oldest = (...statuses: string[]): string =>
  `max ${EACH} (${metric('queue_oldest_age_seconds', statusIs(statuses))})`
/** The same for each status: a link to the list must name the status. */
const oldestOfEach = (...statuses: string[]): string =>
  `max ${EACH_STATUS} (${metric('queue_oldest_age_seconds', statusIs(statuses))})`
const statusIs = (statuses: string[]): string =>
  statuses.length === 1 ? `status="${statuses[0]}"` : `status=~"${statuses.join('|')}"`

const ON_THE_WAY_OUT = ['processing', 'building_payload']
const ON_THE_WAY_BACK = ['got_response', 'building_response_payload', 'response_processing']

/** Seconds after which a status is stuck: docs/requirements.md, "Statuses", in numbers. */
const STUCK = {
  /** "Not more than a few milliseconds." */
  pending: 30,
  /** "At most a few seconds." */
  processing: MINUTE,
  /** SHOP_TIMEOUT_MS is 30 s, plus a minute to store the result of the call. Raise this with a longer time-out. */
  madeRequest: 30 + MINUTE,
  response: MINUTE,
}

/** The age of the oldest item, from which age it is stuck, and for how many more seconds before somebody is paged. */
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
   * A lost worker leaves its last values behind: OTLP does not end a series, and Prometheus shows the last sample for
   * five minutes. So a worker's values count only while its heartbeat is fresh. The database confirms heartbeats: when
   * it is down, there are none.
   */
  const alive = `time() - max ${EACH} (${heartbeat}) <= ${silentAfter}`
  const ofTheLiving = (series: string) =>
    `${series} and on (venture, source, instance) (time() - ${heartbeat} <= ${silentAfter})`
  const circuit = ofTheLiving(metric('circuit_open'))
  /**
   * The number of workers if the circuit of each is open, else 0: one worker that is cut off leaves the Shop to the
   * others.
   */
  const unreachable =
    // not while everything is paused: then nobody tries
    `(sum ${EACH} (${circuit}) * min ${EACH} (${circuit})` +
    `${unless(`max ${EACH} (${metric('pauses', 'scope="everything"')}) > 0`)})`

  /**
   * Everything, or this topic, has been paused within this time: what waited is late, and is sent afterwards. A paused
   * seller is part of the budget: for one of them nobody else's is muted.
   */
  function unlessPaused(over: number): string {
    const paused = (of: string, scope: string) =>
      `max ${of} (max_over_time(${metric('pauses', `scope="${scope}"`)}[${window(over)}])) > 0`
    return [
      unless(paused(EACH, 'everything')),
      `\nunless on (venture, source, topic) (${paused(EACH_TOPIC, 'topic')})`,
    ].join('')
  }

  /** The number of workers that the Shop tells to wait, which explains slowness. */
  const busy = `sum ${EACH} (${ofTheLiving(metric('shop_busy'))})`

  const stuck = {
    processing: { age: oldestOfEach(...ON_THE_WAY_OUT), above: at(STUCK.processing), for: at(5 * MINUTE) },
    madeRequest: { age: oldest('made_request'), above: at(STUCK.madeRequest), for: at(5 * MINUTE) },
    response: { age: oldestOfEach(...ON_THE_WAY_BACK), above: at(STUCK.response), for: at(5 * MINUTE) },
    pending: { age: oldest('pending'), above: at(STUCK.pending), for: at(2 * MINUTE) },
  }
  const isStuck = ({ age, above }: Stuck) => `${age} > ${above}`
  /**
   * A stuck status explains other symptoms, until ten minutes after its own page. No longer: one item may be stuck for
   * days because somebody holds its product, and have nothing to do with the rest.
   */
  const hasJustJammed = ({ age, above, for: standing }: Stuck) =>
    `(${age} > ${above}) < ${above + standing + at(10 * MINUTE)}`
  const left = (from: string, over: number) =>
    `sum ${EACH} (increase(${metric('transitions_total', from)}[${window(over)}])) > 0`
  /**
   * Some item left Pending: the oldest one is waiting for its turn, behind a large import or another item of its set.
   */
  const pendingMoves = left('from="pending", to="processing"', 2 * MINUTE)
  const retriesMove = left('from=~"delayed|failed", to="processing"', 5 * MINUTE)
  const nothingLeavesPending = `${isStuck(stuck.pending)} unless ${SAME} (${pendingMoves})`

  /**
   * What has paged on its own: it held for its `for` (five minutes at most; here four consecutive samples, six minutes)
   * within the window or in the half hour before. What piled up meanwhile is late, and is sent when it is over.
   */
  const pagedFor = (over: number) => {
    const jammed = [stuck.madeRequest, stuck.response, stuck.processing].map((each) => `(${hasJustJammed(each)})`)
    const causes = [
      // for a day, because the series of a lost worker is readable for only five minutes
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
    // Changes that were sent and came back as a failure. Each attempt counts: otherwise an item that always fails would
    // count once, days later. Attempts of Failed items are excluded: `shop-update-failed` reports them, and they go on
    // for a week, every eight hours.
    const failures = increase(
      'transitions_total',
      `from=~"made_request|got_acknowledgment|${ON_THE_WAY_BACK.join('|')}", to=~"delayed|blocked"`,
    )
    // Late because it was Blocked, which is normal until the product is created, or Failed, which has been counted.
    const resumed = increase('transitions_total', 'from=~"blocked|failed", to=~"pending|processing"')
    const excused = `sum ${EACH_TOPIC} (${resumed})`
    const late = `sum ${EACH_TOPIC} (${synced}) - ${inTime}`
    const events = `sum ${EACH_TOPIC} (${synced} or ${failures})`
    // Retries come at fixed times, without jitter: what was refused together is refused together again, seven times
    // after a wait of an hour or more before it is Failed. On a quiet night nothing else happens, and it is no news. So
    // as many must have been Synced or newly taken up. `delayed` is a Stock item that waits for its ten minutes.
    const anew = increase('transitions_total', 'from="pending", to=~"processing|delayed"')
    return {
      share: `sum ${EACH_TOPIC} (${failures}\n or clamp_min((${late} - ${excused}) or (${late}), 0))\n/ ${events}`,
      asMany: (n) =>
        `(${events} >= ${n})\nand (sum ${EACH_TOPIC} (${synced}) >= ${n} or sum ${EACH_TOPIC} (${anew}) >= ${n})`,
    }
  }

  /**
   * How many times faster than allowed the budget is used up in both windows: the long one shows that it matters, the
   * short one that it continues.
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
    return (
      `(${over(long)} > ${factor})\nand (${over(short)} > ${factor})\nand ${badShare(long).asMany(events)}` +
      unlessPaused(2 * short) // as long as the short window has what was sent soon after
    )
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

/** Prometheus writes a bound of 900 as 900 or 900.0, depending on version and protocol. */
const le = (seconds: number): string => `le=~"${seconds}([.]0)?"`
