import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Enqueued, Requeued, Resolved } from '../../../worker/api/internal/schemas.ts'
import type { RequeueInclude } from '../../../worker/domain/requeue.ts'
import { call } from './client.ts'
import type { Selection } from './items.ts'

/** What is to be requeued: always whole product sets, wherever it begins. */
export type RequeueTarget = { itemIds: string[] } | { productSetIds: string[] } | { filter: Selection }

/** @param enabled false once it is being done: nobody looks at the forecast any more */
export const useRequeuePreview = (target: RequeueTarget, include: RequeueInclude[], enabled: boolean) =>
  useQuery({
    enabled,
    refetchOnWindowFocus: false,
    queryKey: ['requeue', target, include],
    queryFn: () => call<Requeued>('requeue', { method: 'POST', body: { ...target, include, dryRun: true } }),
    gcTime: 0,
    staleTime: 0,
  })

/** Everything on the page may be another afterwards. */
function useAction<Body, Answer>(act: (body: Body) => Promise<Answer>) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: act,
    onSuccess: () => {
      // not waited for: the result is shown at once
      void queries.invalidateQueries({ predicate: ({ queryKey: [kind] }) => kind !== 'requeue' })
    },
  })
}

export const useRequeue = () =>
  useAction((body: RequeueTarget & { include: RequeueInclude[]; reason?: string }) =>
    call<Requeued>('requeue', { method: 'POST', body }),
  )

export const useResolve = (id: string) =>
  useAction((body: { action: 'resend' | 'discard'; reason: string }) =>
    call<Resolved>(`items/${id}/resolve`, { method: 'POST', body }),
  )

/** New Product (Set) creates of a set whatever the Shop does not have yet, be the set itself there or not. */
export const useQueueCreation = () =>
  useAction((productSetId: string) =>
    call<Enqueued>('items', { method: 'POST', body: { topic: 'new_product_set', productSetId } }),
  )
