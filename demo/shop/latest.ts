/** Keeps the latest things and forgets older ones. The limit may change between additions. */
export class Latest<Thing> {
  #things: Thing[] = []

  add(thing: Thing, limit: number): void {
    this.#things.push(thing)
    // Twice the limit, so that copying is rare.
    if (this.#things.length >= 2 * limit) this.#things = this.#things.slice(-limit)
  }

  newestFirst(limit: number): Thing[] {
    return this.#things.slice(-limit).reverse()
  }
}
