import { createFullLooks } from '../full-looks.ts'

interface Page {
  /** The item after which the next page begins; null: this was the last page. */
  next: string | null
  itemIds: readonly string[]
  /** PostgreSQL's time for finding them. */
  milliseconds: number
}

/**
 * Looks for waiting callbacks, page by page. When full looks are slow (see `createFullLooks`), looks at known items
 * come in between: items that were named, and items whose callback was seen waiting.
 */
export function createKnownItems(now: () => number = () => performance.now()) {
  const looks = createFullLooks(now)
  const known = new Set<string>()
  return {
    name(itemId: string): void {
      known.add(itemId)
    },
    /** @param apply applies the callbacks of one page, only those of these items if not null */
    async look(apply: (after: string, named: readonly string[] | null) => Promise<Page>): Promise<void> {
      const asked = looks.isDue() ? null : [...known]
      if (asked?.length === 0) return
      known.clear() // before reading: an item named from here on may have a callback that is missed
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
