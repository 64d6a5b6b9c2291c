import type { Sql } from './database.ts'

/** Notes who did what by hand. Secrets have no place in `detail`. */
export async function audit(sql: Sql, actor: string, action: string, detail: Record<string, unknown>): Promise<void> {
  await sql`insert into shop_update.audit (actor, action, detail) values (${actor}::text, ${action}::text, ${JSON.stringify(detail)}::text::jsonb)`
}
