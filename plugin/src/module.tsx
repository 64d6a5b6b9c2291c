import './public-path.ts'
import { AppPlugin } from '@grafana/data'
import React, { lazy, Suspense } from 'react'

// Grafana also loads this file for its navigation, so it must not import anything heavy.
const App = lazy(() => import('./App.tsx'))
const Configuration = lazy(() => import('./pages/Configuration/PluginConfiguration.tsx'))

export const plugin = new AppPlugin().setRootPage(App).addConfigPage({
  id: 'configuration',
  title: 'Configuration',
  icon: 'cog',
  // Grafana itself waits for the lazy root page, but not for this one.
  body: (props) => (
    <Suspense fallback={null}>
      <Configuration {...props} />
    </Suspense>
  ),
})
