import type { Sql } from '../database/database.ts'
import type { ClaimedItem } from '../domain/item.ts'
import type { Status } from '../domain/statuses.ts'
import type { Micros } from '../domain/step.ts'
import type { Topic } from '../domain/topics.ts'
import { statusCounts } from './books.ts'
import { createsInTheWay } from './coming.ts'
import { isHeld } from './held.ts'
import { NOTHING_PAUSED, type Paused } from './pauses.ts'

/** Where a quick claim looks, see `createFullLooks`. The next full claim finds whatever else is ready. */
export interface Quick {
  /**
   * What has been queued since this moment is new, as text: `now` of the first claim of the previous pass over all
   * sellers.
   */
  since: string
  /**
   * For each seller who may have older items: when the last item seen had been queued, as text; '-infinity': none was
   * seen.
   */
  marks: ReadonlyMap<string, string>
  /** Items that have become ready, however long ago they were queued. */
  turns: readonly string[]
}

/** A change that was queued this long ago has been committed, or its transaction is a long one. */
const NEW_SECONDS = 1

export interface Claimed {
  items: ClaimedItem[]
  /** How many it looked at. */
  candidates: number
  /** It skipped others that are worth another look soon. */
  passedOver: boolean
  /**
   * It has seen everything of the sellers after `afterSeller`: no seller had their whole share taken. (A seller to whom
   * an open transaction is adding a change is skipped until that ends.)
   */
  all: boolean
  /** The seller after whom to go on; '0', for the first one, when fewer than 200 were left. */
  next: string
  /**
   * The last seller from whom it took anything: the one after whom to go on if it took all it might. '0', for the first
   * one, when nobody is after him; null: from nobody.
   */
  last: string | null
  /** The visited sellers, each with a mark for the next quick claim; null: nothing is left. */
  marks: [seller: string, mark: string | null][]
  /** Items that are still ready although it has seen them. */
  again: string[]
  now: string
  /** PostgreSQL's time, without what else the process was doing. */
  milliseconds: number
}

/** How many sellers one claim visits. Finding the next seller is one index probe of about 2 us. */
const SELLERS_A_CLAIM = 200

/**
 * Takes up to `most` items: sellers in turn from the one after `afterSeller`, each seller's oldest items first, at most
 * one per product set.
 *
 * - Sellers with work are found by hopping through the index `item_ready`, so the cost depends on the sellers with
 *   work, not on the backlog. Each gets an equal share; the next claim hands out what one leaves.
 * - A product set is taken by its row in `set_lane`. If it is in flight already, or it is another item's turn, the
 *   candidate moves behind: out of the claim index, so that a set with ten thousand items is not rescanned each time.
 *   A set whose row is locked right now is skipped: no claim waits for another set's row.
 * - A Delayed or Failed item holds back later items of its set with the same topic, not those of other topics (decision
 *   7). An older item of the set that another worker is claiming right now holds back everything: that worker's claim
 *   will take the set.
 *
 * Nothing of a paused seller is looked at. An item of a paused topic moves out of the claim index too, to lane `paused`
 * (`resumePaused` brings it back): a seller's backlog of them is not walked over with each claim.
 *
 * A separate statement afterwards (`readCatalogue`) reads what the payload needs: this statement's snapshot may miss a
 * change that coalesced into the item just before the claim.
 *
 * @param quick null: a full claim
 * @param withMarks whether a quick claim may come next: finding `marks` and `again` takes a third of a millisecond
 * @param paused topics and sellers; while nothing is, the statement does not ask
 */
