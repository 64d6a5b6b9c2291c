import { createHash, randomBytes } from 'node:crypto'
import { type Sql, transaction } from '../database/database.ts'
import { type Actor, audit } from './audit.ts'

/** "Shop - Callback Server": who may call back. The keys themselves are stored nowhere. */
export interface Credential {
  allowedIps: string[]
  /** The valid keys, newest first. */
  keys: CallbackKey[]
}

export interface CallbackKey {
  id: string
  setAt: Date
  setBy: string | null
  /** To within a minute; null: not used since this was recorded. */
  lastUsedAt: Date | null
}

export interface CredentialChange {
  allowedIps?: readonly string[] | undefined
  /** A new key; the previous one stays valid until the next, so that the Shop can change over. */
  apiKey?: string | undefined
  /** The id of a key that becomes invalid. */
  withdrawKey?: string | undefined
}

/** A key that nobody can guess, in characters that survive every form and header. */
export const newKey = (): string => randomBytes(32).toString('base64url')

/** The credential `bob_callback_server` as people may see it. */
export async function readCredential(sql: Sql): Promise<Credential> {
  const [row] = await sql<{ allowedIps: string[] }[]>`
    select allowed_ips as "allowedIps" from shop_update.system_credential where name = 'bob_callback_server'`
  const keys = await sql<CallbackKey[]>`
    select k.id, k.set_at as "setAt", k.set_by as "setBy", k.last_used_at as "lastUsedAt"
    from shop_update.system_credential c, unnest(c.key_hashes) with ordinality as valid (hash, place)
    join shop_update.callback_key k using (hash)
    where c.name = 'bob_callback_server' order by place`
  return { allowedIps: row?.allowedIps ?? [], keys }
}

/**
 * Changes the credential and records who did; of a key, only that it was replaced or withdrawn.
 *
 * @returns null if the key to withdraw is not valid anyway; then nothing has changed
 */
export async function writeCredential(
  sql: Sql,
  { allowedIps, apiKey, withdrawKey }: CredentialChange,
  actor: Actor,
): Promise<Credential | null> {
  return transaction(sql, async (tx) => {
    if (withdrawKey !== undefined && !(await withdraw(tx, withdrawKey, actor.name))) return null
    if (allowedIps || apiKey !== undefined) await write(tx, { allowedIps, apiKey }, actor.name)
    await audit(tx, actor, 'credential', {
      name: 'bob_callback_server',
      ...(allowedIps && { allowedIps }),
      keyReplaced: apiKey !== undefined,
      ...(withdrawKey !== undefined && { keyWithdrawn: withdrawKey }),
    })
    return readCredential(tx)
  })
}

/**
 * Stores the values of the environment if nobody has set any yet. Later changes by an admin stay.
 *
 * @param apiKey `CALLBACK_API_KEY`
 * @param allowedIps `CALLBACK_ALLOWED_IPS`
 */
export async function firstCredential(sql: Sql, apiKey: string | null, allowedIps: readonly string[]): Promise<void> {
  if (apiKey === null && allowedIps.length === 0) return
  await transaction(sql, async (tx) => {
    const [untouched] = await tx`
      select from shop_update.system_credential where name = 'bob_callback_server' and updated_by is null for update`
    if (untouched)
      await write(
        tx,
        { apiKey: apiKey ?? undefined, allowedIps: allowedIps.length > 0 ? allowedIps : undefined },
        'environment',
      )
  })
}

async function withdraw(sql: Sql, id: string, actor: string): Promise<boolean> {
  const withdrawn = await sql`
    update shop_update.system_credential c
    set
      key_hashes = array_remove(c.key_hashes, k.hash),
      updated_at = now(),
      updated_by = ${actor}::text,
      key_set_at = case when cardinality(c.key_hashes) > 1 then c.key_set_at end -- for a worker of the previous version
    from shop_update.callback_key k
    where c.name = 'bob_callback_server' and k.id = ${id}::bigint and k.hash = any (c.key_hashes)`
  return withdrawn.count === 1
}

async function write(sql: Sql, { allowedIps, apiKey }: CredentialChange, actor: string): Promise<void> {
  const digest = apiKey === undefined ? null : createHash('sha256').update(apiKey, 'utf8').digest('hex')
  await sql`
    insert into shop_update.system_credential as c (name, allowed_ips, key_hashes, key_set_at, updated_at, updated_by)
    values (
      'bob_callback_server',
      coalesce(${allowedIps ? [...allowedIps] : null}::text[], '{}'),
      case when ${digest}::text is null then '{}' else array[decode(${digest}::text, 'hex')] end,
      case when ${digest}::text is not null then now() end,
      now(),
      ${actor}::text)
    on conflict (name) do update set
      allowed_ips = coalesce(${allowedIps ? [...allowedIps] : null}::text[], c.allowed_ips),
      -- newest first, two at most, no key twice: setting the present key again withdraws nothing
      key_hashes = case
        when c.key_hashes[1] = excluded.key_hashes[1] then c.key_hashes
        else (excluded.key_hashes || c.key_hashes)[1:2] end,
      key_set_at = coalesce(excluded.key_set_at, c.key_set_at),
      updated_at = now(),
      updated_by = excluded.updated_by`
  if (digest !== null)
    await sql`
      update shop_update.callback_key set set_at = now(), set_by = ${actor}::text
      where hash = decode(${digest}::text, 'hex')`
}
