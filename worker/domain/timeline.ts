import type { ReasonCode } from './reasons.ts'
import type { Status } from './statuses.ts'

/** A step of an item, as the history has it. */
export interface TimelineStep<Time = Date> {
  to: Status
  at: Time
  reason: ReasonCode | null
  actor: string | null
  note: string | null
}

/** Steps that came to the same, one after the other: fourteen failures are one line. */
export interface FoldedSteps<Time = Date> {
  to: Status
  reason: ReasonCode | null
  actor: string | null
  note: string | null
  /** When each of them was, the oldest first. */
  at: Time[]
}

/** An attempt passes these; what counts is where it ends. */
const PASSED: ReadonlySet<Status> = new Set<Status>([
  'processing',
  'building_payload',
  'made_request',
  'got_acknowledgment',
  'got_response',
  'building_response_payload',
  'response_processing',
])

/**
 * The story of an item in as few lines as tell it: where it came to rest, and how often in a row. A status that it
 * only passes is left out, unless that is where it stands now. Delayed and Failed by failures are one line: Failed is
 * Delayed from the twelfth failure on.
 *
 * @param steps the oldest first
 */
export function foldSteps<Time>(steps: readonly TimelineStep<Time>[]): FoldedSteps<Time>[] {
  const folded: FoldedSteps<Time>[] = []
  for (const [place, { at, ...step }] of steps.entries()) {
    if (PASSED.has(step.to) && place < steps.length - 1) continue
    const last = folded.at(-1)
    if (last && isSame(last, step)) {
      last.at.push(at)
      last.to = step.to
    } else {
      folded.push({ ...step, at: [at] })
    }
  }
  return folded
}

const isSame = (a: Omit<TimelineStep, 'at'>, b: Omit<TimelineStep, 'at'>): boolean =>
  a.actor === null &&
  b.actor === null &&
  a.note === b.note &&
  a.reason === b.reason &&
  (a.to === b.to || (a.reason === 'failure' && FAILING.has(a.to) && FAILING.has(b.to)))
const FAILING: ReadonlySet<Status> = new Set<Status>(['delayed', 'failed'])
