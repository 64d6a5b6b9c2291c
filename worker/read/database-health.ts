import type { Sql } from '../database/database.ts'

export interface DatabaseHealth {
  /** For this database, by state; `other_login` stands for sessions of other logins, whose state is hidden. */
  connections: { state: string; n: number }[]
  /** How long the oldest transaction of this login has been open, in seconds. */
  oldestTransaction: number
  /** For the tables of the queue that change constantly. */
  deadRows: { table: string; n: number }[]
  /** Of shop_update.item since the statistics were reset; a HOT update writes no index. */
  updates: { hot: number; other: number }
}

/**
 * PostgreSQL's own health, from its statistics; the cost does not depend on the queue. Any login may read them. Of
 * other logins' sessions it sees that they exist, and with `grant pg_read_all_stats` their states too.
 */
export async function readDatabaseHealth(sql: Sql): Promise<DatabaseHealth> {
  const [sessions, tables] = await Promise.all([
    sql<{ state: string; n: number; seconds: number }[]>`
      select
        coalesce(state, 'other_login') as state,
        count(*)::int as n,
        coalesce(
          extract(epoch from now() - min(xact_start) filter (where usename = current_user and pid <> pg_backend_pid())),
          0)::float8 as seconds
      from pg_stat_activity where datname = current_database() and usesysid is not null group by 1`,
    sql<{ table: string; dead: number; updates: number; hot: number }[]>`
      select
        t.name as "table",
        pg_stat_get_dead_tuples(t.name::regclass)::float8 as dead,
        pg_stat_get_tuples_updated(t.name::regclass)::float8 as updates,
        pg_stat_get_tuples_hot_updated(t.name::regclass)::float8 as hot
      from (values
        ('shop_update.item'),
        ('shop_update.set_lane'),
        ('shop_update.delta'),
        ('shop_update.status_count')) t (name)`,
  ])
  const { updates, hot } = tables.find(({ table }) => table === 'shop_update.item') ?? { updates: 0, hot: 0 }
  return {
    connections: sessions.map(({ state, n }) => ({ state, n })),
    oldestTransaction: Math.max(0, ...sessions.map(({ seconds }) => seconds)),
    deadRows: tables.map(({ table, dead }) => ({ table: table.replace('shop_update.', ''), n: dead })),
    updates: { hot, other: updates - hot },
  }
}
