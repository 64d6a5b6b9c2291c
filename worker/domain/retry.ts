/** The longest delay, in "minutes" of the retry table (docs/requirements.md, "Retry table"). */
const LONGEST_MINUTES = 480

const minutesBefore = (retry: number): number => Math.min(retry ** 3, LONGEST_MINUTES)

/**
 * How long to wait for the retry that follows the n-th failure, counted from that failure. No jitter: admins quote
 * these times to sellers (decision 2).
 * @param failures how often the item has failed in this retry cycle, including the failure just seen; 1 or more
 * @param unitSeconds length of a "minute" of the table, in seconds; may be a fraction
 * @returns seconds
 */
export const retryDelaySeconds = (failures: number, unitSeconds: number): number =>
  minutesBefore(failures) * unitSeconds

/**
 * How many automatic retries an item still has, the one that is planned or under way included: 27 until the first retry
 * has failed, 0 when the last one has ("retries exhausted", decision 1).
 * @param failures failures in this retry cycle; the first of them was no retry
 */
export const retriesLeft = (failures: number, maxRetries: number): number =>
  Math.max(0, maxRetries - Math.max(0, failures - 1))

export interface Failure {
  /** Failures in this retry cycle, including this one. */
  failures: number
  at: Date
  maxRetries: number
  /** The failure that makes the item Failed. */
  failedAfter: number
  /** Length of a "minute" of the retry table, in seconds. */
  unitSeconds: number
}

/**
 * What a failure makes of an item: Failed from the 12th on, with retries that go on until the 27th has failed
 * (decision 1). An item without a next attempt is Failed whatever `failedAfter` says: Delayed promises that it will be
 * tried again.
 */
export function afterFailure({ failures, at, maxRetries, failedAfter, unitSeconds }: Failure): {
  status: 'delayed' | 'failed'
  nextAttemptAt: Date | null
} {
  const exhausted = retriesLeft(failures, maxRetries) === 0
  return {
    status: exhausted || failures >= failedAfter ? 'failed' : 'delayed',
    nextAttemptAt: exhausted
      ? null
      : new Date(at.getTime() + Math.round(retryDelaySeconds(failures, unitSeconds) * 1000)),
  }
}

export interface RetryRow {
  retry: number
  /** "Minutes" of the table, whatever their real length. */
  minutes: number
  /** Real time since the failure before it, DD:HH:MM. */
  delay: string
  /** Real time since the first failure, DD:HH:MM. */
  total: string
}

/**
 * The retry table (docs/requirements.md, "Retry table"), row by row.
 * @param unitSeconds length of a "minute", in seconds; 60 gives that table to the letter
 */
export function retryTable(maxRetries: number, unitSeconds: number): RetryRow[] {
  let total = 0
  return Array.from({ length: maxRetries }, (_, index) => {
    const retry = index + 1
    const delay = retryDelaySeconds(retry, unitSeconds)
    total += delay
    return { retry, minutes: minutesBefore(retry), delay: daysHoursMinutes(delay), total: daysHoursMinutes(total) }
  })
}

function daysHoursMinutes(seconds: number): string {
  const minutes = Math.round(seconds / 60)
  return [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60]
    .map((part) => String(part).padStart(2, '0'))
    .join(':')
}
