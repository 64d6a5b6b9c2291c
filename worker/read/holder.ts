import type { Sql } from '../database/database.ts'
import { OVERDUE_AFTER_SECONDS } from '../domain/holder.ts'
import type { Status } from '../domain/statuses.ts'

/**
 * The join, as `h`, for the item that goes before an item `i` which waits for its turn, or will once its time comes
 * although it is Delayed or Failed: one in trouble, or the one tried last. Both are of the same product set and topic.
 */
export const holderOf = (sql: Sql) => sql`
  left join lateral (
    select d.id, d.product_id, d.status, d.run_at
    from shop_update.item d
    where i.lane in ('ready', 'behind', 'delayed')
      and d.product_set_id = i.product_set_id
      and shop_update.goes_before(d.lane, d.run_at, d.topic, d.id, i.topic, i.id)
      and (i.lane <> 'delayed' or d.run_at > i.run_at)
    order by
      (d.status = 'failed' or d.run_at < now() - ${OVERDUE_AFTER_SECONDS}::int * interval '1 second') desc,
      d.run_at desc,
      d.id
    limit 1
  ) h on true`

/** In its place, also as `h`, where no item can wait like this: to plan the join takes 0.2 ms. */
export const noHolder = (sql: Sql) => sql`
  cross join (
    values (null::bigint, null::bigint, null::shop_update.status, null::timestamptz)
  ) h (id, product_id, status, run_at)`

/** Whether an item with this status may be in one of the lanes that `holderOf` looks at. */
export const mayBeHeld = (status: Status): boolean => ['pending', 'delayed', 'failed'].includes(status)
