/** A share of the budget, or a place in the queue for one. */
export interface Share {
  readonly isGranted: boolean
  /**
   * Sets the share to the size that is now known. A waiting share is granted at once: its bytes are in memory anyway.
   */
  resize(bytes: number): void
  /** Returns the share or leaves the queue; a second call does nothing. */
  free(): void
}

/**
 * Limits the bytes in memory at one time. First come, first served: small shares never overtake a large one for ever.
 *
 * @example
 * const share = budget.ask(8 * MIB, () => controller.resume())
 * if (!share.isGranted) controller.pause()
 */
export class ByteBudget {
  readonly #total: number
  #left: number
  readonly #waiting = new Set<{ bytes: number; grant: () => void }>()

  constructor(total: number) {
    this.#total = total
    this.#left = total
  }

  get left(): number {
    return this.#left
  }

  /** @param onGranted called later, if the share is not available at once */
  ask(bytes: number, onGranted: () => void): Share {
    let held = 0
    const wanted = Math.min(bytes, this.#total)
    const place = {
      bytes: wanted,
      grant: () => {
        held = wanted
        onGranted()
      },
    }
    if (this.#waiting.size === 0 && wanted <= this.#left) {
      this.#left -= wanted
      held = wanted
    } else {
      this.#waiting.add(place)
    }
    const waiting = this.#waiting
    const resize = (now: number) => {
      waiting.delete(place)
      this.#left += held - now
      held = now
      this.#serve()
    }
    return {
      get isGranted() {
        return !waiting.has(place)
      },
      resize,
      free: () => resize(0),
    }
  }

  #serve(): void {
    for (const place of this.#waiting) {
      if (place.bytes > this.#left) return
      this.#waiting.delete(place)
      this.#left -= place.bytes
      place.grant()
    }
  }
}
