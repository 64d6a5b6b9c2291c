import { setTimeout as delay } from 'node:timers/promises'
import { isLocked, isTransient, type Sql } from '../database/database.ts'
import type { Claim, Exchange, Item } from '../domain/item.ts'
import { groupCommit } from '../queue/group-commit.ts'
import { lockedItems } from '../queue/locked.ts'

/** The pause before asking again for a locked row. */
export const LOCKED_RETRY_MS = 500

/**
 * For what must be read or written while the Shop's answer is in hand: repeats until the database, or the holder of a
 * lock, permits it. Giving up would create the row a second time.
 */
export async function untilPossible<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isTransient(error) && !isLocked(error)) throw error
      await delay(LOCKED_RETRY_MS)
    }
  }
}

/**
 * Statements identify their rows by item. A worker that was frozen may have two claims of one item, and each goes into
 * its own statement; otherwise the result of one would be reported for the other.
 */
export const oneClaimAnItem =
  <Entry extends { item: Claim }, Result>(write: (entries: Entry[]) => Promise<Result[]>) =>
  async (entries: Entry[]): Promise<Result[]> => {
    const lastOf = new Map(entries.map((entry) => [entry.item.id, entry]))
    if (lastOf.size === entries.length) return write(entries)
    const isLast = (entry: Entry) => lastOf.get(entry.item.id) === entry
    const last = await write([...lastOf.values()])
    const others = await oneClaimAnItem(write)(entries.filter((entry) => !isLast(entry)))
    const places = new Map([...lastOf.keys()].map((id, place) => [id, place]))
    return entries.map((entry) => (isLast(entry) ? last[places.get(entry.item.id)!] : others.shift()) as Result)
  }

const HELD = Symbol('held by somebody else')

/**
 * A group commit whose entries leave the group if their item is locked, and are written alone once it is free. No
 * transaction should lock an item in flight, but one may: an `enqueue` that met the item just as it was claimed holds
 * its row until it commits.
 */
export function aloneWhenLocked<Entry extends { item: Item; body?: string; exchange?: Exchange | null }, Result>(
  sql: Sql,
  write: (entries: Entry[]) => Promise<Result[]>,
): (entry: Entry) => Promise<Result> {
  const writeApart = oneClaimAnItem(write)
  const sizeOf = ({ body, exchange }: Entry) => body?.length ?? exchange?.body?.length ?? 0
  const together = groupCommit(
    async (entries: Entry[]): Promise<(Result | typeof HELD)[]> => {
      try {
        return await writeApart(entries)
      } catch (error) {
        if (!isLocked(error)) throw error
      }
      // One look finds them. Halving the batch would wait for each lock in turn, and hold up the whole stage.
      const held = new Set(
        await lockedItems(
          sql,
          entries.map(({ item }) => item.id),
        ),
      )
      const free = entries.filter(({ item }) => !held.has(item.id))
      const results = free.length > 0 ? await writeApart(free) : []
      return entries.map(({ item }) => (held.has(item.id) ? HELD : (results.shift() as Result)))
    },
    { sizeOf },
  )
  return async (entry) => {
    try {
      const result = await together(entry)
      if (result !== HELD) return result
    } catch (error) {
      if (!isLocked(error)) throw error
    }
    for (;;) {
      await delay(LOCKED_RETRY_MS)
      try {
        return (await write([entry]))[0] as Result
      } catch (error) {
        if (!isLocked(error) && !isTransient(error)) throw error
      }
    }
  }
}
