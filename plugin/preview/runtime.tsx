import type { PluginPageProps } from '@grafana/runtime'
import { useTheme2 } from '@grafana/ui'
import React from 'react'

export * from '@grafana/runtime'

/**
 * Grafana's frame around a page: title and buttons. `@grafana/runtime` has only a placeholder for it, which Grafana
 * fills.
 */
export function PluginPage({ pageNav, actions, children }: PluginPageProps) {
  const theme = useTheme2()
  return (
    <main style={{ padding: theme.spacing(0, 3, 3) }}>
      <div
        style={{
          display: 'flex',
          flexWrap: 'wrap',
          alignItems: 'center',
          gap: theme.spacing(1),
          justifyContent: 'space-between',
        }}
      >
        <h1>{pageNav?.text}</h1>
        <div style={{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: theme.spacing(1) }}>{actions}</div>
      </div>
      {children}
    </main>
  )
}
