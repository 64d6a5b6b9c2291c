import type { Sql } from '../database/database.ts'

/** What all workers share about a Shop that has said "wait" (decision 21). */
export interface Pace {
  busySince: Date | null
  /** Nothing leaves until then; null once that is over. */
  waitUntil: Date | null
  /** Calls per second of all workers, now. */
  perSecond: number
  /** Changes each time the pace is cut. */
  cut: string
}

export interface Refusal {
  /** Seconds since the refused call left. */
  leftAgo: number
  /** The wait that the Shop asked for; null if it named no time. */
  waitSeconds: number | null
  /** What it took from this worker in the last second. */
  perSecond: number
}

/** After this long without another "wait" the Shop counts as taking calls again. */
export const BUSY_SECONDS = 60
/** At least one call leaves in this time; otherwise nobody would learn that the Shop takes calls again. */
const SLOWEST_SECONDS = 10
/** Where hardly anything had been sent, nobody knows what it takes: it is taken to take so many calls a second. */
const UNKNOWN_PER_SECOND = 5
/** A tenth of a second's worth may leave at once: one claim for several items, as with `SHOP_RATE_PER_SECOND`. */
const AT_ONCE_SECONDS = 0.1
/** The rate at which it said "wait" was slightly more than it takes. */
const SAID_SHARE = 0.95
/** If it says so again within a second, this share of its assumed rate is left. */
const AGAIN_SHARE = 0.75

/** If it says so again later, it is assumed to take at most this many times what was answered just then. */
const MOST_ANSWERED = 2

/**
 * A time of the row. A time further ahead than the longest wait means that a clock has been set back since, and would
 * stop all calls until then.
 */
const time = (sql: Sql, at: 'refused_at' | 'wait_until' | 'spent_until') =>
  sql`case when p.${sql(at)} <= clock_timestamp() + interval '1 hour' then p.${sql(at)} else 'epoch' end`
/** Counts from the later of the last "wait" and the end of the wait that it named. */
const sinceCut = (sql: Sql) => sql`clock_timestamp() - greatest(${time(sql, 'refused_at')}, ${time(sql, 'wait_until')})`
const rate = (sql: Sql) => sql`shop_update.pace(p.per_second, ${sinceCut(sql)})`

const paceColumns = (sql: Sql) => sql`
  p.busy_since as "busySince",
  case when ${time(sql, 'wait_until')} > clock_timestamp() then p.wait_until end as "waitUntil",
  ${rate(sql)} as "perSecond",
  (p.refused_at, p.wait_until)::text as cut`

export async function readPace(sql: Sql): Promise<Pace> {
  const [pace] = await sql<Pace[]>`select ${paceColumns(sql)} from shop_update.shop_pace p`
  return pace!
}

/**
 * The Shop has said "wait": the pace of all workers is halved, once for all calls that had left before. A wait time
 * that it names holds, whichever call it answers.
 *
 * @returns `began`: until now it took all calls
 */
export async function slowDown(
  sql: Sql,
  { leftAgo, waitSeconds, perSecond }: Refusal,
  leaseSeconds: number,
): Promise<Pace & { began: boolean }> {
  const [pace] = await sql<(Pace & { began: boolean })[]>`
    with p as materialized (select * from shop_update.shop_pace for update),
    answered as (
      select ${perSecond}::double precision * greatest(1, count(*)) as per_second from shop_update.worker
      where heartbeat_at > now() - ${leaseSeconds}::double precision * interval '1 second'
    ),
    said as (
      select
        p.busy_since is null as began,
        p.busy_since is null
          or ${time(sql, 'refused_at')} < clock_timestamp() - ${leftAgo}::double precision * interval '1 second'
          as cuts,
        greatest(1.0 / ${SLOWEST_SECONDS}::int, case
          when p.busy_since is null then greatest(${UNKNOWN_PER_SECOND}::int, answered.per_second)
          else greatest(
            -- the pace may have grown far beyond what there was to send
            least(
              ${SAID_SHARE}::double precision * ${rate(sql)},
              greatest(p.per_second, ${MOST_ANSWERED}::int * answered.per_second)),
            case when ${sinceCut(sql)} < interval '1 second' then ${AGAIN_SHARE}::double precision * p.per_second end)
          end) as per_second
      from p cross join answered
    )
    update shop_update.shop_pace p
    set
      busy_since = coalesce(p.busy_since, clock_timestamp()),
      refused_at = case when said.cuts then clock_timestamp() else p.refused_at end,
      per_second = case when said.cuts then said.per_second else p.per_second end,
      wait_until = greatest(
        ${time(sql, 'wait_until')},
        clock_timestamp() + ${waitSeconds}::double precision * interval '1 second')
    from said
    returning said.began, ${paceColumns(sql)}`
  await sql`select pg_notify('shop_update_pace', '')`
  return pace!
}

/**
 * Takes calls that may leave now, shared by all workers, in turn. While the Shop is busy, a worker asks before it
 * claims.
 *
 * @returns how many, and in how many seconds there is another one; `over`: the Shop takes all calls again
 */
export async function takeCalls(
  sql: Sql,
  most: number,
): Promise<{ calls: number; nextInSeconds: number; over: boolean }> {
  const [taken] = await sql<{ calls: number; nextInSeconds: number; over: boolean }[]>`
    with p as materialized (
      select p.*, ${rate(sql)} as rate from shop_update.shop_pace p for update
    ),
    there as (
      select
        p.rate,
        greatest(
          ${time(sql, 'spent_until')},
          ${time(sql, 'wait_until')},
          clock_timestamp() - greatest(${AT_ONCE_SECONDS}::double precision, 1 / nullif(p.rate, 0))
            * interval '1 second') as since
      from p where p.busy_since is not null
    ),
    given as (
      select rate, since, floor(least(${most}::int,
        greatest(0, extract(epoch from clock_timestamp() - since)) * rate + 1e-6))::int as calls
      from there
    ),
    spent as (
      update shop_update.shop_pace p set spent_until = g.since + g.calls / g.rate * interval '1 second'
      from given g where g.calls > 0
    )
    select
      coalesce(calls, 0) as calls,
      coalesce(greatest(0.01, extract(epoch from since - clock_timestamp()) + coalesce(1 / nullif(rate, 0), 0.05)), 0)
        ::double precision as "nextInSeconds",
      calls is null as over
    from (select) one left join given on true`
  return taken!
}

/**
 * Gives calls back that were taken and for which there was nothing to send. However many are given back, no more leave
 * at once than `takeCalls` lets; after a "wait" that came meanwhile they are lost.
 */
export async function giveCallsBack(sql: Sql, calls: number): Promise<void> {
  await sql`
    update shop_update.shop_pace p
    set spent_until = p.spent_until - ${calls}::int / ${rate(sql)} * interval '1 second'
    where p.busy_since is not null and ${rate(sql)} > 0`
}

/** @returns since when the Shop had been busy, if this statement ended it; otherwise null */
export async function endBusy(sql: Sql): Promise<Date | null> {
  const [ended] = await sql<{ since: Date }[]>`
    update shop_update.shop_pace p set busy_since = null
    where p.busy_since is not null and ${sinceCut(sql)} > ${BUSY_SECONDS}::int * interval '1 second'
    returning old.busy_since as since`
  if (!ended) return null
  await sql`select pg_notify('shop_update_pace', '')`
  return ended.since
}
