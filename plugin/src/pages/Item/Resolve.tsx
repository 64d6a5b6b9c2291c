import { Button, Field, Input, Modal } from '@grafana/ui'
import React, { useState } from 'react'
import { useResolve } from '../../api/actions.ts'
import { ApiError } from '../../api/client.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { CheckField } from '../../components/CheckField.tsx'
import { Problem } from '../../components/Problem.tsx'

/**
 * A decision for admins: whether an item is sent again or taken out of the queue.
 * @param creates whether it creates something at the Shop
 * @param isOpen whether a decision is still needed; an open dialog stays, to show its outcome
 */
export function Resolve({ id, creates, isOpen }: { id: string; creates: boolean; isOpen: boolean }) {
  const [action, setAction] = useState<'resend' | 'discard' | null>(null)
  const buttons = [
    ['resend', 'Send it again'],
    ['discard', 'Discard it'],
  ] as const
  if (!isOpen && action === null) return null
  return (
    <>
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
      {action && <ResolveDialog {...{ id, action }} creates={creates} onClose={() => setAction(null)} />}
    </>
  )
}

function ResolveDialog({
  id,
  action,
  creates,
  onClose,
}: {
  id: string
  action: 'resend' | 'discard'
  creates: boolean
  onClose(): void
}) {
  const [reason, setReason] = useState('')
  const [mayCreateTwice, setMayCreateTwice] = useState(false)
  const [force, setForce] = useState(false)
  const resolve = useResolve(id)
  const resends = action === 'resend'
  // asked for only once a condition has refused it
  const isRefused = resolve.error instanceof ApiError && resolve.error.field === 'force'
  const isUnsure = resends && ((creates && !mayCreateTwice) || (isRefused && !force))
  return (
    <Modal title={resends ? 'Send it again' : 'Discard it'} isOpen onDismiss={onClose}>
      <p>
        {resends
          ? 'The item goes back to Pending and is sent again.'
          : 'The item leaves the queue and is not sent any more. What it would have told the Shop is lost to ' +
            'the Shop until the next change.'}
      </p>
      {resends && creates && (
        <CheckField
          label="It may create it twice"
          description="The Shop may have carried out this creation already: ask it first."
          value={mayCreateTwice}
          onChange={setMayCreateTwice}
        />
      )}
      {resends && (isRefused || force) && (
        <CheckField
          label="Send it all the same"
          description="Past the conditions for seller, product and quality control."
          value={force}
          onChange={setForce}
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
        <Button variant="secondary" fill="outline" onClick={onClose}>
          Cancel
        </Button>
        <Button
          variant={resends ? 'primary' : 'destructive'}
          disabled={!reason.trim() || resolve.isPending || isUnsure}
          onClick={() =>
            resolve.mutate({ action, reason: reason.trim(), force, mayCreateTwice }, { onSuccess: onClose })
          }
        >
          {resends ? 'Send it again' : 'Discard it'}
        </Button>
      </Modal.ButtonRow>
    </Modal>
  )
}
