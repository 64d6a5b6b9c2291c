import { getBackendSrv, isFetchError } from '@grafana/runtime'
import { lastValueFrom } from 'rxjs'
import { PLUGIN_ID } from '../app.ts'
import { given, type Query } from '../location.ts'

/** What went wrong, in a sentence for the user. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  /** True if nothing answered: the worker is down, or Grafana does not reach it. */
  readonly unreachable: boolean
  /** What the worker names as wrong or missing. */
  readonly field: string | undefined

  constructor(status: number, message: string, field?: string) {
    super(message)
    this.status = status
    this.field = field
    this.unreachable = status === 0 || (status >= 502 && status <= 504)
  }
}

/** Asking again will not help: the worker has answered that there is no such thing, or that it was asked wrongly. */
export const isFinal = (error: Error | null): boolean =>
  error instanceof ApiError && error.status >= 400 && error.status < 500

/** The worker's API behind Grafana's plugin proxy. Without Grafana's sub path: the fetch service adds it. */
export const proxied = (path: string): string => `/api/plugin-proxy/${PLUGIN_ID}/api/${path}`

/**
 * Calls the worker's API.
 *
 * @throws ApiError with the worker's own sentence, if it sent one
 */
export async function call<Answer>(
  path: string,
  {
    method = 'GET',
    query = {},
    body,
    signal,
    responseType,
  }: {
    method?: 'GET' | 'POST' | 'PUT'
    query?: Query
    body?: unknown
    signal?: AbortSignal
    responseType?: 'text'
  } = {},
): Promise<Answer> {
  try {
    const response = await lastValueFrom(
      getBackendSrv().fetch<Answer>({
        url: proxied(path),
        params: given(query), // as parameters, not in the path: a SKU may contain what no path may
        method,
        data: body,
        showErrorAlert: false,
        validatePath: true,
        ...(signal && { abortSignal: signal }),
        ...(responseType && { responseType }),
      }),
    )
    return response.data
  } catch (error) {
    if (!isFetchError(error)) throw error
    const { errors, detail, message } = (error.data ?? {}) as {
      errors?: FieldError[]
      detail?: string
      message?: string
    }
    const wrong = error.status === 400 ? errors?.map(inWords).join(' ') : undefined
    throw new ApiError(
      error.status ?? 0,
      wrong ?? detail ?? message ?? error.statusText ?? 'The worker did not answer.',
      errors?.[0]?.field,
    )
  }
}

interface FieldError {
  field: string
  message: string
}

/** Users do not care where in the body an error was, or which values a filter could have had. */
function inWords({ field: path, message }: FieldError): string {
  const field = path.replace(/^filter\./, '')
  if (message.startsWith('Invalid option')) return `There is no such ${field}.`
  return /\.\d+$/.test(field) ? `${message}.` : `${field}: ${message}.`
}
