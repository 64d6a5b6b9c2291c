import { Alert, Button, ClipboardButton, Field, FieldSet, Stack, TextArea } from '@grafana/ui'
import React, { useState } from 'react'
import { useChangeCredential, useCredential } from '../../api/settings.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { Problem } from '../../components/Problem.tsx'
import { Time } from '../../components/Time.tsx'

/** The system credential `bob_callback_server`: who may call back, and with which key. */
export function CallbackServer() {
  const { data, error, refetch } = useCredential()
  const change = useChangeCredential()
  const [typed, setTyped] = useState<string | null>(null)
  const text = typed ?? data?.allowedIps.join('\n') ?? ''
  const why = mayWrite() ? undefined : READ_ONLY
  const save = () =>
    change.mutate(
      {
        allowedIps: text.split(/[\s,]+/).filter(Boolean),
      },
      { onSuccess: () => setTyped(null) },
    )
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
          {change.data?.apiKey && (
            <Alert severity="success" title="The new key, shown this once">
              <Stack alignItems="center" gap={1}>
                <code>{change.data.apiKey}</code>
                <ClipboardButton icon="copy" size="sm" variant="secondary" getText={() => change.data?.apiKey ?? ''}>
                  Copy
                </ClipboardButton>
              </Stack>
            </Alert>
          )}
          {change.error && <Problem error={change.error} />}
          <Stack gap={1}>
            <Button disabled={!mayWrite() || typed === null || change.isPending} tooltip={why} onClick={save}>
              Save the white list
            </Button>
            <Button
              variant="secondary"
              disabled={!mayWrite() || change.isPending}
              tooltip={why}
              onClick={() => change.mutate({ rotateKey: true })}
            >
              Make a new key
            </Button>
          </Stack>
        </>
      )}
    </FieldSet>
  )
}
