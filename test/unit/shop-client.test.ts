import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { readAnswer } from '../../worker/shop/answer.ts'
import { ByteBudget } from '../../worker/shop/byte-budget.ts'
import {
  createShopClient,
  NotSent,
  type ShopClient,
  type ShopClientOptions,
  ShopUnreachable,
  shopHeaders,
} from '../../worker/shop/client.ts'
import { createLimiter } from '../../worker/shop/limiter.ts'

const call = { json: '{"api":1,"method":"Product.updateStock","params":{"productsInfo":[]},"id":"481516"}' }
const headers = shopHeaders({
  flow: 'asynchronous',
  event: 'product/stockchange',
  requeueCount: 3,
  enqueuedAtNs: '1795504500123456789',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
})

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A Shop on a free port that counts its connections. */
async function shopThat(answers: RequestListener) {
  const server = createServer(answers)
  const shop = { server, port: await listening(server), connections: 0 }
  server.on('connection', () => shop.connections++)
  cleanups.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return shop
}

function clientOf(port: number, options: Partial<ShopClientOptions> = {}): ShopClient {
  const url = `http://127.0.0.1:${port}/shop/rpc.php?venture=sg`
  const client = createShopClient({ url, username: null, password: null, timeoutMs: 5000, ...options })
  cleanups.push(() => client.close())
  return client
}

const limiterOf = (most: number) => createLimiter({ most, now: () => performance.now() })

const failureOf = async (sent: Promise<unknown>): Promise<ShopUnreachable> => {
  const error = await sent.then(
    () => null,
    (reason) => reason,
  )
  expect(error).toBeInstanceOf(ShopUnreachable)
  return error
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  return body
}

describe('the request', () => {
  const echo: RequestListener = async (request, response) => {
    const body = await bodyOf(request)
    response.end(
      JSON.stringify({
        method: request.method,
        url: request.url,
        headers: request.headers,
        raw: request.rawHeaders,
        body,
      }),
    )
  }
  const received = async (options: Partial<ShopClientOptions>) => {
    const { port } = await shopThat(echo)
    const { httpStatus, body } = await clientOf(port, options).send(call, headers)
    expect(httpStatus).toBe(200)
    return JSON.parse(body)
  }

  it('is a POST to the path and query of the URL, with the headers of section 1', async () => {
    const request = await received({})
    expect(request).toMatchObject({ method: 'POST', url: '/shop/rpc.php?venture=sg', body: `[${call.json}]` })
    expect(request.headers).toMatchObject({
      'content-type': 'application/json',
      'x-sc-flow': 'asynchronous',
      'x-sc-topic': 'product/stockchange',
      'x-sc-requeue-count': '3',
      'x-sc-enqueued-at': '1795504500123456789',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    })
    expect(request.raw).toContain('X-SC-Enqueued-At')
  })

  it('starts with the auth element where there is a user name, and only there', async () => {
    let wire: unknown
    const { port } = await shopThat(async (request, response) => {
      wire = JSON.parse(await bodyOf(request))
      response.end()
    })
    await clientOf(port, { username: 'sc', password: 's3"cret' }).send(call, headers)
    expect(wire).toEqual([
      { api: 1, method: 'auth', params: { username: 'sc', password: 's3"cret' }, id: 1 },
      JSON.parse(call.json),
    ])
    await clientOf(port, { username: '', password: 'x' }).send(call, headers)
    expect(wire).toEqual([JSON.parse(call.json)])
  })

  it('an echo of the auth element does not come back', async () => {
    const { port } = await shopThat(async (request, response) => {
      const body = await bodyOf(request)
      response.writeHead(500).end(`${body}\n${JSON.stringify({ request: body })}`)
    })
    const { httpStatus, body } = await clientOf(port, { username: 'sc', password: 's3"cret' }).send(call, headers)
    expect(httpStatus).toBe(500)
    expect(body).not.toContain('cret')
    const [plain, quoted] = body.split('\n')
    expect(JSON.parse(plain!)).toEqual([null, JSON.parse(call.json)])
    expect(JSON.parse(JSON.parse(quoted!).request)).toEqual([null, JSON.parse(call.json)])
  })

  it('a password does not come back in whatever form a page gives it', async () => {
    const password = 'pa/s&"<w>ö\'rd x'
    const { port } = await shopThat(async (request, response) => {
      const [{ params }] = JSON.parse(await bodyOf(request)) as [{ params: { password: string } }]
      const html = params.password
        .replaceAll('&', '&amp;')
        .replaceAll('<', '&lt;')
        .replaceAll('>', '&gt;')
        .replaceAll('"', '&quot;')
      const forms = [
        JSON.stringify({ user: 'sc', params }, null, 2),
        JSON.stringify(params.password).replaceAll('/', '\\/'),
        html,
        encodeURIComponent(params.password),
      ]
      response.writeHead(500).end(forms.join('\n'))
    })
    const { body } = await clientOf(port, { username: 'sc', password }).send(call, headers)
    expect(body).toContain('"user": "sc"')
    expect(body).not.toMatch(/rd x|rd%20x|w>|w&gt;|%3Cw/)
  })

  it('does not leave when it may not leave any more once the connection is there; the connection is kept', async () => {
    let calls = 0
    const { port } = await shopThat((_request, response) => {
      calls++
      response.end('[]')
    })
    const client = clientOf(port)
    await expect(client.send(call, headers, () => false)).rejects.toThrow(NotSent)
    expect(calls).toBe(0)
    expect(await client.send(call, headers, () => true)).toMatchObject({ httpStatus: 200 })
    expect(calls).toBe(1)
  })

  it('does not use a password in the URL', async () => {
    const { port } = await shopThat(echo)
    const { body } = await clientOf(port, { url: `http://sc:s3cret@127.0.0.1:${port}/x` }).send(call, headers)
    expect(body).not.toContain('s3cret')
    expect(JSON.parse(body).headers).not.toHaveProperty('authorization')
  })
})

