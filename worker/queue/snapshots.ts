import type { Sql } from '../database/database.ts'

/**
 * Notes how many items there are by topic and status, from the counters, so that it costs the same for any size of the
 * queue. Each five minutes have one snapshot, taken by whoever is first: the others wait for it at its key, and add
 * nothing.
 *
 * @returns whether this was the first
 */
export async function takeSnapshot(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ taken: boolean }[]>`
    with snapshot as (
      insert into shop_update.queue_snapshot (slot) values (date_bin('5 minutes', now(), 'epoch'))
      on conflict do nothing returning slot
    ),
    counts as (
      insert into shop_update.queue_snapshot_count (slot, topic, status, n)
      select s.slot, c.topic, c.status, sum(c.n)
      from snapshot s cross join (
        select topic, status, n from shop_update.status_count
        union all
        select topic, status, n from shop_update.unfolded() where kind = 'status'
      ) c
      where c.status <> 'synced'
      group by s.slot, c.topic, c.status having sum(c.n) <> 0
    )
    select exists (select from snapshot) as taken`
  return row?.taken ?? false
}

/**
 * Deletes snapshots that are no longer needed.
 *
 * @param days as long as the history is kept, but at least the 90 days of the charts
 */
export async function forgetSnapshots(sql: Sql, days: number): Promise<void> {
  await sql`
    with snapshots as (
      delete from shop_update.queue_snapshot where slot < now() - greatest(${days}::int, 91) * interval '1 day'
    )
    delete from shop_update.queue_snapshot_count where slot < now() - greatest(${days}::int, 91) * interval '1 day'`
}
