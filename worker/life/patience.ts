import { setTimeout as delay } from 'node:timers/promises'
import { isLocked, isTransient, type Sql } from '../database/database.ts'
import type { Claim, Exchange, Item } from '../domain/item.ts'
import { groupCommit } from '../queue/group-commit.ts'
import { lockedItems } from '../queue/locked.ts'

/** How long to wait before asking again for a row that somebody else has locked. */
export const LOCKED_RETRY_MS = 500

/**
 * For what has to be known or written while the Shop's answer is in hand: it goes on until the database, or whoever has
 * locked a row, lets it. A row that is given up is created again.
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
 * Statements know their rows by the item: two claims of one (a worker that was frozen may have both) each go into a
 * statement of their own, or what was done for the one would be said of the other.
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
 * A group commit whose entries leave the group when somebody else holds their item, and are written alone when he lets
 * go. No transaction should hold an item in flight, but one may: an `enqueue` that met the item just as it was claimed
 * keeps its row until it commits.
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
      // One look tells which; looking for them by halves would wait for each lock in turn, and keep the whole stage
      // waiting.
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
