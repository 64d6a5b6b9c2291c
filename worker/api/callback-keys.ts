import { hash, timingSafeEqual } from 'node:crypto'
import { type AllowList, allowList } from '../allow-list.ts'
import type { Sql } from '../database/database.ts'

/** Who may call back: the system credential `bob_callback_server`, "Shop - Callback Server". */
export interface CallbackCredential {
  addresses: AllowList
  /**
   * Compares with every valid key in constant time, so that the duration reveals nothing about any key.
   *
   * @returns the hash of the matching key in hex, for `noteUses`
   */
  accepts(key: string): string | null
}

/** How a key is stored in `shop_update.system_credential.key_hashes`: SHA-256 of its UTF-8. */
export const keyHash = (key: string): Buffer => hash('sha256', key, 'buffer')

/**
 * Reads the credential at most once in `maxAgeMs`, however many requests come, so an admin's change takes effect that
 * much later. An older copy is never used, not even when the database is down: a withdrawn key must not come back to
 * life.
 *
 * @returns the copy, or a promise that rejects with the error of the database
 */
export function callbackCredential(sql: Sql, maxAgeMs = 2_000): () => CallbackCredential | Promise<CallbackCredential> {
  let copy: CallbackCredential | Promise<CallbackCredential> | undefined
  let since = 0
  return () => {
    const now = performance.now()
    if (copy === undefined || now - since >= maxAgeMs) {
      since = now
      const mine = readCredential(sql)
      copy = mine
      const becomes = (read: CallbackCredential | undefined) => {
        if (copy === mine) copy = read
      }
      mine.then(becomes, () => becomes(undefined))
    }
    return copy
  }
}

async function readCredential(sql: Sql): Promise<CallbackCredential> {
  const [row] = await sql<{ allowedIps: string[]; keyHashes: Buffer[] }[]>`
    select allowed_ips as "allowedIps", key_hashes as "keyHashes"
    from shop_update.system_credential where name = 'bob_callback_server'`
  const valid = (row?.keyHashes ?? [])
    .filter(({ length }) => length === 32)
    .map((bytes) => ({ bytes, hex: bytes.toString('hex') }))
  return {
    addresses: allowList(row?.allowedIps ?? []),
    accepts(key) {
      const given = keyHash(key)
      const matches = valid.map(({ bytes }) => timingSafeEqual(bytes, given))
      return valid[matches.indexOf(true)]?.hex ?? null
    },
  }
}

const NOTE_EVERY_MS = 60_000

/**
 * Stores when a key was last used, at most once a minute. Nobody waits for it: a locked row is skipped, and a failed
 * write is logged and forgotten.
 */
export function noteUses(sql: Sql, onError: (error: unknown) => void): (hash: string) => void {
  const noted = new Map<string, number>()
  return (key) => {
    const now = performance.now()
    if (now - (noted.get(key) ?? Number.NEGATIVE_INFINITY) < NOTE_EVERY_MS) return
    noted.set(key, now)
    sql`
      update shop_update.callback_key set last_used_at = now()
      where id = (
        select id from shop_update.callback_key where hash = decode(${key}::text, 'hex') for update skip locked)`.catch(
      onError,
    )
  }
}
