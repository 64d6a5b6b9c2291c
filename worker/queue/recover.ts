import type { Sql } from '../database/database.ts'
import type { Adopted, Claim, Item } from '../domain/item.ts'
import type { Step } from '../domain/step.ts'
import { claimSteps, newCauses, statusCounts, touched } from './books.ts'
import { skuColumns, skusOf, stepColumns } from './skus.ts'

export interface Recovered {
  recovered: number
  steps: Step[]
  setsWaiting: string[]
  adopted: Adopted[]
}

/**
 * Recovers what a dead worker left (its heartbeat is older than `leaseSeconds`, or it has left), and what this worker
 * itself holds unknowingly (`orphans`: claims whose answer was lost with the connection). Decision 11:
 *
 * - No request made: back to Pending, in its old place.
 * - Request made, outcome unknown: a create is Blocked as `unknown_outcome`, because sending it again could create a
 *   second product. Anything else goes back to Pending and is sent again with a new request id.
 * - Answer stored: this worker goes on with it.
 *
 * A locked item (by a transaction whose `enqueue` met it just as it was claimed) is left for the next run: it must hold
 * up neither other items nor the leader's other duties.
 */
export async function recover(
  sql: Sql,
  workerId: string,
  leaseSeconds: number,
  orphans: readonly Claim[] | null,
): Promise<Recovered> {
  const lost = orphans
    ? sql`l.worker_id = ${workerId}::bigint and exists (
        select from unnest(
          ${orphans.map(({ id }) => id)}::bigint[],
          ${orphans.map(({ token }) => token)}::int[]
        ) o (id, token)
        left join shop_update.item i on i.id = o.id where o.id = l.item_id and coalesce(i.token, o.token) = o.token)`
    : sql`l.worker_id <> ${workerId}::bigint and not exists (select from shop_update.worker w
        where w.id = l.worker_id and w.heartbeat_at > now() - ${leaseSeconds}::double precision * interval '1 second')
      -- if the database's clock has jumped, every worker looks dead, this one too
      and exists (select from shop_update.worker me
        where me.id = ${workerId}::bigint
          and me.heartbeat_at > now() - ${leaseSeconds}::double precision / 2 * interval '1 second')`
  const rows = await sql<(Step & { lane: string; action: string | null })[]>`
    with lost as materialized (
      select l.product_set_id, l.item_id from shop_update.set_lane l
      where l.item_id is not null and ${lost} limit 2000
    ),
    free as materialized (
      select i.id from shop_update.item i
      where i.id = any (array(select item_id from lost)) and i.lane = 'in_flight'
      order by i.id for no key update skip locked
    ),
    moved as (
      update shop_update.item i
      set
        token = i.token + 1,
        status = case
          when i.status = 'response_processing' then i.status
          when i.status = 'made_request' and shop_update.creates(i.topic) then 'blocked'
          else 'pending' end,
        lane = case
          when i.status = 'response_processing' then i.lane
          when i.status = 'made_request' and shop_update.creates(i.topic) then 'blocked'
          else 'ready' end,
        reason = case
          when i.status = 'made_request' and shop_update.creates(i.topic) then 'unknown_outcome' end,
        message = case
          when i.status = 'made_request' and shop_update.creates(i.topic)
            then 'The worker stopped after the request had been made; '
              'whether the Shop created the product is not known.' end,
        cause_id = case
          when i.status = 'made_request' and shop_update.creates(i.topic)
            then shop_update.kept_cause('unknown_outcome', shop_update.method(i.topic), null, '') end,
        status_at = case
          when i.status = 'response_processing' then i.status_at
          else shop_update.later(i.status_at) end
      where i.id = any (array(select id from free)) and i.lane = 'in_flight'
      returning
        i.*,
        old.status as was,
        old.status_at as since,
        shop_update.method(i.topic) as cause_method,
        null::smallint as cause_http,
        '' as pattern
    ),
    freed as (
      merge into shop_update.set_lane l using (
          select lost.product_set_id, lost.item_id, m.lane
          from lost left join moved m on m.id = lost.item_id
          where m.id is not null
            or not exists (select from shop_update.item i where i.id = lost.item_id and i.lane = 'in_flight')
          order by 1) g
        on l.product_set_id = g.product_set_id and l.item_id = g.item_id
      when matched and g.lane = 'in_flight' then update set worker_id = ${workerId}::bigint
      when matched and l.waiting = 0 then delete
      -- back in its old place: it keeps its turn
      when matched then update set
        item_id = null,
        worker_id = null,
        next_id = case when g.lane = 'ready' then g.item_id else 0 end
      returning merge_action() as action, l.product_set_id, g.lane
    ),
    counted as (${statusCounts(sql, 'moved', sql`was`, sql`status`, { to: sql`cause_id` })}
    ),
    causes as (${newCauses(sql, 'moved')}
    ),
    told as (${touched(sql, 'moved')}
    ),
    noted as (
      insert into shop_update.step (item_id, at, from_status, to_status, seconds, reason)
      ${claimSteps(sql, 'moved')}
      union all
      select id, status_at, was, status, extract(epoch from status_at - since), coalesce(reason, 'worker_lost')
      from moved where was <> status
    )
    select
      m.lane,
      f.action,
      ${stepColumns(sql, 'm')},
      m.was as "from",
      m.status as "to",
      shop_update.micros(m.status_at) as at,
      date_part('epoch', m.status_at - m.since) as seconds,
      coalesce(m.reason, 'worker_lost') as reason,
      null as actor
    from moved m left join freed f on f.product_set_id = m.product_set_id ${skusOf(sql, 'm')}`
  const adopted = rows.filter(({ lane }) => lane === 'in_flight').map(({ itemId }) => itemId)
  return {
    recovered: rows.length,
    steps: rows.filter(({ from, to }) => from !== to),
    setsWaiting: rows
      .filter(({ lane, action }) => lane !== 'in_flight' && action === 'UPDATE')
      .map(({ productSetId }) => productSetId),
    adopted: adopted.length > 0 ? await readAdopted(sql, adopted) : [],
  }
}

async function readAdopted(sql: Sql, ids: readonly string[]): Promise<Adopted[]> {
  const rows = await sql<(Item & Omit<Adopted, 'item'>)[]>`
    select
      i.id,
      i.token,
      i.topic,
      i.seller_id as "sellerId",
      i.product_set_id as "productSetId",
      i.product_id as "productId",
      i.sends,
      i.failures,
      i.request_id::text as "requestId",
      i.trace_id as "previousTraceId",
      shop_update.micros(i.queued_at) as "queuedAt",
      shop_update.micros(i.status_at) as at,
      i.flow,
      ${skuColumns(sql)},
      r.body as request,
      a.http_status as "httpStatus",
      a.body
    from shop_update.item i
    join shop_update.request r on r.item_id = i.id and r.request_id = i.request_id
    join shop_update.answer a on a.item_id = i.id and a.request_id = i.request_id
    ${skusOf(sql, 'i')}
    where i.id = any (${ids}::bigint[])`
  return rows.map(({ request, httpStatus, body, flow, sellerSku, sku, ...item }) => ({
    item,
    request,
    httpStatus,
    body,
    flow,
    sellerSku,
    sku,
  }))
}

/** The claims that the database has for this worker, including those of items that no longer exist. */
export const heldClaims = (sql: Sql, workerId: string): Promise<Claim[]> => sql<Claim[]>`
  select l.item_id as id, coalesce(i.token, 0) as token
  from shop_update.set_lane l left join shop_update.item i on i.id = l.item_id
  where l.worker_id = ${workerId}::bigint and l.item_id is not null`
