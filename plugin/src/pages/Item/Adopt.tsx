import { Alert, Button, Combobox, Field, Input, Modal } from '@grafana/ui'
import React, { useState } from 'react'
import { useAdopt } from '../../api/actions.ts'
import { useProductSet } from '../../api/products.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { Problem } from '../../components/Problem.tsx'
import { ReasonField } from '../../components/ReasonField.tsx'

/**
 * For admins: the Shop has the product already, under ids that no answer has told us. They are entered by hand, and
 * what waits for the product goes on.
 *
 * @param isOpen whether the item is a create that could end like this; an open dialog stays, to show its outcome
 */
export function Adopt({
  itemId,
  productId,
  productSetId,
  isOpen,
}: {
  itemId: string
  productId: string | null
  productSetId: string
  isOpen: boolean
}) {
  const [asking, setAsking] = useState(false)
  if (!isOpen && !asking) return null
  return (
    <>
      <Button
        variant="secondary"
        size="sm"
        disabled={!mayWrite()}
        tooltip={mayWrite() ? undefined : READ_ONLY}
        onClick={() => setAsking(true)}
      >
        Enter the Shop's ids
      </Button>
      {asking && <AdoptDialog {...{ itemId, productId, productSetId }} onClose={() => setAsking(false)} />}
    </>
  )
}

function AdoptDialog({
  itemId,
  productId,
  productSetId,
  onClose,
}: {
  itemId: string
  productId: string | null
  productSetId: string
  onClose(): void
}) {
  const { data: set } = useProductSet(productSetId, undefined, true)
  const adopt = useAdopt(itemId)
  const [chosen, setChosen] = useState<string | undefined>()
  const [srcId, setSrcId] = useState('')
  const [shopSku, setShopSku] = useState('')
  const [setId, setSetId] = useState('')
  const [reason, setReason] = useState('')
  const lacking = set?.products.filter((product) => product.srcId === null && (productId ?? product.id) === product.id)
  const meant = chosen ?? (lacking?.length === 1 ? lacking[0]!.id : undefined)
  const needsSet = set?.srcId === null
  const isMissing = !meant || !srcId.trim() || !shopSku.trim() || !reason.trim() || (needsSet && !setId.trim())
  const save = () =>
    adopt.mutate(
      {
        productId: meant!,
        srcId: srcId.trim(),
        shopSku: shopSku.trim(),
        reason: reason.trim(),
        ...(needsSet && { setSrcId: setId.trim() }),
      },
      {
        onSuccess: ({ missing }) => {
          if (missing.length === 0) return onClose()
          setChosen(undefined)
          setSrcId('')
          setShopSku('')
        },
      },
    )
  return (
    <Modal title="Enter the Shop's ids" isOpen onDismiss={onClose}>
      <p>
        The Shop has the product already: its ids are noted, nothing is created a second time, and what waits for the
        product is sent. Take them from the Shop; ids of another product are refused.
      </p>
      {adopt.data && adopt.data.missing.length > 0 && (
        <Alert severity="info" title="Noted. These have no id yet">
          {adopt.data.missing.join(', ')}. The item goes on once all of them have.
        </Alert>
      )}
      {(lacking?.length ?? 0) > 1 && (
        <Field label="Variation" required>
          <Combobox
            id="adopt-product"
            options={lacking!.map(({ id, sellerSku }) => ({ value: id, label: sellerSku }))}
            value={meant ?? null}
            onChange={({ value }) => setChosen(value)}
          />
        </Field>
      )}
      {needsSet && <Text id="adopt-set" label="The Shop's id of the product set" value={setId} onChange={setSetId} />}
      <Text id="adopt-id" label="The Shop's id of the product" value={srcId} onChange={setSrcId} />
      <Text id="adopt-sku" label="Its Shop SKU" value={shopSku} onChange={setShopSku} />
      <ReasonField id="adopt-reason" value={reason} onChange={setReason} isRequired />
      {adopt.error && <Problem error={adopt.error} write />}
      <Modal.ButtonRow>
        <Button variant="secondary" fill="outline" onClick={onClose}>
          Cancel
        </Button>
        <Button disabled={isMissing || adopt.isPending} onClick={save}>
          Note them
        </Button>
      </Modal.ButtonRow>
    </Modal>
  )
}

function Text({
  id,
  label,
  value,
  onChange,
}: {
  id: string
  label: string
  value: string
  onChange(value: string): void
}) {
  return (
    <Field label={label} required>
      <Input id={id} value={value} maxLength={100} onChange={(event) => onChange(event.currentTarget.value)} />
    </Field>
  )
}
