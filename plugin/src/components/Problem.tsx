import { Alert, Button } from '@grafana/ui'
import React from 'react'
import { ApiError } from '../api/client.ts'

/** What went wrong, what that means for the reader, and how to continue. */
export function Problem({ error, retry, write = false }: { error: Error; retry?: () => void; write?: boolean }) {
  const unreachable = error instanceof ApiError && error.unreachable
  return (
    <Alert
      title={unreachable ? 'The worker cannot be reached' : write ? 'This was not done' : 'This could not be loaded'}
      severity={unreachable ? 'warning' : 'error'}
    >
      {!unreachable
        ? `${error.message} `
        : write
          ? 'It may have been done, or a part of it: look before you do it again. '
          : 'Nothing is lost: what is queued stays in the database. This page goes on by itself as soon as the ' +
            'worker answers. '}
      {retry && (
        <Button variant="secondary" size="sm" onClick={retry}>
          Try again
        </Button>
      )}
    </Alert>
  )
}
