import type { Sql } from '../database/database.ts'
import { type Pace, readPace } from '../queue/shop-pace.ts'

/** How it stands with the Shop: what all living workers have on their way, and whether it says "wait". */
export interface ShopState {
  calls: number
  limit: number
  busy: (Pick<Pace, 'waitUntil' | 'perSecond'> & { since: Date }) | null
}

/** Calls are those of the last heartbeats. */
export async function readShop(sql: Sql, leaseSeconds: number): Promise<ShopState> {
  const [[row], { busySince, waitUntil, perSecond }] = await Promise.all([
    sql<{ calls: number; limit: number }[]>`
      select coalesce(sum(calls), 0)::int as calls, coalesce(sum(calls_limit), 0)::int as "limit"
      from shop_update.worker
      where heartbeat_at > now() - ${leaseSeconds}::float8 * interval '1 second'`,
    readPace(sql),
  ])
  return { ...row!, busy: busySince && { since: busySince, waitUntil, perSecond } }
}
