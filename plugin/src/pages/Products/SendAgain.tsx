import { Alert, Button, Combobox, Field, Input, Modal } from '@grafana/ui'
import React, { useState } from 'react'
import type { ProductSet } from '../../../../worker/api/internal/schemas.ts'
import { TOPIC_NAMES, TOPICS, type Topic } from '../../../../worker/domain/topics.ts'
import { useSendAgain } from '../../api/actions.ts'
import { ApiError } from '../../api/client.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { CheckField } from '../../components/CheckField.tsx'
import { Link } from '../../components/Link.tsx'
import { Problem } from '../../components/Problem.tsx'
import { pageUrl, useRoute } from '../../location.ts'

/** Queues any topic of a product anew, also one that is Synced; Images are saved again in Seller Center instead. */
export function SendAgain({ set }: { set: ProductSet }) {
  const { query } = useRoute()
  const [asking, setAsking] = useState(false)
  const [topic, setTopic] = useState<Topic>('content')
  const [productId, setProductId] = useState<string | undefined>()
  const [force, setForce] = useState(false)
  const [reason, setReason] = useState('')
  const send = useSendAgain()
  // asked for only once a condition has refused it
  const isRefused = force || (send.error instanceof ApiError && send.error.field === 'force')
  const beyond = force ? { force, reason: reason.trim() } : {}
  const chosen = productId ?? query.product ?? set.products[0]?.id
  const ofSet = TOPICS[topic].subject === 'product_set'
  const close = () => {
    setAsking(false)
    setForce(false)
    setReason('')
    send.reset()
  }
  return (
    <>
      <Button
        variant="secondary"
        icon="upload"
        disabled={!mayWrite()}
        tooltip={mayWrite() ? undefined : READ_ONLY}
        onClick={() => setAsking(true)}
      >
        Send a topic
      </Button>
      {asking && (
        <Modal title="Send a topic" isOpen onDismiss={close}>
          <p>What the catalogue has at that moment is sent to the Shop, also where nothing has changed.</p>
          <Field label="Topic" description="Images are sent when they are saved again in Seller Center">
            <Combobox
              id="send-topic"
              options={TOPIC_OPTIONS}
              value={topic}
              onChange={({ value }) => {
                setTopic(value)
                send.reset()
              }}
            />
          </Field>
          {!ofSet && set.products.length > 1 && (
            <Field label="Variation">
              <Combobox
                id="send-product"
                options={set.products.map(({ id, sellerSku }) => ({ value: id, label: sellerSku }))}
                value={chosen ?? null}
                onChange={({ value }) => setProductId(value)}
              />
            </Field>
          )}
          {send.data && (
            <Alert severity="success" title={send.data.coalesced ? 'It was waiting already' : 'It is queued'}>
              <Link to={pageUrl(`items/${send.data.itemId}`)} inText>
                Item {send.data.itemId}
              </Link>{' '}
              carries it.
            </Alert>
          )}
          {send.error && <Problem error={send.error} write />}
          {isRefused && (
            <>
              <CheckField
                label="Send it all the same"
                description="Past the conditions for seller, product and quality control. Needs a reason."
                value={force}
                onChange={setForce}
              />
              <Field label="Reason" description="Recorded with your name" required={force}>
                <Input
                  id="send-reason"
                  value={reason}
                  maxLength={500}
                  onChange={(event) => setReason(event.currentTarget.value)}
                />
              </Field>
            </>
          )}
          <Modal.ButtonRow>
            <Button variant="secondary" fill="outline" onClick={close}>
              {send.data ? 'Close' : 'Cancel'}
            </Button>
            <Button
              disabled={
                send.isPending || send.isSuccess || chosen === undefined || (isRefused && !(force && reason.trim()))
              }
              onClick={() =>
                send.mutate({
                  topic,
                  ...beyond,
                  ...(ofSet ? { productSetId: set.productSetId } : { productId: chosen! }),
                })
              }
            >
              Send it
            </Button>
          </Modal.ButtonRow>
        </Modal>
      )}
    </>
  )
}

const TOPIC_OPTIONS = TOPIC_NAMES.filter((topic) => topic !== 'images').map((value) => ({
  value,
  label: TOPICS[value].label,
}))
