import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { CreationsQueued, Enqueued, Requeued, Resolved } from '../../../worker/api/internal/schemas.ts'
import type { RequeueInclude } from '../../../worker/domain/requeue.ts'
import { call } from './client.ts'
import type { Selection } from './items.ts'

/** What is to be requeued: always whole product sets, whatever was named. */
export type RequeueTarget = { itemIds: string[] } | { productSetIds: string[] } | { filter: Selection }

/** @param enabled false once the requeue runs: nobody reads the preview any more */
export const useRequeuePreview = (target: RequeueTarget, include: RequeueInclude[], enabled: boolean) =>
  useQuery({
    enabled,
    refetchOnWindowFocus: false,
    queryKey: ['requeue', target, include],
    queryFn: () => call<Requeued>('requeue', { method: 'POST', body: { ...target, include, dryRun: true } }),
    gcTime: 0,
    staleTime: 0,
  })

/** Everything on the page may have changed afterwards. */
function useAction<Body, Answer>(act: (body: Body) => Promise<Answer>) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: act,
    onSuccess: () => {
      // not awaited: the result is shown at once
      void queries.invalidateQueries({ predicate: ({ queryKey: [kind] }) => kind !== 'requeue' })
    },
  })
}

export const useRequeue = () =>
  useAction((body: RequeueTarget & { include: RequeueInclude[]; reason?: string }) =>
    call<Requeued>('requeue', { method: 'POST', body }),
  )

export const useQueueCreations = () =>
  useAction((body: RequeueTarget & { include: RequeueInclude[]; reason?: string }) =>
    call<CreationsQueued>('creations', { method: 'POST', body }),
  )

export const useResolve = (id: string) =>
  useAction((body: { action: 'resend' | 'discard'; reason: string }) =>
    call<Resolved>(`items/${id}/resolve`, { method: 'POST', body }),
  )

/** New Product (Set) creates whatever the Shop lacks of a set, whether or not the set itself exists there. */
export const useQueueCreation = () =>
  useAction((productSetId: string) =>
    call<Enqueued>('items', { method: 'POST', body: { topic: 'new_product_set', productSetId } }),
  )
