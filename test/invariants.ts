import type { Sql } from '../worker/database/database.ts'
import type { Status } from '../worker/domain/statuses.ts'
import { isAllowed } from '../worker/domain/transitions.ts'

/**
 * What must be true of the queue and its history whenever no statement is running, whatever happened before. Chaos
 * checks it once everything is at rest, the model after each event.
 */

export interface KeptItem {
  id: string
  topic: string
  setId: string
  productId: string | null
  status: Status
  reason: string | null
  message: string | null
  /** Null: it has left the queue. */
  lane: string | null
  sends: number
  /** When it entered its status, in milliseconds. */
  at: number
}

export interface KeptStep {
  itemId: string
  at: number
  from: Status | null
  to: Status
  seconds: number | null
  reason: string | null
  actor: string | null
}

/** All items, in the queue and in the history. */
export const readItems = (sql: Sql) => sql<KeptItem[]>`
  select id, topic, product_set_id as "setId", product_id as "productId", status, reason, message, lane::text, sends,
    extract(epoch from status_at)::float8 * 1000 as at from shop_update.item
  union all
  select id, topic, product_set_id, product_id, status, reason, message, null, sends,
    extract(epoch from finished_at)::float8 * 1000 from shop_update.finished_item`

/** All steps, for each item in order of time. */
export const readSteps = (sql: Sql) => sql<KeptStep[]>`
  select item_id as "itemId", extract(epoch from at)::float8 * 1000 as at,
    from_status as "from", to_status as "to", seconds, reason, actor
  from shop_update.transition order by item_id, transition.at`

const LEAVES_AS_IT_IS = new Set<string | null>(['discarded', 'product_deleted'])

/** `seconds` has seven digits. */
const CLOSE_ENOUGH_MS = 10

/** Faults in an item's history: an illegal path, a gap, or an end that is not where the item is. */
export function historyFaults(item: KeptItem, steps: readonly KeptStep[]): string[] {
  const faults: string[] = []
  let status: Status | null = null
  let at = 0
  for (const step of inOrder(steps)) {
    if (step.from !== status) faults.push(`${step.from} -> ${step.to} after ${status}`)
    else if (!isAllowed(step.from, step.to)) faults.push(`${step.from} -> ${step.to} is no legal step`)
    else if (step.from === step.to && !LEAVES_AS_IT_IS.has(step.reason))
      faults.push(`${step.from} -> ${step.to} for ${step.reason}`)
    if (step.at < at) faults.push(`${step.to} is before ${status}`)
    if (step.from !== null && Math.abs((step.seconds ?? Number.NaN) * 1000 - (step.at - at)) > CLOSE_ENOUGH_MS)
      faults.push(`${step.from} -> ${step.to} says ${step.seconds} s, and it was ${(step.at - at) / 1000}`)
    status = step.to
    at = step.at
  }
  if (status !== item.status) faults.push(`the last step is to ${status}, and it is ${item.status}`)
  return faults
}

/** Steps of the same moment are ordered by status only. */
function inOrder(steps: readonly KeptStep[]): KeptStep[] {
  const left = [...steps]
  const ordered: KeptStep[] = []
  while (left.length > 0) {
    const status = ordered.at(-1)?.to ?? null
    const next = left.findIndex((step) => step.at === left[0]!.at && step.from === status)
    ordered.push(...left.splice(Math.max(0, next), 1))
  }
  return ordered
}

/** Counters that differ from a recount, and items without the cause that they must have, or with one. */
export async function countFaults(sql: Sql): Promise<string[]> {
  const rows = await sql<{ fault: string }[]>`
    with actual as (
      select topic, status, count(*)::int as n from shop_update.item group by topic, status
      union all select topic, status, count(*)::int from shop_update.finished_item
      where status = 'synced' and reason is distinct from 'product_deleted' group by topic, status
    ),
    counted as (
      select topic, status, sum(n)::int as n from (
        select topic, status, n from shop_update.status_count
        union all select topic, status, n from shop_update.unfolded() where kind = 'status') c
      group by topic, status
    )
    select format('%s, %s: counted %s, there are %s', topic, status, coalesce(c.n, 0), coalesce(a.n, 0)) as fault
    from counted c full join actual a using (topic, status) where coalesce(c.n, 0) <> coalesce(a.n, 0)
    union all
    select format('cause %s, %s: counted %s, there are %s', cause_id, status, coalesce(c.n, 0), coalesce(a.n, 0))
    from (
      select cause_id, status, sum(n)::int as n from (
        select cause_id, status, n from shop_update.cause_count
        union all
        select cause_id, status, n from shop_update.unfolded() where kind = 'status' and cause_id is not null) c
      group by 1, 2
    ) c
    full join (
      select cause_id, status, count(*)::int as n from shop_update.item where cause_id is not null group by 1, 2
    ) a using (cause_id, status)
    where coalesce(c.n, 0) <> coalesce(a.n, 0)
    union all
    select format('item %s is %s as %s, and has %s', id, status, reason, coalesce('cause ' || cause_id, 'no cause'))
    from shop_update.item
    where (cause_id is not null) <> (status = 'blocked' or coalesce(reason = 'failure', false))
    union all
    select format('%s deltas lie behind what is said to be folded', count(*)) from shop_update.delta
    where xact < shop_update.folded_up_to() having count(*) > 0`
  return rows.map(({ fault }) => fault)
}

