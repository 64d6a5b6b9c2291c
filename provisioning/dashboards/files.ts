import type { DashboardBuilder, Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard'
import type { GeneratedFile } from '../generated-file.ts'
import { analytics } from './analytics.ts'
import { logs } from './logs.ts'
import { worker } from './worker.ts'

/** One file per dashboard, in its Grafana folder. */
export const dashboardFiles = (): GeneratedFile[] =>
  [analytics(), logs(), worker()].map((dashboard) => ({
    path: `dashboards/Shop Update/${dashboard.build().uid}.json`,
    text: `${JSON.stringify(numbered(dashboard), null, 2)}\n`,
  }))

/** Links and the like refer to panels by number, and to the queries of a panel by letter. */
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
