import type { Sql } from '../database/database.ts'
import type { Flow } from '../domain/statuses.ts'

/**
 * Registers a worker process. Its id is new with every start, so that nothing of an earlier process can be taken for
 * its own.
 */
export async function enterWorker(sql: Sql, name: string, flow: Flow): Promise<string> {
  const [row] = await sql<
    { id: string }[]
  >`insert into shop_update.worker (name, flow) values (${name}, ${flow}::shop_update.flow) returning id`
  return row!.id
}

/** What a worker tells of its calls to the Shop. */
export interface ToldCalls {
  inFlight: number
  limit: number
  /** Answered. */
  perSecond: number
  /** Null: the Shop answers. */
  away: { forSeconds: number; nextProbeInSeconds: number; why: string } | null
}

/**
 * One heartbeat per process, not per item: everything that it holds depends on it. A worker that was forgotten (frozen
 * for a day) registers again: without its row it would count as dead, and its claims would be taken away at once.
 *
 * @returns seconds since the previous heartbeat by the database's clock, since the process's own may have been set or
 *   stood still; Infinity if there was none
 */
export async function heartbeat(
  sql: Sql,
  workerId: string,
  name: string,
  flow: Flow,
  state: 'running' | 'stopping',
  calls: ToldCalls,
): Promise<number> {
  const { away } = calls
  const [row] = await sql<{ gap: number | null }[]>`
    insert into shop_update.worker as w (
      id, name, flow, state, calls, calls_limit, calls_per_second, shop_away_since, next_probe_at, shop_error)
    overriding system value
    values (${workerId}::bigint, ${name}, ${flow}::shop_update.flow, ${state},
      ${calls.inFlight}::int, ${calls.limit}::int, ${calls.perSecond}::real,
      now() - ${away?.forSeconds ?? null}::float8 * interval '1 second',
      now() + ${away?.nextProbeInSeconds ?? null}::float8 * interval '1 second',
      ${away?.why ?? null}::text)
    on conflict (id) do update set
      heartbeat_at = now(),
      flow = excluded.flow,
      state = excluded.state,
      calls = excluded.calls,
      calls_limit = excluded.calls_limit,
      calls_per_second = excluded.calls_per_second,
      -- Measured anew each time, so it moves by some milliseconds: as long as it is about the same moment, the one told
      -- first stays.
      shop_away_since = case
        when abs(extract(epoch from excluded.shop_away_since - w.shop_away_since)) < 1 then w.shop_away_since
        else excluded.shop_away_since end,
      next_probe_at = excluded.next_probe_at,
      shop_error = excluded.shop_error
    returning extract(epoch from new.heartbeat_at - old.heartbeat_at)::double precision as gap`
  return row?.gap ?? Number.POSITIVE_INFINITY
}

/** Stores whether the worker looks for changes on its own: while all do, `enqueue` wakes nobody. */
export async function setAwake(sql: Sql, workerId: string, awake: boolean): Promise<void> {
  await sql`update shop_update.worker set awake = ${awake} where id = ${workerId}::bigint`
}

/**
 * A worker that stops cleanly has nothing in flight. Anything it still holds is recovered at once, because its row is
 * gone.
 */
export async function leaveWorker(sql: Sql, workerId: string): Promise<void> {
  await sql`with led as (delete from shop_update.leader where worker_id = ${workerId}::bigint)
    delete from shop_update.worker where id = ${workerId}::bigint`
}

/**
 * Takes or renews the leadership. It is a lease, not a session lock: it survives a broken connection and expires by
 * itself.
 *
 * @returns whether this worker leads for the next `seconds`
 */
export async function lead(sql: Sql, workerId: string, seconds: number): Promise<boolean> {
  const rows = await sql`
    insert into shop_update.leader as l (worker_id, until)
    values (${workerId}::bigint, now() + ${seconds}::double precision * interval '1 second')
    on conflict (one) do update set worker_id = excluded.worker_id, until = excluded.until
      where l.worker_id = excluded.worker_id or l.until < now()
    returning 1`
  return rows.length > 0
}

/** Deletes workers that have been silent for a day. */
export async function forgetWorkers(sql: Sql): Promise<void> {
  await sql`delete from shop_update.worker where heartbeat_at < now() - interval '1 day'`
}
