import type { Sql } from '../database/database.ts'
import type { Incident, IncidentKind } from '../domain/incident.ts'

export interface NotedIncident {
  kind: IncidentKind
  key: string
  since: Date
  /** Null: it has just begun. */
  endedAt: Date | null
}

/**
 * Notes which incidents there are now.
 *
 * @returns what has begun or ended since the last time
 */
export const noteIncidents = (sql: Sql, now: readonly Incident[]): Promise<NotedIncident[]> => sql<NotedIncident[]>`
  with seen as materialized (
    select kind, key, coalesce(since::timestamptz, now()) as since from unnest(
      ${now.map(({ kind }) => kind)}::text[],
      ${now.map(({ key }) => key)}::text[],
      ${now.map(({ since }) => since?.toISOString() ?? null)}::text[]
    ) seen (kind, key, since)
  ),
  ended as (
    update shop_update.incident i set ended_at = now()
    where i.ended_at is null and not exists (select from seen where seen.kind = i.kind and seen.key = i.key)
    returning i.kind, i.key, i.since, i.ended_at
  ),
  begun as (
    insert into shop_update.incident (kind, key, since) select kind, key, since from seen
    on conflict (kind, key) where ended_at is null do nothing
    returning kind, key, since, ended_at
  )
  select kind, key, since, ended_at as "endedAt" from ended
  union all
  select kind, key, since, ended_at from begun`

/** Deletes incidents that ended before the history begins. */
export async function forgetIncidents(sql: Sql, days: number): Promise<void> {
  await sql`delete from shop_update.incident where ended_at < now() - ${days}::int * interval '1 day'`
}
