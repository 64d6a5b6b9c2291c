import { createFullLooks } from '../full-looks.ts'
import type { Claimed, Quick } from '../queue/claim.ts'

/**
 * Claims in passes over all sellers. A full pass looks at everything that is ready. When that is slow (see
 * `createFullLooks`), quick passes come in between: they look at what has been queued since the previous pass began, go
 * on where a seller had more, and take the items reported as ready again. The next full pass finds everything else.
 */
export function createPasses(
  claim: (most: number, afterSeller: string, quick: Quick | null, withMarks: boolean) => Promise<Claimed>,
  now: () => number = () => performance.now(),
) {
  const looks = createFullLooks(now)
  const marks = new Map<string, string>()
  const turns = new Set<string>()
  let afterSeller = '0'
  let full = true
  let forgotten = false
  let since: string | null = null
  let began: string | null = null
  let milliseconds = 0
  let candidates = 0

  function begin(): void {
    full = since === null || forgotten || looks.isDue()
    forgotten = false
    began = null
    milliseconds = candidates = 0
    if (!full) return
    marks.clear()
    turns.clear() // it sees everything that was ready before it
  }

  function end(): void {
    looks.took(milliseconds, candidates, full)
    since = began
  }

  return {
    /** These items have become ready, however long ago they were queued. */
    ready(items: Iterable<string>): void {
      for (const id of items) turns.add(id)
    },
    /** What earlier passes did not look at may be ready: the next pass is a full one. */
    forget(): void {
      forgotten = true
    },
    /** Whether the next claim begins with the first seller. */
    isAtFirst: (): boolean => afterSeller === '0',
    /** The next claim. If it fails, nothing has changed, and it is repeated. */
    async claim(most: number): Promise<Claimed> {
      if (afterSeller === '0') begin()
      const asked = full ? [] : [...turns].slice(0, most)
      const claimed = await claim(
        most,
        afterSeller,
        full ? null : { since: since!, marks, turns: asked },
        !full || looks.isNearPause(),
      )
      milliseconds += claimed.milliseconds
      candidates += claimed.candidates
      began ??= claimed.now
      for (const id of asked) turns.delete(id)
      for (const id of claimed.again) turns.add(id)
      for (const [seller, mark] of claimed.marks) {
        if (mark === null) marks.delete(seller)
        else marks.set(seller, mark)
      }
      afterSeller = claimed.candidates < most ? claimed.next : (claimed.last ?? afterSeller)
      if (afterSeller === '0') end()
      return claimed
    },
  }
}
