import type { Micros } from '../domain/step.ts'
import type { SpanRef } from './trace-context.ts'

/**
 * Spans and log records as OTLP bytes (opentelemetry/proto/{trace,logs}/v1). The SDK's records and serializer took 97
 * us for the ten spans and ten lines of an item, a third of the item's cost; this takes 10. What many records share is
 * encoded once and copied.
 */

export type Attributes = Record<string, string | number | boolean>

export interface SpanFields {
  /** From `text`. */
  name: Buffer
  kind: keyof typeof KINDS
  ref: SpanRef
  parent?: SpanRef | undefined
  start: Micros
  end: Micros
  /** From `spanAttributes`. */
  attributes: Buffer
  links?: readonly SpanRef[] | undefined
  /** Sets the status; the cause is in `error.type`. A message could contain what must not be on a span. */
  failed?: boolean
}

export interface LineFields {
  at: Micros
  /** Orders lines of the same microsecond; below 1000. */
  place?: number
  level: keyof typeof SEVERITIES
  body: string
  /** From `lineAttributes`, in order. */
  attributes: readonly Buffer[]
  ref?: SpanRef | undefined
}

const KINDS = { internal: 1, server: 2, client: 3, consumer: 5 } as const
const SEVERITIES = { info: [9, 'INFO'], warn: [13, 'WARN'], error: [17, 'ERROR'] } as const

const SLAB = 1024 * 1024
let slab = Buffer.allocUnsafe(SLAB)
let at = 0

/** Makes room for `bytes`. Earlier slabs live as long as somebody references them. */
function reserve(bytes: number): void {
  if (at + bytes <= slab.length) return
  slab = Buffer.allocUnsafe(Math.max(SLAB, bytes))
  at = 0
}

/** A varint of exactly three bytes, for lengths that are known only later. */
function patchLength(place: number): void {
  const length = at - place - 3
  slab[place] = (length & 127) | 128
  slab[place + 1] = ((length >> 7) & 127) | 128
  slab[place + 2] = length >> 14
}
/** Up to 2 MiB. No record is longer, since long texts are cut (`TEXT`). */
const LENGTH = 3

function varint(value: number): void {
  let rest = value
  while (rest > 127) {
    slab[at++] = (rest % 128) | 128
    rest = Math.floor(rest / 128)
  }
  slab[at++] = rest
}

function bytes(tag: number, value: Uint8Array): void {
  slab[at++] = tag
  slab[at++] = value.length // for ids: below 128
  for (let k = 0; k < value.length; k++) slab[at++] = value[k]!
}

function copy(value: Uint8Array): void {
  slab.set(value, at)
  at += value.length
}

/** Unix time in nanoseconds, as fixed64. */
function time(tag: number, micros: Micros, nanos = 0): void {
  const low = (micros % 0x1_0000_0000) * 1000 + nanos
  const high = Math.floor(micros / 0x1_0000_0000) * 1000 + Math.floor(low / 0x1_0000_0000)
  slab[at++] = tag
  at = slab.writeUInt32LE(low % 0x1_0000_0000, at)
  at = slab.writeUInt32LE(high % 0x1_0000_0000, at)
}

/** The longest text, in characters of up to three bytes: a little more than a 64 KiB body and the words around it. */
const TEXT = 100_000

/** Length and text; short texts are encoded without leaving JavaScript. */
function string(whole: string): void {
  const value = whole.length > TEXT ? whole.slice(0, TEXT) : whole
  if (value.length < 40 && isAscii(value)) {
    slab[at++] = value.length
    for (let k = 0; k < value.length; k++) slab[at++] = value.charCodeAt(k)
    return
  }
  const place = at
  at += LENGTH
  at += slab.write(value, at)
  patchLength(place)
}

function isAscii(value: string): boolean {
  for (let k = 0; k < value.length; k++) if (value.charCodeAt(k) > 127) return false
  return true
}

/** A KeyValue in field `tag`. */
function attribute(tag: number, key: string, value: string | number | boolean): void {
  slab[at++] = tag
  const place = at
  at += LENGTH
  slab[at++] = 0x0a
  string(key)
  slab[at++] = 0x12
  const inner = at
  at += LENGTH
  if (typeof value === 'string') {
    slab[at++] = 0x0a
    string(value)
  } else if (typeof value === 'boolean') {
    slab[at++] = 0x10
    slab[at++] = value ? 1 : 0
  } else if (Number.isSafeInteger(value) && value >= 0) {
    slab[at++] = 0x18
    varint(value)
  } else {
    slab[at++] = 0x21
    at = slab.writeDoubleLE(value, at)
  }
  patchLength(inner)
  patchLength(place)
}

