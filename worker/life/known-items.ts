import { createFullLooks } from '../full-looks.ts'

interface Page {
  /** After which item the next page begins; null: this was the last one. */
  next: string | null
  itemIds: readonly string[]
  /** That finding them took PostgreSQL. */
  milliseconds: number
}

/**
 * Looks for callbacks that wait, page after page. Where looking at everything takes long (see `createFullLooks`) there
 * are looks in between at the items that are known: those that were named, and those whose callback was seen to wait.
 */
export function createKnownItems(now: () => number = () => performance.now()) {
  const looks = createFullLooks(now)
  const known = new Set<string>()
  return {
    name(itemId: string): void {
      known.add(itemId)
    },
    /** @param apply the callbacks of one page, of these items alone where it is not null */
    async look(apply: (after: string, named: readonly string[] | null) => Promise<Page>): Promise<void> {
      const asked = looks.isDue() ? null : [...known]
      if (asked?.length === 0) return
      known.clear() // from here on: who is named now may have got one that is not seen any more
      let [milliseconds, items] = [0, 0]
      try {
        for (let after: string | null = '0'; after !== null; ) {
          const page: Page = await apply(after, asked)
          after = page.next
          milliseconds += page.milliseconds
          items += page.itemIds.length
          for (const itemId of page.itemIds) known.add(itemId)
        }
      } catch (error) {
        for (const itemId of asked ?? []) known.add(itemId)
        throw error
      }
      looks.took(milliseconds, items, asked === null)
    },
  }
}