describe('the answer', () => {
  it.each([200, 204, 301, 404, 500, 503])('HTTP %i is an answer', async (status) => {
    const { port } = await shopThat((_request, response) =>
      response.writeHead(status, { location: '/other' }).end(status === 204 ? undefined : 'Grüße'),
    )
    expect(await clientOf(port).send(call, headers)).toMatchObject({
      httpStatus: status,
      body: status === 204 ? '' : 'Grüße',
    })
  })

  it('is put together from pieces that cut a character', async () => {
    const { port } = await shopThat((_request, response) => {
      const bytes = Buffer.from('"€"')
      response.write(bytes.subarray(0, 2), () => setImmediate(() => response.end(bytes.subarray(2))))
    })
    expect((await clientOf(port).send(call, headers)).body).toBe('"€"')
  })

  it('is asked for unpacked', async () => {
    const { port } = await shopThat((request, response) => response.end(JSON.stringify(request.headers)))
    expect(JSON.parse((await clientOf(port).send(call, headers)).body)).toMatchObject({ 'accept-encoding': 'identity' })
  })

  const said = '[{"id":"481516","result":"Grüße"}]'
  it.each<[string, Buffer]>([
    ['gzip', gzipSync(said)],
    ['x-gzip', gzipSync(said)],
    ['deflate', deflateSync(said)],
    ['deflate', deflateRawSync(said)],
    ['br', brotliCompressSync(said)],
    ['zstd', zstdCompressSync(said)],
    ['gzip, br', brotliCompressSync(gzipSync(said))],
    ['identity', Buffer.from(said)],
    ['', gzipSync(said)],
    ['gzip', Buffer.from(said)],
  ])('that comes packed all the same is unpacked: %s', async (coding, bytes) => {
    const { port } = await shopThat((_request, response) =>
      response.writeHead(200, { 'content-encoding': coding }).end(bytes),
    )
    expect((await clientOf(port).send(call, headers)).body).toBe(said)
  })

  it.each<[string, string, Buffer, RegExp]>([
    [
      'is broken',
      'gzip',
      gzipSync(said).subarray(0, 20),
      /came packed as gzip and could not be unpacked \(unexpected end of file\)\.$/,
    ],
    ['is of another kind', 'br', gzipSync(said), /came packed as br and could not be unpacked/],
    ['has a name that nobody knows', 'sdch', gzipSync(said), /is packed as sdch\.$/],
    ['is packed over and over', 'gzip,gzip,gzip,gzip', gzipSync(said), /is packed 4 times\.$/],
    ['is no text', '', Buffer.from([0xff, 0x00, 0xfe, 0x01]), /it is no text\.$/],
  ])('that %s is told so, and its bytes survive', async (_what, coding, bytes, why) => {
    const { port } = await shopThat((_request, response) =>
      response.writeHead(200, { 'content-encoding': coding }).end(bytes),
    )
    const { body } = await clientOf(port).send(call, headers)
    const [sentence, base64] = body.split('\n')
    expect(sentence).toMatch(why)
    expect(Buffer.from(base64!, 'base64')).toEqual(bytes)
    const asked = { requestId: '481516', topic: 'images' as const, products: [], setSrcId: '700' }
    expect(readAnswer(200, body, asked)).toEqual({ kind: 'unprocessable', message: sentence })
    expect(readAnswer(500, body, asked)).toMatchObject({
      message: `The Shop answered with HTTP status 500: ${sentence}`,
    })
  })

  it.each<[string, Buffer]>([
    ['text/html; charset=ISO-8859-1', Buffer.from('Grüße', 'latin1')],
    ['text/html', Buffer.from('\ufeffGrüße', 'utf16le')],
  ])('in another character set is read: %s', async (type, bytes) => {
    const { port } = await shopThat((_request, response) =>
      response.writeHead(500, { 'content-type': type }).end(bytes),
    )
    expect((await clientOf(port).send(call, headers)).body).toBe('Grüße')
  })

  it('that becomes too large when it is unpacked is none', async () => {
    const { port } = await shopThat((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(8 * 1024 * 1024 + 1, 'x'))),
    )
    expect(await failureOf(clientOf(port).send(call, headers))).toMatchObject({
      code: 'other',
      message: expect.stringContaining('8 MiB'),
    })
  })

  it('that leads elsewhere names the host and nothing else', async () => {
    let location = 'https://sc:s3cret@login.example:8443/path?token=hidden'
    const { port } = await shopThat((_request, response) => response.writeHead(302, { location }).end())
    const client = clientOf(port)
    const { httpStatus, body, movedTo } = await client.send(call, headers)
    expect(movedTo).toBe('login.example:8443')
    expect(
      readAnswer(httpStatus, body, { requestId: '1', topic: 'images', products: [], setSrcId: null }, { movedTo }),
    ).toMatchObject({
      message: 'The Shop answered with HTTP status 302, which leads to login.example:8443.',
    })
    location = '/elsewhere'
    expect((await client.send(call, headers)).movedTo).toBe(`127.0.0.1:${port}`)
  })

  it.each([
    [429, undefined, true, null],
    [429, '7', true, 7],
    [503, '7', true, 7],
    [503, '86400', true, 3600],
    [503, 'Thu, 01 Jan 1970 00:00:00 GMT', true, 0],
    [503, 'soon', false, null],
    [503, undefined, false, null],
    [500, '7', false, 7],
  ])('HTTP %i, Retry-After %s: "wait" %s, %s s', async (status, retryAfter, saysWait, waitSeconds) => {
    const { port } = await shopThat((_request, response) =>
      response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end(),
    )
    expect(await clientOf(port).send(call, headers)).toMatchObject({ saysWait, waitSeconds })
  })

  it('may have 8 MiB and no byte more', async () => {
    let size = 8 * 1024 * 1024
    const { port } = await shopThat((_request, response) => response.end(Buffer.alloc(size, 'x')))
    const client = clientOf(port)
    expect((await client.send(call, headers)).body).toHaveLength(size)
    size++
    expect(await failureOf(client.send(call, headers))).toMatchObject({
      code: 'other',
      message: expect.stringContaining('8 MiB'),
    })
  })
})