export async function claim(
  sql: Sql,
  workerId: string,
  most: number,
  afterSeller: string,
  quick: Quick | null = null,
  withMarks = true,
  { topics, sellerIds }: Pick<Paused, 'topics' | 'sellerIds'> = NOTHING_PAUSED,
): Promise<Claimed> {
  const ofThem = sellerIds.length > 0 ? sql`and i.seller_id <> all (${sellerIds}::bigint[])` : sql``
  const visited = sellerIds.length > 0 ? sql`visited` : sql`seller`
  const parked = topics.length > 0 ? sql`(select count(*)::int from parked)` : sql`0`
  const since = quick
    ? sql`${quick.since}::text::timestamptz - ${NEW_SECONDS}::int * interval '1 second'`
    : sql`'-infinity'::timestamptz`
  const isNew = quick ? sql`and i.queued_at >= ${since}` : sql``
  const rows = await sql<ClaimedRow[]>`
    with recursive hop (id, n) as (
      (select i.seller_id, 1 from shop_update.item i
        where i.lane = 'ready' and i.seller_id > ${afterSeller}::bigint ${isNew}
        order by i.seller_id limit 1)
      union all
      select next.seller_id, hop.n + 1
      from hop cross join lateral (
        select i.seller_id from shop_update.item i
        where i.lane = 'ready' and i.seller_id > hop.id ${isNew}
        order by i.seller_id limit 1) next
      where hop.n < ${SELLERS_A_CLAIM}::int
    ),
    ${visited} as ${
      quick
        ? sql`materialized (
      select id, min(since) as since from (
        select id, ${since} as since from hop
        union all
        select * from unnest(
          ${[...quick.marks.keys()]}::bigint[],
          ${[...quick.marks.values()]}::text[]::timestamptz[]
        ) m (id, since)
        where id > ${afterSeller}::bigint) s
      group by id order by id limit ${SELLERS_A_CLAIM}::int
    )`
        : sql`not materialized (select id, ${since} as since from hop)`
    },
    ${
      sellerIds.length > 0
        ? sql`seller as materialized (select * from visited where id <> all (${sellerIds}::bigint[])),`
        : sql``
    }
    share as materialized (select ceil(${most}::numeric / greatest(count(*), 1))::int as each from seller),
    ${
      quick
        ? sql`turn as materialized (
      select i.id, i.product_set_id, i.topic, i.seller_id, i.queued_at from shop_update.item i
      where i.id = any (${quick.turns}::bigint[]) and i.lane = 'ready' ${ofThem}
      order by i.id limit ${most}::int for update skip locked
    ),
    own as materialized (
      select o.*
      from seller cross join lateral (
        select i.id, i.product_set_id, i.topic, i.seller_id, i.queued_at from shop_update.item i
        where i.lane = 'ready' and i.seller_id = seller.id and i.queued_at >= seller.since
          and i.id <> all (${quick.turns}::bigint[])
        order by i.queued_at, i.id limit (select each from share) for update skip locked) o
      limit ${most}::int - (select count(*) from turn)
    ),
    candidate as materialized (
      select c.*, ${isHeld(sql, 'c')} as held
      from (select * from turn union all select * from own) c
    ),`
        : sql`candidate as materialized (
      select c.*, ${isHeld(sql, 'c')} as held
      from seller cross join lateral (
        select i.id, i.product_set_id, i.topic, i.seller_id, i.queued_at from shop_update.item i
        where i.lane = 'ready' and i.seller_id = seller.id
        order by i.queued_at, i.id limit (select each from share) for update skip locked) c
      limit ${most}::int
    ),`
    }
    ${
      topics.length > 0
        ? sql`parked as (
      update shop_update.item set lane = 'paused'
      where id = any (array(select id from candidate where topic = any (${topics}::text[]::shop_update.topic[])))
      returning id
    ),`
        : sql``
    }
    free as materialized (
      select product_set_id, next_id from shop_update.set_lane
      where product_set_id = any (array(select product_set_id from candidate)) for update skip locked
    ),
    ranked as materialized (
      select
        c.id,
        c.product_set_id,
        c.held,
        c.id is not distinct from l.next_id as its_turn,
        shop_update.creates(c.topic) as creates,
        count(*) over (partition by c.product_set_id) as of_set,
        row_number() over (partition by c.product_set_id order by
          c.held,
          (c.id = l.next_id) desc nulls last,
          shop_update.creates(c.topic) desc,
          c.id) as place
      from candidate c left join free l on l.product_set_id = c.product_set_id
      where (l.product_set_id is not null
        or not exists (select from shop_update.set_lane s where s.product_set_id = c.product_set_id offset 0))
        ${topics.length > 0 ? sql`and c.topic <> all (${topics}::text[]::shop_update.topic[])` : sql``}
    ),
    first as materialized (
      select
        r.id,
        r.product_set_id,
        r.of_set,
        r.held or (not r.its_turn and not r.creates and exists (
          select from shop_update.item e
          where e.lane = 'ready' and e.product_set_id = r.product_set_id and e.id < r.id
            and e.id not in (select id from candidate)
        )) as held
      from ranked r where r.place = 1
    ),
    lane as (
      insert into shop_update.set_lane as l (product_set_id, item_id, worker_id, waiting)
      select
        product_set_id,
        case when held then null else id end,
        case when held then null else ${workerId}::bigint end,
        of_set - case when held then 0 else 1 end
      from first order by product_set_id
      on conflict (product_set_id) do update set
        item_id = case
          when l.item_id is null and (l.next_id is null or l.next_id = excluded.item_id) then excluded.item_id
          else l.item_id end,
        worker_id = case
          when l.item_id is null and (l.next_id is null or l.next_id = excluded.item_id) then excluded.worker_id
          else l.worker_id end,
        next_id = case when l.item_id is null and l.next_id = excluded.item_id then null else l.next_id end,
        waiting = l.waiting + excluded.waiting + case
          when excluded.item_id is null or (l.item_id is null and (l.next_id is null or l.next_id = excluded.item_id))
            then 0
          else 1 end
      returning item_id
    ),
    taken as materialized (select ranked.id from lane join ranked on ranked.id = lane.item_id),
    behind as (
      update shop_update.item set lane = 'behind'
      where id = any (array(select id from ranked where id not in (select id from taken)))
    ),
    mine as (
      update shop_update.item i
      set
        status = 'processing',
        lane = 'in_flight',
        status_at = shop_update.later(i.status_at),
        token = i.token + 1,
        fresh = false,
        reason = null,
        message = null,
        cause_id = null,
        came_at = shop_update.later(i.status_at),
        came_from = i.status,
        came_seconds = extract(epoch from shop_update.later(i.status_at) - i.status_at)
      where i.id = any (array(select id from taken))
      returning
        i.id,
        i.token,
        i.topic,
        i.seller_id,
        i.product_set_id,
        i.product_id,
        i.sends,
        i.failures,
        i.queued_at,
        i.entered_at,
        i.trace_id,
        i.status_at,
        old.status as was,
        old.status_at as since,
        old.reason as was_reason,
        old.cause_id as was_cause,
        old.fresh as was_fresh,
        case when old.status = 'pending' and old.came_at = old.status_at then old.came_from end as coalesced_from,
        old.came_seconds as coalesced_after
    ),
    counted as (${statusCounts(sql, 'mine', sql`was`, sql`'processing'::shop_update.status`, { from: sql`was_cause` })}
    )
    select
      id,
      token,
      topic,
      seller_id as "sellerId",
      product_set_id as "productSetId",
      product_id as "productId",
      sends,
      failures,
      case when id is not null then nextval('shop_update.request_id')::text end as "requestId",
      ((extract(epoch from entered_at) * 1000000)::bigint)::text || '000' as "enteredAtNs",
      trace_id as "previousTraceId",
      exists (${createsInTheWay(sql, 'mine')}) as "variationComing",
      shop_update.micros(queued_at) as "queuedAt",
      shop_update.micros(status_at) as at,
      was,
      shop_update.micros(since) as since,
      was_reason as "wasReason",
      was_fresh as "wasFresh",
      -- the one step that only the next worker can report: an enqueue gave it a fresh cycle
      case when coalesced_from is not null then
        json_build_object('from', coalesced_from, 'seconds', coalesced_after) end as coalesced,
      (select count(*)::int from ranked) + ${parked} as candidates,
      (select count(*) from candidate) > (select count(*) from ranked) + ${parked} as "passedOver",
      (select count(*) from ranked ${quick ? sql`where id in (select id from own)` : sql``}) + ${parked}
          < (select each from share)
        and (select count(*) from ${visited}) < ${SELLERS_A_CLAIM}::int as all,
      (select case when count(*) < ${SELLERS_A_CLAIM}::int then 0 else max(id) end from ${visited}) as next,
      (select case
          when max(seller_id) = (select max(id) from seller)
            and (select count(*) from ${visited}) < ${SELLERS_A_CLAIM}::int then 0
          else max(seller_id) end
        from ${quick ? sql`own` : sql`candidate`}) as last,
      ${withMarks ? marksOf(sql, quick, most) : sql`null`} as marks,
      ${withMarks ? againOf(sql, quick, topics, ofThem) : sql`null`} as again,
      now()::text as now,
      date_part('epoch', clock_timestamp() - statement_timestamp()) * 1000 as milliseconds
    from (select) one left join mine on true`
  const items = rows.filter(({ id }) => id !== null)
  for (const item of items) {
    item.before = {
      status: item.was,
      since: item.since,
      reason: item.wasReason,
      fresh: item.wasFresh,
      coalesced: item.coalesced,
    }
  }
  const { candidates, passedOver, all, next, last, marks, again, now, milliseconds } = rows[0]!
  return { items, candidates, passedOver, all, next, last, marks: marks ?? [], again: again ?? [], now, milliseconds }
}

