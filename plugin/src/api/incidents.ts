import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Incidents, Pause, Pauses } from '../../../worker/api/internal/schemas.ts'
import type { Topic } from '../../../worker/domain/topics.ts'
import { call } from './client.ts'

/** What is wrong now with the whole: the banner of every page. */
export const useIncidents = () =>
  useQuery({
    queryKey: ['incidents'],
    queryFn: ({ signal }) => call<Incidents>('incidents', { signal }),
    refetchInterval: 3000,
  })

export const usePauses = () =>
  useQuery({
    queryKey: ['pauses'],
    queryFn: ({ signal }) => call<Pauses>('pauses', { signal }),
    refetchInterval: 3000,
  })

export interface NewPause {
  topic?: Topic
  seller?: string
  from?: string
  until: string
  endsItself: boolean
  reason: string
}

export const useCreatePause = () => usePauseChange((body: NewPause) => call<Pause>('pauses', { method: 'POST', body }))
export const useEndPause = () => usePauseChange((id: string) => call<Pause>(`pauses/${id}/end`, { method: 'POST' }))

function usePauseChange<Input>(mutationFn: (input: Input) => Promise<Pause>) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn,
    onSuccess: () =>
      Promise.all(['pauses', 'incidents'].map((name) => queries.invalidateQueries({ queryKey: [name] }))),
  })
}
