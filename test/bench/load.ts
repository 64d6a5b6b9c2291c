import { connect } from 'node:net'

/**
 * Load on an HTTP endpoint, as a process of its own that costs little beside what it measures: each of its connections
 * sends a request as soon as the one before is answered. The requests are bytes that were made beforehand, and of an
 * answer only its end is looked for. `callbacks.ts` forks it.
 */
export interface Load {
  url: string
  headers: Record<string, string>
  bodies: string[]
  connections: number
  /** After this no more requests begin. */
  seconds: number
}

export interface Loaded {
  /** Of each request, as they were answered. */
  milliseconds: number[]
  seconds: number
  /** Why it ended before its time: an answer that is no success, or a lost connection. */
  failed: string | null
}

async function load({ url, headers, bodies, connections, seconds }: Load): Promise<Loaded> {
  const { hostname, port, host, pathname } = new URL(url)
  const head = Object.entries({ host, ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
  const requests = bodies.map((body) =>
    Buffer.from(`POST ${pathname} HTTP/1.1\r\n${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`),
  )
  const milliseconds: number[] = []
  let failed: string | null = null
  let next = 0
  const began = performance.now()
  const until = began + seconds * 1000

  const run = () =>
    new Promise<void>((resolve) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true }).setEncoding('utf8')
      let sentAt = 0
      let answer = ''
      let isOver = false
      function send(): void {
        isOver = failed !== null || next === requests.length || performance.now() > until
        if (isOver) return void socket.end()
        sentAt = performance.now()
        answer = ''
        socket.write(requests[next++]!)
      }
      socket.on('connect', send)
      socket.on('data', (chunk: string) => {
        answer += chunk
        if (!isWhole(answer)) return
        milliseconds.push(performance.now() - sentAt)
        if (!answer.startsWith('HTTP/1.1 200 ') || answer.includes('"error"')) failed ??= answer
        send()
      })
      socket.on('error', (error) => {
        failed ??= error.message
      })
      socket.on('close', () => {
        if (!isOver) failed ??= 'The connection was closed.'
        resolve()
      })
    })
  await Promise.all(Array.from({ length: connections }, run))
  return { milliseconds, seconds: (performance.now() - began) / 1000, failed }
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n')
  if (end === -1) return false
  const length = Number(/^content-length: *(\d+)/im.exec(answer.slice(0, end))?.[1])
  return Buffer.byteLength(answer) >= end + 4 + length
}

process.on('message', async (message: Load) => process.send!(await load(message)))