describe('the room for answers', () => {
  const MIB = 1024 * 1024
  /** A Shop with 1 MiB answers, and a budget for two. */
  const large = async (timeoutMs: number) => {
    const budget = new ByteBudget(2 * MIB)
    const { port } = await shopThat((_request, response) => response.end(Buffer.alloc(MIB, 'x')))
    return { budget, client: clientOf(port, { budget, timeoutMs }) }
  }

  it('is shared: what is beyond waits until another is done with', async () => {
    const { budget, client } = await large(60_000)
    const send = async () => {
      const { body, release } = await client.send(call, headers)
      held.push(release)
      return body.length
    }
    const held: (() => void)[] = []
    const first = [await send(), await send()]
    expect(budget.left).toBe(0)
    const rest = Promise.all([send(), send(), send(), send()])
    for (let done = 0; done < 6; done++) {
      await vi.waitFor(() => expect(held.length).toBeGreaterThan(done), { timeout: 30_000 })
      expect(held.length - done).toBeLessThanOrEqual(2)
      held[done]!()
    }
    expect([...first, ...(await rest)]).toEqual(Array(6).fill(MIB))
    expect(budget.left).toBe(2 * MIB)
  })

  it('is given back by every answer, whatever became of it', async () => {
    const { budget, client } = await large(300)
    const two = [await client.send(call, headers), await client.send(call, headers)]
    const failure = await failureOf(client.send(call, headers))
    expect(failure).toMatchObject({ code: 'timeout', message: expect.stringContaining('no room in memory') })
    for (const { release } of [...two, ...two]) release()
    expect(budget.left).toBe(2 * MIB)
  })

  it('is needed for what is unpacked, too, and before that is done', async () => {
    const budget = new ByteBudget(8 * MIB)
    const bytes = gzipSync(Buffer.alloc(MIB, 'x'))
    const { port } = await shopThat((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bytes),
    )
    const client = clientOf(port, { budget })
    const first = await client.send(call, headers)
    expect(budget.left).toBe(7 * MIB)
    const impatient = clientOf(port, { budget, timeoutMs: 300 })
    const failure = await failureOf(impatient.send(call, headers))
    expect(failure).toMatchObject({ message: expect.stringContaining('no room in memory') })
    const second = client.send(call, headers)
    first.release()
    expect((await second).body).toHaveLength(MIB)
    expect(budget.left).toBe(7 * MIB)
  })

  it('is not asked for by small answers', async () => {
    const budget = new ByteBudget(0)
    const { port } = await shopThat((_request, response) => response.end(Buffer.alloc(16 * 1024, 'x')))
    expect((await clientOf(port, { budget }).send(call, headers)).body).toHaveLength(16 * 1024)
  })
})

