import { type Claim, claimKey } from '../domain/item.ts'

/**
 * closed: calls flow. open: the Shop cannot be reached, no call leaves. probing: one call is on its way to find out.
 */
export type CircuitState = 'closed' | 'open' | 'probing'

/**
 * Stops calls to a Shop that cannot be reached. An outage then costs a handful of items a retry, not the whole queue,
 * and a recovering Shop meets one call at a time instead of a stampede. It only counts and answers: the worker asks
 * before it claims, and reports what became of each call.
 */
export interface Circuit {
  readonly state: CircuitState
  /**
   * On the injected clock: when the next probe may leave, or when the current one counts as lost. Null while closed.
   */
  readonly nextProbeAt: number | null
  /** Since when it has been open, on the injected clock, and why the last call failed. Null while closed. */
  readonly outage: { since: number; why: string } | null
  /** How many calls may leave now: Infinity while closed, 1 when a probe is due, else 0. Asking changes nothing. */
  allowance(): number
  /** Whether the call of this claim may leave now. While open, only the probe may. */
  passes(claim: Claim): boolean
  /** The item has been claimed and its call will leave. If a probe is due, this is the probe. */
  started(claim: Claim): void
  /** The call did not leave (nothing to send, blocked). If it was to be the probe, another claim may be it at once. */
  notSent(claim: Claim): void
  /** The claim's call failed because the Shop cannot be reached: `ShopUnreachable`, or `isGatewayError`. */
  unreachable(claim: Claim, why: string): void
  /** The Shop answered, even with an error: it is there, and the circuit closes. */
  answered(): void
}

export interface CircuitOptions {
  /** A monotonic clock in milliseconds, e.g. `performance.now`. */
  now: () => number
  /** How many consecutive unreachable items, each counted once, open the circuit. */
  threshold?: number
  /** Wait before the first probe; doubles with each failed probe. */
  probeFirstMs?: number
  /** The longest wait between probes, and for the outcome of a probe. */
  probeMaxMs?: number
  /** It has opened, or closed again. */
  onChange?: (isOpen: boolean) => void
}

/** True for the statuses by which a proxy says that the Shop behind it is down; a 500 comes from the Shop itself. */
export const isGatewayError = (httpStatus: number): boolean =>
  httpStatus === 502 || httpStatus === 503 || httpStatus === 504

/** True for the statuses that say "too many calls" or "the backend is down". */
export const isTooMuch = (httpStatus: number): boolean => httpStatus === 429 || isGatewayError(httpStatus)

/**
 * Counts items, not calls: one item whose every call times out is that item's problem; five different ones are the
 * Shop's. The probe is a claim, not an item: an earlier claim's call that fails or does not leave says nothing of it.
 *
 * @example
 * const circuit = createCircuit({ now: () => performance.now() })
 * const items = await claim(Math.min(free, circuit.allowance()))
 * for (const item of items) circuit.started(item)
 */
export function createCircuit({
  now,
  threshold = 5,
  probeFirstMs = 1000,
  probeMaxMs = 30_000,
  onChange = () => {},
}: CircuitOptions): Circuit {
  const unreachableItems = new Set<string>()
  let state: CircuitState = 'closed'
  let probeEveryMs = probeFirstMs
  let nextProbeAt = 0
  /** The claim's key. */
  let probe: string | null = null
  let since = 0
  let lastWhy = ''

  const open = (waitMs: number) => {
    state = 'open'
    probe = null
    nextProbeAt = now() + waitMs
  }

  const isProbeDue = () => state !== 'closed' && now() >= nextProbeAt

  return {
    get state() {
      return state
    },
    get nextProbeAt() {
      return state === 'closed' ? null : nextProbeAt
    },
    get outage() {
      return state === 'closed' ? null : { since, why: lastWhy }
    },
    allowance: () => (state === 'closed' ? Number.POSITIVE_INFINITY : isProbeDue() ? 1 : 0),
    passes: (claim) => state === 'closed' || claimKey(claim) === probe,
    started(claim) {
      if (!isProbeDue()) return
      state = 'probing'
      probe = claimKey(claim)
      nextProbeAt = now() + probeMaxMs
    },
    notSent(claim) {
      if (claimKey(claim) === probe) open(0)
    },
    unreachable(claim, why) {
      lastWhy = why
      if (state === 'closed') {
        unreachableItems.add(claim.id)
        if (unreachableItems.size < threshold) return
        probeEveryMs = probeFirstMs
        since = now()
        open(probeEveryMs)
        onChange(true)
      } else if (claimKey(claim) === probe) {
        // Calls that were under way when the circuit opened keep failing for a while. Only the probe's own outcome
        // lengthens the wait.
        probeEveryMs = Math.min(probeEveryMs * 2, probeMaxMs)
        open(probeEveryMs)
      }
    },
    answered() {
      if (unreachableItems.size > 0) unreachableItems.clear()
      const wasOpen = state !== 'closed'
      state = 'closed'
      probe = null
      if (wasOpen) onChange(false)
    },
  }
}
