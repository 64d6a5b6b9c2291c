import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Config } from '../config.ts'
import { Problem, unavailable } from './problem.ts'

/** What every handler of the internal API may rely on: the caller may do what his method says, and this is his name. */
export interface CallerEnv {
  Bindings: { incoming?: { url?: string }; outgoing?: { destroy(): void; once(event: 'close', listener: () => void): unknown } }
  Variables: { actor: string }
}

type AuthConfig = Pick<Config, 'VIEWER_API_KEY' | 'ADMIN_API_KEY'> & Partial<Pick<Config, 'GRAFANA_JWKS_URL' | 'GRAFANA_URL'>>

/**
 * Refuses paths that somebody between us and the caller may read differently than we do: Grafana's plugin proxy matches its routes, and picks
 * the key that it injects, by a path in which `..%2f` is a name and not a step up. No path of this API has a percent sign or a backslash.
 */
export const plainPath: MiddlewareHandler<CallerEnv> = async (c, next) => {
  const [path = ''] = (c.env?.incoming?.url ?? new URL(c.req.url).pathname).split(/[?#]/)
  if (path.includes('..') || /[%\\]/.test(path)) throw new Problem(403, 'The path must not hold "..", a percent sign or a backslash.')
  await next()
}

/**
 * Who may do what depends on the key and on what the request really does, never on the path that somebody let through: the viewer's key reads,
 * the admin's key reads and writes. Where `GRAFANA_JWKS_URL` is set, Grafana's signed token must be valid as well, and writing needs the role
 * Admin in it; its user is the one recorded.
 */
export function authorize(config: AuthConfig): MiddlewareHandler<CallerEnv> {
  const viewer = digest(config.VIEWER_API_KEY)
  const admin = digest(config.ADMIN_API_KEY)
  const verify = config.GRAFANA_JWKS_URL === undefined ? null : grafanaUser(config.GRAFANA_JWKS_URL, config.GRAFANA_URL)

  return async (c, next) => {
    const [, key] = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '') ?? []
    if (key === undefined) throw unauthorized('An API key is needed, as "Authorization: Bearer …".')
    const given = digest(key)
    const isAdmin = timingSafeEqual(given, admin)
    if (!isAdmin && !timingSafeEqual(given, viewer)) throw unauthorized('The API key is not valid.')
    const user = verify && (await verify(c.req.header('x-grafana-id')))

    const writes = c.req.method !== 'GET' && c.req.method !== 'HEAD'
    if (writes && !isAdmin) throw new Problem(403, 'This API key may only read.')
    if (writes && user && user.role !== 'Admin') throw new Problem(403, 'Only a user with the role Admin may do this.')
    c.set('actor', user ? user.name : isAdmin ? 'admin (key)' : 'viewer (key)')
    await next()
  }
}

const digest = (key: string): Buffer => createHash('sha256').update(key).digest()

const unauthorized = (detail: string): Problem =>
  new Problem(401, detail, { headers: { 'www-authenticate': 'Bearer realm="shop-update"' } })

/**
 * Checks Grafana's ID token: ES256, valid for ten minutes, the signing keys change every month. Where Grafana could not sign, it lets a
 * header of the client pass, so nothing of the token counts before its signature does.
 */
function grafanaUser(
  jwksUrl: string,
  grafanaUrl: string | undefined,
): (token: string | undefined) => Promise<{ name: string; role: unknown }> {
  const keys = createRemoteJWKSet(new URL(jwksUrl))
  return async (token) => {
    if (!token) throw unauthorized('The X-Grafana-Id token is missing.')
    let claims: JWTPayload
    try {
      claims = (
        await jwtVerify(token, keys, {
          algorithms: ['ES256'],
          requiredClaims: ['exp', 'aud', 'sub'],
          ...(grafanaUrl !== undefined && { issuer: `${grafanaUrl.replace(/\/+$/, '')}/` }),
        })
      ).payload
    } catch (error) {
      if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError) || error.code === 'ERR_JOSE_GENERIC') {
        throw unavailable('The signing keys of Grafana cannot be read right now.')
      }
      throw unauthorized('The X-Grafana-Id token is not valid.')
    }
    if (![claims.aud ?? []].flat().some((audience) => /^org:\d+$/.test(audience)))
      throw unauthorized('The X-Grafana-Id token is for somebody else.')
    const name = [claims.username, claims.email, claims.sub].find((text) => typeof text === 'string' && text !== '') as string
    return { name, role: claims.role }
  }
}
