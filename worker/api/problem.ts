import { STATUS_CODES } from 'node:http'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Logger } from 'pino'

export interface FieldError {
  /** The name of the wrong field, with dots into the body: `filter.topic`. */
  field: string
  message: string
}

/**
 * An error that the caller can do something about. It may be thrown anywhere and is answered as RFC 9457
 * `application/problem+json`.
 */
export class Problem extends Error {
  readonly status: number
  readonly errors: readonly FieldError[]
  readonly headers: Readonly<Record<string, string>>

  /**
   * @param detail one sentence for the person who sees it
   * @example
   * throw new Problem(422, 'Product 42 does not exist.', {
   *   errors: [{ field: 'productId', message: 'does not exist' }],
   * })
   */
  constructor(
    status: number,
    detail: string,
    { errors = [], headers = {} }: { errors?: FieldError[]; headers?: Record<string, string> } = {},
  ) {
    super(detail)
    this.status = status
    this.errors = errors
    this.headers = headers
  }

  /** The response. `field` repeats the first of `errors`, for callers that show only one. */
  response(): Response {
    const [first] = this.errors
    return Response.json(
      {
        type: 'about:blank',
        title: STATUS_CODES[this.status] ?? 'Error',
        status: this.status,
        detail: this.message,
        ...(first && { field: first.field, errors: this.errors }),
      },
      {
        status: this.status as ContentfulStatusCode,
        headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...this.headers },
      },
    )
  }
}

interface Issue {
  code: string
  path: PropertyKey[]
  message: string
  keys?: string[]
}

/**
 * A 400 that names each wrong field.
 *
 * @param issues of a zod error
 */
export function invalidInput(issues: readonly unknown[]): Problem {
  const errors = (issues as readonly Issue[]).flatMap(({ code, path, message, keys }) =>
    code === 'unrecognized_keys' && keys
      ? keys.map((key) => ({ field: [...path, key].join('.'), message: 'is not known here' }))
      : [{ field: path.join('.') || 'body', message }],
  )
  return new Problem(400, errors.map(({ field, message }) => `${field}: ${message}`).join('; '), { errors })
}

/**
 * Turns anything thrown into a response. What the caller cannot mend is logged; the response leaves out the details.
 */
export const answerError =
  (log: Logger) =>
  (error: Error, c: Context): Response => {
    if (error instanceof Problem) return error.response()
    if (error instanceof HTTPException)
      return new Problem(
        error.status,
        `${error.message || STATUS_CODES[error.status]}.`.replace(/\.\.$/, '.'),
      ).response()
    const { code } = error as { code?: unknown }
    log.error({ err: loggable(error), method: c.req.method, path: c.req.path }, 'A request of the internal API failed')
    if (code === QUERY_CANCELED)
      return unavailable('The database took too long. A narrower filter may help.').response()
    if (typeof code === 'string' && PASSING.test(code))
      return unavailable('The database does not answer right now.').response()
    return new Problem(500, 'Something went wrong here; the worker has logged it.').response()
  }

/** An error without user input: database errors contain the parameters of their statement. */
export function loggable(error: unknown): {
  type?: string
  code?: unknown
  message: string
  stack?: string | undefined
} {
  if (!(error instanceof Error)) return { message: String(error) }
  return { type: error.name, code: (error as { code?: unknown }).code, message: error.message, stack: error.stack }
}

/** The request is valid: the caller may send it again later. */
export const unavailable = (detail: string): Problem => new Problem(503, detail, { headers: { 'retry-after': '5' } })

const QUERY_CANCELED = '57014'
/**
 * Database errors that pass: connection, rollback, resources, locks, operator intervention, disk; also errors of the
 * client and the network.
 */
const PASSING =
  /^(08|25|40|53|55|57|58)...$|^(CONNECTION_|CONNECT_|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENET)/
