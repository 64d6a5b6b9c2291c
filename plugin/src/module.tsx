import './public-path.ts'
import { AppPlugin } from '@grafana/data'
import React, { lazy, Suspense } from 'react'

// Grafana loads this file for its navigation, too: nothing heavy may be imported here.
const App = lazy(() => import('./App.tsx'))
const Configuration = lazy(() => import('./pages/Configuration/PluginConfiguration.tsx'))

export const plugin = new AppPlugin().setRootPage(App).addConfigPage({
  id: 'configuration',
  title: 'Configuration',
  icon: 'cog',
  // Grafana waits for the lazy root page by itself, not for this one.
  body: (props) => (
    <Suspense fallback={null}>
      <Configuration {...props} />
    </Suspense>
  ),
})
