import { dateTimeFormat, dateTimeFormatTimeAgo } from '@grafana/data'
import { config } from '@grafana/runtime'
import React from 'react'

/** From the viewer's profile in Grafana. */
export const zone = () => config.bootData.user.timezone

/** In the viewer's zone. */
export const absolute = (iso: string): string =>
  dateTimeFormat(iso, { timeZone: zone(), format: 'YYYY-MM-DD HH:mm:ss' })
export const relative = (iso: string): string => inOneLine(dateTimeFormatTimeAgo(iso, { timeZone: zone() }))

/** Keeps a number and its unit on one line. */
const inOneLine = (text: string): string => text.replaceAll(' ', '\u00a0')

/** How long ago, or in how long; the exact time on hover. */
export function Time({ at }: { at: string | null }) {
  if (at === null) return <>–</>
  return (
    <time dateTime={at} title={`${absolute(at)} (${at})`}>
      {relative(at)}
    </time>
  )
}

/** The time of something planned, which may be a little late. */
export const Due = ({ at }: { at: string | null }) =>
  at !== null && Date.parse(at) <= Date.now() ? <>any moment now</> : <Time at={at} />

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
