import { EmptyState } from '@grafana/ui'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import React from 'react'
import { TABS } from '../../worker/domain/statuses.ts'
import { isFinal } from './api/client.ts'
import { Page } from './components/Page.tsx'
import { useTimeMode } from './components/timeMode.ts'
import { useRoute } from './location.ts'
import { Item } from './pages/Item/Item.tsx'
import { Overview } from './pages/Overview/Overview.tsx'
import { Pauses } from './pages/Pauses/Pauses.tsx'
import { ProductSet } from './pages/Products/ProductSet.tsx'
import { Seller } from './pages/Products/Seller.tsx'
import { Skus } from './pages/Products/Skus.tsx'
import { Queue } from './pages/Queue/Queue.tsx'
import { RunPage } from './pages/Runs/RunPage.tsx'
import { Runs } from './pages/Runs/Runs.tsx'

/** The query client stops polling while the tab is hidden, by default. */
export const newQueryClient = () =>
  new QueryClient({
    defaultOptions: {
      queries: {
        // A polled page asks again anyway, and what the worker has refused it refuses again.
        retry: (failures, error) => failures < 1 && !isFinal(error),
        networkMode: 'always',
        staleTime: 1000,
      },
      mutations: { networkMode: 'always' },
    },
  })

const client = newQueryClient()

export default function App() {
  return (
    <QueryClientProvider client={client}>
      <Pages />
    </QueryClientProvider>
  )
}

function Pages() {
  // what writes a time into a sentence follows the choice, too
  useTimeMode()
  const {
    segments: [page = 'overview', ...below],
    query: { list },
  } = useRoute()
  const tab = TABS.find((name) => name === page)
  const [id, ...more] = below
  if (page === 'items' && id !== undefined && more.length === 0) return <Item key={id} id={id} />
  if (tab && id === undefined) return <Queue key={tab} tab={tab} />
  if (page === 'overview' && id === undefined) return <Overview />
  if (page === 'pauses' && id === undefined) return <Pauses />
  if (page === 'products' && id !== undefined && more.length === 0) return <ProductSet key={id} id={id} />
  if (page === 'sellers' && id !== undefined && more.length === 0) return <Seller key={id} id={id} />
  if (page === 'skus' && id === undefined) return <Skus key={list} />
  if (page === 'runs' && id === undefined) return <Runs />
  if (page === 'runs' && id !== undefined && more.length === 0) return <RunPage key={id} id={id} />
  return (
    <Page>
      <EmptyState variant="not-found" message="There is no such page" />
    </Page>
  )
}