/** Products that stand otherwise than is published, and nobody has noted it for the leader. */
export async function feedbackFaults(sql: Sql): Promise<string[]> {
  const rows = await sql<{ fault: string }[]>`
    with noted as materialized (
      select t.product_id as id from shop_update.touched t where t.product_id is not null
      union
      select p.id from shop_update.touched t join catalog.product p on p.product_set_id = t.product_set_id
      where t.product_id is null and t.seller_id is null
      union
      select p.id
      from shop_update.touched t
      join catalog.product_set s on s.seller_id = t.seller_id and s.id > t.product_set_id
      join catalog.product p on p.product_set_id = s.id
    )
    select format('product %s is %s (%s), and published as %s (%s)',
      coalesce(s.product_id, f.product_id), coalesce(s.state, 'deleted'), s.who_acts, f.state, f.who_acts) as fault
    from shop_update.product_state s
    full join (select * from shop_update.feedback where not deleted) f on f.product_id = s.product_id
    where (s.state, s.who_acts) is distinct from (f.state, f.who_acts)
      and coalesce(s.product_id, f.product_id) not in (select id from noted)`
  return rows.map(({ fault }) => fault)
}

/** Runs that do not end, and numbers of runs that differ from their items. */
export async function runFaults(sql: Sql): Promise<string[]> {
  const rows = await sql<{ fault: string }[]>`
    select format('run %s has not ended', id) as fault from shop_update.run where state = 'running'
    union all
    select format('run %s: %s of it are counted as %s, there are %s', r.id, n.what, n.counted, n.listed)
    from shop_update.run r
    cross join lateral (
      select
        count(*) filter (where i.result = 'taken') as taken,
        count(*) filter (where i.result <> 'taken') as skipped,
        count(*) filter (where i.outcome = 'synced') as synced, count(*) filter (where i.outcome = 'ended') as ended
      from shop_update.run_item i where i.run_id = r.id) l
    cross join lateral (values
      ('taken', coalesce((r.result ->> 'taken')::int, 0), l.taken),
      ('skipped', coalesce((r.result ->> 'skippedTotal')::int, 0), l.skipped),
      ('synced', coalesce((r.outcome ->> 'synced')::int, 0), l.synced),
      ('ended', coalesce((r.outcome ->> 'ended')::int, 0), l.ended)) n (what, counted, listed)
    where n.counted <> n.listed`
  return rows.map(({ fault }) => fault)
}

/** Disagreements between `set_lane` and the items: at most one of a set in flight, and the items behind it. */
export async function laneFaults(sql: Sql): Promise<string[]> {
  const rows = await sql<{ fault: string }[]>`
    select format('set %s: %s are said to wait, %s do', l.product_set_id, l.waiting, count(i.id)) as fault
    from shop_update.set_lane l
    left join shop_update.item i on i.product_set_id = l.product_set_id and i.lane = 'behind'
    group by l.product_set_id having l.waiting <> count(i.id)
    union all
    select format('set %s: item %s is said to be in flight, and is %s of set %s',
      l.product_set_id, l.item_id, coalesce(i.lane::text, 'gone'), i.product_set_id)
    from shop_update.set_lane l left join shop_update.item i on i.id = l.item_id
    where l.item_id is not null and (i.lane is distinct from 'in_flight' or i.product_set_id <> l.product_set_id)
    union all
    select format('set %s: item %s in flight of worker %s', product_set_id, item_id, worker_id)
    from shop_update.set_lane where (item_id is null) <> (worker_id is null)
    union all
    select format('item %s is in flight, and its set %s does not know', i.id, i.product_set_id)
    from shop_update.item i
    where i.lane = 'in_flight' and not exists (select from shop_update.set_lane l where l.item_id = i.id)
    union all
    select format('item %s is behind in set %s, which has no row', i.id, i.product_set_id)
    from shop_update.item i where i.lane = 'behind'
      and not exists (select from shop_update.set_lane l where l.product_set_id = i.product_set_id)
    union all
    select format('item %s is %s in lane %s', id, status, lane)
    from shop_update.item where not case lane
      when 'ready' then status in ('pending', 'delayed', 'failed')
      when 'behind' then status in ('pending', 'delayed', 'failed')
      when 'in_flight' then status in ('processing', 'made_request', 'response_processing')
      when 'awaiting' then status = 'got_acknowledgment'
      when 'delayed' then status in ('delayed', 'failed')
        or status = 'pending' and reason in ('shop_busy', 'product_moved')
      when 'blocked' then status = 'blocked' end`
  return rows.map(({ fault }) => fault)
}
