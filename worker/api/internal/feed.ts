/**
 * One reading for all who listen: as long as somebody does, `read` runs every so often, and whoever comes gets the
 * first numbers at once. Without listeners nothing runs and no timer is left.
 *
 * @returns `join`, which answers with the function that leaves again
 */
export function createFeed<T>(
  read: () => Promise<T>,
  everyMs: number,
  onError: (error: unknown) => void,
): { join(listener: (news: T) => void): () => void } {
  const listeners = new Set<(news: T) => void>()
  let timer: NodeJS.Timeout | undefined
  let reading = false

  async function tell(): Promise<void> {
    if (reading) return // the database is slower than the clock
    reading = true
    try {
      const news = await read()
      for (const listener of listeners) listener(news)
    } catch (error) {
      onError(error)
    } finally {
      reading = false
    }
  }

  return {
    join(listener) {
      listeners.add(listener)
      timer ??= setInterval(tell, everyMs)
      void tell()
      return () => {
        listeners.delete(listener)
        if (listeners.size > 0) return
        clearInterval(timer)
        timer = undefined
      }
    },
  }
}
