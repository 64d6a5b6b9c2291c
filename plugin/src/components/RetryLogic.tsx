import { Button, LoadingPlaceholder, Modal } from '@grafana/ui'
import React, { useState } from 'react'
import type { Summary } from '../../../worker/api/internal/schemas.ts'
import { retryTable } from '../../../worker/domain/retry.ts'
import { useSummary } from '../api/numbers.ts'
import { Problem } from './Problem.tsx'
import { Table, type TableColumn } from './Table.tsx'
import { duration } from './Time.tsx'

type Retries = Summary['retries']

const rowsOf = ({ most, unitSeconds }: Retries) =>
  retryTable(most, unitSeconds).map((row) => ({ id: `#${row.retry}`, ...row }))
const COLUMNS: TableColumn<ReturnType<typeof rowsOf>[number]>[] = [
  { name: 'retry', label: 'Retry', cell: ({ id }) => id },
  { name: 'minutes', label: 'Minutes', cell: ({ minutes }) => minutes },
  { name: 'delay', label: 'Additional delay (DD:HH:MM)', cell: ({ delay }) => delay },
  { name: 'total', label: 'Total delay (DD:HH:MM)', cell: ({ total }) => total },
]

/**
 * "Retry logic": when a failed item is retried, for answering sellers. With default settings it is the table of
 * docs/requirements.md.
 */
export function RetryLogic() {
  const [open, setOpen] = useState(false)
  const { data, error, refetch } = useSummary()
  return (
    <>
      <Button variant="secondary" fill="text" icon="question-circle" onClick={() => setOpen(true)}>
        Retry logic
      </Button>
      <Modal title="Retry logic" isOpen={open} onDismiss={() => setOpen(false)}>
        {error && <Problem error={error} retry={refetch} />}
        {!data && !error && <LoadingPlaceholder text="Loading the settings …" />}
        {data && !data.retries && <p>This worker is of before and does not tell its settings.</p>}
        {data?.retries && (
          <>
            <p>{inWords(data.retries)}</p>
            <Table label="Retry table" columns={COLUMNS} rows={rowsOf(data.retries)} />
          </>
        )}
      </Modal>
    </>
  )
}

function inWords({ most, failedAfter, unitSeconds }: Retries): string {
  if (most === 0) return 'An item that has failed is listed as Failed and is not tried again by itself.'
  const limit =
    unitSeconds === 60
      ? '8 hours at most, so that it is tried at least three times a day'
      : `480 at most; such a minute takes ${duration(unitSeconds)} here`
  const failed =
    failedAfter <= most
      ? `From failure ${failedAfter} on it is listed as Failed; its retries go on.`
      : 'When the last has failed, it is listed as Failed.'
  return `After the n-th failure an item waits n³ minutes (${limit}): ${most} retries in all. ${failed}`
}
