import { createTheme, EventBusSrv, PluginType, ThemeContext } from '@grafana/data'
import { config, locationService, setAppEvents, setBackendSrv, setCurrentUser } from '@grafana/runtime'

import { GlobalStyles, PortalContainer } from '@grafana/ui'
import React, { useSyncExternalStore } from 'react'
import { createRoot } from 'react-dom/client'
import App from '../src/App.tsx'
import { ROOT } from '../src/app.ts'
import PluginConfiguration from '../src/pages/Configuration/PluginConfiguration.tsx'
import { backend } from './backend.ts'
import { type Boot, Switches } from './Switches.tsx'

/**
 * The pages as Grafana would show them, without a Grafana. Two cookies, which the server reads, choose the user and the
 * theme.
 */
const boot = (window as unknown as { shopUpdatePreview: Boot }).shopUpdatePreview
const theme = createTheme({ colors: { mode: boot.theme } })
config.theme2 = theme
document.body.style.background = theme.colors.background.primary

setBackendSrv(backend)
setAppEvents(new EventBusSrv())
setCurrentUser(config.bootData.user)

function Preview() {
  const { pathname } = useSyncExternalStore(
    (listener) => locationService.getHistory().listen(listener),
    () => locationService.getLocation(),
  )
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Switches boot={boot} />
      {pathname.startsWith('/plugins/') ? (
        <main style={{ padding: theme.spacing(3) }}>
          <h1>Configuration</h1>
          <PluginConfiguration
            query={{}}
            plugin={
              {
                meta: {
                  id: boot.pluginId,
                  name: 'Shop Update',
                  type: PluginType.app,
                  enabled: true,
                  pinned: true,
                  jsonData: { apiUrl: boot.apiUrl },
                  secureJsonFields: { viewerKey: true, adminKey: true },
                },
              } as never
            }
          />
        </main>
      ) : pathname.startsWith(ROOT) ? (
        <App />
      ) : (
        <main style={{ padding: theme.spacing(3) }}>
          <h1>This opens in Grafana</h1>
          <p>
            The preview has none: dashboards such as Analytics and Logs, and Explore with its traces and log lines, are
            Grafana's own pages. <code>docker compose up</code> starts it with all of them.
          </p>
          <p>
            <a href={`${ROOT}/overview`} style={{ textDecoration: 'underline' }}>
              Back to the Overview
            </a>
          </p>
        </main>
      )}
      <PortalContainer />
    </ThemeContext.Provider>
  )
}

if (locationService.getLocation().pathname === '/') locationService.replace(`${ROOT}/overview`)
createRoot(document.getElementById('root') as HTMLElement).render(<Preview />)
