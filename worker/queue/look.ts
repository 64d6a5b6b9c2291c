import type { Sql } from '../database/database.ts'

/**
 * A look at a part of a table that holds only what is still to be done. Its rows are written and deleted all the time,
 * and an index also has the deleted ones: while somebody holds a snapshot, none may be removed. New rows are then
 * behind the old ones, and what was written since a look is found without the rows before. (A row may also be written
 * into free space: the next full look finds it.)
 */
export interface Looked {
  /** The product set after which to go on; '0': that was the last part. */
  last: string
  /** How many rows it found. */
  seen: number
  /** The end of the table, as a `tid`. */
  end: string
  /** PostgreSQL's time for finding them. */
  milliseconds: number
}

/** The rows of a table, with their `place`; with `since`, only those written behind the `end` of a look. */
export const writtenSince = (sql: Sql, table: 'set_lane' | 'owed_release', since: string | null) =>
  since === null
    ? sql`(select *, ctid as place from shop_update.${sql(table)})`
    : sql`(select *, ctid as place from shop_update.${sql(table)} where ctid >= ${since}::text::tid offset 0)`

/** The last page may have room. */
export const endOf = (sql: Sql, table: 'set_lane' | 'owed_release' | 'touched') => sql`format('(%s,0)',
        greatest(pg_relation_size('shop_update.${sql(table)}') / current_setting('block_size')::int - 1, 0))`