describe('connections', () => {
  it('are kept for call after call', async () => {
    const shop = await shopThat((_request, response) => response.end('[]'))
    const client = clientOf(shop.port)
    for (let n = 0; n < 100; n++) await client.send(call, headers)
    // The second call is sent in the very tick in which the first is answered, before undici has freed its connection.
    expect(shop.connections).toBeLessThanOrEqual(2)
  })

  it('the first is alone until it is answered: a Shop may be slow to close the one too many', async () => {
    const sockets: Socket[] = []
    const othersClosed = Promise.withResolvers<void>()
    const { port, server } = await shopThat((request, response) => {
      if (request.socket === sockets[0]) void othersClosed.promise.then(() => response.end('[]'))
    })
    server.on('connection', (socket) => {
      if (sockets.push(socket) === 1) return
      socket.once('close', () => sockets.slice(1).every(({ destroyed }) => destroyed) && othersClosed.resolve())
      setTimeout(() => socket.destroy(), 40) // later than an accepted connection is taken for one
    })
    const client = clientOf(port, { limiter: limiterOf(3) })
    await Promise.all(Array.from({ length: 3 }, () => client.send(call, headers)))
    expect(sockets.length).toBeGreaterThan(1)
  })

  it('there are never more than allowed, and each call gets its turn', async () => {
    let atOnce = 0
    let most = 0
    const shop = await shopThat((_request, response) => {
      most = Math.max(most, ++atOnce)
      setImmediate(() => {
        atOnce--
        response.end('[]')
      })
    })
    const client = clientOf(shop.port, { limiter: limiterOf(3) })
    await Promise.all(Array.from({ length: 50 }, () => client.send(call, headers)))
    expect(most).toBeLessThanOrEqual(3)
    expect(shop.connections).toBe(3)
  })
})

