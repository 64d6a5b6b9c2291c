import type { Sql } from '../database/database.ts'
import { STATUS_NAMES, type Status } from '../domain/statuses.ts'
import { inParts, partTimes, queueTimes, shareOf, WINDOW_NAMES, WINDOWS, type Window } from '../domain/windows.ts'

export interface Charts {
  /** How many items had each status, on average from each time on; null while nobody counted. */
  queue: { times: Date[]; byStatus: { status: Status; counts: (number | null)[] }[] }
  /** What was queued from each time on, and how much of that is Synced by now. */
  synced: { times: Date[]; queued: number[]; synced: number[] }
  /** The calls to the Shop from each time on. */
  calls: { times: Date[]; successful: number[]; failed: number[] }
  /** Of each window the share that is Synced by now of what was queued in each of its parts. */
  shares: Record<Window, (number | null)[]>
}

/** What the charts of a window show, from roll-ups: the cost does not grow with the queue, nor with its history. */
export async function readCharts(sql: Sql, window: Window): Promise<Charts> {
  const { end, now } = await readClock(sql)
  const [queue, hours, calls] = await Promise.all([
    readQueue(sql, window, end),
    readHours(sql, end),
    readCalls(sql, window, end),
  ])
  const queued = (of: Window) =>
    inParts(
      of,
      hours.map(({ hoursAgo, queued: n }) => ({ hoursAgo, n })),
    )
  const synced = (of: Window) =>
    inParts(
      of,
      hours.map(({ hoursAgo, synced: n }) => ({ hoursAgo, n })),
    )
  const times = queueTimes(window, end, now)
  const measured = new Map(queue.map(({ place, counts }) => [place, counts]))
  return {
    queue: {
      times,
      byStatus: STATUS_NAMES.filter((status) => status !== 'synced').map((status) => ({
        status,
        counts: times.map((_, place) => {
          const counts = measured.get(place)
          return counts === undefined ? null : (counts[status] ?? 0)
        }),
      })),
    },
    synced: { times: partTimes(window, end), queued: queued(window), synced: synced(window) },
    calls: {
      times: partTimes(window, end),
      successful: inParts(
        window,
        calls.map(({ hoursAgo, successful: n }) => ({ hoursAgo, n })),
      ),
      failed: inParts(
        window,
        calls.map(({ hoursAgo, failed: n }) => ({ hoursAgo, n })),
      ),
    },
    shares: Object.fromEntries(
      WINDOW_NAMES.map((name) => {
        const of = queued(name)
        return [name, synced(name).map((n, place) => shareOf(n, of[place]!))]
      }),
    ) as Record<Window, (number | null)[]>,
  }
}

/** By the database's clock, which the roll-ups go by. */
async function readClock(sql: Sql): Promise<{ end: Date; now: Date }> {
  const [row] = await sql<{ end: Date; now: Date }[]>`
    select date_trunc('hour', now(), 'UTC') + interval '1 hour' as end, now() as now`
  return row!
}

/**
 * Beyond a day, of each hour only its first snapshot is read: a quarter has 26,000 of them, and one of twelve shows the
 * same.
 */
const readQueue = (sql: Sql, window: Window, end: Date) => sql<{ place: number; counts: Record<string, number> }[]>`
  with snapshot as materialized (
    select slot, floor(extract(epoch from slot - ${since(window, end)}::timestamptz)
      / (60 * ${WINDOWS[window].queueMinutes}::int))::int as place
    from shop_update.queue_snapshot
    where slot >= ${since(window, end)}::timestamptz
      ${window === '24h' ? sql`` : sql`and slot = date_trunc('hour', slot, 'UTC')`}
  ),
  measured as (select place, count(*) as snapshots from snapshot group by place),
  counted as (
    select s.place, c.status, sum(c.n) as n
    from snapshot s join shop_update.queue_snapshot_count c on c.slot = s.slot group by 1, 2
  )
  select
    m.place,
    coalesce(json_object_agg(c.status, round(c.n / m.snapshots)::float8) filter (where c.status is not null), '{}')
      as counts
  from measured m left join counted c on c.place = m.place group by m.place`

interface Hour {
  hoursAgo: number
  queued: number
  synced: number
}
/** Of a whole quarter, because each window has its line: 2,160 rows. */
const readHours = (sql: Sql, end: Date) => sql<Hour[]>`
  select
    (extract(epoch from ${end.toISOString()}::timestamptz - hour) / 3600)::int - 1 as "hoursAgo",
    coalesce(sum(n) filter (where bucket = -1), 0)::float8 as queued,
    coalesce(sum(n) filter (where bucket >= 0), 0)::float8 as synced
  from (
    select hour, bucket, n from shop_update.kpi_hour where hour >= ${since('90d', end)}::timestamptz
    union all
    select slot, coalesce(bucket, -1)::smallint, n from shop_update.unfolded()
    where kind in ('queued', 'synced') and slot >= ${since('90d', end)}::timestamptz
  ) each group by hour`

const readCalls = (sql: Sql, window: Window, end: Date) => sql<
  { hoursAgo: number; successful: number; failed: number }[]
>`
  select
    (extract(epoch from ${end.toISOString()}::timestamptz - slot) / 3600)::int - 1 as "hoursAgo",
    coalesce(sum(calls) filter (where successful), 0)::float8 as successful,
    coalesce(sum(calls) filter (where not successful), 0)::float8 as failed
  from shop_update.call_durations where grain = '1h' and slot >= ${since(window, end)}::timestamptz group by slot`

const since = (window: Window, end: Date): string =>
  new Date(end.getTime() - WINDOWS[window].hours * 3_600_000).toISOString()
