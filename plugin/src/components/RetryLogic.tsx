import { Button, Modal } from '@grafana/ui'
import React, { useState } from 'react'
import { retryTable } from '../../../worker/domain/retry.ts'

/** The seed's table: 27 retries in minutes of 60 seconds. */
const ROWS = retryTable(27, 60)

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
        <table aria-label="Retry table">
          <thead>
            <tr>
              <th scope="col">Retry</th>
              <th scope="col">Minutes</th>
              <th scope="col">Additional delay (DD:HH:MM)</th>
              <th scope="col">Total delay (DD:HH:MM)</th>
            </tr>
          </thead>
          <tbody>
            {ROWS.map(({ retry, minutes, delay, total }) => (
              <tr key={retry}>
                <td>#{retry}</td>
                <td>{minutes}</td>
                <td>{delay}</td>
                <td>{total}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Modal>
    </>
  )
}
