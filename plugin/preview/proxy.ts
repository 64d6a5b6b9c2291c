import type { HttpBindings } from '@hono/node-server'
import type { Handler } from 'hono'
import { type Dispatcher, getGlobalDispatcher } from 'undici'
import pluginJson from '../src/plugin.json' with { type: 'json' }

export type Role = 'Viewer' | 'Admin'

const HOLDS: Record<Role, Role[]> = { Viewer: ['Viewer'], Admin: ['Viewer', 'Admin'] }

/**
 * A user's permissions as in Grafana's boot data: the actions that `roles` grants to their role, and Explore for
 * Admins.
 */
export const permissionsOf = (role: Role): Record<string, boolean> =>
  Object.fromEntries([
    ...pluginJson.roles
      .filter(({ grants }) => grants.some((grant) => HOLDS[role].includes(grant as Role)))
      .flatMap(({ role: { permissions } }) => permissions.map(({ action }) => [action, true])),
    ...(role === 'Admin' ? [['datasources:explore', true]] : []),
  ])

interface Settings {
  JsonData: Record<string, string>
  SecureJsonData: Record<string, string>
}

const TEMPLATE = /\{\{ \.(JsonData|SecureJsonData)\.(\w+) \}\}/g
const filled = (text: string, settings: Settings): string =>
  text.replace(TEMPLATE, (_, kind: keyof Settings, name: string) => settings[kind][name] ?? '')

/** Only these of a client's headers are passed on; no client can bring a key past the proxy. */
const PASSED = ['accept', 'content-type', 'traceparent']

/**
 * Grafana's plugin proxy, as far as `routes` of plugin.json use it: the first matching route decides and adds the key.
 * It has the original's weakness: the route is chosen by the raw path, in which `..%2f` is a name, while the worker
 * gets the decoded path. So a test can show that the worker does not rely on the path.
 */
export function pluginProxy(settings: Settings): Handler<{ Bindings: HttpBindings; Variables: { role: Role } }> {
  const prefix = `/api/plugin-proxy/${pluginJson.id}/`
  return async (c) => {
    const [path = '', query] = (c.env.incoming.url ?? '').split('?')
    const asked = path.slice(prefix.length)
    const route = pluginJson.routes.find(
      (candidate) =>
        candidate.method === c.req.method &&
        (candidate.path.endsWith('/*') ? asked.startsWith(candidate.path.slice(0, -1)) : asked === candidate.path),
    )
    if (!route) return c.json({ message: 'plugin route match not found' }, 404)
    if (!permissionsOf(c.var.role)[route.reqAction]) return c.json({ message: 'plugin proxy route access denied' }, 403)

    if (!decodes(asked)) return c.json({ message: 'bad request' }, 400)
    const rest = route.path.endsWith('/*') ? `/${decodeURIComponent(asked.slice(route.path.length - 1))}` : ''
    const headers = Object.fromEntries(
      PASSED.flatMap((name) => (c.req.header(name) ? [[name, c.req.header(name) as string]] : [])),
    )
    for (const { name, content } of route.headers) headers[name.toLowerCase()] = filled(content, settings)
    try {
      const { origin, pathname } = new URL(filled(route.url, settings))
      // The dispatcher sends the path unchanged; `fetch` would resolve its `..` first.
      const {
        statusCode,
        headers: answered,
        body,
      } = await getGlobalDispatcher().request({
        origin,
        path: `${pathname}${rest}${query ? `?${query}` : ''}`,
        method: c.req.method as Dispatcher.HttpMethod,
        headers,
        body: c.req.method === 'GET' ? null : Buffer.from(await c.req.arrayBuffer()),
      })
      const passed = Object.entries(answered).filter(
        ([name]) => name === 'content-type' || name === 'content-disposition',
      )
      return new Response(body as unknown as ReadableStream, {
        status: statusCode,
        headers: Object.fromEntries(passed) as Record<string, string>,
      })
    } catch {
      return c.json({ message: 'Failed to call the worker: it does not answer.' }, 502)
    }
  }
}

/** Whether `decodeURIComponent` accepts it: it throws at `50%` and at half a character. */
export function decodes(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}
