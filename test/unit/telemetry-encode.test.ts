import { describe, expect, test } from 'vitest'
import {
  encodeLine,
  encodeRequest,
  encodeResource,
  encodeScope,
  encodeSpan,
  lineAttributes,
  spanAttributes,
  text,
} from '../../worker/telemetry/encode.ts'
import { SpanRef } from '../../worker/telemetry/trace-context.ts'
import { decodeLogs, decodeSpans } from '../otlp/decode.ts'

const RESOURCE = { 'service.name': 'shop-update', venture: 'zalora', source: 'eg/live' }
const request = (entries: Buffer[]) =>
  Buffer.from(encodeRequest(encodeResource(RESOURCE), encodeScope('shop-update'), entries))
const AT = 1_795_523_705_720_123 // microseconds

describe('a span', () => {
  test('comes out as it went in', () => {
    const root = SpanRef.root()
    const ref = root.child()
    const other = SpanRef.root()
    const encoded = encodeSpan({
      name: text('Building (Request) payload'),
      kind: 'client',
      ref,
      parent: root,
      start: AT,
      end: AT + 1,
      attributes: spanAttributes({
        text: 'ü€😀',
        number: 3_000_000_000,
        half: 0.5,
        minus: -1,
        yes: true,
        no: false,
        empty: '',
      }),
      links: [root, other],
      failed: true,
    })
    expect(decodeSpans(request([encoded, encoded]))[1]).toEqual({
      resource: RESOURCE,
      traceId: root.traceId,
      spanId: ref.spanId,
      parentSpanId: root.spanId,
      name: 'Building (Request) payload',
      kind: 3,
      start: BigInt(AT) * 1000n,
      end: BigInt(AT + 1) * 1000n,
      attributes: { text: 'ü€😀', number: 3_000_000_000, half: 0.5, minus: -1, yes: true, no: false, empty: '' },
      links: [root, other].map(({ traceId, spanId }) => ({ traceId, spanId })),
      failed: true,
    })
  })

  test('never ends before it begins', () => {
    const [span] = decodeSpans(
      request([
        encodeSpan({
          name: text('x'),
          kind: 'internal',
          ref: SpanRef.root(),
          start: AT,
          end: AT - 5,
          attributes: spanAttributes({}),
        }),
      ]),
    )
    expect(span).toMatchObject({ start: span!.end, failed: false, parentSpanId: null, links: [] })
  })

  test.each([0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, AT, 2 ** 53 - 1])('%d microseconds', (micros) => {
    const [span] = decodeSpans(
      request([
        encodeSpan({
          name: text('x'),
          kind: 'internal',
          ref: SpanRef.root(),
          start: micros,
          end: micros,
          attributes: spanAttributes({}),
        }),
      ]),
    )
    expect(span!.start).toBe((BigInt(micros) * 1000n) % 2n ** 64n)
  })

  test('its root can be told from the id of its trace alone', () => {
    const root = SpanRef.root()
    expect(SpanRef.rootOf(root.traceId)).toMatchObject({ traceId: root.traceId, spanId: root.spanId })
    expect(root.traceparent).toBe(`00-${root.traceId}-${root.spanId}-01`)
    expect(new Set(Array.from({ length: 5000 }, () => SpanRef.root().traceId)).size).toBe(5000)
  })
})

describe('a line', () => {
  test.each([
    '',
    'x'.repeat(39),
    'x'.repeat(40),
    'x'.repeat(100_000),
    'ü'.repeat(39),
    '😀'.repeat(50_000),
    '\u0000"\\',
  ])('comes out as it went in (%#)', (body) => {
    const ref = SpanRef.root()
    const encoded = encodeLine({
      at: AT,
      level: 'warn',
      body,
      attributes: [lineAttributes({ item_id: '7' }), lineAttributes({ sku: body.slice(0, 5000) })],
      ref,
    })
    expect(decodeLogs(request([encoded]))).toEqual([
      {
        resource: RESOURCE,
        at: BigInt(AT) * 1000n,
        severity: 'WARN',
        body,
        attributes: { item_id: '7', sku: body.slice(0, 5000) },
        traceId: ref.traceId,
        spanId: ref.spanId,
      },
    ])
  })

  test('that is endless is cut, and spoils no other', () => {
    const endless = encodeLine({
      at: AT,
      level: 'info',
      body: 'x'.repeat(3_000_000),
      attributes: [lineAttributes({ id: 'y'.repeat(3_000_000) })],
    })
    const next = encodeLine({ at: AT, level: 'info', body: 'next', attributes: [] })
    const [cut, after] = decodeLogs(request([endless, next]))
    expect([cut!.body.length, String(cut!.attributes.id).length, after!.body]).toEqual([100_000, 100_000, 'next'])
  })

  test('of the same microsecond comes in its place', () => {
    const lines = [2, 0, 1].map((place) => encodeLine({ at: AT, place, level: 'info', body: '', attributes: [] }))
    expect(decodeLogs(request(lines)).map(({ at }) => at - BigInt(AT) * 1000n)).toEqual([2n, 0n, 1n])
  })

  test('that was encoded before is not changed by those after', () => {
    const lines = Array.from({ length: 20_000 }, (_, k) =>
      encodeLine({ at: AT + k, level: 'info', body: `line ${k}`, attributes: [lineAttributes({ k })] }),
    )
    expect(decodeLogs(request(lines)).map(({ body, attributes }) => [body, attributes.k])).toEqual(
      lines.map((_, k) => [`line ${k}`, k]),
    )
  })
})
