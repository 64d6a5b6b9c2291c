import { randomFillSync } from 'node:crypto'

// Random bytes are drawn for a thousand spans at once: a draw costs 1 us whatever its size.
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
 * The ids of a span as W3C trace context has them: 16 bytes of the trace, 8 of the span. They go on the wire as bytes,
 * everywhere else in hex.
 */
export class SpanRef {
  readonly trace: Buffer
  readonly span: Buffer

  private constructor(trace: Buffer, span: Buffer) {
    this.trace = trace
    this.span = span
  }

  /**
   * The root of a new trace. Its id is the first half of the trace's, so that whoever knows a trace id (of the last
   * attempt, of the attempt that a callback answers) can link to it, and add to it, without another id to keep.
   */
  static root(): SpanRef {
    const trace = randomBytes(16)
    return new SpanRef(trace, trace.subarray(0, 8))
  }

  /** The root of a trace of ours. */
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

  /** What the Shop is told of the call: always sampled. */
  get traceparent(): string {
    return `00-${this.traceId}-${this.spanId}-01`
  }
}
