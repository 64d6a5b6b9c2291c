import { createFullLooks } from '../full-looks.ts'
import type { Looked } from '../queue/look.ts'

/**
 * Looks at a table part after part, round after round. Where full rounds take long (see `createFullLooks`) there are
 * quick ones in between, which look at what has been written since the last full one began.
 *
 * @returns the next look. Where it fails nothing has changed, and it is made again
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
