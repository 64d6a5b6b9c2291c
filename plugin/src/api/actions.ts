import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Enqueued, Requeued, Resolved, Run, RunPreview } from '../../../worker/api/internal/schemas.ts'
import type { RequeueInclude } from '../../../worker/domain/requeue.ts'
import type { Topic } from '../../../worker/domain/topics.ts'
import { call } from './client.ts'
import type { Selection } from './items.ts'

/** What is to be requeued: always whole product sets, whatever was named. */
export type RequeueTarget = { itemIds: string[] } | { productSetIds: string[] } | { filter: Selection }

/** What a requeue is to do, without the reason. */
export type Asked = RequeueTarget & { include: RequeueInclude[]; force: boolean; mayCreateTwice: boolean }

/** @param enabled false once the requeue runs: nobody reads the preview any more */
export const useRequeuePreview = (asked: Asked, enabled: boolean) =>
  useQuery({
    enabled,
    refetchOnWindowFocus: false,
    queryKey: ['requeue', asked],
    queryFn: ({ signal }) => call<Requeued>('requeue', { method: 'POST', body: { ...asked, dryRun: true }, signal }),
    placeholderData: keepPreviousData,
    gcTime: 0,
    staleTime: 0,
  })

/** What a run is to do, without the reason: of `discard` items, of `send` topics of products. */
export type AskedOfRun = { kind: Run['kind'] } & (
  | (RequeueTarget & Partial<Omit<Asked, keyof RequeueTarget>>)
  | { productIds: string[]; topics: Topic[]; force: boolean }
)

/** @param enabled false once the run has begun: nobody reads the preview any more */
export const useRunPreview = (asked: AskedOfRun, enabled: boolean) =>
  useQuery({
    enabled,
    refetchOnWindowFocus: false,
    queryKey: ['requeue', asked],
    queryFn: ({ signal }) => call<RunPreview>('runs/preview', { method: 'POST', body: asked, signal }),
    placeholderData: keepPreviousData,
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

export const useStartRun = () =>
  useAction(
    (body: AskedOfRun & { reason?: string; previewed?: Record<string, number> }): Promise<Run> =>
      call<Run>('runs', { method: 'POST', body }),
  )

export const useResolve = (id: string) =>
  useAction((body: { action: 'resend' | 'discard'; reason: string; force: boolean; mayCreateTwice: boolean }) =>
    call<Resolved>(`items/${id}/resolve`, { method: 'POST', body }),
  )

/** The Shop has the product of a create already, under these ids. */
export const useAdopt = (id: string) =>
  useAction((body: { productId: string; srcId: string; shopSku: string; setSrcId?: string; reason: string }) =>
    call<Resolved>(`items/${id}/resolve`, { method: 'POST', body: { action: 'adopt', ...body } }),
  )

/** Queues a topic, whether or not anything has changed. */
export const useSendAgain = () =>
  useAction((body: { topic: Topic; productId?: string; productSetId?: string; force?: boolean; reason?: string }) =>
    call<Enqueued>('items', { method: 'POST', body }),
  )

/** New Product (Set) creates whatever the Shop lacks of a set, whether or not the set itself exists there. */
export const useQueueCreation = () =>
  useAction((productSetId: string) =>
    call<Enqueued>('items', { method: 'POST', body: { topic: 'new_product_set', productSetId } }),
  )
