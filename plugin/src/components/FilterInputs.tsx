import { type RawTimeRange, rangeUtil } from '@grafana/data'
import { Combobox, TimeRangeInput, useTheme2 } from '@grafana/ui'
import React, { useEffect, useState } from 'react'
import type { Query } from '../location.ts'
import { rawRange } from '../range.ts'
import { shownZone } from './Time.tsx'

/** Typing does not request anything; the list follows after a pause. */
const TYPING_MS = 400

/** `from` and `to` of a query. */
export function TimeRange({
  query,
  placeholder,
  onChange,
}: {
  query: Query
  placeholder: string
  onChange(change: Query): void
}) {
  const { breakpoints } = useTheme2()
  const [opensRight, setOpensRight] = useState(true)
  return (
    <div onClickCapture={(event) => setOpensRight(fitsRight(event.currentTarget, breakpoints.values.lg))}>
      <TimeRangeInput
        value={rangeUtil.convertRawToRange(rawRange(query), shownZone())}
        onChange={({ raw }) => onChange({ from: rawText(raw.from), to: rawText(raw.to) })}
        timeZone={shownZone()}
        placeholder={placeholder}
        clearable
        isReversed={opensRight}
      />
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
export function Choice({ label, all, options, value, onChange }: ChoiceProps) {
  return (
    <Combobox
      aria-label={label}
      placeholder={all}
      width={28}
      isClearable
      options={options}
      value={value ?? null}
      onChange={(option) => onChange(option?.value)}
    />
  )
}

const rawText = (raw: RawTimeRange['from']): string | undefined =>
  typeof raw === 'string' ? raw || undefined : raw?.isValid() ? raw.toISOString() : undefined

/** The value changes a moment after the last key. */
export function Typed({
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
