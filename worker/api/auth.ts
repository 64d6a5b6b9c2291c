import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Actor } from '../admin/audit.ts'
import type { Config } from '../config.ts'
import { REFUSALS, type RefusalReason } from '../domain/refusals.ts'
import { Problem } from './problem.ts'

/**
 * What every handler of the internal API may rely on: the caller is allowed to use this method, and this is who it is.
 */
export interface CallerEnv {
  Bindings: {
    incoming?: { url?: string }
    outgoing?: { destroy(): void; once(event: 'close', listener: () => void): unknown }
  }
  Variables: { actor: Actor }
}

type AuthConfig = Pick<Config, 'VIEWER_API_KEY' | 'ADMIN_API_KEY'> &
  Partial<Pick<Config, 'GRAFANA_JWKS_URL' | 'GRAFANA_URL' | 'GRAFANA_ORG_ID'>>

/** The caller is unknown, or may not do this. */
export class Refusal extends Problem {
  readonly reason: RefusalReason
  /** The user that Grafana signed for, if any. */
  readonly sub: string | null

  constructor(reason: RefusalReason, sub: string | null = null) {
    const { status, detail } = REFUSALS[reason]
    super(status, detail, {
      headers:
        status === 401
          ? { 'www-authenticate': 'Bearer realm="shop-update"' }
          : status === 503
            ? { 'retry-after': '5' }
            : {},
    })
    this.reason = reason
    this.sub = sub
  }
}

/**
 * Refuses paths that something between us and the caller may read differently: Grafana's plugin proxy matches its
 * routes, and picks the key to inject, by a path in which `..%2f` is a name, not a step up. No path of this API has a
 * percent sign or a backslash.
 */
export const plainPath: MiddlewareHandler<CallerEnv> = async (c, next) => {
  const [path = ''] = (c.env?.incoming?.url ?? new URL(c.req.url).pathname).split(/[?#]/)
  if (path.includes('..') || /[%\\]/.test(path)) throw new Refusal('path')
  await next()
}

/** Questions that are too long for an address. */
const ASKED = ['/api/search']
/** What a program of Seller Center reads: it is no user of Grafana's. */
const PROGRAMS_READ = ['/api/feedback']
/** The record of who did what is for admins alone. */
const ADMINS_READ = ['/api/runs']

/**
 * Permission depends on the key and on what the request really does, never on a path that someone else let through. The
 * viewer's key reads; the admin's key reads and writes. If `GRAFANA_JWKS_URL` is set, Grafana's signed token must also
 * be valid, except for what programs read, and writing needs the role Admin in it. The recorded user is the token's, by
 * name and by `sub`.
 */
export function authorize(config: AuthConfig): MiddlewareHandler<CallerEnv> {
  const viewer = digest(config.VIEWER_API_KEY)
  const admin = digest(config.ADMIN_API_KEY)
  const verify = config.GRAFANA_JWKS_URL === undefined ? null : grafanaUser(config.GRAFANA_JWKS_URL, config)

  return async (c, next) => {
    const [, key] = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '') ?? []
    if (key === undefined) throw new Refusal('no_key')
    const given = digest(key)
    const isAdmin = timingSafeEqual(given, admin)
    if (!isAdmin && !timingSafeEqual(given, viewer)) throw new Refusal('wrong_key')
    const gets = c.req.method === 'GET' || c.req.method === 'HEAD'
    const isProgram = gets && PROGRAMS_READ.includes(c.req.path)
    const user = verify && !isProgram ? await verify(c.req.header('x-grafana-id')) : null

    const reads = gets || (c.req.method === 'POST' && ASKED.includes(c.req.path))
    const writes = !reads || ADMINS_READ.includes(c.req.path)
    if (writes && !isAdmin) throw new Refusal('read_only_key', user?.sub)
    if (writes && user && user.role !== 'Admin') throw new Refusal('role', user.sub)
    c.set('actor', user ?? { name: isAdmin ? 'admin (key)' : 'viewer (key)', sub: null })
    await next()
  }
}

const digest = (key: string): Buffer => createHash('sha256').update(key).digest()

/** Grafana issues tokens for ten minutes, and the clocks of two machines differ. */
const OLDEST_SECONDS = 15 * 60
const CLOCKS_DIFFER_SECONDS = 30

/**
 * Checks Grafana's ID token: ES256, a user of our organization, valid for ten minutes; the signing keys change every
 * month. When Grafana could not sign, it passes on a header of the client, so nothing in the token counts before its
 * signature is verified.
 */
function grafanaUser(
  jwksUrl: string,
  { GRAFANA_URL, GRAFANA_ORG_ID = 1 }: Pick<AuthConfig, 'GRAFANA_URL' | 'GRAFANA_ORG_ID'>,
): (token: string | undefined) => Promise<Actor & { role: unknown }> {
  const keys = createRemoteJWKSet(new URL(jwksUrl))
  return async (token) => {
    if (!token) throw new Refusal('no_token')
    let claims: JWTPayload
    try {
      claims = (
        await jwtVerify(token, keys, {
          algorithms: ['ES256'],
          requiredClaims: ['exp', 'iat', 'aud', 'sub'],
          audience: `org:${GRAFANA_ORG_ID}`,
          maxTokenAge: OLDEST_SECONDS,
          clockTolerance: CLOCKS_DIFFER_SECONDS,
          ...(GRAFANA_URL !== undefined && { issuer: `${GRAFANA_URL.replace(/\/+$/, '')}/` }),
        })
      ).payload
    } catch (error) {
      throw refusalOf(error)
    }
    const { sub = '', type, role } = claims
    if (type !== 'user') throw new Refusal('not_a_user', sub)
    const name = [claims.username, claims.email, sub].find((text) => typeof text === 'string' && text !== '') as string
    return { name, sub, role }
  }
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError) || error.code === 'ERR_JOSE_GENERIC')
    return new Refusal('no_signing_keys')
  // For these the signature was right.
  if (error instanceof errors.JWTExpired) return new Refusal('old_token', error.payload.sub)
  if (error instanceof errors.JWTClaimValidationFailed)
    return new Refusal(error.claim === 'aud' ? 'wrong_audience' : 'wrong_token', error.payload.sub)
  return new Refusal('wrong_token')
}
