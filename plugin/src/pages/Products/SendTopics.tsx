import { Alert, Button, Checkbox, Modal, Spinner, Stack } from '@grafana/ui'
import React, { useState } from 'react'
import type { Product } from '../../../../worker/api/internal/schemas.ts'
import { CONDITIONS } from '../../../../worker/domain/requeue.ts'
import { TOPIC_NAMES, TOPICS, type Topic } from '../../../../worker/domain/topics.ts'
import { useRunPreview, useStartRun } from '../../api/actions.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { CheckField } from '../../components/CheckField.tsx'
import { counted } from '../../components/counted.ts'
import { Problem } from '../../components/Problem.tsx'
import { OfTheFirst, previewedOf } from '../../components/previewed.tsx'
import { ReasonField } from '../../components/ReasonField.tsx'
import { Refused } from '../../components/RunProgress.tsx'
import { StartedRun } from '../../components/StartedRun.tsx'

/** Queues topics of many products anew; Images are saved again in Seller Center instead. */
export function SendTopics({ products }: { products: readonly Product[] }) {
  const [asking, setAsking] = useState(false)
  return (
    <>
      <Button
        variant="secondary"
        icon="upload"
        disabled={!mayWrite() || products.length === 0}
        tooltip={mayWrite() ? undefined : READ_ONLY}
        onClick={() => setAsking(true)}
      >
        Send topics
      </Button>
      {asking && <SendDialog products={products} onClose={() => setAsking(false)} />}
    </>
  )
}

function SendDialog({ products: atFirst, onClose }: { products: readonly Product[]; onClose(): void }) {
  const [products] = useState(atFirst)
  const [topics, setTopics] = useState<Topic[]>([])
  const [force, setForce] = useState(false)
  const [reason, setReason] = useState('')
  const start = useStartRun()
  const asked = { kind: 'send' as const, productIds: products.map(({ id }) => id), topics, force }
  const preview = useRunPreview(asked, topics.length > 0 && (start.isIdle || start.isError))
  // of other topics it would be numbers of something else
  const shown = topics.length > 0 && !preview.isPlaceholderData ? preview.data : undefined
  const { taken = 0, blockedAgain = 0, uncreatedSets = 0, skippedByReason = {} } = shown ?? {}
  const unmet = CONDITIONS.reduce((sum, condition) => sum + (skippedByReason[condition] ?? 0), 0)
  const nameOf = (productId: string) => products.find(({ id }) => id === productId)?.sellerSku
  return (
    <Modal title="Send topics" isOpen onDismiss={start.isPending ? undefined : onClose}>
      {start.data ? (
        <StartedRun run={start.data} onClose={onClose} />
      ) : (
        <>
          <p>
            What the catalogue has at that moment is sent to the Shop for {counted(products.length, 'product')}, also
            where nothing has changed. A topic of a whole product set is sent once for each set.
          </p>
          <Stack gap={2} wrap="wrap">
            {OFFERED.map((topic) => (
              <Checkbox
                key={topic}
                label={TOPICS[topic].label}
                value={topics.includes(topic)}
                onChange={({ currentTarget: { checked } }) =>
                  setTopics(checked ? [...topics, topic] : topics.filter((other) => other !== topic))
                }
              />
            ))}
          </Stack>
          <div aria-live="polite" data-testid="send-preview" style={{ marginTop: 8 }}>
            {topics.length > 0 && (preview.isPending || preview.isPlaceholderData) && <Spinner />}
            {preview.error && <Problem error={preview.error} retry={preview.refetch} />}
            {shown && (
              <>
                <p>
                  <OfTheFirst preview={shown} />
                  <strong>{counted(taken, 'change')}</strong> will be queued.
                </p>
                <Refused outcome={shown} known={[]} nameOf={nameOf} />
                {blockedAgain > 0 && (
                  <Alert
                    severity="warning"
                    title={`${blockedAgain.toLocaleString('en')} of these changes will be Blocked`}
                  >
                    The Shop does not have {blockedAgain === 1 ? 'its product' : 'their products'} yet: they are sent at
                    once after the creation.
                    {uncreatedSets > 0 &&
                      !topics.includes('new_product_set') &&
                      ` Nothing in the queue creates ${counted(uncreatedSets, 'product set')}: send ` +
                        `${TOPICS.new_product_set.label}, too.`}
                  </Alert>
                )}
              </>
            )}
          </div>
          {(unmet > 0 || force) && (
            <CheckField
              label="Send them all the same"
              description="Past the conditions for seller, product and quality control. Needs a reason."
              value={force}
              onChange={setForce}
            />
          )}
          <ReasonField id="send-topics-reason" value={reason} onChange={setReason} isRequired={force} />
          {start.error && <Problem error={start.error} write />}
          <Modal.ButtonRow>
            <Button variant="secondary" fill="outline" onClick={onClose} disabled={start.isPending}>
              Cancel
            </Button>
            <Button
              disabled={taken === 0 || start.isPending || (force && !reason.trim())}
              icon={start.isPending ? 'spinner' : 'upload'}
              onClick={() =>
                start.mutate({
                  ...asked,
                  ...(reason.trim() && { reason: reason.trim() }),
                  previewed: previewedOf(shown!),
                })
              }
            >
              {shown?.complete === false ? 'Send all of them' : `Send ${counted(taken, 'change')}`}
            </Button>
          </Modal.ButtonRow>
        </>
      )}
    </Modal>
  )
}

const OFFERED = TOPIC_NAMES.filter((topic) => topic !== 'images')
