import type { Sql } from '../database/database.ts'

/** What PostgreSQL has noted of the queue when it was empty, and would plan by. */
export async function mendStatistics(sql: Sql): Promise<void> {
  await sql`select shop_update.mend_statistics()`
}
