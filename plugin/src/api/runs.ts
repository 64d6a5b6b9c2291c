import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Run, RunsRecord } from '../../../worker/api/internal/schemas.ts'
import type { Query } from '../location.ts'
import { questionOf, withTimes } from '../range.ts'
import { call, isFinal } from './client.ts'

/** One run, followed while it runs and while items of it are on their way. */
export const useRun = (id: string, enabled = true) =>
  useQuery({
    enabled,
    queryKey: ['run', id],
    queryFn: ({ signal }) => call<Run>(`runs/${id}`, { signal }),
    refetchInterval: ({ state: { data, error } }) => (isFinal(error) ? false : data?.state === 'running' ? 1000 : 5000),
  })

export function useStopRun() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (id: string) => call<Run>(`runs/${id}/stop`, { method: 'POST' }),
    onSettled: (_run, _error, id) => queries.invalidateQueries({ queryKey: ['run', id] }),
  })
}

/** The record of what was done by hand, page after page. */
export const useRecord = (filter: Query, enabled: boolean) =>
  useInfiniteQuery({
    enabled,
    queryKey: ['runs', ...questionOf(filter)],
    queryFn: ({ pageParam, signal }) =>
      call<RunsRecord>('runs', { query: { ...withTimes(filter), cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
    refetchInterval: 5000,
  })
