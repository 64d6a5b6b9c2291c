import { Alert, Button, ConfirmModal } from '@grafana/ui'
import React, { useState } from 'react'
import { TOPICS } from '../../../../worker/domain/topics.ts'
import { useQueueCreation } from '../../api/actions.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { Link } from '../../components/Link.tsx'
import { Problem } from '../../components/Problem.tsx'
import { pageUrl } from '../../location.ts'

const TOPIC = TOPICS.new_product_set.label

/**
 * The way out for an item that waits for a create that nothing in the queue makes.
 * @param isOpen whether it is still needed; its result stays visible
 */
export function QueueCreation({ productSetId, isOpen }: { productSetId: string; isOpen: boolean }) {
  const [asking, setAsking] = useState(false)
  const create = useQueueCreation()
  return (
    <>
      {isOpen && !create.data && (
        <Button
          icon="plus"
          disabled={!mayWrite() || create.isPending}
          tooltip={mayWrite() ? undefined : READ_ONLY}
          onClick={() => setAsking(true)}
        >
          Queue its creation
        </Button>
      )}
      {create.error && <Problem error={create.error} write />}
      {create.data && (
        <Alert
          severity="success"
          title={create.data.coalesced ? 'Its creation was in the queue already' : 'Its creation is queued'}
        >
          <Link to={pageUrl(`items/${create.data.itemId}`)} inText>
            {TOPIC} (item {create.data.itemId})
          </Link>{' '}
          creates it in the Shop. What waits for it is sent at once afterwards.
        </Alert>
      )}
      <ConfirmModal
        isOpen={asking}
        title="Queue its creation?"
        body={
          `${TOPIC} is queued for product set ${productSetId}: ` +
          'every variation that the Shop does not have yet is created there.'
        }
        confirmText="Queue its creation"
        confirmButtonVariant="primary"
        disabled={create.isPending}
        onConfirm={() => create.mutate(productSetId, { onSettled: () => setAsking(false) })}
        onDismiss={() => setAsking(false)}
      />
    </>
  )
}
