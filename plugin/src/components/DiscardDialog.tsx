import { Alert, Button, Modal, Spinner } from '@grafana/ui'
import React, { useState } from 'react'
import type { Item } from '../../../worker/api/internal/schemas.ts'
import { type RequeueTarget, useRunPreview, useStartRun } from '../api/actions.ts'
import { counted } from './counted.ts'
import { Problem } from './Problem.tsx'
import { OfTheFirst, previewedOf } from './previewed.tsx'
import { ReasonField } from './ReasonField.tsx'
import { ProductSets, Refused } from './RunProgress.tsx'
import { StartedRun } from './StartedRun.tsx'

/**
 * Discards what an admin has to decide about: shows first what goes, then begins a run of it.
 *
 * @param known the items that the page shows, to name them
 */
export function DiscardDialog({
  target,
  known: atFirst,
  onClose,
}: {
  target: RequeueTarget
  known: readonly Item[]
  onClose(done: boolean): void
}) {
  const [reason, setReason] = useState('')
  const [known] = useState(atFirst)
  const start = useStartRun()
  const preview = useRunPreview({ kind: 'discard', ...target }, start.isIdle || start.isError)
  const close = () => onClose(start.isSuccess)
  const { taken = 0, creates = 0 } = preview.data ?? {}
  return (
    <Modal title="Discard" isOpen onDismiss={start.isPending ? undefined : close}>
      {start.data ? (
        <StartedRun run={start.data} known={known} onClose={close} />
      ) : (
        <>
          <p>
            What an admin has to decide about leaves the queue and is not sent any more. What it would have told the
            Shop is lost to the Shop until the next change; a change that came since is kept, and queued anew.
          </p>
          <div aria-live="polite" data-testid="discard-preview">
            {preview.isPending && <Spinner />}
            {preview.error && <Problem error={preview.error} retry={preview.refetch} />}
            {preview.data && (
              <>
                <p>
                  <OfTheFirst preview={preview.data} />
                  <strong>{counted(taken, 'item')}</strong> of{' '}
                  <strong>{counted(preview.data.productSets, 'product set')}</strong> will be discarded.
                </p>
                <ProductSets outcome={preview.data} />
                <Refused outcome={preview.data} known={known} />
              </>
            )}
          </div>
          {creates > 0 && (
            <Alert
              severity="warning"
              title={
                creates === 1 ? '1 of these is a creation' : `${creates.toLocaleString('en')} of these are creations`
              }
            >
              The Shop may have carried {creates === 1 ? 'it' : 'them'} out already. If it has, enter the Shop's ids on
              the page of the item instead; if it has not, what waits for it stays Blocked until its creation is queued.
            </Alert>
          )}
          <ReasonField id="discard-reason" value={reason} onChange={setReason} isRequired />
          {start.error && <Problem error={start.error} write />}
          <Modal.ButtonRow>
            <Button variant="secondary" fill="outline" onClick={close} disabled={start.isPending}>
              Cancel
            </Button>
            <Button
              variant="destructive"
              disabled={!preview.data || taken === 0 || !reason.trim() || start.isPending}
              icon={start.isPending ? 'spinner' : 'trash-alt'}
              onClick={() =>
                start.mutate({
                  kind: 'discard',
                  ...target,
                  reason: reason.trim(),
                  previewed: previewedOf(preview.data!),
                })
              }
            >
              {preview.data?.complete === false ? 'Discard all of them' : `Discard ${counted(taken, 'item')}`}
            </Button>
          </Modal.ButtonRow>
        </>
      )}
    </Modal>
  )
}
