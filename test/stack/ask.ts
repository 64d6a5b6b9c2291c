import { type Part, SECRETS, SOURCE, type Stack, VENTURE } from './parts.ts'

export interface Line {
  /** Nanoseconds. */
  at: bigint
  text: string
  /** Labels and structured metadata. */
  fields: Record<string, string>
}

export interface Span {
  traceId: string
  id: string
  parentId: string
  name: string
  kind: string
  began: bigint
  failed: boolean
  linkedTraceIds: string[]
  attributes: Record<string, string>
}

export interface Frame {
  schema: { fields: { name: string; labels?: Record<string, string> }[] }
  data: { values: unknown[][] }
}

/** What a person would search for in Grafana: lines of this venture and source. */
export const OURS = `{venture="${VENTURE}", source="${SOURCE}"}`
const DAY_MS = 86_400_000

/** The HTTP APIs of the parts. */
export function asker({ urls }: Stack) {
  async function json<Body>(part: Part, path: string, init: RequestInit = {}): Promise<Body> {
    const response = await fetch(`${urls[part]}${path}`, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`${part} answers ${response.status} to ${path}: ${text.slice(0, 500)}`)
    return JSON.parse(text) as Body
  }
  const query = (parameters: Record<string, string | number>) =>
    new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)] as [string, string]))

  async function grafana<Body>(path: string, body?: unknown): Promise<Body> {
    return json<Body>('grafana', path, {
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      headers: {
        authorization: `Basic ${btoa(`admin:${SECRETS.grafanaAdminPassword}`)}`,
        'content-type': 'application/json',
      },
    })
  }

  return {
    json,
    grafana,
    /** PromQL; each series with its labels. */
    async metrics(expression: string): Promise<{ labels: Record<string, string>; value: number }[]> {
      const { data } = await json<{ data: { result: { metric: Record<string, string>; value: [number, string] }[] } }>(
        'prometheus',
        `/api/v1/query?${query({ query: expression })}`,
      )
      return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
    },
    /** LogQL; oldest line first. */
    async lines(expression: string, days = 1): Promise<Line[]> {
      const range = { start: (Date.now() - days * DAY_MS) * 1e6, end: (Date.now() + 60_000) * 1e6 }
      const { data } = await json<{
        data: { result: { stream: Record<string, string>; values: [string, string][] }[] }
      }>(
        'loki',
        `/loki/api/v1/query_range?${query({ query: expression, limit: 1000, direction: 'forward', ...range })}`,
      )
      return data.result
        .flatMap(({ stream, values }) => values.map(([at, text]) => ({ at: BigInt(at), text, fields: stream })))
        .sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0))
    },
    /** The spans of a trace, earliest first. */
    async trace(traceId: string): Promise<Span[]> {
      const { trace } = await json<{ trace: OtlpTrace }>('tempo', `/api/v2/traces/${traceId}`)
      return spansOf(trace)
    },
    /** The first frame in the answer of a Grafana data source. */
    async dataSource(uid: string, question: object): Promise<Frame> {
      const { results } = await grafana<{ results: { A: { frames?: Frame[]; error?: string } } }>('/api/ds/query', {
        from: String(Date.now() - DAY_MS),
        to: String(Date.now() + 60_000),
        queries: [{ refId: 'A', datasource: { uid }, maxDataPoints: 1000, intervalMs: 1000, ...question }],
      })
      const frame = results.A.frames?.[0]
      if (!frame) throw new Error(`${uid} has no answer: ${JSON.stringify(results.A)}`)
      return frame
    },
  }
}
export type Asker = ReturnType<typeof asker>

interface OtlpAttribute {
  key: string
  value: Record<string, unknown>
}

export interface OtlpTrace {
  resourceSpans?: {
    scopeSpans: {
      spans: {
        traceId: string
        spanId: string
        parentSpanId?: string
        name: string
        kind: string
        startTimeUnixNano: string
        status?: { code?: string }
        attributes?: OtlpAttribute[]
        links?: { traceId: string }[]
      }[]
    }[]
  }[]
}

export function spansOf(trace: OtlpTrace): Span[] {
  const hex = (base64 = '') => Buffer.from(base64, 'base64').toString('hex')
  return (trace.resourceSpans ?? [])
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
    .map((span) => ({
      traceId: hex(span.traceId),
      id: hex(span.spanId),
      parentId: hex(span.parentSpanId),
      name: span.name,
      kind: span.kind.replace('SPAN_KIND_', ''),
      began: BigInt(span.startTimeUnixNano),
      failed: span.status?.code === 'STATUS_CODE_ERROR',
      linkedTraceIds: (span.links ?? []).map(({ traceId }) => hex(traceId)),
      attributes: Object.fromEntries(
        (span.attributes ?? []).map(({ key, value }) => [key, String(Object.values(value)[0])]),
      ),
    }))
    .sort((one, other) => (one.began < other.began ? -1 : one.began > other.began ? 1 : 0))
}
