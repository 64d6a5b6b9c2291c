import { Alert, Box, Button, ClipboardButton, ConfirmModal, Field, FieldSet, Stack, TextArea } from '@grafana/ui'
import React, { useState } from 'react'
import { letsIn } from '../../../../worker/domain/white-list.ts'
import { useChangeCredential, useCredential } from '../../api/settings.ts'
import { mayWrite, READ_ONLY } from '../../app.ts'
import { Problem } from '../../components/Problem.tsx'
import { Table } from '../../components/Table.tsx'
import { Time } from '../../components/Time.tsx'

/** The system credential `bob_callback_server`: who may call back, and with which key. */
export function CallbackServer() {
  const { data, error, refetch } = useCredential()
  const change = useChangeCredential()
  const rotate = useChangeCredential()
  const withdraw = useChangeCredential()
  const [asking, setAsking] = useState(false)
  const [withdrawn, setWithdrawn] = useState<string | null>(null)
  const [typed, setTyped] = useState<string | null>(null)
  const [warned, setWarned] = useState(false)
  const text = typed ?? data?.allowedIps.join('\n') ?? ''
  const why = mayWrite() ? undefined : READ_ONLY
  const allowedIps = text.split(/[\s,]+/).filter(Boolean)
  const whom = letsIn(allowedIps)
  const save = () =>
    change.mutate({ allowedIps }, { onSuccess: () => setTyped(null), onSettled: () => setWarned(false) })
  return (
    <FieldSet label="Shop - Callback Server (bob_callback_server)">
      {error && <Problem error={error} retry={refetch} />}
      {data && (
        <>
          <Field
            label="White list"
            description="Addresses and ranges from which the Shop calls back, one a line; an empty list allows nobody"
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
          {change.error && <Problem error={change.error} write />}
          <Box marginBottom={3}>
            <Button
              disabled={!mayWrite() || typed === null || change.isPending}
              tooltip={why}
              onClick={() => (whom === 'some' ? save() : setWarned(true))}
            >
              Save the white list
            </Button>
          </Box>
          <p>The key before the newest stays valid until the next one is made, or it is withdrawn.</p>
          {data.keys.length === 0 ? (
            <p>There is no valid key: the Shop cannot call back.</p>
          ) : (
            <Table
              label="Valid keys"
              rows={data.keys}
              nameOf={({ id }) => `key ${id}`}
              columns={[
                { name: 'id', label: 'Key', cell: ({ id }) => id },
                { name: 'setAt', label: 'Set', cell: ({ setAt }) => <Time at={setAt} /> },
                { name: 'setBy', label: 'By', cell: ({ setBy }) => setBy ?? '–' },
                { name: 'lastUsedAt', label: 'Last used', cell: ({ lastUsedAt }) => <Time at={lastUsedAt} /> },
              ]}
              action={{
                label: 'Withdraw',
                of: ({ id }) => (
                  <Button
                    size="sm"
                    variant="secondary"
                    aria-label={`Withdraw key ${id}`}
                    disabled={!mayWrite() || withdraw.isPending}
                    tooltip={why}
                    onClick={() => setWithdrawn(id)}
                  >
                    Withdraw
                  </Button>
                ),
              }}
            />
          )}
          {withdraw.error && <Problem error={withdraw.error} write />}
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
          <Box marginTop={2}>
            <Button
              variant="secondary"
              disabled={!mayWrite() || rotate.isPending}
              tooltip={why}
              onClick={() => setAsking(true)}
            >
              Make a new key
            </Button>
          </Box>
          <ConfirmModal
            isOpen={warned}
            title={whom === 'nobody' ? 'Let nobody in?' : 'Let everybody in?'}
            body={
              whom === 'nobody'
                ? 'The list is empty: within seconds every callback of the Shop is refused, and acknowledged items ' +
                  'wait for one that cannot come.'
                : 'The list has a range of all addresses: whoever has a key may call back, from anywhere. Only the ' +
                  'key protects the catalogue then.'
            }
            confirmText={whom === 'nobody' ? 'Let nobody in' : 'Let everybody in'}
            disabled={change.isPending}
            onConfirm={save}
            onDismiss={() => setWarned(false)}
          />
          <ConfirmModal
            isOpen={asking}
            title="Make a new key?"
            body={
              'The Shop needs the new key before the next one is made: two are valid at a time, the new one and the ' +
              'one before it.'
            }
            confirmText="Make a new key"
            confirmButtonVariant="primary"
            disabled={rotate.isPending}
            onConfirm={() => rotate.mutate({ rotateKey: true }, { onSettled: () => setAsking(false) })}
            onDismiss={() => setAsking(false)}
          />
          <ConfirmModal
            isOpen={withdrawn !== null}
            title={`Withdraw key ${withdrawn ?? ''}?`}
            body={
              data.keys.length === 1
                ? 'It is the only one: within seconds the Shop cannot call back until it has a new key.'
                : 'Whoever has it is refused within seconds, and it cannot be brought back. Does the Shop use the ' +
                  'other one?'
            }
            confirmText="Withdraw it"
            disabled={withdraw.isPending}
            onConfirm={() => {
              if (withdrawn !== null)
                withdraw.mutate({ withdrawKey: withdrawn }, { onSettled: () => setWithdrawn(null) })
            }}
            onDismiss={() => setWithdrawn(null)}
          />
        </>
      )}
    </FieldSet>
  )
}
