import { Alert, Button, ClipboardButton, ConfirmModal, Field, FieldSet, Stack, TextArea } from '@grafana/ui'
import React, { useState } from 'react'
import { useChangeCredential, useCredential } from '../../api/settings.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { Problem } from '../../components/Problem.tsx'
import { Time } from '../../components/Time.tsx'

/** The system credential `bob_callback_server`: who may call back, and with which key. */
export function CallbackServer() {
  const { data, error, refetch } = useCredential()
  const change = useChangeCredential()
  const rotate = useChangeCredential()
  const [asking, setAsking] = useState(false)
  const [typed, setTyped] = useState<string | null>(null)
  const text = typed ?? data?.allowedIps.join('\n') ?? ''
  const why = mayWrite() ? undefined : READ_ONLY
  const save = () => change.mutate({ allowedIps: text.split(/[\s,]+/).filter(Boolean) }, { onSuccess: () => setTyped(null) })
  return (
    <FieldSet label="Shop - Callback Server (bob_callback_server)">
      {error && <Problem error={error} retry={refetch} />}
      {data && (
        <>
          <Field
            label="White list"
            description="Addresses and ranges from which the Shop calls back, one a line. An empty list allows nobody."
          >
            <TextArea
              id="allowedIps"
              rows={4}
              cols={60}
              value={text}
              disabled={!mayWrite()}
              onChange={(event) => setTyped(event.currentTarget.value)}
            />
          </Field>
          <p>
            Key set: <Time at={data.apiKeySetAt} />. The key before stays valid until the next one is made.
          </p>
          {rotate.data?.apiKey && (
            <Alert severity="success" title="The new key, shown this once">
              <Stack alignItems="center" gap={1}>
                <code>{rotate.data.apiKey}</code>
                <ClipboardButton icon="copy" size="sm" variant="secondary" getText={() => rotate.data?.apiKey ?? ''}>
                  Copy
                </ClipboardButton>
              </Stack>
            </Alert>
          )}
          {rotate.error && <Problem error={rotate.error} write />}
          {change.error && <Problem error={change.error} write />}
          <Stack gap={1}>
            <Button disabled={!mayWrite() || typed === null || change.isPending} tooltip={why} onClick={save}>
              Save the white list
            </Button>
            <Button variant="secondary" disabled={!mayWrite() || rotate.isPending} tooltip={why} onClick={() => setAsking(true)}>
              Make a new key
            </Button>
          </Stack>
          <ConfirmModal
            isOpen={asking}
            title="Make a new key?"
            body="The Shop needs the new key before the next one is made: two are valid at a time, the new one and the one before it."
            confirmText="Make a new key"
            confirmVariant="primary"
            disabled={rotate.isPending}
            onConfirm={() => rotate.mutate({ rotateKey: true }, { onSettled: () => setAsking(false) })}
            onDismiss={() => setAsking(false)}
          />
        </>
      )}
    </FieldSet>
  )
}
