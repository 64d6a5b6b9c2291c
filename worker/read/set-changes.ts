import type { Sql } from '../database/database.ts'
import type { ReasonCode } from '../domain/reasons.ts'
import type { Status } from '../domain/statuses.ts'
import type { TimelineStep } from '../domain/timeline.ts'
import type { Topic } from '../domain/topics.ts'
import { itemsOfSets } from './scope.ts'

/** A change of a product set: an item, in the queue or gone from it. */
export interface ChangeRow {
  itemId: string
  topic: Topic
  /** Null: of the whole set. */
  productId: string | null
  sellerSku: string | null
  status: Status
  reason: ReasonCode | null
  message: string | null
  queuedAt: Date
  /** When it left the queue, null while it is there; `endedValue`: to the microsecond, as text. */
  endedAt: Date | null
  endedValue: string
}

/** Where a page ended. */
export interface ChangePosition {
  /** 'infinity': still in the queue. */
  ended: string
  id: string
}

/** The changes of a set: what is in the queue first, then what left it, the newest first. */
export async function readSetChanges(
  sql: Sql,
  productSetId: string,
  after: ChangePosition | null,
  limit: number,
): Promise<{ rows: ChangeRow[]; next: ChangePosition | null }> {
  const page = (ended: ReturnType<Sql>, id: ReturnType<Sql>) => sql`
    ${after ? sql`and (${ended}, ${id}) < (${after.ended}::text::timestamptz, ${after.id}::bigint)` : sql``}
    order by ${ended} desc, ${id} desc limit ${limit + 1}::int`
  const rows = await sql<ChangeRow[]>`
    select c.id as "itemId", c.topic, c.product_id as "productId", p.seller_sku as "sellerSku", c.status, c.reason,
      left(c.message, 500) as message, c.queued_at as "queuedAt", nullif(c.ended, 'infinity') as "endedAt",
      c.ended::text as "endedValue"
    from (
      (select i.id, i.topic, i.product_id, i.status, i.reason, i.message, i.queued_at,
        'infinity'::timestamptz as ended
      from shop_update.item i
      where i.id in (${itemsOfSets(sql, [productSetId])}) ${page(sql`'infinity'::timestamptz`, sql`i.id`)})
      union all
      (select f.id, f.topic, f.product_id, f.status, f.reason, f.message, f.queued_at, f.finished_at
      from shop_update.finished_item f
      where f.seller_id = (select s.seller_id from catalog.product_set s where s.id = ${productSetId}::bigint)
        and f.product_set_id = ${productSetId}::bigint ${page(sql`f.finished_at`, sql`f.id`)})
    ) c left join catalog.product p on p.id = c.product_id
    order by c.ended desc, c.id desc limit ${limit + 1}::int`
  const shown = rows.slice(0, limit)
  const last = rows.length > limit ? shown.at(-1) : undefined
  return { rows: shown, next: last ? { ended: last.endedValue, id: last.itemId } : null }
}

/** How many steps of an item are read, the newest: 28 attempts have some 250. */
export const STEPS_READ = 1000

/** The steps of an item, the oldest first. */
export async function readSteps(sql: Sql, { itemId, queuedAt, endedAt }: ChangeRow): Promise<TimelineStep[]> {
  const since = new Date(queuedAt.getTime() - DAY).toISOString()
  const until = new Date((endedAt?.getTime() ?? Date.now()) + DAY).toISOString()
  const rows = await sql<TimelineStep[]>`
    select t.to_status as "to", t.at, t.reason, t.actor, t.note from shop_update.transition t
    where t.item_id = ${itemId}::bigint
      and t.stored_at >= ${since}::timestamptz and t.stored_at <= ${until}::timestamptz
      and t.requested_at >= ${since}::timestamptz and t.requested_at <= ${until}::timestamptz
    order by t.at desc, t.to_status desc limit ${STEPS_READ}::int`
  return rows.toReversed()
}

/** Clocks differ. */
const DAY = 86_400_000
