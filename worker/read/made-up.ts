import type { Sql } from '../database/database.ts'
import { WINDOWS } from '../domain/windows.ts'

/** The setting that names the end of a made-up history; only the demo sets it. */
export const MADE_UP_UNTIL = 'shop_update/made_up_until'

/** Until when the history is made up; null where it is real, or where what was made up is older than all windows. */
export async function readMadeUpUntil(sql: Sql): Promise<Date | null> {
  const [row] = await sql<{ until: Date }[]>`
    select (value #>> '{}')::timestamptz as until from shop_update.setting
    where key = ${MADE_UP_UNTIL}::text
      and (value #>> '{}')::timestamptz > now() - ${WINDOWS['90d'].hours}::int * interval '1 hour'`
  return row?.until ?? null
}
