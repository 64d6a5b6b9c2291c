import { randomFillSync } from 'node:crypto'

/** W3C trace context of one attempt: a trace of its own, told to the Shop with the call. */
export interface TraceContext {
  traceId: string
  traceparent: string
}

// Random bytes are drawn for many attempts at once: a draw costs 1 us whatever its size.
const pool = Buffer.alloc(24 * 256)
let used = pool.length

export function newTrace(): TraceContext {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const traceId = pool.toString('hex', used, used + 16)
  const spanId = pool.toString('hex', used + 16, used + 24)
  used += 24
  return { traceId, traceparent: `00-${traceId}-${spanId}-01` }
}
