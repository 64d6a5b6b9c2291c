import { type Field, fields, messages } from './wire.ts'

type Attributes = Record<string, unknown>

export interface Span {
  resource: Attributes
  traceId: string
  spanId: string
  parentSpanId: string | null
  name: string
  /** As in OTLP: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number
  /** Unix time in nanoseconds. */
  start: bigint
  end: bigint
  attributes: Attributes
  links: { traceId: string; spanId: string }[]
  failed: boolean
}

export interface LogRecord {
  resource: Attributes
  at: bigint
  severity: string
  body: string
  attributes: Attributes
  traceId: string | null
  spanId: string | null
}

/** A point of a sum, a gauge, or a histogram (then `value` is its sum and `count` the number of values). */
export interface Point {
  resource: Attributes
  name: string
  unit: string
  /** When it was read, Unix time in microseconds. */
  at: number
  attributes: Attributes
  value: number
  count: number | null
}

const of = (message: Buffer): Map<number, Field['value']> =>
  new Map([...fields(message)].map(({ no, value }) => [no, value]))
const text = (value: Field['value'] | undefined): string => (value as Buffer | undefined)?.toString() ?? ''
const hex = (value: Field['value'] | undefined): string | null => (value as Buffer | undefined)?.toString('hex') || null

function anyValue(message: Buffer): unknown {
  for (const { no, value } of fields(message)) {
    if (no === 1) return text(value)
    if (no === 2) return value === 1
    if (no === 3) return value
    if (no === 4) return double(value as bigint)
  }
  return null
}

const bits = new DataView(new ArrayBuffer(8))
function double(value: bigint): number {
  bits.setBigUint64(0, value)
  return bits.getFloat64(0)
}

function attributes(message: Buffer, no: number): Attributes {
  const found: Attributes = {}
  for (const pair of messages(message, no)) {
    const field = of(pair)
    found[text(field.get(1))] = anyValue(field.get(2) as Buffer)
  }
  return found
}

function* entries(request: Buffer): Generator<{ resource: Attributes; entry: Buffer }> {
  for (const part of messages(request, 1)) {
    const resource = attributes(of(part).get(1) as Buffer, 1)
    for (const scope of messages(part, 2)) for (const entry of messages(scope, 2)) yield { resource, entry }
  }
}

export const decodeSpans = (request: Buffer): Span[] =>
  [...entries(request)].map(({ resource, entry }) => {
    const field = of(entry)
    const status = field.get(15) as Buffer | undefined
    return {
      resource,
      traceId: hex(field.get(1))!,
      spanId: hex(field.get(2))!,
      parentSpanId: hex(field.get(4)),
      name: text(field.get(5)),
      kind: field.get(6) as number,
      start: field.get(7) as bigint,
      end: field.get(8) as bigint,
      attributes: attributes(entry, 9),
      links: [...messages(entry, 13)].map((link) => ({
        traceId: hex(of(link).get(1))!,
        spanId: hex(of(link).get(2))!,
      })),
      failed: status !== undefined && of(status).get(3) === 2,
    }
  })

export const decodeLogs = (request: Buffer): LogRecord[] =>
  [...entries(request)].map(({ resource, entry }) => {
    const field = of(entry)
    return {
      resource,
      at: field.get(1) as bigint,
      severity: text(field.get(3)),
      body: String(anyValue(field.get(5) as Buffer)),
      attributes: attributes(entry, 6),
      traceId: hex(field.get(9)),
      spanId: hex(field.get(10)),
    }
  })

export const decodeMetrics = (request: Buffer): Point[] =>
  [...entries(request)].flatMap(({ resource, entry }) => {
    const metric = of(entry)
    const common = { resource, name: text(metric.get(1)), unit: text(metric.get(3)) }
    const data = (metric.get(5) ?? metric.get(7) ?? metric.get(9)) as Buffer | undefined // gauge, sum, histogram
    if (!data) return []
    const isHistogram = metric.has(9)
    return [...messages(data, 1)].map((point) => {
      const field = of(point)
      const at = Number((field.get(3) as bigint) / 1000n)
      if (isHistogram) {
        return {
          ...common,
          at,
          attributes: attributes(point, 9),
          value: double(field.get(5) as bigint),
          count: Number(field.get(4)),
        }
      }
      const whole = field.get(6)
      const value = whole === undefined ? double(field.get(4) as bigint) : Number(whole)
      return { ...common, at, attributes: attributes(point, 7), value, count: null }
    })
  })
