import type { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import type { GeneratedFile } from '../generate.ts'
import { analytics } from './analytics.ts'
import { logs } from './logs.ts'
import { worker } from './worker.ts'

/** One file a dashboard, in the folder that Grafana shows it in. */
export const dashboardFiles = (): GeneratedFile[] =>
  [analytics(), logs(), worker()].map((dashboard) => ({
    path: `dashboards/Shop Update/${dashboard.build().uid}.json`,
    text: `${JSON.stringify(numbered(dashboard), null, 2)}\n`,
  }))

/** Panels are known by their number, in links to one of them for instance, and the queries of a panel by their letter. */
function numbered(builder: DashboardBuilder) {
  const dashboard = builder.build()
  const panels = dashboard.panels?.map((panel, place) => ({
    ...panel,
    id: place + 1,
    ...('targets' in panel && { targets: panel.targets?.map((target, at) => ({ ...target, refId: 'ABCDEFGH'[at] })) }),
  }))
  return { ...dashboard, panels }
}
