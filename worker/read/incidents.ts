import type { Sql } from '../database/database.ts'
import { IN_TIME } from '../domain/in-time.ts'
import type { Incident } from '../domain/incident.ts'
import { scopeOf } from '../domain/pause.ts'
import type { Topic } from '../domain/topics.ts'
import { isInForce } from '../queue/pauses.ts'
import { readPace } from '../queue/shop-pace.ts'
import { readUnanswered } from './unanswered.ts'

/** A replica further behind than this shows what is no longer so. */
const BEHIND_SECONDS = 15
/** A Shop that is refused calls again within minutes. */
const REFUSED_WITHIN_SECONDS = 900
const ADDRESSES_TOLD = 3
/**
 * The callbacks have stopped when so many items that were acknowledged since the last one have waited for longer than
 * is usual: one or two may be the Shop's own loss.
 */
const STOPPED_FROM = 5
/** Up to so many waiting items of a paused seller are counted. */
const COUNTED_UP_TO = 10_000

type PauseRow = NonNullable<Incident['pause']> & { id: string; from: Date; until: Date; waiting: number | null }

export interface Situation {
  /** What is wrong now, the most important first. */
  incidents: Incident[]
  /** Items that are Pending. */
  pending: number
  /** Calls of all workers that were answered in a second. */
  perSecond: number
}

/**
 * How it stands with the whole, from the primary: a replica that lags would miss heartbeats. What workers know of the
 * Shop comes with their heartbeats, so it is some seconds old.
 *
 * @param readSql what pages read, maybe a replica
 * @param leaseSeconds a worker that has been silent for longer counts as gone
 */
export async function readSituation(sql: Sql, readSql: Sql, leaseSeconds: number): Promise<Situation> {
  const [[shop], [replica], pace, pauses, refused, counts, [calledBack]] = await Promise.all([
    sql<
      {
        alive: number
        heardAt: Date | null
        awaySince: Date | null
        nextProbeAt: Date | null
        error: string | null
        answeredPerSecond: number
      }[]
    >`
      select
        count(*) filter (where is_alive)::int as alive,
        max(heartbeat_at) as "heardAt",
        -- as long as one worker reaches it, the Shop is there
        case when bool_and(shop_away_since is not null) filter (where is_alive)
          then max(shop_away_since) filter (where is_alive) end as "awaySince",
        min(next_probe_at) filter (where is_alive) as "nextProbeAt",
        (array_agg(shop_error order by heartbeat_at desc) filter (where is_alive and shop_error is not null))[1]
          as error,
        coalesce(sum(calls_per_second) filter (where is_alive), 0)::float8 as "answeredPerSecond"
      from (
        select *, heartbeat_at > now() - ${leaseSeconds}::float8 * interval '1 second' as is_alive
        from shop_update.worker) w`,
    readSql<{ behindSince: Date | null }[]>`
      select pg_last_xact_replay_timestamp() as "behindSince"
      where pg_is_in_recovery()
        and pg_last_xact_replay_timestamp() < now() - ${BEHIND_SECONDS}::int * interval '1 second'`,
    readPace(sql),
    sql<PauseRow[]>`
      select
        p.id,
        p.topic,
        p.seller_id as "sellerId",
        r.name as "sellerName",
        p.ends_itself as "endsItself",
        p.reason,
        p.from_at as "from",
        p.until_at as "until",
        case when p.seller_id is not null then (
          select count(*)::int from (
            select from shop_update.item i
            where i.lane = 'ready' and i.seller_id = p.seller_id limit ${COUNTED_UP_TO}::int) counted) end as waiting
      from shop_update.pause p left join catalog.seller r on r.id = p.seller_id
      where p.ended_at is null and ${isInForce(sql)}
      order by p.topic is null and p.seller_id is null desc, p.id`,
    sql<(NonNullable<Incident['refused']>[number] & { since: Date })[]>`
      select r.remote, r.cause, r.n::float8, r.first_at as since from shop_update.refused_callback r
      where r.last_at > now() - ${REFUSED_WITHIN_SECONDS}::int * interval '1 second'
        -- The Shop, not a stranger: its key is valid; or it comes from the white list, and no valid key has come from
        -- there since (uses are noted to the minute).
        and (r.cause = 'address' or r.cause = 'key' and not exists (
          select from shop_update.callback_key k where k.last_used_at > r.last_at - interval '1 minute'))
      order by r.cause, r.n desc, r.remote limit ${ADDRESSES_TOLD}::int`,
    sql<{ topic: Topic; status: 'pending' | 'got_acknowledgment'; n: number }[]>`
      select topic, status, sum(n)::int as n from (
        select topic, status, n from shop_update.status_count
        union all
        select topic, status, n from shop_update.unfolded() where kind = 'status') c
      where status in ('pending', 'got_acknowledgment') group by topic, status`,
    sql<{ lately: boolean }[]>`
      select at > now() - ${Math.min(...Object.values(IN_TIME))}::int * interval '1 second' is true as lately
      from shop_update.last_callback`,
  ])
  const count = (status: 'pending' | 'got_acknowledgment', topic: Topic | null) =>
    counts.reduce((sum, row) => sum + (row.status === status && (topic ?? row.topic) === row.topic ? row.n : 0), 0)
  const pending = (topic: Topic | null) => count('pending', topic)
  const acknowledged = count('got_acknowledgment', null)
  const of = (
    kind: Incident['kind'],
    since: Date | null,
    rest: Partial<Omit<Incident, 'kind' | 'since'>> = {},
  ): Incident => ({
    kind,
    key: '',
    since,
    waiting: pending(null),
    nextAt: null,
    error: null,
    perSecond: null,
    refused: null,
    pause: null,
    ...rest,
  })
  const { alive, heardAt, awaySince, nextProbeAt, error, answeredPerSecond } = shop!
  const { busySince, waitUntil, perSecond } = pace
  // while nothing is sent nobody knows how it stands with the Shop
  const isSent = !pauses.some((pause) => scopeOf(pause) === 'everything')
  // That they are refused, or that nobody takes them, says it already. As long as the last one
  // is young nothing that was acknowledged since is late.
  const mayHaveStopped = acknowledged > 0 && refused.length === 0 && alive > 0 && !calledBack?.lately
  const unanswered = mayHaveStopped ? await readUnanswered(sql) : null
  const sum = (of: 'items' | 'sinceLastCallback') => unanswered?.topics.reduce((n, each) => n + each[of], 0) ?? 0
  const incidents = [
    ...(alive === 0 ? [of('no_worker', heardAt)] : []),
    ...(isSent && awaySince ? [of('shop_away', awaySince, { nextAt: nextProbeAt, error })] : []),
    ...(isSent && busySince ? [of('shop_busy', busySince, { nextAt: waitUntil, perSecond })] : []),
    ...pauses.map(({ id, from, until, waiting, ...pause }) =>
      of('paused', from, { key: id, nextAt: until, waiting: waiting ?? pending(pause.topic), pause }),
    ),
    ...(refused.length > 0 && acknowledged > 0
      ? [
          of('callbacks_refused', new Date(Math.min(...refused.map(({ since }) => since.getTime()))), {
            waiting: acknowledged,
            refused: refused.map(({ since: _, ...each }) => each),
          }),
        ]
      : []),
    ...(sum('sinceLastCallback') >= STOPPED_FROM
      ? [of('callbacks_stopped', unanswered!.lastCallbackAt, { waiting: sum('items') })]
      : []),
    ...(replica ? [of('replica_behind', replica.behindSince, { waiting: null })] : []),
  ]
  return { incidents, pending: pending(null), perSecond: answeredPerSecond }
}
