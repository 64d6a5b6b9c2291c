import type { DashboardBuilder, Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard'
import type { GeneratedFile } from '../generated-file.ts'
import { analytics } from './analytics.ts'
import { logs } from './logs.ts'
import { worker } from './worker.ts'

/** One file a dashboard, in the folder that Grafana shows it in. */
export const dashboardFiles = (): GeneratedFile[] =>
  [analytics(), logs(), worker()].map((dashboard) => ({
    path: `dashboards/Shop Update/${dashboard.build().uid}.json`,
    text: `${JSON.stringify(numbered(dashboard), null, 2)}\n`,
  }))

/**
 * Panels are known by their number, in links to one of them for instance, and the queries of a panel by their letter.
 */
function numbered(builder: DashboardBuilder) {
  const dashboard = builder.build()
  let id = 0
  const number = (panel: Panel | RowPanel): object => ({
    ...panel,
    id: ++id,
    ...('targets' in panel && { targets: panel.targets?.map((target, at) => ({ ...target, refId: 'ABCDEFGH'[at] })) }),
    ...('panels' in panel && { panels: panel.panels.map(number) }),
  })
  return { ...dashboard, panels: dashboard.panels?.map(number) }
}
