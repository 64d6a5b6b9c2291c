import { Badge } from '@grafana/ui'
import React, { useEffect, useState } from 'react'
import { ApiError } from '../api/client.ts'
import { clock } from './Time.tsx'
import { useTimeMode } from './timeMode.ts'

/** A list takes tens of milliseconds; after this long nobody is there, or the network is not. */
const LATE_MS = 5000

/** When what is shown was read, and a mark where the worker has not answered since. */
export function AsOf({
  query: { dataUpdatedAt, isFetching, error },
}: {
  query: { dataUpdatedAt: number; isFetching: boolean; error: Error | null }
}) {
  useTimeMode()
  const [isLate, setLate] = useState(false)
  useEffect(() => {
    if (!isFetching) return setLate(false)
    const timer = setTimeout(() => setLate(true), LATE_MS)
    return () => clearTimeout(timer)
  }, [isFetching])
  return (
    <span role="status" aria-label="As of" style={{ whiteSpace: 'nowrap' }}>
      {dataUpdatedAt > 0 && <span aria-live="off">As of {clock(dataUpdatedAt)}</span>}{' '}
      {(isLate || (error instanceof ApiError && error.unreachable)) && (
        <Badge color="orange" icon="exclamation-triangle" text="Stale: the worker does not answer" />
      )}
    </span>
  )
}
