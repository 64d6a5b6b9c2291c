import { type Sql, transaction } from '../database/database.ts'
import type { PauseState } from '../domain/pause.ts'
import type { Topic } from '../domain/topics.ts'
import { isInForce } from '../queue/pauses.ts'
import { type Actor, audit } from './audit.ts'

/** A pause that a person has set (decision 26). Neither topic nor seller: everything. */
export interface Pause {
  id: string
  topic: Topic | null
  sellerId: string | null
  sellerName: string | null
  from: Date
  /** The planned end. */
  until: Date
  /** Whether it ends by itself then; else a person ends it. */
  endsItself: boolean
  reason: string
  createdAt: Date
  createdBy: string
  endedAt: Date | null
  /** Null: it ended by itself, or has not ended. */
  endedBy: string | null
  state: PauseState
}

export interface NewPause {
  topic: Topic | null
  sellerId: string | null
  /** Null: now. */
  from: string | null
  until: string
  endsItself: boolean
  reason: string
}

const ENDED_LISTED = 50

/** In force and planned ones, then those that ended last. */
export const readPauses = (sql: Sql): Promise<Pause[]> => sql<Pause[]>`
  select ${columns(sql)} from (
    (select * from shop_update.pause where ended_at is null)
    union all
    (select * from shop_update.pause where ended_at is not null order by ended_at desc limit ${ENDED_LISTED}::int)
  ) p left join catalog.seller r on r.id = p.seller_id
  order by p.ended_at desc nulls first, p.from_at, p.id`

/** Begins or plans a pause, and records who did. Workers stop claiming what it is about within two seconds. */
export async function createPause(sql: Sql, pause: NewPause, actor: Actor): Promise<Pause> {
  return transaction(sql, async (tx) => {
    const [row] = await tx<Pause[]>`
      with p as (
        insert into shop_update.pause (topic, seller_id, from_at, until_at, ends_itself, reason, created_by)
        values (
          ${pause.topic}::text::shop_update.topic,
          ${pause.sellerId}::bigint,
          greatest(${pause.from}::text::timestamptz, now()),
          ${pause.until}::text::timestamptz,
          ${pause.endsItself},
          ${pause.reason}::text,
          ${actor.name}::text)
        returning *
      )
      select ${columns(tx)} from p left join catalog.seller r on r.id = p.seller_id`
    await audit(tx, actor, 'pause', { id: row!.id, ...pause })
    await tx`select pg_notify('shop_update_pause', '')`
    return row!
  })
}

/** Ends a pause now, in force or planned. @returns null if it has ended, or there is none */
export async function endPause(sql: Sql, id: string, actor: Actor): Promise<Pause | null> {
  return transaction(sql, async (tx) => {
    const [row] = await tx<Pause[]>`
      with p as (
        update shop_update.pause p set ended_at = now(), ended_by = ${actor.name}::text
        where p.id = ${id}::bigint and p.ended_at is null and (p.until_at > now() or not p.ends_itself)
        returning *
      )
      select ${columns(tx)} from p left join catalog.seller r on r.id = p.seller_id`
    if (!row) return null
    await audit(tx, actor, 'pause_ended', { id, topic: row.topic, sellerId: row.sellerId })
    await tx`select pg_notify('shop_update_pause', '')`
    return row
  })
}

const columns = (sql: Sql) => sql`
  p.id,
  p.topic,
  p.seller_id as "sellerId",
  r.name as "sellerName",
  p.from_at as "from",
  p.until_at as "until",
  p.ends_itself as "endsItself",
  p.reason,
  p.created_at as "createdAt",
  p.created_by as "createdBy",
  p.ended_at as "endedAt",
  p.ended_by as "endedBy",
  case
    when ${isInForce(sql)} then 'in_force'
    when p.ended_at is null and p.from_at > now() then 'planned'
    else 'ended' end as state`
