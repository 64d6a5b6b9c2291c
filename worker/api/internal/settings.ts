import { type Credential, newKey, readCredential, writeCredential } from '../../admin/credentials.ts'
import { readFlowSetting, writeFlow } from '../../admin/settings.ts'
import { isOpenRange } from '../../allow-list.ts'
import { type FieldError, Problem } from '../problem.ts'
import { answer, type InternalApiOptions, json, route, routes, UNPROCESSABLE } from './context.ts'
import { credentialBody, credentialSchema, flowBody, flowSchema } from './schemas.ts'

/**
 * `shop_update/flow` and the system credential `bob_callback_server`. Both are read from the primary, because a replica
 * may lag.
 */
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
        log.info({ 'event.name': 'flow_set', flow, actor: c.var.actor.name }, `The flow has been set to ${flow}`)
        return c.json(await readFlowSetting(sql, config.LEASE_SECONDS), 200)
      },
    )
    .openapi(
      route({
        method: 'get',
        path: '/api/credentials/bob_callback_server',
        summary: 'Who may call back ("Shop - Callback Server")',
        responses: { 200: answer('The white list, and of each key when it was set and used last', credentialSchema) },
      }),
      async (c) => c.json(toJson(await readCredential(sql)), 200),
    )
    .openapi(
      route({
        method: 'put',
        path: '/api/credentials/bob_callback_server',
        summary: 'Change the white list, make a new key (the one before stays valid until the next), withdraw one',
        request: { body: json(credentialBody) },
        responses: { 200: answer('The credential, with a new key this once', credentialSchema), ...UNPROCESSABLE },
      }),
      async (c) => {
        const { allowedIps, rotateKey, apiKey = rotateKey && newKey(), withdrawKey } = c.req.valid('json')
        const errors = insecure(config, allowedIps ?? [], apiKey)
        if (errors.length > 0)
          throw new Problem(422, errors.map(({ field, message }) => `${field}: ${message}`).join('; '), { errors })
        const credential = await writeCredential(sql, { allowedIps, apiKey, withdrawKey }, c.var.actor)
        if (credential === null) {
          const message = `There is no valid key ${withdrawKey}.`
          throw new Problem(422, message, { errors: [{ field: 'withdrawKey', message }] })
        }
        const changed = [allowedIps && 'white list', apiKey !== undefined && 'key'].filter(Boolean).join(' and ')
        const fields = { 'event.name': 'credential_set', actor: c.var.actor.name, withdrawn: withdrawKey }
        if (changed !== '') log.info(fields, `The ${changed} of bob_callback_server has been changed`)
        if (withdrawKey !== undefined) log.info(fields, `Key ${withdrawKey} of bob_callback_server has been withdrawn`)
        return c.json({ ...toJson(credential), ...(apiKey !== undefined && { apiKey }) }, 200)
      },
    )

const SHORTEST_KEY = 16

/** An admin may not set what a worker for `live` would refuse to start with. */
function insecure(
  { ENVIRONMENT, ALLOW_INSECURE = [] }: InternalApiOptions['config'],
  allowedIps: readonly string[],
  apiKey: string | undefined,
): FieldError[] {
  if (ENVIRONMENT !== 'live') return []
  const open = ALLOW_INSECURE.includes('open-white-list') ? -1 : allowedIps.findIndex(isOpenRange)
  const isShort = apiKey !== undefined && apiKey.length < SHORTEST_KEY && !ALLOW_INSECURE.includes('trivial-keys')
  return [
    ...(open < 0
      ? []
      : [{ field: `allowedIps.${open}`, message: `"${allowedIps[open]}" is wider than a /8, as good as everybody` }]),
    ...(isShort ? [{ field: 'apiKey', message: `has fewer than ${SHORTEST_KEY} characters` }] : []),
  ]
}

const toJson = ({ allowedIps, keys }: Credential) => ({
  allowedIps,
  apiKeySetAt: keys[0]?.setAt.toISOString() ?? null,
  keys: keys.map(({ setAt, lastUsedAt, ...key }) => ({
    ...key,
    setAt: setAt.toISOString(),
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  })),
})
