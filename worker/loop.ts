/** Work that is called for: one at a time, and who calls while it runs has it run once more. */
export interface Loop {
  poke(): void
  /** Resolves when it does not run any more. */
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
      running = null // before anybody can call again
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
  /** Begins no more, and resolves when the last has ended. */
  stop(): Promise<void>
}

/**
 * Work that is due every so often: never two at a time, and one that takes longer leaves out the next.
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
