/**
 * One reading for all listeners. While there are any, `read` runs periodically; a new listener gets its first numbers
 * at once. Without listeners nothing runs and no timer remains.
 *
 * @returns `join`, which returns the function that leaves again
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
    if (reading) return // the database is slower than the timer
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
