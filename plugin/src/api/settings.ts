import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Credential, FlowSettings } from '../../../worker/api/internal/schemas.ts'
import type { Flow } from '../../../worker/domain/statuses.ts'
import { call } from './client.ts'

const CREDENTIAL = 'credentials/bob_callback_server'

export const useFlow = () =>
  useQuery({
    queryKey: ['flow'],
    queryFn: ({ signal }) => call<FlowSettings>('flow', { signal }),
    refetchInterval: 3000,
  })

export function useChangeFlow() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (flow: Flow) => call<FlowSettings>('flow', { method: 'PUT', body: { flow } }),
    onSuccess: (flows) => queries.setQueryData(['flow'], flows),
  })
}

export const useCredential = () =>
  useQuery({
    queryKey: ['credential'],
    queryFn: ({ signal }) => call<Credential>(CREDENTIAL, { signal }),
    refetchInterval: 10_000,
  })

/** Adds an address to the white list as it is now: another admin may have changed it since it was shown. */
export function useLetIn() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: async (address: string) => {
      const { allowedIps } = await call<Credential>(CREDENTIAL)
      const rest = allowedIps.filter((each) => each !== address)
      return call<Credential>(CREDENTIAL, { method: 'PUT', body: { allowedIps: [...rest, address] } })
    },
    onSuccess: (credential) => queries.setQueryData(['credential'], credential),
  })
}

export function useChangeCredential() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (body: { allowedIps: string[] } | { rotateKey: true } | { withdrawKey: string }) =>
      call<Credential>(CREDENTIAL, { method: 'PUT', body }),
    // a new key is shown once: only the response to the change has it
    onSuccess: ({ apiKey: _, ...credential }) => queries.setQueryData(['credential'], credential),
  })
}