/** For each seller the last item taken, if the seller had their whole share, or the claim its limit. */
const marksOf = (sql: Sql, quick: Quick | null, most: number) => sql`(
        select json_agg(json_build_array(seller.id::text, case
          when c.n = (select each from share) or (select count(*) from candidate) = ${most}::int
            then coalesce(c.last, seller.since)::text end))
        from seller
        left join (
          select seller_id, count(*) as n, max(queued_at) as last
          from ${quick ? sql`own` : sql`candidate`} group by seller_id
        ) c on c.seller_id = seller.id)`

/** Candidates whose set is locked, and named items that are locked themselves. */
const againOf = (
  sql: Sql,
  quick: Quick | null,
  paused: readonly Topic[],
  ofThem: ReturnType<typeof marksOf>,
) => sql`array(
        select id from candidate where id not in (select id from ranked)
        ${paused.length > 0 ? sql`and id not in (select id from parked)` : sql``}
        ${
          quick
            ? sql`union all select i.id from shop_update.item i
          where i.id = any (${quick.turns}::bigint[]) and i.lane = 'ready' and i.id not in (select id from candidate)
            ${ofThem}`
            : sql``
        })`

type ClaimedRow = ClaimedItem &
  Omit<Claimed, 'items' | 'marks'> & {
    marks: Claimed['marks'] | null
    was: Status
    since: Micros
    wasReason: string | null
    wasFresh: boolean
    coalesced: { from: Status; seconds: number } | null
  }

