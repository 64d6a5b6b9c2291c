import type { Sql } from '../worker/database/database.ts'

/**
 * For a history that is made up: the partitions of these tables of `shop_update`, one for each day from so many days
 * ago to the day before yesterday.
 */
export async function createPastDays(sql: Sql, tables: readonly string[], days: number): Promise<void> {
  const rows = await sql<{ statement: string }[]>`
    select format('create table if not exists shop_update.%I partition of shop_update.%I for values from (%L) to (%L)',
      parent || '_' || to_char(day, 'YYYYMMDD'), parent, day::date, day::date + 1) as statement
    from generate_series(current_date - ${days}::int, current_date - 2, interval '1 day') day
    cross join unnest(${tables}::text[]) parent`
  await sql.unsafe(rows.map(({ statement }) => statement).join(';'))
}
