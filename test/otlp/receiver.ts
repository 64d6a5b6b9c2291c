import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeLogs, decodeMetrics, decodeSpans, type LogRecord, type Point, type Span } from './decode.ts'
import { countEntries } from './wire.ts'

export interface Received {
  counts: { spans: number; logs: number }
  spans: Span[]
  logs: LogRecord[]
  /** The newest points, by name, attributes and resource. */
  points: Map<string, Point>
}

export interface Receiver {
  url: string
  received: Received
  /** Every received byte as text, to check what must not be in it. */
  raw: Buffer[]
  stop(): Promise<void>
}

/**
 * An OTLP receiver over HTTP and protobuf, like a collector.
 *
 * @param keep false: spans and log records are only counted
 */
export async function startReceiver({
  port = 0,
  keep = true,
}: {
  port?: number
  keep?: boolean
} = {}): Promise<Receiver> {
  const received: Received = { counts: { spans: 0, logs: 0 }, spans: [], logs: [], points: new Map() }
  const raw: Buffer[] = []
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      if (request.method === 'GET') {
        response.end(JSON.stringify({ ...received.counts, points: [...received.points.values()] }))
        return
      }
      const body = Buffer.concat(chunks)
      if (keep) raw.push(body)
      if (request.url === '/v1/traces') {
        received.counts.spans += countEntries(body)
        if (keep) received.spans.push(...decodeSpans(body))
      } else if (request.url === '/v1/logs') {
        received.counts.logs += countEntries(body)
        if (keep) received.logs.push(...decodeLogs(body))
      } else {
        for (const point of decodeMetrics(body)) {
          const key = JSON.stringify([point.name, point.attributes, point.resource['service.instance.id']])
          // a point that is resent after a failure arrives after later readings
          if (point.at >= (received.points.get(key)?.at ?? 0)) received.points.set(key, point)
        }
      }
      if (!server.listening) response.setHeader('connection', 'close')
      response.setHeader('content-type', 'application/x-protobuf').end()
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    raw,
    async stop() {
      const closed = once(server, 'close')
      server.close() // requests under way are answered
      server.closeIdleConnections()
      // for a client that keeps its connection and sends nothing
      const deadline = setTimeout(() => server.closeAllConnections(), 1000)
      await closed
      clearTimeout(deadline)
    },
  }
}
