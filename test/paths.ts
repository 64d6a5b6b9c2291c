import type { Flow, Status } from '../worker/domain/statuses.ts'

const CALLED = ['pending', 'processing', 'building_payload', 'made_request'] as const
const ANSWERED = ['got_response', 'building_response_payload', 'response_processing', 'synced'] as const

/** The statuses that an item goes through when all goes well. */
export const PATHS: Record<Flow, Status[]> = {
  synchronous: [...CALLED, ...ANSWERED],
  asynchronous: [...CALLED, 'got_acknowledgment', ...ANSWERED],
}
