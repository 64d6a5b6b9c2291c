import { type Sql, transaction } from '../database/database.ts'
import type { Flow } from '../domain/statuses.ts'
import { type Actor, audit } from './audit.ts'

export interface FlowSetting {
  wanted: Flow
  /** The live workers, each with the flow that it uses. */
  workers: { id: string; name: string; flow: Flow }[]
}

/** The wanted flow and the one that each worker uses; they differ for some seconds after a change (decision 9). */
export async function readFlowSetting(sql: Sql, leaseSeconds: number): Promise<FlowSetting> {
  const [row] = await sql<FlowSetting[]>`
    select
      coalesce((
        select value #>> '{}' from shop_update.setting where key = 'shop_update/flow'), 'synchronous') as wanted,
      coalesce((
        select json_agg(json_build_object('id', w.id::text, 'name', w.name, 'flow', w.flow) order by w.id)
        from shop_update.worker w
        where w.heartbeat_at > now() - ${leaseSeconds}::float8 * interval '1 second'), '[]') as workers`
  return row!
}

/** Sets the flow that workers are to use: `shop_update/flow`. */
export async function writeFlow(sql: Sql, flow: Flow, actor: Actor): Promise<void> {
  await transaction(sql, async (tx) => {
    const [was] = await tx<
      { flow: string }[]
    >`select value #>> '{}' as flow from shop_update.setting where key = 'shop_update/flow' for update`
    await tx`
      insert into shop_update.setting (key, value, updated_at, updated_by)
      values ('shop_update/flow', to_jsonb(${flow}::text), now(), ${actor.name}::text)
      on conflict (key) do update set
        value = excluded.value,
        updated_at = excluded.updated_at,
        updated_by = excluded.updated_by`
    await audit(tx, actor, 'flow', { from: was?.flow ?? null, to: flow })
  })
}
