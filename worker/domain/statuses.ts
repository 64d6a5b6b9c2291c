/**
 * The statuses of an item, in the order in which an item passes them. The labels are exactly those of
 * docs/requirements.md.
 */
export const STATUSES = {
  pending: { label: 'Pending', tab: 'pending' },
  processing: { label: 'Processing', tab: 'pending' },
  building_payload: { label: 'Building (Request) payload', tab: 'pending' },
  made_request: { label: 'Made request', tab: 'pending' },
  got_acknowledgment: { label: 'Got acknowledgment', tab: 'pending' },
  got_response: { label: 'Got response', tab: 'pending' },
  building_response_payload: { label: 'Building response payload', tab: 'pending' },
  response_processing: { label: 'Response processing', tab: 'pending' },
  synced: { label: 'Synced', tab: 'synced' },
  delayed: { label: 'Delayed', tab: 'delayed' },
  blocked: { label: 'Blocked', tab: 'blocked' },
  failed: { label: 'Failed', tab: 'failed' },
} as const satisfies Record<string, { label: string; tab: string }>

export type Status = keyof typeof STATUSES
export type Tab = (typeof STATUSES)[Status]['tab']

export const STATUS_NAMES = Object.keys(STATUSES) as Status[]
export const TABS = ['pending', 'delayed', 'blocked', 'failed', 'synced'] as const satisfies readonly Tab[]

export type Flow = 'synchronous' | 'asynchronous'
export const FLOWS = ['synchronous', 'asynchronous'] as const satisfies readonly Flow[]
