import { type DateTime, dateTime } from '@grafana/data'
import { Button, Combobox, DateTimePicker, Field, Input, Modal, RadioButtonGroup } from '@grafana/ui'
import React, { useState } from 'react'
import { TOPIC_NAMES, TOPICS, type Topic } from '../../../../worker/domain/topics.ts'
import { useCreatePause } from '../../api/incidents.ts'
import { CheckField } from '../../components/CheckField.tsx'
import { Problem } from '../../components/Problem.tsx'
import { shownZone, shownZoneName } from '../../components/Time.tsx'

type What = 'everything' | 'topic' | 'seller'
const WHATS: { value: What; label: string }[] = [
  { value: 'everything', label: 'Everything' },
  { value: 'topic', label: 'A topic' },
  { value: 'seller', label: 'A seller' },
]
const WHENS = [
  { value: 'now', label: 'Now' },
  { value: 'later', label: 'From a time on' },
]

/** Asks what is to be paused, from when, until when, and why. */
export function PauseDialog({ onDismiss }: { onDismiss(): void }) {
  const create = useCreatePause()
  const [what, setWhat] = useState<What>('everything')
  const [topic, setTopic] = useState<Topic>('price')
  const [seller, setSeller] = useState('')
  const [when, setWhen] = useState('now')
  const [from, setFrom] = useState<DateTime>(() => dateTime().add(1, 'hour').startOf('minute'))
  const [until, setUntil] = useState<DateTime>(() => dateTime().add(1, 'hour').startOf('minute'))
  const [endsItself, setEndsItself] = useState(true)
  const [reason, setReason] = useState('')
  const isMissing = reason.trim() === '' || (what === 'seller' && seller.trim() === '')
  const save = () =>
    create.mutate(
      {
        ...(what === 'topic' && { topic }),
        ...(what === 'seller' && { seller: seller.trim() }),
        ...(when === 'later' && { from: from.toISOString() }),
        until: until.toISOString(),
        endsItself,
        reason: reason.trim(),
      },
      { onSuccess: onDismiss },
    )
  // an end before the beginning would be refused
  const begin = (date: DateTime) => {
    setFrom(date)
    if (until.valueOf() <= date.valueOf()) setUntil(dateTime(date).add(1, 'hour'))
  }
  const zoneNote = `Time zone: ${shownZoneName()}`
  const hour = { timeZone: shownZone(), showSeconds: false }
  return (
    <Modal title="Pause sending" isOpen onDismiss={onDismiss}>
      <p>
        Changes are queued as before, the Shop may call back, and nothing counts as a failure. What has been sent
        already ends as usual. Sellers are told until when.
      </p>
      <Field label="What">
        <RadioButtonGroup aria-label="What" options={WHATS} value={what} onChange={setWhat} />
      </Field>
      {what === 'topic' && (
        <Field label="Topic" htmlFor="pauseTopic">
          <Combobox
            id="pauseTopic"
            options={TOPIC_NAMES.map((value) => ({ value, label: TOPICS[value].label }))}
            value={topic}
            onChange={({ value }) => setTopic(value)}
          />
        </Field>
      )}
      {what === 'seller' && (
        <Field label="Seller" description="Id or whole name" required>
          <Input id="pauseSeller" value={seller} onChange={(event) => setSeller(event.currentTarget.value)} />
        </Field>
      )}
      <Field label="Begins">
        <RadioButtonGroup
          aria-label="Begins"
          options={WHENS}
          value={when}
          onChange={(value) => {
            setWhen(value)
            if (value === 'later') begin(from)
          }}
        />
      </Field>
      {when === 'later' && (
        <Field label="From" description={zoneNote}>
          <DateTimePicker {...hour} date={from} onChange={(date) => date && begin(date)} />
        </Field>
      )}
      <Field label="Planned end" description={zoneNote}>
        <DateTimePicker {...hour} date={until} onChange={(date) => date && setUntil(date)} />
      </Field>
      <CheckField
        label="Ends by itself then"
        description="Otherwise an admin ends it, and somebody is paged once the planned end has passed"
        value={endsItself}
        onChange={setEndsItself}
      />
      <Field label="Reason" description="For the record and the banner; sellers do not read it" required>
        <Input
          id="pauseReason"
          maxLength={500}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
      </Field>
      {create.error && <Problem error={create.error} write />}
      <Modal.ButtonRow>
        <Button variant="secondary" fill="outline" onClick={onDismiss}>
          Cancel
        </Button>
        <Button disabled={isMissing || create.isPending} onClick={save}>
          Pause sending
        </Button>
      </Modal.ButtonRow>
    </Modal>
  )
}
