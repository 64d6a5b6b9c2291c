import type { Sql } from '../database/database.ts'
import type { Incident } from '../domain/incident.ts'
import { scopeOf } from '../domain/pause.ts'
import type { Topic } from '../domain/topics.ts'
import { isInForce } from '../queue/pauses.ts'
import { readPace } from '../queue/shop-pace.ts'

/** A replica further behind than this shows what is no longer so. */
const BEHIND_SECONDS = 15
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
 * How it stands with the whole. What workers know of the Shop comes with their heartbeats, so it is some seconds old.
 *
 * @param leaseSeconds a worker that has been silent for longer counts as gone
 */
export async function readSituation(sql: Sql, leaseSeconds: number): Promise<Situation> {
  const [[shop], pace, pauses, counts] = await Promise.all([
    sql<
      {
        alive: number
        heardAt: Date | null
        awaySince: Date | null
        nextProbeAt: Date | null
        error: string | null
        answeredPerSecond: number
        replayedAt: Date | null
        behind: boolean
      }[]
    >`
      select
        count(*) filter (where is_alive)::int as alive,
        max(heartbeat_at) as "heardAt",
        min(shop_away_since) filter (where is_alive) as "awaySince",
        min(next_probe_at) filter (where is_alive) as "nextProbeAt",
        (array_agg(shop_error order by heartbeat_at desc) filter (where is_alive and shop_error is not null))[1]
          as error,
        coalesce(sum(calls_per_second) filter (where is_alive), 0)::float8 as "answeredPerSecond",
        pg_last_xact_replay_timestamp() as "replayedAt",
        coalesce(pg_is_in_recovery()
          and pg_last_xact_replay_timestamp() < now() - ${BEHIND_SECONDS}::int * interval '1 second', false) as behind
      from (
        select *, heartbeat_at > now() - ${leaseSeconds}::float8 * interval '1 second' as is_alive
        from shop_update.worker) w`,
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
    sql<{ topic: Topic; n: number }[]>`
      select topic, sum(n)::int as n from (
        select topic, n from shop_update.status_count where status = 'pending'
        union all
        select topic, n from shop_update.unfolded() where kind = 'status' and status = 'pending') c
      group by topic`,
  ])
  const pending = (topic: Topic | null) =>
    counts.reduce((sum, row) => sum + (topic === null || row.topic === topic ? row.n : 0), 0)
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
    pause: null,
    ...rest,
  })
  const { alive, heardAt, awaySince, nextProbeAt, error, answeredPerSecond, behind, replayedAt } = shop!
  const { busySince, waitUntil, perSecond } = pace
  // while nothing is sent nobody knows how it stands with the Shop
  const isSent = !pauses.some((pause) => scopeOf(pause) === 'everything')
  const incidents = [
    ...(alive === 0 ? [of('no_worker', heardAt)] : []),
    ...(isSent && awaySince ? [of('shop_away', awaySince, { nextAt: nextProbeAt, error })] : []),
    ...(isSent && busySince ? [of('shop_busy', busySince, { nextAt: waitUntil, perSecond })] : []),
    ...pauses.map(({ id, from, until, waiting, ...pause }) =>
      of('paused', from, { key: id, nextAt: until, waiting: waiting ?? pending(pause.topic), pause }),
    ),
    ...(behind ? [of('replica_behind', replayedAt, { waiting: null })] : []),
  ]
  return { incidents, pending: pending(null), perSecond: answeredPerSecond }
}
