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

export const TAB_LABELS: Record<Tab, string> = {
  pending: 'Pending / Processing',
  delayed: 'Delayed',
  blocked: 'Blocked',
  failed: 'Failed',
  synced: 'Synced',
}

/** A filter by status: these, or all but these. */
export interface StatusFilter {
  names: Status[]
  allBut: boolean
}

/**
 * A filter as it is written: names joined by commas; each with a minus before it: all but these.
 *
 * @example readStatusFilter('-blocked,-failed') // { names: ['blocked', 'failed'], allBut: true }
 * @returns what is wrong with it, if anything
 */
export function readStatusFilter(text: string): StatusFilter | string {
  const parts = text.split(',').map((part) => part.trim())
  const names = parts.map((part) => part.replace(/^-/, ''))
  const unknown = names.find((name) => !Object.hasOwn(STATUSES, name))
  if (unknown !== undefined) return `“${unknown}” is no status`
  const left = parts.filter((part) => part.startsWith('-')).length
  if (left > 0 && left < parts.length) return 'a minus is before each name or before none'
  return { names: [...new Set(names as Status[])], allBut: left > 0 }
}

export const writeStatusFilter = ({ names, allBut }: StatusFilter): string | undefined =>
  names.length === 0 ? undefined : names.map((name) => (allBut ? `-${name}` : name)).join(',')

/** Of a tab; Pending / Processing includes Blocked (decision 6). */
export const statusesOfTab = (tab: Tab): Status[] =>
  STATUS_NAMES.filter((name) => STATUSES[name].tab === tab || (tab === 'pending' && name === 'blocked'))

/** The statuses of a list. Without a tab and a filter that names some: all that the queue has. */
export function statusesOf({ tab, status }: { tab?: Tab | undefined; status?: string | undefined }): Status[] {
  const filter = status === undefined ? undefined : readStatusFilter(status)
  if (typeof filter === 'string') return []
  const all =
    tab !== undefined
      ? statusesOfTab(tab)
      : filter?.allBut === false
        ? STATUS_NAMES
        : STATUS_NAMES.filter((name) => name !== 'synced')
  return filter === undefined ? all : all.filter((name) => filter.names.includes(name) !== filter.allBut)
}

export type Flow = 'synchronous' | 'asynchronous'
export const FLOWS = ['synchronous', 'asynchronous'] as const satisfies readonly Flow[]
