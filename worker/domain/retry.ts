/** The longest delay, in "minutes" of the retry table (docs/requirements.md, "Retry table"). */
const LONGEST_MINUTES = 480

const minutesBefore = (retry: number): number => Math.min(retry ** 3, LONGEST_MINUTES)

/**
 * The wait between the n-th failure and the retry after it. There is no jitter: admins quote these times to sellers
 * (decision 2).
 * @param failures failures in this retry cycle, including the current one; 1 or more
 * @param unitSeconds length of a "minute" of the table, in seconds; may be a fraction
 * @returns seconds
 */
export const retryDelaySeconds = (failures: number, unitSeconds: number): number =>
  minutesBefore(failures) * unitSeconds

/**
 * How many automatic retries an item still has, including one that is planned or under way: 27 until the first retry
 * has failed, 0 when the last one has ("retries exhausted", decision 1).
 * @param failures failures in this retry cycle; the first of them was not a retry
 */
export const retriesLeft = (failures: number, maxRetries: number): number =>
  Math.max(0, maxRetries - Math.max(0, failures - 1))

export interface Failure {
  /** Failures in this retry cycle, including this one. */
  failures: number
  at: Date
  maxRetries: number
  /** The number of the failure that makes the item Failed. */
  failedAfter: number
  /** Length of a "minute" of the retry table, in seconds. */
  unitSeconds: number
}

/**
 * What a failure makes of an item: Failed from the 12th on, while retries go on until the 27th has failed (decision 1).
 * An item without a next attempt is Failed, whatever `failedAfter` says: Delayed promises another attempt.
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
  /** Real time since the previous failure, DD:HH:MM. */
  delay: string
  /** Real time since the first failure, DD:HH:MM. */
  total: string
}

/**
 * The retry table (docs/requirements.md, "Retry table"), row by row.
 * @param unitSeconds length of a "minute", in seconds; 60 gives exactly that table
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
