import type { BackendSrv, BackendSrvRequest, FetchResponse } from '@grafana/runtime'
import { from } from 'rxjs'

/** The part of Grafana's fetch service that the pages use: JSON in and out, and its own kind of error. */
async function send<T>({
  url: path,
  params = {},
  method = 'GET',
  data,
  abortSignal,
}: BackendSrvRequest): Promise<FetchResponse<T>> {
  const query = new URLSearchParams(params).toString()
  const url = query === '' ? path : `${path}?${query}`
  let response: Response
  try {
    response = await fetch(url, {
      method,
      ...(abortSignal && { signal: abortSignal }),
      ...(data !== undefined && { body: JSON.stringify(data), headers: { 'content-type': 'application/json' } }),
    })
  } catch (error) {
    throw { status: 0, statusText: (error as Error).message, data: {}, config: { url } }
  }
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  const body = isJson && text !== '' ? JSON.parse(text) : text
  if (!response.ok) throw { status: response.status, statusText: response.statusText, data: body, config: { url } }
  return {
    data: body,
    ok: true,
    status: response.status,
    headers: response.headers,
    url,
    config: { url },
  } as FetchResponse<T>
}

export const backend = { fetch: (request: BackendSrvRequest) => from(send(request)) } as unknown as BackendSrv
