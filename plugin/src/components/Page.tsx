import { locationUtil } from '@grafana/data'
import { locationService, PluginPage } from '@grafana/runtime'
import { Tab as PageTab, TabContent, TabsBar } from '@grafana/ui'
import React, { type MouseEvent, type ReactNode } from 'react'
import type { Summary } from '../../../worker/api/internal/schemas.ts'
import type { Tab } from '../../../worker/domain/statuses.ts'
import { useSummary } from '../api/numbers.ts'
import { pageUrl, useRoute } from '../location.ts'
import { Banner } from './Banner.tsx'
import { SearchBox } from './SearchBox.tsx'

export const TAB_LABELS: Record<Tab, string> = {
  pending: 'Pending / Processing',
  delayed: 'Delayed',
  blocked: 'Blocked',
  failed: 'Failed',
  synced: 'Synced',
}
const LABELS: Record<string, string> = { overview: 'Overview', ...TAB_LABELS }
/** Pages in Grafana's navigation. */
const NAVIGATION: Record<string, string> = { ...LABELS, pauses: 'Pauses', runs: 'Runs' }

/** A dashboard of Grafana's, which had a tab here before. */
const ANALYTICS = '/d/shop-update-analytics'

/** Without loading the page anew, unless it shall be in another tab of the browser. */
function follow(event: MouseEvent | undefined, url: string): void {
  if (event?.metaKey || event?.ctrlKey || event?.shiftKey) return
  event?.preventDefault()
  locationService.push(url)
}

/** Pending / Processing includes Blocked items (decision 6). */
const countOf = (tab: string, { byStatus, delayed, failed, blocked }: Summary): number | null => {
  if (tab !== 'pending') return { delayed, failed, blocked }[tab] ?? null
  return byStatus
    .filter(({ status }) => !['delayed', 'failed', 'synced'].includes(status))
    .reduce((sum, { count }) => sum + count, 0)
}

/**
 * A page of the app: the tabs with their counts, and the page's content. A page that is not a tab has its own title.
 */
export function Page({ children, actions, title }: { children: ReactNode; actions?: ReactNode; title?: string }) {
  const {
    segments: [page = 'overview'],
    query: { topic, seller, q, from, to },
  } = useRoute()
  const { data } = useSummary()
  const isBelow = title !== undefined && NAVIGATION[page] !== undefined
  const label = title === undefined ? NAVIGATION[page] : undefined
  const at = (name: string) => locationUtil.assureBaseUrl(pageUrl(name))
  // Pages in the navigation pass its url, so that Grafana's breadcrumbs name them once. Any other page would appear
  // beside the app.
  const pageNav =
    label === undefined
      ? { text: title ?? 'Shop Update', ...(!isBelow && { parentItem: { text: 'Shop Update', url: at('overview') } }) }
      : { text: label, url: at(page) }
  return (
    <PluginPage pageNav={pageNav} actions={actions}>
      <TabsBar>
        {Object.entries(LABELS).map(([name, text]) => {
          // a search continues in the next list; the Overview starts afresh
          const url = pageUrl(name, name === 'overview' ? {} : { topic, seller, q, from, to })
          return (
            <PageTab
              key={name}
              label={text}
              href={locationUtil.assureBaseUrl(url)}
              active={page === name}
              counter={data ? countOf(name, data) : null}
              onChangeTab={(event) => follow(event, url)}
            />
          )
        })}
        <PageTab
          label="Analytics"
          icon="chart-line"
          href={locationUtil.assureBaseUrl(ANALYTICS)}
          onChangeTab={(event) => follow(event, ANALYTICS)}
        />
      </TabsBar>
      <TabContent style={{ paddingTop: 16, background: 'transparent' }}>
        <SearchBox />
        <Banner />
        {children}
      </TabContent>
    </PluginPage>
  )
}
