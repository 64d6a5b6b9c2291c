import { Alert, Button, Checkbox, Modal, Spinner, Stack } from '@grafana/ui'
import React, { useState } from 'react'
import type { Item, Requeued, Run } from '../../../worker/api/internal/schemas.ts'
import {
  CONDITION_SENTENCE,
  CONDITIONS,
  REQUEUE_INCLUDES,
  type RequeueInclude,
} from '../../../worker/domain/requeue.ts'
import { STATUSES } from '../../../worker/domain/statuses.ts'
import { type RequeueTarget, useRequeuePreview, useStartRun } from '../api/actions.ts'
import { isStranded } from '../stranded.ts'
import { CheckField } from './CheckField.tsx'
import { counted } from './counted.ts'
import { Problem } from './Problem.tsx'
import { OfTheFirst, previewedOf } from './previewed.tsx'
import { ReasonField } from './ReasonField.tsx'
import { ProductSets, Refused } from './RunProgress.tsx'
import { StartedRun } from './StartedRun.tsx'

const BLOCKED_AGAIN =
  'Requeued, it is Blocked again until the Shop has the product. “Queue its creation” on the page of the item ' +
  'creates it.'

const numbersOf = ({ requeued, ...rest }: Requeued) => ({ taken: requeued, ...rest })

/**
 * "Reupload to Shop": first shows what it will do, then begins a run of it, and reports how far that is.
 *
 * @param known the items that the page shows when the dialog opens; the target may include some
 */
export function RequeueDialog({
  target,
  known: atFirst,
  include: first,
  onClose,
}: {
  target: RequeueTarget
  known: readonly Item[]
  include: RequeueInclude[]
  onClose(done: boolean): void
}) {
  const [include, setInclude] = useState(first)
  const [reason, setReason] = useState('')
  // Selected items are described as they were when the dialog opened: the list behind it keeps refreshing, and requeued
  // items leave it.
  const [known] = useState(atFirst)
  const [force, setForce] = useState(false)
  const [mayCreateTwice, setMayCreateTwice] = useState(false)
  const start = useStartRun()
  const asked = { ...target, include, force, mayCreateTwice }
  const preview = useRequeuePreview(asked, start.isIdle || start.isError)
  const close = () => onClose(start.isSuccess)
  const picked = 'itemIds' in target ? target.itemIds : []
  const shown = known.filter(({ id }) => picked.includes(id))
  const stranded = picked.length > 0 && shown.length === picked.length && shown.every(isStranded)
  const acknowledged = shown.filter(({ status }) => status === 'got_acknowledgment').length
  const begin = (kind: Run['kind']) => {
    start.mutate({
      kind,
      ...asked,
      ...(kind === 'creations' && { force: false, mayCreateTwice: false }),
      ...(reason.trim() && { reason: reason.trim() }),
      ...(kind === 'requeue' && preview.data && { previewed: previewedOf(numbersOf(preview.data)) }),
    })
  }
  const { blockedAgain = 0, uncreatedSets = 0, skippedByReason = {} } = preview.data ?? {}
  const refused = CONDITIONS.reduce((sum, reason) => sum + (skippedByReason[reason] ?? 0), 0)
  const undecided = skippedByReason.may_create_twice ?? 0
  return (
    <Modal title="Reupload to Shop" isOpen onDismiss={start.isPending ? undefined : close}>
      {start.data ? (
        <StartedRun run={start.data} known={known} note={stranded ? BLOCKED_AGAIN : undefined} onClose={close} />
      ) : (
        <>
          <p>
            All variations of each product set are affected:{' '}
            {picked.length > 0 && `the item${picked.length === 1 ? '' : 's'} you picked, and `}every item of the set
            with a status ticked below{picked.length > 0 ? ', are' : ' is'} sent again.
          </p>
          <p>{CONDITION_SENTENCE}</p>
          {acknowledged > 0 && (
            <p>
              {counted(acknowledged, 'item')} that you picked {acknowledged === 1 ? 'has' : 'have'}{' '}
              {STATUSES.got_acknowledgment.label}: the Shop may still answer the request that it has.
            </p>
          )}
          <Stack gap={3}>
            {REQUEUE_INCLUDES.map((status) => (
              <Checkbox
                key={status}
                label={STATUSES[status].label}
                value={include.includes(status)}
                disabled={include.length === 1 && include.includes(status)}
                onChange={({ currentTarget: { checked } }) =>
                  setInclude(checked ? [...include, status] : include.filter((other) => other !== status))
                }
              />
            ))}
          </Stack>
          <div aria-live="polite" data-testid="requeue-preview" style={{ marginTop: 8 }}>
            {preview.isPending && <Spinner />}
            {preview.error && <Problem error={preview.error} retry={preview.refetch} />}
            {preview.data && (
              <>
                <p>
                  <OfTheFirst preview={numbersOf(preview.data)} />
                  <strong>{counted(preview.data.requeued, 'item')}</strong> of{' '}
                  <strong>{counted(preview.data.productSets, 'product set')}</strong> will be requeued.
                </p>
                <ProductSets outcome={preview.data} />
                <Refused outcome={preview.data} known={known} />
                {blockedAgain > 0 && (
                  <Alert
                    severity="warning"
                    title={
                      blockedAgain === preview.data.requeued
                        ? `This changes nothing: ${counted(blockedAgain, 'item')} will be Blocked again`
                        : `${blockedAgain.toLocaleString('en')} of these items will be Blocked again`
                    }
                  >
                    The Shop does not have {blockedAgain === 1 ? 'its product' : 'their products'} yet.{' '}
                    {uncreatedSets === 0
                      ? 'The creation is in the queue already; what waits for it is sent at once afterwards.'
                      : `Nothing in the queue creates ${counted(uncreatedSets, 'product set')}: queue the ` +
                        `creation${uncreatedSets === 1 ? '' : 's'} instead, and what waits is sent at once ` +
                        'afterwards. '}
                    {uncreatedSets > 0 && (
                      <Button size="sm" icon="plus" disabled={start.isPending} onClick={() => begin('creations')}>
                        Queue {counted(uncreatedSets, 'creation')}
                      </Button>
                    )}
                  </Alert>
                )}
              </>
            )}
          </div>
          {(undecided > 0 || mayCreateTwice) && (
            <CheckField
              label="Send the creations, too, that the Shop may have carried out"
              description="It may create them twice: ask the Shop first."
              value={mayCreateTwice}
              onChange={setMayCreateTwice}
            />
          )}
          {(refused > 0 || force) && (
            <CheckField
              label="Send them all the same"
              description="Past the conditions for seller, product and quality control. Needs a reason."
              value={force}
              onChange={setForce}
            />
          )}
          {/* from here it is two steps to the button, over Cancel */}
          <ReasonField id="requeue-reason" value={reason} onChange={setReason} isRequired={force} autoFocus />
          {start.error && <Problem error={start.error} write />}
          <Modal.ButtonRow>
            <Button variant="secondary" fill="outline" onClick={close} disabled={start.isPending}>
              Cancel
            </Button>
            <Button
              onClick={() => begin('requeue')}
              disabled={
                !preview.data?.requeued || preview.isPlaceholderData || start.isPending || (force && !reason.trim())
              }
              icon={start.isPending ? 'spinner' : 'repeat'}
            >
              {preview.data?.complete === false
                ? 'Requeue all of them'
                : `Requeue ${counted(preview.data?.requeued ?? 0, 'item')}`}
            </Button>
          </Modal.ButtonRow>
        </>
      )}
    </Modal>
  )
}
