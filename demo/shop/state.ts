import { Callbacks, type CallbackTarget } from './callbacks.ts'
import type { Auth } from './calls.ts'
import { Draws } from './draws.ts'
import { Limits } from './limits.ts'
import { Memory } from './memory.ts'
import { type FirstIds, Products } from './products.ts'
import { readSettings, type Settings } from './troubles.ts'

/** All that the Shop is at a moment: its settings, its products, what it received and the callbacks it owes. */
export class State {
  readonly #initial: Settings
  /**
   * The next src ids. A reset leaves them: an id is never given twice, as the worker would rightly call that a
   * conflict.
   */
  readonly #nextIds: FirstIds
  /** What the `auth` element must carry; undefined: it need not be there. */
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
   * Replaces the troubles. Other settings that are left out (`lenient`, `record`, …) are again as at the start.
   * Returns the sentence that names a wrong field; nothing is changed then.
   */
  configure(input: unknown): string | undefined {
    const { default: _default, topics: _topics, seed: _seed, ...others } = this.#initial
    const isObject = typeof input === 'object' && input !== null && !Array.isArray(input)
    const read = readSettings(isObject ? { ...others, ...input } : input)
    if ('error' in read) return read.error
    this.#use(read.settings)
    return undefined
  }

  /** Takes the settings of the start again. */
  unconfigure(): void {
    this.#use(this.#initial)
  }

  /** Forgets products, pictures, requests, callbacks (those that are owed, too) and troubles. */
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