function encodeAttributes(tag: number, attributes: Attributes): Buffer {
  let most = 0
  for (const key in attributes) {
    const value = attributes[key]!
    most += key.length * 3 + (typeof value === 'string' ? value.length * 3 : 10) + 20
  }
  reserve(most)
  const start = at
  for (const key in attributes) attribute(tag, key, attributes[key]!)
  return slab.subarray(start, at)
}

/** Attributes for spans, ready to be copied into any number of them. */
export const spanAttributes = (attributes: Attributes): Buffer => encodeAttributes(0x4a, attributes)
/** Attributes for log records. */
export const lineAttributes = (attributes: Attributes): Buffer => encodeAttributes(0x32, attributes)
/** A copy in memory of its own. A kept slice would otherwise keep its whole slab (1 MiB) alive. */
export const kept = (bytes: Buffer): Buffer => {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
/** A name, encoded once; below 128 bytes. */
export const text = (value: string): Buffer => Buffer.from(value)

const SAMPLED = 0x101 // with a parent that is not remote

/** A span as an entry of ScopeSpans. */
export function encodeSpan({ name, kind, ref, parent, start, end, attributes, links, failed }: SpanFields): Buffer {
  reserve(140 + name.length + attributes.length + (links ? links.length * 40 : 0))
  const from = at
  slab[at++] = 0x12
  const place = at
  at += LENGTH
  bytes(0x0a, ref.trace)
  bytes(0x12, ref.span)
  if (parent) bytes(0x22, parent.span)
  bytes(0x2a, name)
  slab[at++] = 0x30
  slab[at++] = KINDS[kind]
  time(0x39, start)
  time(0x41, Math.max(start, end))
  copy(attributes)
  if (links) {
    for (const { trace, span } of links) {
      slab[at++] = 0x6a
      slab[at++] = 28
      bytes(0x0a, trace)
      bytes(0x12, span)
    }
  }
  if (failed) {
    slab[at++] = 0x7a
    slab[at++] = 2
    slab[at++] = 0x18
    slab[at++] = 2
  }
  slab[at++] = 0x85
  slab[at++] = 0x01
  at = slab.writeUInt32LE(SAMPLED, at)
  patchLength(place)
  return slab.subarray(from, at)
}

/** A log record as an entry of ScopeLogs. */
export function encodeLine({ at: when, place: order = 0, level, body, attributes, ref }: LineFields): Buffer {
  let most = 120 + body.length * 3
  for (const part of attributes) most += part.length
  reserve(most)
  const from = at
  slab[at++] = 0x12
  const place = at
  at += LENGTH
  const [number, severity] = SEVERITIES[level]
  time(0x09, when, order)
  slab[at++] = 0x10
  slab[at++] = number
  slab[at++] = 0x1a
  string(severity)
  slab[at++] = 0x2a
  const inner = at
  at += LENGTH
  slab[at++] = 0x0a
  string(body)
  patchLength(inner)
  for (const part of attributes) copy(part)
  if (ref) {
    slab[at++] = 0x45
    at = slab.writeUInt32LE(1, at)
    bytes(0x4a, ref.trace)
    bytes(0x52, ref.span)
  }
  time(0x59, when, order)
  patchLength(place)
  return slab.subarray(from, at)
}

/**
 * An export request of one resource and one scope.
 *
 * @param resource from `encodeResource`
 */
export function encodeRequest(resource: Buffer, scope: Buffer, entries: readonly Buffer[]): Uint8Array {
  let size = 0
  for (const entry of entries) size += entry.length
  const inner = framed(0x12, [scope, size])
  const outer = framed(0x0a, [resource, inner.length + scope.length + size])
  return Buffer.concat([outer, resource, inner, scope, ...entries])
}

/** Tag and length of a message with these parts. */
function framed(tag: number, [first, more]: [Buffer, number]): Buffer {
  const header = [tag]
  let rest = first.length + more
  while (rest > 127) {
    header.push((rest & 127) | 128)
    rest = Math.floor(rest / 128)
  }
  header.push(rest)
  return Buffer.from(header)
}

/** Field 1 of ResourceSpans and ResourceLogs. */
export function encodeResource(attributes: Attributes): Buffer {
  const inside = encodeAttributes(0x0a, attributes)
  return Buffer.concat([framed(0x0a, [inside, 0]), inside])
}

/** Field 1 of ScopeSpans and ScopeLogs. */
export function encodeScope(name: string): Buffer {
  const inside = Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)])
  return Buffer.concat([framed(0x0a, [inside, 0]), inside])
}
