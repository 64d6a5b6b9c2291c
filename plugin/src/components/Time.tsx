import { dateTimeFormat, dateTimeFormatTimeAgo, timeZoneAbbrevation } from '@grafana/data'
import { config } from '@grafana/runtime'
import React from 'react'
import { timeMode, useTimeMode } from './timeMode.ts'

/** From the viewer's profile in Grafana. */
export const zone = () => config.bootData.user.timezone

/** The viewer's zone by its name. */
export const zoneName = (): string =>
  ['', 'browser'].includes(zone()) ? Intl.DateTimeFormat().resolvedOptions().timeZone : zone()

/** What times are shown in, and what is picked is meant in. */
export const shownZone = (): string => (timeMode() === 'utc' ? 'utc' : zone())

/** In the viewer's zone, or UTC if he has chosen so. */
export const absolute = (iso: string): string =>
  dateTimeFormat(iso, { timeZone: shownZone(), format: 'YYYY-MM-DD HH:mm:ss' })
/** To the minute, with the zone: for what is planned, and compared with other people's clocks. */
export const withZone = (iso: string): string => {
  const timeZone = shownZoneName()
  return `${dateTimeFormat(iso, { timeZone, format: 'YYYY-MM-DD HH:mm' })} ${timeZoneAbbrevation(iso, { timeZone })}`
}
/** The zone that times are shown in, by its name. */
export const shownZoneName = (): string => (timeMode() === 'utc' ? 'UTC' : zoneName())
/** The same within today. */
export const clock = (at: number): string => dateTimeFormat(at, { timeZone: shownZone(), format: 'HH:mm:ss' })
export const relative = (iso: string): string => inOneLine(dateTimeFormatTimeAgo(iso, { timeZone: zone() }))

/** Keeps a number and its unit on one line. */
const inOneLine = (text: string): string => text.replaceAll(' ', '\u00a0')

/** Breaks between date and time, where it must; never within the date, at its hyphens. */
function Clock({ at }: { at: string }) {
  const [date, time] = absolute(at).split(' ')
  return (
    <>
      <span style={{ whiteSpace: 'nowrap' }}>{date}</span>
      {'\u00a0'}
      <wbr />
      {time}
    </>
  )
}

/** How long ago, or in how long, with the exact time on hover; or the exact time, where that was chosen. */
export function Time({ at }: { at: string | null }) {
  const mode = useTimeMode()
  if (at === null) return <>–</>
  return (
    <time dateTime={at} title={`${mode === 'relative' ? absolute(at) : relative(at)} (${at})`}>
      {mode === 'relative' ? relative(at) : <Clock at={at} />}
    </time>
  )
}

/** The time of something planned, which may be a little late. */
export function Due({ at }: { at: string | null }) {
  const mode = useTimeMode()
  return mode === 'relative' && at !== null && Date.parse(at) <= Date.now() ? <>any moment now</> : <Time at={at} />
}

/** Both at once, where there is room. */
export const Moment = ({ at, isPlanned = false }: { at: string | null; isPlanned?: boolean }) =>
  at === null ? (
    <>–</>
  ) : (
    <time dateTime={at} title={at}>
      {absolute(at)}, {isPlanned && Date.parse(at) <= Date.now() ? 'any moment now' : relative(at)}
    </time>
  )

/** How long it has lasted; where times are absolute, since when. */
export function Age({ since }: { since: string }) {
  const mode = useTimeMode()
  const lasted = duration(Math.max(0, (Date.now() - Date.parse(since)) / 1000))
  return (
    <time dateTime={since} title={mode === 'relative' ? `since ${absolute(since)}` : `for ${lasted}`}>
      {mode === 'relative' ? lasted : <Clock at={since} />}
    </time>
  )
}

/** The same in a sentence: `For 4 min 10 s`, or `Since 2026-11-24 09:05:00`. */
export function Lasting({ since }: { since: string }) {
  const mode = useTimeMode()
  return (
    <>
      {mode === 'relative' ? 'For' : 'Since'} <Age since={since} />
    </>
  )
}

/** `42 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  if (seconds < 1) return inOneLine(`${Math.round(seconds * 1000)} ms`)
  if (seconds < 10) return inOneLine(`${seconds.toFixed(1)} s`)
  const whole = Math.round(seconds)
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ]
  const first = parts.findIndex(([n]) => n > 0)
  const shown = parts.slice(first, first + 2).filter(([n]) => n > 0)
  return inOneLine(shown.map(([n, unit]) => `${n} ${unit}`).join(' '))
}
