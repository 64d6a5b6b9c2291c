import { createHash, timingSafeEqual } from 'node:crypto'
import { type AllowList, allowList } from '../allow-list.ts'
import type { Sql } from '../database/database.ts'

/** Who may call back: the system credential `bob_callback_server`, "Shop - Callback Server". */
export interface CallbackCredential {
  addresses: AllowList
  /**
   * Compares with every valid key and in constant time, so that the time it takes tells nothing about any of them.
   *
   * @returns the hash of a key that is right, for `noteUses`
   */
  accepts(key: string): Buffer | null
}

/** The form in which a key is kept, in `shop_update.system_credential.key_hashes`: SHA-256 of its UTF-8. */
export const keyHash = (key: string): Buffer => createHash('sha256').update(key, 'utf8').digest()

/**
 * Reads the credential at most once in `maxAgeMs`, however many requests come: an admin's change is in force that much
 * later. An older one is never used, also not when the database is down: a key that has been withdrawn must not come
 * back to life.
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
 * Notes when a key was used last, once a minute at most. Nobody waits for that: a row that somebody else has in hand is
 * left alone, and a note that cannot be written is told and forgotten.
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
