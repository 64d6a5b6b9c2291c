import { PluginPage } from '@grafana/runtime'
import React, { type ReactNode } from 'react'
import type { Summary } from '../../../worker/api/internal/schemas.ts'
import { TABS, type Tab } from '../../../worker/domain/statuses.ts'
import { useSummary } from '../api/numbers.ts'
import { pageUrl, useRoute } from '../location.ts'

export const TAB_LABELS: Record<Tab, string> = {
  pending: 'Pending / Processing',
  delayed: 'Delayed',
  blocked: 'Blocked',
  failed: 'Failed',
  synced: 'Synced',
}

/** Pending / Processing has the Blocked ones, too: the seed lists them there. */
const countOf = (tab: Tab, { byStatus, delayed, failed, blocked }: Summary): number | undefined => {
  if (tab === 'pending')
    return byStatus.filter(({ status }) => !['delayed', 'failed', 'synced'].includes(status)).reduce((sum, { count }) => sum + count, 0)
  return { delayed, failed, blocked, synced: undefined }[tab]
}

/** A page of the app: the tabs with their counts, and what the page brings. */
export function Page({ children, actions, title }: { children: ReactNode; actions?: ReactNode; title?: string }) {
  const {
    segments: [page = 'overview'],
  } = useRoute()
  const { data } = useSummary()
  const tabs = [
    { text: 'Overview', url: pageUrl('overview'), active: page === 'overview' },
    ...TABS.map((tab) => {
      const tabCounter = data && countOf(tab, data)
      return { text: TAB_LABELS[tab], url: pageUrl(tab), active: page === tab, ...(tabCounter !== undefined && { tabCounter }) }
    }),
  ]
  return (
    <PluginPage
      pageNav={{
        text: title ?? 'Shop Update',
        ...(title ? { parentItem: { text: 'Shop Update', url: pageUrl('overview') } } : { children: tabs }),
      }}
      actions={actions}
    >
      {children}
    </PluginPage>
  )
}
