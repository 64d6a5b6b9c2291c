import { useQuery } from '@tanstack/react-query'
import type { Kpis, Summary } from '../../../worker/api/internal/schemas.ts'
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
