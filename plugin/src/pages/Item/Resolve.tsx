import { Button, Field, Input, Modal, Stack } from '@grafana/ui'
import React, { useState } from 'react'
import { useResolve } from '../../api/actions.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { Problem } from '../../components/Problem.tsx'

/**
 * A decision for admins: whether an item is sent again or taken out of the queue.
 * @param isOpen whether a decision is still needed; an open dialog stays, to show its outcome
 */
export function Resolve({ id, isOpen }: { id: string; isOpen: boolean }) {
  const [action, setAction] = useState<'resend' | 'discard' | null>(null)
  const [reason, setReason] = useState('')
  const resolve = useResolve(id)
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
              ? 'The item goes back to Pending and is sent again. Where the Shop has created the product already, it ' +
                'may create it twice: ask it first.'
              : 'The item leaves the queue and is not sent any more. What it would have told the Shop is lost to ' +
                'the Shop until the next change.'}
          </p>
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
              disabled={!reason.trim() || resolve.isPending}
              onClick={() => resolve.mutate({ action, reason: reason.trim() }, { onSuccess: () => setAction(null) })}
            >
              {action === 'resend' ? 'Send it again' : 'Discard it'}
            </Button>
          </Modal.ButtonRow>
        </Modal>
      )}
    </>
  )
}
