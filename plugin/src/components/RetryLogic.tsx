import { Button, Modal } from '@grafana/ui'
import React, { useState } from 'react'
import { retryTable } from '../../../worker/domain/retry.ts'
import { Table, type TableColumn } from './Table.tsx'

/** The seed's table: 27 retries in minutes of 60 seconds. */
const ROWS = retryTable(27, 60).map((row) => ({ id: `#${row.retry}`, ...row }))
const COLUMNS: TableColumn<(typeof ROWS)[number]>[] = [
  { name: 'retry', label: 'Retry', cell: ({ id }) => id },
  { name: 'minutes', label: 'Minutes', cell: ({ minutes }) => minutes },
  { name: 'delay', label: 'Additional delay (DD:HH:MM)', cell: ({ delay }) => delay },
  { name: 'total', label: 'Total delay (DD:HH:MM)', cell: ({ total }) => total },
]

/** "Retry logic": when a failed item is tried again, for whoever has to tell a seller. */
export function RetryLogic() {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button variant="secondary" fill="text" icon="question-circle" onClick={() => setOpen(true)}>
        Retry logic
      </Button>
      <Modal title="Retry logic" isOpen={open} onDismiss={() => setOpen(false)}>
        <p>
          After the n-th failure an item waits n³ minutes, 8 hours at most, so that it is tried at least three times a day: 27 retries in
          all. From the 12th failure on it is listed as Failed; its retries go on.
        </p>
        <Table label="Retry table" columns={COLUMNS} rows={ROWS} />
      </Modal>
    </>
  )
}
