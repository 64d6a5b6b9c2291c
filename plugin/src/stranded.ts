import type { Item } from '../../worker/api/internal/schemas.ts'
import { ADMIN_RESOLVES } from '../../worker/domain/reasons.ts'

/** Blocked until something is created that nothing in the queue creates: sent again, it would only be Blocked again. */
export const isStranded = ({ status, reason, blockedBy }: Item): boolean =>
  status === 'blocked' && reason !== null && blockedBy === null && !ADMIN_RESOLVES.some((code) => code === reason.code)
