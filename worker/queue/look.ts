import type { Sql } from '../database/database.ts'

/**
 * A look at a part of a table that only holds what is still to be done. Its rows are written and deleted all the time,
 * and an index leads past all of those that are gone: none of them may be cleared away while somebody holds a snapshot.
 * Then new rows lie behind the old ones, and what was written since a look is found without those before. (A row may
 * also be written where there was room: it is found by the next look at everything.)
 */
export interface Looked {
  /** After which product set to go on; '0': that was the last part. */
  last: string
  /** How many rows it found. */
  seen: number
  /** Where the table ended, as a `tid`. */
  end: string
  /** That finding them took PostgreSQL. */
  milliseconds: number
}

/** The rows of a table, with their `place`; `since`: of those written behind the `end` of a look. */
export const writtenSince = (sql: Sql, table: 'set_lane' | 'owed_release', since: string | null) =>
  since === null
    ? sql`(select *, ctid as place from shop_update.${sql(table)})`
    : sql`(select *, ctid as place from shop_update.${sql(table)} where ctid >= ${since}::text::tid offset 0)`

/** The last page may have room. */
export const endOf = (sql: Sql, table: 'set_lane' | 'owed_release') => sql`format('(%s,0)',
        greatest(pg_relation_size('shop_update.${sql(table)}') / current_setting('block_size')::int - 1, 0))`
