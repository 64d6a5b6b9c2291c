import { locationService } from '@grafana/runtime'
import { RadioButtonGroup, Stack } from '@grafana/ui'
import React from 'react'

/** The server's data about this visit (`/preview/boot.js`). */
export interface Boot {
  pluginId: string
  role: 'Viewer' | 'Admin'
  theme: 'dark' | 'light'
  apiUrl: string
}

const CHOICES = { role: ['Viewer', 'Admin'], theme: ['dark', 'light'] } as const

/** Chooses the user and the theme, which Grafana would know. */
export function Switches({ boot }: { boot: Boot }) {
  const { pluginId } = boot
  const go = (path: string) => (event: React.MouseEvent) => {
    event.preventDefault()
    locationService.push(path)
  }
  return (
    <header style={{ padding: '8px 24px' }}>
      <Stack alignItems="center" gap={2} wrap="wrap">
        <strong>Preview without Grafana</strong>
        <a href={`/a/${pluginId}/overview`} onClick={go(`/a/${pluginId}/overview`)}>
          Pages
        </a>
        <a href={`/plugins/${pluginId}`} onClick={go(`/plugins/${pluginId}`)}>
          Configuration
        </a>
        {(['role', 'theme'] as const).map((name) => (
          <RadioButtonGroup<string>
            key={name}
            aria-label={name}
            size="sm"
            value={boot[name]}
            options={CHOICES[name].map((value) => ({ value, label: value }))}
            // the server must know it before it sends the page
            onChange={(value) => window.location.assign(`/preview/${name}/${value}`)}
          />
        ))}
      </Stack>
    </header>
  )
}
