/** How many calls may be on their way at a time; it follows what the Shop takes. */
export interface Limiter {
  /** Whole calls. */
  readonly limit: number
  readonly inFlight: number
  /** The Shop takes no more of them; Infinity: as many as there are calls. */
  readonly mostConnections: number
  /** Calls that were answered in the last second. */
  inLastSecond(): number
  /** Calls that are answered in a second, at the pace of the last window. */
  readonly perSecond: number
  hasRoom(): boolean
  /** A call leaves. */
  started(): void
  /** There was no room for a call: only a limit that is met says whether more would be taken. */
  full(): void
  /** A call was answered; the first byte came after so many milliseconds. */
  answered(milliseconds: number): void
  /** A call was lost (no answer in time, broken off), or the answer says that there are too many, after so many. */
  overloaded(milliseconds: number): void
  /** A call never left after all. */
  notSent(): void
  /** The Shop does not take another connection beside the `open` ones. */
  refused(open: number): void
}

export interface LimiterOptions {
  /** The most that is ever allowed. */
  most: number
  /** Unix time in milliseconds, from a clock that does not jump: workers look at the same moment for what is lowest. */
  now: () => number
}

/** It begins with so many, and doubles until something speaks against it. */
const START = 10
/** The latency is judged once in so long, and not before so many answers, or, of a slow Shop, so long. */
const WINDOW_MS = 50
const WINDOW_ANSWERS = 8
const LONGEST_WINDOW_MS = 1000
/** Up to twice the latency of a Shop that has nothing else to do nobody waits for long; nor up to so much more. */
const TOLERATED = 2
const SLACK_MS = 50
/**
 * Of its calls so many may stand in line beyond that. A number and not a share, so that workers that have not seen
 * quite the same lowest latency have nearly as much as each other (TCP Vegas).
 */
const IN_LINE = 8
/** One window takes at most so much away, and leaves so many: others may be the cause. */
const LEAST_SHARE = 0.75
const LEAST = 4
/** At each full minute the lowest latency is looked for anew: all workers make do with this share for a moment. */
const MINUTE_MS = 60_000
const PROBE_SHARE = 0.25
/** What is so near to the lowest latency need not be looked into. */
const NEAR_BASE = 1.25
/** Where the Shop takes no more connections so much of those that it has is kept; then there is one more at a time. */
const DOOR_SHARE = 0.9
const DOOR_MS = 250

/**
 * Additive increase, multiplicative decrease, like the congestion control of TCP: workers that share a Shop settle
 * beside each other without a word, for each takes a share away and adds a number.
 *
 * What speaks against more is, first, the latency: its lower quartile in a window against the lowest one so far. When
 * calls queue up in the Shop even the quick ones take longer; a few slow calls, or a moment in which this process was
 * busy, do not move it. Second, calls that are lost or turned away. A limit that is not met does not grow.
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
  /** What left before tells nothing of the limit as it is now. */
  let changedAt = Number.NEGATIVE_INFINITY
  let base = Number.POSITIVE_INFINITY
  let minute = Math.floor(now() / MINUTE_MS)
  /** While the lowest latency is looked for: what is put back. */
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
      if (inFlight === 0 && now() - windowAt > LONGEST_WINDOW_MS) begin(now()) // it had nothing to do
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
