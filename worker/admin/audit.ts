import type { Sql } from '../database/database.ts'

/** Who acts by hand. */
export interface Actor {
  name: string
  /** As Grafana has signed it, `user:1`: a name may be given to somebody else. Null for who has but a key. */
  sub: string | null
}

/** Notes who did what by hand. Secrets have no place in `detail`. */
export async function audit(sql: Sql, actor: Actor, action: string, detail: Record<string, unknown>): Promise<void> {
  await sql`
    insert into shop_update.audit (actor, actor_sub, action, detail)
    values (${actor.name}::text, ${actor.sub}::text, ${action}::text, ${JSON.stringify(detail)}::text::jsonb)`
}
