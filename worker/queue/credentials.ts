import { createHash, randomBytes } from 'node:crypto'
import { audit } from './audit.ts'
import { type Sql, transaction } from './database.ts'

/** "Shop - Callback Server": who may call back. The keys themselves are nowhere. */
export interface Credential {
  allowedIps: string[]
  /** When the newest key was set; null: there is none. */
  apiKeySetAt: Date | null
}

export interface CredentialChange {
  allowedIps?: readonly string[] | undefined
  /** A new key; the one before stays valid until the next, so that the Shop can change over. */
  apiKey?: string | undefined
}

/** A key that nobody can guess, in characters that survive every form and header. */
export const newKey = (): string => randomBytes(32).toString('base64url')

/** The credential `bob_callback_server` as people may see it. */
export async function readCredential(sql: Sql): Promise<Credential> {
  const [row] = await sql<Credential[]>`
    select allowed_ips as "allowedIps", key_set_at as "apiKeySetAt" from shop_update.system_credential where name = 'bob_callback_server'`
  return row ?? { allowedIps: [], apiKeySetAt: null }
}

/** Changes the credential and notes who did; of a key only that it was replaced. */
export async function writeCredential(sql: Sql, { allowedIps, apiKey }: CredentialChange, actor: string): Promise<Credential> {
  return transaction(sql, async (tx) => {
    await write(tx, { allowedIps, apiKey }, actor)
    await audit(tx, actor, 'credential', {
      name: 'bob_callback_server',
      ...(allowedIps && { allowedIps }),
      keyReplaced: apiKey !== undefined,
    })
    return readCredential(tx)
  })
}

/**
 * Enters the values of the environment where nobody has set any yet. What an admin has changed since then stays.
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
      await write(tx, { apiKey: apiKey ?? undefined, allowedIps: allowedIps.length > 0 ? allowedIps : undefined }, 'environment')
  })
}

async function write(sql: Sql, { allowedIps, apiKey }: CredentialChange, actor: string): Promise<void> {
  const digest = apiKey === undefined ? null : createHash('sha256').update(apiKey, 'utf8').digest('hex')
  await sql`
    insert into shop_update.system_credential as c (name, allowed_ips, key_hashes, key_set_at, updated_at, updated_by)
    values ('bob_callback_server', coalesce(${allowedIps ? [...allowedIps] : null}::text[], '{}'),
      case when ${digest}::text is null then '{}' else array[decode(${digest}::text, 'hex')] end, case when ${digest}::text is not null then now() end,
      now(), ${actor}::text)
    on conflict (name) do update set
      allowed_ips = coalesce(${allowedIps ? [...allowedIps] : null}::text[], c.allowed_ips),
      -- the newest first, two at most, and no key twice: setting the present one again withdraws nothing
      key_hashes = case when c.key_hashes[1] = excluded.key_hashes[1] then c.key_hashes else (excluded.key_hashes || c.key_hashes)[1:2] end,
      key_set_at = coalesce(excluded.key_set_at, c.key_set_at), updated_at = now(), updated_by = excluded.updated_by`
}