describe('a Shop that cannot be reached', () => {
  const timeout = { code: 'timeout', message: 'The Shop did not answer within 0.1 s.' }

  it('never answers', async () => {
    const { port } = await shopThat(() => {})
    expect(await failureOf(clientOf(port, { timeoutMs: 100 }).send(call, headers))).toMatchObject(timeout)
  })

  it('starts to answer and drips: the time-out is for the whole', async () => {
    const { port } = await shopThat((_request, response) => {
      const drip = setInterval(() => response.write(' '), 10)
      response.on('close', () => clearInterval(drip))
    })
    expect(await failureOf(clientOf(port, { timeoutMs: 100 }).send(call, headers))).toMatchObject(timeout)
  })

  it('a call that waits for a connection has not left: turned away, it never does', async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<ServerResponse>()
    let calls = 0
    const shop = await shopThat((_request, response) => {
      calls++
      resolve(response)
    })
    const client = clientOf(shop.port, { limiter: limiterOf(1) })
    const sent = Array.from({ length: 5 }, () => client.send(call, headers))
    const response = await arrived
    expect(client.waiting).toBe(4)
    client.turnAway()
    for (const waiting of sent.slice(1)) await expect(waiting).rejects.toThrow(NotSent)
    response.end('[]')
    expect(await sent[0]).toMatchObject({ httpStatus: 200 })
    await client.close()
    expect(calls).toBe(1)
    expect(shop.connections).toBe(1)
  })

  it('answers again after a time-out', async () => {
    let hangs = true
    const { port } = await shopThat((_request, response) => hangs || response.end('[]'))
    const client = clientOf(port, { timeoutMs: 1000, limiter: limiterOf(1) })
    await failureOf(client.send(call, headers))
    hangs = false
    expect(await client.send(call, headers)).toMatchObject({ httpStatus: 200, body: '[]' })
  })

  it.each([
    ['before a byte', ''],
    ['in the headers', 'HTTP/1.1 200 OK\r\ncontent-'],
    ['in the body', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[{"api"'],
    ['in a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n[{"a'],
  ])('breaks off %s', async (_where, bytes) => {
    const server = createTcpServer((socket) => socket.on('error', () => {}).once('data', () => socket.end(bytes)))
    const port = await listening(server)
    cleanups.push(() => new Promise((resolve) => server.close(resolve)))
    const failure = await failureOf(clientOf(port).send(call, headers))
    expect(failure.message).toMatch(/^127\.0\.0\.1:\d+ broke off the connection|could not be received/)
    expect(['reset', 'other']).toContain(failure.code)
  })

  it('resets', async () => {
    const server = createTcpServer((socket) => socket.once('data', () => socket.resetAndDestroy()))
    const port = await listening(server)
    cleanups.push(() => new Promise((resolve) => server.close(resolve)))
    expect(await failureOf(clientOf(port).send(call, headers))).toMatchObject({ code: 'reset' })
  })

  it('speaks another protocol', async () => {
    const server = createTcpServer((socket) =>
      socket.on('error', () => {}).once('data', () => socket.end('220 smtp.example ESMTP\r\n')),
    )
    const port = await listening(server)
    cleanups.push(() => new Promise((resolve) => server.close(resolve)))
    expect(await failureOf(clientOf(port).send(call, headers))).toMatchObject({ code: 'other' })
  })

  it('refuses', async () => {
    const server = createTcpServer()
    const port = await listening(server)
    await new Promise((resolve) => server.close(resolve))
    const url = `http://sc:s3cret@127.0.0.1:${port}/?key=hidden`
    const failure = await failureOf(clientOf(port, { url, username: 'sc', password: 's3cret' }).send(call, headers))
    expect(failure).toMatchObject({
      code: 'refused',
      message: `127.0.0.1:${port} refused the connection (ECONNREFUSED).`,
    })
    expect(failure.stack).not.toMatch(/s3cret|hidden/)
  })

  it('has no such name', async () => {
    const client = clientOf(0, { url: 'http://shop.invalid/', timeoutMs: 25_000 })
    expect(await failureOf(client.send(call, headers))).toMatchObject({ code: 'dns' })
  })

  it('does not speak TLS', async () => {
    const { port } = await shopThat((_request, response) => response.end())
    expect(await failureOf(clientOf(port, { url: `https://127.0.0.1:${port}/` }).send(call, headers))).toMatchObject({
      code: 'tls',
    })
  })

  it('is not called by a closed client', async () => {
    const { port } = await shopThat((_request, response) => response.end())
    const client = clientOf(port)
    await client.close()
    await client.close()
    expect(await failureOf(client.send(call, headers))).toMatchObject({ code: 'other' })
  })
})

it('close waits for the calls under way', async () => {
  const { promise: arrived, resolve } = Promise.withResolvers<ServerResponse>()
  const { port } = await shopThat((_request, response) => resolve(response))
  const client = clientOf(port)
  const sent = client.send(call, headers)
  const response = await arrived
  const closed = client.close()
  response.end('[]')
  expect(await sent).toMatchObject({ httpStatus: 200, body: '[]' })
  await closed
})

it('a URL that is none is refused without being quoted', () => {
  expect(() => createShopClient({ url: 'sc:s3cret@shop', username: null, password: null, timeoutMs: 1 })).toThrow(
    /^(?!.*s3cret)/,
  )
})
