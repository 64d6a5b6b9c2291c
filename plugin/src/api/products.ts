import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import type {
  Differences,
  ProductSet,
  SearchResult,
  Seller,
  SkusFound,
  Timeline,
} from '../../../worker/api/internal/schemas.ts'
import { call, isFinal } from './client.ts'

/** Products, sellers and items that the words mean. */
export const useSearch = (q: string) =>
  useQuery({
    enabled: q !== '',
    queryKey: ['search', q],
    queryFn: ({ signal }) => call<SearchResult>('search', { query: { q }, signal }),
    placeholderData: keepPreviousData,
  })

/** None where nobody answers: what is typed may be taken as it is. */
export const findSellers = (q: string): Promise<SearchResult['sellers']> =>
  call<SearchResult>('search', { query: { q } }).then(
    ({ sellers }) => sellers,
    () => [],
  )

export const useSkus = (skus: readonly string[]) =>
  useQuery({
    enabled: skus.length > 0,
    queryKey: ['skus', skus],
    queryFn: ({ signal }) => call<SkusFound>('search', { method: 'POST', body: { skus }, signal }),
  })

export const useProductSet = (id: string, product: string | undefined, enabled: boolean) =>
  useQuery({
    enabled,
    queryKey: ['product set', id, product],
    queryFn: ({ signal }) => call<ProductSet>(`products/${id}`, { query: { product }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state: { error } }) => (isFinal(error) ? false : 3000),
  })

export const useDifferences = (productSetId: string, product: string) =>
  useQuery({
    queryKey: ['differences', productSetId, product],
    queryFn: ({ signal }) => call<Differences>(`products/${productSetId}/differences`, { query: { product }, signal }),
    refetchInterval: ({ state: { error } }) => (isFinal(error) ? false : 10_000),
  })

/** The changes of a set, a page at a time. */
export const useSetTimeline = (productSetId: string) =>
  useInfiniteQuery({
    queryKey: ['timeline', productSetId],
    queryFn: ({ pageParam, signal }) =>
      call<Timeline>(`products/${productSetId}/timeline`, { query: { cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
    // all pages are read anew: whoever reads what is older does not wait for what is new
    refetchInterval: ({ state: { data, error } }) => (isFinal(error) || (data?.pages.length ?? 0) > 1 ? false : 10_000),
  })

export const useSeller = (id: string, enabled: boolean) =>
  useQuery({
    enabled,
    queryKey: ['seller', id],
    queryFn: ({ signal }) => call<Seller>(`sellers/${id}`, { signal }),
    refetchInterval: ({ state: { error } }) => (isFinal(error) ? false : 10_000),
  })
