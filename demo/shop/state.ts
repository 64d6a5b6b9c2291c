import { Callbacks, type CallbackTarget } from './callbacks.ts'
import type { Auth } from './calls.ts'
import { Draws } from './draws.ts'
import { Limits } from './limits.ts'
import { Memory } from './memory.ts'
import { type FirstIds, Products } from './products.ts'
import { readSettings, type Settings } from './troubles.ts'

/** The whole state of the Shop: its settings, its products, what it received, and its pending callbacks. */
export class State {
  readonly #initial: Settings
  /**
   * The next src ids. A reset keeps them: no id is ever given twice, because the worker would rightly call that a
   * conflict.
   */
  readonly #nextIds: FirstIds
  /** What the `auth` element must contain; undefined: it is optional. */
  readonly credentials: Auth | undefined
  callbackTarget: CallbackTarget | undefined
  settings: Settings
  draws: Draws
  products: Products
  memory: Memory
  callbacks: Callbacks
  readonly limits = new Limits(() => this.settings.limits)

  constructor(
    settings: Settings,
    firstIds: FirstIds,
    credentials: Auth | undefined,
    callbackTarget: CallbackTarget | undefined,
  ) {
    this.#initial = settings
    this.#nextIds = { ...firstIds }
    this.credentials = credentials
    this.callbackTarget = callbackTarget
    this.settings = settings
    this.draws = new Draws(settings)
    this.products = new Products(this.#nextIds)
    this.memory = new Memory(this)
    this.callbacks = new Callbacks(this)
  }

  /**
   * Replaces the troubles. Other omitted settings (`lenient`, `record`, …) return to their initial values. Returns the
   * sentence that names a wrong field; then nothing is changed.
   */
  configure(input: unknown): string | undefined {
    const { default: _default, topics: _topics, seed: _seed, ...others } = this.#initial
    const isObject = typeof input === 'object' && input !== null && !Array.isArray(input)
    const read = readSettings(isObject ? { ...others, ...input } : input)
    if ('error' in read) return read.error
    this.#use(read.settings)
    return undefined
  }

  /** Restores the initial settings. */
  unconfigure(): void {
    this.#use(this.#initial)
  }

  /** Forgets products, pictures, requests, callbacks (including pending ones) and troubles. */
  async reset(): Promise<void> {
    const { callbacks } = this
    this.unconfigure()
    this.products = new Products(this.#nextIds)
    this.memory = new Memory(this)
    this.callbacks = new Callbacks(this)
    await callbacks.stop()
  }

  #use(settings: Settings): void {
    this.settings = settings
    this.draws = new Draws(settings)
  }
}
