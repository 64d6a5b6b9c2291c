import { locationService } from '@grafana/runtime'
import { RadioButtonGroup, Stack } from '@grafana/ui'
import React from 'react'

/** What the server says of this visit (`/preview/boot.js`). */
export interface Boot {
  pluginId: string
  role: 'Viewer' | 'Admin'
  theme: 'dark' | 'light'
  apiUrl: string
}

/** A year, for a browser that comes back. */
const set = (name: 'role' | 'theme') => (value: string) => {
  // biome-ignore lint/suspicious/noDocumentCookie: the server has to know it before it sends the page
  document.cookie = `shop-update-preview-${name}=${value}; path=/; max-age=31536000; samesite=strict`
  window.location.reload()
}

/** Who looks at the page, and in which theme: what Grafana knows of its user. */
export function Switches({ boot: { role, theme, pluginId } }: { boot: Boot }) {
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
        <RadioButtonGroup
          aria-label="Role"
          size="sm"
          value={role}
          options={(['Viewer', 'Admin'] as const).map((value) => ({ value, label: value }))}
          onChange={set('role')}
        />
        <RadioButtonGroup
          aria-label="Theme"
          size="sm"
          value={theme}
          options={(['dark', 'light'] as const).map((value) => ({ value, label: value }))}
          onChange={set('theme')}
        />
      </Stack>
    </header>
  )
}
