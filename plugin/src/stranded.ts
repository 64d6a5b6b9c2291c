import type { Item } from '../../worker/api/internal/schemas.ts'
import { AWAIT_CREATE } from '../../worker/domain/reasons.ts'

/**
 * In the queue, and Blocked until a create that nothing in the queue makes. If sent again, it would only be Blocked
 * again.
 */
export const isStranded = ({ status, reason, blockedBy, retriesLeft, noCreate }: Item): boolean =>
  status === 'blocked' &&
  retriesLeft !== null &&
  blockedBy === null &&
  noCreate === null &&
  AWAIT_CREATE.some((code) => code === reason?.code)
