import type { Sql } from '../database/database.ts'
import type { Step } from '../domain/step.ts'
import { statusCounts, touched } from './books.ts'
import { isInPlace } from './catalog-changes.ts'
import { createsInTheWay } from './coming.ts'
import { endOf, type Looked, writtenSince } from './look.ts'
import { skusOf, stepColumns } from './skus.ts'

/** How many one statement releases; the next one goes on. */
const RELEASED_TOGETHER = 5000

/**
 * Releases items that wait for a create as soon as it is done: back to Pending, in their old place. `not_in_shop` needs
 * the ids of the product and its set; `new_variation` needs that nothing of the set is being created any more. A create
 * that waits for another of the same product is released when the outcome of that one is known.
 *
 * Whatever may release an item has noted its set in the same transaction (`shop_update.owed_release`; see migrations 21
 * and 22). This settles the notes of these sets, except where an item is locked and could not be released.
 *
 * @returns the steps of the released items
 */
export async function release(sql: Sql, productSetIds: readonly string[]): Promise<Step[]> {
  // Whatever the statistics say: set by set, each further lookup by key (`offset 0` keeps the planner from making
  // joins, which scanned everything Blocked for each).
  return sql<Step[]>`
    with owed as materialized (
      select o.place, o.product_set_id from unnest(${productSetIds}::bigint[]) x (id)
      cross join lateral (
        select ctid as place, product_set_id from shop_update.owed_release
        where product_set_id = x.id for update skip locked) o
    ),
    chosen as materialized (
      select b.id, b.product_set_id from unnest(${productSetIds}::bigint[]) x (id)
      cross join lateral (
        select * from shop_update.item i where i.product_set_id = x.id and i.lane <> 'in_flight' offset 0) b
      left join lateral (
        select s.src_id from catalog.product_set s where s.id = b.product_set_id offset 0) s on true
      left join lateral (
        select p.id, p.src_id, p.shop_sku from catalog.product p where p.id = b.product_id offset 0) p on true
      where b.lane = 'blocked' and b.reason in ('not_in_shop', 'new_variation')
        and (b.product_id is null or p.id is not null)
        and shop_update.has_what_it_awaits(b.topic, b.reason, b.product_id, s.src_id, p.src_id, p.shop_sku)
        and not exists (${createsInTheWay(sql, 'b')} offset 0)
        and (shop_update.creates(b.topic) or not exists (
          select from shop_update.set_lane l join shop_update.item v on v.id = l.item_id
          where l.product_set_id = b.product_set_id and shop_update.creates(v.topic) offset 0))
      limit ${RELEASED_TOGETHER}::int
    ),
    free as materialized (
      -- an item that is absorbing a change of an open transaction must not hold up the others
      select id from shop_update.item
      where id = any (array(select id from chosen)) order by id for no key update skip locked
    ),
    freed as (
      update shop_update.item i
      set
        status = 'pending',
        lane = 'ready',
        status_at = shop_update.later(i.status_at),
        reason = null,
        message = null,
        cause_id = null
      where i.id = any (array(select id from free)) and i.status = 'blocked'
      returning i.*, old.status_at as since, old.cause_id as was_cause
    ),
    settled as (
      delete from shop_update.owed_release where ctid = any (array(
        select place from owed
        where product_set_id not in (select product_set_id from chosen where id not in (select id from freed))))
        and (select count(*) from chosen) < ${RELEASED_TOGETHER}::int
    ),
    counted as (${statusCounts(sql, 'freed', sql`'blocked'::shop_update.status`, sql`status`, {
      from: sql`was_cause`,
    })}
    ),
    told as (${touched(sql, 'freed')}
    ),
    noted as (
      insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason)
      select id, status_at, 'blocked', 'pending', extract(epoch from status_at - since), 'released' from freed
    )
    select
      ${stepColumns(sql, 'f')},
      'blocked' as "from",
      f.status as "to",
      shop_update.micros(f.status_at) as at,
      date_part('epoch', f.status_at - f.since) as seconds,
      'released' as reason,
      null as actor
    from freed f ${skusOf(sql, 'f')}`
}

/** The rest is left for the next run: the leader has other duties, and must renew its leadership. */
const MOST_MS = 1000
/** In how many sets items are released together. */
const SETS_A_PAGE = 500

/**
 * Releases in the noted sets: after an id that an admin wrote into the catalogue, a create that left the queue without
 * an answer, or a crash between a commit and its release. The cost depends on what has changed, not on how many are
 * Blocked.
 *
 * @param after the set after which to begin, so that sets that must wait hold up no others
 * @param since null: all notes, see `Looked`
 * @returns the steps
 */
export async function releaseOwed(
  sql: Sql,
  after: string,
  since: string | null = null,
): Promise<{ steps: Step[] } & Looked> {
  const steps: Step[] = []
  const until = performance.now() + MOST_MS
  let [seen, milliseconds] = [0, 0]
  let from: string | undefined
  for (let last = after; ; ) {
    const [page] = await sql<[{ sets: string[]; end: string; milliseconds: number }]>`
      with page as materialized (
        select distinct product_set_id as id from ${writtenSince(sql, 'owed_release', since)} o
        where product_set_id > ${last}::bigint
        order by product_set_id limit ${SETS_A_PAGE}::int
      )
      select
        coalesce(array_agg(id order by id), '{}') as sets,
        ${endOf(sql, 'owed_release')} as end,
        date_part('epoch', clock_timestamp() - statement_timestamp()) * 1000 as milliseconds
      from page`
    const { sets } = page
    seen += sets.length
    milliseconds += page.milliseconds
    from ??= page.end
    const released = sets.length > 0 ? await release(sql, sets) : []
    steps.push(...released)
    if (released.length < RELEASED_TOGETHER) last = sets.length < SETS_A_PAGE ? '0' : sets.at(-1)!
    if (last === '0' || performance.now() > until) return { steps, last, seen, milliseconds, end: from }
  }
}

/** How many Blocked items one look of the leader takes. */
const BLOCKED_A_LOOK = 1000
/** A note of the catalogue is worked off within a second or two, unless a call of its set is out. */
const NOTED_SECONDS = 60

/**
 * The product sets of the next Blocked items, starting after `after`. The last safety net, for changes that bypassed
 * the noting triggers (an admin disabled them, a restored dump). A look costs the same, however many are Blocked.
 *
 * What is no longer in the catalogue, or has stayed behind in a set that its product has left, is noted for
 * `followCatalogue`: nothing else would end it, or take it along. While that is far behind, nothing is added.
 *
 * @returns the sets to release in, and the item after which to go on
 */
export async function blockedSets(sql: Sql, after: string): Promise<{ sets: string[]; last: string }> {
  const rows = await sql<{ id: string; productSetId: string }[]>`
    with page as materialized (
      select id, product_id, product_set_id from shop_update.item
      where lane = 'blocked' and id > ${after}::bigint
      order by id limit ${BLOCKED_A_LOOK}::int
    ),
    noted as (
      insert into shop_update.catalog_change (product_id, product_set_id, moved)
      select distinct product_id, product_set_id, false from page i
      where not ${isInPlace(sql)}
        and not exists (
          select from shop_update.catalog_change
          where at < now() - ${NOTED_SECONDS}::int * interval '1 second' offset ${BLOCKED_A_LOOK}::int)
    )
    select id, product_set_id as "productSetId" from page order by id`
  return {
    sets: [...new Set(rows.map(({ productSetId }) => productSetId))],
    last: rows.length < BLOCKED_A_LOOK ? '0' : rows.at(-1)!.id,
  }
}
