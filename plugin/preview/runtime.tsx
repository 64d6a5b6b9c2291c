import type { PluginPageProps } from '@grafana/runtime'
import { locationService } from '@grafana/runtime'
import { Tab, TabsBar, useTheme2 } from '@grafana/ui'
import React from 'react'
import { Link } from '../src/components/Link.tsx'

export * from '@grafana/runtime'

/** Grafana's frame around a page: title, tabs, buttons. `@grafana/runtime` has only the place for it, which Grafana itself fills. */
export function PluginPage({ pageNav, actions, children }: PluginPageProps) {
  const theme = useTheme2()
  return (
    <main style={{ padding: theme.spacing(0, 3, 3) }}>
      {pageNav?.parentItem?.url && (
        <nav aria-label="Breadcrumbs">
          <Link to={pageNav.parentItem.url}>{pageNav.parentItem.text}</Link>
        </nav>
      )}
      <div style={{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: theme.spacing(1), justifyContent: 'space-between' }}>
        <h1>{pageNav?.text}</h1>
        <div style={{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: theme.spacing(1) }}>{actions}</div>
      </div>
      {pageNav?.children && (
        <TabsBar>
          {pageNav.children.map(({ text, url = '', active, tabCounter }) => (
            <Tab
              key={text}
              label={text}
              href={url}
              active={active}
              counter={tabCounter ?? null}
              onChangeTab={(event) => {
                event?.preventDefault()
                locationService.push(url)
              }}
            />
          ))}
        </TabsBar>
      )}
      <div style={{ paddingTop: theme.spacing(2) }}>{children}</div>
    </main>
  )
}
