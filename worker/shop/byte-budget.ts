/** A part of a budget, or a place in the queue for one. */
export interface Share {
  readonly isGranted: boolean
  /** What is held is known now, and so many bytes are. Whoever still waited has them anyway: they are there. */
  resize(bytes: number): void
  /** Gives it back, or leaves the queue; a second time nothing. */
  free(): void
}

/**
 * Bytes that may be in memory at a time. Who comes first is served first: a large share is not overtaken by small ones
 * for ever.
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

  /** @param onGranted called later, where the share cannot be had at once */
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
