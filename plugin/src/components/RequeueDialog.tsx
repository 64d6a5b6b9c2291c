import { Alert, Button, Checkbox, Field, Input, Modal, Spinner, Stack } from '@grafana/ui'
import React, { useState } from 'react'
import type { Item, Requeued } from '../../../worker/api/internal/schemas.ts'
import type { Refusal } from '../../../worker/domain/reasons.ts'
import { REFUSAL_SENTENCES, REQUEUE_INCLUDES, type RequeueInclude } from '../../../worker/domain/requeue.ts'
import { STATUSES } from '../../../worker/domain/statuses.ts'
import { type RequeueTarget, useQueueCreations, useRequeue, useRequeuePreview } from '../api/actions.ts'
import { pageUrl } from '../location.ts'
import { isStranded } from '../stranded.ts'
import { Link } from './Link.tsx'
import { Problem } from './Problem.tsx'

/** For a stock change: it was skipped, but there is nothing to fix. */
export const WAITS_ON_PURPOSE = 'It waits on purpose and is sent by itself.'

const BLOCKED_AGAIN =
  'Requeued, it is Blocked again until the Shop has the product. “Queue its creation” on the page of the item ' +
  'creates it.'

const counted = (n: number, what: string): string => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`

/**
 * "Reupload to Shop": first shows what it will do, then does it, then reports what was done.
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
  const requeue = useRequeue()
  const creations = useQueueCreations()
  const preview = useRequeuePreview(target, include, requeue.isIdle || requeue.isError)
  const close = () => onClose(requeue.isSuccess || creations.isSuccess)
  const outcome = requeue.data
  const picked = 'itemIds' in target ? target.itemIds : []
  const shown = known.filter(({ id }) => picked.includes(id))
  const stranded = picked.length > 0 && shown.length === picked.length && shown.every(isStranded)
  const acknowledged = shown.filter(({ status }) => status === 'got_acknowledgment').length
  const asked = { ...target, include, ...(reason.trim() && { reason: reason.trim() }) }
  const send = () => requeue.mutate(asked)
  const { blockedAgain = 0, uncreatedSets = 0 } = preview.data ?? {} // an older worker does not send these
  return (
    <Modal title="Reupload to Shop" isOpen onDismiss={requeue.isPending ? undefined : close}>
      {creations.data ? (
        <>
          <Alert severity="success" title={`${counted(creations.data.queued, 'creation')} queued`}>
            {counted(creations.data.items, 'item')} that wait{creations.data.items === 1 && 's'} for{' '}
            {creations.data.queued === 1 ? 'it' : 'them'} {creations.data.items === 1 ? 'is' : 'are'} sent at once
            afterwards.
          </Alert>
          <Modal.ButtonRow>
            <Button onClick={close}>Close</Button>
          </Modal.ButtonRow>
        </>
      ) : outcome ? (
        <>
          <Alert
            severity="success"
            title={`${counted(outcome.requeued, 'item')} of ${counted(outcome.productSets, 'product set')} requeued`}
          >
            {stranded
              ? BLOCKED_AGAIN
              : `${outcome.requeued === 1 ? 'It is' : 'They are'} sent again from now on, ` +
                'with what the catalogue has at that moment.'}
            <ProductSets outcome={outcome} />
          </Alert>
          <Refused outcome={outcome} known={known} />
          <Modal.ButtonRow>
            <Button onClick={close}>Close</Button>
          </Modal.ButtonRow>
        </>
      ) : (
        <>
          <p>
            All variations of each product set are affected:{' '}
            {picked.length > 0 && `the item${picked.length === 1 ? '' : 's'} you picked, and `}every item of the set
            with a status ticked below{picked.length > 0 ? ', are' : ' is'} sent again.
          </p>
          {acknowledged > 0 && (
            <p>
              {counted(acknowledged, 'item')} that you picked {acknowledged === 1 ? 'has' : 'have'}{' '}
              {STATUSES.got_acknowledgment.label}: the Shop may still answer the request that it has.
            </p>
          )}
          {stranded && (
            <Alert severity="warning" title="Nothing creates what this waits for">
              {BLOCKED_AGAIN}
            </Alert>
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
                        : `${counted(blockedAgain, 'item')} of these will be Blocked again`
                    }
                  >
                    The Shop does not have {blockedAgain === 1 ? 'its product' : 'their products'} yet.{' '}
                    {uncreatedSets === 0
                      ? 'The creation is in the queue already; what waits for it is sent at once afterwards.'
                      : `Nothing in the queue creates ${counted(uncreatedSets, 'product set')}: queue the ` +
                        `creation${uncreatedSets === 1 ? '' : 's'} instead, and what waits is sent at once ` +
                        'afterwards. '}
                    {uncreatedSets > 0 && (
                      <Button
                        size="sm"
                        icon="plus"
                        disabled={creations.isPending}
                        onClick={() => creations.mutate(asked)}
                      >
                        Queue {counted(uncreatedSets, 'creation')}
                      </Button>
                    )}
                  </Alert>
                )}
              </>
            )}
          </div>
          <Field label="Reason" description="Optional; recorded with your name">
            <Input
              id="requeue-reason"
              value={reason}
              maxLength={500}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
          </Field>
          {requeue.isPending && <p>It takes a moment for many items, and goes on even if you leave this page.</p>}
          {requeue.error && <Problem error={requeue.error} write />}
          {creations.error && <Problem error={creations.error} write />}
          <Modal.ButtonRow>
            <Button variant="secondary" fill="outline" onClick={close} disabled={requeue.isPending}>
              Cancel
            </Button>
            <Button
              onClick={send}
              disabled={!preview.data?.requeued || requeue.isPending}
              icon={requeue.isPending ? 'spinner' : 'repeat'}
            >
              {requeue.isPending ? 'Requeueing …' : `Requeue ${counted(preview.data?.requeued ?? 0, 'item')}`}
            </Button>
          </Modal.ButtonRow>
        </>
      )}
    </Modal>
  )
}

/** The product sets concerned, the first ones by name. */
function ProductSets({ outcome: { productSets, firstProductSets, variations } }: { outcome: Requeued }) {
  if (productSets === 0 || !firstProductSets) return null // an older worker does not send this
  return (
    <p>
      Product set{productSets > 1 && 's'}{' '}
      {firstProductSets.map((set, place) => (
        <React.Fragment key={set}>
          {place > 0 && ', '}
          <Link to={pageUrl('overview', { set })} inText>
            {set}
          </Link>
        </React.Fragment>
      ))}
      {productSets > firstProductSets.length &&
        ` and ${(productSets - firstProductSets.length).toLocaleString('en')} more`}
      , with {counted(variations, 'variation')}.
    </p>
  )
}

/** How many are skipped and why, with the first of them. */
function Refused({
  outcome: { skipped, skippedTotal, skippedByReason },
  known,
}: {
  outcome: Requeued
  known: readonly Item[]
}) {
  if (skippedTotal === 0) return null
  const find = (itemId: string) => known.find(({ id }) => id === itemId)
  return (
    <Alert severity="info" title={`${counted(skippedTotal, 'item')} left alone`}>
      <ul>
        {Object.entries(skippedByReason).map(([code, n]) => {
          const those = skipped.filter(({ reason }) => reason === code)
          const wait = those.length === n && those.every(({ itemId }) => find(itemId)?.reason?.code === 'stock_wait')
          return (
            <li key={code}>
              {n.toLocaleString('en')}: {wait ? WAITS_ON_PURPOSE : REFUSAL_SENTENCES[code as Refusal]} (
              {those.slice(0, 3).map(({ itemId }, place) => (
                <React.Fragment key={itemId}>
                  {place > 0 && ', '}
                  <Link to={pageUrl(`items/${itemId}`)} inText>
                    {find(itemId)?.sellerSku ?? `item ${itemId}`}
                  </Link>
                </React.Fragment>
              ))}
              {n > 3 && ', …'})
            </li>
          )
        })}
      </ul>
    </Alert>
  )
}
