import type { Sql } from '../database/database.ts'

const NOTE_EVERY_MS = 10_000

/**
 * Stores when the Shop last called back, at most every ten seconds. Nobody waits for it: a row that another worker is
 * just writing is skipped, and a failed write is logged and forgotten.
 */
export function noteCallbacks(sql: Sql, onError: (error: unknown) => void): () => void {
  let noted = Number.NEGATIVE_INFINITY
  return () => {
    const now = performance.now()
    if (now - noted < NOTE_EVERY_MS) return
    noted = now
    sql`
      update shop_update.last_callback set at = now()
      where one = (select one from shop_update.last_callback for update skip locked)`.catch(onError)
  }
}
