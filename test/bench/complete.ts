import { type Sql, transaction } from '../../worker/database/database.ts'
import { PATHS } from '../paths.ts'

/** The steps of more items would not be sorted in memory. */
const AT_A_TIME = 250_000

export interface Complete {
  /** Attempts that ended in a failure. */
  failedCalls: number
  /** Items that are Synced. */
  done: number
  /** In words. */
  missing: string[]
}

type Counted = Record<'done' | 'failed' | 'steps' | 'calls' | 'callbacks' | 'products', number>

/**
 * A figure counts only if the work is complete: for each Synced item the history has every status, each call has its
 * request and its answer, in the asynchronous flow a callback too, and the product has what the Shop answered. Items
 * with a negative id are ignored: a benchmark wrote them as history.
 *
 * @throws with what is missing
 */
export async function checkComplete(sql: Sql, items: number): Promise<Complete> {
  const complete = await transaction(sql, async (tx) => {
    await tx`set local statement_timeout = 0`
    await tx`set local work_mem = '256MB'`
    return readComplete(tx, items)
  })
  if (complete.missing.length > 0)
    throw new Error(`The figure does not count: of ${items} items ${complete.missing.join(', ')}.`)
  return complete
}

export async function readComplete(sql: Sql, items: number): Promise<Complete> {
  const [{ last }] = await sql<[{ last: number }]>`
    select coalesce(max(id), 0)::float8 as last from shop_update.finished_item`
  const sums: Counted = { done: 0, failed: 0, steps: 0, calls: 0, callbacks: 0, products: 0 }
  for (let from = 1; from <= last; from += AT_A_TIME) {
    const row = await readRange(sql, from, from + AT_A_TIME - 1)
    for (const name of Object.keys(sums) as (keyof Counted)[]) sums[name] += row[name]
  }
  const { done, failed, steps, calls, callbacks, products } = sums
  const missing = [
    done < items && `${items - done} items are not Synced`,
    steps > 0 && `${steps} have a gap in their history`,
    calls > 0 && `${calls} have not as many requests and answers as they were sent`,
    callbacks > 0 && `${callbacks} have no callback`,
    products > 0 && `${products} were not written back`,
  ].filter((fault) => fault !== false)
  return { failedCalls: failed, done, missing }
}

/** Items with these ids. */
async function readRange(sql: Sql, from: number, to: number): Promise<Counted> {
  const between = sql`between ${from}::bigint and ${to}::bigint`
  const [row] = await sql<Counted[]>`
    with done as materialized (
      select id, product_id, sends, flow from shop_update.finished_item where id ${between} and status = 'synced'
    ),
    path as materialized (
      select item_id, array_agg(to_status) as through
      from shop_update.transition where item_id ${between} group by item_id
    ),
    asked as materialized (
      select item_id, count(*) as n from shop_update.request where item_id ${between} group by item_id
    ),
    answered as materialized (
      select
        item_id,
        count(*) as n,
        count(*) filter (where outcome not in ('success', 'acknowledged', 'busy')) as failed
      from shop_update.answer where item_id ${between} group by item_id
    ),
    called_back as materialized (
      select distinct item_id from shop_update.callback
      where item_id ${between} and outcome = 'accepted' and applied_at is not null
    )
    select
      count(*)::int as done,
      coalesce(sum(w.failed), 0)::int as failed,
      count(*) filter (where h.through is null or not h.through @> case d.flow
        when 'asynchronous' then ${PATHS.asynchronous}::text[]::shop_update.status[]
        else ${PATHS.synchronous}::text[]::shop_update.status[] end)::int as steps,
      -- a written request that was not sent is one more
      count(*) filter (where coalesce(q.n, 0) < d.sends or w.n is distinct from d.sends)::int as calls,
      count(*) filter (where d.flow = 'asynchronous' and b.item_id is null)::int as callbacks,
      count(*) filter (where p.src_updated_at is null)::int as products
    from done d
    left join path h on h.item_id = d.id
    left join asked q on q.item_id = d.id
    left join answered w on w.item_id = d.id
    left join called_back b on b.item_id = d.id
    left join catalog.product p on p.id = d.product_id`
  return row!
}
