import { setImmediate } from 'node:timers/promises'
import type { Sql } from '../../worker/database/database.ts'

type Work<Result> = () => Promise<Result>

/**
 * The path of one process to PostgreSQL, statement by statement: a frozen or killed process sends no more statements
 * and hears no answers. Here a transaction is one statement.
 */
export class Gate {
  state: 'open' | 'frozen' | 'dead' = 'open'
  readonly #sql: Sql
  /** It closes after this many more statements, and the last one's answer is not heard. */
  #left: { statements: number; how: 'frozen' | 'dead' } | null = null
  #running = 0
  #closed = Promise.withResolvers<void>()
  #opened = Promise.withResolvers<void>()
  #still = Promise.withResolvers<void>()

  constructor(sql: Sql) {
    this.#sql = this.#guard(sql)
  }

  get sql(): Sql {
    return this.#sql
  }

  /** @param after how many more statements; 0: now */
  close(how: 'frozen' | 'dead', after: number): void {
    if (this.state === 'dead') return
    if (after > 0) this.#left = { statements: after, how }
    else {
      this.#left = null
      this.state = how
      this.#closed.resolve()
    }
  }

  /** It stays open, and what comes next is heard. */
  open(): void {
    this.#left = null
    if (this.state !== 'frozen') return
    this.state = 'open'
    this.#closed = Promise.withResolvers()
    this.#opened.resolve()
    this.#opened = Promise.withResolvers()
  }

  /** Resolves when the process runs; for a dead one, never. */
  async awake(): Promise<void> {
    while (this.state !== 'open') await this.#opened.promise
  }

  /** Resolves when the gate is closed and no statement is running. */
  async closed(): Promise<void> {
    await this.#closed.promise
    while (this.#running > 0) await this.#still.promise
    await setImmediate() // whatever was still awake has taken its last step
  }

  async #pass<Result>(work: Work<Result>): Promise<Result> {
    await this.awake()
    if (this.#left && --this.#left.statements === 0) this.close(this.#left.how, 0)
    this.#running++
    try {
      return await work()
    } finally {
      this.#running--
      this.#still.resolve()
      this.#still = Promise.withResolvers()
      await this.awake()
    }
  }

  #guard(sql: Sql): Sql {
    const pass = <Result>(work: Work<Result>) => this.#pass(work)
    return new Proxy(sql, {
      apply(target, self, args) {
        const query = Reflect.apply(target, self, args)
        // a name or a fragment is not a statement: only what is awaited is sent
        if (!Array.isArray(args[0]) || !('raw' in args[0])) return query
        const then = query.then
        // biome-ignore lint/suspicious/noThenProperty: a statement is sent when it is awaited
        query.then = (...heard: Parameters<Promise<unknown>['then']>) =>
          pass(() => new Promise((resolve, reject) => then.call(query, resolve, reject))).then(...heard)
        return query
      },
      get(target, name) {
        const member = Reflect.get(target, name)
        return name === 'begin' ? (...args: unknown[]) => pass(() => member(...args)) : member
      },
    })
  }
}
