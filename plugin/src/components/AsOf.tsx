import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { Badge, useStyles2 } from '@grafana/ui'
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
  const styles = useStyles2(getStyles)
  const [isLate, setLate] = useState(false)
  useEffect(() => {
    if (!isFetching) return setLate(false)
    const timer = setTimeout(() => setLate(true), LATE_MS)
    return () => clearTimeout(timer)
  }, [isFetching])
  return (
    <span role="status" aria-label="As of" className={styles.asOf}>
      {dataUpdatedAt > 0 && <span aria-live="off">As of {clock(dataUpdatedAt)}</span>}{' '}
      {(isLate || (error instanceof ApiError && error.unreachable)) && (
        <Badge color="orange" icon="exclamation-triangle" text="Stale: the worker does not answer" />
      )}
    </span>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  asOf: css({ ...theme.typography.bodySmall, color: theme.colors.text.secondary, whiteSpace: 'nowrap' }),
})
