/**
 * The windows of the Sync KPI, and how their charts are cut: so many points each that a chart has room for, and an
 * answer stays small.
 */
export const WINDOWS = {
  '24h': { label: '24 hours', hours: 24, queueMinutes: 10, partHours: 1 },
  '7d': { label: '7 days', hours: 7 * 24, queueMinutes: 60, partHours: 6 },
  '14d': { label: '14 days', hours: 14 * 24, queueMinutes: 120, partHours: 12 },
  '30d': { label: '30 days', hours: 30 * 24, queueMinutes: 240, partHours: 24 },
  '90d': { label: '90 days', hours: 90 * 24, queueMinutes: 1440, partHours: 24 },
} as const satisfies Record<string, { label: string; hours: number; queueMinutes: number; partHours: number }>

export type Window = keyof typeof WINDOWS
export const WINDOW_NAMES = Object.keys(WINDOWS) as Window[]

/** The share of what was queued that is Synced by now; null where nothing was queued. */
export const shareOf = (synced: number, queued: number): number | null => (queued === 0 ? null : synced / queued)

/**
 * Sums up what happened hour by hour in the parts of a window, the oldest first. The last part ends with the hour that
 * is under way.
 *
 * @param byHour `hoursAgo` counts from the hour that is under way, which is 0
 */
export function inParts(window: Window, byHour: readonly { hoursAgo: number; n: number }[]): number[] {
  const { hours, partHours } = WINDOWS[window]
  const parts: number[] = Array(hours / partHours).fill(0)
  for (const { hoursAgo, n } of byHour) {
    const place = parts.length - 1 - Math.floor(hoursAgo / partHours)
    if (parts[place] !== undefined) parts[place] += n
  }
  return parts
}

/** When each part of a window begins. @param end of the last part */
export const partTimes = (window: Window, end: Date): Date[] =>
  timesBefore(end, WINDOWS[window].hours / WINDOWS[window].partHours, WINDOWS[window].partHours * 60)

/** When each point of the queue begins, up to now. @param end of the hour that is under way */
export const queueTimes = (window: Window, end: Date, now: Date): Date[] => {
  const { hours, queueMinutes } = WINDOWS[window]
  return timesBefore(end, (hours * 60) / queueMinutes, queueMinutes).filter((time) => time <= now)
}

const timesBefore = (end: Date, count: number, minutes: number): Date[] =>
  Array.from({ length: count }, (_, place) => new Date(end.getTime() - (count - place) * minutes * 60_000))
