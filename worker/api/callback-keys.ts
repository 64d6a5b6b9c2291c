import { createHash, timingSafeEqual } from 'node:crypto'
import { type AllowList, allowList } from '../allow-list.ts'
import type { Sql } from '../database/database.ts'

/** Who may call back: the system credential `bob_callback_server`, "Shop - Callback Server". */
export interface CallbackCredential {
  addresses: AllowList
  /**
   * Compares with every valid key in constant time, so that the duration reveals nothing about any key.
   *
   * @returns the hash of the matching key, for `noteUses`
   */
  accepts(key: string): Buffer | null
}

/** How a key is stored in `shop_update.system_credential.key_hashes`: SHA-256 of its UTF-8. */
export const keyHash = (key: string): Buffer => createHash('sha256').update(key, 'utf8').digest()

/**
 * Reads the credential at most once in `maxAgeMs`, however many requests come, so an admin's change takes effect that
 * much later. An older copy is never used, not even when the database is down: a withdrawn key must not come back to
 * life.
 *
 * @returns rejects with the error of the database
 */
export function callbackCredential(sql: Sql, maxAgeMs = 2_000): () => Promise<CallbackCredential> {
  let reading: Promise<CallbackCredential> | undefined
  let since = 0
  return () => {
    const now = performance.now()
    if (reading === undefined || now - since >= maxAgeMs) {
      since = now
      const mine = readCredential(sql)
      reading = mine
      mine.catch(() => {
        if (reading === mine) reading = undefined
      })
    }
    return reading
  }
}

async function readCredential(sql: Sql): Promise<CallbackCredential> {
  const [row] = await sql<{ allowedIps: string[]; keyHashes: Buffer[] }[]>`
    select allowed_ips as "allowedIps", key_hashes as "keyHashes"
    from shop_update.system_credential where name = 'bob_callback_server'`
  const hashes = (row?.keyHashes ?? []).filter(({ length }) => length === 32)
  return {
    addresses: allowList(row?.allowedIps ?? []),
    accepts(key) {
      const hash = keyHash(key)
      const matches = hashes.map((valid) => timingSafeEqual(valid, hash))
      return matches.includes(true) ? hash : null
    },
  }
}

const NOTE_EVERY_MS = 60_000

/**
 * Stores when a key was last used, at most once a minute. Nobody waits for it: a locked row is skipped, and a failed
 * write is logged and forgotten.
 */
export function noteUses(sql: Sql, onError: (error: unknown) => void): (hash: Buffer) => void {
  const noted = new Map<string, number>()
  return (hash) => {
    const key = hash.toString('hex')
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
