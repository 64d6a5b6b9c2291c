import type { Sql } from '../database/database.ts'
import type { Flow } from '../domain/statuses.ts'

/**
 * Enters a worker process; its id is new with every start, so that nothing of a former process can be taken for its
 * own.
 */
export async function enterWorker(sql: Sql, name: string, flow: Flow): Promise<string> {
  const [row] = await sql<
    { id: string }[]
  >`insert into shop_update.worker (name, flow) values (${name}, ${flow}::shop_update.flow) returning id`
  return row!.id
}

/**
 * One heartbeat a process, not an item: all that it holds lives with it. A worker that was forgotten (frozen for a day)
 * enters again: without its row it would count as dead, and what it claims would be taken from it at once.
 *
 * @returns seconds since the one before by the clock of the database, whose own may have been set or stood still;
 * Infinity where there is none
 */
export async function heartbeat(
  sql: Sql,
  workerId: string,
  name: string,
  flow: Flow,
  state: 'running' | 'stopping',
  calls: { inFlight: number; limit: number },
): Promise<number> {
  const [row] = await sql<{ gap: number | null }[]>`
    insert into shop_update.worker (id, name, flow, state, calls, calls_limit) overriding system value
    values (${workerId}::bigint, ${name}, ${flow}::shop_update.flow, ${state},
      ${calls.inFlight}::int, ${calls.limit}::int)
    on conflict (id) do update set
      heartbeat_at = now(),
      flow = excluded.flow,
      state = excluded.state,
      calls = excluded.calls,
      calls_limit = excluded.calls_limit
    returning extract(epoch from new.heartbeat_at - old.heartbeat_at)::double precision as gap`
  return row?.gap ?? Number.POSITIVE_INFINITY
}

/** Says whether the worker looks for changes by itself: while all do, `enqueue` wakes nobody. */
export async function setAwake(sql: Sql, workerId: string, awake: boolean): Promise<void> {
  await sql`update shop_update.worker set awake = ${awake} where id = ${workerId}::bigint`
}

/**
 * A worker that leaves in order has nothing in flight; whatever it may still hold is recovered at once, for its row is
 * gone.
 */
export async function leaveWorker(sql: Sql, workerId: string): Promise<void> {
  await sql`with led as (delete from shop_update.leader where worker_id = ${workerId}::bigint)
    delete from shop_update.worker where id = ${workerId}::bigint`
}

/**
 * Takes or renews the leadership. A lease and not a session lock: it survives a broken connection and passes on by
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

/** Forgets workers that have not been heard of for a day. */
export async function forgetWorkers(sql: Sql): Promise<void> {
  await sql`delete from shop_update.worker where heartbeat_at < now() - interval '1 day'`
}
