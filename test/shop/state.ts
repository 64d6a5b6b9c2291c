import { Callbacks, type CallbackTarget } from './callbacks.ts'
import { Draws } from './draws.ts'
import { Memory } from './memory.ts'
import { type FirstIds, Products } from './products.ts'
import { readSettings, type Settings } from './troubles.ts'

/** All that the Shop is at a moment: its settings, its products, what it received and the callbacks it owes. */
export class State {
  readonly #initial: Settings
  /** Shared by all that come after a reset: a src id is never given twice, as the worker would rightly call that a conflict. */
  readonly #ids: FirstIds
  settings: Settings
  draws: Draws
  products: Products
  memory: Memory
  callbacks: Callbacks
  callbackTarget: CallbackTarget | undefined

  constructor(settings: Settings, firstIds: FirstIds, callbackTarget: CallbackTarget | undefined) {
    this.#initial = settings
    this.#ids = { ...firstIds }
    this.callbackTarget = callbackTarget
    this.settings = settings
    this.draws = new Draws(settings)
    this.products = new Products(this.#ids)
    this.memory = new Memory(settings)
    this.callbacks = this.#newCallbacks()
  }

  /**
   * Replaces the troubles. Those of the other settings that are left out (`lenient`, `record`, …) are as at the start.
   * Returns the sentence that names a wrong field; nothing is changed then.
   */
  configure(input: unknown): string | undefined {
    const { default: _default, topics: _topics, seed: _seed, ...kept } = this.#initial
    const isObject = typeof input === 'object' && input !== null && !Array.isArray(input)
    const read = readSettings(isObject ? { ...kept, ...input } : input)
    if ('error' in read) return read.error
    this.#use(read.settings)
    return undefined
  }

  /** The settings of the start. */
  unconfigure(): void {
    this.#use(this.#initial)
  }

  /** Forgets products, pictures, requests, callbacks (also those that are owed) and troubles. */
  async reset(): Promise<void> {
    const { callbacks } = this
    this.settings = this.#initial
    this.draws = new Draws(this.settings)
    this.products = new Products(this.#ids)
    this.memory = new Memory(this.settings)
    this.callbacks = this.#newCallbacks()
    await callbacks.stop()
  }

  #use(settings: Settings): void {
    this.settings = settings
    this.draws = new Draws(settings)
    this.memory.configure(settings)
    this.callbacks.configure(settings, this.draws.random)
  }

  #newCallbacks(): Callbacks {
    return new Callbacks(this.settings, this.draws.random, () => this.callbackTarget)
  }
}
