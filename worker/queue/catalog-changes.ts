import { type Sql, transaction } from '../database/database.ts'
import type { Step } from '../domain/step.ts'
import { touched } from './books.ts'
import { drop } from './drop.ts'

export interface Followed {
  steps: Step[]
  /** Sets in which an item may have to get its turn, or be released. */
  sets: string[]
}

interface Change {
  id: string
  productId: string | null
  productSetId: string
  moved: boolean
  /** The product's present set; null: the product no longer exists. */
  now: string | null
}

/** The rest is left for the next run: the leader has other duties, and must renew its leadership. */
const MOST_MS = 1000
/** For how many changes the items are ended or moved in one transaction. */
const CHANGES_A_PAGE = 200

/**
 * Whether what an item `i` is about is in the catalogue where the item is: its product in its set, or its set.
 *
 * Here and below `offset 0` has each row looked up: for 1,000 of 150,000 Blocked items PostgreSQL would read all
 * products, 68 ms in place of 4.
 */
export const isInPlace = (sql: Sql) => sql`case
  when i.product_id is null then exists (select from catalog.product_set s where s.id = i.product_set_id offset 0)
  else exists (
    select from catalog.product p where p.id = i.product_id and p.product_set_id = i.product_set_id offset 0) end`

/** Whether a deletion has left nothing of what an item `i` is about: of a whole set, no product. */
const isGone = (sql: Sql) => sql`case
  when i.product_id is null
    then not exists (select from catalog.product p where p.product_set_id = i.product_set_id offset 0)
  else not exists (select from catalog.product p where p.id = i.product_id offset 0) end`

/** Whether nothing keeps a change `c` from being followed. */
const isFree = (sql: Sql) => sql`not exists (
        select from shop_update.set_lane l join shop_update.item i on i.id = l.item_id
        where l.product_set_id = c.product_set_id and (i.product_id = c.product_id or i.product_id is null))
      and case
        -- A call is out in a set that the product was moved on from: from the present one none must leave yet.
        when c.moved then not exists (
          select
          from shop_update.catalog_change o
          join shop_update.set_lane l on l.product_set_id = o.product_set_id
          join shop_update.item i on i.id = l.item_id
          where o.product_id = c.product_id and not o.moved
            and (i.product_id = c.product_id or i.product_id is null)
            and o.product_set_id is distinct from (
              select p.product_set_id from catalog.product p where p.id = c.product_id)
          offset 0)
        -- Before it was deleted, or moved on, it was moved, and its items are taken along now, or next.
        else not exists (
          select from shop_update.catalog_change m where m.product_id = c.product_id and m.moved offset 0) end`

/**
 * Follows the catalogue: items of deleted products end, and items of moved products go to the new set. A change waits
 * while one of its items is in flight: the call that is out ends normally, and no other call of the product leaves
 * meanwhile.
 */
export async function followCatalogue(sql: Sql): Promise<Followed> {
  const all: Followed = { steps: [], sets: [] }
  const until = performance.now() + MOST_MS
  for (let after: string | null = '0'; after !== null && performance.now() < until; ) {
    const page: Followed & { next: string | null } = await followPage(sql, after)
    all.steps.push(...page.steps)
    all.sets.push(...page.sets)
    after = page.next
  }
  return all
}

