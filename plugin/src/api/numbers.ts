import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { Charts, Kpis, Summary } from '../../../worker/api/internal/schemas.ts'
import type { Window } from '../../../worker/domain/windows.ts'
import { call } from './client.ts'

/** The numbers above the queue; the counts on the tabs use the same ones. */
export const useSummary = () =>
  useQuery({
    queryKey: ['summary'],
    queryFn: ({ signal }) => call<Summary>('summary', { signal }),
    refetchInterval: 3000,
  })

export const useKpis = () =>
  useQuery({ queryKey: ['kpis'], queryFn: ({ signal }) => call<Kpis>('kpis', { signal }), refetchInterval: 60_000 })

/** Snapshots come every five minutes. Another window takes the place of the one before when it has come. */
export const useCharts = (window: Window) =>
  useQuery({
    queryKey: ['charts', window],
    queryFn: ({ signal }) => call<Charts>('charts', { query: { window }, signal }),
    refetchInterval: 60_000,
    placeholderData: keepPreviousData,
  })
