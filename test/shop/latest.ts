/** Keeps the latest `limit` things and forgets the older ones, at the same small price for each. */
export class Latest<Thing> {
  readonly #limit: number
  readonly #things: Thing[] = []
  #next = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  add(thing: Thing): void {
    this.#things[this.#next] = thing
    this.#next = (this.#next + 1) % this.#limit
  }

  /** All that is kept, the newest first. */
  newestFirst(): Thing[] {
    return [...this.#things.slice(this.#next), ...this.#things.slice(0, this.#next)].reverse()
  }
}