/** @param after the change after which the page begins: changes that must wait do not hold up others */
function followPage(sql: Sql, after: string): Promise<Followed & { next: string | null }> {
  return transaction(sql, async (tx) => {
    const held = await tx<{ id: string }[]>`
      select c.id from shop_update.catalog_change c
      where c.id > ${after}::bigint and ${isFree(tx)}
      order by c.id limit ${CHANGES_A_PAGE}::int for update of c skip locked`
    if (held.length === 0) return { steps: [], sets: [], next: null }
    // Asked once the changes are held, and whether they are free once more: a product whose move is among them is not
    // moved on meanwhile (migration 13), but may have been while they were looked for.
    const changes = await tx<Change[]>`
      select c.id, c.product_id as "productId", c.product_set_id as "productSetId", c.moved, p.product_set_id as now
      from shop_update.catalog_change c left join catalog.product p on p.id = c.product_id
      where c.id = any (${held.map(({ id }) => id)}::bigint[]) and ${isFree(tx)}
      order by c.id`
    const sets = changes.flatMap(({ productSetId, now }) => [productSetId, ...(now === null ? [] : [now])])
    await moveAlong(
      tx,
      changes.filter(({ now, productSetId }) => now !== null && now !== productSetId),
    )
    const orphans = await tx<{ id: string; token: number }[]>`
      select i.id, i.token from shop_update.item i
      where i.product_set_id = any (${changes.map(({ productSetId }) => productSetId)}::bigint[])
        and i.lane <> 'in_flight'
        and ${isGone(tx)}
      order by i.id for update of i skip locked`
    const { steps, setsWaiting } = await drop(tx, orphans)
    await tx`insert into shop_update.owed_release (product_set_id) select unnest(${sets}::bigint[])`
    // A locked item (one that is absorbing a change) leaves its change for the next run. Asked in two parts, each by
    // index: with "or" all items of the set were read for each change (200 of 5,000 variations took 13 s).
    await tx`
      delete from shop_update.catalog_change c
      where c.id = any (${changes.map(({ id }) => id)}::bigint[])
        and not exists (
          select from shop_update.item i
          where i.product_set_id = c.product_set_id and i.product_id = c.product_id and i.lane <> 'in_flight'
            and not ${isInPlace(tx)}
          offset 0)
        and not exists (
          select from shop_update.item i
          where i.product_set_id = c.product_set_id and i.product_id is null and i.lane <> 'in_flight'
            and ${isGone(tx)}
          offset 0)`
    return {
      steps,
      sets: [...new Set([...sets, ...setsWaiting])],
      next: held.length < CHANGES_A_PAGE ? null : held.at(-1)!.id,
    }
  })
}

/**
 * Items that are not in flight move with their product; each takes its place in the new set as if it had been queued
 * there.
 */
async function moveAlong(tx: Sql, changes: readonly Change[]): Promise<void> {
  if (changes.length === 0) return
  await tx`
    with moving as (
      select
        i.id,
        i.product_set_id as old_set,
        s.id as new_set,
        s.seller_id,
        i.lane = 'behind' as was_behind,
        i.lane = 'delayed' and i.reason = 'product_moved' as was_met,
        c.is_held
      from (
        -- a product may be noted twice
        select product_id, old_set, new_set, bool_or(moved) as is_held from unnest(
          ${changes.map(({ productId }) => productId)}::bigint[],
          ${changes.map(({ productSetId }) => productSetId)}::bigint[],
          ${changes.map(({ now }) => now)}::bigint[],
          ${changes.map(({ moved }) => String(moved))}::text[]::boolean[]) n (product_id, old_set, new_set, moved)
        group by 1, 2, 3) c
      join shop_update.item i on i.product_set_id = c.old_set and i.product_id = c.product_id and i.lane <> 'in_flight'
      join catalog.product_set s on s.id = c.new_set
      order by i.id for update of i skip locked
    ),
    moved as (
      update shop_update.item i
      set
        product_set_id = m.new_set,
        seller_id = m.seller_id,
        lane = case when m.was_behind or m.was_met then 'ready' else i.lane end,
        fresh = false -- only one item per set, topic and product is fresh
      from moving m where i.id = m.id
      returning i.product_id, i.product_set_id, m.is_held
    ),
    -- Without a note of the move nothing keeps the product from being moved on, or deleted, in this moment, and a note
    -- of that may be followed before its items have come: so it is looked once more, where they have come to.
    noted as (
      insert into shop_update.catalog_change (product_id, product_set_id, moved)
      select distinct product_id, product_set_id, false from moved where not is_held
    ),
    told as (${touched(tx, 'moved')}
    )
    merge into shop_update.set_lane l using (
        select old_set, count(*) filter (where was_behind) as behind, array_agg(id) as ids
        from moving group by old_set order by 1) m
      on l.product_set_id = m.old_set
    when matched then update set
      waiting = l.waiting - m.behind,
      next_id = case when l.next_id = any (m.ids) then 0 else l.next_id end`
}

/**
 * A worker has found an item whose product has moved to another set without a note of it: the item was being queued
 * when that happened. Usually other items queued at that time are affected too, so all of the old set are noted (noting
 * 1,100 of them one by one took more than a minute).
 */
export const noteMoved = (
  sql: Sql,
  { productId, productSetId }: { productId: string | null; productSetId: string },
) => sql`
  insert into shop_update.catalog_change (product_id, product_set_id, moved)
  select ${productId}::bigint, ${productSetId}::bigint, true
  union
  select i.product_id, i.product_set_id, true
  from shop_update.item i join catalog.product p on p.id = i.product_id
  where i.product_set_id = ${productSetId}::bigint and i.lane <> 'in_flight' and p.product_set_id <> i.product_set_id
  order by 1
  on conflict (product_id) where moved do nothing`
