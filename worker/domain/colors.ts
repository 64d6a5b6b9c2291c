import type { Status } from './statuses.ts'

/**
 * Each status has its colour, by Grafana's name, the same on every page and dashboard; those on the way to Synced go
 * from blue to green.
 */
export const STATUS_COLORS: Record<Status, string> = {
  pending: 'light-blue',
  processing: 'blue',
  building_payload: 'semi-dark-blue',
  made_request: 'dark-blue',
  got_acknowledgment: 'semi-dark-yellow',
  got_response: 'light-green',
  building_response_payload: 'semi-dark-green',
  response_processing: 'dark-green',
  synced: 'green',
  delayed: 'orange',
  blocked: 'purple',
  failed: 'red',
}
