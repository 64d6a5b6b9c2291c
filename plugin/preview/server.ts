import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { type ServerType, serve } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { getMimeType } from 'hono/utils/mime'
import pluginJson from '../src/plugin.json' with { type: 'json' }
import { buildPreview } from './build.ts'
import { decodes, permissionsOf, pluginProxy, type Role } from './proxy.ts'

export interface PreviewOptions {
  host?: string
  port: number
  /** The worker's internal listener. */
  apiUrl: string
  viewerKey: string
  adminKey: string
}

export interface Preview {
  url: string
  stop(): Promise<void>
}

const of = (name: string) => dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
const ICONS = join(of('@grafana/ui'), 'dist', 'public', 'img')
const MONOSPACE = '/roboto-mono-latin-400-normal.woff2'
/** Grafana's packages do not include its fonts. */
const FONTS: Record<string, string> = {
  'Inter-Regular': 'inter-latin-400-normal',
  'Inter-Medium': 'inter-latin-500-normal',
}

/** Builds the preview and serves it; an imitation of Grafana's plugin proxy connects it to the worker. */
export async function startPreview({
  host = '127.0.0.1',
  port,
  apiUrl,
  viewerKey,
  adminKey,
}: PreviewOptions): Promise<Preview> {
  const files = await buildPreview()
  // The host page first asks the server for the user: the packages read that while they load.
  const index = files.get('index.html')
  if (!index) throw new Error('The bundle has no index.html')
  const page = String(index).replace('</title>', '</title>\n    <script src="/preview/boot.js"></script>')
  const app = new Hono<{ Variables: { role: Role } }>()
  app.use(async (c, next) => {
    c.set('role', getCookie(c, 'shop-update-preview-role') === 'Admin' ? 'Admin' : 'Viewer')
    await next()
  })
  app.get('/preview/:name{role|theme}/:value{\\w+}', (c) => {
    setCookie(c, `shop-update-preview-${c.req.param('name')}`, c.req.param('value'), {
      maxAge: 365 * 86_400,
      sameSite: 'Strict',
    })
    return c.redirect(new URL(c.req.header('referer') ?? '/', c.req.url).pathname)
  })
  app.get('/preview/boot.js', (c) => {
    const theme = getCookie(c, 'shop-update-preview-theme') === 'light' ? 'light' : 'dark'
    const role = c.var.role
    const user = {
      login: role.toLowerCase(),
      orgRole: role,
      orgId: 1,
      timezone: 'browser',
      lightTheme: theme === 'light',
      permissions: permissionsOf(role),
    }
    const grafana = {
      settings: { featureToggles: {}, buildInfo: { version: '12.2.0', env: 'production' }, appSubUrl: '' },
      user,
      navTree: [],
    }
    const boot = { pluginId: pluginJson.id, role, theme, apiUrl }
    c.header('cache-control', 'no-store')
    return c.body(
      `window.grafanaBootData=${JSON.stringify(grafana)};` +
        "window.__grafana_public_path__='/public/';" +
        `window.shopUpdatePreview=${JSON.stringify(boot)}`,
      200,
      { 'content-type': 'text/javascript' },
    )
  })
  app.get('/preview/:file{.+}', (c) => {
    const name = c.req.param('file')
    const file = files.get(name)
    return file === undefined
      ? c.notFound()
      : c.body(file, 200, { 'content-type': getMimeType(name) ?? 'application/octet-stream' })
  })
  // the only icon missing from the packages
  app.get('/public/build/img/icons/unicons/spinner.svg', (c) =>
    c.body(
      '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">' +
        '<path d="M12 3a9 9 0 1 0 9 9h-2a7 7 0 1 1-7-7z"/></svg>',
      200,
      { 'content-type': 'image/svg+xml' },
    ),
  )
  app.use(
    '/public/build/img/*',
    serveStatic({ root: ICONS, rewriteRequestPath: (path) => path.replace(/^\/public\/build\/img/, '') }),
  )
  app.use(
    '/public/img/*',
    serveStatic({ root: ICONS, rewriteRequestPath: (path) => path.replace(/^\/public\/img/, '') }),
  )
  app.use(
    '/public/fonts/inter/*',
    serveStatic({
      root: join(of('@fontsource/inter'), 'files'),
      rewriteRequestPath: (path) => path.replace(/^.*\/([\w-]+)\.woff2$/, (_, name) => `/${FONTS[name]}.woff2`),
    }),
  )
  app.use(
    '/public/fonts/roboto/*',
    serveStatic({ root: join(of('@fontsource/roboto-mono'), 'files'), rewriteRequestPath: () => MONOSPACE }),
  )
  app.all('/public/*', (c) => c.notFound())
  app.all(
    `/api/plugin-proxy/${pluginJson.id}/*`,
    pluginProxy({ JsonData: { apiUrl }, SecureJsonData: { viewerKey, adminKey } }),
  )
  app.post('/api/short-urls', async (c) => {
    const { path } = (await c.req.json()) as { path: string }
    return c.json({ url: new URL(`/${path}`, c.req.url).href })
  })
  app.post(`/api/plugins/${pluginJson.id}/settings`, (c) =>
    c.json({ message: 'The preview keeps the settings that it was started with.' }, 403),
  )
  // Grafana's server refuses a path that it cannot decode; here the pages say that there is no such page.
  app.get('*', (c) => {
    const { pathname, search } = new URL(c.req.url)
    return decodes(pathname) ? c.html(page) : c.redirect(`${pathname.replaceAll('%', '%25')}${search}`)
  })
  const server = await new Promise<ServerType>((resolve, reject) => {
    const listening: ServerType = serve({ fetch: app.fetch, hostname: host, port }, () => resolve(listening))
    listening.once('error', reject)
  })
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      }),
  }
}
