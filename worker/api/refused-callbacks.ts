import type { Sql } from '../database/database.ts'
import type { RefusedFor } from '../domain/incident.ts'

/** How many addresses are kept, those refused last. */
const KEPT = 200
/** Of these the counts are kept until they are stored; a flood from more is told by the counter of callbacks alone. */
const WAITING = 1000
const STORE_EVERY_MS = 1000

/**
 * Stores who was refused and why, once a second in one statement: nobody waits for it, and a flood of strangers costs
 * no more than that. After an hour without a refusal an address counts anew.
 *
 * @param onError the statement failed; its counts are added to the next one
 */
export function noteRefusals(
  sql: Sql,
  onError: (error: unknown) => void,
): (remote: string | null, cause: RefusedFor | null, n: number) => void {
  const waiting = new Map<string, { cause: RefusedFor | null; n: number }>()
  let isPlanned = false

  function note(remote: string, cause: RefusedFor | null, n: number): void {
    const known = waiting.get(remote)
    if (known) Object.assign(known, { cause: cause ?? known.cause, n: known.n + n })
    else if (waiting.size < WAITING) waiting.set(remote, { cause, n })
    plan()
  }

  function plan(): void {
    if (isPlanned) return
    isPlanned = true
    setTimeout(() => void store(), STORE_EVERY_MS).unref()
  }

  async function store(): Promise<void> {
    const noted = [...waiting]
    const unread = noted.flatMap(([remote, { cause }]) => (cause === null ? [remote] : []))
    waiting.clear()
    try {
      await sql`
        insert into shop_update.refused_callback as r (remote, cause, n)
        select remote, coalesce(cause, 'both'), n from unnest(
          ${noted.map(([remote]) => remote)}::text[],
          ${noted.map(([, { cause }]) => cause)}::text[],
          ${noted.map(([, { n }]) => n)}::bigint[]) as noted (remote, cause, n)
        order by remote
        on conflict (remote) do update set
          -- one that is slowed down is refused unread: what is known of it stays
          cause = case when excluded.remote = any (${unread}::text[]) then r.cause else excluded.cause end,
          first_at = case when r.last_at < now() - interval '1 hour' then now() else r.first_at end,
          n = case when r.last_at < now() - interval '1 hour' then 0 else r.n end + excluded.n,
          last_at = now()`
      await sql`
        delete from shop_update.refused_callback where remote in (
          -- one with a valid key, or on the white list, is not pushed out by strangers
          select remote from shop_update.refused_callback
          order by cause = 'both', last_at desc, remote offset ${KEPT}::int for update skip locked)`
    } catch (error) {
      onError(error)
      for (const [remote, { cause, n }] of noted) note(remote, cause, n)
    }
    isPlanned = false
    if (waiting.size > 0) plan()
  }

  return (remote, cause, n) => {
    if (remote !== null) note(remote, cause, n)
  }
}
