import { css } from '@emotion/css'
import { dateTime, type GrafanaTheme2, type RawTimeRange, rangeUtil } from '@grafana/data'
import { Combobox, FilterInput, IconButton, Input, TimeRangeInput, useStyles2, useTheme2 } from '@grafana/ui'
import React, { useEffect, useState } from 'react'
import { explain } from '../../../../worker/domain/explanations.ts'
import { BLOCKS, type ReasonCode } from '../../../../worker/domain/reasons.ts'
import { PRODUCTS_A_PREFIX } from '../../../../worker/domain/search.ts'
import { STATUS_NAMES, STATUSES, type Tab } from '../../../../worker/domain/statuses.ts'
import { TOPIC_NAMES, TOPICS } from '../../../../worker/domain/topics.ts'
import { zone } from '../../components/Time.tsx'
import { changeQuery, type Query } from '../../location.ts'

/** Lists whose items have several reasons. */
const REASONS_OF: Partial<Record<Tab, readonly ReasonCode[]>> = {
  delayed: ['failure', 'stock_wait'],
  blocked: BLOCKS,
}
/** A reason in the URL counts only where the filter for it is shown. */
export const reasonOf = (tab: Tab, { reason }: Query): string | undefined => (REASONS_OF[tab] ? reason : undefined)

const topics = TOPIC_NAMES.map((value) => ({ value, label: TOPICS[value].label }))

/** What a search matches: after typing anything else, an admin would take "nothing found" for an answer. */
export const SEARCHED =
  'A search finds a seller SKU or Shop SKU, case-sensitive; a product, set, item or request by its whole id; a ' +
  'seller by their whole name; or else the SKUs that begin with it.'
/** Shown when a search matches more than the API looked up. */
export const FIRST_ONLY =
  `More than ${PRODUCTS_A_PREFIX} products begin with this; only the first ${PRODUCTS_A_PREFIX} were looked at. Give ` +
  'more of the SKU.'

/** Typing does not request anything; the list follows after a pause. */
const TYPING_MS = 400

/** The filters of the list, all of them in the URL. */
export function Filters({ tab, query }: { tab: Tab; query: Query }) {
  const styles = useStyles2(getStyles)
  const statuses = STATUS_NAMES.filter(
    (name) => STATUSES[name].tab === tab || (tab === 'pending' && name === 'blocked'),
  ).map((value) => ({
    value,
    label: STATUSES[value].label,
  }))
  const reasons = REASONS_OF[tab]?.map((value) => ({ value, label: explain(value).label }))
  const { breakpoints } = useTheme2()
  const [opensRight, setOpensRight] = useState(true)
  const set = (change: Query) => changeQuery({ ...change, cursor: undefined })
  return (
    <div className={styles.row} role="search" aria-label="Filters">
      <Typed value={query.q} onChange={(q) => set({ q })}>
        {(value, onChange) => (
          <FilterInput
            placeholder="SKU from its beginning, id, or seller"
            value={value}
            onChange={onChange}
            escapeRegex={false}
            width={38}
            aria-label="Search"
          />
        )}
      </Typed>
      <IconButton name="info-circle" tooltip={SEARCHED} tooltipPlacement="bottom" />
      <Choice
        label="Topic"
        all="All topics"
        options={topics}
        value={query.topic}
        onChange={(topic) => set({ topic })}
      />
      {statuses.length > 1 && (
        <Choice
          label="Status"
          all="All statuses"
          options={statuses}
          value={query.status}
          onChange={(status) => set({ status })}
        />
      )}
      {reasons && (
        <Choice
          label="Reason"
          all="All reasons"
          options={reasons}
          value={query.reason}
          onChange={(reason) => set({ reason })}
        />
      )}
      <Typed value={query.seller} onChange={(seller) => set({ seller })}>
        {(value, onChange) => (
          <Input
            aria-label="Seller"
            placeholder="Seller, whole name or id"
            width={24}
            value={value}
            onChange={(event) => onChange(event.currentTarget.value)}
          />
        )}
      </Typed>
      <div onClickCapture={(event) => setOpensRight(fitsRight(event.currentTarget, breakpoints.values.lg))}>
        <TimeRangeInput
          value={rangeUtil.convertRawToRange(rawRange(query), zone())}
          onChange={({ raw }) => set({ from: rawText(raw.from), to: rawText(raw.to) })}
          timeZone={zone()}
          placeholder="Queued at any time"
          clearable
          isReversed={opensRight}
        />
      </div>
    </div>
  )
}

/**
 * Whether the picker fits. Grafana makes it narrow on a screen below `wide`; its position depends on how the filters
 * wrap.
 */
function fitsRight(element: Element, wide: number): boolean {
  const pickerWidth = window.innerWidth < wide ? 262 : 546
  return element.getBoundingClientRect().left + pickerWidth <= document.documentElement.clientWidth
}

interface ChoiceProps {
  label: string
  all: string
  options: { value: string; label: string }[]
  value: string | undefined
  onChange(value: string | undefined): void
}

/** One of several values, or all. */
function Choice({ label, all, options, value, onChange }: ChoiceProps) {
  return (
    <Combobox
      aria-label={label}
      placeholder={all}
      width={24}
      isClearable
      options={options}
      value={value ?? null}
      onChange={(option) => onChange(option?.value)}
    />
  )
}

const rawRange = ({ from, to }: Query): RawTimeRange => ({ from: rawOf(from), to: rawOf(to) })
/** `now-1h` stays as it is; anything else is a time. An invalid time tells the picker "none". */
const rawOf = (text: string | undefined) => (text?.startsWith('now') ? text : dateTime(Date.parse(text ?? '')))
const rawText = (raw: RawTimeRange['from']): string | undefined =>
  typeof raw === 'string' ? raw || undefined : raw?.isValid() ? raw.toISOString() : undefined

/** The current times of a relative range, for the API. */
export function absoluteRange(query: Query): Pick<Query, 'from' | 'to'> {
  const { from, to } = rangeUtil.convertRawToRange(rawRange(query), zone())
  return {
    from: from.isValid() ? from.toISOString() : undefined,
    to: to.isValid() && query.to !== 'now' ? to.toISOString() : undefined,
  }
}

function Typed({
  value = '',
  onChange,
  children,
}: {
  value: string | undefined
  onChange(value: string | undefined): void
  children(value: string, onChange: (value: string) => void): React.JSX.Element
}) {
  const [typed, setTyped] = useState(value)
  useEffect(() => setTyped(value), [value])
  useEffect(() => {
    if (typed.trim() === value) return
    const timer = setTimeout(() => onChange(typed.trim() || undefined), TYPING_MS)
    return () => clearTimeout(timer)
  }, [typed, value, onChange])
  return children(typed, setTyped)
}

const getStyles = (theme: GrafanaTheme2) => ({
  row: css({
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'center',
    gap: theme.spacing(1),
    marginBottom: theme.spacing(2),
  }),
})
