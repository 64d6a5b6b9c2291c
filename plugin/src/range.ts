import { dateTime, type RawTimeRange, rangeUtil } from '@grafana/data'
import { shownZone } from './components/Time.tsx'
import type { Query } from './location.ts'

/** `from` and `to` of a query, for Grafana. */
export const rawRange = ({ from, to }: Query): RawTimeRange => ({ from: rawOf(from), to: rawOf(to) })
/** `now-1h` stays as it is; anything else is a time. An invalid time tells the picker "none". */
const rawOf = (text: string | undefined) => (text?.startsWith('now') ? text : dateTime(Date.parse(text ?? '')))

/** The query with the current times of its range, for the API. */
export function withTimes<Asked extends Query>(query: Asked): Asked {
  const { from, to } = rangeUtil.convertRawToRange(rawRange(query), shownZone())
  return {
    ...query,
    from: from.isValid() ? from.toISOString() : undefined,
    to: to.isValid() && query.to !== 'now' ? to.toISOString() : undefined,
  }
}

/**
 * What a question is known by. That of the last hour remains the same while the hour moves on: known by its times it
 * would be a new one each time, and nothing would be left of it when one is not answered. Only what `now/d` means
 * depends on the zone.
 */
export const questionOf = (query: Query): unknown[] =>
  [query.from, query.to].some((time) => time?.includes('/')) ? [query, shownZone()] : [query]
