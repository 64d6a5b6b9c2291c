import { setTimeout as sleep } from 'node:timers/promises'
import type { Part } from './parts.ts'

const INTERVAL_MS = 500
/** The minimum time for a check, even past the deadline. */
const LEAST_MS = 5000

export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Ends when the user interrupts: no more checks. */
export const interruption = new AbortController()

/** Asks until it gets the answer, or throws what was wrong with the last one. */
export async function until<Answer>(deadline: number, ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      interruption.signal.throwIfAborted()
      if (Date.now() >= deadline) throw error
      await sleep(INTERVAL_MS)
    }
  }
}

/** One line per check, as soon as it is decided. */
export class Report {
  ok = 0
  failed = 0
  notRun = 0
  /**
   * Until when telemetry may be under way. All checks share it, so that a stack that lost everything is not waited for
   * check by check.
   */
  deadline = 0
  readonly #missing: ReadonlyMap<Part, string>

  constructor(missing: ReadonlyMap<Part, string>) {
    this.#missing = missing
  }

  /**
   * @param needs the parts that the check depends on
   * @param ask throws while the answer is not there yet; resolves with what was seen
   */
  async check(name: string, needs: readonly Part[], ask: () => Promise<string | undefined>): Promise<void> {
    const lacking = needs.filter((part) => this.#missing.has(part))
    if (lacking.length > 0) {
      this.notRun++
      say(`not run: ${name} (${lacking.map((part) => `${part}: ${this.#missing.get(part)}`).join('; ')})`)
      return
    }
    try {
      const seen = await until(Math.max(this.deadline, Date.now() + LEAST_MS), ask)
      this.ok++
      say(`ok: ${name}${typeof seen === 'string' ? ` (${seen})` : ''}`)
    } catch (error) {
      interruption.signal.throwIfAborted()
      this.fail(name, (error as Error).message)
    }
  }

  fail(name: string, why: string): void {
    this.failed++
    say(`FAILED: ${name}\n  ${why.trim().replaceAll('\n', '\n  ')}`)
  }
}
