import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { BodyPart, Causes, Counts, ItemDetail, Items, Unanswered } from '../../../worker/api/internal/schemas.ts'
import type { Tab } from '../../../worker/domain/statuses.ts'
import { type Query, withQuery } from '../location.ts'
import { questionOf, withTimes } from '../range.ts'
import { call, isFinal, proxied } from './client.ts'

/** The filters of a list, named as in the API. A page's may have a relative range: each reading takes its times. */
export interface Selection extends Query {
  tab?: Tab
  topic?: string
  status?: string
  reason?: string
  cause?: string
  seller?: string
  set?: string
  q?: string
  from?: string
  to?: string
}

/** A page of a list, refreshed while it is shown. */
export const useItems = (
  query: Selection & { sort?: string; cursor?: string; limit?: string },
  everyMs: number | false,
) =>
  useQuery({
    queryKey: ['items', ...questionOf(query)],
    queryFn: async ({ signal }) => {
      const asked = withTimes(query)
      return { ...(await call<Items>('items', { query: asked, signal })), asked }
    },
    placeholderData: keepPreviousData,
    refetchInterval: everyMs,
  })

/** What each tab has of a selection that goes along from one to the next. */
export const useCounts = (query: Query, enabled: boolean) =>
  useQuery({
    enabled,
    queryKey: ['counts', ...questionOf(query)],
    queryFn: ({ signal }) => call<Counts>('counts', { query: withTimes(query), signal }),
    // of another time they may stand until the new ones come; with another filter they would be of something else
    placeholderData: (last, lastQuery) => {
      const { topic, seller, q } = (lastQuery?.queryKey[1] ?? {}) as Query
      return topic === query.topic && seller === query.seller && q === query.q ? last : undefined
    },
    refetchInterval: ({ state: { error } }) => (isFinal(error) ? false : 5000),
  })

/** Why the items of a list are in it. */
export const useCauses = (tab: Tab, enabled: boolean) =>
  useQuery({
    enabled,
    queryKey: ['causes', tab],
    queryFn: ({ signal }) => call<Causes>('causes', { query: { tab }, signal }),
    refetchInterval: 10_000,
  })

/** What the Shop has acknowledged and not answered for long. */
export const useUnanswered = () =>
  useQuery({
    queryKey: ['unanswered'],
    queryFn: ({ signal }) => call<Unanswered>('unanswered', { signal }),
    refetchInterval: 10_000,
  })

export const useItem = (id: string, enabled = true) =>
  useQuery({
    enabled,
    queryKey: ['item', id],
    queryFn: ({ signal }) => call<ItemDetail>(`items/${id}`, { signal }),
    // items outside the queue do not change any more, and a missing item does not appear
    refetchInterval: ({ state: { data, error } }) => (data?.retriesLeft === null || isFinal(error) ? false : 2000),
  })

const bodyPath = (id: string, requestId: string, part: BodyPart): string => `items/${id}/calls/${requestId}/${part}`

/** One whole body, possibly megabytes. */
export const readBody = (id: string, requestId: string, part: BodyPart): Promise<string> =>
  call<string>(bodyPath(id, requestId, part), { responseType: 'text' })

export const bodyUrl = (id: string, requestId: string, part: BodyPart): string => proxied(bodyPath(id, requestId, part))

export const csvUrl = (query: Selection & { sort?: string }): string => withQuery(proxied('items.csv'), query)
