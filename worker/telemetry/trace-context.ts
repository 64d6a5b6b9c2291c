import { randomFillSync } from 'node:crypto'

// Random bytes are drawn for a thousand spans at once: a draw costs 1 us, whatever its size.
const POOL = 16 * 1024
let pool = Buffer.alloc(0)
let used = 0

function randomBytes(count: number): Buffer {
  if (used + count > pool.length) {
    pool = randomFillSync(Buffer.allocUnsafe(POOL))
    used = 0
  }
  used += count
  return pool.subarray(used - count, used)
}

/**
 * The ids of a span in W3C trace context: 16 bytes for the trace, 8 for the span. On the wire they are bytes, elsewhere
 * hex.
 */
export class SpanRef {
  readonly trace: Buffer
  readonly span: Buffer

  private constructor(trace: Buffer, span: Buffer) {
    this.trace = trace
    this.span = span
  }

  /**
   * The root of a new trace. Its span id is the first half of the trace id. So a known trace id (of the last attempt,
   * of the attempt that a callback answers) is enough to link to the root and add to it; no other id needs to be kept.
   */
  static root(): SpanRef {
    const trace = randomBytes(16)
    return new SpanRef(trace, trace.subarray(0, 8))
  }

  /** The root of a trace that was begun here. */
  static rootOf(traceId: string): SpanRef {
    const trace = Buffer.from(traceId, 'hex')
    return new SpanRef(trace, trace.subarray(0, 8))
  }

  /** A new span of the same trace. */
  child(): SpanRef {
    return new SpanRef(this.trace, randomBytes(8))
  }

  get traceId(): string {
    return this.trace.toString('hex')
  }

  get spanId(): string {
    return this.span.toString('hex')
  }

  /** Sent to the Shop with the call; always sampled. */
  get traceparent(): string {
    return `00-${this.traceId}-${this.spanId}-01`
  }
}
