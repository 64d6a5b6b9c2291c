import { createFullLooks } from '../full-looks.ts'
import type { Looked } from '../queue/look.ts'

/**
 * Looks at a table part by part, round by round. When full rounds are slow (see `createFullLooks`), quick ones come in
 * between, which look at what was written since the last full one began.
 *
 * @returns the next look; if it fails, nothing has changed, and it is repeated
 */
export function createRounds<Result extends Looked>(
  look: (after: string, since: string | null) => Promise<Result>,
  now: () => number = () => performance.now(),
): () => Promise<Result> {
  const looks = createFullLooks(now)
  let after = '0'
  let since: string | null = null
  let began: string | null = null
  let full = true
  let milliseconds = 0
  let seen = 0
  return async () => {
    if (after === '0') {
      full = since === null || looks.isDue()
      began = null
      milliseconds = seen = 0
    }
    const looked = await look(after, full ? null : since)
    began ??= looked.end
    milliseconds += looked.milliseconds
    seen += looked.seen
    after = looked.last
    if (after === '0') {
      looks.took(milliseconds, seen, full)
      if (full) since = began
    }
    return looked
  }
}

/**
 * The same for a look that has no quick form: when full rounds are slow, there are fewer of them.
 *
 * @returns the next look; null: none is due
 */
export function createFullRounds<Result extends Omit<Looked, 'end'>>(
  look: (after: string) => Promise<Result>,
  now: () => number = () => performance.now(),
): () => Promise<Result | null> {
  const looks = createFullLooks(now)
  let after = '0'
  let milliseconds = 0
  let seen = 0
  return async () => {
    if (after === '0') {
      if (!looks.isDue()) return null
      milliseconds = seen = 0
    }
    const looked = await look(after)
    milliseconds += looked.milliseconds
    seen += looked.seen
    after = looked.last
    if (after === '0') looks.took(milliseconds, seen, true)
    return looked
  }
}
