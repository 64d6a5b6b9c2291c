/** How many calls may be under way at a time. It follows what the Shop can take. */
export interface Limiter {
  /** A whole number of calls. */
  readonly limit: number
  readonly inFlight: number
  /** The most connections the Shop accepts; Infinity: no limit is known. */
  readonly mostConnections: number
  /** Calls answered in the last second. */
  inLastSecond(): number
  /** Calls answered per second, at the pace of the last window. */
  readonly perSecond: number
  hasRoom(): boolean
  /** A call leaves. */
  started(): void
  /** There was no room for a call. Only a limit that is reached shows whether the Shop would take more. */
  full(): void
  /** A call was answered; its first byte came after this many milliseconds. */
  answered(milliseconds: number): void
  /**
   * After this many milliseconds a call was lost (no answer in time, connection lost), or its answer said "too many
   * calls".
   */
  overloaded(milliseconds: number): void
  /** A call did not leave after all. */
  notSent(): void
  /** The Shop accepts no connection beyond the `open` ones. */
  refused(open: number): void
}

export interface LimiterOptions {
  /** The highest limit ever. */
  most: number
  /**
   * Unix time in milliseconds from a clock that does not jump: all workers measure the lowest latency at the same
   * moment.
   */
  now: () => number
}

/** The initial limit. It doubles until something speaks against it. */
const START = 10
/**
 * The latency is judged once per window: after this time and enough answers, or, with a slow Shop, after a longer time.
 */
const WINDOW_MS = 50
const WINDOW_ANSWERS = 8
const LONGEST_WINDOW_MS = 1000
/** A latency up to twice that of an idle Shop, or this much above it, keeps nobody waiting for long. */
const TOLERATED = 2
const SLACK_MS = 50
/**
 * This many of a worker's calls may queue in the Shop beyond that. It is a number, not a share, so that workers that
 * measured slightly different lowest latencies get nearly equal limits (TCP Vegas).
 */
const IN_LINE = 8
/** One window cuts the limit to no less than this share: other causes are possible. */
const LEAST_SHARE = 0.75
const LEAST = 4
/**
 * At each full minute the lowest latency is measured anew; for a moment all workers use only this share of their limit.
 */
const MINUTE_MS = 60_000
const PROBE_SHARE = 0.25
/** A latency this close to the lowest needs no new measurement. */
const NEAR_BASE = 1.25
/** When the Shop accepts no more connections, this share of the open ones is kept; then one is added at a time. */
const DOOR_SHARE = 0.95
const DOOR_MS = 250

/**
 * Additive increase, multiplicative decrease, like TCP's congestion control: workers that share a Shop converge without
 * talking to each other, because each cuts a share and adds a number.
 *
 * Two things speak against more calls. First, latency: the lower quartile of a window against the lowest so far. When
 * calls queue in the Shop, even the fast ones take longer; a few slow calls, or a moment in which this process was
 * busy, do not move the quartile. Second, calls that are lost or rejected. A limit that is not reached does not grow.
 */
export function createLimiter({ most, now }: LimiterOptions): Limiter {
  let wire = Math.min(START, most)
  let door = Number.POSITIVE_INFINITY
  let doorAt = 0
  let inFlight = 0
  let doubles = true
  let step = 1
  let wasFull = false
  let perSecond = 0
  let samples: number[] = []
  let answers = 0
  let second = { at: now(), answers: 0, before: 0 }
  let windowAt = now()
  /** Calls that left earlier say nothing about the current limit. */
  let changedAt = Number.NEGATIVE_INFINITY
  let base = Number.POSITIVE_INFINITY
  let minute = Math.floor(now() / MINUTE_MS)
  /** The limit to restore after the lowest latency has been measured. */
  let probe: { before: number } | null = null

  const limit = () => Math.max(1, Math.floor(Math.min(most, wire, door)))

  function judge(at: number): void {
    const ms = at - windowAt
    if (ms < WINDOW_MS || samples.length === 0 || (samples.length < WINDOW_ANSWERS && ms < LONGEST_WINDOW_MS)) return
    perSecond = Math.max((answers * 1000) / ms, perSecond / 2)
    const latency = samples.sort((a, b) => a - b)[samples.length >> 2]!
    const inLine = wire * (1 - Math.min(1, Math.max(base * TOLERATED, base + SLACK_MS) / latency))
    const isNewMinute = Math.floor(at / MINUTE_MS) !== minute
    minute = Math.floor(at / MINUTE_MS)
    base = probe === null ? Math.min(base, latency) : latency
    if (probe !== null) {
      set(probe.before, at)
      probe = null
    } else if (isNewMinute && latency > base * NEAR_BASE) {
      probe = { before: wire }
      set(limit() * PROBE_SHARE, at)
    } else if (inLine > IN_LINE) cut(Math.max(LEAST_SHARE, 1 - (inLine - IN_LINE) / 2 / wire), LEAST, at)
    else if (wasFull) grow(at)
    begin(at)
  }

  function begin(at: number): void {
    windowAt = at
    samples = []
    answers = 0
    wasFull = false
  }

  function tick(at: number): void {
    const ms = at - second.at
    if (ms >= 1000) second = { at, answers: 0, before: ms < 2000 ? second.answers : 0 }
  }

  function set(to: number, at: number): void {
    wire = Math.min(most, Math.max(1, to))
    changedAt = at
  }

  function grow(at: number): void {
    if (door <= wire && at - doorAt >= DOOR_MS) {
      door += 1
      doorAt = at
    }
    if (wire <= door) set(doubles ? wire * 2 : wire + step++, at)
  }

  function cut(share: number, least: number, at: number): void {
    doubles = false
    step = 1
    const used = Math.min(wire, door)
    set(Math.max(Math.min(least, used), used * share), at)
  }

  return {
    get limit() {
      return limit()
    },
    get inFlight() {
      return inFlight
    },
    get mostConnections() {
      return door
    },
    get perSecond() {
      return perSecond
    },
    inLastSecond() {
      tick(now())
      const share = (now() - second.at) / 1000
      return Math.max(second.answers, second.answers + second.before * (1 - share))
    },
    hasRoom: () => inFlight < limit(),
    started() {
      if (inFlight === 0 && now() - windowAt > LONGEST_WINDOW_MS) begin(now()) // it was idle
      inFlight++
    },
    full() {
      wasFull = true
    },
    answered(milliseconds) {
      const at = now()
      inFlight--
      answers++
      tick(at)
      second.answers++
      if (at - milliseconds >= changedAt) samples.push(milliseconds)
      judge(at)
    },
    overloaded(milliseconds) {
      const at = now()
      inFlight--
      if (at - milliseconds < changedAt) return
      probe = null
      cut(0.5, 1, at)
      begin(at)
    },
    notSent() {
      inFlight--
    },
    refused(open) {
      const at = now()
      if (at - doorAt < DOOR_MS && open >= door) return
      door = Math.max(1, Math.min(Math.floor(open * DOOR_SHARE), limit()))
      doorAt = at
    },
  }
}
