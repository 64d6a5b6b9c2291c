import { locationUtil } from '@grafana/data'
import { hasPermission } from '@grafana/runtime'

/** Grafana allows Explore only for Editors and Admins. */
const mayExplore = (): boolean => hasPermission('datasources:explore')

/** Explore with one query. Times in Grafana's form: Unix milliseconds as text, or `now`. */
const explore = (type: 'tempo' | 'loki', query: object, [from, to]: [string, string]): string => {
  const uid = `shop-update-${type}`
  const panes = {
    a: { datasource: uid, queries: [{ refId: 'A', datasource: { type, uid }, ...query }], range: { from, to } },
  }
  return locationUtil.assureBaseUrl(
    `/explore?${new URLSearchParams({ schemaVersion: '1', panes: JSON.stringify(panes) })}`,
  )
}

/** The dashboard `shop-update-logs`, which everybody may view. */
const logsDashboard = (search: Record<string, string>, [from, to]: [string, string]): string =>
  locationUtil.assureBaseUrl(`/d/shop-update-logs?${new URLSearchParams({ ...search, from, to })}`)

const HOUR = 3_600_000

/** From an hour before `from` to an hour after `to`; without `to`, until now. */
export const around = (from: string, to: string | null): [string, string] => [
  String(Date.parse(from) - HOUR),
  to === null ? 'now' : String(Date.parse(to) + HOUR),
]

/** In Explore, for users who may open it. */
export const traceUrl = (traceId: string, range: [string, string]): string =>
  mayExplore()
    ? explore('tempo', { queryType: 'traceql', query: traceId }, range)
    : logsDashboard({ 'var-trace': traceId, viewPanel: 'panel-5' }, range)

/**
 * @param filter what follows the stream selector, in LogQL
 * @param search the closest equivalent in the fields of the dashboard
 */
export const logsUrl = (filter: string, search: Record<string, string>, range: [string, string]): string =>
  mayExplore()
    ? explore('loki', { queryType: 'range', expr: `{service_name="shop-update"} ${filter}` }, range)
    : logsDashboard(search, range)
