import type { Sql } from '../worker/database/database.ts'

/** How many pages of tables and indexes `act` has read through the one connection of `sql`. */
export async function pagesOf(sql: Sql, act: () => Promise<unknown>): Promise<number> {
  const read = async () => {
    await sql`select pg_stat_force_next_flush()`
    const [row] = await sql<{ n: number }[]>`
      select sum(pg_stat_get_blocks_fetched(oid))::float8 as n from pg_class
      where relnamespace in ('shop_update'::regnamespace, 'catalog'::regnamespace) and relkind in ('r', 'i')`
    return row!.n
  }
  const before = await read()
  await act()
  return (await read()) - before
}

/** What autovacuum reads is counted, too, and it comes when it likes. `sql` owns the tables. */
export const withoutAutovacuum = (sql: Sql) =>
  sql.unsafe(`
    do $$ declare each regclass; begin
      for each in
        select oid from pg_class
        where relnamespace in ('shop_update'::regnamespace, 'catalog'::regnamespace) and relkind = 'r'
      loop execute format('alter table %s set (autovacuum_enabled = off)', each); end loop;
    end $$`)
