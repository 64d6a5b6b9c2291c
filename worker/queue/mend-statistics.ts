import type { Sql } from '../database/database.ts'

/** Corrects what PostgreSQL recorded when the queue was empty, and would plan by. */
export async function mendStatistics(sql: Sql): Promise<void> {
  await sql`select shop_update.mend_statistics()`
}
