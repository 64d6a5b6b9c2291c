import type { AppPluginMeta, PluginConfigPageProps } from '@grafana/data'
import { getBackendSrv, isFetchError } from '@grafana/runtime'
import { Alert, Button, Field, FieldSet, Input, SecretInput, Stack } from '@grafana/ui'
import { QueryClientProvider, useMutation } from '@tanstack/react-query'
import React, { useState } from 'react'
import { lastValueFrom } from 'rxjs'
import type { Summary } from '../../../../worker/api/internal/schemas.ts'
import { newQueryClient } from '../../App.tsx'
import { ApiError, call } from '../../api/client.ts'
import { PLUGIN_ID } from '../../app.ts'
import { CallbackServer } from './CallbackServer.tsx'
import { FlowSwitch } from './FlowSwitch.tsx'

export interface Settings {
  apiUrl?: string
}

const client = newQueryClient()

/** The worker's address and keys, who may call back, and the flow. For Grafana's configuration page of the plugin. */
export default function PluginConfiguration({ plugin: { meta } }: PluginConfigPageProps<AppPluginMeta<Settings>>) {
  return (
    <QueryClientProvider client={client}>
      <Stack direction="column" gap={4}>
        <Connection meta={meta} />
        <FlowSwitch />
        <CallbackServer />
      </Stack>
    </QueryClientProvider>
  )
}

type Key = 'viewerKey' | 'adminKey'

function Connection({ meta: { enabled, pinned, jsonData, secureJsonFields } }: { meta: AppPluginMeta<Settings> }) {
  const [apiUrl, setApiUrl] = useState(jsonData?.apiUrl ?? '')
  const [keys, setKeys] = useState<Partial<Record<Key, string>>>({})
  const isKept = (key: Key) => keys[key] === undefined && secureJsonFields?.[key] === true
  const save = useMutation({
    mutationFn: async () => {
      // A key that is not sent stays as it is; an empty one would overwrite it.
      const secureJsonData = Object.fromEntries(Object.entries(keys).filter(([, value]) => value))
      const data = {
        enabled,
        pinned,
        jsonData: { ...jsonData, apiUrl: apiUrl.trim().replace(/\/+$/, '') },
        secureJsonData,
      }
      await lastValueFrom(getBackendSrv().fetch({ url: `/api/plugins/${PLUGIN_ID}/settings`, method: 'POST', data }))
    },
  })
  const test = useMutation({
    // Tests both keys: the admin's key previews a requeue of an item that does not exist, which changes nothing.
    mutationFn: async () => {
      const summary = await call<Summary>('summary')
      await call('requeue', { method: 'POST', body: { itemIds: ['999999999999999999'], dryRun: true } })
      return summary
    },
  })
  const isUrl = /^https?:\/\/[^\s]+$/.test(apiUrl.trim())
  const keyField = (key: Key, label: string, description: string) => (
    <Field label={label} description={description}>
      <SecretInput
        id={key}
        width={60}
        isConfigured={isKept(key)}
        value={keys[key] ?? ''}
        onReset={() => setKeys({ ...keys, [key]: '' })}
        onChange={(event) => setKeys({ ...keys, [key]: event.currentTarget.value })}
      />
    </Field>
  )
  return (
    <FieldSet label="Worker">
      <Field
        label="Address"
        description={
          "Of the worker's internal listener, as Grafana's server reaches it. Where it is provisioned, the " +
          'provisioned one comes back when Grafana starts again'
        }
        invalid={apiUrl !== '' && !isUrl}
        error="An address like http://worker:8081 is needed."
      >
        <Input
          id="apiUrl"
          width={60}
          value={apiUrl}
          placeholder="http://worker:8081"
          onChange={(event) => setApiUrl(event.currentTarget.value)}
        />
      </Field>
      {keyField('viewerKey', "Viewer's key", 'VIEWER_API_KEY of the worker: everybody reads with it')}
      {keyField(
        'adminKey',
        "Admin's key",
        'ADMIN_API_KEY of the worker: only what users with the role Admin do carries it',
      )}
      <Stack gap={1}>
        <Button onClick={() => save.mutate()} disabled={!isUrl || save.isPending}>
          Save
        </Button>
        <Button variant="secondary" onClick={() => test.mutate()} disabled={test.isPending}>
          Test connection
        </Button>
      </Stack>
      <div aria-live="polite">
        {save.isSuccess && <Alert severity="success" title="Saved" topSpacing={2} />}
        {save.error && (
          <Alert severity="error" title="Not saved" topSpacing={2}>
            {saveError(save.error)}
          </Alert>
        )}
        {test.data && (
          <Alert severity="success" title="The worker answers" topSpacing={2}>
            {test.data.flow.workers.length === 0
              ? 'No worker is moving the queue right now.'
              : `Workers: ${test.data.flow.workers.map(({ name }) => name).join(', ')}.`}
          </Alert>
        )}
        {test.error && (
          <Alert severity="error" title="The worker could not be asked" topSpacing={2}>
            {hint(test.error)}
          </Alert>
        )}
      </div>
    </FieldSet>
  )
}

/** Grafana's own sentence, if it sent one. */
const saveError = (error: unknown): string =>
  (isFetchError<{ message?: string }>(error) ? (error.data?.message ?? error.statusText) : (error as Error).message) ??
  'Grafana did not say why.'

function hint(error: Error): string {
  if (!(error instanceof ApiError)) return error.message
  if (error.unreachable)
    return (
      'Nothing answers at this address. Save it first; then see whether the worker runs and ' +
      "Grafana's server reaches it."
    )
  if (error.status === 401) return `The worker does not accept the key: ${error.message}`
  return error.message
}
