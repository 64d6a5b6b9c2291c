export const LATE = Symbol('late')

/** What was promised, or LATE when it has not come within so many milliseconds; it may still come. */
export async function within<Thing>(milliseconds: number, promised: Promise<Thing>): Promise<Thing | typeof LATE> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(resolve, milliseconds, LATE)
  })
  try {
    return await Promise.race([promised, late])
  } finally {
    clearTimeout(timer)
  }
}
