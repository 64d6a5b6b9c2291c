export const LATE = Symbol('late')

/** The promised value, or LATE if it has not come within that time; it may still come later. */
export async function within<Thing>(milliseconds: number, promised: Promise<Thing>): Promise<Thing | typeof LATE> {
  const { late, clear } = lateAfter(milliseconds)
  try {
    return await Promise.race([promised, late])
  } finally {
    clear()
  }
}

/** One timer for several promises: `late` resolves after that time, unless it is cleared. */
export function lateAfter(milliseconds: number): { late: Promise<typeof LATE>; clear(): void } {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(resolve, milliseconds, LATE)
  })
  return { late, clear: () => clearTimeout(timer) }
}
