/** closed: calls flow. open: the Shop cannot be reached, none leave. probing: one is on its way to find out. */
export type CircuitState = 'closed' | 'open' | 'probing'

/**
 * Stops calling a Shop that cannot be reached, so that an outage costs a retry of a handful of items and not of the
 * whole queue, and a Shop that comes back meets one call a time and not a stampede. It only counts and answers: the
 * worker asks before it claims, and reports what became of each call.
 */
export interface Circuit {
  readonly state: CircuitState
  /** On the injected clock: when the next probe may leave, or the one on its way counts as lost. Null while closed. */
  readonly nextProbeAt: number | null
  /** How many calls may leave now: Infinity while closed, 1 when a probe is due, else 0. Asking changes nothing. */
  allowance(): number
  /** Whether the call of this item may leave now: an open one lets none pass but the probe. */
  passes(itemId: string): boolean
  /**
   * The item has been claimed and its call will leave. With a probe due, this is the probe; else it changes nothing.
   */
  started(itemId: string): void
  /**
   * The call did not leave after all (nothing to send, blocked): if it was to be the probe, another item may be it at
   * once.
   */
  notSent(itemId: string): void
  /** The item's call failed because the Shop cannot be reached: `ShopUnreachable`, or `isGatewayError`. */
  unreachable(itemId: string): void
  /** The Shop answered, be it with an error: it is there, and the circuit closes. */
  answered(): void
}

export interface CircuitOptions {
  /** A monotonic clock in milliseconds, e.g. `performance.now`. */
  now: () => number
  /** Consecutive unreachable items, each counted once, that open it. */
  threshold?: number
  /** Wait before the first probe; doubles with each failed probe. */
  probeFirstMs?: number
  /** The longest wait between probes, and for the outcome of one. */
  probeMaxMs?: number
  /** It has opened, or closed again. */
  onChange?: (isOpen: boolean) => void
}

/** True for the statuses by which a proxy says that the Shop behind it is away; a 500 comes from the Shop itself. */
export const isGatewayError = (httpStatus: number): boolean =>
  httpStatus === 502 || httpStatus === 503 || httpStatus === 504

/** True for the statuses that say that there are too many calls, or that whoever should answer them is away. */
export const isTooMuch = (httpStatus: number): boolean => httpStatus === 429 || isGatewayError(httpStatus)

/**
 * Counts items and not calls: a single item whose every call times out is that item's trouble, five different ones are
 * the Shop's.
 *
 * @example
 * const circuit = createCircuit({ now: () => performance.now() })
 * const items = await claim(Math.min(free, circuit.allowance()))
 * for (const item of items) circuit.started(item.id)
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
  let probe: string | null = null

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
    allowance: () => (state === 'closed' ? Number.POSITIVE_INFINITY : isProbeDue() ? 1 : 0),
    passes: (itemId) => state === 'closed' || itemId === probe,
    started(itemId) {
      if (!isProbeDue()) return
      state = 'probing'
      probe = itemId
      nextProbeAt = now() + probeMaxMs
    },
    notSent(itemId) {
      if (itemId === probe) open(0)
    },
    unreachable(itemId) {
      if (state === 'closed') {
        unreachableItems.add(itemId)
        if (unreachableItems.size < threshold) return
        probeEveryMs = probeFirstMs
        open(probeEveryMs)
        onChange(true)
      } else if (itemId === probe) {
        // Calls that were under way when it opened fail for some time to come. Only the probe's own outcome lengthens
        // the wait.
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
