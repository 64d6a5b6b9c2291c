import type { RecordedCallback } from '../domain/callback.ts'
import { nowInMicros } from '../domain/step.ts'
import { spanAttributes, text } from './encode.ts'
import type { Telemetry } from './telemetry.ts'
import { SpanRef } from './trace-context.ts'

/**
 * A request of the Shop on the public listener, as a trace of its own. A `traceparent` from the Shop is not ours and is
 * ignored.
 */
export interface ServerTrace {
  traceId: string
  /** A callback has been recorded. */
  received(requestId: string, recorded: RecordedCallback, body: string): void
  answered(httpStatus: number, client: string | null): void
}

export function serverTrace(telemetry: Telemetry | undefined): ServerTrace {
  const ref = SpanRef.root()
  const began = nowInMicros()
  const links: SpanRef[] = []
  return {
    traceId: ref.traceId,
    received(requestId, recorded, body) {
      if (recorded.answers !== null) links.push(SpanRef.rootOf(recorded.answers))
      telemetry?.callback({ requestId, ...recorded, body, at: nowInMicros() }, ref)
    },
    answered(httpStatus, client) {
      telemetry?.span({
        name: NAME,
        kind: 'server',
        ref,
        start: began,
        end: nowInMicros(),
        attributes: spanAttributes({
          'http.request.method': 'POST',
          'http.route': '/shop-update/',
          'http.response.status_code': httpStatus,
          ...(client !== null && { 'client.address': client }),
          ...(httpStatus >= 500 && { 'error.type': String(httpStatus) }),
        }),
        links,
        failed: httpStatus >= 500,
      })
    },
  }
}

const NAME = text('POST /shop-update/')