export interface Woken {
  woken: string[]
  /** In how many seconds the next one is due; null: none is planned. */
  nextInSeconds: number | null
  /** Everything due before this, as text, has been woken; the next look may start here. */
  upTo: string
}

const MOST_A_WAKING = 2000

/**
 * Makes Delayed and Failed items claimable when their time has come; their status stays until a worker takes them.
 *
 * @param after skips what was due before, see `upTo`
 */
export async function wakeDue(sql: Sql, after = '-infinity'): Promise<Woken> {
  const [row] = await sql<Woken[]>`
    with due as (
      update shop_update.item set lane = 'ready'
      where id = any (array(
        select id from shop_update.item
        where lane = 'delayed' and run_at <= now()
          and run_at >= ${after}::text::timestamptz - ${NEW_SECONDS}::int * interval '1 second'
        order by run_at, id limit ${MOST_A_WAKING}::int for update skip locked))
      returning id, run_at
    )
    select array(select id from due) as woken,
      (select extract(epoch from min(run_at) - now())::double precision from shop_update.item
        where lane = 'delayed' and run_at > now() and run_at < 'infinity') as "nextInSeconds",
      (select case when count(*) < ${MOST_A_WAKING}::int then now() else max(run_at) end from due)::text as "upTo"`
  return row!
}
