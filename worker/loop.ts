/** Work on demand, one run at a time. A poke during a run causes one more run. */
export interface Loop {
  poke(): void
  /** Resolves when it is not running. */
  idle(): Promise<void>
}

/** @param work must not reject */
export function createLoop(work: () => Promise<void>): Loop {
  let running: Promise<void> | null = null
  let again = false
  async function run(): Promise<void> {
    try {
      do {
        again = false
        await work()
      } while (again)
    } finally {
      running = null // before anybody can poke again
    }
  }
  return {
    poke() {
      if (running === null) running = run()
      else again = true
    },
    idle: async () => {
      await running
    },
  }
}

export interface Every {
  /** Starts no more runs, and resolves when the last one has ended. */
  stop(): Promise<void>
}

/**
 * Periodic work, never two runs at a time; a long run skips the next.
 *
 * @param work must not reject
 */
export function every(milliseconds: number, work: () => Promise<void>): Every {
  let running: Promise<void> | null = null
  const timer = setInterval(() => {
    running ??= work().finally(() => {
      running = null
    })
  }, milliseconds)
  return {
    async stop() {
      clearInterval(timer)
      await running
    },
  }
}
