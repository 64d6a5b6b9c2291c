import type { Sql } from '../database/database.ts'

/** Who acts by hand. */
export interface Actor {
  name: string
  /** As signed by Grafana, `user:1`: a name may pass to somebody else. Null for a caller that only has a key. */
  sub: string | null
}

/** Records who did what by hand. `detail` must not contain secrets. */
export async function audit(sql: Sql, actor: Actor, action: string, detail: Record<string, unknown>): Promise<void> {
  await sql`
    insert into shop_update.audit (actor, actor_sub, action, detail)
    values (${actor.name}::text, ${actor.sub}::text, ${action}::text, ${JSON.stringify(detail)}::text::jsonb)`
}
