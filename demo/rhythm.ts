/** How busy a made-up history is at each moment: pure functions of the time. */

const MINUTE = 60_000
export const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** From Sunday on; the weekend is Friday and Saturday. */
const WEEK = [1, 1, 0.95, 1, 0.9, 0.5, 0.65] as const

/** How many changes are queued, 1 on an ordinary weekday in the afternoon: less at night and at the weekend. */
export function busyAt(time: Date): number {
  const hour = time.getUTCHours() + time.getUTCMinutes() / 60
  const day = Math.max(0, Math.sin((Math.PI * (hour - 5)) / 18)) // from five in the morning to eleven at night
  return (0.15 + 0.85 * day) * WEEK[time.getUTCDay()]!
}

/** The Shop was away once: five days before the end, from noon on. */
const AWAY = { daysAgo: 5, fromHour: 12, hours: 3, caughtUpAfterHours: 1.5 }
const awaySince = (until: Date): number =>
  Math.floor(until.getTime() / DAY) * DAY - AWAY.daysAgo * DAY + AWAY.fromHour * HOUR

export function isAway(time: Date, until: Date): boolean {
  const since = awaySince(until)
  return time.getTime() >= since && time.getTime() < since + AWAY.hours * HOUR
}

/** What waits because the Shop is or was away, 1 when it comes back. */
export function pileAt(time: Date, until: Date): number {
  const hours = (time.getTime() - awaySince(until)) / HOUR
  if (hours < 0 || hours > AWAY.hours + AWAY.caughtUpAfterHours) return 0
  return hours <= AWAY.hours ? hours / AWAY.hours : 1 - (hours - AWAY.hours) / AWAY.caughtUpAfterHours
}

/** The flow was changed once: asynchronous until a month before the end. */
export const isAsynchronous = (time: Date, until: Date): boolean => time.getTime() < until.getTime() - 30 * DAY
