import { hasPermission } from '@grafana/runtime'
import pluginJson from './plugin.json'

export const PLUGIN_ID = pluginJson.id
/** The root of the pages, without the sub path that Grafana may be served under. */
export const ROOT = `/a/${PLUGIN_ID}`

/**
 * The reason for a disabled button. The server checks again: Grafana by `roles` and `routes`, the worker by key and
 * token.
 */
export const READ_ONLY = 'Only users with the role Admin may do this.'
export const mayWrite = (): boolean => hasPermission(`${PLUGIN_ID}.items:write`)
