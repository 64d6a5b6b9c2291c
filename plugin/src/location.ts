import { locationUtil } from '@grafana/data'
import { locationService } from '@grafana/runtime'
import { useSyncExternalStore } from 'react'
import { ROOT } from './app.ts'

/** What a page keeps in the URL, so that a link shows a colleague the same. */
export type Query = Record<string, string | undefined>

const subscribe = (listener: () => void) => locationService.getHistory().listen(listener)

/**
 * The path below the root of the app, as segments, and the query. The history has already decoded the path. Decoding it
 * again would throw at a percent sign, and no page name or id needs it.
 */
export function useRoute(): { segments: string[]; query: Query } {
  const location = useSyncExternalStore(subscribe, () => locationService.getLocation())
  const path = locationUtil.stripBaseFromUrl(location.pathname)
  return {
    segments: path.startsWith(ROOT) ? path.slice(ROOT.length).split('/').filter(Boolean) : [],
    query: Object.fromEntries(new URLSearchParams(location.search)),
  }
}

/** A page of the app with its query, without the sub path. */
export function pageUrl(page: string, query: Query = {}): string {
  return withQuery(`${ROOT}/${page}`, query)
}

/** The set values of a query. */
export const given = (query: Query): Record<string, string> =>
  Object.fromEntries(Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1])))

export function withQuery(path: string, query: Query): string {
  const text = new URLSearchParams(given(query)).toString()
  return text === '' ? path : `${path}?${text}`
}

/** Changes the query of this page; undefined values are removed. */
export const changeQuery = (change: Query): void => locationService.partial(change, true)
/** The same as a new history entry: the browser's Back undoes it. */
export const turnTo = (change: Query): void => locationService.partial(change)
