export const LATE = Symbol('late')

/** The promised value, or LATE if it has not come within that time; it may still come later. */
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
