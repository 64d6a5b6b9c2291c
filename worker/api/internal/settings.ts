import { type Credential, newKey, readCredential, writeCredential } from '../../queue/credentials.ts'
import { readFlowSetting, writeFlow } from '../../queue/settings.ts'
import { answer, type InternalApiOptions, json, route, routes } from './context.ts'
import { credentialBody, credentialSchema, flowBody, flowSchema } from './schemas.ts'

/** `shop_update/flow` and the system credential `bob_callback_server`. Read from where they are written: a replica might be behind. */
export const settingRoutes = ({ sql, config, log }: InternalApiOptions) =>
  routes()
    .openapi(
      route({
        method: 'get',
        path: '/api/flow',
        summary: 'The wanted flow, and the one each worker uses',
        responses: { 200: answer('The flows', flowSchema) },
      }),
      async (c) => c.json(await readFlowSetting(sql, config.LEASE_SECONDS), 200),
    )
    .openapi(
      route({
        method: 'put',
        path: '/api/flow',
        summary: 'Set the flow that workers shall send with',
        request: { body: json(flowBody) },
        responses: { 200: answer('The flows; a worker follows within FLOW_TTL_SECONDS', flowSchema) },
      }),
      async (c) => {
        const { flow } = c.req.valid('json')
        await writeFlow(sql, flow, c.var.actor)
        log.info({ 'event.name': 'flow_set', flow, actor: c.var.actor }, `The flow has been set to ${flow}`)
        return c.json(await readFlowSetting(sql, config.LEASE_SECONDS), 200)
      },
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/credentials/bob_callback_server',
        summary: 'Who may call back ("Shop - Callback Server")',
        responses: { 200: answer('The white list, and when the key was set', credentialSchema) },
      }),
      async (c) => c.json(toJson(await readCredential(sql)), 200),
    )
    .openapi(
      route({
        method: 'put',
        path: '/api/credentials/bob_callback_server',
        summary: 'Change the white list or the key; the key before stays valid until the next change',
        request: { body: json(credentialBody) },
        responses: { 200: answer('The credential, with a new key this once', credentialSchema) },
      }),
      async (c) => {
        const { allowedIps, rotateKey, apiKey = rotateKey && newKey() } = c.req.valid('json')
        const credential = await writeCredential(sql, { allowedIps, apiKey }, c.var.actor)
        const changed = [allowedIps && 'white list', apiKey !== undefined && 'key'].filter(Boolean).join(' and ')
        log.info({ 'event.name': 'credential_set', actor: c.var.actor }, `The ${changed} of bob_callback_server has been changed`)
        return c.json({ ...toJson(credential), ...(apiKey !== undefined && { apiKey }) }, 200)
      },
    )

const toJson = ({ allowedIps, apiKeySetAt }: Credential) => ({ allowedIps, apiKeySetAt: apiKeySetAt?.toISOString() ?? null })
