import { Button, Checkbox, Field, Input, Modal, Stack } from '@grafana/ui'
import React, { useState } from 'react'
import { useResolve } from '../../api/actions.ts'
import { ApiError } from '../../api/client.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { Problem } from '../../components/Problem.tsx'

/**
 * A decision for admins: whether an item is sent again or taken out of the queue.
 * @param creates whether it creates something at the Shop
 * @param isOpen whether a decision is still needed; an open dialog stays, to show its outcome
 */
export function Resolve({ id, creates, isOpen }: { id: string; creates: boolean; isOpen: boolean }) {
  const [action, setAction] = useState<'resend' | 'discard' | null>(null)
  const [reason, setReason] = useState('')
  const [isSure, setIsSure] = useState(false)
  const resolve = useResolve(id)
  const isRefused = resolve.error instanceof ApiError && resolve.error.field === 'force'
  const asks = action === 'resend' && (creates || isRefused)
  const buttons = [
    ['resend', 'Send it again'],
    ['discard', 'Discard it'],
  ] as const
  if (!isOpen && action === null) return null
  return (
    <>
      <Stack gap={1}>
        {buttons.map(([name, text]) => (
          <Button
            key={name}
            variant={name === 'discard' ? 'destructive' : 'secondary'}
            size="sm"
            disabled={!mayWrite()}
            tooltip={mayWrite() ? undefined : READ_ONLY}
            onClick={() => setAction(name)}
          >
            {text}
          </Button>
        ))}
      </Stack>
      {action && (
        <Modal title={action === 'resend' ? 'Send it again' : 'Discard it'} isOpen onDismiss={() => setAction(null)}>
          <p>
            {action === 'resend'
              ? 'The item goes back to Pending and is sent again.'
              : 'The item leaves the queue and is not sent any more. What it would have told the Shop is lost to ' +
                'the Shop until the next change.'}
          </p>
          {asks && (
            <Checkbox
              label={creates ? 'It may create it twice' : 'Send it all the same'}
              description={
                creates
                  ? 'The Shop may have carried out this creation already: ask it first.'
                  : 'Past the conditions that seller, product and quality control must meet.'
              }
              value={isSure}
              onChange={(event) => setIsSure(event.currentTarget.checked)}
            />
          )}
          <Field label="Reason" description="Recorded with your name" required>
            <Input
              id="resolve-reason"
              value={reason}
              maxLength={500}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
          </Field>
          {resolve.error && <Problem error={resolve.error} write />}
          <Modal.ButtonRow>
            <Button variant="secondary" fill="outline" onClick={() => setAction(null)}>
              Cancel
            </Button>
            <Button
              variant={action === 'discard' ? 'destructive' : 'primary'}
              disabled={!reason.trim() || resolve.isPending || (asks && !isSure)}
              onClick={() =>
                resolve.mutate(
                  { action, reason: reason.trim(), force: asks && isSure, mayCreateTwice: asks && isSure },
                  { onSuccess: () => setAction(null) },
                )
              }
            >
              {action === 'resend' ? 'Send it again' : 'Discard it'}
            </Button>
          </Modal.ButtonRow>
        </Modal>
      )}
    </>
  )
}
