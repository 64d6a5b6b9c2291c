import { css } from '@emotion/css'
import { type GrafanaTheme2, locationUtil } from '@grafana/data'
import { locationService, PluginPage } from '@grafana/runtime'
import { Tab as PageTab, TabContent, TabsBar, useStyles2 } from '@grafana/ui'
import React, { type MouseEvent, type ReactNode } from 'react'
import type { Counts, Summary } from '../../../worker/api/internal/schemas.ts'
import { TAB_COUNTED_UP_TO } from '../../../worker/domain/search.ts'
import { TAB_LABELS, type Tab } from '../../../worker/domain/statuses.ts'
import { useCounts } from '../api/items.ts'
import { useSummary } from '../api/numbers.ts'
import { given, pageUrl, type Query, useRoute } from '../location.ts'
import { withTimes } from '../range.ts'
import { Banner } from './Banner.tsx'
import { SearchBox } from './SearchBox.tsx'
import { TimeModes } from './TimeModes.tsx'

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

/** What goes along from one tab to the next. */
const carriedOf = ({ topic, seller, q, from, to }: Query): Query => ({ topic, seller, q, from, to })

/** What the filters leave of each tab; null without any. */
export function useTabCounts(query: Query, isList = true): Counts | null | undefined {
  const carried = isList ? carriedOf(query) : {}
  // a time that is none filters nothing
  const isFiltered = Object.keys(given(withTimes(carried))).length > 0
  const { data } = useCounts(carried, isFiltered)
  return isFiltered ? data : null
}

/**
 * A page of the app: the tabs with their counts, and the page's content. A page that is not a tab has its own title.
 */
export function Page({ children, actions, title }: { children: ReactNode; actions?: ReactNode; title?: string }) {
  const styles = useStyles2(getStyles)
  const {
    segments: [page = 'overview'],
    query,
  } = useRoute()
  const { topic, seller, q, from, to } = query
  const { data } = useSummary()
  // elsewhere these mean something else, as the time of a run
  const isList = LABELS[page] !== undefined
  const counts = useTabCounts(query, isList)
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
          const url = pageUrl(name, name === 'overview' || !isList ? {} : { topic, seller, q, from, to })
          const found = counts?.[name as Tab]
          const isAll = counts === null && data !== undefined
          return (
            <PageTab
              key={name}
              label={found && !found.exact ? `${text} ${found.count.toLocaleString('en')}+` : text}
              href={locationUtil.assureBaseUrl(url)}
              active={page === name}
              counter={isAll ? countOf(name, data) : found?.exact ? found.count : null}
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
        {counts && (
          <p className={styles.note}>
            The tabs count what matches topic, seller, search (a SKU from its beginning) and time, each up to{' '}
            {TAB_COUNTED_UP_TO.toLocaleString('en')}.
          </p>
        )}
        <div className={styles.top}>
          <SearchBox />
          <TimeModes />
        </div>
        <Banner />
        {children}
      </TabContent>
    </PluginPage>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  top: css({
    display: 'flex',
    flexWrap: 'wrap',
    gap: theme.spacing(1),
    marginBottom: theme.spacing(2),
    '& > form': { flex: '1 1 320px' },
  }),
  note: css({ color: theme.colors.text.secondary, ...theme.typography.bodySmall }),
})
